#!/usr/bin/env python3
"""A few seconds of serve_load.py on the bundled model."""
import unittest

import serve_load
from qwen_serve import Server


class TestLoad(unittest.TestCase):
    def test_mixed_load(self):
        # Few places, so that some are refused; a small cache and few sessions, so that both are full at once.
        with Server("--parallel", "4", "--queue", "12", "--sessions", "8", "--cache", "50", "--prefix-mb", "4",
                    model=None) as server:
            # A short run is still warming up when it ends: it only shows that nothing runs away.
            counts, problems = serve_load.run(f"http://127.0.0.1:{server.port}", 4, 24, server.process.pid,
                                              memory_limit=1.5)
            self.assertEqual(problems, [])
            for kind in ("chat", "stream", "classify", "labels", "analyze", "plain", "left", "garbage", "wrong"):
                self.assertGreater(counts[kind], 0, counts)
            self.assertEqual(server.metric("qwen_requests_admitted"), 0)
            self.assertEqual(server.metric("qwen_jobs_running") + server.metric("qwen_jobs_queued"), 0)
            self.assertEqual(server.get("/ready").status, 200)
            self.assertEqual(server.stop(), 0)
            self.assertEqual([line for line in server.errors if "shutting down" not in line], [])


if __name__ == "__main__":
    unittest.main()
