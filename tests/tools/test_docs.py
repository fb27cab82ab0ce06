#!/usr/bin/env python3
"""Runs the commands of the documentation, so that it cannot rot.

In README.md, README.zh-CN.md and docs/*.md
- a `sh` block is commands, a `console` block is `$ commands` with what they print ("..." stands for anything, and any
  number for any other);
- all commands of a file run in order in one scratch folder that looks like the root of the repository after a build, with the
  programs on the PATH and the bundled model under the names of other models;
- a `yaml` block that begins with `# path/name.yaml` is written to that file first, a whole `cpp` or `c` program must compile;
- commands that cannot run here are in NOT_RUN, each with its reason. Their options are looked up all the same.
Every option in the text is one that a program has, and every link leads somewhere."""
import glob
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

SOURCE = os.environ["QWEN_SOURCE_DIR"]
BUILD = os.environ["QWEN_BIN_DIR"]
TOOLS = os.path.join(BUILD, "tools")
BENCH = os.path.join(BUILD, "bench")

# (pattern of the command, why it is not run)
NOT_RUN = [
    (r"^scripts/(quickstart|test|build|install_packages)\.sh", "installs packages and builds everything: tests run inside it"),
    (r"^scripts/download_model\.sh", "downloads; tools.download runs it against a local server"),
    (r"^scripts/train_mini/train\.sh", "takes hours and data that is not in the repository"),
    (r"^scripts/(sanitize|fuzz|coverage|lint|aarch64|nightly)\w*\.sh", "builds everything, for minutes or hours"),
    (r"^scripts/run_benchmarks\.sh", "measures for an hour"),
    (r"^(cmake|ctest|cpack) ", "builds: CI does it, tools.install and tools.package install and pack"),
    (r"^clang-format ", "changes files"),
    (r"^doxygen ", "tools.doxygen runs it"),
    (r"^build/fuzz/", "needs a build by clang; fuzz.NAME replays the corpora"),
    (r"build/release/tests/", "the unit tests themselves"),
    (r"^qwen-quantize qwen2.5-0.5b-bf16.gguf", "shows the report of a real checkpoint; tools.quantize tests reports"),
    (r"qwen-bench (run|tasks|memory)", "measures: minutes; tools.bench runs every command on small shapes"),
    (r"qwen-microbench", "measures: minutes"),
    (r"^qwen-serve", "does not end; tools.serve runs it"),
    (r"^curl ", "needs a running server; tools.serve asks the same"),
    (r"^g\+\+ .*pkg-config", "needs an installed library; tools.install runs the same"),
    (r"^(git clone|docker|systemctl|sudo|apt-get|npm|node|python3 -m venv|pip) ", "changes the machine"),
]

# What these print after the first line is drawn at random.
DRAWN = r"qwen-run analyze"

# Options in the text that belong to other people's programs.
OTHERS_OPTIONS = """--preset --build --test-dir --output-on-failure --install --prefix --static --cflags --libs --exclude-libs
    --benchmark_filter --fix --html --cpus --memory --drain --target --version""".split()

COMMAND = re.compile(r"^(\$ )?(qwen-\w+|scripts/|build/|cmake|ctest|curl|g\+\+|docker)\b")


def documents():
    names = ["README.md", "README.zh-CN.md", "CONTRIBUTING.md"]
    names += [os.path.relpath(path, SOURCE) for path in sorted(glob.glob(os.path.join(SOURCE, "docs", "*.md")))]
    if not os.path.exists(os.path.join(TOOLS, "qwen-serve")):
        names.remove(os.path.join("docs", "server.md"))
    return [name for name in names if os.path.exists(os.path.join(SOURCE, name))]


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8") as file:
        return file.read()


def blocks(name):
    """(language, first line's number, text) of each fenced block."""
    found, language, start, lines = [], None, 0, []
    for number, line in enumerate(read(name).split("\n"), 1):
        fence = re.match(r"^```(\w*)\s*$", line)
        if fence and language is None:
            language, start, lines = fence.group(1) or "text", number + 1, []
        elif line.startswith("```") and language is not None:
            text = "\n".join(lines)
            if language == "text" and COMMAND.match(text):  # whoever forgot the language
                language = "console" if text.startswith("$ ") else "sh"
            found.append((language, start, text))
            language = None
        elif language is not None:
            lines.append(line)
    return found


def commands(language, text):
    """(command, what it prints or None) of a block."""
    text = text.replace("\\\n", " ")
    if language == "sh":
        found, open_quote = [], ""
        for line in text.split("\n"):
            line = open_quote + line
            if line.strip() and not line.lstrip().startswith("#"):
                try:
                    shlex.split(line, comments=True)
                except ValueError:  # a quotation that goes on in the next line
                    open_quote = line + "\n"
                    continue
                found.append((line, None))
            open_quote = ""
        return found
    found = []
    for line in text.split("\n"):
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
    return [(command, "\n".join(lines).strip()) for command, lines in found]


