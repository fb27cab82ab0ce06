#!/usr/bin/env python3
"""qwen-run extract: JSON from texts, alone and in tables, on the bundled model (which is not trained for it: only the form counts)."""
import csv
import functools
import io
import json
import os
import tempfile
import unittest

import qwen_run

run = functools.partial(qwen_run.run, model=None)
KEYS = {"address": ["name", "phone", "province", "city", "district", "street"],
        "event": ["title", "day", "time", "minutes", "place", "people"],
        "intent_slots": ["intent", "device", "room", "value", "unit"], "opinions": ["opinions"]}
TEXT = "请寄到杭州市西湖区文三路 90 号，王芳收"


class Extract(unittest.TestCase):
    def good(self, *arguments, **more):
        result = run(*arguments, **more)
        self.assertEqual((result.stderr, result.returncode), ("", 0))
        return result.stdout

    def test_one_text(self):
        for task, keys in KEYS.items():
            text = self.good("extract", task, TEXT)
            self.assertEqual(list(json.loads(text)), keys)
            self.assertEqual(self.good(task, TEXT), text)  # every task is a command
            self.assertEqual(self.good("extract", task, stdin=TEXT), text)
            whole = json.loads(self.good("extract", task, "--json", TEXT))
            self.assertEqual(whole["answer"], json.loads(text))
            self.assertGreater(whole["answer_tokens"], 0)

    def test_table(self):
        with tempfile.TemporaryDirectory() as folder:
            source, out = os.path.join(folder, "in.csv"), os.path.join(folder, "out.csv")
            with open(source, "w", encoding="utf-8") as file:
                file.write("编号,评论\n1,房间很脏\n2,\"早餐，很好\"\n3,好\n")
            self.good("extract", "opinions", "-f", source, "--text-column", "评论", "-o", out)
            with open(out, encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            self.assertEqual([row["编号"] for row in rows], ["1", "2", "3"])
            for row in rows:
                self.assertIsInstance(json.loads(row["opinions"]), list)
            self.assertEqual(json.loads(rows[0]["opinions"]), json.loads(self.good("extract", "opinions", "房间很脏"))["opinions"])
            lines = self.good("extract", "address", "-f", source, "--text-column", "评论", "--format", "csv")
            self.assertEqual(next(csv.reader(io.StringIO(lines)))[:8], ["编号", "评论", *KEYS["address"]])

    def test_json_lines(self):
        lines = "".join(json.dumps({"text": text}) + "\n" for text in (TEXT, "", "x"))
        answers = [json.loads(line) for line in self.good("extract", "event", "--jsonl", stdin=lines).splitlines()]
        self.assertEqual([list(answer) for answer in answers], [KEYS["event"]] * 3)

    def test_own_task(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "yes.yaml"), "w", encoding="utf-8") as file:
                file.write('name: yes\nkind: extract\ntemplate: "{text}"\nschema: |\n  {"enum": ["yes", "no"]}\n')
            self.assertIn(self.good("extract", "yes", "--tasks", folder, "x"), ('"yes"\n', '"no"\n'))
            self.assertIn('"enum"', self.good("tasks", "yes", "--tasks", folder))
            with open(os.path.join(folder, "yes.yaml"), "w", encoding="utf-8") as file:
                file.write('name: yes\nkind: extract\ntemplate: "{text}"\nschema: |\n  {"enum": []}\n')
            result = run("extract", "yes", "--tasks", folder, "x")
            self.assertEqual(result.returncode, 1)
            self.assertIn("yes.yaml:4: schema", result.stderr)

    def test_refusals(self):
        for code, message, *arguments in ((1, "kind classify, expected extract", "extract", "sentiment", "x"),
                                          (1, "kind extract, expected classify", "classify", "address", "x"),
                                          (1, "there is no task", "extract", "adress", "x"),
                                          (2, "--mode and --cache", "address", "--mode", "generate", "x")):
            result = run(*arguments)
            self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
            self.assertIn(message, result.stderr)


if __name__ == "__main__":
    unittest.main()
