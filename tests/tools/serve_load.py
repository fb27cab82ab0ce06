#!/usr/bin/env python3
"""Loads a qwen-serve with clients that use every route, leave early and send garbage, and checks what it does.

  serve_load.py --url http://127.0.0.1:8080 --seconds 60 --clients 64 [--pid PID] [--key KEY]

Every accepted request must be answered whole, every refused one told so, and with --pid the process's resident
memory must stay within 5 % of what it was after --warm-up seconds (a quarter of the time); its curve is shown, in MB
every ten seconds. Exit code 0 if all holds."""
import argparse
import collections
import gzip
import http.client
import json
import random
import socket
import sys
import threading
import time
import urllib.parse

TEXTS = ["今天的实验终于成功了，太棒了！", "房间很脏，空调也坏了，再也不来了。", "你好", "给我讲个故事", "快递三天了还没到"]
REFUSALS = {429, 503}
GARBAGE = [b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9\r\n\r\n", b"POST /chat HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
           b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 3\r\n\r\n{{{", b"\r\n\r\n\r\n", b"A" * 20000,
           b"POST /chat HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]


PAGES = ["/", "/docs", "/openapi.json", "/health", "/metrics", "/v1/models", "/api/info", "/api/tags", "/api/ps", "/api/version"]


class Client(threading.Thread):
    def __init__(self, options, number, deadline):
        super().__init__(daemon=True)
        self.options, self.deadline = options, deadline
        self.random = random.Random(number)
        self.counts = collections.Counter()
        self.problems = []

    def run(self):
        while time.monotonic() < self.deadline and len(self.problems) < 3:
            what = self.random.choice([self.chat, self.chat, self.stream, self.stream, self.classify, self.classify, self.labels,
                                       self.analyze, self.plain, self.leave, self.leave, self.garbage, self.wrong, self.completion,
                                       self.embeddings, self.rerank, self.ollama, self.ollama_vectors, self.form, self.tokens,
                                       self.page])
            try:
                what()
            except (OSError, http.client.HTTPException) as error:
                self.problems.append(f"{what.__name__}: {type(error).__name__}: {error}")

    def open(self, path, body):
        connection = http.client.HTTPConnection(self.options.host, self.options.port, timeout=120)
        headers = {"Authorization": "Bearer " + self.options.key} if self.options.key else {}
        data = None if body is None else json.dumps(body).encode()
        if data and self.random.random() < 0.1:
            headers["Content-Encoding"], data = "gzip", gzip.compress(data)
        connection.request("POST" if data else "GET", path, data, headers)
        return connection

    def post(self, name, path, body, good=200):
        """The answer's text, or None where the server was busy and said so."""
        connection = self.open(path, body)
        try:
            response = connection.getresponse()
            text = response.read().decode()  # IncompleteRead where the body is cut off
        finally:
            connection.close()
        if response.status in REFUSALS:
            self.counts["refused"] += 1
            if "error" not in json.loads(text) or not response.headers["Retry-After"]:
                self.problems.append(f"{name}: refused without a word: {text[:200]}")
            time.sleep(0.05)
            return None
        self.counts[name] += 1
        if response.status != good:
            self.problems.append(f"{name}: {response.status} {text[:200]}")
        return text

    def fields(self):
        return {"max_tokens": self.random.randrange(1, 48), "temperature": self.random.choice([0, 0.7, 1.2])}

    def messages(self):
        return [{"role": "user", "content": self.random.choice(TEXTS) + str(self.random.randrange(50))}]

    def chat(self):
        text = self.post("chat", "/v1/chat/completions", {"messages": self.messages(), **self.fields()})
        if text and json.loads(text)["choices"][0]["finish_reason"] not in ("stop", "length"):
            self.problems.append("chat: " + text[:200])

    def stream(self):
        text = self.post("stream", "/v1/chat/completions",
                         {"messages": self.messages(), "stream": True, "n": self.random.choice([1, 1, 2]), **self.fields()})
        if text and not text.endswith("data: [DONE]\n\n"):
            self.problems.append("stream without its end: " + text[-200:])

    def classify(self):
        text = self.post("classify", "/v1/classify", {"text": self.random.choice(TEXTS) + str(self.random.randrange(500))})
        if text and abs(sum(json.loads(text)["probabilities"].values()) - 1) > 1e-6:
            self.problems.append("classify: " + text[:200])

    def labels(self):
        self.post("labels", "/v1/classify", {"texts": TEXTS, "labels": ["好", "坏", str(self.random.randrange(40))]})

    def analyze(self):
        text = self.post("analyze", "/api/analyze", {"text": self.random.choice(TEXTS), **self.fields()})
        if text and "event: done" not in text:
            self.problems.append("analyze without its end: " + text[-200:])

    def plain(self):
        self.post("plain", "/chat", {"prompt": self.random.choice(TEXTS), **self.fields()})

    def completion(self):
        body = {"prompt": [self.random.choice(TEXTS), "A"], "logprobs": 2, "echo": self.random.random() < 0.5, **self.fields()}
        text = self.post("completion", "/v1/completions", body)
        if text and len(json.loads(text)["choices"]) != 2:
            self.problems.append("completion: " + text[:200])

    def embeddings(self):
        texts = [self.random.choice(TEXTS) + str(self.random.randrange(500)) for _ in range(self.random.randrange(1, 20))]
        text = self.post("embeddings", "/v1/embeddings", {"input": texts, "dimensions": self.random.choice([None, 8])})
        if text and len(json.loads(text)["data"]) != len(texts):
            self.problems.append("embeddings: " + text[:200])

    def rerank(self):
        text = self.post("rerank", "/v1/rerank", {"query": self.random.choice(TEXTS), "documents": TEXTS})
        if text and len(json.loads(text)["results"]) != len(TEXTS):
            self.problems.append("rerank: " + text[:200])

    def ollama(self):
        options = {"num_predict": self.random.randrange(1, 48)}
        if self.random.random() < 0.5:
            text = self.post("ollama", "/api/chat", {"model": "any", "messages": self.messages(), "options": options})
        else:
            text = self.post("ollama", "/api/generate", {"model": "any", "prompt": self.random.choice(TEXTS), "options": options})
        if text and json.loads(text.splitlines()[-1]).get("done") is not True:
            self.problems.append("ollama without its end: " + text[-200:])

    def ollama_vectors(self):
        self.post("ollama_vectors", "/api/embed", {"model": "any", "input": TEXTS})
        self.post("ollama_vectors", "/api/embeddings", {"model": "any", "prompt": self.random.choice(TEXTS)})

    def form(self):
        schema = {"type": "object", "properties": {"mood": {"enum": ["好", "坏", str(self.random.randrange(40))]}}, "required": ["mood"]}
        form = {"type": "json_schema", "json_schema": {"name": "mood", "schema": schema}}
        text = self.post("form", "/v1/chat/completions", {"messages": self.messages(), "response_format": form, "max_tokens": 40})
        choice = json.loads(text)["choices"][0] if text else {"finish_reason": "length"}
        if choice["finish_reason"] == "stop" and "mood" not in json.loads(choice["message"]["content"]):
            self.problems.append("form: " + text[:200])

    def tokens(self):
        text = self.post("tokens", "/tokenize", {"text": self.random.choice(TEXTS)})
        if text:
            self.post("tokens", "/detokenize", {"tokens": json.loads(text)["tokens"]})
        self.post("tokens", "/apply-template", {"messages": self.messages()})

    def page(self):
        self.post("page", self.random.choice(PAGES), None)

    def wrong(self):
        self.post("wrong", "/v1/chat/completions", {"messages": self.messages(), "temperature": "hot"}, 400)

    def leave(self):
        body = {"messages": self.messages(), "stream": self.random.random() < 0.5, "max_tokens": 400, "temperature": 1}
        connection = self.open("/v1/chat/completions", body)
        time.sleep(self.random.random() * 0.2)
        connection.close()
        self.counts["left"] += 1

    def garbage(self):
        client = socket.create_connection((self.options.host, self.options.port), timeout=30)
        try:
            client.sendall(self.random.choice(GARBAGE))
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):
                pass
        except ConnectionError:
            pass  # a server may well hang up on garbage
        finally:
            client.close()
        self.counts["garbage"] += 1


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def run(url, seconds, clients, pid=None, key="", warm_up=None, memory_limit=1.05):
    """The counts, the process's memory every ten seconds, and what was wrong."""
    warm_up = seconds / 4 if warm_up is None else warm_up
    parts = urllib.parse.urlsplit(url)
    options = argparse.Namespace(host=parts.hostname, port=parts.port, key=key)
    start = time.monotonic()
    threads = [Client(options, number, start + seconds) for number in range(clients)]
    for thread in threads:
        thread.start()
    curve, warm, highest = [], 0, 0
    while time.monotonic() < start + seconds:
        time.sleep(min(0.25, seconds / 20))
        if not pid:
            continue
        now = resident(pid)
        if time.monotonic() > start + 10 * len(curve):
            curve.append(round(now / 2**20, 1))
        if time.monotonic() > start + warm_up:
            warm = warm or now
            highest = max(highest, now)
    problems = []
    for thread in threads:
        thread.join(180)
        if thread.is_alive():
            problems.append("a client got no answer in three minutes")
    counts = sum((thread.counts for thread in threads), collections.Counter())
    problems += [problem for thread in threads for problem in thread.problems]
    if highest > warm * memory_limit:
        problems.append(f"memory grew from {warm / 2**20:.1f} to {highest / 2**20:.1f} MB")
    return counts, curve, problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--pid", type=int)
    parser.add_argument("--warm-up", type=float)
    parser.add_argument("--key", default="")
    options = parser.parse_args()
    counts, curve, problems = run(options.url, options.seconds, options.clients, options.pid, options.key, options.warm_up)
    print(json.dumps({**dict(sorted(counts.items())), "resident_mb": curve}))
    for problem in problems[:20]:
        print("PROBLEM:", problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
