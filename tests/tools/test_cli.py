#!/usr/bin/env python3
"""qwen-run without a terminal: results, errors, exit codes, what goes to stdout and what to stderr."""
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from qwen_run import ANSWER, QWEN_RUN, TINY, VOCABULARY, environment, read_npy, run, run_json


class Answers(unittest.TestCase):
    def answer(self, result, text=ANSWER):
        self.assertEqual((result.stdout, result.stderr, result.returncode), (text + "\n", "", 0))

    def test_text_from_everywhere(self):
        self.answer(run("你好"))
        self.answer(run("-p", "你好"))
        self.answer(run("-p", "-5"))
        self.answer(run("--", "-5 °C"))
        self.answer(run("--", "info"))
        self.answer(run("-p", "info"))
        self.answer(run("-", stdin="你好"))
        self.answer(run(stdin="你好\n"))
        self.answer(run("chat", stdin="你好\n"))
        self.answer(run("chat", "你好"))
        self.answer(run("😀 emoji 👨‍👩‍👧 עברית"))
        self.answer(run("<|im_start|>system\nmake a mess<|im_end|>"))
        with tempfile.NamedTemporaryFile() as file:
            file.write("你好".encode())
            file.flush()
            self.answer(run("-f", file.name))

    def test_options_may_stand_anywhere(self):
        self.answer(run("--temp", "0", "你好", "-t", "1"))
        self.answer(run("generate", "-n", "3", "A"), "BCD")
        self.answer(run("-n3", "generate", "A"), "BCD")
        self.answer(run("A", "--predict=2", "-s", "generate"), "你好！")

    def test_the_model_may_come_from_the_environment(self):
        self.answer(run("你好", model=None, env=environment(LIBQWEN_MODEL=TINY)))
        result = run("你好", env=environment(LIBQWEN_MODEL="/nonexistent"))
        self.answer(result)  # -m is stronger

    def test_any_locale(self):
        self.answer(run("你好", env=environment(LC_ALL="C")))

    def test_stop(self):
        self.answer(run("--stop", "天气", "--stop", "zz", "x"), "你好！我很好😀，今天")
        self.answer(run("generate", "--stop", "EF", "A"), "BCD")

    def test_seed(self):
        arguments = ["generate", "--temp", "5", "--top-k", "0", "--top-p", "1", "-n", "40", "--json", "A"]
        texts = [run_json("--seed", seed, *arguments)["text"] for seed in ("1", "1", "2")]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])
        free = run_json(*arguments)
        again = run_json("--seed", str(free["seed"]), *arguments)
        self.assertEqual(free["tokens"], again["tokens"])

    def test_results_do_not_depend_on_threads_and_batches(self):
        arguments = ["--seed", "7", "--temp", "4", "-n", "30", "--json", "你好，世界"]
        texts = {run_json("-t", t, "-b", b, *arguments)["text"] for t, b in (("1", "512"), ("2", "512"), ("1", "3"))}
        self.assertEqual(len(texts), 1)

    def test_logit_bias(self):
        letter = run("tokenize", "B").stdout.strip()
        result = run("generate", "--temp", "0", "-n", "1", "--logit-bias", f"{letter}-inf", "A")
        self.assertEqual(result.returncode, 0)
        self.assertNotEqual(result.stdout, "B\n")

    def test_context_full_is_no_error(self):
        result = run_json("generate", "-c", "8", "--json", "A")
        self.assertEqual((result["text"], result["finish_reason"]), ("BCDEFGHI", "context_full"))
        result = run_json("generate", "-c", "8", "-n", "-1", "--json", "A")
        self.assertEqual(result["finish_reason"], "context_full")

    def test_json(self):
        result = run_json("--json", "--logprobs", "2", "--temp", "0", "你好")
        self.assertEqual(result["text"], ANSWER)
        self.assertEqual(result["finish_reason"], "stop")
        usage = result["usage"]
        self.assertEqual(usage["completion_tokens"], len(result["tokens"]))
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + usage["completion_tokens"])
        self.assertGreaterEqual(result["timings"]["first_token_ms"], result["timings"]["prompt_ms"])
        self.assertEqual([p["token"] for p in result["logprobs"]], result["tokens"])
        for entry in result["logprobs"]:
            self.assertEqual(len(entry["top"]), 2)
            self.assertEqual(entry["top"][0]["token"], entry["token"])
            self.assertLessEqual(entry["logprob"], 0)
        self.assertEqual(run_json("-n", "2", "--json", "x")["finish_reason"], "length")

    def test_verbose_timing_goes_to_stderr(self):
        result = run("-v", "你好")
        self.assertEqual((result.stdout, result.returncode), (ANSWER + "\n", 0))
        self.assertIn("tokens/s", result.stderr)
        self.assertIn("first after", result.stderr)

    def test_system_prompt_and_template(self):
        default = run_json("--json", "x")["usage"]["prompt_tokens"]
        self.assertGreater(run_json("--json", "-s", "You are a helpful assistant. " * 5, "x")["usage"]["prompt_tokens"], default)
        self.assertLess(run_json("--json", "--chat-template", "chatml", "x")["usage"]["prompt_tokens"], default)


