#!/usr/bin/env python3
"""qwen-run check-json against tests/data/schema: invalid values are rejected, valid ones accepted."""
import json
import os
import unittest

from qwen_run import SOURCE, run

STYLES = [(", ", ": "), (",", ":")]


def cases(name):
    with open(os.path.join(SOURCE, "tests", "data", "schema", name), encoding="utf-8") as file:
        return [json.loads(line) for line in file.read().split("\n") if line]


class CheckJson(unittest.TestCase):
    def verdicts(self, case, values):
        """The lines that check-json prints for the values in each style, or its refusal."""
        text = "".join(json.dumps(v, ensure_ascii=False, separators=style) + "\n" for style in STYLES for v in values)
        result = self.check(case, text)
        return (result.stdout.split(), "") if result.returncode == 0 else (None, result.stderr)

    def check(self, case, text):
        return run("check-json", "--json-schema", self.write(json.dumps(case["schema"])), stdin=text, model=None)

    def write(self, text):
        path = os.path.join(os.environ["QWEN_BIN_DIR"], f"check-json-{os.getpid()}.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self.addCleanup(lambda: os.path.exists(path) and os.remove(path))
        return path

    def test_cases(self):
        enforced = refused = 0
        for case in cases("suite.jsonl") + cases("own.jsonl"):
            tier = case.get("tier", "enforce")
            with self.subTest(case["name"]):
                valid, invalid = case["valid"], case["invalid"]
                lines, error = self.verdicts(case, valid + invalid)
                enforced += tier == "enforce"
                if lines is None:
                    refused += tier == "enforce"
                    # Refused by the name of a keyword that is in the schema.
                    named = [k for k in case["keywords"] + ["$ref", "$id", "$schema", "format"] if f'"{k}"' in error or k in error]
                    self.assertTrue(named, error)
                    continue
                half = len(lines) // 2
                for style in (lines[:half], lines[half:]):
                    self.assertEqual(style[len(valid):], ["rejected"] * len(invalid))
                    if tier == "enforce":
                        self.assertEqual(style[: len(valid)], ["accepted"] * len(valid))
        self.assertGreater(enforced, 80)
        self.assertLessEqual(refused, enforced * 0.05)

    def test_errors(self):
        result = run("check-json", "--json-schema", "/nowhere.json", model=None)
        self.assertEqual(result.returncode, 1)
        self.assertIn("/nowhere.json", result.stderr)
        result = run("check-json", "--json-schema", '{"uniqueItems": true}', stdin="[]\n", model=None)
        self.assertEqual(result.returncode, 1)
        self.assertIn('"uniqueItems"', result.stderr)
        self.assertEqual(run("check-json", model=None).returncode, 2)
        result = run("check-json", "--json-schema", '{"type": "integer"}', stdin="1\n\n \"a\"\r\n1 2\n{\n", model=None)
        self.assertEqual(result.stdout.split(), ["accepted", "rejected", "rejected", "rejected"])


if __name__ == "__main__":
    unittest.main()
