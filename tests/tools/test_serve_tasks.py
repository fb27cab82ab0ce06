#!/usr/bin/env python3
"""qwen-serve's tasks: labels, replies, sessions."""
import tempfile
import time
import unittest

from qwen_serve import ANSWER, Server, check_error

ANALYZE = "/api/analyze"
USAGE = ["completion_tokens", "prompt_tokens", "prompt_tokens_details", "total_tokens"]


class Tasks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--cache-ttl", "3600")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0
        assert not [line for line in cls.server.errors if "unforeseen" in line], cls.server.errors

    def analyze(self, text="你好", **fields):
        events, response = self.server.events(ANALYZE, {"text": text, "temperature": 0, **fields})
        return events, response

    def session(self, *texts):
        """A session in which these were said."""
        name = {}
        for text in texts:
            _, response = self.analyze(text, **name)
            name = {"session": response.headers["X-Session-Id"]}
        return name["session"]


class TestClassify(Tasks):
    def test_one(self):
        response = self.server.post("/v1/classify", {"task": "sentiment", "text": "今天很好"})
        body = response.json()
        self.assertEqual((body["object"], body["task"]), ("classification", "sentiment"))
        self.assertEqual(sorted(body["probabilities"]), sorted(["正面", "负面"]))
        self.assertAlmostEqual(sum(body["probabilities"].values()), 1, places=9)
        self.assertEqual(body["probability"], max(body["probabilities"].values()))
        self.assertEqual(body["probabilities"][body["label"]], body["probability"])
        self.assertEqual(sorted(body["usage"]), USAGE)
        self.assertEqual(body["usage"]["completion_tokens"], 0)
        self.assertEqual(response.headers["X-Cache"], "miss")
        again = self.server.post("/v1/classify", {"text": "今天很好"})
        self.assertEqual((again.headers["X-Cache"], again.json()["probabilities"]), ("hit", body["probabilities"]))

    def test_own_labels(self):
        body = self.server.post("/v1/classify", {"labels": ["好", "坏", "一般"], "text": "x"}).json()
        self.assertEqual(list(body["probabilities"]), ["好", "坏", "一般"])
        self.assertIsNone(body["task"])
        self.assertAlmostEqual(sum(body["probabilities"].values()), 1, places=9)

    def test_many(self):
        texts = [f"第{i}个" for i in range(9)]
        body = self.server.post("/v1/classify", {"texts": texts}).json()
        alone = [self.server.post("/v1/classify", {"text": text}).json() for text in texts]
        self.assertEqual([r["probabilities"] for r in body["results"]], [r["probabilities"] for r in alone])
        self.assertTrue(all(result["cached"] for result in alone))

    def test_errors(self):
        def refused(body, status, code, param=None):
            check_error(self, self.server.post("/v1/classify", body), status, code, param)

        refused({"text": "x", "task": "nothing"}, 404, "task_not_found", "task")
        refused({"text": "x", "task": "chat"}, 400, "invalid_value", "task")
        refused({}, 400, "missing_field", "text")
        refused({"text": "x", "texts": ["y"]}, 400, "invalid_value", "text")
        refused({"texts": []}, 400, "invalid_value", "texts")
        refused({"texts": [1]}, 400, "invalid_value", "texts")
        refused({"texts": ["x"] * 257}, 400, "invalid_value", "texts")
        refused({"text": "x", "labels": ["a", "a"]}, 400, "invalid_value")
        refused({"text": "x", "labels": ["a"], "task": "sentiment"}, 400, "invalid_value", "labels")
        refused({"text": "x", "n": 2}, 400, "unknown_field", "n")


