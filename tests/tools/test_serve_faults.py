#!/usr/bin/env python3
"""qwen-serve on a system that refuses threads, connections and memory, and against clients that misuse HTTP."""
import concurrent.futures
import contextlib
import errno
import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from qwen_run import SOURCE, environment
from qwen_serve import TIMEOUT, Server, check_error

CHAT = "/v1/chat/completions"
SHORT = {"messages": [{"role": "user", "content": "你好"}], "max_tokens": 2, "temperature": 0}
SANITIZED = bool(os.environ.get("QWEN_SANITIZE"))


def wait_until(condition, seconds=TIMEOUT):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


@unittest.skipIf(SANITIZED, "a sanitizer has to be loaded first")
class TestRefusedBySystem(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.preloaded = os.path.join(cls.folder, "failing.so")
        subprocess.run([os.environ.get("CXX", "c++"), "-std=c++17", "-O1", "-shared", "-fPIC", "-o", cls.preloaded,
                        os.path.join(SOURCE, "tests", "tools", "failing_system_calls.cpp"), "-ldl"], check=True)

    def server(self, *arguments, **variables):
        return Server(*arguments, env=environment(LD_PRELOAD=self.preloaded, **variables))

    def threads(self, server):
        with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"Threads:\s+(\d+)", file.read()).group(1))

    def test_threads_that_cannot_start(self):
        with self.server("--threads", "1") as server:
            needed = self.threads(server)
        off = os.path.join(self.folder, "off")
        # The server's own threads and one more worker start.
        with self.server("--threads", "1", FAIL_THREADS=str(needed), FAIL_THREADS_OFF=off) as server:
            with concurrent.futures.ThreadPoolExecutor(16) as clients:
                answers = list(clients.map(lambda i: server.post("/tokenize", {"text": str(i)}).status, range(64)))
            self.assertEqual(answers, [200] * 64)
            stop = server.post("/tokenize", {"text": "<|im_end|><|endoftext|>", "special": True}).json()["tokens"]
            body = json.dumps({"prompt": "A", "max_tokens": 1500, "stream": True, "logit_bias": {str(id): -100 for id in stop}})
            with contextlib.ExitStack() as stack:
                for _ in range(4):  # each keeps a worker busy
                    client = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT)
                    stack.callback(client.close)
                    client.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                                   .encode())
                self.assertEqual(server.get("/health").status, 200)
                time.sleep(0.2)
            self.assertGreater(server.metric("qwen_worker_start_failures_total"), 0)
            self.assertEqual(server.post(CHAT, SHORT).status, 200)
            with open(off, "w", encoding="ascii"):
                pass
            with concurrent.futures.ThreadPoolExecutor(16) as clients:
                list(clients.map(lambda i: server.post(CHAT, {**SHORT, "seed": i, "temperature": 1}), range(32)))
            self.assertEqual(server.stop(), 0)

    def test_accept_errors_pass(self):
        passing = [errno.ECONNABORTED, errno.ENETDOWN, errno.EPROTO, errno.EHOSTUNREACH, errno.ENOBUFS, errno.ENOMEM,
                   errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENONET, errno.EOPNOTSUPP, errno.ETIMEDOUT]
        with self.server(FAIL_ACCEPT=",".join(str(error) for error in passing)) as server:
            for _ in range(2):
                self.assertEqual(server.get("/health").status, 200)
            self.assertGreaterEqual(server.metric("qwen_accept_errors_total"), 2 * len(passing))
            self.assertEqual(server.stop(), 0)

    def test_a_listener_that_is_gone_ends_the_server(self):
        server = self.server(FAIL_ACCEPT=str(errno.EBADF))
        with contextlib.suppress(OSError):
            server.raw(b"GET /health HTTP/1.1\r\n\r\n")
        self.assertEqual(server.stop(None), 1)
        self.assertIn("cannot accept connections", "".join(server.errors))