def reason_not_to_run(command):
    return next((reason for pattern, reason in NOT_RUN if re.search(pattern, command)), None)


def output_pattern(text):
    """What a program printed, as documented: "..." is anything, a number any number."""
    pattern = re.escape(text).replace(r"\.\.\.", "(.|\n)*")
    return re.sub(r"\d+(\\\.\d+)?", lambda match: r"\d+(\.\d+)?", pattern)


def help_texts():
    """Program or script -> all that its --help and those of its commands say."""
    texts = {}
    for folder in (TOOLS, BENCH):
        for program in sorted(os.listdir(folder)):
            path = os.path.join(folder, program)
            if not program.startswith("qwen-") or program in ("qwen-microbench",) or not os.access(path, os.X_OK) or \
                    os.path.isdir(path):
                continue
            help_of = lambda *words, path=path: subprocess.run([path, *words, "--help"], capture_output=True, text=True,
                                                               timeout=60).stdout
            text = help_of()
            for command in re.findall(r"^  ([a-z]+)(?:  | [A-Z\[-])", text, re.M):
                text += help_of(command)
            texts[program] = text
    for script in glob.glob(os.path.join(SOURCE, "scripts", "**", "*.*"), recursive=True):
        if script.endswith((".sh", ".py")):
            with open(script, encoding="utf-8") as file:
                texts[os.path.basename(script)] = file.read()
    return texts


def mentions(text, option):
    return re.search(rf"(?<![\w-]){option}(?![\w-])", text) is not None


def option_words(command):
    """(program, its options) of each part of a pipeline."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:
        return
    program, options = None, []
    for word in words + ["|"]:
        if word in ("|", "&&", ";", "<", ">"):
            if program:
                yield program, options
            program, options = None, []
        elif program is None:
            if not re.match(r"^[A-Z_]+=", word):
                program = os.path.basename(word)
        elif word.startswith("--") and len(word) > 2:
            options.append(word.split("=")[0])


class Scratch:
    """A folder that looks like the repository's root after a build."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="qwen-docs-")
        for name in os.listdir(SOURCE):
            if not name.startswith((".", "build")) and name not in ("models", "node_modules"):
                os.symlink(os.path.join(SOURCE, name), os.path.join(self.path, name))
        os.makedirs(os.path.join(self.path, "build"))
        os.makedirs(os.path.join(self.path, "models"))
        for name, target in (("release", BUILD), ("tools", TOOLS), ("bench", BENCH)):
            os.symlink(target, os.path.join(self.path, "build", name))
        model = os.path.join(SOURCE, "libqwen", "builtin", "mini-q8_0.gguf")
        for name in ("model.gguf", "qwen2.5-0.5b-instruct-q8_0.gguf", "qwen2.5-0.5b-bf16.gguf",
                     "models/qwen2.5-0.5b-instruct-q8_0.gguf"):
            os.symlink(model, os.path.join(self.path, name))
        for name in ("reviews.tsv", "others.tsv"):
            self.write(name, "label\ttext\n" + read(os.path.join("tests", "data", "mini_reviews.tsv")))
        self.write("reviews.jsonl", '{"text": "太棒了！"}\n{"text": "再也不来了。"}\n')
        self.write("reviews.csv", "编号,评论,label\n1,太棒了！,1\n2,\"又贵,又难吃\",0\n")
        self.write("messages.jsonl", '{"message": "我的快递三天了还没到"}\n')
        self.write("lines.txt", "太棒了！\n再也不来了。\n")
        self.write("labelled.tsv", "label\ttext\nurgent\tThe server room is on fire\nnormal\tSee you on Monday\n")
        self.write("text.txt", "今天天气不错。\n" * 20)

    def write(self, name, text):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def run(self, command):
        env = {key: value for key, value in os.environ.items() if not key.startswith(("QWEN_", "LIBQWEN_"))}
        env.update(PATH=f"{TOOLS}:{BENCH}:{os.environ['PATH']}", LC_ALL="C.UTF-8", HOME=self.path)
        return subprocess.run(["bash", "-c", command], cwd=self.path, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=120)

    def close(self):
        shutil.rmtree(self.path)


