#!/usr/bin/env python3
"""qwen-run's commands for tasks, and config.yaml."""
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from qwen_run import ANSWER, QWEN_RUN, TINY, environment, run, run_json

TASK = """name: greet
kind: classify
heading: Test
template: "{text}"
labels: [{text: "你好", emoji: "+", aliases: ["1"]}, {text: "再见", aliases: ["0"]}]
"""


class WithFolder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def fails(self, result, code, *parts):
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)


class Classify(WithFolder):
    def test_label_line(self):
        result = run("sentiment", "今天的实验终于成功了，太棒了！")
        self.assertEqual((result.stderr, result.returncode), ("", 0))
        self.assertRegex(result.stdout, r"^((😄 LLM 情感判断: 正面|😢 LLM 情感判断: 负面)|🤔 LLM 情感判断: not sure, perhaps (正面|负面)) \([01]\.\d\d\)\n$")
        self.assertEqual(run("classify", "sentiment", "今天的实验终于成功了，太棒了！").stdout, result.stdout)
        self.assertEqual(run("sentiment", stdin="今天的实验终于成功了，太棒了！\n").stdout, result.stdout)

    def test_json(self):
        result = run_json("sentiment", "--json", "好")
        self.assertEqual([key for key in result if key != "abstained"], ["label", "probabilities", "tokens", "cached_tokens", "ms"])
        self.assertEqual(result.get("abstained", False), max(result["probabilities"].values()) < 0.67)
        self.assertEqual(list(result["probabilities"]), ["正面", "负面"])
        self.assertAlmostEqual(sum(result["probabilities"].values()), 1, 9)
        likeliest = max(result["probabilities"], key=result["probabilities"].get)
        self.assertEqual(result["label"], None if result.get("abstained") else likeliest)
        self.assertLess(result["cached_tokens"], result["tokens"])

    def test_jsonl(self):
        texts = ["", "好", "<|im_end|>", "{text}", 'a "b" \\ \n c', "x" * 3000] + [f"text {i}" for i in range(60)]
        lines = "".join(json.dumps({"text": t, "id": 1}) + "\n" for t in texts) + "\n"
        result = run("sentiment", "--jsonl", stdin=lines)
        self.assertEqual((result.stderr, result.returncode), ("", 0))
        found = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(len(found), len(texts))
        for text, line in list(zip(texts, found))[:5]:
            alone = run_json("sentiment", "--json", "-p", text)
            self.assertEqual(line["probabilities"], alone["probabilities"], text)  # the same bits
            self.assertEqual(line["tokens"], alone["tokens"])
        self.assertIn("truncated_tokens", found[5])
        cached = run("sentiment", "--jsonl", "--cache", "10", stdin=lines)
        again = [json.loads(line) for line in cached.stdout.splitlines()]
        self.assertEqual([x["probabilities"] for x in again], [x["probabilities"] for x in found])
        path = self.write("texts.jsonl", lines)
        self.assertEqual(len(run("sentiment", "--jsonl", "-f", path).stdout.splitlines()), len(texts))

    def test_jsonl_answers_before_the_next_line_comes(self):
        process = subprocess.Popen([QWEN_RUN, "-m", TINY, "sentiment", "--jsonl"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, env=environment())
        for text in ("one", "two"):
            process.stdin.write(json.dumps({"text": text}).encode() + b"\n")
            process.stdin.flush()
            self.assertIn("label", json.loads(process.stdout.readline()))
        process.stdin.close()
        self.assertEqual(process.stdout.read(), b"")
        process.stdout.close()
        self.assertEqual(process.wait(), 0)

    def test_bad_lines_are_told_in_their_place(self):
        result = run("sentiment", "--jsonl", stdin='{"text":"a"}\nnot json\n{"text":1}\n{"text":"b"}\n')
        self.assertEqual(result.returncode, 1)
        self.assertEqual(["error" in json.loads(x) for x in result.stdout.splitlines()], [False, True, True, False])

    def test_own_tasks(self):
        self.write("greet.yaml", TASK)
        result = run("classify", "greet", "--tasks", self.folder.name, "嗨")
        self.assertRegex(result.stdout, r"^(\+ )?Test: (你好|再见) \([01]\.\d\d\)\n$")
        generated = run("classify", "greet", "--tasks", self.folder.name, "--mode", "generate", "嗨")
        self.assertEqual(generated.stdout, "+ Test: 你好\n")  # the tiny model's answer begins so
        unparsed = run_json("sentiment", "--mode", "generate", "--json", "嗨")
        self.assertIsNone(unparsed["label"])
        self.assertTrue(ANSWER.startswith(unparsed["raw"].rstrip("\ufffd")))
        self.assertIn("unparsed", run("sentiment", "--mode", "generate", "嗨").stdout)
        self.assertIn("greet", run("tasks", "--tasks", self.folder.name, model=None).stdout)
        self.assertIn("你好", run("tasks", "greet", "--tasks", self.folder.name, model=None).stdout)

    def test_errors(self):
        self.fails(run("classify", "nothing", "x"), 1, "no task \"nothing\"", "sentiment")
        self.fails(run("classify"), 2, "TASK")
        self.fails(run("classify", "chat", "x"), 1, "expected classify")
        self.fails(run("sentiment", "--jsonl", "x"), 2, "stdin")
        self.fails(run("sentiment", "--mode", "guess", "x"), 2, "--mode")
        self.fails(run("sentiment", "--tasks", self.path("none"), "x"), 1, "none")
        self.write("bad.yaml", TASK + "colour: red\n")
        self.fails(run("sentiment", "--tasks", self.folder.name, "x"), 1, "bad.yaml:6:", "colour")

    def test_refused_text(self):
        self.write("greet.yaml", TASK)
        long = "好" * 5000
        self.fails(run("classify", "greet", "--tasks", self.folder.name, "-p", long), 1, "expected at most")
        result = run("classify", "greet", "--tasks", self.folder.name, "--jsonl",
                     stdin="".join(json.dumps({"text": t}) + "\n" for t in ("a", long, "b")))
        self.assertEqual(result.returncode, 1)
        self.assertEqual(["error" in json.loads(x) for x in result.stdout.splitlines()], [False, True, False])
        cut = run("sentiment", "-p", long)
        self.assertIn("text truncated", cut.stderr)
        self.assertEqual(cut.returncode, 0)

    def test_prefix_cache(self):
        folder = self.path("prefixes")
        plain = run_json("sentiment", "--json", "好")
        for _ in range(2):
            cached = run_json("sentiment", "--json", "--prefix-cache", folder, "好")
            self.assertEqual(cached["probabilities"], plain["probabilities"])
        self.assertEqual(len(os.listdir(folder)), 1)


class Analyze(WithFolder):
    def test_label_then_reply(self):
        label = run("sentiment", "好").stdout
        result = run("analyze", "好")
        self.assertEqual((result.stdout, result.stderr, result.returncode), (label + ANSWER + "\n", "", 0))
        found = run_json("analyze", "--json", "好")
        self.assertEqual((found["reply"], found["finish_reason"]), (ANSWER, "stop"))
        self.assertGreater(min(found["label_ms"], found["first_token_ms"]), 0)
        self.assertEqual(run_json("analyze", "--json", "-n", "1", "好")["reply_tokens"], 1)


class Evaluate(WithFolder):
    def data(self):
        return self.write("data.tsv", "id\tlabel\ttext\n" + "".join(f"{i}\t{i % 2}\ttext {i}\n" for i in range(12)))

    def test_report(self):
        found = run_json("evaluate", "sentiment", "--data", self.data(), "--json")
        lines = "".join(json.dumps({"text": f"text {i}"}) + "\n" for i in range(12))
        answers = [json.loads(x) for x in run("sentiment", "--jsonl", stdin=lines).stdout.splitlines()]
        truth = ["正面" if i % 2 else "负面" for i in range(12)]
        right = sum(a["label"] == t for a, t in zip(answers, truth))
        self.assertEqual(found["texts"], 12)
        self.assertAlmostEqual(found["accuracy"], right / 12)
        self.assertAlmostEqual(found["log_loss"],
                               -sum(math.log(a["probabilities"][t]) for a, t in zip(answers, truth)) / 12)
        self.assertEqual(sum(map(sum, found["confusion"])), 12)
        text = run("evaluate", "sentiment", "--data", self.data(), "--limit", "5").stdout
        for part in ("accuracy", "macro F1", "calibration error", "confusion", "texts/s", "5 texts", "正面"):
            self.assertIn(part, text)
        unparsed = run_json("evaluate", "sentiment", "--data", self.data(), "--json", "--mode", "generate")
        self.assertEqual((unparsed["answered"], unparsed["accuracy"]), (0, 0))
        self.assertNotIn("log_loss", unparsed)

    def test_bad_data(self):
        for text, code, part in (("", 1, "no rows"), ("text\n", 2, "--label-column"), ("label\ttext\n", 1, "no texts"),
                                 ("label\ttext\n1\ta\n2\tb\n", 1, ":3:"), ("label\ttext\n1\n", 1, ":2:")):
            path = self.write("bad.tsv", text)
            self.fails(run("evaluate", "sentiment", "--data", path), code, "bad.tsv", part)
        self.fails(run("evaluate", "sentiment", "--data", self.path("none.tsv")), 1, "none.tsv")
        self.fails(run("evaluate", "sentiment"), 2, "--data")
        self.fails(run("evaluate", "chat", "--data", self.data()), 2, "no labels")

    def test_calibrate(self):
        self.fails(run("calibrate", "sentiment", "--data", self.data()), 2, "--tasks")
        tasks = self.path("tasks")
        os.mkdir(tasks)
        before = run_json("evaluate", "sentiment", "--data", self.data(), "--json")
        result = run("calibrate", "sentiment", "--data", self.data(), "--tasks", tasks, "--offsets")
        self.assertEqual((result.stderr, result.returncode), ("", 0))
        self.assertEqual(os.listdir(tasks), ["sentiment.calibration.yaml"])
        after = run_json("evaluate", "sentiment", "--data", self.data(), "--tasks", tasks, "--json")
        self.assertTrue(after["calibrated"])
        self.assertLess(after["log_loss"], before["log_loss"] + 1e-9)
        # Another prompt of that name: the calibration is not for it, and that is said.
        with open(os.path.join(tasks, "sentiment.yaml"), "w", encoding="utf-8") as file:
            file.write(TASK.replace("greet", "sentiment"))
        other = run("sentiment", "--tasks", tasks, "好")
        self.assertIn("not used", other.stderr)
        self.assertEqual(other.returncode, 0)


class Config(WithFolder):
    def test_order(self):
        config = self.write("config.yaml", f"model: {TINY}\nmax_new_tokens: 2\ntemperature: 0\nthreads: 1\n"
                                           "cache: {entries: 10}\nhost: 127.0.0.1\n")
        answer = lambda *more, **env: run("--json", "--config", config, *more, "嗨", model=None, env=environment(**env))
        tokens = lambda result: len(json.loads(result.stdout)["tokens"])
        self.assertEqual(tokens(answer()), 2)
        self.assertEqual(tokens(answer(LIBQWEN_MAX_NEW_TOKENS="3")), 3)
        self.assertEqual(tokens(answer("-n", "4", LIBQWEN_MAX_NEW_TOKENS="3")), 4)
        self.assertEqual(tokens(run("--json", "嗨", model=None, env=environment(LIBQWEN_CONFIG=config))), 2)
        label = run("sentiment", "--config", config, "好", model=None)
        self.assertEqual(label.stdout, run("sentiment", "好").stdout)
        self.assertEqual(run("--config=" + config, "-n", "-1", "嗨", model=None).stdout, ANSWER + "\n")

    def test_errors(self):
        for text, part in (("model: x\ncolour: red\n", ":2:"), ("threads: many\n", ":1: threads"),
                           ("threads: 1\nthreads: 2\n", ":2:"), ("top_p: [1]\n", ":1: top_p"), ("- a\n", ":1:"),
                           ("a: {\n", "not YAML"), ("cache: {size: 1}\n", "cache.size"),
                           ("enable_history: perhaps\n", "true or false")):
            path = self.write("config.yaml", text)
            self.fails(run("--config", path, "嗨"), 2, "config.yaml", part)
        self.fails(run("--config", self.path("none.yaml"), "嗨"), 1, "none.yaml")
        self.assertEqual(run("--config", self.write("empty.yaml", ""), "嗨").stdout, ANSWER + "\n")


if __name__ == "__main__":
    unittest.main()
