#!/usr/bin/env python3
"""Which command runs: tasks by their names, labels without a task, typos, help."""
import json
import os
import re
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from qwen_run import ANSWER, TINY, environment, run, run_json

CLASSIFIER = 'name: greet\nkind: classify\nheading: Test\ntemplate: "{text}"\nlabels: ["你好", "再见"]\n'
WRITER = 'name: echo\nkind: generate\ntemplate: "{text}"\nmax_new_tokens: 3\nsampling: {temperature: 0}\n'


class Tasks(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.write("greet.yaml", CLASSIFIER)
        self.write("echo.yaml", WRITER)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def test_every_task_is_a_command(self):
        names = [line.split()[0] for line in run("tasks", model=None).stdout.splitlines()]
        self.assertIn("summary", names)
        for name in names:
            command = [name] if name not in ("chat",) else ["task", name]
            result = run(*command, "好")
            self.assertEqual((result.returncode, result.stderr), (0, ""), name)
            self.assertNotEqual(result.stdout, "")
        self.assertEqual(run("intent", "好").stdout, run("classify", "intent", "好").stdout)
        self.assertEqual(run("-t", "1", "intent", "好").stdout, run("classify", "intent", "好").stdout)
        self.assertEqual(run("--", "summary").stdout, ANSWER + "\n")

    def test_own_tasks(self):
        more = ["--tasks", self.folder.name]
        self.assertRegex(run("greet", *more, "嗨").stdout, "^Test: (你好|再见) ")
        self.assertRegex(run(*more, "greet", "嗨").stdout, "^Test: (你好|再见) ")
        self.assertRegex(run("greet", "嗨", env=environment(LIBQWEN_TASKS=self.folder.name)).stdout, "^Test: ")
        config = self.write("config", f"tasks: {self.folder.name}\n")
        self.assertRegex(run("--config", config, "greet", "嗨").stdout, "^Test: ")
        self.assertEqual(run("greet").stdout, ANSWER + "\n")  # without the folder it is a message

    def test_generating_tasks(self):
        more = ["--tasks", self.folder.name]
        text = run("echo", *more, "嗨").stdout
        self.assertTrue(ANSWER.startswith(text.rstrip("\n\ufffd")) and len(text) > 1, text)
        found = run_json("echo", *more, "--json", "嗨")
        self.assertEqual((found["answer"] + "\n", found["finish_reason"], found["answer_tokens"]), (text, "length", 3))
        # In batches the same bits, in the order of the rows.
        rows = [{"text": f"text {i}"} for i in range(40)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        batch = [json.loads(x) for x in run("echo", *more, "--jsonl", stdin=lines).stdout.splitlines()]
        self.assertEqual(len(batch), 40)
        for i in (0, 17, 39):
            self.assertEqual(batch[i]["answer"], run_json("echo", *more, "--json", rows[i]["text"])["answer"])
        table = run("echo", *more, "--format", "jsonl", stdin=lines + '{"text": ""}\n' + json.dumps({"text": "好" * 5000}) + "\n")
        self.assertEqual(table.returncode, 1)
        found = [json.loads(x) for x in table.stdout.splitlines()]
        self.assertEqual([row["answer"] for row in found[:40]], [row["answer"] for row in batch])
        self.assertEqual([row["answer"] for row in found[40:]], [None, None])
        for part in ("empty", "context|fit"):
            self.assertRegex(found[40 if part == "empty" else 41]["error"], part)

    def test_labels(self):
        result = run("--labels", "好评,差评,中性", "味道不错")
        self.assertRegex(result.stdout, r"^labels: (好评|差评|中性) \([01]\.\d\d\)\n$")
        for arguments in (["classify", "--labels", "好评,差评,中性", "味道不错"], ["classify", "味道不错", "--labels=好评,差评,中性"],
                          ["--labels", "好评", "--labels", "差评,中性", "味道不错"], ["task", "--labels", "好评,差评,中性", "-p", "味道不错"]):
            self.assertEqual(run(*arguments).stdout, result.stdout, arguments)
        table = run("--labels", "a,b", "--format", "lines", stdin="x\ny\n")
        self.assertEqual(len(table.stdout.splitlines()), 3)
        for arguments, part in ((["--labels", "a,a", "x"], "labels"), (["classify", "intent", "x", "--labels", "a,b"], "more than one text"),
                                (["classify"], "no TASK")):
            result = run(*arguments)
            self.assertNotEqual(result.returncode, 0)
            self.assertIn(part, result.stderr)

    def test_options_that_do_not_apply(self):
        for option in (["--mode", "generate"], ["--cache", "5"]):
            result = run("summary", *option, "x")
            self.assertEqual(result.returncode, 2)
            self.assertIn("of kind generate", result.stderr)


class Typos(unittest.TestCase):
    def refused(self, part, *arguments):
        result = run(*arguments, model=None if "help" in arguments else TINY)
        self.assertEqual((result.returncode, result.stdout), (2, ""), arguments)
        self.assertIn(part, result.stderr)

    def test_the_nearest_name(self):
        self.refused("did you mean sentiment?", "sentimnet", "好")
        self.refused("did you mean sentiment?", "sentimnet")
        self.refused("did you mean tokenize?", "tokenise", "x")
        self.refused("did you mean chat?", "caht", "x")
        self.refused("did you mean summary?", "sumary", "--jsonl")
        self.refused("did you mean evaluate?", "help", "evalute")
        self.refused("no command or task", "help", "zzzzzzzz")

    def test_messages_are_no_typos(self):
        for text in ("hello", "that", "infos", "不错", "tokenise it, please"):
            self.assertEqual(run(text).stdout, ANSWER + "\n", text)
        self.assertEqual(run("--", "sentimnet").stdout, ANSWER + "\n")
        self.assertEqual(run("-p", "sentimnet").stdout, ANSWER + "\n")


class Help(unittest.TestCase):
    def test_help_command(self):
        for words, same in ((["help"], ["--help"]), (["help", "sentiment"], ["sentiment", "--help"]),
                            (["help", "summary"], ["task", "--help"]), (["summary", "--help"], ["task", "--help"])):
            result = run(*words, model=None)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertEqual(result.stdout, run(*same, model=None).stdout)
        self.assertIn("--labels", run("help", "classify", model=None).stdout)

    def test_every_option_is_described_in_chinese(self):
        chinese = environment(LC_ALL="zh_CN.UTF-8")
        names = re.findall(r"(?m)^  (\S+) ", run("--help", model=None).stdout.split("commands:\n")[1].split("\n\n")[0])
        self.assertGreater(len(names), 15)
        for name in ["", *(one for one in names if not one.startswith(("[", "TEXT")))]:
            text = run(*([name] if name else []), "--help", model=None, env=chinese).stdout
            options = text.split("参数:\n" if "参数:\n" in text else "选项:\n", 1)[1].split("示例")[0]
            for line in options.splitlines():
                # A heading, or the description behind the option or on a line of its own.
                found = re.match(r"(\S.*):$|  \S.*?  +(\S.*)$| {30}(\S.*)$", line)
                if found:
                    self.assertRegex("".join(part or "" for part in found.groups()), "[\u4e00-\u9fff]", f"{name}: {line}")

    def test_chinese_overview(self):
        english = run("--help", model=None).stdout
        commands = [line.split()[0] for line in re.findall(r"(?s)commands:\n(.*?)\n\n", english)[0].splitlines()]
        for env in ({"LC_ALL": "zh_CN.UTF-8"}, {"LC_ALL": "", "LC_MESSAGES": "zh_TW.UTF-8"}, {"LC_ALL": "", "LANG": "zh_CN.UTF-8"}):
            chinese = run("--help", model=None, env=environment(**env)).stdout
            lines = re.findall(r"(?s)命令：\n(.*?)\n\n", chinese)[0].splitlines()
            self.assertEqual([line.split()[0] for line in lines], commands)
            for line in lines:  # each summary is translated
                self.assertRegex(line, "[\u4e00-\u9fff]")
        self.assertIn("判断正面或负面", run("sentiment", "--help", model=None, env=environment(LC_ALL="zh_CN.UTF-8")).stdout)
        self.assertEqual(run("--help", model=None, env=environment(LC_ALL="en_US.UTF-8", LANG="zh_CN.UTF-8")).stdout, english)


if __name__ == "__main__":
    unittest.main()
