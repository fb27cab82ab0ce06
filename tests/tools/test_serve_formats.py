#!/usr/bin/env python3
"""qwen-serve: answers of a given form, calls of tools, thoughts."""
import json
import os
import unittest

from qwen_serve import Server, parse_events

SCHEMA = {"type": "object",
          "properties": {"opinion": {"enum": ["good", "bad"]}, "about": {"type": "string", "maxLength": 10},
                         "stars": {"type": "integer", "minimum": 1, "maximum": 5}},
          "required": ["opinion", "about", "stars"], "additionalProperties": False}
WEATHER = {"type": "function",
           "function": {"name": "get_weather", "description": "The weather in a city.",
                        "parameters": {"type": "object",
                                       "properties": {"city": {"type": "string", "maxLength": 12},
                                                      "days": {"type": "integer", "minimum": 1, "maximum": 7}},
                                       "required": ["city"], "additionalProperties": False}}}
TIME = {"type": "function", "function": {"name": "get_time"}}
MESSAGES = [{"role": "user", "content": "房间很脏，再也不来了。"}]
CHAT = "/v1/chat/completions"


class Formats(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--chat-template", "qwen2.5", "-c", "1024", model=None)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0
        assert not [line for line in cls.server.errors if "unforeseen" in line], cls.server.errors

    def choice(self, **fields):
        response = self.server.post(CHAT, {"messages": MESSAGES, **fields})
        self.assertEqual(response.status, 200, response.text)
        return response.json()["choices"][0]

    def refused(self, param, word, **fields):
        response = self.server.post(CHAT, {"messages": MESSAGES, **fields})
        self.assertEqual(response.status, 400, response.text)
        error = response.json()["error"]
        self.assertEqual(error["param"], param, error)
        self.assertIn(word, error["message"])

    def stream(self, **fields):
        """The text and the calls that the deltas make, and the reason of the end."""
        events, _ = self.server.events(CHAT, {"messages": MESSAGES, "stream": True, **fields})
        text, calls, reason = "", [], None
        for _, data in events[:-1]:
            choice = data["choices"][0]
            text += choice["delta"].get("content") or ""
            for piece in choice["delta"].get("tool_calls", []):
                if piece["index"] == len(calls):
                    self.assertEqual(piece["type"], "function")
                    self.assertTrue(piece["id"].startswith("call_"))
                    calls.append({"name": piece["function"]["name"], "arguments": ""})
                else:
                    self.assertEqual(piece["index"], len(calls) - 1)
                    self.assertNotIn("name", piece["function"])
                calls[-1]["arguments"] += piece["function"]["arguments"]
            reason = choice["finish_reason"] or reason
        return text, calls, reason

    def check_document(self, text):
        value = json.loads(text)
        self.assertEqual(list(value), ["opinion", "about", "stars"])  # in the order of the schema
        self.assertIn(value["opinion"], ("good", "bad"))
        self.assertLessEqual(len(value["about"]), 10)
        self.assertIn(value["stars"], range(1, 6))

    def test_schema(self):
        form = {"type": "json_schema", "json_schema": {"name": "review", "strict": True, "schema": SCHEMA}}
        for fields in ({"temperature": 0}, {"temperature": 2, "seed": 5}, {"temperature": 1, "max_tokens": 45, "n": 3}):
            response = self.server.post(CHAT, {"messages": MESSAGES, "response_format": form, **fields})
            self.assertEqual(response.status, 200, response.text)
            for choice in response.json()["choices"]:
                self.check_document(choice["message"]["content"])
                self.assertEqual(choice["finish_reason"], "stop")
        for field, value in (("guided_json", SCHEMA), ("guided_json", json.dumps(SCHEMA)), ("json_schema", SCHEMA),
                             ("response_format", {"type": "json_object", "schema": SCHEMA})):
            self.check_document(self.choice(**{field: value})["message"]["content"])
        text, calls, reason = self.stream(response_format=form, temperature=0)
        self.assertEqual((text, calls, reason), (self.choice(response_format=form, temperature=0)["message"]["content"], [], "stop"))

    def test_other_forms(self):
        value = json.loads(self.choice(response_format={"type": "json_object"}, temperature=1, seed=3)["message"]["content"])
        self.assertIsInstance(value, dict)
        self.assertIn(self.choice(guided_choice=["好评", "差评"])["message"]["content"], ("好评", "差评"))
        self.assertRegex(self.choice(guided_regex="[0-9]{3}", temperature=2)["message"]["content"], r"^\d{3}$")
        plain = self.server.post("/v1/completions", {"prompt": "1, 2, ", "guided_regex": "[0-9]{2}"}).json()
        self.assertRegex(plain["choices"][0]["text"], r"^\d\d$")

    def test_formats_that_are_refused(self):
        def schema(value):
            return {"type": "json_schema", "json_schema": {"name": "x", "schema": value}}

        self.refused("response_format", "uniqueItems", response_format=schema({"uniqueItems": True}))
        self.refused("response_format", "no answer", response_format=schema({"not": {}}))
        self.refused("response_format", "type", response_format=schema({"type": "strin"}))
        self.refused("response_format.json_schema.schema", "JSON schema", response_format=schema([]))
        self.refused("response_format.json_schema", "missing", response_format={"type": "json_schema"})
        self.refused("response_format.type", "xml", response_format={"type": "xml"})
        self.refused("response_format.colour", "unknown", response_format={"type": "text", "colour": 1})
        self.refused("guided_regex", "pattern", guided_regex="(")
        self.refused("guided_regex", "guided_json", guided_regex="a", guided_json={})
        self.refused("tools", "response_format", tools=[TIME], response_format={"type": "json_object"})
        self.refused("ignore_eos", "response_format", ignore_eos=True, response_format={"type": "json_object"})
        self.refused("min_tokens", "guided_regex", min_tokens=3, guided_regex="a")
        self.refused(None, "the shortest text needs", max_tokens=3, response_format=schema(SCHEMA))
        bomb = {"type": "string"}
        for _ in range(12):
            bomb = {"anyOf": [bomb, {"type": "array", "items": bomb}]}
        self.refused("response_format", "", response_format=schema({"$ref": "#/x"}))
        self.server.post(CHAT, {"messages": MESSAGES, "max_tokens": 5, "response_format": schema(bomb)})  # answers

    def check_call(self, call):
        arguments = json.loads(call["arguments"])
        if call["name"] == "get_weather":
            self.assertIsInstance(arguments["city"], str)
            self.assertLessEqual(set(arguments), {"city", "days"})
        else:
            self.assertEqual(call["name"], "get_time")
            self.assertIsInstance(arguments, dict)

    def test_required_tools(self):
        for seed in range(4):
            for choice in ("required", {"type": "function", "function": {"name": "get_weather"}}):
                fields = {"tools": [WEATHER, TIME], "tool_choice": choice, "temperature": 1.5, "seed": seed, "max_tokens": 120}
                answer = self.choice(**fields)
                self.assertEqual(answer["finish_reason"], "tool_calls")
                self.assertIsNone(answer["message"]["content"])
                calls = [call["function"] for call in answer["message"]["tool_calls"]]
                for call, whole in zip(calls, answer["message"]["tool_calls"]):
                    self.check_call(call)
                    self.assertEqual(whole["type"], "function")
                    self.assertTrue(whole["id"].startswith("call_"))
                self.assertEqual(len({whole["id"] for whole in answer["message"]["tool_calls"]}), len(calls))
                if choice != "required":
                    self.assertEqual({call["name"] for call in calls}, {"get_weather"})
                self.assertEqual(self.stream(**fields), ("", calls, "tool_calls"))
                single = self.choice(**fields, parallel_tool_calls=False)
                self.assertEqual(len(single["message"]["tool_calls"]), 1)

    def test_tools_that_may_be_called(self):
        for fields in ({"tools": [WEATHER]}, {"tools": [WEATHER], "tool_choice": "auto", "temperature": 1, "seed": 2}):
            answer = self.choice(max_tokens=40, **fields)
            for call in answer["message"].get("tool_calls", []):
                self.check_call(call["function"])
            self.assertEqual(answer["finish_reason"] == "tool_calls", "tool_calls" in answer["message"])
            self.assertNotIn("<tool_call>", answer["message"]["content"] or "")
        plain = self.choice(tools=[WEATHER], tool_choice="none", temperature=0, max_tokens=20)
        self.assertNotIn("tool_calls", plain["message"])
        # The template shows the tools to the model.
        tokens = [self.server.post(CHAT, {"messages": MESSAGES, "max_tokens": 1, **fields}).json()["usage"]["prompt_tokens"]
                  for fields in ({}, {"tools": [TIME], "tool_choice": "none"}, {"tools": [WEATHER, TIME]})]
        self.assertLess(tokens[0], tokens[1])
        self.assertLess(tokens[1], tokens[2])

    def test_a_conversation_with_results(self):
        messages = MESSAGES + [
            {"role": "assistant", "content": None,
             "tool_calls": [{"id": "call_1", "type": "function",
                             "function": {"name": "get_weather", "arguments": '{"city": "Oslo", "days": 2}'}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"}, {"role": "user", "content": "谢谢你"}]
        response = self.server.post(CHAT, {"messages": messages, "tools": [WEATHER], "max_tokens": 20})
        self.assertEqual(response.status, 200, response.text)
        rendered = self.server.post("/apply-template", {"messages": messages, "tools": [WEATHER]}).json()
        self.assertIn('{"name": "get_weather", "arguments": {"city": "Oslo", "days": 2}}', json.dumps(rendered, ensure_ascii=False).replace('\\"', '"'))

    def test_tools_that_are_refused(self):
        self.refused("tools", "a list", tools={})
        self.refused("tools[0].type", "function", tools=[{"type": "web_search"}])
        self.refused("tools[0].function", "missing", tools=[{"type": "function"}])
        self.refused("tools[0].function.name", "a name", tools=[{"type": "function", "function": {"name": "a b"}}])
        self.refused("tools[1].function.name", "two tools", tools=[TIME, TIME])
        self.refused("tool_choice", "there are no tools", tool_choice="required")
        self.refused("tool_choice", "sometimes", tools=[TIME], tool_choice="sometimes")
        self.refused("tool_choice.function.name", "no tool", tools=[TIME],
                     tool_choice={"type": "function", "function": {"name": "x"}})
        broken = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "minProperties": 1}}}
        self.refused("tools", '"f"', tools=[broken])
        call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{"}}
        self.refused("messages[0].tool_calls[0].function.arguments", "JSON object",
                     messages=[{"role": "assistant", "content": None, "tool_calls": [call]}])
        self.refused("enable_thinking", "no thinking", enable_thinking=True)
        self.refused("thinking_budget", "only if", thinking_budget=5)
        response = self.server.post("/v1/completions", {"prompt": "x", "tools": [TIME]})
        self.assertEqual((response.status, response.json()["error"]["param"]), (400, "tools"))

    def test_lengths_and_end_tokens(self):
        end = self.server.post("/tokenize", {"text": "<|im_end|>", "special": True}).json()["tokens"][0]
        answer = self.server.post(CHAT, {"messages": MESSAGES, "logit_bias": {str(end): 100}, "min_tokens": 4}).json()
        self.assertEqual(answer["usage"]["completion_tokens"], 4)
        self.assertEqual(answer["choices"][0]["finish_reason"], "stop")
        token = self.server.post("/tokenize", {"text": "好"}).json()["tokens"][0]
        answer = self.choice(logit_bias={str(token): 100}, stop_token_ids=[token])
        self.assertEqual((answer["message"]["content"], answer["finish_reason"]), ("", "stop"))
        self.refused("stop_token_ids", "token ids below", stop_token_ids=[10**8])

    def test_ollama(self):
        answer = self.server.post("/api/chat", {"model": "x", "messages": MESSAGES, "stream": False, "format": SCHEMA}).json()
        self.check_document(answer["message"]["content"])
        answer = self.server.post("/api/generate", {"model": "x", "prompt": "hi", "stream": False, "format": "json"}).json()
        self.assertIsInstance(json.loads(answer["response"]), dict)
        lines = self.server.post("/api/chat", {"model": "x", "messages": MESSAGES, "tools": [WEATHER], "options": {"num_predict": 60}}).text.splitlines()
        self.assertTrue(json.loads(lines[-1])["done"])
        self.assertIn("tools", self.server.post("/api/show", {"model": "x"}).json()["capabilities"])


class Thoughts(unittest.TestCase):
    """tests/data/tiny.gguf answers everything alike: under a template that opens a thought, its answer is a thought."""

    @classmethod
    def setUpClass(cls):
        cls.template = os.path.join(os.environ["QWEN_SOURCE_DIR"], "tests", "data", "text", "thinking.jinja")
        cls.server = Server("--chat-template", cls.template)

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def test_reasoning_is_not_content(self):
        fields = {"messages": MESSAGES, "temperature": 0, "max_tokens": 12}
        answer = self.server.post(CHAT, {**fields, "enable_thinking": True}).json()["choices"][0]
        self.assertEqual(answer["message"]["content"], "")
        self.assertTrue(answer["message"]["reasoning_content"])
        plain = self.server.post(CHAT, fields).json()["choices"][0]["message"]
        self.assertNotIn("reasoning_content", plain)
        self.assertEqual(plain["content"], answer["message"]["reasoning_content"])
        events, _ = self.server.events(CHAT, {**fields, "stream": True, "chat_template_kwargs": {"enable_thinking": True}})
        reasoning = "".join(data["choices"][0]["delta"].get("reasoning_content", "") for _, data in events[:-1])
        content = "".join(data["choices"][0]["delta"].get("content", "") for _, data in events[:-1])
        self.assertEqual((reasoning, content), (answer["message"]["reasoning_content"], ""))
        whole = self.server.post("/api/chat", {"model": "x", "messages": MESSAGES, "think": True, "stream": False,
                                               "options": {"temperature": 0, "num_predict": 12}}).json()
        self.assertEqual(whole["message"]["thinking"], reasoning)

    def test_a_limit_goes_on_to_the_answer(self):
        body = {"messages": MESSAGES, "temperature": 0, "max_tokens": 200, "enable_thinking": True, "thinking_budget": 4}
        response = self.server.post(CHAT, body)
        self.assertEqual(response.status, 200, response.text)
        message = response.json()["choices"][0]["message"]
        self.assertIn("Considering the limited time", message["reasoning_content"])
        self.assertTrue(message["content"])
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
        answer = self.server.post(CHAT, body).json()["choices"][0]["message"]
        self.assertEqual(list(json.loads(answer["content"])), ["opinion", "about", "stars"])
        self.assertTrue(answer["reasoning_content"])


if __name__ == "__main__":
    unittest.main()