class TestAnalyze(Tasks):
    def test_label_then_reply(self):
        events, response = self.analyze()
        names = [name for name, _ in events if name != "queued"]
        self.assertEqual(names[0], "sentiment")
        self.assertEqual(names[-1], "done")
        self.assertEqual(set(names[1:-1]), {"delta"})
        label = next(data for name, data in events if name == "sentiment")
        self.assertEqual(label["task"], "sentiment")
        self.assertIn(label["label"], ("正面", "负面"))
        self.assertEqual(label["probability"], label["probabilities"][label["label"]])
        self.assertIn("ms", label)
        self.assertIs(label["abstained"], label["probability"] < 0.67)
        self.assertEqual("".join(data["text"] for name, data in events if name == "delta"), ANSWER)
        done = events[-1][1]
        self.assertEqual(done["session"], response.headers["X-Session-Id"])
        self.assertRegex(done["session"], "^[0-9a-f]{32}$")
        self.assertEqual((done["finish_reason"], done["dropped_turns"]), ("stop", 0))
        self.assertEqual(sorted(done["usage"]), USAGE)
        self.assertEqual(sorted(done["timings"]), ["queue_ms", "tokens_per_second", "total_ms", "ttft_ms"])

    def test_one_of_both(self):
        events, _ = self.analyze(task=None)
        self.assertEqual({name for name, _ in events} - {"queued"}, {"delta", "done"})
        events, _ = self.analyze(reply=None)
        self.assertEqual([name for name, _ in events], ["sentiment", "done"])
        events, _ = self.analyze(task="intent", reply="chat_en", max_tokens=2)
        self.assertEqual(events[0][1]["task"], "intent")
        self.assertEqual(events[-1][1]["finish_reason"], "length")
        check_error(self, self.server.post(ANALYZE, {"text": "x", "task": None, "reply": None}), 400, "invalid_value")

    def test_session(self):
        session = self.session("一", "二")
        shown = self.server.get("/api/sessions/" + session).json()
        self.assertEqual(shown["id"], session)
        self.assertEqual([turn["user"] for turn in shown["turns"]], ["一", "二"])
        self.assertEqual([turn["assistant"] for turn in shown["turns"]], [ANSWER, ANSWER])
        self.assertIn(shown["turns"][0]["sentiment"]["label"], ("正面", "负面"))
        self.assertTrue(0 < shown["expires_in_s"] <= 180)

        export = self.server.get(f"/api/sessions/{session}/export?format=json")
        self.assertEqual(export.json()["turns"], shown["turns"])
        self.assertIn("attachment", export.headers["Content-Disposition"])
        markdown = self.server.get(f"/api/sessions/{session}/export?format=markdown")
        self.assertEqual(markdown.headers["Content-Type"], "text/markdown; charset=utf-8")
        self.assertIn("二", markdown.text)
        check_error(self, self.server.get(f"/api/sessions/{session}/export?format=pdf"), 400, "invalid_value", "format")
        check_error(self, self.server.get(f"/api/sessions/{session}/other"), 404, "not_found")

        gone = self.server.ask("DELETE", "/api/sessions/" + session)
        self.assertEqual((gone.status, gone.bytes), (204, b""))
        for response in (self.server.get("/api/sessions/" + session),
                         self.server.ask("DELETE", "/api/sessions/" + session),
                         self.server.post(ANALYZE, {"text": "x", "session": session})):
            check_error(self, response, 404, "session_not_found")

    def test_history(self):
        session = self.session("一")
        with_history, _ = self.analyze("二", session=session)
        session = self.session("一")
        without, _ = self.analyze("二", session=session, history=False)
        self.assertGreater(with_history[-1][1]["usage"]["prompt_tokens"], without[-1][1]["usage"]["prompt_tokens"])
        self.assertEqual(len(self.server.get("/api/sessions/" + session).json()["turns"]), 1)

    def test_earlier_turns_leave(self):
        session = self.session("一", "二", "三", "四")
        events, _ = self.analyze("五", session=session)
        self.assertEqual(len(self.server.get("/api/sessions/" + session).json()["turns"]), 5)
        self.assertGreaterEqual(events[-1][1]["dropped_turns"], 1)

    def test_regenerate(self):
        session = self.session("一", "二")
        for fields in ({}, {"text": "二"}):
            events, _ = self.server.events(ANALYZE, {"session": session, "regenerate": True, "max_tokens": 2, **fields})
            self.assertEqual(events[-1][0], "done")
            turns = self.server.get("/api/sessions/" + session).json()["turns"]
            self.assertEqual([turn["user"] for turn in turns], ["一", "二"])
            self.assertNotEqual(turns[1]["assistant"], ANSWER)
        check_error(self, self.server.post(ANALYZE, {"text": "x", "regenerate": True}), 400, "invalid_value",
                    "regenerate")
        self.assertEqual(self.server.get("/api/sessions/" + session).json()["turns"], turns)

    def test_errors(self):
        check_error(self, self.server.post(ANALYZE, {}), 400, "missing_field", "text")
        check_error(self, self.server.post(ANALYZE, {"text": ""}), 400, "invalid_value", "text")
        check_error(self, self.server.post(ANALYZE, {"text": "x", "task": "no"}), 404, "task_not_found", "task")
        check_error(self, self.server.post(ANALYZE, {"text": "x", "reply": "sentiment"}), 400, "invalid_value", "reply")
        check_error(self, self.server.post(ANALYZE, {"text": "x", "session": "guess"}), 404, "session_not_found")
        check_error(self, self.server.post(ANALYZE, {"text": "x", "temperature": 9}), 400, "invalid_value")
        check_error(self, self.server.post(ANALYZE, {"text": "x", "top": 9}), 400, "unknown_field", "top")

    def test_seed(self):
        replies = set()
        for _ in range(2):
            events, _ = self.analyze(seed=3, temperature=1.5, task=None)
            replies.add("".join(data["text"] for name, data in events if name == "delta"))
        self.assertEqual(len(replies), 1)


