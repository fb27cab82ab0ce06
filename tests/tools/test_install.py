#!/usr/bin/env python3
"""The installed library, static and shared, used from CMake and pkg-config, from C++ (g++, clang++), C and Python. Programs see only
what was installed."""
import os
import re
import shutil
import subprocess
import sys
import unittest

SOURCE = os.environ["QWEN_SOURCE_DIR"]
BUILD = os.environ["QWEN_BIN_DIR"]
WORK = os.path.join(BUILD, "install-test")
EXAMPLES = os.path.join(SOURCE, "examples")
STRICT = "-Wall -Wextra -Wconversion -Wno-sign-conversion -Werror"


def cached(name):
    """A variable of the build's CMake cache."""
    with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as file:
        match = re.search(rf"^{name}:\w+=(.*)$", file.read(), re.M)
    return match.group(1) if match else ""


def run(*command, cwd=None, env=None):
    """What a command prints on stdout; fails with all it prints where it fails."""
    result = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True,
                            timeout=1500)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit code {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def configure(source, build, *options):
    launcher = cached("CMAKE_CXX_COMPILER_LAUNCHER")
    if launcher:
        options += (f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}",)
    return run("cmake", "-S", source, "-B", build, "-G", "Ninja", *options)


def install(kind):
    """The prefix of an installed library of this kind."""
    prefix = os.path.join(WORK, "prefix-" + kind)
    shutil.rmtree(prefix, ignore_errors=True)
    build = BUILD
    if kind == "shared" and cached("BUILD_SHARED_LIBS") != "ON":
        build = os.path.join(WORK, "build-shared")
        configure(SOURCE, build, "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=ON",
                  "-DQWEN_OBJECTS=" + os.path.join(BUILD, "libqwen", "objects.txt"),
                  *[f"-DQWEN_BUILD_{part}=OFF" for part in ("TESTS", "BENCH", "TOOLS")])
        run("cmake", "--build", build)
    run("cmake", "--install", build, "--prefix", prefix, "--component", "development")
    run("cmake", "--install", build, "--prefix", prefix, "--component", "runtime")
    return prefix


def setUpModule():
    if cached("QWEN_SANITIZE"):
        raise unittest.SkipTest("a sanitised library asks its users for the sanitiser")
    if not shutil.which("clang++") and not os.environ.get("QWEN_NO_SKIP"):
        raise unittest.SkipTest("no clang++ here")
    global STATIC, SHARED
    STATIC, SHARED = install("static"), install("shared")


def library_folder(prefix):
    found = [folder for folder, _, files in os.walk(prefix) if any(name.startswith("libqwen.") for name in files)]
    assert len(found) == 1, found
    return found[0]


class Consumers(unittest.TestCase):
    """The programs of examples/, by find_package."""

    def build(self, compiler, prefix, targets):
        name = f"{compiler}-{os.path.basename(prefix)}"
        build = os.path.join(WORK, name)
        shutil.rmtree(build, ignore_errors=True)
        configure(EXAMPLES, build, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_COMPILER={compiler}",
                  "-DCMAKE_C_COMPILER=" + {"g++": "gcc", "clang++": "clang"}[compiler], "-DCMAKE_BUILD_TYPE=Debug",
                  f"-DCMAKE_CXX_FLAGS={STRICT}", f"-DCMAKE_C_FLAGS={STRICT} -pedantic")
        run("cmake", "--build", build, "--target", *targets)
        return lambda program, *arguments: run(os.path.join(build, program), *arguments)

    def check_chat(self, start):
        self.assertGreater(len(start("minimal")), 1)  # a sampled reply

    def check_classification(self, start):
        lines = start("sentiment", "太棒了！", "再也不来了。").splitlines()
        self.assertRegex(lines[0], r"^😄 正面 (0\.\d\d|1\.00)  太棒了！$")
        self.assertRegex(lines[1], r"^😢 负面 (0\.\d\d|1\.00)  再也不来了。$")
        self.assertEqual(len(lines), 2)

    def check_all(self, compiler, prefix):
        start = self.build(compiler, prefix, ["all"])
        self.check_chat(start)
        self.check_classification(start)
        replies = start("many_sessions").splitlines()
        self.assertEqual([reply.split(" -> ")[0] for reply in replies], ["你好", "谢谢你", "你是谁？", "再见"])
        self.assertIn("libqwen", replies[2])
        self.assertEqual(start("engine").splitlines(), [reply.split(" -> ")[1] for reply in replies])
        tasks = start("custom_task")
        self.assertIn("五星好评！ -> recommended\n", tasks)
        self.assertIn("菜都凉了 -> not recommended\n", tasks)
        self.assertIn("3 labels, margin 0.", tasks)
        c_lines = start("c_api").splitlines()
        self.assertRegex(c_lines[0], r"^libqwen \d+\.\d+\.\d+: 正面 0\.9\d$")
        self.assertGreater(len(c_lines[1]), 3)
        self.assertRegex(c_lines[2], r"^\d+ tokens, the first one after \d+\.\d ms$")

    def test_gcc_static(self):
        self.check_all("g++", STATIC)

    def test_clang_shared(self):
        self.check_all("clang++", SHARED)

    def test_gcc_shared_and_clang_static(self):
        for compiler, prefix in (("g++", SHARED), ("clang++", STATIC)):
            with self.subTest(compiler=compiler, prefix=prefix):
                start = self.build(compiler, prefix, ["minimal", "sentiment"])
                self.check_chat(start)
                self.check_classification(start)

    def test_wrong_version(self):
        folder = os.path.join(WORK, "wrong-version")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "CMakeLists.txt"), "w", encoding="utf-8") as file:
            file.write("cmake_minimum_required(VERSION 3.22)\nproject(x CXX)\nfind_package(qwen 99 CONFIG REQUIRED)\n")
        with self.assertRaisesRegex(AssertionError, "99"):
            configure(folder, os.path.join(folder, "build"), f"-DCMAKE_PREFIX_PATH={STATIC}")


