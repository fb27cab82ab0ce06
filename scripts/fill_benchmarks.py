#!/usr/bin/env python3
"""Writes the tables of docs/benchmarks.md from what scripts/run_benchmarks.sh measured.

    scripts/fill_benchmarks.py FOLDER docs/benchmarks.md

Only the lines between the markers are replaced; a table whose measurement is missing is left out and named on stderr.
"""
import glob
import json
import os
import shutil
import statistics
import sys

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def markdown(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "|".join(["---"] + ["---:"] * (len(header) - 1)) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


class Folder:
    def __init__(self, path):
        self.path = path
        self.runs = {}
        for name in sorted(glob.glob(os.path.join(path, "*.json"))):
            with open(name) as file:
                self.runs[os.path.splitext(os.path.basename(name))[0]] = json.load(file)
        if not self.runs:
            sys.exit(f"fill_benchmarks.py: error: {path}: no results: run scripts/run_benchmarks.sh first")

    def get(self, name):
        if name not in self.runs:
            print(f"fill_benchmarks.py: {name}.json is missing: its rows are left out", file=sys.stderr)
        return self.runs.get(name)

    def text(self, name):
        path = os.path.join(self.path, name)
        if not os.path.exists(path):
            print(f"fill_benchmarks.py: {name} is missing: its tables are left out", file=sys.stderr)
            return None
        with open(path) as file:
            return file.read().strip()


def rate(entry):
    return f"{entry['tokens_per_s']:.1f} ± {entry['spread_percent'] / 2:.1f} %"


def machine(folder):
    runs = list(folder.runs.values())
    isa, threads = statistics.mode((run["isa"], run["threads"]) for run in runs)
    alike = [run for run in runs if (run["isa"], run["threads"]) == (isa, threads)]
    middle = lambda key: statistics.median(run["machine"][key] for run in alike)
    noisy = sorted(name for name, run in folder.runs.items() if run["noise"])
    text = (f"{runs[0]['cpu']}, {threads} threads, {isa}. Medians of the "
            f"probes: {middle('read_gb_per_s'):.1f} GB/s read, {middle('int8_gmac_per_s'):.0f} GMAC/s int8, "
            f"{middle('float_gmac_per_s'):.0f} GMAC/s float.")
    return text + (f" Measured while other programs ran: {', '.join(noisy)}." if noisy else " The machine was quiet.")


def type_rows(folder, names):
    rows = []
    for name in names:
        run = folder.get(name)
        if run is None:
            continue
        prefill, decode, memory = run["prefill"][0], run["decode"][0], run["memory_bytes"]
        megabytes = run["bytes_per_token"] * 1e-6
        peak = f"{memory['peak'] * 1e-6:.0f}" if memory["peak"] else "-"
        top = next((rate(d) for d in run["decode"] if d.get("top", 0) > 0), "-")
        rows.append([run["type"].upper(), f"{megabytes:.1f}", f"{run['machine']['read_gb_per_s'] * 1e3 / megabytes:.0f}",
                     rate(decode), f"{decode['bandwidth_percent']:.1f}", top, rate(prefill), f"{prefill['peak_percent']:.1f}",
                     f"{run['load_ms']['total']:.0f}", f"{memory['resident'] * 1e-6:.0f}", peak])
    return rows


TYPE_HEADER = ["type", "MB a token", "roofline, tokens/s", "decode, tokens/s", "% of bandwidth", "decode, top 40",
               "prefill, tokens/s",
               "% of peak", "load + first token, ms", "resident, MB", "peak, MB"]


def decode_table(folder, name, column, key):
    run = folder.get(name)
    if run is None:
        return None
    base = run["decode"][0]["tokens_per_s"]
    rows = [[str(d[key]), rate(d), f"{d['tokens_per_s'] / base:.2f}", f"{d['between_tokens_ms']['p50']:.2f}",
             f"{d['between_tokens_ms']['p99']:.2f}"] for d in run["decode"]]
    return markdown([column, "tokens/s in all", "of the first row", "p50 ms a step", "p99 ms a step"], rows)


def sections(folder):
    yield "Machine", machine(folder)
    types = [f"type-{t}" for t in ("f16", "bf16", "q8_0", "q4_0", "iq4_nl", "iq4_xs", "q4_k_m")]
    yield "Types of weights, Qwen2.5-0.5B shape", markdown(TYPE_HEADER, type_rows(folder, types))
    yield "The same with AVX2 forced", markdown(TYPE_HEADER, type_rows(folder, ["avx2-q8_0", "avx2-q4_0"]))
    yield "Q4_0, one thread", markdown(TYPE_HEADER, type_rows(folder, ["threads-q4_0"]))
    yield "Q4_0, context before", decode_table(folder, "depth-q4_0", "tokens before", "depth")
    yield "Q4_0, sequences at once", decode_table(folder, "sequences-q4_0", "sequences", "sequences")
    run = folder.get("prompts-q4_0")
    if run is not None:
        yield "Q4_0, length of the prompt", markdown(
            ["tokens", "tokens/s", "% of peak", "first token, p50 ms"],
            [[str(p["tokens"]), rate(p), f"{p['peak_percent']:.1f}", f"{p['first_token_ms']['p50']:.1f}"]
             for p in run["prefill"]]) + "\n\n![Q4_0: prefill, decode and roofline](benchmarks-q4_0.svg)"
    shapes = sorted(name for name in folder.runs if name.startswith("shape-"))
    rows = type_rows(folder, shapes)
    for name, row in zip(shapes, rows):
        row[0] = f"{folder.runs[name]['model']} {row[0]}"
    if rows:
        yield "Other shapes", markdown(["model"] + TYPE_HEADER[1:], rows)
    yield "Tasks", folder.text("tasks.md")
    yield "Memory before loading", folder.text("memory.md")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    folder = Folder(sys.argv[1])
    with open(sys.argv[2]) as file:
        document = file.read()
    if document.count(BEGIN) != 1 or document.count(END) != 1:
        sys.exit(f"fill_benchmarks.py: error: {sys.argv[2]}: expected the markers {BEGIN} and {END} once each")
    parts = [f"### {title}\n\n{text}" for title, text in sections(folder) if text]
    before, rest = document.split(BEGIN)
    document = before + BEGIN + "\n" + "\n\n".join(parts) + "\n" + END + rest.split(END)[1]
    with open(sys.argv[2], "w") as file:
        file.write(document)
    plot = os.path.join(sys.argv[1], "q4_0.svg")
    if os.path.exists(plot):
        shutil.copy(plot, os.path.join(os.path.dirname(sys.argv[2]), "benchmarks-q4_0.svg"))


if __name__ == "__main__":
    main()