def text_of(events, kind="text"):
    return "".join(data.get(kind, "") for name, data in events if name == "delta")


HISTORY = [{"role": "user", "content": "一"}, {"role": "assistant", "content": "二"}]


class TestMessages(Tasks):
    """The client keeps the history and sends it: no session."""

    def test_history_comes_with_the_request(self):
        events, response = self.analyze("三", messages=HISTORY)
        self.assertIsNone(response.headers["X-Session-Id"])
        done = events[-1][1]
        self.assertNotIn("session", done)
        self.assertEqual((done["dropped_turns"], done["kept_turns"], done["truncated_tokens"]), (0, 1, 0))
        self.assertEqual(text_of(events), ANSWER)
        alone, _ = self.analyze("三", messages=[])
        self.assertEqual((alone[-1][1]["dropped_turns"], alone[-1][1]["kept_turns"]), (0, 0))
        self.assertGreater(done["usage"]["prompt_tokens"], alone[-1][1]["usage"]["prompt_tokens"])
        # The same prompt as in a session with these turns.
        session = self.session("一")
        answer = [HISTORY[0], {"role": "assistant", "content": ANSWER}]
        same, _ = self.analyze("三", messages=answer, task=None)
        kept, _ = self.analyze("三", session=session, task=None)
        self.assertEqual(same[-1][1]["usage"]["prompt_tokens"], kept[-1][1]["usage"]["prompt_tokens"])
        self.assertEqual(kept[-1][1]["kept_turns"], 1)

    def test_what_is_known_is_not_computed_again(self):
        first, _ = self.analyze("你好", messages=HISTORY, task=None)
        turn = [{"role": "user", "content": "你好"}, {"role": "assistant", "content": ANSWER}]
        second, _ = self.analyze("再说", messages=HISTORY + turn, task=None)
        usage = second[-1][1]["usage"]
        self.assertGreaterEqual(usage["prompt_tokens_details"]["cached_tokens"], first[-1][1]["usage"]["prompt_tokens"])

    def test_turns_that_do_not_fit_are_reported(self):
        events, _ = self.analyze("五", messages=HISTORY * 6)
        done = events[-1][1]
        self.assertEqual((done["dropped_turns"], done["kept_turns"]), (3, 3))  # --turns
        events, _ = self.analyze("五", messages=HISTORY * 2, reply="summary")  # a task without history
        self.assertEqual((events[-1][1]["dropped_turns"], events[-1][1]["kept_turns"]), (2, 0))

    def test_system(self):
        plain, _ = self.analyze(messages=[], task=None)
        own, _ = self.analyze(messages=[], task=None, system="ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 10)
        empty, _ = self.analyze(messages=[], task=None, system="")
        tokens = [events[-1][1]["usage"]["prompt_tokens"] for events in (empty, plain, own)]
        self.assertEqual(tokens, sorted(set(tokens)))
        self.assertEqual(text_of(own), ANSWER)

    def test_partial(self):
        events, _ = self.analyze("写字母表", messages=HISTORY, task=None, partial="字母表：\nA", max_tokens=3)
        self.assertEqual(text_of(events), "BCD")
        self.assertEqual(events[-1][1]["finish_reason"], "length")
        again, _ = self.analyze("写字母表", messages=HISTORY, task=None, partial="字母表：\nA" + text_of(events), max_tokens=2)
        self.assertEqual(text_of(again), "EF")
        spaced, _ = self.analyze("写字母表", messages=[], task=None, partial="A ", max_tokens=1)
        self.assertEqual(spaced[-1][0], "done")
        # In a session the turn is the whole reply.
        session = self.session("一")
        self.analyze("写字母表", session=session, partial="A", max_tokens=3)
        self.assertEqual(self.server.get("/api/sessions/" + session).json()["turns"][-1]["assistant"], "ABCD")

    def test_errors(self):
        def refused(param, **fields):
            check_error(self, self.server.post(ANALYZE, {"text": "x", **fields}), 400, "invalid_value", param)

        for messages in ("x", 1, {}, True):
            refused("messages", messages=messages)
        refused("messages[0]", messages=["x"])
        refused("messages[1].role", messages=[HISTORY[0], {"role": "wizard", "content": "x"}])
        refused("messages[0].content", messages=[{"role": "user", "content": 1}])
        for messages in (HISTORY[:1], HISTORY[1:], HISTORY + HISTORY[:1], [HISTORY[0]] * 2, [HISTORY[1]] * 2,
                         [{"role": "system", "content": "x"}] + HISTORY):
            refused("messages", messages=messages)
        refused("messages", messages=HISTORY, session=self.session("一"))
        refused("messages", messages=HISTORY, history=False)
        refused("regenerate", messages=HISTORY, regenerate=True)
        for field, wrong in (("system", 1), ("system", ["x"]), ("partial", 1), ("partial", {}), ("think", "on"), ("think", 1)):
            refused(field, **{field: wrong})
        refused("think", think=True)  # a model that cannot
        refused("thinking_budget", thinking_budget=3)
        refused("thinking_budget", think=True, thinking_budget=-1)
        for field, value in (("system", "x"), ("partial", "x"), ("think", True)):
            refused("reply", reply=None, **{field: value})
        check_error(self, self.server.post(ANALYZE, {"text": "x", "messages": HISTORY, "role": "user"}), 400, "unknown_field", "role")
        long = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "很" * 100000}]
        events, _ = self.analyze(messages=long)  # too long for the context: left out
        self.assertEqual((events[-1][1]["dropped_turns"], text_of(events)), (1, ANSWER))


