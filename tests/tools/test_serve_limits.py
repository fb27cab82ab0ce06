#!/usr/bin/env python3
"""What qwen-serve refuses, how it ends, and what it tells about it."""
import contextlib
import gzip
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

from qwen_run import environment
from qwen_serve import QWEN_SERVE, TIMEOUT, TINY, Server, check_error, parse_events

HELLO = [{"role": "user", "content": "你好"}]
CHAT = "/v1/chat/completions"
SHORT = {"messages": HELLO, "max_tokens": 1}
ONE_PLACE = ("--parallel", "1", "--queue", "15")


def long_request(server, **fields):
    """Seconds of work for a server with one place: it ends by itself, but not soon."""
    ends = [server.post("/tokenize", {"text": text, "special": True}).json()["tokens"][0]
            for text in ("<|im_end|>", "<|endoftext|>")]
    return {"prompt": "今天", "n": 16, "max_tokens": 1000, "temperature": 1.5, "logprobs": 20,
            "logit_bias": {str(token): -100 for token in ends}, **fields}


def wait_until(condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("did not come true")
        time.sleep(0.02)


def request_bytes(path, body, *headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(data)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + data


def temporary_file(test, text):
    handle, path = tempfile.mkstemp()
    test.addCleanup(os.remove, path)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return path


def fails_to_start(*arguments, env=None):
    port = [] if "--port" in arguments else ["--port", "0"]
    result = subprocess.run([QWEN_SERVE, *port, *arguments], capture_output=True, timeout=TIMEOUT,
                            env=env or environment())
    return result.returncode, result.stderr.decode()


class TestKeys(unittest.TestCase):
    def test_keys(self):
        path = temporary_file(self, "# ours\nfirst-key-123\n\n  second-key-456  \n")
        with Server("--api-key-file", path, env=environment(LIBQWEN_API_KEY="third-key-789,fourth-key-0")) as server:
            for path in ("/", "/health", "/ready", "/web/index.html"):
                self.assertEqual(server.get(path).status, 200, path)
            for path in ("/v1/models", "/api/info", "/metrics", "/api/sessions/x"):
                refused = server.get(path)
                check_error(self, refused, 401, "invalid_api_key")
                self.assertEqual(refused.headers["WWW-Authenticate"], "Bearer")
            for key in ("first-key-123", "second-key-456", "third-key-789", "fourth-key-0"):
                self.assertEqual(server.get("/v1/models", Authorization="Bearer " + key).status, 200, key)
            for header in ("Bearer first-key-12", "Bearer first-key-1234", "Bearer ", "Basic first-key-123",
                           "first-key-123", "Bearer # ours"):
                check_error(self, server.get("/v1/models", Authorization=header), 401, "invalid_api_key")
            check_error(self, server.post(CHAT, SHORT), 401, "invalid_api_key")
            self.assertTrue(server.get("/api/info", Authorization="Bearer first-key-123").json()["auth"])

    def test_bad_keys_stop_the_start(self):
        for text in ("", "# nothing\n", "short\n", "two words here\n"):
            code, errors = fails_to_start("--api-key-file", temporary_file(self, text))
            self.assertEqual((code, errors.count("\n")), (1, 1), errors)
        self.assertEqual(fails_to_start("--api-key-file", "/nonexistent")[0], 1)


class TestRefusals(unittest.TestCase):
    def test_rate(self):
        with Server("--rate", "3") as server:
            statuses = [server.post(CHAT, SHORT).status for _ in range(3)]
            self.assertEqual(statuses, [200] * 3)
            refused = server.post("/v1/classify", {"text": "x"})
            check_error(self, refused, 429, "rate_limit_exceeded")
            self.assertTrue(1 <= int(refused.headers["Retry-After"]) <= 20)
            self.assertEqual(server.get("/v1/models").status, 200)  # costs nothing

    def test_queue(self):
        with Server("--parallel", "1", "--queue", "0", model=None) as server:
            self.assertEqual(server.post(CHAT, SHORT).status, 200)
            self.assertEqual(len(server.post(CHAT, {**SHORT, "n": 3}).json()["choices"]), 3)  # one after the other
            with contextlib.closing(server.connect()) as long:
                long.request("POST", "/v1/completions", json.dumps(long_request(server, stream=True)).encode())
                wait_until(lambda: server.metric("qwen_requests_admitted") == 1)
                refused = server.post(CHAT, SHORT)
                check_error(self, refused, 503, "queue_full")
                self.assertGreaterEqual(int(refused.headers["Retry-After"]), 1)
            wait_until(lambda: server.metric("qwen_requests_admitted") == 0)
            self.assertEqual(server.post(CHAT, SHORT).status, 200)

    def test_sizes(self):
        with Server("--max-body", "2048", "--max-prompt", "100") as server:
            big = {"messages": [{"role": "user", "content": "x" * 3000}]}
            check_error(self, server.post(CHAT, big), 413, "body_too_large")
            chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
            answer = server.raw(b"POST %s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" % CHAT.encode() + chunk * 4)
            self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer[:200])
            self.assertIn(b"Connection: close", answer)
            check_error(self, server.post(CHAT, {"messages": [{"role": "user", "content": "A" * 200}]}), 400,
                        "context_length_exceeded")
            check_error(self, server.post("/v1/completions", {"prompt": list(range(101))}), 400,
                        "context_length_exceeded", "prompt")
            check_error(self, server.post("/v1/classify", {"text": "A" * 200}), 400, "context_length_exceeded", "text")
            chunked = json.dumps(SHORT).encode()
            answer = server.raw(b"POST %s HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                                b"%x\r\n%b\r\n0\r\n\r\n" % (CHAT.encode(), len(chunked), chunked))
            self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer[:200])

    def test_origins(self):
        with Server("--cors", "https://app.example") as server:
            allowed = server.ask("OPTIONS", CHAT, headers={"Origin": "https://app.example",
                                                           "Access-Control-Request-Method": "POST"})
            self.assertEqual(allowed.status, 204)
            self.assertEqual(allowed.headers["Access-Control-Allow-Origin"], "https://app.example")
            self.assertIn("Authorization", allowed.headers["Access-Control-Allow-Headers"])
            answer = server.post(CHAT, SHORT, {"Origin": "https://app.example"})
            self.assertEqual((answer.status, answer.headers["Access-Control-Allow-Origin"]), (200, "https://app.example"))
            stranger = server.post(CHAT, SHORT, {"Origin": "https://evil.example"})
            check_error(self, stranger, 403, "origin_not_allowed")
            self.assertIsNone(stranger.headers["Access-Control-Allow-Origin"])
            own = server.post(CHAT, SHORT, {"Origin": f"http://127.0.0.1:{server.port}"})
            self.assertEqual(own.status, 200)

    def test_connections(self):
        with Server("--connections", "8") as server, contextlib.ExitStack() as stack:
            for _ in range(8):
                client = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT)
                stack.callback(client.close)
            get = b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"
            wait_until(lambda: b"too_many_connections" in server.raw(get))
            stack.close()
            wait_until(lambda: server.get("/health").status == 200)


