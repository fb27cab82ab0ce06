#!/usr/bin/env bash
# Builds everything with sanitizers and runs the test suite: address, undefined behavior and leaks, then
# thread.
# Usage: scripts/sanitize.sh [address|thread|all] [-- CTEST OPTIONS]      (default: all)
# The builds are in build/dev and build/tsan. QWEN_JOBS: parallel jobs (default: one per core).
set -euo pipefail
cd "$(dirname "$0")/.."

which=all
case "${1:-}" in
  -h | --help) sed -n '2,5s/^# //p' "$0"; exit 0 ;;
  address | thread | all) which=$1; shift ;;
esac
if [[ "${1:-}" == "--" ]]; then shift; elif (($#)); then
  echo "sanitize.sh: unknown argument $1; --help shows the usage" >&2
  exit 2
fi
jobs=${QWEN_JOBS:-$(nproc)}
options=()
if command -v ccache >/dev/null; then options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi

build() {  # PRESET
  cmake --preset "$1" "${options[@]}"
  cmake --build --preset "$1" -- -j "$jobs"
}

export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS:-}"
if [[ $which != thread ]]; then
  echo "== address, undefined" >&2
  build dev
  ASAN_OPTIONS="detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1:${ASAN_OPTIONS:-}" \
    ctest --test-dir build/dev -j "$jobs" --output-on-failure "$@"
fi
if [[ $which != address ]]; then
  echo "== thread" >&2
  build tsan
  # Without the tests that start no second thread: they cannot race, and take ten times as long here.
  TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:${TSAN_OPTIONS:-}" \
    ctest --test-dir build/tsan -j "$jobs" --output-on-failure -LE single-thread "$@"
fi
