#!/usr/bin/env python3
"""qwen-bench from outside: its forms of output, and what it refuses."""
import csv, io, json, os, subprocess, sys, tempfile, unittest
import xml.dom.minidom

BENCH = os.path.join(os.environ["QWEN_BIN_DIR"], "bench", "qwen-bench")
SOURCE = os.environ["QWEN_SOURCE_DIR"]


def bench(*args, env=None):
    return subprocess.run([BENCH, *args], capture_output=True, text=True, timeout=300,
                          env={**os.environ, **(env or {})})


def tiny(*args, **kw):
    return bench("run", "--synthetic", "tiny:q4_0", "-p", "16", "-n", "4", "-r", "2", "-t", "1", *args, **kw)


class Run(unittest.TestCase):
    def good(self, result):
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_json(self):
        out = json.loads(self.good(tiny("--json", "-d", "0,32", "-s", "1,2", "-b", "512,8")))
        self.assertEqual([(p["tokens"], p["depth"], p["batch"]) for p in out["prefill"]],
                         [(16, 0, 512), (16, 0, 8), (16, 32, 512), (16, 32, 8)])
        self.assertEqual([(d["depth"], d["sequences"]) for d in out["decode"]], [(0, 1), (0, 2), (32, 1), (32, 2)])
        for d in out["decode"]:
            for key in ("tokens_per_s", "gb_per_s", "bandwidth_percent"):
                self.assertGreater(d[key], 0)
            self.assertLessEqual(d["between_tokens_ms"]["p50"], d["between_tokens_ms"]["p99"])
        memory = out["memory_bytes"]
        self.assertEqual(memory["resident"],
                         memory["weights"] + memory["kv_cache"] + memory["scratch"] + memory["other"])
        load = out["load_ms"]
        self.assertAlmostEqual(load["total"], load["map"] + load["tokenizer"] + load["pack"] + load["first_token"],
                               delta=0.1)

    def test_top(self):
        out = json.loads(self.good(tiny("--json", "-p", "0", "--top", "0,5")))
        self.assertEqual([d["top"] for d in out["decode"]], [0, 5])

    def test_forms(self):
        self.assertIn("decode 4", self.good(tiny()))
        rows = list(csv.DictReader(io.StringIO(self.good(tiny("--csv")))))
        self.assertEqual([(row["test"], row["tokens"], row["threads"]) for row in rows], [("prefill", "16", "1"), ("decode", "4", "1")])
        for row in rows:
            self.assertEqual(row["model"], "tiny")
            self.assertRegex(row["date"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
            self.assertTrue(row["cpu"] and row["isa"])
            for name, cell in row.items():  # one number a cell
                if name not in ("date", "model", "type", "cpu", "isa", "test", "noise") and cell:
                    float(cell)
            self.assertGreater(float(row["tokens_per_s"]), 0)
        markdown = self.good(tiny("--markdown"))
        self.assertIn("| prefill 16 |", markdown)
        self.assertEqual(self.good(tiny("-o", "md")).splitlines()[2:4] != [], True)

    def test_isa_is_the_forced_one(self):
        out = json.loads(self.good(tiny("--json", env={"LIBQWEN_ISA": "scalar"})))
        self.assertEqual(out["isa"], "scalar")
        self.assertIn("instruction set", tiny(env={"LIBQWEN_ISA": "mmx"}).stderr)

    def test_a_busy_core_is_noise(self):
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            result = bench("run", "--synthetic", "small:f32", "-p", "256", "-n", "64", "-r", "20", "-t", "1", "--json")
        finally:
            busy.kill()
            busy.wait()
        self.assertIn("other programs used", json.loads(self.good(result))["noise"])
        self.assertIn("noisy", result.stderr)

    def test_plot(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.svg")
            self.good(tiny("--plot", path, "-d", "0,32"))
            svg = xml.dom.minidom.parse(path)
            labels = [node.firstChild.data for node in svg.getElementsByTagName("text")]
            for label in ("Decode", "Prefill", "tokens/s", "GMAC/s"):
                self.assertIn(label, labels)
            refused = tiny("--plot", os.path.join(folder, "none", "out.svg"))
            self.assertEqual(refused.returncode, 1)
            self.assertIn("out.svg", refused.stderr)

    def test_compare(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.json")
            with open(path, "w") as file:
                file.write(self.good(tiny("--json")))
            same = self.good(bench("run", "--compare", path, path))
            self.assertIn("no difference beyond the spread", same)
            self.assertIn("1.000", same)
            with open(path, "w") as file:
                file.write('{"runs": 3}')
            self.assertIn("not what", bench("run", "--compare", path, path).stderr)

    def test_keep_writes_a_model(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "tiny.gguf")
            self.good(tiny("--keep", path))
            again = bench("run", "-m", path, "-p", "0", "-n", "2", "-r", "1", "-t", "1", "--json")
            self.assertEqual(json.loads(self.good(again))["prefill"], [])

    def test_the_bundled_model_is_the_default(self):
        result = bench("run", "-p", "8", "-n", "2", "-r", "1", "-t", "1", "--json")
        out = json.loads(result.stdout)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("no model named: measuring the bundled one", result.stderr)
        self.assertGreater(out["decode"][0]["tokens_per_s"], 0)
        self.assertIn("mini", out["model"])
        estimate = bench("memory", "-c", "64", "--json")
        self.assertEqual(estimate.returncode, 0, estimate.stderr)
        self.assertGreater(json.loads(estimate.stdout)[0]["weights"], 1_000_000)

    def test_refusals(self):
        cases = [
            (["run", "--synthetic", "tiny:q4_0", "-m", "x"], 2, "expected one model"),
            (["run", "-m", "/nonexistent.gguf"], 1, "/nonexistent.gguf"),
            (["run", "--synthetic", "qwen9:q4_0"], 1, "unknown shape"),
            (["run", "--synthetic", "tiny:q99"], 1, "unknown type"),
            (["run", "--synthetic", "tiny", "-r", "0"], 1, "-r: expected at least 1"),
            (["run", "--synthetic", "tiny", "-t", "100000"], 1, "-t 100000"),
            (["run", "--synthetic", "tiny", "-d", "600"], 1, "context is 512"),
            (["run", "--synthetic", "tiny", "-p", "many"], 2, "many"),
            (["run", "--no-such-flag"], 2, "no-such-flag"),
            ([], 2, "expected a command"),
            (["cost", "--watts", "20"], 2, "--price"),
            (["cost", "--watts", "-3", "--price", "1"], 2, "--watts"),
            (["cost", "--watts", "20", "--price", "1", "--versus", "/nonexistent.yaml"], 1, "/nonexistent.yaml"),
            (["memory", "--synthetic", "tiny", "-c", "513"], 1, "1 to 512"),
        ]
        for args, code, message in cases:
            with self.subTest(args=args):
                result = bench(*args)
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertIn(message, result.stderr)
                self.assertEqual(result.stdout, "")
                self.assertEqual(len(result.stderr.strip().splitlines()), 1)


    def test_flags_of_llama_bench(self):
        self.good(tiny("-ngl", "0", "-fa", "1", "--mmap=1", "-ctk", "f16"))
        for flags, part in ((["-ngl", "99"], "-ngl 99: a flag of llama-bench; qwen-bench measures on the CPU only"), (["-ub", "512"], "use -b"),
                            (["-pg", "16,4"], "give -p and -n"), (["--cache-type-k=q8_0"], "--kv-type"), (["-ngl"], "CPU only")):
            result = tiny(*flags)
            self.assertEqual((result.returncode, result.stdout), (2, ""), flags)
            self.assertIn(part, result.stderr)


class Cost(unittest.TestCase):
    def test_published_figures(self):
        out = json.loads(bench("cost", "--watts", "120", "--price", "0.15", "--json").stdout)
        self.assertAlmostEqual(out["electricity_per_year"], 157.68, places=6)
        out = json.loads(bench("cost", "--watts", "20", "--price", "0.15", "--json").stdout)
        self.assertAlmostEqual(out["electricity_per_year"], 26.28, places=6)
        self.assertEqual(out["watts_source"], "assumed")
        out = json.loads(bench("cost", "--watts", "15", "--hours", "8", "--price", "0.6", "--currency", "CNY", "--upkeep",
                               "120", "--round-down", "--versus", os.path.join(SOURCE, "bench/examples/gpu.yaml"),
                               "--json").stdout)
        self.assertEqual((out["versus_total"], out["total"]), (6988, 438))
        self.assertAlmostEqual(out["saved_percent"], 93.7, places=1)

    def test_speed_is_measured(self):
        out = json.loads(bench("cost", "--synthetic", "tiny", "--watts", "20", "--price", "1", "-t", "1", "--json").stdout)
        self.assertEqual(out["decode_tokens_per_s_source"], "measured")
        self.assertAlmostEqual(out["joules_per_token"], 20 / out["decode_tokens_per_s"], places=6)


class Memory(unittest.TestCase):
    @unittest.skipIf(os.environ.get("QWEN_SANITIZE"), "a sanitiser's own memory counts as the program's")
    def test_estimate_is_within_five_percent(self):
        # Large enough that the program's own megabytes do not decide.
        result = bench("memory", "--synthetic", "qwen2.5-0.5b:q4_0", "-c", "256", "--check", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        for entry in json.loads(result.stdout):
            self.assertAlmostEqual(entry["total"] / entry["measured"], 1, delta=0.05, msg=str(entry))


    def test_the_default_context_is_at_most_the_models(self):
        for shape, context in (("tiny:q4_0", 512), ("qwen2.5-0.5b:q4_0", 2048)):
            result = bench("memory", "--synthetic", shape, "--json")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual([entry["context"] for entry in json.loads(result.stdout)], [context])


class Engine(unittest.TestCase):
    def test_figures(self):
        out = bench("engine", "--synthetic", "tiny:q8_0", "-n", "8", "-r", "1", "-c", "256", "--at-once", "1,4", "--full",
                    "-t", "1", "--json")
        self.assertEqual(out.returncode, 0, out.stderr)
        found = json.loads(out.stdout)
        self.assertEqual([row["at_once"] for row in found["replies"]], [1, 4])
        self.assertEqual(found["question_beside"], 3)
        for figure in ("question_ms", "kv_bytes", "scratch_bytes"):
            self.assertGreater(found[figure], 0)


class Embed(unittest.TestCase):
    def test_figures(self):
        small = ("embed", "--synthetic", "tiny:q8_0", "--texts", "5", "-n", "4", "-r", "2", "--together", "1,3", "-t", "1")
        out = bench(*small, "--json")
        self.assertEqual(out.returncode, 0, out.stderr)
        rows = json.loads(out.stdout)["embed"]
        self.assertEqual([(row["together"], row["tokens"]) for row in rows], [(1, 4), (3, 4)])
        for row in rows:
            self.assertEqual(len(row["texts_per_s"]), 2)
            self.assertGreater(min(row["texts_per_s"]), 0)
        self.assertIn("texts/s, median", bench(*small).stdout)
        self.assertEqual(bench(*small, "--texts", "0").returncode, 2)


class Tasks(unittest.TestCase):
    def test_table(self):
        out = bench("tasks", "--synthetic", "small:q8_0", "-n", "4", "-r", "2", "--at-once", "1,2", "-t", "1", "--json")
        self.assertEqual(out.returncode, 0, out.stderr)
        rows = json.loads(out.stdout)["tasks"]
        self.assertEqual(len(rows), 9)
        self.assertEqual({row["work"] for row in rows}, {"sentiment", "chat", "sentiment + chat"})
        for row in rows:
            self.assertGreater(row["requests_per_s"], 0)


FAKE_LLAMA_BENCH = """#!/usr/bin/env python3
import json, sys
print(json.dumps([{"n_prompt": 16, "n_gen": 0, "n_depth": 0, "avg_ts": 5, "samples_ts": [4, 5, 6]},
                  {"n_prompt": 0, "n_gen": 4, "n_depth": 0, "avg_ts": 2, "samples_ts": [2, 2, 2]}]))
"""


class Config(unittest.TestCase):
    """config.yaml and the environment stand behind the command line, for every command."""
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.model = os.path.join(self.folder.name, "model.gguf")
        self.assertEqual(tiny("--keep", self.model).returncode, 0)

    def config(self, text):
        path = os.path.join(self.folder.name, "config.yaml")
        with open(path, "w") as file:
            file.write(text)
        return path

    def estimate(self, *args, **env):
        result = bench("memory", "--json", *args, env=env)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)[0]

    def test_order(self):
        config = self.config(f"model: {self.model}\ncontext: 32\nthreads: 1\nport: 1234\n")
        self.assertEqual(self.estimate("--config", config)["context"], 32)
        self.assertEqual(self.estimate(LIBQWEN_CONFIG=config)["context"], 32)
        self.assertEqual(self.estimate("--config", config, LIBQWEN_CONTEXT="48")["context"], 48)
        self.assertEqual(self.estimate("--config", config, "-c", "64", LIBQWEN_CONTEXT="48")["context"], 64)
        run = json.loads(bench("run", "--config", config, "-p", "8", "-n", "2", "-r", "1", "--json").stdout)
        self.assertEqual(run["threads"], 1)

    def test_made_up_weights_beat_the_models_of_file_and_environment(self):
        config = self.config(f"model: {self.model}\ncontext: 64\n")
        small = self.estimate("--config", config)
        large = self.estimate("--config", config, "--synthetic", "small:q4_0")
        self.assertGreater(large["weights"], small["weights"])
        self.assertEqual(self.estimate("--synthetic", "small:q4_0", "-c", "64", LIBQWEN_MODEL=self.model), large)
        two = bench("memory", "-m", self.model, "--synthetic", "small:q4_0")
        self.assertEqual(two.returncode, 2)
        self.assertIn("one model", two.stderr)
        cost = bench("cost", "--config", config, "--watts", "20", "--price", "0.1", "--prefill", "10", "--decode", "5")
        self.assertIn("assumed", cost.stdout)
        self.assertNotIn("measured", cost.stdout)
        both = bench("cost", "-m", self.model, "--watts", "20", "--price", "0.1", "--prefill", "10", "--decode", "5")
        self.assertEqual(both.returncode, 2)

    def test_unknown_keys(self):
        result = bench("run", "--config", self.config("model: x\ncolour: red\n"))
        self.assertEqual(result.returncode, 2)
        self.assertIn(":2: unknown key", result.stderr)


class CompareWithLlamaBench(unittest.TestCase):
    SCRIPT = os.path.join(SOURCE, "scripts", "compare_llama_bench.py")

    def compare(self, llama, model):
        return subprocess.run([sys.executable, self.SCRIPT, "--llama-bench", llama, "-m", model, "--qwen-bench", BENCH,
                               "--qwen-run", os.path.join(os.environ["QWEN_BIN_DIR"], "tools", "qwen-run"), "-p", "16",
                               "-n", "4", "-t", "1", "-r", "2", "--rounds", "1"], capture_output=True, text=True)

    def test_ratios_and_refusals(self):
        with tempfile.TemporaryDirectory() as folder:
            model, llama = os.path.join(folder, "tiny.gguf"), os.path.join(folder, "llama-bench")
            self.assertEqual(tiny("--keep", model).returncode, 0)
            with open(llama, "w") as file:
                file.write(FAKE_LLAMA_BENCH)
            os.chmod(llama, 0o755)
            result = self.compare(llama, model)
            self.assertEqual(result.returncode, 0, result.stderr)
            lines = {line.split("  ")[0]: line.split() for line in result.stdout.splitlines() if line}
            self.assertEqual(lines["prefill 16"][2], "5.0")
            self.assertEqual(lines["decode 4"][2], "2.0")
            self.assertIn("load + 1 token", lines)
            self.assertIn("peak memory", lines)
            missing = self.compare(os.path.join(folder, "none"), model)
            self.assertEqual(missing.returncode, 1)
            self.assertIn("--llama-bench: no program at", missing.stderr)
            with open(llama, "w") as file:
                file.write("#!/bin/sh\necho bad model >&2\nexit 3\n")
            self.assertIn("failed with exit code 3: bad model", self.compare(llama, model).stderr)


if __name__ == "__main__":
    unittest.main()
