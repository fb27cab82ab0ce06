#!/bin/sh
# Trains the bundled model: train.sh DATA_DIR TOKENIZER_JSON OUT_DIR [options of train.py]
#
# DATA_DIR holds the labeled files that docs/bundled-model.md names (label<TAB>category<TAB>text, one header line);
# TOKENIZER_JSON is the tokenizer.json of any Qwen2 or Qwen2.5 checkpoint. The model lands in OUT_DIR/libqwen-mini.
# An interrupted run on a CPU goes on from its last checkpoint when started again. PYTHON: the interpreter that has PyTorch.
# Debian: apt-get install python3-torch libopenblas0-pthread python3-sklearn python3-regex python3-yaml libjemalloc2
set -eu
if [ $# -lt 3 ]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
# Debian's OpenBLAS does not know CPUs newer than itself and falls back to slow kernels.
if grep -q avx512_bf16 /proc/cpuinfo; then
    export OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-Cooperlake}
elif grep -q avx512f /proc/cpuinfo; then
    export OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-SkylakeX}
fi
# An allocator that keeps its pages saves a tenth of the time.
jemalloc=$(ldconfig -p | sed -n 's/.*libjemalloc\.so\.2 .*=> //p' | head -n 1)
if [ -n "$jemalloc" ]; then
    export LD_PRELOAD="$jemalloc" MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1
fi
export PYTHONDONTWRITEBYTECODE=1
exec "${PYTHON:-/usr/bin/python3}" "$here/train.py" "$@"