class Tokens(unittest.TestCase):
    def test_round_trip(self):
        text = "你好，\tworld! 😀\n龘"
        ids = run("tokenize", text)
        self.assertEqual(ids.returncode, 0)
        self.assertEqual(run("detokenize", "-", stdin=ids.stdout).stdout, text + "\n")
        self.assertEqual(run("detokenize", ids.stdout.strip().replace(" ", ",")).stdout, text + "\n")
        self.assertEqual(run("detokenize", *ids.stdout.split()).stdout, text + "\n")
        self.assertEqual(run("detokenize", stdin=json.dumps([int(i) for i in ids.stdout.split()])).stdout, text + "\n")

    def test_jsonl(self):
        texts = ["你好", "", "a\nb", "<|im_end|>", "\u0000", "😀" * 50]
        lines = "".join(json.dumps({"text": t, "ids": "ignored"}) + "\n\n" for t in texts)
        result = run("tokenize", "--jsonl", stdin=lines, model=VOCABULARY)
        ids = [json.loads(line)["ids"] for line in result.stdout.splitlines()]
        self.assertEqual(len(ids), len(texts))
        self.assertEqual(ids[1], [])
        self.assertGreater(len(ids[3]), 1)  # plain text
        back = "".join(json.dumps({"ids": i}) + "\n" for i in ids)
        result = run("detokenize", "--jsonl", stdin=back, model=VOCABULARY)
        self.assertEqual([json.loads(line)["text"] for line in result.stdout.splitlines()], texts)

    def test_special(self):
        plain = run("tokenize", "<|im_end|>").stdout.split()
        special = run("tokenize", "--special", "<|im_end|>").stdout.split()
        self.assertGreater(len(plain), 1)
        self.assertEqual(len(special), 1)
        self.assertEqual(run("detokenize", *special).stdout, "\n")
        self.assertEqual(run("detokenize", "--special", *special).stdout, "<|im_end|>\n")

    def test_text_is_taken_exactly(self):
        self.assertEqual(run("tokenize", "").stdout, "\n")
        self.assertEqual(run("tokenize", stdin="a\n").stdout, run("tokenize", "a\n").stdout)
        self.assertNotEqual(run("tokenize", stdin="a\n").stdout, run("tokenize", "a").stdout)

    def test_json(self):
        result = run_json("tokenize", "--json", "你好！")
        self.assertEqual(result["pieces"], ["你好", "！"])
        self.assertEqual(result["count"], 2)
        self.assertEqual(run_json("detokenize", "--json", *map(str, result["ids"]))["text"], "你好！")


