#!/usr/bin/env python3
"""qwen-run in a terminal: the chat, its commands, line editing, Ctrl-C, the progress bar's absence from stdout."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from qwen_run import ANSWER, QWEN_RUN, TINY, environment, run

# Forbids both ends of a turn: the answer goes on until the context is full or somebody stops it.
ENDLESS = ["-n", "-1", "-c", "1000000", "-t", "1"]
for END in ("<|im_end|>", "<|endoftext|>"):
    ENDLESS += ["--logit-bias", run("tokenize", "--special", END).stdout.strip() + "-inf"]


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, *arguments, home=None):
        self.folder = tempfile.TemporaryDirectory()
        env = environment(TERM="xterm", HOME=home or self.folder.name)
        env.pop("XDG_STATE_HOME", None)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(QWEN_RUN, [QWEN_RUN, "-m", TINY, *arguments], env)
        self.seen = ""
        self.raw = b""

    def expect(self, pattern, timeout=60):
        """Waits for the pattern in what came since the last match."""
        end = time.monotonic() + timeout
        while True:
            match = re.search(pattern, self.seen)
            if match:
                before = self.seen[: match.start()]
                self.seen = self.seen[match.end() :]
                return before
            left = end - time.monotonic()
            if left <= 0 or not self.read(left):
                raise AssertionError(f"{pattern!r} did not come; there is {self.seen[-2000:]!r}")

    def read(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the program is gone
            return False
        self.raw += data
        whole = self.raw.decode(errors="ignore")
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", whole).replace("\r", "")
        previous = getattr(self, "total", 0)
        if len(plain) > previous:
            self.seen += plain[previous:]
            self.total = len(plain)
        return bool(data)

    def type(self, text):
        os.write(self.fd, text.encode())

    def key(self, text):
        """Types when the line editor is ready for it: keys such as Ctrl-D mean something else to the bare terminal."""
        end = time.monotonic() + 60
        while termios.tcgetattr(self.fd)[3] & termios.ICANON:
            if time.monotonic() > end:
                raise AssertionError("the line editor does not come")
            self.read(0.01)
        self.type(text)

    def line(self, text):
        self.key(text + "\n")

    def poll(self):
        """The exit code where the program has ended; a signal's number as a negative one."""
        self.read(0.02)
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return None
        os.close(self.fd)
        self.folder.cleanup()
        return os.waitstatus_to_exitcode(status)

    def wait(self, timeout=60):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            code = self.poll()
            if code is not None:
                return code
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        raise AssertionError(f"still running; there is {self.seen[-2000:]!r}")


