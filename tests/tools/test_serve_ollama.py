#!/usr/bin/env python3
"""Ollama's API of qwen-serve."""
import json
import unittest

from qwen_serve import ANSWER, Server

MESSAGES = [{"role": "user", "content": "你好", "images": [], "tool_calls": None}]


class TestOllama(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--alias", "mine:latest")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0
        assert not [line for line in cls.server.errors if "unforeseen" in line], cls.server.errors

    def post(self, path, **fields):
        return self.server.post(path, {"model": "mine:latest", **fields})

    def lines(self, response):
        self.assertEqual(response.status, 200, response.text)
        self.assertEqual(response.headers["Content-Type"], "application/x-ndjson")
        self.assertTrue(response.text.endswith("\n"))
        return [json.loads(line) for line in response.text.splitlines()]

    def refused(self, response, status, word):
        self.assertEqual(response.status, status, response.text)
        self.assertEqual(list(response.json()), ["error"])
        self.assertIn(word, response.json()["error"])

    def test_models(self):
        self.assertRegex(self.server.get("/api/version").json()["version"], r"^\d+\.\d+\.\d+")
        tags = self.server.get("/api/tags").json()["models"]
        self.assertEqual(tags[1]["name"], "mine:latest")
        self.assertEqual(tags[0]["details"]["format"], "gguf")
        self.assertEqual(len(self.server.get("/api/ps").json()["models"]), 2)
        shown = self.post("/api/show").json()
        self.assertIn("completion", shown["capabilities"])
        self.assertIn("general.architecture", shown["model_info"])
        self.refused(self.server.post("/api/show", {}), 400, "model is missing")

    def test_chat(self):
        options = {"temperature": 0, "num_ctx": 4096, "num_thread": 2}
        *pieces, last = self.lines(self.post("/api/chat", messages=MESSAGES, options=options))
        self.assertEqual("".join(line["message"]["content"] for line in pieces), ANSWER)
        self.assertTrue(all(line["done"] is False and line["model"] == "mine:latest" for line in pieces))
        self.assertEqual((last["done"], last["done_reason"], last["message"]["content"]), (True, "stop", ""))
        whole = self.post("/api/chat", messages=MESSAGES, options=options, stream=False, keep_alive="5m", think=False,
                          format="").json()
        self.assertEqual(whole["message"], {"role": "assistant", "content": ANSWER})
        self.assertEqual((whole["eval_count"], whole["prompt_eval_count"]),
                         (last["eval_count"], last["prompt_eval_count"]))
        self.assertGreater(whole["total_duration"], 0)
        short = self.post("/api/chat", messages=MESSAGES, options={"num_predict": 2, "stop": []}, stream=False).json()
        self.assertEqual((short["eval_count"], short["done_reason"]), (2, "length"))
        stopped = self.post("/api/chat", messages=MESSAGES, options={"temperature": 0, "stop": ["，"]}, stream=False)
        self.assertEqual(stopped.json()["message"]["content"], ANSWER.split("，")[0])
        self.assertEqual(self.post("/api/chat", messages=[]).json()["done_reason"], "load")

    def test_generate(self):
        *pieces, last = self.lines(self.post("/api/generate", prompt="你好", options={"temperature": 0}))
        self.assertEqual("".join(line["response"] for line in pieces), ANSWER)
        self.assertEqual(last["done_reason"], "stop")
        raw = self.post("/api/generate", prompt="A", raw=True, stream=False, options={"temperature": 0, "num_predict": 5})
        self.assertEqual(raw.json()["response"], "BCDEF")
        with_system = self.post("/api/generate", prompt="你好", system="A", stream=False, options={"num_predict": 1}).json()
        self.assertNotEqual(with_system["prompt_eval_count"], last["prompt_eval_count"])
        self.assertEqual(self.post("/api/generate", prompt="").json()["done_reason"], "load")

    def test_refused(self):
        for field, value in (("format", "xml"), ("format", {"uniqueItems": True}), ("tools", [{}]), ("think", "high")):
            self.refused(self.post("/api/chat", messages=MESSAGES, **{field: value}), 400, field)
        for field, value in (("suffix", "x"), ("images", ["aa"]), ("template", "x"), ("context", [1])):
            self.refused(self.post("/api/generate", prompt="A", **{field: value}), 400, field)
        self.refused(self.post("/api/chat", messages=MESSAGES, options={"mirostat": 2}), 400, "options.mirostat")
        self.refused(self.post("/api/chat", messages=MESSAGES, options={"temprature": 2}), 400, "options.temprature")
        self.refused(self.post("/api/chat", messages=[{"role": "wizard", "content": "x"}]), 400, "messages[0].role")
        self.refused(self.server.post("/api/chat", {"messages": MESSAGES}), 400, "model is missing")
        self.refused(self.server.post("/api/chat", b"{"), 400, "not JSON")
        for path in ("/api/pull", "/api/push", "/api/create", "/api/copy"):
            self.refused(self.post(path), 501, path)
        self.refused(self.server.ask("DELETE", "/api/delete", {"model": "x"}), 501, "/api/delete")


if __name__ == "__main__":
    unittest.main()
