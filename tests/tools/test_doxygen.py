#!/usr/bin/env python3
"""Doxygen reads the public headers without a warning."""
import os
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

    def test_it_would_notice(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "x.h"), "w", encoding="utf-8") as file:
                file.write("// A header.\n#pragma once\n// A class without an end.\nclass A {\n public:\n  void f();\n")
            result = self.build(f"OUTPUT_DIRECTORY = {folder}", f"INPUT = {folder}")
            self.assertNotEqual(result.returncode, 0)
            self.assertIn("x.h:7: error: reached end of file", result.stderr)


if __name__ == "__main__":
    unittest.main()