class PkgConfig(unittest.TestCase):
    def flags(self, prefix, *options):
        path = os.path.join(library_folder(prefix), "pkgconfig")
        return run("pkg-config", *options, "qwen", env={"PKG_CONFIG_PATH": path}).split()

    def link(self, compiler, source, prefix, *options):
        program = os.path.join(WORK, f"pc-{os.path.basename(source)}-{os.path.basename(prefix)}")
        standard = "-std=c99" if compiler == "gcc" else "-std=c++20"
        run(compiler, standard, os.path.join(EXAMPLES, source), "-o", program,
            *self.flags(prefix, "--cflags", "--libs", *options))
        return run(program, env={"LD_LIBRARY_PATH": library_folder(prefix)})

    def test_static(self):
        self.assertTrue(self.link("g++", "minimal.cpp", STATIC, "--static"))
        self.assertIn("正面", self.link("gcc", "c_api.c", STATIC, "--static"))

    def test_shared(self):
        self.assertIn("正面", self.link("gcc", "c_api.c", SHARED))
        self.assertNotIn("-lpcre2-8", self.flags(SHARED, "--libs"))

    def test_version(self):
        with open(os.path.join(STATIC, "include", "qwen", "version.h"), encoding="utf-8") as file:
            header = re.search(r'QWEN_VERSION "(.*)"', file.read()).group(1)
        self.assertEqual(self.flags(STATIC, "--modversion"), [header])
        self.assertIn(f"libqwen {header} ", run(os.path.join(BUILD, "tools", "qwen-run"), "--version"))


