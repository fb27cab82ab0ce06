#!/usr/bin/env python3
"""The setup scripts with fake package tools: nothing is installed."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = os.environ["QWEN_SOURCE_DIR"]
SCRIPTS = os.path.join(SOURCE, "scripts")


def packages(name="packages-build.txt"):
    with open(os.path.join(SCRIPTS, name), encoding="utf-8") as file:
        lines = [line.split("#")[0].split() for line in file]
    return [words[0] for words in lines if words]


class InstallPackages(unittest.TestCase):
    def install(self, installed, apt_works=True, scripts=SCRIPTS, lists=()):
        with tempfile.TemporaryDirectory() as folder:

            def tool(name, body):
                path = os.path.join(folder, name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write("#!/bin/bash\n" + body)
                os.chmod(path, 0o755)

            log = os.path.join(folder, "log")
            names = " ".join(installed)
            tool("dpkg-query", f'[[ " {names} " == *" ${{@: -1}} "* ]] && printf "install ok installed"\n')
            tool("apt-get", f'echo "$@" >> {log}\nexit {0 if apt_works else 100}\n')
            tool("sudo", 'exec "$@"\n')
            result = subprocess.run(
                [os.path.join(scripts, "install_packages.sh"), *lists],
                env={**os.environ, "PATH": folder + ":" + os.environ["PATH"]},
                capture_output=True,
                text=True,
                timeout=60,
            )
            if not os.path.exists(log):
                return result, []
            with open(log, encoding="utf-8") as file:
                return result, file.read().splitlines()

    def test_nothing_to_do(self):
        result, calls = self.install(packages())
        self.assertEqual((result.returncode, result.stdout, result.stderr, calls), (0, "", "", []))

    def test_installs_only_missing_packages(self):
        missing = ["cmake", "libedit-dev"]
        result, calls = self.install([p for p in packages() if p not in missing])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(calls), 2)
        self.assertTrue(calls[0].startswith("update"))
        self.assertEqual(calls[1].split()[-2:], missing)

    def test_lists_and_commands_that_replace_packages(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(os.path.join(SCRIPTS, "install_packages.sh"), folder)
            with open(os.path.join(folder, "packages-build.txt"), "w", encoding="utf-8") as file:
                file.write("# comment\none-package bash\n\nother-package no-such-command  # comment\n")
            with open(os.path.join(folder, "more.txt"), "w", encoding="utf-8") as file:
                file.write("third-package\n")
            result, calls = self.install([], scripts=folder, lists=["packages-build.txt", "more.txt"])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(calls[1].split()[-3:], ["--no-install-recommends", "other-package", "third-package"])

    def test_offline(self):
        result, _ = self.install([], apt_works=False)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("offline?", result.stderr)
        self.assertIn("cmake", result.stderr.splitlines()[-1])


class Scripts(unittest.TestCase):
    def test_packages_are_sorted_and_unique(self):
        for name in ["packages-build.txt", "packages-tests.txt"]:
            self.assertEqual(packages(name), sorted(set(packages(name))))

    def test_quickstart_needs_no_services_and_no_test_tools(self):
        self.assertEqual(set(packages()) & {"prometheus", "civetweb", "nginx", "catch2", "python3", "clang", "chromium"}, set())
        with open(os.path.join(SCRIPTS, "install_packages.sh"), encoding="utf-8") as file:
            self.assertIn("--no-install-recommends", file.read())

    def test_every_script_is_valid_and_executable(self):
        scripts = [os.path.join(SCRIPTS, name) for name in os.listdir(SCRIPTS) if name.endswith(".sh")]
        scripts.append(os.path.join(SOURCE, ".ci", "run"))
        self.assertGreater(len(scripts), 4)
        for script in scripts:
            self.assertTrue(os.access(script, os.X_OK), script)
            self.assertEqual(subprocess.run(["bash", "-n", script], timeout=60).returncode, 0, script)
            with open(script, encoding="utf-8") as file:
                self.assertIn("set -euo pipefail", file.read(), script)

    def test_readme_names_existing_files(self):
        with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
            readme = file.read()
        for path in set(re.findall(r"(?:scripts|docs|tests)/[A-Za-z0-9_./-]*[A-Za-z0-9_]", readme)):
            self.assertTrue(os.path.exists(os.path.join(SOURCE, path)), path)


if __name__ == "__main__":
    unittest.main()
