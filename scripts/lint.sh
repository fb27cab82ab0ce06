#!/usr/bin/env bash
# What a reader would complain about: layout (clang-format) and the checks of .clang-tidy.
# Usage: scripts/lint.sh [--fix | --layout]   (--fix lays out what is not laid out, instead of complaining; --layout
# checks that and nothing else)
# clang-tidy needs a build: QWEN_BIN_DIR, or build/release. A file that was clean is looked at again when something
# changes that it depends on. Layers and exported symbols are tests of their own (tests/tools).
set -euo pipefail
cd "$(dirname "$0")/.."
fix=0 layout=0
case "${1:-}" in
  "") ;;
  --fix) fix=1 ;;
  --layout) layout=1 ;;
  -h | --help) sed -n '2,6s/^# //p' "$0"; exit 0 ;;
  *) echo "lint.sh: unknown argument $1; --help shows the usage" >&2; exit 2 ;;
esac
tool() {  # NAME: version 14, Debian 12's; another one would lay out otherwise
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
    { echo "lint.sh: scripts/lint.sh --fix lays these files out" >&2; exit 1; }
fi
if ((layout)); then exit 0; fi
tidy=$(tool clang-tidy)

build=${QWEN_BIN_DIR:-build/release}
[[ -e $build/compile_commands.json ]] ||
  { echo "lint.sh: no $build/compile_commands.json: run scripts/build.sh first" >&2; exit 1; }
scripts/clang_tidy.py "$tidy" "$build" || { echo "lint.sh: clang-tidy complains, see above" >&2; exit 1; }
echo "lint: clean"
