"""Helpers of the tests of qwen-serve: a server of one's own, requests, event streams."""
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading

from qwen_run import ANSWER, SOURCE, TINY, environment

QWEN_SERVE = os.path.join(os.environ["QWEN_BIN_DIR"], "tools", "qwen-serve")
TIMEOUT = 60


class Server:
    """qwen-serve, on a free port unless one is given. `model` None is the bundled one."""

    def __init__(self, *arguments, model=TINY, env=None, port=0):
        command = [QWEN_SERVE, "--port", str(port)] + (["-m", model] if model else []) + list(arguments)
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env or environment()
        )
        self.ready_line = self.process.stdout.readline().decode()
        match = re.search(r"ready: http://(\S+):(\d+) ", self.ready_line)
        if not match:
            raise AssertionError("no ready line: " + self.ready_line + self.process.communicate()[1].decode())
        self.port = int(match.group(2))
        self.errors = []
        self.lines = []
        self.readers = [
            threading.Thread(target=self._read, args=(self.process.stderr, self.errors), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stdout, self.lines), daemon=True),
        ]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def _read(pipe, lines):
        for line in pipe:
            lines.append(line.decode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, how=signal.SIGTERM):
        """Ends it, or waits for its end where `how` is None; returns the exit code."""
        if how is not None and self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        for reader in self.readers:
            reader.join(TIMEOUT)
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)

    def ask(self, method, path, body=None, headers=None):
        """A Response with status, headers, text and json()."""
        connection = self.connect()
        try:
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            if isinstance(body, str):
                body = body.encode()
            connection.request(method, path, body=body, headers=headers or {})
            return Response(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def post(self, path, body, headers=None):
        return self.ask("POST", path, body, headers)

    def events(self, path, body, headers=None):
        """The answer's events, as (name, parsed data or text), and the Response."""
        response = self.post(path, body, headers)
        assert response.status == 200, response.text
        assert response.headers["Content-Type"].startswith("text/event-stream"), response.headers
        return parse_events(response.text), response

    def raw(self, data, wait=True):
        """Bytes to the socket, and what comes back until the server closes."""
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)) as client:
            client.sendall(data)
            out = b""
            while wait:
                with contextlib.suppress(ConnectionResetError):
                    part = client.recv(65536)
                    if part:
                        out += part
                        continue
                return out

    def metrics(self):
        """{name{labels}: value}"""
        out = {}
        for line in self.get("/metrics").text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                out[name] = float(value)
        return out

    def metric(self, name, **labels):
        """The sum of a metric's values with these labels."""
        total = 0
        for key, value in self.metrics().items():
            if key.split("{")[0] == name and all(f'{k}="{v}"' in key for k, v in labels.items()):
                total += value
        return total


class Response:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.bytes = response.read()
        self.text = self.bytes.decode()

    def json(self):
        return json.loads(self.text)


def parse_events(text):
    assert text.endswith("\n\n"), repr(text[-40:])
    events = []
    for frame in text[:-2].split("\n\n"):
        name, data = "", []
        for line in frame.split("\n"):
            if line.startswith(":"):
                continue
            field, _, value = line.partition(": ")
            assert field in ("event", "data"), frame
            if field == "event":
                name = value
            else:
                data.append(value)
        if data:
            joined = "\n".join(data)
            events.append((name, joined if joined == "[DONE]" else json.loads(joined)))
    return events


def check_error(test, response, status, code, param=None):
    test.assertEqual(response.status, status, response.text)
    test.assertEqual(response.headers["Content-Type"], "application/json")
    body = response.json()
    test.assertEqual(list(body), ["error"])
    test.assertEqual(sorted(body["error"]), ["code", "message", "param", "type"])
    test.assertEqual(body["error"]["code"], code, response.text)
    test.assertIsInstance(body["error"]["type"], str)
    test.assertNotIn("\n", body["error"]["message"])
    if param is not None:
        test.assertEqual(body["error"]["param"], param)
    return body["error"]["message"]
