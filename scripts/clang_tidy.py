#!/usr/bin/env python3
"""clang_tidy.py CLANG_TIDY BUILD [FILE...]: the checks of .clang-tidy over the library and the programs.

A file that was clean is looked at again when it, a header of ours that it includes, how it is compiled, the checks or
clang-tidy itself change. QWEN_JOBS: files at a time (default: one a core). Part of scripts/lint.sh.
"""
import concurrent.futures
import functools
import hashlib
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INCLUDE = re.compile(rb'^\s*#\s*include\s*["<]([^">]+)[">]', re.M)
FOLDERS = ["include", "libqwen", "tools"]


def chosen(path):
    """The kernels of single instruction sets are intrinsics with little else in them, and slow to read."""
    folder, name = os.path.split(os.path.relpath(path, ROOT))
    return folder.split(os.sep)[0] in ("libqwen", "tools") and not name.startswith("table_") and name.endswith(".cpp")


@functools.cache
def read(path):
    with open(path, "rb") as file:
        text = file.read()
    around = [os.path.dirname(path), *(os.path.join(ROOT, folder) for folder in FOLDERS)]
    found = set()
    for name in INCLUDE.findall(text):
        candidates = (os.path.normpath(os.path.join(folder, name.decode())) for folder in around)
        found.update(candidate for candidate in candidates if os.path.isfile(candidate))
    return text, found


def key_of(path, how):
    """What the findings in a file depend on."""
    seen, left = set(), [path]
    while left:
        at = left.pop()
        if at not in seen:
            seen.add(at)
            left.extend(read(at)[1])
    digest = hashlib.sha256(how)
    for at in sorted(seen):
        digest.update(at.encode() + b"\0" + read(at)[0] + b"\0")
    return digest.hexdigest()[:32]


def main():
    tidy, build, *only = sys.argv[1:]
    with open(os.path.join(build, "compile_commands.json")) as file:
        commands = {os.path.realpath(entry["file"]): entry["command"] for entry in json.load(file)}
    files = [path for path in sorted(commands) if chosen(path)]
    if only:
        files = [path for path in files if path in {os.path.realpath(name) for name in only}]
    if not files:
        sys.exit(f"clang_tidy.py: nothing to check in {build}/compile_commands.json: was it configured with the tools?")
    with open(os.path.join(ROOT, ".clang-tidy"), "rb") as file:
        shared = file.read() + subprocess.run([tidy, "--version"], capture_output=True, check=True).stdout
    cache = os.path.join(build, "lint")
    os.makedirs(cache, exist_ok=True)

    def check(path):
        clean = os.path.join(cache, key_of(path, shared + commands[path].encode()))
        if os.path.exists(clean):
            return ""
        run = subprocess.run([tidy, "--quiet", "-p", build, path], capture_output=True, text=True)
        if run.returncode == 0 and not run.stdout:
            open(clean, "w").close()
            return ""
        return run.stdout or f"{path}: clang-tidy ended with {run.returncode}: {run.stderr}"

    jobs = int(os.environ.get("QWEN_JOBS") or len(os.sched_getaffinity(0)))
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for findings in pool.map(check, files):
            if findings:
                bad += 1
                print(findings, flush=True)
    if bad:
        sys.exit(f"clang_tidy.py: {bad} of {len(files)} files, see above")


main()
