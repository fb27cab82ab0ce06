#!/usr/bin/env python3
"""LIBQWEN_ISA from the outside: the level that is asked for runs, one that cannot is one clear line."""
import os

from qwen_run import environment, run

GOLDEN = os.path.join(os.environ["QWEN_SOURCE_DIR"], "tests", "data", "golden", "gqa224-q4_0.gguf")
LEVELS = ["scalar", "avx2", "avxvnni", "avx512"]

ran = {}
for level in LEVELS:
    result = run("-v", "logits", "--ids", "1,2,3,4,5,6,7", "--json", model=GOLDEN, env=environment(LIBQWEN_ISA=level))
    if result.returncode == 0:
        assert f"{level} kernels" in result.stderr, (level, result.stderr)
        ran[level] = result.stdout
    else:
        assert result.returncode == 1 and level in result.stderr and "cannot run it" in result.stderr, result.stderr
        assert result.stderr.count("\n") == 1 and result.stdout == "", result.stderr
assert "scalar" in ran
vector = {answer for level, answer in ran.items() if level != "scalar"}
assert len(vector) <= 1, ran  # the same bits, so the same text

for bad in ["sse9", "AVX2", "avx2,avx512"]:
    result = run("logits", "--ids", "1", model=GOLDEN, env=environment(LIBQWEN_ISA=bad))
    assert result.returncode == 1 and result.stdout == "", (bad, result.returncode)
    assert result.stderr == (
        f'qwen-run: error: unknown instruction set "{bad}": expected scalar, avx2, avxvnni, avx512, neon, dotprod or i8mm\n'
    ), result.stderr
print("ran:", ", ".join(ran))
