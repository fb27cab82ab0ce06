#!/usr/bin/env python3
"""Completion scripts and man pages: every option of --help is in them, and bash completes."""
import os
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from qwen_run import QWEN_RUN, environment, run

TOOLS = os.path.dirname(QWEN_RUN)


def output(program, *arguments):
    result = subprocess.run([os.path.join(TOOLS, program), *arguments], capture_output=True, env=environment(), timeout=60)
    assert (result.returncode, result.stderr) == (0, b""), result
    return result.stdout.decode()


def options_of(help_text):
    """Both names of each option of a help text."""
    found = set()
    for names in re.findall(r"^  (-[^ ].*?)(?:  |$| [A-Za-z{([])", help_text, re.M):
        found.update(name.strip() for name in names.split(",") if re.fullmatch(r"\s*--?[\w-]+\s*", name))
    return found


COMMANDS = re.findall(r"^  ([a-z-]+)(?:  | [A-Z\[-])", output("qwen-run", "--help").split("\nexamples:")[0], re.M) + ["task"]


class Bash(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.script = output("qwen-run", "--completion", "bash")

    def complete(self, *words, program="qwen-run", script=None):
        """What bash offers for the last of these words."""
        code = (script or self.script) + f"""
COMP_WORDS=({' '.join("'" + word + "'" for word in (program, *words))})
COMP_CWORD={len(words)}
COMPREPLY=()
_{program.replace('-', '_')}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
        result = subprocess.run(["bash", "-u", "-c", code], capture_output=True, text=True, timeout=60)
        self.assertEqual((result.returncode, result.stderr), (0, ""), words)
        return set(result.stdout.split("\n")) - {""}

    def test_every_option_of_every_command(self):
        self.assertGreater(len(COMMANDS), 15)
        for command in [""] + COMMANDS:
            words = [command] if command else []
            help_text = output("qwen-run", *words, "--help")
            options = options_of(help_text.split("\nexamples:")[0] if command else help_text.split("stderr.\n")[1])
            self.assertGreaterEqual(len(options), 4, command)
            self.assertEqual(self.complete(*words, "-"), options, command)

    def test_commands_values_and_files(self):
        self.assertEqual(self.complete("sen"), {"sentiment"})
        self.assertEqual(self.complete("-m", "x.gguf", "sen"), {"sentiment"})
        self.assertLessEqual(set(COMMANDS) - {"task"}, self.complete(""))
        self.assertEqual(self.complete("sentiment", "--encoding", ""), {"auto", "utf-8", "gb18030", "utf-16"})
        self.assertEqual(self.complete("sentiment", "--header", "y"), {"yes"})
        self.assertEqual(self.complete("sentiment", "--enc"), {"--encoding"})
        self.assertIn("/etc/passwd", self.complete("sentiment", "-f", "/etc/pass"))
        self.assertIn("/etc/passwd", self.complete("-m", "/etc/pass"))
        self.assertEqual(self.complete("chat", "--temp", ""), set())

    def test_other_programs(self):
        for program in ("qwen-quantize", "qwen-serve"):
            if not os.path.exists(os.path.join(TOOLS, program)):
                continue
            script = output(program, "--completion", "bash")
            self.assertEqual(self.complete("-", program=program, script=script), options_of(output(program, "--help")))


class OtherShells(unittest.TestCase):
    def test_every_option_is_there(self):
        for command in COMMANDS:
            options = options_of(output("qwen-run", command, "--help").split("\nexamples:")[0])
            zsh = output("qwen-run", "--completion", "zsh").split(f"\n  {command}) options=(")[1].split("\n  ) ;;")[0]
            fish = [line for line in output("qwen-run", "--completion", "fish").splitlines()
                    if f"'__fish_seen_subcommand_from {command}'" in line]
            man = output("qwen-run", "--completion", "man").split(f'.SH "qwen\\-run {command.replace("-", chr(92) + "-")}"')[1].split("\n.SH")[0]
            for option in options:
                self.assertIn(f"'{option}:", zsh)
                word = rf" -l {option[2:]} " if option.startswith("--") else rf" -s {option[1:]} "
                self.assertTrue(any(word in line for line in fish), (command, option))
                self.assertIn(option.replace("-", "\\-"), man)

    def test_syntax(self):
        for shell, arguments in (("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])):
            if shutil.which(shell):
                script = output("qwen-run", "--completion", shell)
                result = subprocess.run([shell, *arguments], input=script, capture_output=True, text=True, timeout=60)
                self.assertEqual((result.returncode, result.stderr), (0, ""), shell)

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed")
    def test_man_page(self):
        page = output("qwen-run", "--completion", "man")
        result = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-Kutf8"], input=page.encode(), capture_output=True, timeout=60)
        warnings = [line for line in result.stderr.decode().splitlines() if "can't break line" not in line]
        self.assertEqual((result.returncode, warnings), (0, []))
        text = re.sub("\x1b\\[[0-9;]*m", "", result.stdout.decode())
        for part in ("small Qwen models on the CPU", "--text-column", "qwen-run sentiment -f reviews.csv"):
            self.assertIn(part, text)

    def test_unknown_shell(self):
        result = run("--completion", "tcsh", model=None)
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("bash, zsh, fish or man", result.stderr)


if __name__ == "__main__":
    unittest.main()