class TestThinking(unittest.TestCase):
    TEMPLATE = ("{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
                "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% if enable_thinking %}{{ '<think>\n' }}{% endif %}"
                "{% endif %}")

    def test_a_thought_is_not_the_answer(self):
        with tempfile.NamedTemporaryFile("w", suffix=".jinja") as template:
            template.write(self.TEMPLATE)
            template.flush()
            with Server("--chat-template", template.name) as server:
                self.assertIs(server.get("/api/info").json()["thinking"], True)
                request = {"text": "你好", "temperature": 0, "task": None}
                events, _ = server.events(ANALYZE, {**request, "messages": [], "think": True})
                # The prompt has opened a thought, and this model never closes it.
                self.assertEqual((text_of(events, "reasoning"), text_of(events)), (ANSWER, ""))
                events, response = server.events(ANALYZE, {**request, "think": True})
                turns = server.get("/api/sessions/" + response.headers["X-Session-Id"]).json()["turns"]
                self.assertEqual(turns[0]["assistant"], "")
                events, _ = server.events(ANALYZE, {**request, "messages": [], "think": True, "thinking_budget": 2, "max_tokens": 90})
                self.assertIn("Considering the limited time", text_of(events, "reasoning"))
                self.assertTrue(text_of(events))
                events, _ = server.events(ANALYZE, {**request, "messages": [], "think": False})
                self.assertEqual((text_of(events, "reasoning"), text_of(events)), ("", ANSWER))


class TestPlainChat(Tasks):
    def test_text(self):
        response = self.server.post("/chat", {"prompt": "你好", "temperature": 0})
        self.assertEqual(response.headers["Content-Type"], "text/plain; charset=utf-8")
        self.assertEqual(response.text, ANSWER)
        session = response.headers["X-Session-Id"]
        self.assertEqual(self.server.get("/api/sessions/" + session).json()["turns"],
                         [{"user": "你好", "assistant": ANSWER}])
        self.server.post("/chat", {"prompt": "再说", "session": session, "temperature": 0})
        self.assertEqual(len(self.server.get("/api/sessions/" + session).json()["turns"]), 2)

    def test_history_of_the_client(self):
        pairs = self.server.post("/chat", {"prompt": "好", "history": [["一", "二"]], "temperature": 0})
        self.assertEqual(pairs.text, ANSWER)
        self.assertIsNone(pairs.headers["X-Session-Id"])
        messages = [{"role": "user", "content": "一"}, {"role": "assistant", "content": "二"}]
        self.assertEqual(self.server.post("/chat", {"prompt": "好", "history": messages, "temperature": 0}).text, ANSWER)
        for history in ("x", [1], [["a"]], [{"role": "assistant", "content": "x"}], messages[:1]):
            check_error(self, self.server.post("/chat", {"prompt": "x", "history": history}), 400, "invalid_value")
        check_error(self, self.server.post("/chat", {"prompt": "x", "history": [], "session": "y"}), 400,
                    "invalid_value", "history")
        check_error(self, self.server.post("/chat", {}), 400, "missing_field", "prompt")
        check_error(self, self.server.post("/chat", {"prompt": "x", "stream": True}), 400, "unknown_field")


class TestExpiry(unittest.TestCase):
    def test_sessions_end(self):
        with Server("--session-ttl", "1", "--sessions", "2") as server:
            def start():
                return server.post("/chat", {"prompt": "好", "max_tokens": 1}).headers["X-Session-Id"]

            first, second, third = start(), start(), start()
            check_error(self, server.get("/api/sessions/" + first), 404, "session_not_found")  # the idlest of three
            self.assertEqual(server.get("/api/sessions/" + third).status, 200)
            self.assertNotEqual(second, third)
            deadline = time.monotonic() + 30
            while server.get("/api/sessions/" + third).status == 200 and time.monotonic() < deadline:
                time.sleep(0.1)
            check_error(self, server.get("/api/sessions/" + third), 404, "session_not_found")


if __name__ == "__main__":
    unittest.main()