class SharedLibrary(unittest.TestCase):
    def symbols(self, path, *options):
        return {line.split()[-1] for line in run("nm", *options, path).splitlines() if line.strip()}

    def shared_object(self):
        return os.path.join(library_folder(SHARED), "libqwen.so")

    def test_soname(self):
        version = run("pkg-config", "--modversion", "qwen",
                      env={"PKG_CONFIG_PATH": os.path.join(library_folder(SHARED), "pkgconfig")}).strip()
        major, minor, _ = version.split(".")
        wanted = f"libqwen.so.{major}.{minor}" if major == "0" else f"libqwen.so.{major}"
        self.assertIn(f"Library soname: [{wanted}]", run("readelf", "-d", self.shared_object()))
        self.assertTrue(os.path.exists(os.path.join(library_folder(SHARED), f"libqwen.so.{version}")))

    def test_nothing_but_the_interface_is_exported(self):
        with open(os.path.join(SOURCE, "include", "qwen", "qwen_c.h"), encoding="utf-8") as file:
            c_functions = set(re.findall(r"^QWEN_API [^;(]*?(qwen_\w+)\(", file.read(), re.M))
        self.assertGreater(len(c_functions), 40)
        names = self.symbols(self.shared_object(), "-D", "--defined-only")
        self.assertEqual({name for name in names if not name.startswith("_Z")}, c_functions)
        plain = run("c++filt", *sorted(name for name in names if name.startswith("_Z"))).splitlines()
        self.assertGreater(len(plain), 100)
        inner = "base|formats|quant|kernels|model|tokenizer|templates|constraints|runtime|tasks|builtin|capi"
        for name in plain:
            with self.subTest(name=name):
                self.assertRegex(name, r"^((typeinfo|typeinfo name|vtable) for )?qwen::")
                self.assertNotRegex(name, rf"^((typeinfo|typeinfo name|vtable) for )?qwen::({inner})::")

    def test_the_programs_find_all_they_need(self):
        # Their object files use the library through the public headers: whatever they ask for must be exported.
        wanted = set()
        for folder, _, files in os.walk(os.path.join(BUILD, "tools", "CMakeFiles")):
            for name in files:
                path = os.path.join(folder, name)[:-2]
                sources = [os.path.join(SOURCE, "tools", path.split(".dir/")[-1]), path]  # the second: many sources as one
                if name.endswith(".o") and any(map(os.path.exists, sources)):  # not of a source that was deleted since
                    wanted |= {symbol for symbol in self.symbols(os.path.join(folder, name), "--undefined-only")
                               if re.match(r"_ZNK?4qwen", symbol)}
        self.assertGreater(len(wanted), 50)
        self.assertEqual(wanted - self.symbols(self.shared_object(), "-D", "--defined-only"), set())

    def test_python(self):
        lines = run(sys.executable, os.path.join(EXAMPLES, "ctypes_api.py"), self.shared_object()).splitlines()
        self.assertRegex(lines[0], r"^tokens( \d+)+$")
        self.assertRegex(lines[1], r"^正面 0\.9\d$")
        self.assertRegex(lines[2], "^你好！很高兴")
        missing = subprocess.run([sys.executable, os.path.join(EXAMPLES, "ctypes_api.py"), self.shared_object(), "/no/model"],
                                 capture_output=True, text=True, timeout=60)
        self.assertNotEqual(missing.returncode, 0)
        self.assertIn("/no/model", missing.stderr)


class Files(unittest.TestCase):
    def test_headers_and_licences(self):
        for prefix in (STATIC, SHARED):
            installed = set(os.listdir(os.path.join(prefix, "include", "qwen")))
            self.assertEqual(installed, set(os.listdir(os.path.join(SOURCE, "include", "qwen"))))
            documents = os.path.join(prefix, "share", "doc", "libqwen")
            self.assertEqual(sorted(os.listdir(documents)), ["CHANGELOG.md", "LICENSE", "THIRD_PARTY.md"])

    def test_headers_alone(self):
        # Each header includes what it uses, in both compilers.
        for name in sorted(os.listdir(os.path.join(STATIC, "include", "qwen"))):
            text = os.path.join(WORK, "one_header.cpp")
            with open(text, "w", encoding="utf-8") as file:
                file.write(f"#include <qwen/{name}>\n#include <qwen/{name}>\n")
            run("clang++", "-std=c++20", "-fsyntax-only", *STRICT.split(), "-I", os.path.join(STATIC, "include"), text)

    def test_nothing_names_the_build(self):
        for prefix in (STATIC, SHARED):
            for folder, _, files in os.walk(os.path.join(prefix, "lib")):
                for name in files:
                    if name.endswith((".cmake", ".pc")):
                        with open(os.path.join(folder, name), encoding="utf-8") as file:
                            text = file.read()
                        self.assertNotIn(SOURCE, text, name)
                        self.assertNotIn(BUILD, text, name)


if __name__ == "__main__":
    unittest.main()
