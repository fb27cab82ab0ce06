#!/bin/bash
# Measures what docs/benchmarks.md shows and writes it there, between its markers.
# Usage: scripts/run_benchmarks.sh [--quick] [OUT_FOLDER]     (default OUT_FOLDER: build/benchmarks)
# QWEN_BENCH_VOCAB=FILE.gguf gives the synthetic models a real vocabulary: the tasks' prompts then have real lengths.
# Close everything else first: every table says when the machine was noisy.
set -euo pipefail
cd "$(dirname "$0")/.."
quick=()
if [[ "${1:-}" == "--quick" ]]; then quick=(--quick); shift; fi
out="${1:-build/benchmarks}"
bench="${QWEN_BIN_DIR:-build}/bench/qwen-bench"
[[ -x "$bench" ]] || { echo "run_benchmarks.sh: no $bench: build first (scripts/build.sh)" >&2; exit 1; }
mkdir -p "$out"
shape=qwen2.5-0.5b
vocab=()
if [[ -n "${QWEN_BENCH_VOCAB:-}" ]]; then vocab=(--vocab "$QWEN_BENCH_VOCAB"); fi

measure() {  # NAME ARGUMENTS...
  local name="$1"; shift
  echo "== $name: qwen-bench run $*" >&2
  "$bench" run "$@" "${quick[@]}" --no-progress --json > "$out/$name.json.part"
  mv "$out/$name.json.part" "$out/$name.json"
}

# The types, with the machine's probes in every run.
for type in f16 bf16 q8_0 q4_0 iq4_nl iq4_xs q4_k_m; do
  measure "type-$type" --synthetic "$shape:$type" --top 0,40
done
# Forced AVX2, where this CPU has more.
for type in q8_0 q4_0; do
  LIBQWEN_ISA=avx2 measure "avx2-$type" --synthetic "$shape:$type"
done
# Context, threads, sequences at once, lengths of prompt.
measure depth-q4_0 --synthetic "$shape:q4_0" -p 0 -d 0,256,1024,2048 -s 1
measure threads-q4_0 --synthetic "$shape:q4_0" -t 1
measure sequences-q4_0 --synthetic "$shape:q4_0" -p 0 -s 1,2,4,8
measure prompts-q4_0 --synthetic "$shape:q4_0" -p 16,64,128,256,512,1024 -d 0 --plot "$out/q4_0.svg"
# Other shapes of the family.
for model in qwen1.5-0.5b:q4_0 qwen3-0.6b:q4_k_m qwen2.5-1.5b:q4_k_m; do
  measure "shape-${model/:/-}" --synthetic "$model"
done
"$bench" tasks --synthetic "$shape:q4_0" "${vocab[@]}" --no-progress --markdown > "$out/tasks.md"
"$bench" memory --synthetic "$shape:q4_0" -c 512,2048 -s 1,4 --check --markdown > "$out/memory.md"
scripts/fill_benchmarks.py "$out" docs/benchmarks.md