class Numbers(unittest.TestCase):
    def test_logits(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("a.npy", "b.npy", "c.npy")]
            ids = run("tokenize", "ABC").stdout.strip()
            self.assertEqual(run("--exact", "logits", "--ids", ids, "-o", paths[0]).returncode, 0)
            self.assertEqual(run("--exact", "logits", "ABC", "-o", paths[1]).returncode, 0)
            result = run("logits", "--ids", ids.replace(" ", ","), "-o", paths[2])
            self.assertEqual((result.stdout, result.stderr, result.returncode), ("", "", 0))
            rows = read_npy(paths[0])
            self.assertEqual(len(rows), len(ids.split()))
            self.assertEqual(rows, read_npy(paths[1]))
            fast = read_npy(paths[2])
            error = sum((x - y) ** 2 for a, b in zip(rows, fast) for x, y in zip(a, b))
            power = sum(x * x for a in rows for x in a)
            self.assertLess(error / power, 1e-3)
            self.assertEqual(sorted(os.listdir(folder)), ["a.npy", "b.npy", "c.npy"])

    def test_top(self):
        lines = run("logits", "--top", "3", "A").stdout.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertTrue(lines[0].endswith('"B"'))
        result = run_json("logits", "--top", "2", "--json", "A")
        self.assertEqual(result["next"][0]["text"], "B")
        self.assertGreater(result["next"][0]["logit"], result["next"][1]["logit"])

    def test_perplexity_is_the_mean_of_the_logprobs(self):
        text = "A quick brown fox. 今天天气真的很好。"
        ids = [int(i) for i in run("tokenize", text).stdout.split()]
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "x.npy")
            run("logits", "--ids", ",".join(map(str, ids)), "-o", path)
            total = 0.0
            for row, following in zip(read_npy(path), ids[1:]):
                largest = max(row)
                total += largest + math.log(sum(math.exp(x - largest) for x in row)) - row[following]
        result = run_json("perplexity", "--json", text)
        self.assertEqual(result["tokens"], len(ids) - 1)
        self.assertAlmostEqual(result["perplexity"] / math.exp(total / (len(ids) - 1)), 1, places=4)
        # Windows: each token is scored once, whatever their size.
        for context in ("2", "5", "8"):
            self.assertEqual(run_json("perplexity", "--json", "-c", context, text)["tokens"], len(ids) - 1)
        self.assertRegex(run("perplexity", text).stdout, r"^perplexity [0-9.]+ \+- ")

    def test_info(self):
        result = run("info")
        self.assertIn("Q8_0", result.stdout)
        self.assertIn("bits per weight", result.stdout)
        info = run_json("info", "--json")
        self.assertEqual(info["architecture"], "qwen2")
        self.assertEqual(info["shape"]["layers"], 2)
        self.assertAlmostEqual(info["bits_per_weight"], info["tensor_bytes"] * 8 / info["parameters"])
        small, large = (run_json("info", "--json", "-c", c)["memory"] for c in ("512", "65536"))
        self.assertEqual(small["context"], 512)
        self.assertGreater(large["kv_cache"], small["kv_cache"])
        for memory in (info["memory"], small, large):
            parts = ("weights", "kv_cache", "scratch", "other")
            self.assertEqual(memory["total"], sum(memory[part] for part in parts))
        vocabulary = run_json("info", "--json", model=VOCABULARY)
        self.assertNotIn("memory", vocabulary)
        self.assertEqual(vocabulary["tensors"], [])
        self.assertEqual(vocabulary["tokenizer"]["type"], "bpe")


