#!/usr/bin/env python3
"""The layer rule of docs/architecture.md, read off the #include lines.

`test_layers.py ROOT` checks another tree and prints what it finds."""
import os
import re
import sys
import tempfile
import unittest

# A folder includes itself and folders before it; FORBIDDEN holds what that order alone would allow.
LAYERS = ["base", "formats", "quant", "kernels", "model", "tokenizer", "templates", "constraints", "runtime", "tasks", "builtin",
          "capi"]
# Of libqwen's other folders these see only <qwen/...> and the named ones.
PUBLIC_ONLY = {"tasks": {"base"}, "capi": set()}
FORBIDDEN = {("quant", "formats"), ("kernels", "formats")} | {
    (layer, other) for layer in ("tokenizer", "templates", "constraints") for other in ("quant", "kernels", "model")}

# Where other people's headers may be included: everything behind them could be replaced in one folder.
FOREIGN = {"xsimd": {"kernels"}, "Eigen": {"kernels", "model", "tasks"}, "pcre2.h": {"tokenizer"}, "utf8proc.h": {"tokenizer", "templates"},
           "sentencepiece_processor.h": {"tokenizer"}, "yaml-cpp": {"tasks"}, "immintrin.h": {"kernels", "quant"}}

# What a public header may take from outside: the standard library.
STANDARD = set("""algorithm array atomic bit charconv chrono cmath compare concepts condition_variable cstddef cstdint
    cstring ctime deque exception filesystem functional initializer_list iosfwd iterator limits list map memory mutex new
    numeric optional random ranges set shared_mutex span stdexcept stop_token string string_view thread tuple
    type_traits typeinfo unordered_map unordered_set utility variant vector stddef.h stdint.h stdbool.h""".split())

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
SOURCES = (".h", ".cpp", ".inl", ".S")


def includes(path):
    """(line number, '<' or '"', name) of each #include line."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start(2)) + 1, match.group(1), match.group(2)


def sources(folder):
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            if name.endswith(SOURCES):
                yield os.path.join(parent, name)


def check_library(layer, quote, name):
    """Why a file of libqwen/LAYER may not include this; None where it may."""
    first = name.split("/")[0]
    if first == "qwen":
        return None
    if quote == "<":
        return f"only {', '.join(sorted(FOREIGN[first]))} may use {first}" if layer not in FOREIGN.get(first, {layer}) \
            else None
    if "/" not in name:
        return "a header of the library is named with its folder"
    if first not in LAYERS:
        return "no folder of the library"
    if first == layer:
        return None
    if layer in PUBLIC_ONLY and first not in PUBLIC_ONLY[layer]:
        return f"{layer} sees only <qwen/...>" + "".join(f" and {name}" for name in sorted(PUBLIC_ONLY[layer]))
    if LAYERS.index(first) > LAYERS.index(layer):
        return f"{first} comes after {layer}"
    return f"{layer} does not know {first}" if (layer, first) in FORBIDDEN else None


def check_public(quote, name):
    if name.startswith("qwen/"):
        return None
    return None if quote == "<" and name in STANDARD else "a public header includes only the standard library and qwen/"


def check_tool(name):
    first = name.split("/")[0]
    return "tools see only <qwen/...> of the library" if first in LAYERS or first == "libqwen" or ".." in name else None


def violations(root):
    found = []

    def check(path, rule):
        for line, quote, name in includes(path):
            reason = rule(quote, name)
            if reason:
                found.append(f"{os.path.relpath(path, root)}:{line}: {name}: {reason}")

    library = os.path.join(root, "libqwen")
    for layer in sorted(os.listdir(library)):
        if not os.path.isdir(os.path.join(library, layer)):
            continue
        if layer not in LAYERS:
            found.append(f"libqwen/{layer}: a folder that is no layer")
            continue
        for path in sources(os.path.join(library, layer)):
            check(path, lambda quote, name: check_library(layer, quote, name))
    for path in sources(os.path.join(root, "include")):
        check(path, check_public)
    for program in sorted(os.listdir(os.path.join(root, "tools"))):
        for path in sources(os.path.join(root, "tools", program)):
            check(path, lambda _, name: check_tool(name))
    return found


class Layers(unittest.TestCase):
    def test_this_tree(self):
        root = os.environ.get("QWEN_SOURCE_DIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
        self.assertGreater(len(list(sources(os.path.join(root, "libqwen")))), 50)
        self.assertEqual(violations(root), [])

    def findings(self, path, line):
        with tempfile.TemporaryDirectory() as root:
            for folder in ("libqwen", "include", "tools"):
                os.makedirs(os.path.join(root, folder))
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write("// a comment\n" + line + "\n")
            return violations(root)

    def test_what_is_refused(self):
        for path, line in [
                ("libqwen/base/x.h", '#include "formats/model_file.h"'),
                ("libqwen/formats/x.cpp", '#include "quant/quant.h"'),
                ("libqwen/quant/x.cpp", '#include "formats/model_file.h"'),
                ("libqwen/kernels/x.inl", '  #  include "model/weights.h"'),
                ("libqwen/tokenizer/x.cpp", '#include "kernels/kernels.h"'),
                ("libqwen/tokenizer/x.cpp", '#include "model/config.h"'),
                ("libqwen/runtime/x.cpp", '#include "tasks/prompt.h"'),
                ("libqwen/runtime/x.cpp", '#include "model.h"'),
                ("libqwen/runtime/x.cpp", '#include <xsimd/xsimd.hpp>'),
                ("libqwen/tasks/x.cpp", '#include "model/config.h"'),
                ("libqwen/capi/x.cpp", '#include "base/fail.h"'),
                ("libqwen/tasks/deep/x.h", '#include "runtime/state.h"'),
                ("libqwen/other/x.h", "#include <vector>"),
                ("libqwen/capi/x.cpp", '#include "runtime/state.h"'),
                ("include/qwen/x.h", "#include <Eigen/Dense>"),
                ("include/qwen/x.h", '#include "base/fail.h"'),
                ("include/qwen/x.h", "#include <unistd.h>"),
                ("tools/qwen-run/x.cpp", '#include "runtime/state.h"'),
                ("tools/common/x.h", '#include "../libqwen/base/fail.h"')]:
            with self.subTest(path=path, line=line):
                found = self.findings(path, line)
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith(path + ":2: ") or "no layer" in found[0], found[0])

    def test_what_is_allowed(self):
        for path, line in [
                ("libqwen/base/x.h", '#include "qwen/error.h"'),
                ("libqwen/model/x.cpp", '#include "kernels/kernels.h"'),
                ("libqwen/tokenizer/x.cpp", '#include "formats/model_file.h"'),
                ("libqwen/tasks/x.cpp", '#include "base/fail.h"'),
                ("libqwen/runtime/x.cpp", "#include <sys/mman.h>"),
                ("libqwen/tasks/x.cpp", '#include "tasks/prompt.h"'),
                ("libqwen/builtin/x.cpp", '#include "runtime/load.h"'),
                ("include/qwen/x.h", "#include <span>"),
                ("include/qwen/x.h", '#include "qwen/model.h"'),
                ("tools/qwen-run/x.cpp", '#include "common/output.h"')]:
            with self.subTest(path=path, line=line):
                self.assertEqual(self.findings(path, line), [])


if __name__ == "__main__":
    if len(sys.argv) == 2 and os.path.isdir(sys.argv[1]):
        report = violations(sys.argv[1])
        print("\n".join(report))
        sys.exit(1 if report else 0)
    unittest.main()