class TestHttp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def status(self, data):
        answer = self.server.raw(data)
        self.assertTrue(answer.startswith(b"HTTP/1.1 "), answer[:100])
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertEqual(list(json.loads(body)), ["error"])
        return int(head.split(b" ")[1])

    def test_bad_requests(self):
        for data in (b"GARBAGE\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET / HTTP/3\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n",
                     b"GET x HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
                     b"GET / HTTP/1.1\r\nA : b\r\n\r\n", b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n",
                     b"POST /chat HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
                     b"POST /chat HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"POST /chat HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                     b"POST /chat HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"):
            self.assertEqual(self.status(data), 400, data)
        self.assertEqual(self.status(b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n"), 431)
        self.assertEqual(self.status(b"GET / HTTP/1.1\r\nA: " + b"b" * 20000), 431)
        self.assertEqual(self.status(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100 + b"\r\n"), 431)

    def test_requests_that_follow_each_other(self):
        get = b"GET /health HTTP/1.1\r\n\r\n"
        answer = self.server.raw(get + request_bytes("/tokenize", {"text": "你好"}) + get.replace(b"\r\n\r\n",
                                 b"\r\nConnection: close\r\n\r\n"))
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), 3)
        self.assertIn(b'"tokens":[951]', answer)
        # A body that nobody reads must not become the next request.
        smuggled = b"GET /health HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(get) + get
        self.assertEqual(self.server.raw(smuggled).count(b"HTTP/1.1 "), 1)

    def test_expect_continue(self):
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.server.port), timeout=TIMEOUT)) as client:
            request = request_bytes("/tokenize", {"text": "x"}, "Expect: 100-continue", "Connection: close")
            head, _, body = request.partition(b"\r\n\r\n")
            client.sendall(head + b"\r\n\r\n")
            self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 100 "))
            client.sendall(body)
            self.assertTrue(client.recv(1000).startswith(b"HTTP/1.1 200 "))

    def test_unusual_forms_together(self):
        body = gzip.compress(json.dumps({"text": "你好"}).encode())
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]))
        request = (b"\r\nPOST http://127.0.0.1//tokenize/?x=1 HTTP/1.1\r\nHost: other.example\r\nX-Long: " + b"a" * 9000 +
                   b"\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nSum: 1\r\n\r\n")
        answer = self.server.raw(request * 2 + b"OPTIONS * HTTP/1.1\r\nConnection: close\r\n\r\n")
        self.assertEqual(answer.count(b'"tokens":[951]'), 2, answer[:300])  # the connection stays in step
        self.assertEqual(answer.count(b"HTTP/1.1 204 "), 1)


