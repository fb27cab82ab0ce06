#!/usr/bin/env python3
"""config.yaml: paths start from its folder; qwen-serve --print-config writes one."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from qwen_run import ANSWER, QWEN_RUN, TINY, environment, run

SERVE = os.path.join(os.path.dirname(QWEN_RUN), "qwen-serve")


class WithFolder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)


class Paths(WithFolder):
    def test_relative_paths_start_from_the_file(self):
        os.makedirs(self.path("etc/models"))
        shutil.copy(TINY, self.path("etc/models/tiny.gguf"))
        self.write("etc/my/greet.yaml", 'name: greet\nkind: classify\nheading: Test\ntemplate: "{text}"\nlabels: [a, b]\n')
        self.write("etc/mine.jinja", "{% for m in messages %}{{ m.content }}{% endfor %}")
        config = self.write("etc/config.yaml", "model: models/tiny.gguf\ntasks: my\nprefix_cache: prefixes\n")
        for folder in (self.folder.name, self.path("etc"), "/"):
            for name in (config, os.path.relpath(config, folder)):
                result = subprocess.run([QWEN_RUN, "--config", name, "greet", "嗨"], cwd=folder, capture_output=True, text=True,
                                        env=environment(), timeout=60)
                self.assertEqual((result.returncode, result.stderr), (0, ""), (folder, name))
                self.assertRegex(result.stdout, "^Test: ")
        self.assertEqual(os.listdir(self.path("etc/prefixes")) != [], True)
        # Absolute paths, names of templates, and what stands on the command line or in the environment stay.
        config = self.write("etc/config.yaml", f"model: {TINY}\nchat_template: chatml\n")
        self.assertEqual(run("--config", config, "嗨", model=None).stdout, ANSWER + "\n")
        config = self.write("etc/config.yaml", f"model: {TINY}\nchat_template: mine.jinja\n")
        self.assertEqual(run("--config", config, "嗨", model=None).returncode, 0)
        config = self.write("etc/config.yaml", "model: none.gguf\n")
        relative = os.path.relpath(TINY, self.folder.name)
        result = subprocess.run([QWEN_RUN, "--config", config, "-m", relative, "嗨"], cwd=self.folder.name, capture_output=True,
                                text=True, env=environment(), timeout=60)
        self.assertEqual(result.stdout, ANSWER + "\n")
        result = run("--config", config, "嗨", model=None)
        self.assertEqual(result.returncode, 1)
        self.assertIn(self.path("etc/none.gguf"), result.stderr)


@unittest.skipUnless(os.path.exists(SERVE), "qwen-serve is not built")
class Sample(WithFolder):
    def sample(self, *arguments, **env):
        result = subprocess.run([SERVE, "--print-config", *arguments], capture_output=True, text=True, env=environment(**env), timeout=60)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def test_a_sample_is_a_config_file(self):
        sample = self.sample()
        self.assertEqual([line for line in sample.splitlines() if line and not line.lstrip().startswith("#")], [])
        path = self.write("config.yaml", sample)
        self.assertEqual(self.sample("--config", path), sample)
        # Every key, without its #, has its default value.
        keys = re.findall(r"^ *#(\w+): ?(.*)$", sample, re.M)
        self.assertGreater(len(keys), 40)
        for part in ("#port: 8080", '#host: "127.0.0.1"', "# Port (8080)", "#max_body: 1048576", "#cache:\n", "  #entries: 10000"):
            self.assertIn(part, sample)
        whole = "".join(line + "\n" for line in re.sub(r"(?m)^( *)#(\w+:)", r"\1\2", sample).splitlines()
                        if not re.fullmatch(r' *\w+: ("")?', line) or line == "cache:")
        path = self.write("config.yaml", whole)
        again = self.sample("--config", path)
        for key, value in keys:
            if value not in ("", '""'):
                self.assertRegex(again, rf"(?m)^ *{key}: ")

    def test_values_that_are_set(self):
        text = self.sample("--port", "9000", "--cache-ttl", "5", LIBQWEN_QUEUE="7")
        for line in ("port: 9000", "cache:", "  seconds: 5", "queue: 7", "#parallel: 8", "  #entries: 10000"):
            self.assertIn("\n" + line + "\n", text)
        path = self.write("config.yaml", text)
        self.assertEqual(self.sample("--config", path), text)


if __name__ == "__main__":
    unittest.main()