class TestConnections(unittest.TestCase):
    def test_idle_connections_use_no_threads(self):
        with Server("--connections", "200") as server, contextlib.ExitStack() as stack:
            for _ in range(100):
                client = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT)
                stack.callback(client.close)
                client.sendall(b"GET /v1/models HTTP/1.1\r\n\r\n")
                self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 200 "))
            self.assertGreaterEqual(server.metric("qwen_connections"), 100)
            self.assertLess(server.metric("qwen_worker_threads"), 10)

    def test_workers_end_when_idle(self):
        with Server("--parallel", "8") as server:
            with concurrent.futures.ThreadPoolExecutor(24) as clients:
                def ask(i):
                    return server.post(CHAT, {**SHORT, "max_tokens": 64, "temperature": 1, "seed": i}).status
                self.assertEqual(set(clients.map(ask, range(24))), {200})
            self.assertGreater(server.metric("qwen_worker_threads"), 1)
            wait_until(lambda: server.metric("qwen_worker_threads") <= 2)

    def test_slow_bodies_use_no_threads(self):
        with Server("--parallel", "1", "--queue", "1") as server, contextlib.ExitStack() as stack:
            for _ in range(60):
                client = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT)
                stack.callback(client.close)
                client.sendall(b"POST /tokenize HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
            self.assertEqual(server.post(CHAT, SHORT).status, 200)
            self.assertLess(server.metric("qwen_worker_threads"), 10)

    def test_one_client_leaves_places_for_others(self):
        keys = "first-key-123,second-key-456"
        with Server("--parallel", "1", "--queue", "7", model=None, env=environment(LIBQWEN_API_KEY=keys)) as server:
            first, second = ({"Authorization": "Bearer " + key} for key in keys.split(","))
            stop = server.post("/tokenize", {"text": "<|im_end|><|endoftext|>", "special": True}, first).json()["tokens"]
            body = json.dumps({"prompt": "A", "max_tokens": 1500, "stream": True,
                               "logit_bias": {str(id): -100 for id in stop}})
            with contextlib.ExitStack() as stack:
                for _ in range(6):
                    connection = server.connect()
                    stack.callback(connection.close)
                    connection.request("POST", "/v1/completions", body.encode(), first)
                def admitted():
                    text = server.get("/metrics", **first).text
                    return float(re.search(r"^qwen_requests_admitted (\S+)", text, re.M).group(1))
                wait_until(lambda: admitted() == 6)
                check_error(self, server.post(CHAT, SHORT, first), 503, "queue_full")
                statuses = []
                other = threading.Thread(target=lambda: statuses.append(server.post(CHAT, SHORT, second).status))
                other.start()
                wait_until(lambda: admitted() == 7 or not other.is_alive())
            other.join()
            self.assertEqual(statuses, [200])


class TestSessionMemory(unittest.TestCase):
    def test_one_budget_for_all(self):
        with Server("--session-mb", "1", "--cache", "0") as server:
            text = "很长" * 40000  # 240 kB; the prompt is cut to the context
            ids = [server.post("/chat", {"prompt": text, "max_tokens": 1}).headers["X-Session-Id"] for _ in range(12)]
            self.assertLessEqual(server.metric("qwen_session_bytes"), 1 << 20)
            self.assertEqual(server.metric("qwen_sessions"), 4)
            check_error(self, server.get("/api/sessions/" + ids[0]), 404, "session_not_found")
            self.assertEqual(len(server.get("/api/sessions/" + ids[-1]).json()["turns"]), 1)
            for _ in range(6):
                server.post("/chat", {"prompt": text, "max_tokens": 1, "session": ids[-1]})
            self.assertEqual(len(server.get("/api/sessions/" + ids[-1]).json()["turns"]), 4)
            server.ask("DELETE", "/api/sessions/" + ids[-1])
            self.assertEqual(server.metric("qwen_session_bytes"), 0)


class TestHttp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--max-body", "65536")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def ok(self, data, count=1):
        answer = self.server.raw(data)
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), count, answer[:300])
        return answer

    def test_paths(self):
        for path in (b"/v1/models/", b"//v1//models", b"/v1/models?x=1", b"/v1/%6dodels", b"http://127.0.0.1/v1/models",
                     b"HTTP://localhost:1/v1/models"):
            self.ok(b"GET " + path + b" HTTP/1.1\r\nConnection: close\r\n\r\n")
        self.ok(b"GET http://127.0.0.1 HTTP/1.1\r\nConnection: close\r\n\r\n")
        self.assertIn(b" 403 ", self.server.raw(b"GET http://evil.example/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
                                                b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"))
        for path in (b"/%zz", b"/a%00", b"/%4", b"/a#b", b"*"):
            self.assertTrue(self.server.raw(b"GET " + path + b" HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 "), path)

    def test_options_for_the_server(self):
        answer = self.server.raw(b"OPTIONS * HTTP/1.1\r\nConnection: close\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 204 "), answer)
        self.assertIn(b"Allow: GET, POST, DELETE, OPTIONS\r\n", answer)

    def test_blank_lines_before_a_request(self):
        self.ok(b"\r\n\r\nGET /health HTTP/1.1\r\n\r\n\r\nGET /health HTTP/1.1\r\nConnection: close\r\n\r\n", 2)

    def test_long_header_fields(self):
        line = b"X-Long: " + b"a" * 9000 + b"\r\n"
        self.ok(b"GET /health HTTP/1.1\r\n" + line + b"\r\nGET /health HTTP/1.1\r\nConnection: close\r\n\r\n", 2)
        self.assertEqual(self.server.raw(b"GET /health HTTP/1.1\r\n" + line * 2 + b"\r\n").count(b"HTTP/1.1 "), 1)

    def chunked(self, chunks, trailer=b""):
        body = b"".join(b"%x;note=1\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        return b"POST /tokenize HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n" + trailer + b"\r\n"

    def test_chunked_bodies(self):
        text = json.dumps({"text": "你好"}).encode()
        close = b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"
        for trailer in (b"", b"Checksum: 1\r\nOther: 2\r\n"):
            answer = self.ok(self.chunked([text[:3], text[3:]], trailer) + close, 2)
            self.assertIn(b'"tokens":[951]', answer)
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.server.port), timeout=TIMEOUT)) as client:
            for byte in self.chunked([text], b"A: b\r\n"):  # one byte at a time
                client.sendall(bytes([byte]))
            self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 200 "))
        head = b"POST /tokenize HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        for body in (b"zz\r\n", b"\r\n", b"1\r\nab\r\n", b"-1\r\n", b"1 2\r\n", b"1\nx\r\n", b"fffffffff\r\n",
                     b"1;" + b"x" * 300):
            self.assertTrue(self.server.raw(head + body).startswith(b"HTTP/1.1 400 "), body)
        self.assertTrue(self.server.raw(head + b"fffffff\r\n").startswith(b"HTTP/1.1 413 "))
        self.assertTrue(self.server.raw(head + b"0\r\n" + b"A: b\r\n" * 2000).startswith(b"HTTP/1.1 413 "))

    def test_gzip(self):
        body = gzip.compress(json.dumps({"text": "你好"}).encode())
        for encoding in ("gzip", "x-gzip", "GZIP"):
            answer = self.server.post("/tokenize", body, {"Content-Encoding": encoding})
            self.assertEqual((answer.status, answer.json()["tokens"]), (200, [951]))
        check_error(self, self.server.post("/tokenize", body[:-9], {"Content-Encoding": "gzip"}), 400, "bad_request")
        check_error(self, self.server.post("/tokenize", body + b"x", {"Content-Encoding": "gzip"}), 400, "bad_request")
        bomb = gzip.compress(b"x" * 10_000_000)
        self.assertLess(len(bomb), 65536)
        check_error(self, self.server.post("/tokenize", bomb, {"Content-Encoding": "gzip"}), 413, "body_too_large")
        check_error(self, self.server.post("/tokenize", body, {"Content-Encoding": "br"}), 415, "unsupported_media_type")

    def test_many_requests_in_one_packet(self):
        self.ok(b"GET /health HTTP/1.1\r\n\r\n" * 300 + b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", 301)

    def test_body_that_ends_early(self):
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.server.port), timeout=TIMEOUT)) as client:
            client.sendall(b"POST /tokenize HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
            client.shutdown(socket.SHUT_WR)
            self.assertIn(b"incomplete_body", client.recv(4096))

    def test_half_closed_client_still_gets_its_answer(self):
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.server.port), timeout=TIMEOUT)) as client:
            client.sendall(b"GET /v1/models HTTP/1.1\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            self.assertTrue(client.recv(4096).startswith(b"HTTP/1.1 200 "))


class TestSafety(unittest.TestCase):
    def test_hosts(self):
        with Server("--allowed-host", "qwen.example") as server:
            for host in ("localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "app.localhost", "10.0.0.7",
                         "qwen.example", "QWEN.example:80", "qwen.example."):
                self.assertEqual(server.get("/health", Host=host).status, 200, host)
            for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evillocalhost", "1.2.3",
                         "qwen.example.evil"):
                check_error(self, server.get("/health", Host=host), 403, "host_not_allowed")
            self.assertIn(b"200 OK", server.raw(b"GET /health HTTP/1.0\r\n\r\n"))

    def test_preflight(self):
        with Server("--cors", "https://app.example") as server:
            asked = "authorization,content-type,x-stainless-os"
            ask = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST",
                   "Access-Control-Request-Headers": asked, "Access-Control-Request-Private-Network": "true"}
            answer = server.ask("OPTIONS", CHAT, headers=ask)
            self.assertEqual(answer.status, 204)
            self.assertEqual(answer.headers["Access-Control-Allow-Headers"], asked)
            self.assertEqual(answer.headers["Access-Control-Allow-Private-Network"], "true")
            stranger = server.ask("OPTIONS", CHAT, headers={**ask, "Origin": "https://evil.example"})
            check_error(self, stranger, 403, "origin_not_allowed")
            self.assertIsNone(stranger.headers["Access-Control-Allow-Private-Network"])


if __name__ == "__main__":
    unittest.main()
