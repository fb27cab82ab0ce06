#!/usr/bin/env python3
"""/v1/embeddings, /v1/rerank and Ollama's /api/embed and /api/embeddings of qwen-serve."""
import base64
import json
import struct
import threading
import unittest

from qwen_run import run
from qwen_serve import Server

TEXTS = ["hello", "天气很好", "hello world"]


class TestEmbeddings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--alias", "mine:latest")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0
        assert not [line for line in cls.server.errors if "unforeseen" in line], cls.server.errors

    def good(self, path, **body):
        response = self.server.post(path, body)
        self.assertEqual(response.status, 200, response.text)
        return response.json()

    def vectors(self, **body):
        found = self.good("/v1/embeddings", **body)
        self.assertEqual(found["object"], "list")
        self.assertEqual([item["index"] for item in found["data"]], list(range(len(found["data"]))))
        self.assertEqual(found["usage"]["prompt_tokens"], found["usage"]["total_tokens"])
        self.assertGreater(found["usage"]["prompt_tokens"], 0)
        return [item["embedding"] for item in found["data"]]

    def refused(self, status, param, path="/v1/embeddings", **body):
        response = self.server.post(path, body)
        self.assertEqual(response.status, status, response.text)
        error = response.json()["error"]
        if path.startswith("/v1"):
            self.assertEqual(error["param"], param, error)
            self.assertEqual(error["type"], "invalid_request_error")
        else:
            self.assertIn(param, error)

    def test_inputs(self):
        many = self.vectors(input=TEXTS, model="any", user="me")
        printed = run("embed", stdin="".join(text + "\n" for text in TEXTS)).stdout.splitlines()
        self.assertEqual(many, [json.loads(line)["embedding"] for line in printed])
        ids = [self.good("/tokenize", text=text)["tokens"] for text in TEXTS]
        self.assertEqual(self.vectors(input=ids), many)
        for text, tokens, vector in zip(TEXTS, ids, many):
            self.assertEqual(self.vectors(input=text), [vector])
            self.assertEqual(self.vectors(input=tokens), [vector])
        self.assertEqual(len(self.vectors(input=["hello"] * 300)), 300)

    def test_options(self):
        whole, = self.vectors(input="hello", normalize=False)
        self.assertEqual(self.vectors(input="hello", dimensions=3, normalize=False), [whole[:3]])
        packed, = self.vectors(input="hello", encoding_format="base64", normalize=False)
        raw = base64.b64decode(packed, validate=True)
        self.assertEqual(struct.unpack(f"<{len(whole)}f", raw), struct.unpack(f"<{len(whole)}f", struct.pack(f"<{len(whole)}f", *whole)))
        for count in (1, 2, 3):  # each length of base64's padding
            packed, = self.vectors(input="hello", encoding_format="base64", normalize=False, dimensions=count)
            self.assertEqual(len(packed) % 4, 0)
            self.assertEqual(base64.b64decode(packed, validate=True), raw[:4 * count])
        self.assertEqual(self.vectors(input="hello", instruction="Find."), self.vectors(input="Instruct: Find.\nQuery:hello"))

    def test_refused(self):
        self.refused(400, "input")
        for value in ([], 1, {}, "", [""], [[]], [1, "a"], ["a", [1]], [[1], "a"], [-1], [10 ** 9], [10 ** 12], [1.5], [["a"]], [None],
                      ["a"] * 2049):
            self.refused(400, "input", input=value)
        self.refused(400, "input", input="x y z " * 20000)
        self.refused(400, "dimensions", input="a", dimensions=0)
        self.refused(400, "dimensions", input="a", dimensions=10 ** 6)
        self.refused(400, "encoding_format", input="a", encoding_format="int8")
        self.refused(400, "instruction", input=[1], instruction="a")
        self.refused(400, "color", input="a", color=1)
        self.assertEqual(self.server.get("/v1/embeddings").status, 405)

    def test_truncate(self):
        long = "x y z " * 20000
        self.assertEqual(len(self.vectors(input=long, truncate=True)), 1)
        self.assertEqual(self.good("/api/embed", model="m", input=long)["embeddings"], self.vectors(input=long, truncate=True))
        self.refused(400, "tokens", path="/api/embed", model="m", input=long, truncate=False)

    def test_rerank(self):
        found = self.good("/v1/rerank", query="weather?", documents=TEXTS, model="any")["results"]
        self.assertEqual(sorted(item["index"] for item in found), [0, 1, 2])
        scores = [item["relevance_score"] for item in found]
        self.assertEqual(scores, sorted(scores, reverse=True))
        printed = run("rerank", "--query", "weather?", stdin="".join(text + "\n" for text in TEXTS)).stdout.splitlines()
        self.assertEqual([(line["index"], line["score"]) for line in map(json.loads, printed)],
                         [(item["index"], item["relevance_score"]) for item in found])
        best = self.good("/v1/rerank", query="weather?", documents=[{"text": text} for text in TEXTS], top_n=1,
                         return_documents=True)["results"]
        self.assertEqual(best, [{**found[0], "document": {"text": TEXTS[found[0]["index"]]}}])
        path = "/v1/rerank"
        self.refused(400, "query", path=path, documents=["a"])
        self.refused(400, "documents", path=path, query="a")
        for documents in ([], "a", [1], [{"txt": "a"}], [None]):
            self.refused(400, "documents", path=path, query="a", documents=documents)
        self.refused(400, "documents", path=path, query="a", documents=["x y z " * 20000])
        self.refused(400, "top_n", path=path, query="a", documents=["a"], top_n=0)

    def test_ollama(self):
        answer = self.good("/api/embed", model="mine:latest", input=TEXTS, keep_alive="5m", options={})
        self.assertEqual(answer["embeddings"], self.vectors(input=TEXTS))
        self.assertEqual(answer["model"], "mine:latest")
        self.assertGreater(answer["prompt_eval_count"], 0)
        self.assertEqual(self.good("/api/embed", model="m", input="hello", dimensions=3)["embeddings"],
                         self.vectors(input="hello", dimensions=3))
        self.assertEqual(self.good("/api/embed", model="m", input=[])["embeddings"], [])
        self.refused(400, "input is missing", path="/api/embed", model="m")
        for text in ("hello", "x y z " * 20000):  # the old form: not normalized, and truncated
            self.assertEqual(self.good("/api/embeddings", model="m", prompt=text, keep_alive=0, options={}),
                             {"embedding": self.vectors(input=text, normalize=False, truncate=True)[0]})
        self.assertEqual(self.good("/api/embeddings", model="m"), {"embedding": []})
        self.assertEqual(self.good("/api/embeddings", model="m", prompt=""), {"embedding": []})
        self.refused(400, "model is missing", path="/api/embeddings", prompt="a")
        self.refused(400, "prompt", path="/api/embeddings", model="m", prompt=["a"])
        self.refused(400, "input", path="/api/embeddings", model="m", input="a")
        self.refused(400, "model is missing", path="/api/embed", input="a")
        self.refused(400, "input[0]", path="/api/embed", model="m", input=[1])

    def test_together_with_replies(self):
        expected = self.vectors(input=TEXTS)
        found = []
        chats = [threading.Thread(target=self.good, args=("/v1/chat/completions",),
                                  kwargs={"messages": [{"role": "user", "content": "你好"}]}) for _ in range(3)]
        for chat in chats:
            chat.start()
        for _ in range(5):
            found.append(self.vectors(input=TEXTS))
        for chat in chats:
            chat.join()
        self.assertEqual(found, [expected] * 5)

    def test_batches_leave_room_for_admitted_requests(self):
        # A request that was admitted is never refused by the engine's queue, however many texts the others have.
        with Server("--parallel", "4", "--queue", "8") as server:
            ended = threading.Event()
            statuses = set()

            def crowd(number):
                texts = [f"{number} {i} " + "hello " * 20 for i in range(64)]
                while not ended.is_set():
                    statuses.add(server.post("/v1/embeddings", {"input": texts}).status)

            threads = [threading.Thread(target=crowd, args=(number,)) for number in range(7)]
            for thread in threads:
                thread.start()
            try:
                answers = [server.post("/api/analyze", {"text": f"{i}", "max_tokens": 4}) for i in range(12)]
            finally:
                ended.set()
                for thread in threads:
                    thread.join()
            for answer in answers:
                self.assertEqual(answer.status, 200, answer.text)
                self.assertIn("event: done", answer.text)
            self.assertEqual(statuses, {200})


if __name__ == "__main__":
    unittest.main()
