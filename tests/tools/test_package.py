#!/usr/bin/env python3
"""The Debian package of the programs, and libqwen as a part of somebody else's build."""
import json
import os
import re
import shutil
import subprocess
import unittest

SOURCE = os.environ["QWEN_SOURCE_DIR"]
BUILD = os.environ["QWEN_BIN_DIR"]
WORK = os.path.join(BUILD, "package-test")


def cached(name):
    with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as file:
        match = re.search(rf"^{name}:\w+=(.*)$", file.read(), re.M)
    return match.group(1) if match else ""


def run(*command, cwd=None):
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=1500)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit code {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def fresh(name):
    folder = os.path.join(WORK, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


@unittest.skipIf(cached("QWEN_SANITIZE"), "a package is made of a release build")
@unittest.skipUnless(shutil.which("dpkg-shlibdeps") or os.environ.get("QWEN_NO_SKIP"), "no Debian tools here")
class DebianPackage(unittest.TestCase):
    def test_package(self):
        folder = fresh("deb")
        run("cpack", "--config", os.path.join(BUILD, "CPackConfig.cmake"), "-G", "DEB", "-B", folder)
        packages = [name for name in os.listdir(folder) if name.endswith(".deb")]
        self.assertEqual(len(packages), 1, packages)
        package = os.path.join(folder, packages[0])
        architecture = run("dpkg", "--print-architecture").strip()
        self.assertRegex(packages[0], rf"^qwen-tools_\d+\.\d+\.\d+_{architecture}\.deb$")

        names = [line.split()[-1] for line in run("dpkg-deb", "-c", package).splitlines()]
        files = {name for name in names if not name.endswith("/")}
        programs = {name for name in os.listdir(os.path.join(SOURCE, "tools"))
                    if os.path.exists(os.path.join(SOURCE, "tools", name, "main.cpp"))} | {"qwen-bench"}
        self.assertLessEqual({f"./usr/bin/{name}" for name in programs}, files)
        self.assertIn("./usr/share/doc/qwen-tools/copyright", files)
        for name in files:
            self.assertRegex(name, r"^\./usr/(bin/qwen-|share/|lib/.*/?libqwen\.so)", "no headers, nothing outside of /usr")

        fields = dict(line.split(": ", 1) for line in run("dpkg-deb", "-f", package).splitlines() if ": " in line)
        self.assertEqual(fields["Package"], "qwen-tools")
        for library in ("libc6", "libpcre2-8-0", "libsentencepiece0", "libutf8proc2", "libyaml-cpp0.7", "libedit2"):
            self.assertIn(library, fields["Depends"])

        root = fresh("root")
        run("dpkg-deb", "-x", package, root)
        for program in sorted(programs):
            out = run(os.path.join(root, "usr", "bin", program), "--version")
            self.assertRegex(out, rf"^{program},? libqwen \d")
        self.assertIn("正面", run(os.path.join(root, "usr", "bin", "qwen-run"), "sentiment", "太棒了！"))


PARENT = """
cmake_minimum_required(VERSION 3.22)
project(parent LANGUAGES CXX)
include(CTest)
set(watched CMAKE_BUILD_TYPE CMAKE_CXX_FLAGS CMAKE_CXX_STANDARD CMAKE_CXX_EXTENSIONS CMAKE_MODULE_PATH CMAKE_INSTALL_RPATH
    CMAKE_POSITION_INDEPENDENT_CODE CMAKE_CXX_VISIBILITY_PRESET BUILD_SHARED_LIBS BUILD_TESTING PROJECT_NAME
    CMAKE_CXX_COMPILER_LAUNCHER CMAKE_POLICY_DEFAULT_CMP0077 CPACK_PACKAGE_NAME CPACK_GENERATOR)
foreach(name IN LISTS watched)
  set(before_${name} "${${name}}")
endforeach()
get_cmake_property(cache_before CACHE_VARIABLES)
include(FetchContent)
FetchContent_Declare(libqwen SOURCE_DIR "SOURCE_TREE")
FetchContent_MakeAvailable(libqwen)
foreach(name IN LISTS watched)
  if(NOT "${${name}}" STREQUAL "${before_${name}}")
    message(FATAL_ERROR "${name} was '${before_${name}}' and is now '${${name}}'")
  endif()
endforeach()
foreach(property COMPILE_OPTIONS COMPILE_DEFINITIONS INCLUDE_DIRECTORIES LINK_OPTIONS LINK_DIRECTORIES)
  get_directory_property(value ${property})
  if(value)
    message(FATAL_ERROR "${property} of the parent's folder: ${value}")
  endif()
endforeach()
get_cmake_property(cache_after CACHE_VARIABLES)
list(REMOVE_ITEM cache_after ${cache_before})
file(WRITE ${CMAKE_BINARY_DIR}/new-cache.txt "${cache_after}")
add_executable(program parent_program.cpp)
target_link_libraries(program PRIVATE qwen::qwen)
install(TARGETS program DESTINATION bin)
"""


@unittest.skipIf(cached("QWEN_SANITIZE"), "the sanitized objects would need the sanitizer in the other project")
class Subdirectory(unittest.TestCase):
    """libqwen by FetchContent inside another project."""

    def configure(self, folder, *options):
        launcher = cached("CMAKE_CXX_COMPILER_LAUNCHER")
        build = os.path.join(folder, "build")
        run("cmake", "-S", folder, "-B", build, "-G", "Ninja", f"-DCMAKE_CXX_COMPILER={cached('CMAKE_CXX_COMPILER')}",
            "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *([f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}"] if launcher else []), *options)
        with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
            return build, {os.path.basename(entry["file"]): entry["command"] for entry in json.load(file)}

    def parent(self, name):
        folder = fresh(name)
        with open(os.path.join(folder, "CMakeLists.txt"), "w", encoding="utf-8") as file:
            file.write(PARENT.replace("SOURCE_TREE", SOURCE))
        shutil.copy(os.path.join(SOURCE, "examples", "minimal.cpp"), os.path.join(folder, "parent_program.cpp"))
        return folder

    def test_nothing_leaks(self):
        folder = self.parent("parent")
        build, commands = self.configure(folder, f"-DCMAKE_BUILD_TYPE={cached('CMAKE_BUILD_TYPE')}",
                                         "-DQWEN_OBJECTS=" + os.path.join(BUILD, "libqwen", "objects.txt"))
        with open(os.path.join(build, "new-cache.txt"), encoding="utf-8") as file:
            new = file.read().split(";")
        known = r"(QWEN_|FETCHCONTENT_|CMAKE_|libqwen_|pkgcfg_lib_QWEN_|PKG_CONFIG|Eigen3_|xsimd_|xtl_|nlohmann_json_|yaml-cpp_"
        known += r"|YAML_CPP_|__pkg_config_|FIND_PACKAGE_|_GNUInstallDirs_|prefix_result$)"  # the last by FindPkgConfig
        self.assertEqual([name for name in new if not re.match(known, name)], [])

        mine = commands["parent_program.cpp"]
        for flag in ("-W", "-ffp-contract", "-fvisibility", "-fPIC", "-D", "/libqwen ", "eigen3"):
            self.assertNotIn(flag, mine.replace("-DNDEBUG", ""))
        self.assertIn(os.path.join(SOURCE, "include"), mine)
        # The library alone: no programs, tests or benchmarks.
        for name in ("main.cpp", "catch.hpp", "test_tokenizer.cpp"):
            self.assertNotIn(name, commands)
        self.assertIn("forward.cpp", commands)
        self.assertIn("Total Tests: 0", run("ctest", "--test-dir", build, "-N"))

        run("cmake", "--build", build, "--target", "program")
        self.assertIn("你好", run(os.path.join(build, "program")))
        run("cmake", "--install", build, "--prefix", os.path.join(folder, "prefix"))
        installed = [name for _, _, names in os.walk(os.path.join(folder, "prefix")) for name in names]
        self.assertEqual(installed, ["program"])

    def test_optimized_without_a_build_type(self):
        _, commands = self.configure(self.parent("no-build-type"), "-DCMAKE_BUILD_TYPE=")
        self.assertNotRegex(commands["parent_program.cpp"], r" -O\d")
        library = {name: command for name, command in commands.items() if "qwen-objects.dir" in command}
        self.assertGreater(len(library), 80)
        for name, command in library.items():
            self.assertRegex(command, r" -O[23]", name)


if __name__ == "__main__":
    unittest.main()
