#!/usr/bin/env python3
"""scripts/download_model.sh against a hub of our own on the loopback interface."""
import hashlib
import http.server
import json
import os
import subprocess
import tempfile
import threading
import unittest

SCRIPT = os.path.join(os.environ["QWEN_SOURCE_DIR"], "scripts", "download_model.sh")
REPOSITORY = "Qwen/Qwen2.5-0.5B-Instruct-GGUF"
NAME = "qwen2.5-0.5b-instruct-q4_0.gguf"
CONTENT = bytes(range(256)) * 400


class Hub(http.server.BaseHTTPRequestHandler):
    content = CONTENT  # what is sent
    digest = hashlib.sha256(CONTENT).hexdigest()  # what is promised
    ranges = []
    cut = None  # send only so many bytes of the first answer

    def log_message(self, *_):
        pass

    def send(self, body, code=200, headers=()):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        for key, value in headers:
            self.send_header(key, value)
        self.end_headers()
        part = body
        if Hub.cut is not None and body is not None and code in (200, 206) and self.path.endswith(".gguf"):
            part, Hub.cut = body[: Hub.cut], None
        try:
            self.wfile.write(part)
        except OSError:
            pass
        if len(part) < len(body):
            self.connection.close()

    def do_GET(self):
        size = len(CONTENT)
        if self.path == f"/api/models/{REPOSITORY}/tree/main":
            entries = [
                {"type": "file", "path": "README.md", "size": 10, "oid": "0" * 40},
                {"type": "file", "path": NAME, "size": size, "oid": "1" * 40, "lfs": {"oid": Hub.digest, "size": size}},
            ]
            self.send(json.dumps(entries).encode())
        elif self.path == f"/api/v1/models/{REPOSITORY}/repo/files?Revision=master&Recursive=true":
            files = [{"Path": NAME, "Name": NAME, "Type": "blob", "Size": size, "Sha256": Hub.digest}]
            self.send(json.dumps({"Code": 200, "Data": {"Files": files}}).encode())
        elif self.path == f"/{REPOSITORY}/resolve/main/{NAME}":
            self.send_response(302)  # the hub sends its files from elsewhere
            self.send_header("Location", f"/cdn/{NAME}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path in (f"/cdn/{NAME}", f"/models/{REPOSITORY}/resolve/master/{NAME}"):
            asked = self.headers.get("Range")
            Hub.ranges.append(asked)
            if asked:
                first = int(asked.split("=")[1].split("-")[0])
                content_range = f"bytes {first}-{size - 1}/{size}"
                self.send(Hub.content[first:], 206, [("Content-Range", content_range)])
            else:
                self.send(Hub.content)
        else:
            self.send(b"", 404)


class DownloadTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.base = f"http://127.0.0.1:{cls.server.server_address[1]}"

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    def setUp(self):
        Hub.content, Hub.cut, Hub.ranges = CONTENT, None, []
        Hub.digest = hashlib.sha256(CONTENT).hexdigest()
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.target = os.path.join(self.folder.name, NAME)

    def download(self, *arguments, base=None):
        environment = {**os.environ, "HF_ENDPOINT": base or self.base, "MODELSCOPE_ENDPOINT": base or self.base}
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            environment.pop(name, None)
        return subprocess.run(
            [SCRIPT, "-o", self.folder.name, *arguments], env=environment, capture_output=True, text=True, timeout=120
        )

    def check_file(self):
        with open(self.target, "rb") as file:
            self.assertEqual(file.read(), CONTENT)
        self.assertEqual(os.listdir(self.folder.name), [NAME])

    def test_both_hubs(self):
        for source in ("huggingface", "modelscope"):
            result = self.download("-s", source, "q4_0")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(result.stdout.strip(), self.target)
            self.assertIn("verified", result.stderr)
            self.check_file()
            os.remove(self.target)

    def test_a_file_that_is_there_is_checked_and_kept(self):
        self.assertEqual(self.download("q4_0").returncode, 0)
        Hub.ranges = []
        again = self.download("q4_0")
        self.assertEqual((again.returncode, Hub.ranges), (0, []))
        with open(self.target, "ab") as file:
            file.write(b"!")
        other = self.download("q4_0")
        self.assertEqual(other.returncode, 1)
        self.assertIn("move it away", other.stderr)

    def test_an_interrupted_download_goes_on(self):
        with open(self.target + ".part", "wb") as file:
            file.write(CONTENT[:1000])
        result = self.download("q4_0")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(Hub.ranges[-1], "bytes=1000-")
        self.check_file()

    def test_a_cut_connection_leaves_a_part_to_go_on_with(self):
        Hub.cut = 5000
        self.download("q4_0")
        result = self.download("q4_0")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.check_file()

    def test_a_part_that_is_too_long_is_thrown_away(self):
        with open(self.target + ".part", "wb") as file:
            file.write(CONTENT + b"more")
        self.assertEqual(self.download("q4_0").returncode, 0)
        self.check_file()

    def test_wrong_content_is_refused(self):
        Hub.content = CONTENT[:-1] + b"x"
        result = self.download("q4_0")
        self.assertEqual(result.returncode, 1)
        self.assertIn("not what the hub promised", result.stderr)
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_a_hub_without_a_checksum_is_refused(self):
        Hub.digest = "unknown"
        result = self.download("q4_0")
        self.assertEqual(result.returncode, 1)
        self.assertIn("does not tell size and SHA-256", result.stderr)
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_a_file_that_the_hub_does_not_have(self):
        result = self.download("q8_0")
        self.assertEqual(result.returncode, 1)
        self.assertIn("does not tell size and SHA-256", result.stderr)

    def test_offline(self):
        result = self.download("q4_0", base="http://127.0.0.1:9")
        self.assertEqual(result.returncode, 1)
        self.assertIn("offline?", result.stderr)
        self.assertEqual(result.stdout, "")

    def test_usage(self):
        for arguments in (["q9_9"], ["-s", "nowhere"], ["--what"], ["q4_0", "q8_0"], ["-s"]):
            result = self.download(*arguments)
            self.assertEqual(result.returncode, 2, arguments)
            self.assertEqual(len(result.stderr.strip().splitlines()), 1)
        self.assertIn("examples:", self.download("--help").stdout)


if __name__ == "__main__":
    unittest.main()
