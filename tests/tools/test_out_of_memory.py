#!/usr/bin/env python3
"""The programs under `ulimit -v`, over a range of limits: an error that says so or the whole answer, nothing between."""
import os
import re
import resource
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from qwen_run import QWEN_RUN, TINY, environment

SANITIZED = bool(os.environ.get("QWEN_SANITIZE"))
QUANTIZE = os.path.join(os.path.dirname(QWEN_RUN), "qwen-quantize")
MIB = 1 << 20
# What a person can make something of.
WORDS = ("out of memory", "cannot start thread", "Cannot allocate memory")


def run(command, limit):
    def lower_limit():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, env=environment(), timeout=120,
                          preexec_fn=lower_limit if limit else None)


def without_time(output):
    return re.sub(rb'"seconds": ?[0-9.e+-]+', b"", output)


def starts(program, limit):
    try:
        return run([program, "--version"], limit).returncode == 0
    except (OSError, subprocess.SubprocessError):  # not even the new process could be made
        return False


@unittest.skipIf(SANITIZED, "a sanitiser reserves more address space than any limit")
class OutOfMemory(unittest.TestCase):
    def check(self, command, step, code_of_success=0):
        expected = run(command, None)
        self.assertEqual(expected.returncode, code_of_success, expected.stderr.decode())
        limit = MIB
        while not starts(command[0], limit):  # below this the system's loader has the word
            limit += MIB
        errors = successes = 0
        while successes < 3:
            self.assertLess(limit, 4096 * MIB, f"{command}: no limit is enough")
            done = run(command, limit)
            error = done.stderr.decode(errors="replace")
            where = f"{command} with {limit / MIB:.2f} MiB: {done.returncode}, {error!r}"
            if done.returncode == code_of_success:
                successes += 1
                self.assertEqual(without_time(done.stdout), without_time(expected.stdout), where)
            else:
                errors, successes = errors + 1, 0
                self.assertEqual(done.returncode, 1, where)
                self.assertEqual(error.count("\n"), 1, where)
                self.assertTrue(any(word in error for word in WORDS), where)
            limit += step
        self.assertGreater(errors, 0, "the limits began too high")

    def test_an_answer(self):
        self.check([QWEN_RUN, "-m", TINY, "-t", "3", "--temp", "0", "你好"], MIB)

    def test_a_long_prompt(self):
        self.check([QWEN_RUN, "-m", TINY, "-t", "2", "--temp", "0", "-n", "1", "-c", "100000", "A" * 50000], 4 * MIB)

    def test_a_label(self):
        self.check([QWEN_RUN, "-m", TINY, "-t", "2", "sentiment", "ABC"], 2 * MIB)

    def test_quantize(self):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "out.gguf")
            self.check([QUANTIZE, TINY, out, "--type", "Q4_0", "--force", "-t", "3", "--json"], 2 * MIB)
            self.assertEqual(os.listdir(folder), ["out.gguf"])


if __name__ == "__main__":
    unittest.main()