class Chat(unittest.TestCase):
    def chat(self, *arguments, **options):
        terminal = Terminal("chat", *arguments, **options)
        terminal.expect("/help lists the commands")
        terminal.expect("> ")
        return terminal

    def test_turns_and_commands(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "talk.json")
            t = self.chat("-v", "-s", "你是助手。")
            t.line("你好 😀")
            t.expect(ANSWER)
            t.expect(r"\[12 tokens.*first after")
            t.expect("> ")
            t.line("第二个问题")
            t.expect(ANSWER)
            t.expect("> ")
            t.line("/stats")
            t.expect("tokens of context in use")
            t.line("/system")
            t.expect("你是助手。")
            t.line(f"/save {path}")
            t.expect("saved to")
            t.line("/reset")
            t.expect("conversation reset")
            t.line(f"/load {path}")
            t.expect("loaded 5 messages")
            t.line("/load /nonexistent")
            t.expect("error: cannot read /nonexistent")
            t.line("/save")
            t.expect("needs a file name")
            t.line("/nothing")
            t.expect("unknown command /nothing")
            t.line("/help")
            t.expect("/exit")
            t.line("/system Sei kurz.")
            t.expect("conversation reset")
            t.line(" /a message that begins with a slash")
            t.expect(ANSWER)
            t.line("one line \\")
            t.expect(r"\.\.\. ")
            t.line("and another")
            t.expect(ANSWER)
            t.expect("> ")
            t.line("/exit")
            self.assertEqual(t.wait(), 0)
            with open(path) as file:
                saved = json.load(file)
            roles = [message["role"] for message in saved["messages"]]
            self.assertEqual(roles, ["system", "user", "assistant", "user", "assistant"])
            self.assertEqual(saved["messages"][1]["content"], "你好 😀")
            self.assertEqual(saved["messages"][2]["content"], ANSWER)

    def test_turns_that_do_not_fit_are_left_out(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "talk.json")
            t = self.chat("-c", "128", "-n", "16")
            for _ in range(8):
                t.line("你好")
                t.expect(ANSWER)
                t.expect("> ")
            self.assertIn("the oldest 1 turns no longer fit", t.raw.decode())
            t.line(f"/save {path}")
            t.expect("saved to")
            with open(path) as file:
                kept = len(json.load(file)["messages"])
            self.assertTrue(2 <= kept < 16, kept)
            t.line("很" * 200)
            t.expect("error: .*; /reset starts again, -c N sets a larger context")
            t.line("/system Kurz.")
            t.expect("conversation reset")
            t.line(f"/load {path}")
            t.expect(f"loaded {kept} messages")
            t.line("/system")
            t.expect("no system prompt is set")
            t.line("你好")
            t.expect(ANSWER)
            t.line("/exit")
            self.assertEqual(t.wait(), 0)

    def test_files_that_are_no_conversation(self):
        t = self.chat()
        with tempfile.TemporaryDirectory() as folder:
            for content in ("", "{}", "[1]", '[{"role":"user","content":"x"}]', '[{"role":"assistant","content":"x"}]'):
                path = os.path.join(folder, "x.json")
                with open(path, "w") as file:
                    file.write(content)
                t.line(f"/load {path}")
                t.expect("not a saved conversation")
        t.line("/exit")
        self.assertEqual(t.wait(), 0)

    def test_end_of_input_leaves(self):
        t = self.chat()
        t.key("\x04")
        self.assertEqual(t.wait(), 0)

    def test_interrupt_stops_the_answer_and_then_the_program(self):
        t = self.chat(*ENDLESS)
        t.line("你好")
        t.expect("你好！")
        t.type("\x03")
        t.expect(r"\[stopped")
        t.expect("> ")
        t.line("noch einmal")
        t.expect("你好！")
        t.type("\x03")
        t.expect(r"\[stopped")
        t.expect("> ")
        t.key("\x03")
        self.assertEqual(t.wait(), 0)

    def test_the_prompts_progress_ends_before_the_answer(self):
        t = self.chat(*ENDLESS)
        t.line("你好")
        t.expect("你好！")
        time.sleep(0.5)  # longer than a bar waits before it is drawn
        t.type("\x03")
        self.assertNotIn("reading", t.expect(r"\[stopped"))
        t.expect("> ")
        t.line("/exit")
        self.assertEqual(t.wait(), 0)

    def test_interrupt_clears_the_line_and_a_second_one_leaves(self):
        t = self.chat()
        t.key("half a mess\x03")
        t.expect("Ctrl-C again or /exit leaves")
        t.expect("> ")
        t.line("你好")
        t.expect(ANSWER)
        t.expect("> ")
        t.key("\x03")
        t.expect("Ctrl-C again")
        t.key("\x03")
        self.assertEqual(t.wait(), 0)

    def test_two_interrupts_during_an_answer(self):
        t = Terminal("chat", *ENDLESS, "你好")
        t.expect("你好！")
        code = None
        while code is None:  # signals that come at once count as one
            os.kill(t.pid, signal.SIGINT)
            code = t.poll()
        self.assertIn(code, (130, -signal.SIGINT))

    def test_line_editing_and_history(self):
        with tempfile.TemporaryDirectory() as home:
            t = self.chat(home=home)
            t.line("/sys\x7f\x7f\x7fhelp")  # backspace
            t.expect("forget the conversation")
            t.expect("> ")
            t.line("你好吗\x7f\x7f好")  # a whole character goes at once
            t.expect(ANSWER)
            t.expect("> ")
            t.line("/exit")
            self.assertEqual(t.wait(), 0)
            history = os.path.join(home, ".local", "state", "qwen-run", "history")
            self.assertEqual(os.stat(history).st_mode & 0o777, 0o600)
            t = self.chat(home=home)
            t.key("\x1b[A")  # up: the last line of the last time
            t.expect("/exit|你好")
            t.key("\x03")
            t.expect("> ")
            t.key("\x04")
            self.assertEqual(t.wait(), 0)

    def test_no_history(self):
        with tempfile.TemporaryDirectory() as home:
            t = self.chat("--no-history", home=home)
            t.line("secret")
            t.expect(ANSWER)
            t.line("/exit")
            self.assertEqual(t.wait(), 0)
            self.assertEqual(os.listdir(home), [])

    def test_a_message_that_does_not_fit(self):
        t = self.chat("-c", "64")
        t.line("太长" * 100)
        t.expect("error: .*(fit|context)")
        t.expect("> ")
        for _ in range(3):
            t.line("短")
            t.expect("[>。]")
        t.line("/exit")
        self.assertEqual(t.wait(), 0)

    def test_one_answer_in_a_terminal(self):
        t = Terminal("你好")
        t.expect(ANSWER)
        t.expect("tokens/s")
        self.assertEqual(t.wait(), 0)
        t = Terminal("--no-progress", "你好")
        t.expect(ANSWER)
        self.assertEqual(t.wait(), 0)
        self.assertNotIn("tokens/s", t.seen)

    def test_no_text_in_a_terminal(self):
        t = Terminal()
        t.expect("/help lists")
        t.expect("> ")
        t.line("你好")
        t.expect(ANSWER)
        t.expect("> ")
        self.assertNotIn("tokens/s", t.seen)
        t.line("/bye")
        self.assertEqual(t.wait(), 0)
        self.assertNotIn("tokens/s", t.raw.decode())
        t = Terminal("sentiment")
        t.expect("error: no text")
        self.assertEqual(t.wait(), 2)


