#!/usr/bin/env python3
"""qwen-serve is killed in the middle of its work and started again on the same configuration, folders and port."""
import contextlib
import http.client
import json
import os
import signal
import socket
import tempfile
import threading
import time
import unittest

from qwen_serve import TIMEOUT, Server

HELLO = [{"role": "user", "content": "你好"}]
CHAT = "/v1/chat/completions"


def has_unnamed_files(folder):
    """Whether the file system can hold what is written and has no name yet: only there nothing is left of it."""
    try:
        os.close(os.open(folder, os.O_WRONLY | os.O_TMPFILE, 0o600))
    except OSError:
        return False
    return True


class TestRestart(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = os.path.join(folder.name, "access.log")
        self.prefixes = os.path.join(folder.name, "prefixes")
        self.config = os.path.join(folder.name, "config.yaml")
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(f"prefix_cache: {self.prefixes}\naccess_log: {self.log}\nparallel: 4\n")

    def start(self, port=0):
        return Server("--config", self.config, model=None, port=port)

    def check_names(self):
        names = sorted(os.listdir(self.prefixes))
        if has_unnamed_files(self.prefixes):
            self.assertTrue(all(name.endswith(".kv") for name in names), names)
        return [name for name in names if name.endswith(".kv")]

    def check_log(self):
        with open(self.log, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        self.assertTrue(lines)
        self.assertTrue(all(line["status"] == 200 for line in lines), lines)

    def stream(self, server):
        """A stream whose first tokens have come, and whose last ones are far away."""
        client = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT)
        self.addCleanup(client.close)
        ends = [server.post("/tokenize", {"text": text, "special": True}).json()["tokens"][0]
                for text in ("<|im_end|>", "<|endoftext|>")]
        body = json.dumps({"messages": HELLO, "stream": True, "max_tokens": 2000, "temperature": 1,
                           "logit_bias": {str(token): -100 for token in ends}}).encode()
        client.sendall(b"POST %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (CHAT.encode(), len(body), body))
        received = b""
        while received.count(b"data: ") < 3:
            part = client.recv(65536)
            self.assertTrue(part, received)
            received += part
        self.assertNotIn(b"[DONE]", received)
        return client

    @staticmethod
    def classify(server, outcomes):
        """More texts than are done before the end."""
        texts = [f"{number} " + "房间很脏，空调也坏了，再也不来了。" * 8 for number in range(256)]
        try:
            outcomes.append(server.post("/v1/classify", {"texts": texts}).status)
        except (OSError, http.client.HTTPException) as error:
            outcomes.append(error)

    def check_answers(self, server):
        self.assertEqual(server.post(CHAT, {"messages": HELLO, "max_tokens": 4}).status, 200)
        found = server.post("/v1/classify", {"text": "今天的实验终于成功了，太棒了！"})
        self.assertEqual((found.status, found.json()["label"]), (200, "正面"))

    def test_killed_while_it_answers(self):
        port = 0
        for _ in range(3):
            server = self.start(port)
            port = server.port
            self.check_answers(server)
            streams = [self.stream(server) for _ in range(3)]
            outcomes = []
            thread = threading.Thread(target=self.classify, args=(server, outcomes))
            thread.start()
            while server.metric("qwen_requests_admitted") < 4:
                self.assertTrue(thread.is_alive(), outcomes)
            self.assertEqual(server.stop(signal.SIGKILL), -signal.SIGKILL)
            thread.join(TIMEOUT)
            for client in streams:  # they learn that nobody answers any more
                received = b""
                with contextlib.suppress(ConnectionResetError):
                    while part := client.recv(65536):
                        received += part
                self.assertNotIn(b"[DONE]", received)
                client.close()
            self.assertIsInstance(outcomes[0], (OSError, http.client.HTTPException))
            self.check_files()
            self.check_log()
        with self.start(port) as server:
            self.assertEqual(server.port, port)
            self.check_answers(server)

    def check_files(self):
        """What is in the prefix folder is whole: a server that finds it need not compute it."""
        files = self.check_names()
        self.assertTrue(files)
        before = {name: os.stat(os.path.join(self.prefixes, name)).st_ino for name in files}
        with Server("--prefix-cache", self.prefixes, model=None) as server:
            self.check_answers(server)
        after = {name: os.stat(os.path.join(self.prefixes, name)).st_ino for name in files}
        self.assertEqual(after, before)  # a damaged file would have been replaced by a new one

    def test_killed_while_it_starts(self):
        for number in range(24):
            server = self.start()
            time.sleep(number / 400)  # somewhere between the first line and the end of the warm-up
            server.stop(signal.SIGKILL)
            for name in self.check_names():
                os.remove(os.path.join(self.prefixes, name))
        with self.start() as server:
            self.check_answers(server)
        self.check_files()

    def test_a_torn_line_spoils_no_other(self):
        with open(self.log, "w", encoding="utf-8") as file:
            file.write('{"whole": true}\n{"time": "2026-01-31T12:0')
        with self.start() as server:
            self.check_answers(server)
        with self.start():
            pass
        with open(self.log, encoding="utf-8") as file:
            lines = file.read().splitlines()
        self.assertEqual(lines[:2], ['{"whole": true}', '{"time": "2026-01-31T12:0'])
        self.assertEqual([json.loads(line)["path"] for line in lines[2:]], [CHAT, "/v1/classify"])


if __name__ == "__main__":
    unittest.main()