class Commands(unittest.TestCase):
    def test_run(self):
        ran = 0
        for name in documents():
            scratch = Scratch()
            self.addCleanup(scratch.close)
            for language, line, text in blocks(name):
                file_name = re.match(r"^# (\S+\.yaml)\n", text) if language == "yaml" else None
                if file_name:
                    scratch.write(file_name.group(1), text)
                if language not in ("sh", "console"):
                    continue
                for command, printed in commands(language, text):
                    if reason_not_to_run(command):
                        continue
                    with self.subTest(document=name, line=line, command=command):
                        result = scratch.run(command)
                        ran += 1
                        shown = result.stdout + result.stderr
                        fails = printed is not None and "error:" in printed
                        self.assertEqual(result.returncode != 0, fails, shown)
                        if printed and re.search(DRAWN, command):
                            printed, shown = printed.split("\n")[0], shown.split("\n")[0]
                        if printed:
                            self.assertRegex(shown.strip(), f"^{output_pattern(printed)}$")
        self.assertGreater(ran, 10)

    def test_options_of_all_commands(self):
        texts = help_texts()
        self.assertIn("qwen-run", texts)
        for name in documents():
            for language, line, text in blocks(name):
                if language in ("sh", "console"):
                    for command, _ in commands(language, text):
                        for program, options in option_words(command):
                            for option in options if program in texts else []:
                                with self.subTest(document=name, line=line, command=command, option=option):
                                    self.assertTrue(mentions(texts[program], option), f"{program} has no {option}")

    def test_options_in_the_text(self):
        known = " ".join(help_texts().values())
        for name in documents():
            text = re.sub(r"```.*?```", "", read(name), flags=re.S)
            for code in re.findall(r"`([^`\n]+)`", text):
                for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", code):
                    if option not in OTHERS_OPTIONS:
                        with self.subTest(document=name, code=code):
                            self.assertTrue(mentions(known, option), f"no program has {option}")

    def test_reasons_are_needed(self):
        all_commands = [command for name in documents() for language, _, text in blocks(name)
                        if language in ("sh", "console") for command, _ in commands(language, text)]
        self.assertGreater(len(all_commands), 40)
        self.assertLess(sum(reason_not_to_run(command) is not None for command in all_commands), len(all_commands))


class Text(unittest.TestCase):
    def test_programs_compile(self):
        include = os.path.join(SOURCE, "include")
        for name in documents():
            for language, line, text in blocks(name):
                if language in ("cpp", "c") and "#include" in text:
                    if "int main" not in text:  # a part of a program: the includes, then the body of a function
                        includes = re.findall(r"^#include.*$", text, re.M)
                        body = re.sub(r"^#include.*$", "", text, flags=re.M)
                        text = "\n".join(includes) + "\nvoid part() {\n" + body + "\n}\n"
                    compiler = ["g++", "-std=c++20", "-x", "c++"] if language == "cpp" else ["gcc", "-std=c99", "-x", "c"]
                    with self.subTest(document=name, line=line):
                        result = subprocess.run([*compiler, "-fsyntax-only", "-I", include, "-"], input=text, text=True,
                                                capture_output=True, timeout=120)
                        self.assertEqual(result.returncode, 0, result.stderr)

    def test_links(self):
        for name in documents() + ["CHANGELOG.md", "THIRD_PARTY.md"]:
            text = re.sub(r"```.*?```", "", read(name), flags=re.S)
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                if re.match(r"^(https?|mailto):", target):
                    continue
                with self.subTest(document=name, target=target):
                    path, _, anchor = target.partition("#")
                    file = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
                    self.assertTrue(os.path.exists(os.path.join(SOURCE, file)), file)
                    if anchor:
                        headings = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
                                    for heading in re.findall(r"^#+ (.*)$", read(file), re.M)]
                        self.assertIn(anchor, headings)

    def test_files_named_in_code_exist(self):
        for name in documents():
            for code in re.findall(r"`((?:docs|scripts|tests|examples|cmake|include|libqwen|tools|bench)/[\w./-]*\w)`", read(name)):
                if any(mark in code for mark in ("NAME", "FOLDER", "TYPE")):
                    continue
                with self.subTest(document=name, path=code):
                    self.assertTrue(os.path.exists(os.path.join(SOURCE, code)), code)

    def test_two_languages(self):
        # Both READMEs say the same: the same commands in the same order, the same links.
        commands_of = {name: [command.split("#")[0].strip() for language, _, text in blocks(name)
                              if language in ("sh", "console") for command, _ in commands(language, text)]
                       for name in ("README.md", "README.zh-CN.md")}
        self.assertEqual(commands_of["README.md"], commands_of["README.zh-CN.md"])
        links = {name: {target for target in re.findall(r"\]\(([^)\s]+)\)", read(name)) if not target.startswith("README")}
                 for name in ("README.md", "README.zh-CN.md")}
        self.assertEqual(links["README.md"], links["README.zh-CN.md"])


if __name__ == "__main__":
    unittest.main()