class Conversation(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = os.path.join(self.folder.name, "saved.json")

    def start(self, *arguments):
        t = Terminal("chat", "--no-history", *arguments)
        t.expect("> ")
        return t

    def saved(self, t):
        """The users' messages, by /save; leaves the chat."""
        if os.path.exists(self.path):
            os.remove(self.path)
        t.line("/save " + self.path)
        t.expect("saved to")
        t.line("/bye")
        self.assertEqual(t.wait(), 0)
        with open(self.path, encoding="utf-8") as file:
            return [m["content"] for m in json.load(file)["messages"] if m["role"] == "user"]

    def test_pasted_text_is_one_message(self):
        t = self.start()
        t.key("before \x1b[200~first\nsecond\nthird\x1b[31m\rlast\x1b[201~ after\n")
        t.expect(ANSWER)
        t.expect("> ")
        self.assertEqual(self.saved(t), ["before first\nsecond\nthird[31m\nlast after"])

    def test_blocks(self):
        t = self.start()
        for text in ('"""first', "", 'third"""', '"""one line"""', '"""', "/not a command", '"""', "first \\", "second"):
            t.line(text)
            if text.endswith('"""') and text != '"""' or text == "second":
                t.expect(ANSWER)
            t.expect("(> |\\.\\.\\. )$")
        messages = self.saved(t)
        self.assertEqual(messages, ["first\n\nthird", "one line", "/not a command", "first \nsecond"])

    def test_tab_completes_commands(self):
        t = self.start()
        t.key("/st\t\n")
        t.expect("tokens of context")
        t.expect("> ")
        t.key("/sa\t" + self.path + "\n")
        t.expect("saved to")
        t.line("/exit")
        self.assertEqual(t.wait(), 0)

    def test_retry_and_edit(self):
        t = self.start()
        t.line("/retry")
        t.expect("no message yet")
        t.line("/edit")
        t.expect("no message yet")
        t.line("one")
        t.expect(ANSWER)
        t.expect("> ")
        t.line("/retry")
        t.expect(ANSWER)
        t.expect("> ")
        t.line("/edit")
        t.expect("> one")
        t.key("\x1b[F and two\n")
        t.expect(ANSWER)
        t.expect("> ")
        t.line("/edit")
        t.expect("> one and two")
        t.key("\x03")  # leaves the message as it is
        t.expect("> ")
        self.assertEqual(self.saved(t), ["one and two"])

    def test_save_asks_and_load_shows(self):
        t = self.start()
        t.line("some question")
        t.expect(ANSWER)
        t.expect("> ")
        self.assertEqual(self.saved(t), ["some question"])
        with open(self.path, encoding="utf-8") as file:
            before = file.read()
        t = Terminal("chat", "--no-history", "--load", self.path)
        t.expect("> some question\n" + ANSWER)
        t.expect("> ")
        t.line("more")
        t.expect(ANSWER)
        t.expect("> ")
        t.line("/save " + self.path)
        t.expect("Overwrite it")
        t.line("n")
        t.expect("not saved")
        with open(self.path, encoding="utf-8") as file:
            self.assertEqual(file.read(), before)
        t.line("/save " + self.path)
        t.expect("Overwrite it")
        t.line("y")
        t.expect("saved to")
        t.line("/save /dev/null")  # there is nothing to overwrite
        t.expect("saved to /dev/null")
        t.line("/save /dev/full")
        t.expect("No space left on device")
        t.line("/load " + self.path)
        t.expect("some question")
        t.expect("more")
        t.expect("loaded 4 messages")
        t.line("/bye")
        self.assertEqual(t.wait(), 0)
        result = run("chat", "--load", self.path, "x")
        self.assertEqual((result.returncode, result.stdout), (2, ""))

    def test_keys_during_an_answer_wait_for_the_prompt(self):
        t = self.start(*ENDLESS)
        t.line("x")
        t.expect("你好")
        t.type("zzqq")
        t.read(0.3)
        t.seen = ""
        time.sleep(0.3)
        t.read(0.3)
        self.assertNotIn("zzqq", t.seen)
        t.type("\x03")
        t.expect("> ")
        t.line("/bye")
        self.assertEqual(t.wait(), 0)

    def test_thinking_needs_a_template_for_it(self):
        t = self.start()
        t.line("/think on")
        t.expect("does not support thinking")
        t.line("/think")
        t.expect("thinking is off")
        t.line("/?")
        t.expect("/retry")
        t.line("/exit")
        self.assertEqual(t.wait(), 0)


class HalfATerminal(unittest.TestCase):
    """stdin is a terminal, stdout is not: nothing may wait for a line."""

    def run_half(self, *arguments):
        master, slave = pty.openpty()
        try:
            return subprocess.run(
                [QWEN_RUN, "-m", TINY, *arguments], stdin=slave, capture_output=True, env=environment(), timeout=60
            )
        finally:
            os.close(master)
            os.close(slave)

    def test_chat_says_what_to_do(self):
        result = self.run_half("chat")
        self.assertEqual((result.returncode, result.stdout), (2, b""))
        self.assertIn(b"needs a terminal for its output", result.stderr)

    def test_a_text_is_answered(self):
        result = self.run_half("你好")
        self.assertEqual((result.returncode, result.stdout.decode()), (0, ANSWER + "\n"))


if __name__ == "__main__":
    unittest.main()
