#!/usr/bin/env python3
"""What a newcomer types first: qwen-run without -m, on the bundled model."""
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from qwen_run import run, run_json


class Builtin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        result = run("info", model=None)
        if result.returncode != 0 and "no bundled model" in result.stderr:
            raise unittest.SkipTest(result.stderr.strip())

    def test_info(self):
        info = run_json("info", "--json", model=None)
        self.assertEqual(info["source"], "builtin")
        self.assertEqual(info["architecture"], "qwen2")

    def test_sentiment(self):
        good = run("sentiment", "今天的实验终于成功了，太棒了！", model=None)
        bad = run("sentiment", "房间很脏，空调也坏了，再也不来了。", model=None)
        self.assertEqual((good.returncode, bad.returncode), (0, 0), good.stderr + bad.stderr)
        self.assertIn("😄 LLM 情感判断: 正面", good.stdout)
        self.assertIn("😢 LLM 情感判断: 负面", bad.stdout)

    def test_analyze(self):
        result = run("analyze", "--seed", "1", "房间很脏，空调也坏了，再也不来了。", model=None)
        self.assertEqual(result.returncode, 0, result.stderr)
        label, reply = result.stdout.strip().split("\n", 1)
        self.assertIn("负面", label)
        self.assertRegex(reply.strip(), "[。！？]$")

    def test_hello(self):
        self.assertRegex(run("你好", "--seed", "1", model=None).stdout.strip(), "[。！？]$")
        self.assertRegex(run("Hello!", "--temp", "0", model=None).stdout.strip(), "[.!?。！？]$")


if __name__ == "__main__":
    unittest.main()
