#!/usr/bin/env python3
"""clang_tidy.py CLANG_TIDY BUILD [FILE...]: the checks of .clang-tidy over the library's sources.

A file that was clean is checked again only if it, one of our headers that it includes, its compile command, the checks or clang-tidy
change. QWEN_JOBS: files at a time (default: one per core). Part of scripts/lint.sh.
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
FOLDERS = ["include", "libqwen"]
PRECOMPILED = re.compile(r" -Winvalid-pch| -include \S*cmake_pch\S*")
ISA_FILE = re.compile(r"_(avx2|avxvnni|avx512)\.cpp$")


def chosen(path):
    """Library sources, or the files that include several of them (CMAKE_UNITY_BUILD), except kernels of single instruction sets:
    intrinsics, and slow to parse."""
    name = os.path.relpath(path, ROOT)
    own = name.startswith("libqwen" + os.sep) and name.endswith(".cpp") and not ISA_FILE.search(name)
    return own or "qwen-objects.dir/Unity/" in path


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
    """Hash of everything that the findings in a file depend on."""
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
        sys.exit(f"clang_tidy.py: no library sources in {build}/compile_commands.json")
    with open(os.path.join(ROOT, ".clang-tidy"), "rb") as file:
        shared = file.read() + subprocess.run([tidy, "--version"], capture_output=True, check=True).stdout
    cache = os.path.join(build, "lint")
    os.makedirs(cache, exist_ok=True)
    commands = {path: PRECOMPILED.sub("", command) for path, command in commands.items()}
    clang_build = os.path.join(cache, "commands")
    os.makedirs(clang_build, exist_ok=True)
    with open(os.path.join(clang_build, "compile_commands.json"), "w") as file:
        json.dump([{"directory": os.path.abspath(build), "file": path, "command": commands[path]} for path in files], file)

    def check(path):
        clean = os.path.join(cache, key_of(path, shared + commands[path].encode()))
        if os.path.exists(clean):
            return ""
        # A precompiled header is g++'s own format; clang compiles without it.
        run = subprocess.run([tidy, "--quiet", "-p", clang_build, path], capture_output=True, text=True)
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
