#!/usr/bin/env python3
"""A few seconds of serve_load.py on the bundled model."""
import collections
import os
import unittest

import serve_load
from qwen_serve import Server

KINDS = ("chat", "stream", "classify", "labels", "analyze", "plain", "left", "garbage", "wrong", "completion", "embeddings",
         "rerank", "ollama", "ollama_vectors", "form", "tokens", "page")
SANITIZED = bool(os.environ.get("QWEN_SANITIZE"))


class TestLoad(unittest.TestCase):
    def test_mixed_load(self):
        # Few places, so that some are refused; a small cache and few sessions, so that both are full at once.
        with Server("--parallel", "4", "--queue", "12", "--sessions", "8", "--cache", "50", "--prefix-mb", "4",
                    model=None) as server:
            url = f"http://127.0.0.1:{server.port}"
            counts = collections.Counter()
            while not all(counts[kind] for kind in KINDS):  # a slow machine needs more than one round
                more, _, problems = serve_load.run(url, 8, 24, None)
                self.assertEqual(problems, [])
                counts += more
            # Memory moves by a few per cent about its level, which is low here and is reached when every kind has been served. A
            # sanitizer keeps what is freed.
            pid = None if SANITIZED else server.process.pid
            self.assertEqual(serve_load.run(url, 8, 24, pid, warm_up=4, memory_limit=1.15)[2], [])
            self.assertEqual(server.metric("qwen_requests_admitted"), 0)
            self.assertEqual(server.metric("qwen_jobs_running") + server.metric("qwen_jobs_queued"), 0)
            self.assertEqual(server.get("/ready").status, 200)
            self.assertEqual(server.stop(), 0)
            self.assertEqual([line for line in server.errors if "shutting down" not in line], [])


if __name__ == "__main__":
    unittest.main()
