#!/usr/bin/env bash
# lint.sh [--fix | --layout]: formatting (clang-format) of every source and the checks of .clang-tidy on the library's sources.
#   --fix     formats the files instead of complaining        --layout  checks the formatting only
# clang-tidy needs a configured build: QWEN_BIN_DIR, or build/release. Files that were clean and have not changed since are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
fix=0 layout=0
case "${1:-}" in
  "") ;;
  --fix) fix=1 ;;
  --layout) layout=1 ;;
  -h | --help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
  *) echo "lint.sh: unknown argument $1; --help shows the usage" >&2; exit 2 ;;
esac
tool() {  # NAME: version 14, as in Debian 12; other versions format differently
  local name
  for name in "$1-14" "$1"; do
    if command -v "$name" >/dev/null && "$name" --version | grep -q "version 14\."; then
      echo "$name"
      return
    fi
  done
  echo "lint.sh: $1 of version 14 is missing; scripts/install_packages.sh packages-tests.txt installs it" >&2
  return 1
}
format=$(tool clang-format)
jobs=${QWEN_JOBS:-$(nproc)}

find_sources() { find "$@" -name build -prune -o -type f \( -name '*.cpp' -o -name '*.h' -o -name '*.inl' -o -name '*.c' \) -print; }
sources() { find_sources include libqwen tools bench tests | LC_ALL=C sort; }
if ((fix)); then
  sources | xargs -P "$jobs" -n 20 "$format" -i
else
  sources | xargs -P "$jobs" -n 20 "$format" --dry-run --Werror ||
    { echo "lint.sh: scripts/lint.sh --fix formats these files" >&2; exit 1; }
fi
if ((layout)); then exit 0; fi
tidy=$(tool clang-tidy)

build=${QWEN_BIN_DIR:-build/release}
[[ -e $build/compile_commands.json ]] ||
  { echo "lint.sh: no $build/compile_commands.json: run scripts/build.sh first" >&2; exit 1; }
scripts/clang_tidy.py "$tidy" "$build" || { echo "lint.sh: clang-tidy found problems, see above" >&2; exit 1; }
echo "lint: clean"
