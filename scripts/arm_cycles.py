#!/usr/bin/env python3
"""Cycles of the ARM kernels' inner loops as llvm-mca computes them, with all data in the L1 cache. Nothing is measured.

arm_cycles.py [BUILD_FOLDER] [--show]     BUILD_FOLDER: that of scripts/aarch64.sh (build/aarch64)

Needs llvm-mca-19 and aarch64-linux-gnu-objdump. Of LLVM's models neoverse-n1 describes Cortex-A76 best, whose pipelines
are the same; its entry for cortex-a76 has those of Cortex-A57.
"""
import argparse
import pathlib
import re
import subprocess
import sys

# Decode: type, file, number in TensorType, bytes of a block of 16 rows x 32 columns in memory.
TYPES = [("Q8_0", "blocks", 8, 32 + 512), ("Q4_0", "blocks", 2, 32 + 256), ("Q4_K", "superblocks", 12, (64 + 256) // 8 + 256)]
# Prefill: a tile is the same for all unpacked codes of 32-column groups (of neon: of 4 bits), but for the mins.
TILES = [("Q8_0, Q4_0", "blocks", r"multiply_|quantized_matmul", 12),
         ("Q4_K", "superblocks", r"unpack_and_multiply<\(qwen::TensorType\)12>|multiply_(tile|part)<-4, 32, true", 24)]
# Level, dot instructions, multiplications of one of them, models.
LEVELS = [("neon", r"smlal2?|smull2?", 8, ["cortex-a72"]), ("dotprod", "sdot", 16, ["neoverse-n1", "cortex-a76"]),
          ("i8mm", "smmla|sdot", 32, ["neoverse-n2"])]
DECODE, PREFILL = 16 * 32, 8 * 6 * 32  # multiplications of a pass of the loop: rows x tokens x columns
HORIZONTAL = re.compile(r"^(addv|saddlv|uaddlv|faddp|addp)$")


def functions(path):
    text = subprocess.run(["aarch64-linux-gnu-objdump", "-d", "-C", "--no-show-raw-insn", path], check=True,
                          capture_output=True, text=True).stdout
    for part in re.split(r"\n\n(?=[0-9a-f]{16} <)", text):
        if head := re.search(r"^[0-9a-f]{16} <(.*)>:$", part, re.M):
            body = re.findall(r"^ +([0-9a-f]+):\t(\S+)(?:\t(.*))?$", part, re.M)
            yield head[1], [(int(address, 16), op, re.sub(r"\s*(//|<).*", "", args)) for address, op, args in body]


def loops(body):
    """Each branch backwards with the instructions from its target on."""
    at = {address: i for i, (address, _, _) in enumerate(body)}
    for i, (_, op, args) in enumerate(body):
        target = args.split(",")[-1].strip()
        if re.match(r"^(b|b\..*|cbn?z|tbn?z)$", op) and re.fullmatch(r"[0-9a-f]+", target):
            start = at.get(int(target, 16), i + 1)
            if start <= i:
                yield body[start:i + 1]


def find_loop(found, name, dot, count, fmas, unpacks):
    """The shortest loop with that many dot and fmla instructions in the functions whose name matches."""
    def has(part, pattern):
        return sum(bool(re.fullmatch(pattern, op)) for _, op, _ in part)
    matches = [part for function, body in found if re.search(name, function) for part in loops(body)
               if has(part, dot) == count and has(part, "fmla") == fmas
               and (unpacks or not has(part, "ushr"))]
    if not matches:
        raise SystemExit(f"no loop with {count} of {dot} and {fmas} fmla in {name}")
    return min(matches, key=len)


def cycles(part, cpu):
    lines = ["nop" if re.match(r"^(b|b\..*|cbn?z|tbn?z)$", op) else f"{op} {args}" for _, op, args in part]
    out = subprocess.run(["llvm-mca-19", "-mtriple=aarch64", "-mattr=+dotprod,+i8mm", f"-mcpu={cpu}", "-iterations=200",
                          "-instruction-info=0", "-resource-pressure=0"], input="\n".join(lines), check=True,
                         capture_output=True, text=True).stdout
    return int(re.search(r"Total Cycles:\s+(\d+)", out)[1]) / 200


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", default="build/aarch64")
    parser.add_argument("--show", action="store_true", help="print the loops' instructions")
    args = parser.parse_args()
    folder = pathlib.Path(args.build) / "libqwen/CMakeFiles/qwen-objects.dir/kernels"
    print("| level | model | loop | instructions (dot) | cycles | cycles for 64 bytes of weights | "
          "cycles for 1,000 multiplications | bound |")
    print("|---|---|---|---|---|---|---|---|")
    for level, dot, macs, cpus in LEVELS:
        files = {file: list(functions(folder / f"{file}_{level}.cpp.o")) for file in ("blocks", "superblocks")}
        single = 16 if level == "i8mm" else macs  # one token: sdot
        rows = [(f"decode {name}", find_loop(files[file], rf"(quantized_matmul|stream_\w+)<\(qwen::TensorType\){number}[,>]",
                                             dot, DECODE // single, 8 if name == "Q4_K" else 4, True), DECODE, single, size)
                for name, file, number, size in TYPES]
        rows += [(f"prefill {name}", find_loop(files[file], function, dot, PREFILL // macs, fmas, False),
                  PREFILL, macs, 0) for name, file, function, fmas in TILES]
        for name, part, work, macs_of_one, size in rows:
            if level != "neon" and any(HORIZONTAL.match(op) for _, op, _ in part):
                print(f"{level} {name}: horizontal sums in the loop", file=sys.stderr)
            if args.show:
                print(f"\n{level} {name}:")
                print("\n".join(f"  {op}\t{operands}" for _, op, operands in part))
            for cpu in cpus:
                c = cycles(part, cpu)
                # All models have two vector pipes; Cortex-A72 multiplies bytes in one of them.
                peak = (1 if level == "neon" else 2) * macs_of_one
                print(f"| {level} | {cpu} | {name} | {len(part)} ({work // macs_of_one}) | {c:.0f} | "
                      f"{f'{c * 64 / size:.1f}' if size else ''} | {c * 1000 / work:.1f} | "
                      f"{1000 / peak:.1f} ({100 * work / peak / c:.0f} %) |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
