#!/usr/bin/env python3
"""Runs llama-bench and qwen-bench in turns on the same file and prints the ratios.

    scripts/compare_llama_bench.py --llama-bench ~/llama.cpp/build/bin/llama-bench -m model.gguf

Each round runs both programs once with the same flags; speeds are medians over the repeats of all rounds. Load is the
wall time of a whole process that loads the file and computes one token; memory is that process's peak.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


class Failure(Exception):
    pass


def find_program(path, what, advice):
    found = shutil.which(path) if os.sep not in path else (path if os.access(path, os.X_OK) else None)
    if found is None or os.path.isdir(found):
        raise Failure(f"{what}: no program at {path}: {advice}")
    return found


def run(command):
    """(stdout, wall seconds, peak resident bytes) of a program that must succeed."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL)
        with process.stdout:
            out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise Failure(f"{command[0]} failed with exit code {process.returncode}: {lines[-1]}")
    return out.decode(), seconds, usage.ru_maxrss * 1024


def parse(text, program):
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise Failure(f"{program}: its output is not JSON: {error}") from error


def llama_speeds(entries):
    """{(kind, tokens, depth): [tokens/s, one a repeat]}"""
    speeds = {}
    for entry in entries:
        kind = "prefill" if entry["n_gen"] == 0 else "decode"
        tokens = entry["n_prompt"] if kind == "prefill" else entry["n_gen"]
        speeds[kind, tokens, entry.get("n_depth", 0)] = entry.get("samples_ts") or [entry["avg_ts"]]
    return speeds


def qwen_speeds(result):
    speeds = {}
    for kind in ("prefill", "decode"):
        for entry in result[kind]:
            speeds[kind, entry["tokens"], entry["depth"]] = entry["samples_tokens_per_s"]
    return speeds


def collect(total, more):
    for key, samples in more.items():
        total.setdefault(key, []).extend(samples)


def measure(args, llama, qwen):
    flags = ["-m", args.model, "-p", args.n_prompt, "-n", args.n_gen, "-d", args.n_depth, "-t", str(args.threads),
             "-r", str(args.repetitions)]
    theirs, ours, noise = {}, {}, False
    for number in range(args.rounds):
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
        collect(theirs, llama_speeds(parse(run([llama, *flags, "-o", "json"])[0], "llama-bench")))
        result = parse(run([qwen, "run", *flags, "--json"])[0], "qwen-bench")
        collect(ours, qwen_speeds(result))
        noise = noise or bool(result["noise"])
    return theirs, ours, noise


def first_token(command, rounds):
    runs = [run(command)[1:] for _ in range(rounds)]
    return statistics.median(seconds for seconds, _ in runs), max(peak for _, peak in runs)


def row(name, theirs, ours, unit, digits, larger_is_better):
    ratio = ours / theirs if larger_is_better else theirs / ours
    return [name, f"{theirs:.{digits}f}", f"{ours:.{digits}f}", unit, f"{ratio:.2f}"]


def table(rows):
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    lines = []
    for r in rows:
        cells = [cell.ljust(w) if i in (0, 3) else cell.rjust(w) for i, (cell, w) in enumerate(zip(r, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def main():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llama-bench", required=True, help="your own llama-bench")
    parser.add_argument("--qwen-bench", default=os.path.join(here, "build", "bench", "qwen-bench"))
    parser.add_argument("--qwen-run", default=os.path.join(here, "build", "tools", "qwen-run"))
    parser.add_argument("-m", "--model", required=True, help="GGUF file that both can read")
    parser.add_argument("-p", "--n-prompt", default="512")
    parser.add_argument("-n", "--n-gen", default="64")
    parser.add_argument("-d", "--n-depth", default="0")
    parser.add_argument("-t", "--threads", type=int, default=os.cpu_count())
    parser.add_argument("-r", "--repetitions", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    llama = find_program(args.llama_bench, "--llama-bench", "build llama.cpp and give the path of its llama-bench")
    qwen = find_program(args.qwen_bench, "--qwen-bench", "build this project first (scripts/build.sh)")
    qwen_run = find_program(args.qwen_run, "--qwen-run", "build this project first (scripts/build.sh)")
    if not os.path.exists(args.model):
        raise Failure(f"-m: no file {args.model}")
    if args.rounds < 1 or args.repetitions < 1:
        raise Failure("--rounds and -r: expected at least 1")
    theirs, ours, noise = measure(args, llama, qwen)
    common = [key for key in ours if key in theirs]
    if not common:
        raise Failure("the two programs measured nothing in common")
    rows = [["test", "llama-bench", "qwen-bench", "", "ratio"]]
    for kind, tokens, depth in common:
        key = kind, tokens, depth
        name = f"{kind} {tokens}" + (f" @ {depth}" if depth else "")
        rows.append(row(name, statistics.median(theirs[key]), statistics.median(ours[key]), "tokens/s", 1, True))
    threads = str(args.threads)
    their_load, their_peak = first_token(
        [llama, "-m", args.model, "-p", "0", "-n", "1", "-r", "1", "-t", threads, "--no-warmup", "-o", "json"], args.rounds)
    our_load, our_peak = first_token(
        [qwen_run, "generate", "-m", args.model, "-n", "1", "-t", threads, "--no-progress", "a"], args.rounds)
    rows.append(row("load + 1 token", their_load * 1e3, our_load * 1e3, "ms", 0, False))
    rows.append(row("peak memory", their_peak * 1e-6, our_peak * 1e-6, "MB", 0, False))
    print(table(rows))
    print("\nratio: above 1 is better here")
    if noise:
        print("noisy: other programs used this machine meanwhile; the ratios may be wrong")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"compare_llama_bench.py: error: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
