#!/usr/bin/env python3
"""What qwen-serve tells Prometheus, read by the real one."""
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.request

from qwen_serve import SOURCE, TIMEOUT, Server

HELLO = [{"role": "user", "content": "你好"}]
SERVING = os.path.join(SOURCE, "scripts", "serve")


class TestMetrics(unittest.TestCase):
    def test_what_is_counted(self):
        with Server() as server:
            first = server.post("/v1/chat/completions", {"messages": HELLO, "temperature": 0}).json()
            server.post("/v1/chat/completions", {"messages": HELLO, "temperature": 0})
            server.post("/v1/classify", {"text": "好"})
            server.post("/api/analyze", {"text": "好", "temperature": 0})
            server.post("/v1/classify", {})
            metric = server.metric
            chat = {"endpoint": "/v1/chat/completions", "task": "chat"}
            # A request is counted after its answer has gone out.
            expected = [("qwen_http_requests_total", {"endpoint": "/v1/chat/completions", "status": "200"}, 2),
                        ("qwen_http_requests_total", {"endpoint": "/v1/classify", "status": "400"}, 1),
                        ("qwen_request_seconds_count", chat, 2),
                        ("qwen_request_seconds_count", {"endpoint": "/v1/classify", "task": "sentiment"}, 1),
                        ("qwen_jobs_running", {}, 0)]
            deadline = time.monotonic() + TIMEOUT
            while any(metric(name, **labels) != value for name, labels, value in expected):
                self.assertLess(time.monotonic(), deadline, [(name, metric(name, **labels)) for name, labels, _ in expected])
                time.sleep(0.02)
            self.assertEqual(metric("qwen_time_to_first_token_seconds_count", **chat), 1)
            self.assertEqual(metric("qwen_queue_wait_seconds_count", endpoint="/api/analyze", task="chat"), 1)
            tokens = first["usage"]["completion_tokens"]
            self.assertEqual(metric("qwen_inter_token_seconds_count", **chat), tokens - 1)
            self.assertEqual(metric("qwen_generated_tokens_total", **chat), 2 * tokens)
            self.assertEqual(metric("qwen_prompt_tokens_total", **chat), 2 * first["usage"]["prompt_tokens"])
            self.assertGreater(metric("qwen_prompt_tokens_cached_total", **chat), 0)
            self.assertEqual(metric("qwen_result_cache_hits_total", **chat), 1)
            self.assertEqual(metric("qwen_result_cache_misses_total", **chat), 1)
            self.assertEqual(metric("qwen_build_info", model=first["model"]), 1)
            self.assertGreater(metric("qwen_kv_bytes"), 0)
            self.assertGreater(metric("process_resident_memory_bytes"), 1 << 20)
            self.assertEqual(metric("qwen_sessions"), 1)
            self.assertGreaterEqual(metric("qwen_connections"), 1)

    def test_labels(self):
        with Server(model=None) as server:
            texts = ["太棒了！", "太糟了，房间很脏。", "太棒了！"]
            results = server.post("/v1/classify", {"task": "sentiment", "texts": texts}).json()["results"]
            results.append(server.post("/v1/classify", {"text": texts[0]}).json())
            results += [data for event, data in server.events("/api/analyze", {"text": texts[1], "reply": None})[0]
                        if event == "sentiment"]
            found = ["other" if result["abstained"] else result["label"] for result in results]
            self.assertEqual(len(found), 5)
            self.assertEqual(len(set(found)), 2)
            server.post("/v1/classify", {"labels": ["secret one", "secret two"], "texts": texts})
            server.post("/v1/classify", {"task": "no such task", "text": "x"})
            labels = {name: value for name, value in server.metrics().items() if name.startswith("qwen_labels_total")}
            for label in set(found):
                self.assertEqual(server.metric("qwen_labels_total", task="sentiment", label=label), found.count(label))
            self.assertEqual(server.metric("qwen_labels_total", task="labels", label="other"), 3)
            self.assertEqual(sum(labels.values()), 8)
            self.assertNotIn("secret", "".join(labels))  # a text from a request never becomes a time series

    def test_abstentions_are_other(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "sure.yaml"), "w", encoding="utf-8") as file:
                file.write("name: sure\nversion: 1\nkind: classify\nabstain_below: 0.999999\n"
                           "template: \"{text}\"\nlabels: [{text: 好}, {text: 坏}]\n")
            with Server("--tasks", folder) as server:
                answer = server.post("/v1/classify", {"task": "sure", "text": "x"})
                self.assertEqual(answer.status, 200, answer.text)
                self.assertTrue(answer.json()["abstained"])
                self.assertEqual(server.metric("qwen_labels_total", task="sure", label="other"), 1)
                self.assertEqual(server.metric("qwen_labels_total", task="sure"), 1)

    def test_utilization(self):
        with Server("--parallel", "1", "--ctx-size", "256", "--prefix-mb", "1") as server:
            values = [server.metric("qwen_kv_utilization")]
            server.post("/v1/completions", {"prompt": list(range(200)), "max_tokens": 1})
            values.append(server.metric("qwen_kv_utilization"))
            self.assertTrue(all(0 <= value <= 1 for value in values), values)
            self.assertGreater(values[1], 0.5)  # the prompt is kept for requests that begin with it
            before = server.metric("process_cpu_seconds_total")
            self.assertGreater(before, 0)
            server.post("/v1/completions", {"prompt": list(range(1, 201)), "max_tokens": 20})
            self.assertGreater(server.metric("process_cpu_seconds_total"), before)

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed (Debian: prometheus)")
    def test_promtool(self):
        with Server() as server:
            server.post("/api/analyze", {"text": "好"})
            found = subprocess.run(["promtool", "check", "metrics"], input=server.get("/metrics").bytes,
                                   capture_output=True, timeout=TIMEOUT)
            self.assertEqual((found.returncode, found.stdout, found.stderr), (0, b"", b""))
        config = os.path.join(SERVING, "prometheus.yml")
        found = subprocess.run(["promtool", "check", "config", config], capture_output=True, timeout=TIMEOUT)
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)

    @unittest.skipUnless(shutil.which("prometheus"), "prometheus is not installed")
    def test_scrape(self):
        with Server() as server, tempfile.TemporaryDirectory() as folder:
            server.post("/api/analyze", {"text": "好"})
            with open(os.path.join(SERVING, "prometheus.yml"), encoding="utf-8") as file:
                config = file.read().replace("127.0.0.1:8080", f"127.0.0.1:{server.port}").replace("15s", "1s")
            path = os.path.join(folder, "prometheus.yml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(config)
            with Server() as spare:  # a port that was free a moment ago
                port = spare.port
            prometheus = subprocess.Popen(
                ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                self.wait_for(port, 'up{job="qwen-serve"}', "1")
                self.wait_for(port, 'qwen_request_seconds_count{endpoint="/api/analyze"}', "1")
            finally:
                prometheus.kill()
                prometheus.wait(TIMEOUT)

    def wait_for(self, port, query, value):
        url = f"http://127.0.0.1:{port}/api/v1/query?query=" + urllib.request.quote(query)
        deadline = time.monotonic() + TIMEOUT
        answer = None
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(url, timeout=5) as response:
                    answer = json.load(response)["data"]["result"]
                if answer and answer[0]["value"][1] == value:
                    return
            except OSError:
                pass
            time.sleep(0.2)
        self.fail(f"{query}: {answer}")

    def test_dashboard(self):
        with open(os.path.join(SERVING, "grafana-dashboard.json"), encoding="utf-8") as file:
            dashboard = json.load(file)
        with Server() as server:
            server.post("/api/analyze", {"text": "好"})
            server.post("/v1/completions", {"prompt": "A", "max_tokens": 3})
            names = {name.split("{")[0] for name in server.metrics()}
        queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        self.assertGreater(len(queries), 5)
        for query in queries:
            used = {word for word in "".join(c if c.isalnum() or c == "_" else " " for c in query).split()
                    if word.startswith(("qwen_", "process_"))}
            self.assertTrue(used, query)
            self.assertLessEqual(used - {"qwen_result_cache_hits_total"}, names, query)


if __name__ == "__main__":
    unittest.main()
