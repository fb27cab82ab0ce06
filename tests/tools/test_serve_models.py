#!/usr/bin/env python3
"""Several models in one qwen-serve: routing, loading on first use, unloading by memory."""
import concurrent.futures
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

from qwen_run import environment
from qwen_serve import ANSWER, QWEN_SERVE, SOURCE, TIMEOUT, TINY, Server, check_error

MINI = os.path.join(SOURCE, "libqwen", "builtin", "mini-q8_0.gguf")
CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "你好"}]
SIZES = ["--ctx-size", "256", "--parallel", "2"]


def two(*arguments):
    return Server(*SIZES, "--model", f"tiny-one={TINY}", "--model", f"mini={MINI}", *arguments, model=None)


class TestModels(unittest.TestCase):
    def ask(self, server, model, **fields):
        response = server.post(CHAT, {"messages": HELLO, "temperature": 0, "max_tokens": 8, "model": model, **fields})
        self.assertEqual(response.status, 200, response.text)
        return response.json()

    def loaded(self, server):
        return [model["id"] for model in server.get("/v1/models").json()["data"] if model["meta"]["loaded"]]

    def test_routing(self):
        with two("--alias", "first") as server:
            self.assertIn("(tiny-one and 1 other, ", server.ready_line)
            self.assertEqual([model["id"] for model in server.get("/v1/models").json()["data"]], ["tiny-one", "first", "mini"])
            self.assertEqual(self.loaded(server), ["tiny-one", "first"])
            self.assertEqual(server.get("/v1/models/mini").json()["meta"]["loaded"], False)
            self.assertEqual(server.get("/api/info").json()["models"], ["tiny-one", "mini"])
            self.assertEqual([model["name"] for model in server.get("/api/ps").json()["models"]], ["tiny-one", "first"])
            self.assertEqual(len(server.get("/api/tags").json()["models"]), 3)
            shown = server.post("/api/show", {"model": "mini"}).json()  # loads nothing
            self.assertNotEqual(shown["model_info"], server.post("/api/show", {"model": "tiny-one"}).json()["model_info"])
            self.assertEqual(self.loaded(server), ["tiny-one", "first"])
            tiny = self.ask(server, "tiny-one", max_tokens=64)
            self.assertEqual((tiny["model"], tiny["choices"][0]["message"]["content"]), ("tiny-one", ANSWER))
            for name in ("first", "tiny-one:latest", "gpt-4"):
                self.assertEqual(self.ask(server, name)["model"], "tiny-one")
            mini = self.ask(server, "mini")
            self.assertEqual(mini["model"], "mini")
            self.assertNotEqual(mini["choices"][0]["message"]["content"], self.ask(server, "first")["choices"][0]["message"]["content"])
            self.assertEqual(self.loaded(server), ["tiny-one", "first", "mini"])
            self.assertEqual(self.ask(server, "mini:latest")["choices"], mini["choices"])
            # Every route that uses a model has the field.
            for path, body in (("/v1/completions", {"prompt": "A", "max_tokens": 1}), ("/v1/classify", {"text": "好"}),
                               ("/v1/embeddings", {"input": "A"}), ("/v1/rerank", {"query": "A", "documents": ["B"]})):
                for model in ("mini", "tiny-one"):
                    response = server.post(path, {**body, "model": model})
                    self.assertEqual((response.status, response.json().get("model")), (200, model), response.text)
            for path, body in (("/tokenize", {"text": "今天天气很好"}), ("/api/embeddings", {"prompt": "A"}),
                               ("/apply-template", {"messages": HELLO}), ("/api/embed", {"input": "A"})):
                answers = [server.post(path, {**body, "model": model}) for model in ("mini", "tiny-one")]
                self.assertEqual([answer.status for answer in answers], [200, 200])
                self.assertNotEqual(answers[0].json(), answers[1].json(), path)
            tokens = server.post("/tokenize", {"text": "今天天气很好", "model": "mini"}).json()["tokens"]
            self.assertEqual(server.post("/detokenize", {"tokens": tokens, "model": "mini"}).json()["text"], "今天天气很好")
            for path, body in (("/api/analyze", {"text": "你好", "max_tokens": 4}), ("/chat", {"prompt": "你好", "max_tokens": 4})):
                self.assertEqual(server.post(path, {**body, "model": "mini"}).status, 200)
            for path in ("/api/chat", "/api/generate"):
                answer = server.post(path, {"model": "mini", "messages": HELLO, "stream": False} if "chat" in path else
                                     {"model": "mini", "prompt": "你好", "stream": False}).json()
                self.assertEqual((answer["model"], answer["done"]), ("mini", True))
            for model in ("tiny-one", "mini"):
                self.assertEqual(server.metric("qwen_model_loaded", model=model), 1)
                self.assertEqual(server.metric("qwen_model_loads_total", model=model), 1)
                self.assertGreater(server.metric("qwen_prompt_tokens_total", model=model), 0)
                self.assertGreater(server.metric("qwen_passes_total", model=model), 0)
            self.assertEqual(server.metric("qwen_labels_total", model="mini"), 2)
            text = server.get("/metrics").text  # one header for each name
            self.assertEqual(text.count("# TYPE qwen_weight_bytes "), 1)
            self.assertEqual(server.stop(), 0)

    def test_strict(self):
        with two("--alias", "first", "--strict-model") as server:
            for name in ("tiny-one", "first", "mini", "first:latest"):
                self.ask(server, name)
            message = check_error(self, server.post(CHAT, {"messages": HELLO, "model": "gpt-4"}), 404, "model_not_found", "model")
            for name in ("tiny-one", "first", "mini"):
                self.assertIn(f'"{name}"', message)
            self.assertEqual(server.post("/api/show", {"model": "gpt-4"}).status, 404)
            check_error(self, server.get("/v1/models/gpt-4"), 404, "model_not_found", "model")

    def memory(self):
        with two() as server:
            sizes = {model["id"]: model["meta"]["memory_bytes"] for model in server.get("/v1/models").json()["data"]}
        return max(sizes.values()), sum(sizes.values())

    def test_memory_limit(self):
        largest, total = self.memory()
        limit = -(-largest // 2**20)
        self.assertLess(limit * 2**20, total)  # room for one of them only
        with two("--models-mb", str(limit), "--cache", "0") as server:
            answers = {name: self.ask(server, name)["choices"] for name in ("tiny-one", "mini")}
            self.assertEqual(self.loaded(server), ["mini"])
            for name in ("tiny-one", "mini", "tiny-one"):
                self.assertEqual(self.ask(server, name)["choices"], answers[name])
                self.assertEqual(self.loaded(server), [name])
            self.assertEqual(server.metric("qwen_model_loads_total", model="tiny-one"), 3)
            self.assertEqual(server.metric("qwen_model_loaded", model="mini"), 0)
            # A model in use is not unloaded: who needs its memory is told so, and its reply goes on.
            body = {"messages": HELLO, "model": "tiny-one", "stream": True, "max_tokens": 200, "ignore_eos": True, "n": 8}
            streams = []
            reader = threading.Thread(target=lambda: streams.append(server.post(CHAT, body)))
            reader.start()
            while reader.is_alive() and server.metric("qwen_jobs_running") == 0:
                time.sleep(0.001)
            refused = 0
            deadline = time.monotonic() + TIMEOUT
            while reader.is_alive() and time.monotonic() < deadline:
                response = server.post(CHAT, {"messages": HELLO, "model": "mini", "max_tokens": 1})
                if response.status != 503:
                    self.assertEqual(response.status, 200, response.text)
                    break
                check_error(self, response, 503, "models_in_use", "model")
                self.assertTrue(response.headers["Retry-After"])
                refused += 1
                time.sleep(0.005)
            reader.join(TIMEOUT)
            self.assertGreater(refused, 0)
            self.assertTrue(streams[0].text.endswith("data: [DONE]\n\n"), streams[0].text[-200:])
            self.ask(server, "mini")
            # Many clients at once: each is answered by its model, or told to come back.
            def client(number):
                name = ("tiny-one", "mini")[number % 2]
                while True:
                    response = server.post(CHAT, {"messages": HELLO, "temperature": 0, "max_tokens": 8, "model": name})
                    if response.status == 200:
                        return response.json()["choices"] == answers[name]
                    if response.status != 503:
                        return response.text
                    time.sleep(0.01)
            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                self.assertEqual(set(pool.map(client, range(12))), {True})
            self.assertEqual(server.stop(), 0)

    def test_removed_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "second.gguf")
            shutil.copy(MINI, path)
            with Server(*SIZES, "--model", TINY, "--model", f"second={path}", model=None) as server:
                os.remove(path)
                for _ in range(2):
                    check_error(self, server.post(CHAT, {"messages": HELLO, "model": "second"}), 503, "model_unavailable", "model")
                shutil.copy(MINI, path)
                self.assertEqual(self.ask(server, "second")["model"], "second")
                self.assertEqual(self.ask(server, "tiny")["model"], "tiny")

    def test_refused_at_start(self):
        for arguments, word in ((["--model", f"a={TINY}", "--model", f"a={MINI}"], "two models are named a"),
                                (["--model", TINY, "--model", TINY], "NAME=PATH"),
                                (["--model", f"a={TINY}", "--model", "b=/no/such/file.gguf"], "/no/such/file.gguf"),
                                (["--model", f"a b={TINY}"], "model's name"),
                                (["--model", f"={TINY}"], "model's name"),
                                (["--model", f"a={TINY}", "--model", f"b={MINI}", "--alias", "b"], "--alias b"),
                                (["--model", f"a={TINY}", "--model", f"b={MINI}", "--models-mb", "1"], "alone needs")):
            found = subprocess.run([QWEN_SERVE, "--port", "0", *SIZES, *arguments], capture_output=True, text=True,
                                   env=environment(), timeout=TIMEOUT, check=False)
            self.assertNotEqual(found.returncode, 0)
            self.assertIn(word, found.stderr)
            self.assertNotIn("ready", found.stdout)

    def test_path_with_an_equals_sign(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a=b.gguf")
            shutil.copy(TINY, path)
            with Server(*SIZES, model=path) as server:
                self.assertEqual(server.get("/v1/models").json()["data"][0]["id"], "tiny")


if __name__ == "__main__":
    unittest.main()