class TestEnds(unittest.TestCase):
    def start_long(self, server, stream):
        client = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT)
        client.sendall(request_bytes("/v1/completions", long_request(server, stream=stream)))
        wait_until(lambda: server.metric("qwen_requests_admitted") > 0)
        return client

    def read_all(self, client):
        out = b""
        while part := client.recv(65536):
            out += part
        client.close()
        return out

    def test_client_that_goes_away(self):
        log = temporary_file(self, "")
        with Server(*ONE_PLACE, "--access-log", log, model=None) as server:
            for stream in (True, False):
                self.start_long(server, stream).close()
                wait_until(lambda: server.metric("qwen_requests_admitted") == 0)
            wait_until(lambda: server.metric("qwen_jobs_running") + server.metric("qwen_jobs_queued") == 0)
            self.assertEqual(server.post(CHAT, SHORT).status, 200)
        with open(log) as file:
            lines = [json.loads(line) for line in file]
        ended = [line for line in lines if line["path"] == "/v1/completions"]
        self.assertEqual([line["error"] for line in ended], ["client_gone"] * 2)
        self.assertTrue(all(line["generated_tokens"] < 16000 for line in ended))
        last = [line for line in lines if line["path"] == CHAT][0]
        for key in ("time", "id", "client", "method", "status", "bytes", "ms", "task", "prompt_tokens", "queue_ms"):
            self.assertIn(key, last)

    def test_timeout(self):
        with Server(*ONE_PLACE, "--timeout", "1", model=None) as server:
            check_error(self, server.post("/v1/completions", long_request(server)), 504, "timeout")
            answer = server.post("/v1/completions", long_request(server, stream=True))
            last = parse_events(answer.text)[-1][1]
            self.assertEqual(last["error"]["code"], "timeout")

    def test_sigterm_lets_work_finish(self):
        server = Server("--drain", "600", model=None)
        events = []
        body = long_request(server, n=1, max_tokens=200, stream=True)
        thread = threading.Thread(target=lambda: events.extend(server.events("/v1/completions", body)[0]))
        thread.start()
        wait_until(lambda: server.metric("qwen_requests_admitted") > 0)
        server.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(OSError):  # unless it has ended already
            wait_until(lambda: server.get("/ready").status == 503)
            self.assertEqual(server.get("/health").status, 200)
            for refused in (server.post(CHAT, SHORT), server.get("/ready")):
                check_error(self, refused, 503, "shutting_down")
                self.assertGreaterEqual(int(refused.headers["Retry-After"]), 1)
        thread.join()
        self.assertEqual(events[-1], ("", "[DONE]"))
        self.assertEqual(server.stop(None), 0)

    def test_drain_has_an_end(self):
        server = Server(*ONE_PLACE, "--drain", "0", model=None)
        client = self.start_long(server, stream=True)
        server.process.send_signal(signal.SIGTERM)
        self.assertIn(b'"code":"shutting_down"', self.read_all(client))
        self.assertEqual(server.stop(None), 0)

    def test_second_signal_ends_at_once(self):
        server = Server(*ONE_PLACE, model=None)
        client = self.start_long(server, stream=True)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: server.get("/ready").status == 503)
        self.assertEqual(server.stop(signal.SIGTERM), 130)
        client.close()

    def test_signal_right_after_the_start(self):
        for _ in range(5):
            self.assertEqual(Server().stop(), 0)

    def test_sigint(self):
        server = Server()
        self.assertEqual(server.stop(signal.SIGINT), 0)


