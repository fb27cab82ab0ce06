#!/usr/bin/env python3
"""Every public declaration has a comment, and Doxygen reads all of them without a warning."""
import html
import os
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = os.environ["QWEN_SOURCE_DIR"]


@unittest.skipUnless(shutil.which("doxygen") or os.environ.get("QWEN_NO_SKIP"), "no doxygen here")
class Doxygen(unittest.TestCase):
    def build(self, *settings):
        with open(os.path.join(SOURCE, "docs", "Doxyfile"), encoding="utf-8") as file:
            text = file.read() + "\n" + "\n".join(settings)
        return subprocess.run(["doxygen", "-"], input=text, cwd=SOURCE, capture_output=True, text=True, timeout=600)

    def test_headers(self):
        with tempfile.TemporaryDirectory() as folder:
            result = self.build(f"OUTPUT_DIRECTORY = {folder}")
            self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))
            with open(os.path.join(folder, "html", "classqwen_1_1Session.html"), encoding="utf-8") as file:
                self.assertIn("Replaces the content with the snapshot", file.read())

    def errors_without(self, header, comment):
        """What Doxygen reports about a copy of a header from which this comment was removed."""
        with open(os.path.join(SOURCE, "include", "qwen", header), encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(text.count(comment), 1, comment)
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, header), "w", encoding="utf-8") as file:
                file.write(text.replace(comment, ""))
            result = self.build(f"OUTPUT_DIRECTORY = {folder}", f"INPUT = {folder}")
        self.assertNotEqual(result.returncode, 0)
        return result.stderr

    def test_missing_comments_are_errors(self):
        for header, comment, name in (
                ("session.h", "  // forward() without the output head.\n", "prefill(std::span< const Token > tokens)"),
                ("sampler.h", "// How a token is chosen.\n", "qwen::SamplingOptions"),
                ("qwen_c.h", "// Frees what a function below has allocated for the caller.\n", "qwen_free(void *memory)"),
                ("qwen_c.h", "  // QWEN_OK after a call that did not fail", "code (variable) of struct qwen_error"),
                ("error.h", "// What kind of failure an Error reports.\n", "ErrorCode (enumeration)")):
            with self.subTest(header=header, comment=comment):
                errors = self.errors_without(header, comment)
                self.assertIn("is not documented", errors)
                self.assertIn(name, errors)

    def test_comments_are_plain_text(self):
        text = r"A \frac of @some <b> & #1 at 5 %, \n."
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "x.h"), "w", encoding="utf-8") as file:
                file.write(f"// A header.\n#pragma once\n// {text}\nclass A {{\n public:\n  int b;  // {text}\n}};\n")
            result = self.build(f"OUTPUT_DIRECTORY = {folder}", f"INPUT = {folder}")
            self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))
            with open(os.path.join(folder, "html", "classA.html"), encoding="utf-8") as file:
                shown = html.unescape(re.sub("<[^>]*>", "", file.read()))
        self.assertGreaterEqual(shown.count(text), 2)


if __name__ == "__main__":
    unittest.main()
