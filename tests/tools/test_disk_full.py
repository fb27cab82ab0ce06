#!/usr/bin/env python3
"""Everything that writes, on a disk without room: a clean error, the old file as it was, and no piece left behind.

A limit on the size of files (RLIMIT_FSIZE) stands for the full disk: write() fails in the middle of a file, as it does
there. Where a small tmpfs can be mounted, the same once more with a disk that is really full.
"""
import contextlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from qwen_run import QWEN_RUN, SOURCE, TINY, environment
from test_chat import Terminal

BIN = os.path.dirname(QWEN_RUN)
QUANTIZE = os.path.join(BIN, "qwen-quantize")
BENCH = os.path.join(os.environ["QWEN_BIN_DIR"], "bench", "qwen-bench")
TASKS = os.path.join(SOURCE, "libqwen", "tasks", "builtin")
OLD = b"what was there before\n"


@contextlib.contextmanager
def file_limit(size):
    """Files of this process and of those that it starts cannot grow beyond `size`. The signal stays deadly, as it is in
    a shell: that the programs ignore it is part of the test."""
    old_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_signal = signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old_limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old_limit)
        signal.signal(signal.SIGXFSZ, old_signal)


def run(command):
    # Through pipes: the limit must not hit what the test itself writes.
    return subprocess.run(command, capture_output=True, env=environment(), stdin=subprocess.DEVNULL, timeout=120)


class DiskFull(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        with open(self.path("data.tsv"), "w", encoding="utf-8") as file:
            file.write("label\ttext\n")
            for i in range(8):
                file.write(f"{i % 2}\tABC 好 {i}\n")
        self.given = os.listdir(self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def writers(self, out):
        """Each thing that writes a file: its name, its command, and a size that it does not fit into."""
        yield "quantize", [QUANTIZE, TINY, out, "--type", "F16", "--force"], 20000
        yield "logits", [QWEN_RUN, "-m", TINY, "logits", "--ids", "1,2,3", "-o", out], 1000
        calibrate = ["calibrate", "sentiment", "--data", self.path("data.tsv"), "-o", out]
        yield "calibration", [QWEN_RUN, "-m", TINY, *calibrate], 64

    def refused(self, name, done, out, codes=(1,)):
        error = done.stderr.decode()
        self.assertIn(done.returncode, codes, f"{name}: {done.returncode} {error}")
        self.assertEqual(error.count("\n"), 1, f"{name}: {error}")
        self.assertIn("error: ", error)
        self.assertIn(os.path.basename(out), error, name)

    def test_a_new_file_is_not_left_half_written(self):
        out = self.path("out")
        for name, command, size in self.writers(out):
            with file_limit(size):
                done = run(command)
            self.refused(name, done, out)
            self.assertEqual(os.listdir(self.folder), self.given, name)
            done = run(command)
            self.assertEqual(done.returncode, 0, f"{name}, with room: {done.stderr.decode()}")
            self.assertGreater(os.path.getsize(out), size, f"{name}: the limit was none")
            os.remove(out)

    def test_an_old_file_stays_as_it_was(self):
        out = self.path("out")
        for name, command, size in self.writers(out):
            with open(out, "wb") as file:
                file.write(OLD)
            with file_limit(size):
                done = run(command)
            self.refused(name, done, out)
            with open(out, "rb") as file:
                self.assertEqual(file.read(), OLD, name)
            os.remove(out)
            self.assertEqual(os.listdir(self.folder), self.given, name)

    def test_a_full_device(self):
        for name, command, _ in self.writers("/dev/full"):
            before = os.stat("/dev/full")
            self.refused(name, run(command), "/dev/full", codes=(1, 2))  # some refuse what is no regular file
            self.assertEqual(os.stat("/dev/full").st_rdev, before.st_rdev, f"{name}: the device is still one")
            self.assertEqual(os.stat("/dev/full").st_ino, before.st_ino, f"{name}: the device is still the same")

    def test_results_on_a_full_standard_output(self):
        commands = [
            [QWEN_RUN, "-m", TINY, "--json", "x"],
            [QWEN_RUN, "-m", TINY, "sentiment", "--json", "x"],
            [QWEN_RUN, "-m", TINY, "perplexity", "-f", os.path.join(SOURCE, "README.md"), "-c", "64", "--json"],
            [QWEN_RUN, "tasks"],
            [QUANTIZE, "--help"],
            [QUANTIZE, TINY, self.path("out"), "--type", "Q8_0", "--json"],
        ]
        if os.path.exists(BENCH):
            commands += [[BENCH, "run", "-m", TINY, "-p", "8", "-n", "2", "-r", "1", "-t", "1", "--json"], [BENCH, "--help"]]
        for command in commands:
            with open("/dev/full", "wb") as full:
                done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                      env=environment(), timeout=120)
            self.assertEqual(done.returncode, 1, f"{command}: {done.stderr.decode()}")
            self.assertIn("cannot write to standard output", done.stderr.decode(), command)

    def test_a_prefix_cache_that_cannot_be_written_costs_no_answer(self):
        cache = self.path("cache")
        os.mkdir(cache)
        command = [QWEN_RUN, "-m", TINY, "sentiment", "--prefix-cache", cache, "--json", "x"]
        with file_limit(1000):
            done = run(command)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(os.listdir(cache), [])
        answer = run(command)
        self.assertEqual(answer.returncode, 0, answer.stderr.decode())
        self.assertNotEqual(os.listdir(cache), [])

    def test_a_conversation_that_cannot_be_saved_goes_on(self):
        out = self.path("talk.json")
        with open(out, "wb") as file:
            file.write(OLD)
        with file_limit(64):
            terminal = Terminal("chat")
        terminal.line("你好" * 20)
        terminal.expect("> ")
        terminal.line(f"/save {out}")
        terminal.expect("Overwrite it")
        terminal.line("y")
        terminal.expect(f"error: cannot write {out}: File too large")
        terminal.line("/save /dev/full")  # a device: nothing to overwrite
        terminal.expect("error: cannot write /dev/full: No space left")
        terminal.line("/exit")
        self.assertEqual(terminal.wait(), 0)
        with open(out, "rb") as file:
            self.assertEqual(file.read(), OLD)
        self.assertEqual(sorted(os.listdir(self.folder)), sorted(self.given + ["talk.json"]))


class SmallDisk(DiskFull):
    """The same on a tmpfs of 64 KiB, where this process may mount one."""

    def setUp(self):
        super().setUp()
        disk = self.path("disk")
        os.mkdir(disk)
        mount = shutil.which("mount")
        done = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True)
        if not done or done.returncode != 0:
            self.skipTest("this process may not mount a file system")
        self.addCleanup(subprocess.run, ["umount", disk])
        self.disk = disk

    def test_no_space_left(self):
        out = os.path.join(self.disk, "out")
        for name, command, size in self.writers(out):
            with open(os.path.join(self.disk, "filler"), "wb") as file:
                with contextlib.suppress(OSError):
                    while True:
                        os.write(file.fileno(), bytes(4096))
            done = run(command)
            self.refused(name, done, out)
            self.assertEqual(os.listdir(self.disk), ["filler"], name)


for inherited in [name for name in dir(DiskFull) if name.startswith("test_")]:
    setattr(SmallDisk, inherited, None)  # once is enough

if __name__ == "__main__":
    unittest.main()
