#!/usr/bin/env python3
"""The curl examples of docs/server.md, and that the page knows every option and endpoint."""
import json
import os
import re
import subprocess
import unittest

from qwen_run import SOURCE, environment
from qwen_serve import QWEN_SERVE, TIMEOUT, Server, parse_events

with open(os.path.join(SOURCE, "docs", "server.md"), encoding="utf-8") as page:
    TEXT = page.read()


class TestDocs(unittest.TestCase):
    def test_examples(self):
        examples = re.findall(r"```sh\n(.*?)```", TEXT, re.S)
        self.assertGreaterEqual(len(examples), 6)
        with Server(model=None) as server:
            for example in examples:
                command = example.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
                found = subprocess.run(["bash", "-c", command], capture_output=True, timeout=TIMEOUT)
                self.assertEqual((found.returncode, found.stderr), (0, b""), example)
                answer = found.stdout.decode()
                self.assertNotIn('"error"', answer, example)
                if "/api/chat" in example:
                    self.assertTrue(json.loads(answer)["done"])
                elif '"stream"' in example or "analyze" in example:
                    self.assertGreater(len(parse_events(answer)), 2)
                elif "/chat -d" in example:
                    self.assertTrue(answer)
                else:
                    self.assertIn("usage", json.loads(answer))

    def test_endpoints(self):
        with open(os.path.join(SOURCE, "tools", "qwen-serve", "routes.cpp"), encoding="utf-8") as file:
            routes = re.findall(r'\{"(GET|POST|DELETE)", "([^"]+)"', file.read())
        self.assertGreater(len(routes), 10)
        for method, path in routes:
            name = f"{method} {path}"
            self.assertIn(name if path.startswith("/web") else name.replace("*", "ID"), TEXT)

    def test_options(self):
        options = set(re.findall(r"--[a-z][a-z-]+", subprocess.run(
            [QWEN_SERVE, "--help"], capture_output=True, timeout=TIMEOUT, env=environment()).stdout.decode()))
        for option in set(re.findall(r"`(--[a-z-]+)", TEXT)) - {"--help"}:
            self.assertIn(option, options)


if __name__ == "__main__":
    unittest.main()