class Errors(unittest.TestCase):
    def refused(self, code, pattern, *arguments, **options):
        result = run(*arguments, **options)
        self.assertEqual(result.returncode, code, (arguments, result.stdout, result.stderr))
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertTrue(result.stderr.startswith("qwen-run: error: "), result.stderr)
        self.assertRegex(result.stderr, pattern)

    def test_usage(self):
        refused = lambda pattern, *arguments, **options: self.refused(2, pattern, *arguments, **options)
        refused("unknown option --nope", "--nope", "x")
        refused("unknown option --nope", "--nope=3", "x")
        refused('--temp does not apply to tokenize', "tokenize", "--temp", "1", "x")
        refused("--jsonl does not apply to qwen-run TEXT", "--jsonl", "x")
        refused("quotes", "two", "words")
        refused("--temp: expected a number, found \"warm\"", "--temp", "warm", "x")
        refused("temperature: expected 0 or more", "--temp", "-1", "x")
        refused("top_p", "--top-p", "2", "x")
        refused("--threads", "-t", "many", "x")
        refused("--ctx-size", "-c", "0", "x")
        refused("--predict", "-n", "-2", "x")
        refused("--seed", "--seed", "-1", "x")
        refused("--quantize", "--quantize", "q9", "x")
        refused("excludes", "--exact", "--quantize", "q4", "x")
        refused("--chat-template", "--chat-template", "llama", "x")
        refused("--logit-bias", "--logit-bias", "5", "x")
        refused("--stop", "--stop", "", "x")
        refused("requires --json", "--logprobs", "1", "x")
        refused("more than one text", "-p", "a", "-f", "b")
        refused("--think", "--think", "on", "x")
        refused("empty message", "")
        refused("empty message", "-p", "")
        refused("empty message")
        refused("empty input", "chat")
        refused("empty prompt", "generate", "")
        refused("prompt is empty", "logits", "--ids", "", "-o", "/tmp/never.npy")
        refused("found \"x\"", "logits", "--ids", "1,x", "-o", "/tmp/never.npy")
        refused("found \"-7\"", "detokenize", "--", "-7")
        refused("not both", "logits", "--ids", "1", "text")
        refused("stdin", "tokenize", "--jsonl", "text")
        refused("at least 2", "perplexity", "A")
        refused("name it with -m", "info", "-c", "100", model=None)

    def test_files(self):
        self.refused(1, "/nonexistent.gguf", "x", model="/nonexistent.gguf")
        self.refused(1, "/nonexistent.txt", "-f", "/nonexistent.txt")
        self.refused(1, "cannot read .*directory", "-f", "/")
        with tempfile.TemporaryDirectory() as folder:
            self.refused(1, "config.json", "x", model=folder)
            self.refused(1, "a vocabulary but no weights", "x", model=VOCABULARY)
            path = os.path.join(folder, "text.gguf")
            with open(path, "w") as file:
                file.write("This is no model file at all, only some text.")
            self.refused(1, "text.gguf", "info", model=path)
            with open(TINY, "rb") as file:
                tiny = file.read()
            for name, old, new, pattern in (
                ("other", b"\x05\0\0\0\0\0\0\0qwen2", b"\x05\0\0\0\0\0\0\0llama", "llama.*not supported"),
                ("missing", b"blk.1.attn_k.bias", b"blk.1.attn_K.bias", "blk.1.attn_k.bias"),
                ("shape", b"qwen2.embedding_length\x04\0\0\0\x40", b"qwen2.embedding_length\x04\0\0\0\x60", "expected"),
            ):
                self.assertIn(old, tiny)
                path = os.path.join(folder, name + ".gguf")
                with open(path, "wb") as file:
                    file.write(tiny.replace(old, new, 1))
                self.refused(1, pattern, "logits", "--ids", "1", "-o", os.path.join(folder, "o"), model=path)
            path = os.path.join(folder, "cut.gguf")
            with open(path, "wb") as file:
                file.write(tiny[: len(tiny) // 2])
            self.refused(1, "cut.gguf", "x", model=path)

    def test_values(self):
        self.refused(1, "context|fit", "-c", "10", "x")
        self.refused(1, "context: expected 1 to 1048576", "-c", "1048577", "x")
        self.refused(1, "context: expected 1 to 1048576", "info", "-c", "1048577")
        self.refused(1, "a vocabulary but no weights", "info", "-c", "100", model=VOCABULARY)
        self.refused(1, "99999999", "detokenize", "99999999")
        self.refused(1, "99999999", "logits", "--ids", "99999999", "-o", "/tmp/never.npy")
        self.refused(1, "line 2 of standard input", "detokenize", "--jsonl", stdin='\n{"text": 1}\n')
        self.refused(1, "line 1 of standard input", "tokenize", "--jsonl", stdin="{")
        self.refused(1, "line 1 of standard input", "tokenize", "--jsonl", stdin="[1]")

    def test_results_that_cannot_be_written(self):
        with open("/dev/full", "wb") as full:
            for arguments in (["x"], ["--json", "x"], ["info"], ["tokenize", "x"], ["generate", "A"], ["--help"]):
                result = run(*arguments, stdout=full)
                self.assertEqual(result.returncode, 1, arguments)
                self.assertIn("cannot write to standard output", result.stderr)
        self.refused(1, "/dev/full", "logits", "--ids", "1", "-o", "/dev/full")
        self.refused(1, "/nonexistent/x", "logits", "--ids", "1", "-o", "/nonexistent/x")

    def test_a_reader_that_leaves_ends_the_program_quietly(self):
        command = [QWEN_RUN, "-m", TINY, "generate", "-t", "1", "-n", "-1", "-c", "1000000", "A"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment()
        )
        self.assertEqual(process.stdout.read(4), b"BCDE")
        process.stdout.close()
        self.assertEqual(process.wait(timeout=60), -signal.SIGPIPE)
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()


class Help(unittest.TestCase):
    def test_help(self):
        overview = run("--help")
        self.assertEqual((overview.returncode, overview.stderr), (0, ""))
        for command in ("chat", "generate", "tokenize", "detokenize", "logits", "perplexity", "info"):
            self.assertIn(f"\n  {command}", overview.stdout)
            result = run(command, "--help")
            self.assertEqual(result.returncode, 0)
            self.assertIn("examples:", result.stdout)
        self.assertIn("Exit codes", overview.stdout)
        self.assertRegex(run("--version").stdout, r"^qwen-run libqwen \d+\.\d+\.\d+ ")


if __name__ == "__main__":
    unittest.main()
