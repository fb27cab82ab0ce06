#!/usr/bin/env python3
"""qwen-run with --json-schema, --json-object, --regex, --choice and --think."""
import json
import os
import re
import tempfile
import unittest

import functools

import qwen_run

run = functools.partial(qwen_run.run, model=None)  # the bundled model

SCHEMA = json.dumps({
    "type": "object",
    "properties": {"opinion": {"enum": ["good", "bad"]}, "stars": {"type": "integer", "minimum": 1, "maximum": 5},
                   "words": {"type": "array", "items": {"type": "string", "maxLength": 8}, "maxItems": 3}},
    "required": ["opinion", "stars", "words"], "additionalProperties": False})
SEEDS = ("1", "2", "3")


class Constrained(unittest.TestCase):
    def good(self, *arguments):
        result = run(*arguments)
        self.assertEqual((result.stderr, result.returncode), ("", 0))
        return result.stdout

    def check(self, text):
        self.assertTrue(text.endswith("\n"))
        self.assertEqual(text.count("\n"), 1)
        value = json.loads(text)
        self.assertEqual(list(value), ["opinion", "stars", "words"])
        self.assertIn(value["opinion"], ("good", "bad"))
        self.assertIn(value["stars"], (1, 2, 3, 4, 5))
        for word in value["words"]:
            self.assertLessEqual(len(word), 8)

    def test_schema(self):
        for seed in SEEDS:
            for temperature in ("0", "2"):
                for command in ([], ["generate"], ["chat"]):
                    self.check(self.good(*command, "--seed", seed, "--temp", temperature, "--json-schema", SCHEMA, "房间很脏"))
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write(SCHEMA)
            file.flush()
            self.check(self.good("--json-schema", file.name, "房间很脏"))

    def test_other_forms(self):
        for seed in SEEDS:
            self.assertIsInstance(json.loads(self.good("--seed", seed, "--temp", "1.5", "--json-object", "hi")), dict)
            self.assertRegex(self.good("--seed", seed, "--temp", "2", "--regex", "[0-9]{2}:[0-9]{2}", "几点了？"), r"^\d\d:\d\d\n$")
            for choice in (["--choice", "好评,差评,中性"], ["--choice", "好评", "--choice", "差评", "--choice", "中性"]):
                self.assertIn(self.good("--seed", seed, "--temp", "2", *choice, "房间很脏"), ("好评\n", "差评\n", "中性\n"))

    def test_the_limit_never_breaks_the_answer(self):
        least = None
        for limit in range(1, 40):
            result = run("-n", str(limit), "--temp", "1", "--json-schema", SCHEMA, "hi")
            if result.returncode == 0:
                least = least or limit
                self.check(result.stdout)
            else:
                self.assertIsNone(least)
                self.assertEqual(result.stdout, "")
                self.assertRegex(result.stderr, r"the shortest text needs \d+ tokens, expected at most max_new_tokens \(%d\)" % limit)
        self.assertIsNotNone(least)

    def test_json_output(self):
        answer = json.loads(self.good("--json", "--logprobs", "1", "--json-schema", SCHEMA, "hi"))
        self.check(answer["text"] + "\n")
        self.assertEqual(answer["finish_reason"], "stop")
        self.assertEqual(len(answer["logprobs"]), len(answer["tokens"]))
        self.assertNotIn("reasoning", answer)

    def test_refusals(self):
        for code, message, *arguments in (
                (2, "excludes", "--json-object", "--choice", "a", "hi"),
                (2, "excludes", "--json-schema", "{}", "--regex", "a", "hi"),
                (1, "schema", "--json-schema", "{", "hi"),
                (1, "/nonexistent.json", "--json-schema", "/nonexistent.json", "hi"),
                (1, "uniqueItems", "--json-schema", '{"uniqueItems": true}', "hi"),
                (1, "no text satisfies", "--json-schema", "false", "hi"),
                (1, "pattern", "--regex", "(", "hi"),
                (2, "--think: expected on, off or a number", "--think", "maybe", "hi"),
                (2, "does not support thinking", "--think", "on", "hi"),
                (2, "does not support thinking", "--think", "20", "hi")):
            with self.subTest(arguments=arguments):
                result = run(*arguments)
                self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
                self.assertIn(message, result.stderr)
                self.assertEqual(len(result.stderr.strip().splitlines()), 1)
        self.assertEqual(run("--think", "off", "--temp", "0", "你好").stdout, run("--temp", "0", "你好").stdout)


class Thinking(unittest.TestCase):
    """The bundled model under a template that opens a thought: its text is a thought until the limit ends it."""

    def test_needs_the_tag(self):
        with tempfile.NamedTemporaryFile("w", suffix=".jinja") as file:
            file.write("{{ messages[0].content }}<|im_end|>{{ '<think>\\n' if enable_thinking }}")
            file.flush()
            result = run("--chat-template", file.name, "--think", "5", "hi")
            self.assertEqual(result.returncode, 1)
            self.assertIn("no token </think>", result.stderr)
            answer = json.loads(run("--chat-template", file.name, "--think", "on", "--json", "-n", "8", "hi").stdout)
            self.assertEqual(answer["text"], "")
            self.assertTrue(answer["reasoning"])
            self.assertEqual(run("--chat-template", file.name, "--think", "on", "-n", "8", "hi").stdout.strip(), "")


if __name__ == "__main__":
    unittest.main()
