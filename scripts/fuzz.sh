#!/usr/bin/env bash
# Runs the fuzzers: every parser of bytes from outside, for as long as one likes. Nightly: scripts/fuzz.sh -t 3600
# Usage: scripts/fuzz.sh [-t SECONDS] [-j JOBS] [--no-build] [TARGET ...]
#   -t  seconds for each target (600)    -j  targets at a time (half of the cores)    TARGET  as in tests/fuzz (all)
# An input may take 5 s (QWEN_FUZZ_TIMEOUT: on a busy machine, whose clock does not count), 2 GiB of memory in all and
# 256 MiB at once; leaks count. What is found lies in build/fuzz/findings, logs in build/fuzz/logs; what reaches new
# code is kept in build/fuzz/corpus for the next run.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=600
jobs=$(($(nproc) > 1 ? $(nproc) / 2 : 1))
build=1
targets=()
while (($#)); do
  case $1 in
    -h | --help) sed -n '2,7s/^# //p' "$0"; exit 0 ;;
    -t) seconds=${2:?-t needs seconds}; shift 2 ;;
    -j) jobs=${2:?-j needs a number}; shift 2 ;;
    --no-build) build=0; shift ;;
    -*) echo "fuzz.sh: unknown option $1; --help shows the usage" >&2; exit 2 ;;
    *) targets+=("$1"); shift ;;
  esac
done
if ((${#targets[@]} == 0)); then
  for source in tests/fuzz/fuzz_*.cpp; do
    name=${source##*/fuzz_}
    targets+=("${name%.cpp}")
  done
fi
if ((build)); then
  options=()
  if command -v ccache >/dev/null; then options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
  cmake --preset fuzz "${options[@]}"
  cmake --build --preset fuzz --target "${targets[@]/#/fuzz-}"
fi
mkdir -p build/fuzz/findings build/fuzz/logs

fuzz() {  # TARGET SECONDS
  local corpus=build/fuzz/corpus/$1 log=build/fuzz/logs/$1.log code=0
  mkdir -p "$corpus"
  local longest=65536
  case $1 in tokenizer | task_yaml | tools_*) longest=4096 ;; esac  # they work on text, whose length teaches nothing
  ASAN_OPTIONS="detect_leaks=1:allocator_may_return_null=0:${ASAN_OPTIONS:-}" \
  UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS:-}" \
    "build/fuzz/tests/fuzz/fuzz-$1" "$corpus" "tests/fuzz/corpus/$1" -max_total_time="$2" -max_len=$longest \
    -timeout="${QWEN_FUZZ_TIMEOUT:-5}" -rss_limit_mb=2048 -malloc_limit_mb=256 -print_final_stats=1 -verbosity=1 \
    -artifact_prefix="build/fuzz/findings/$1-" >"$log" 2>&1 || code=$?
  local runs
  runs=$(sed -n 's/^stat::number_of_executed_units: //p' "$log")
  printf '%-16s %12s inputs  %s\n' "$1" "${runs:-?}" "$( ((code == 0)) && echo clean || echo "FOUND SOMETHING: $log")"
  return $code
}
export -f fuzz
printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I{} bash -c 'fuzz "$@"' _ {} "$seconds"
