#!/usr/bin/env python3
"""Measures a qwen-serve of its own through HTTP: chats at once against one at a time, a classification that comes
while chats are under way, and the time from exec to the first answer.

  serve_bench.py QWEN_SERVE MODEL [--what start|throughput|beside] [--repeats 3] [--chats 8] [--tokens 64]

Every prompt is another one and no answer is taken from a cache; the end of a turn is biased away, so that every chat
has its --tokens tokens. Prints a line of JSON for each repeat. The machine should be quiet, the file in its page cache."""
import argparse
import concurrent.futures
import http.client
import itertools
import json
import re
import statistics
import subprocess
import sys
import time

SYSTEM = "你是一个乐于助人的助手，用简短的中文回答问题。"
NUMBERS = itertools.count(100)  # so many digits in all of them


def milliseconds(seconds):
    return round(seconds * 1000, 1)


class Bench:
    def __init__(self, options):
        self.options = options
        command = [options.server, "-m", options.model, "--port", "0", "--cache", "0"]
        start = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stdout.readline().decode()
        self.ready_seconds = time.monotonic() - start
        match = re.search(r"ready: http://(\S+):(\d+) ", line)
        if not match:
            sys.exit("no ready line: " + line + self.process.communicate()[1].decode())
        self.port = int(match.group(2))
        self.ask("GET", "/health")
        self.health_seconds = time.monotonic() - start

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request(method, path, json.dumps(body).encode() if body else None)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        if response.status != 200:
            sys.exit(f"{path}: {answer}")
        return answer

    def find_ends(self):
        texts = ("<|im_end|>", "<|endoftext|>")
        ids = [self.ask("POST", "/tokenize", {"text": text, "special": True})["tokens"][0] for text in texts]
        self.bias = {str(token): -100 for token in ids}

    def chat(self, tokens):
        """Seconds until the whole answer is here."""
        start = time.monotonic()
        answer = self.ask("POST", "/v1/chat/completions", {
            "messages": [{"role": "system", "content": SYSTEM},
                         {"role": "user", "content": f"{next(NUMBERS)}。给我讲一个关于这个数字的故事。"}],
            "max_tokens": tokens, "temperature": 0.7, "seed": 1, "logit_bias": self.bias})
        if answer["usage"]["completion_tokens"] != tokens:
            sys.exit(f"a chat has {answer['usage']['completion_tokens']} tokens, not {tokens}")
        return time.monotonic() - start

    def classify(self):
        """Seconds until the label is here, and the server's own figure from the request to the label."""
        start = time.monotonic()
        answer = self.ask("POST", "/v1/classify", {"text": f"{next(NUMBERS)}号房间很脏，空调也坏了，再也不来了。"})
        return time.monotonic() - start, answer["timings"]["ttft_ms"] / 1000

    def throughput(self):
        tokens, chats = self.options.tokens, self.options.chats
        start = time.monotonic()
        for _ in range(chats):
            self.chat(tokens)
        alone = time.monotonic() - start
        start = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(chats) as pool:
            list(pool.map(lambda _: self.chat(tokens), range(chats)))
        together = time.monotonic() - start
        rate = chats * tokens
        return {"chats": chats, "tokens": tokens, "one_at_a_time_tokens_per_s": round(rate / alone, 1),
                "at_once_tokens_per_s": round(rate / together, 1), "times": round(alone / together, 2)}

    def beside(self):
        """Classifications while all but one of the chats are under way: they come one after the other, at random
        moments of a step."""
        chats = self.options.chats - 1
        alone = [self.classify()[0] for _ in range(10)]
        with concurrent.futures.ThreadPoolExecutor(chats) as pool:
            running = [pool.submit(self.chat, self.options.long_tokens) for _ in range(chats)]
            time.sleep(2)  # their prompts are computed
            found = []
            while len(found) < 20 and not any(chat.done() for chat in running):
                time.sleep(0.1 + 0.0137 * len(found))
                found.append(self.classify())
            overtaken = any(chat.done() for chat in running)
            concurrent.futures.wait(running)
        if overtaken:
            sys.exit("the chats ended before the classifications: try a larger --long-tokens")
        seen, own = zip(*found)
        return {"beside_chats": chats, "classifications": len(found), "alone_ms": milliseconds(statistics.median(alone)),
                "median_ms": milliseconds(statistics.median(seen)), "largest_ms": milliseconds(max(seen)),
                "largest_by_the_server_ms": milliseconds(max(own))}


def start(options):
    with Bench(options) as bench:
        return {"exec_to_ready_ms": milliseconds(bench.ready_seconds),
                "exec_to_first_health_ms": milliseconds(bench.health_seconds)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("server")
    parser.add_argument("model")
    parser.add_argument("--what", choices=["start", "throughput", "beside"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--chats", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--long-tokens", type=int, default=800)
    options = parser.parse_args()
    if options.what in (None, "start"):
        for _ in range(options.repeats):
            print(json.dumps(start(options)), flush=True)
    if options.what == "start":
        return
    with Bench(options) as bench:
        bench.find_ends()
        bench.chat(8)
        for name in [options.what] if options.what else ["throughput", "beside"]:
            for _ in range(options.repeats):
                print(json.dumps(getattr(bench, name)()), flush=True)


if __name__ == "__main__":
    main()
