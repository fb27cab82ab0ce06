#!/usr/bin/env bash
# Line coverage of libqwen by the test suite: a table by file, and an error below the mark.
# Usage: scripts/coverage.sh [--html]        (build/coverage; --html writes build/coverage/report/index.html)
# Needs gcovr (apt-get install gcovr). QWEN_JOBS: compilers and tests at a time (default: one a core).
set -euo pipefail
cd "$(dirname "$0")/.."
least=90
html=0
case "${1:-}" in
  "") ;;
  --html) html=1 ;;
  -h | --help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
  *) echo "coverage.sh: unknown argument $1; --help shows the usage" >&2; exit 2 ;;
esac
command -v gcovr >/dev/null || { echo "coverage.sh: gcovr is missing: apt-get install gcovr" >&2; exit 1; }
jobs=${QWEN_JOBS:-$(nproc)}
options=()
if command -v ccache >/dev/null; then options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi

# -O1 keeps lines apart. The counters of all programs and instruction set levels are added.
cmake -S . -B build/coverage -G Ninja -DCMAKE_BUILD_TYPE=Debug "${options[@]}" \
  -DCMAKE_CXX_FLAGS="--coverage -fprofile-update=atomic -O1" -DCMAKE_EXE_LINKER_FLAGS=--coverage
cmake --build build/coverage -- -j "$jobs"
find build/coverage -name '*.gcda' -delete
# Left out: tests of the programs, because unit tests must cover the library, and the runs at other levels,
# because unit.kernels covers every level.
ctest --test-dir build/coverage -j "$jobs" --output-on-failure -E '^tools\.|^fuzz\.|^level\.|bench'
report=(--root . --filter 'libqwen/' --exclude 'build/' --object-directory build/coverage -j "$jobs"
        --exclude-throw-branches --gcov-ignore-parse-errors)
if ((html)); then
  mkdir -p build/coverage/report
  report+=(--html-details build/coverage/report/index.html)
fi
exec gcovr "${report[@]}" --print-summary --txt build/coverage/coverage.txt --fail-under-line $least build/coverage