class TestCommandLine(unittest.TestCase):
    def test_errors(self):
        for arguments, code in ((["--port", "70000"], 2), (["--parallel", "0"], 2), (["--nonsense"], 2), (["text"], 2),
                                (["-m", "/nonexistent"], 1), (["--host", "nowhere.invalid"], 1),
                                (["--task", "nothing"], 1), (["--access-log", "/nonexistent/log"], 1)):
            found, errors = fails_to_start(*arguments)
            self.assertEqual((found, errors.count("\n")), (code, 1), (arguments, errors))
            self.assertTrue(errors.startswith("qwen-serve: error: "), errors)

    def test_port_in_use(self):
        with Server() as server:
            code, errors = fails_to_start("-m", TINY, "--port", str(server.port))
            self.assertEqual(code, 1)
            self.assertIn(f"cannot listen on 127.0.0.1 port {server.port}", errors)

    def test_help_and_version(self):
        for flag in ("--help", "--version"):
            result = subprocess.run([QWEN_SERVE, flag], capture_output=True, timeout=TIMEOUT, env=environment())
            self.assertEqual(result.returncode, 0)
            self.assertIn(b"qwen-serve", result.stdout)

    def test_addresses_for_other_devices(self):
        own = subprocess.run(["hostname", "-I"], capture_output=True, text=True, timeout=TIMEOUT).stdout.split()
        own = [address for address in own if ":" not in address and not address.startswith(("127.", "169.254."))]
        with Server("--host", "0.0.0.0") as server:
            wait_until(lambda: len(server.lines) >= len(own))
            urls = [line.removeprefix("qwen-serve: for other devices: ").strip() for line in server.lines]
            for url in urls:
                with urllib.request.urlopen(url + "/health", timeout=TIMEOUT) as answer:
                    self.assertEqual(answer.status, 200)
            server.stop()
        self.assertEqual(sorted(urls), sorted(f"http://{address}:{server.port}" for address in own))
        with Server("--host", "127.0.0.1") as server:
            server.stop()
            self.assertEqual(server.lines, [])

    def test_config(self):
        config = temporary_file(self, f"model: {TINY}\nhost: localhost\nparallel: 3\nrate: 2\ntemperature: 0\n"
                                      "max_new_tokens: 2\nsession_seconds: 7\nmax_body: 4096\n")
        with Server("--config", config, model=None, env=environment(LIBQWEN_PARALLEL="5")) as server:
            info = server.get("/api/info").json()
            self.assertEqual((info["parallel"], info["limits"]["body_bytes"]), (5, 4096))
            body = server.post(CHAT, {"messages": HELLO}).json()
            self.assertEqual(body["usage"]["completion_tokens"], 2)
            self.assertEqual(server.post(CHAT, {"messages": HELLO}).headers["X-Cache"], "hit")  # greedy by default
            self.assertEqual(server.post(CHAT, SHORT).status, 429)

    def test_alias(self):
        with Server("--alias", "gpt-mine") as server:
            self.assertEqual(server.post(CHAT, {**SHORT, "model": "gpt-mine"}).status, 200)
            self.assertEqual([model["id"] for model in server.get("/v1/models").json()["data"]][1], "gpt-mine")


if __name__ == "__main__":
    unittest.main()
