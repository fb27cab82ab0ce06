#!/usr/bin/env python3
"""/openapi.json and /docs describe every route, and say about fields what the server does."""
import html.parser
import json
import os
import re
import unittest

try:
    import jsonschema
except ImportError:
    jsonschema = None

from qwen_run import environment
from qwen_serve import SOURCE, Server, check_error

with open(os.path.join(SOURCE, "tools", "qwen-serve", "routes.cpp"), encoding="utf-8") as file:
    ROUTES = [(method, path.replace("*", "{id}"))
              for method, path in re.findall(r'\{"(GET|POST|DELETE)", "([^"]+)"', file.read())]
with open(os.path.join(SOURCE, "docs", "server.md"), encoding="utf-8") as file:
    DOCS = file.read()
MEDIA = "application/json"


class Page(html.parser.HTMLParser):
    """Element ids, link targets and text; raises an error for unbalanced elements."""

    VOID = {"meta", "link", "br"}

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.text, self.open, self.code = [], [], "", [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        assert "style" not in values and tag not in ("script", "style"), tag  # the policy forbids inline ones
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values[name] for name in ("href", "src") if name in values]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "code":
            self.code.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] == "code":
            self.code[-1] += data


class TestDescription(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(model=None)
        cls.document = cls.server.get("/openapi.json").json()
        cls.schemas = cls.document["components"]["schemas"]

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def operations(self):
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield method.upper(), path, operation

    def body(self, operation):
        """Schema and example of a request's body."""
        media = operation["requestBody"]["content"][MEDIA]
        name = media["schema"].get("$ref", "").rpartition("/")[2]
        return self.schemas.get(name), media.get("example")

    def described_bodies(self):
        for method, path, operation in self.operations():
            if "requestBody" in operation:
                schema, example = self.body(operation)
                if schema:
                    yield path, schema, example

    def test_every_route_is_described(self):
        found = {(method, path) for method, path, _ in self.operations()}
        self.assertEqual(found - set(ROUTES), {("GET", "/api/sessions/{id}/export")})
        self.assertEqual(set(ROUTES) - found, set())
        names = [operation["operationId"] for _, _, operation in self.operations()]
        self.assertEqual(len(names), len(set(names)))

    def test_references(self):
        text = json.dumps(self.document)
        names = set(re.findall(r'"\$ref": "([^"]*)"', text))
        self.assertGreater(len(names), 20)
        for name in names:
            self.assertIn(name.replace("#/components/schemas/", ""), self.schemas)
        self.assertNotIn("x-include", text)

    def test_examples(self):
        """Each example is answered with 200 and, if it is JSON, an answer of the schema."""
        count = 0
        for method, path, operation in self.operations():
            if "{id}" in path or method == "DELETE" or "200" not in operation["responses"]:
                continue
            example = self.body(operation)[1] if "requestBody" in operation else None
            if "requestBody" in operation and example is None:
                continue
            answer = self.server.ask(method, path, example)
            self.assertEqual(answer.status, 200, (path, answer.text[:300]))
            kind, content = next(iter(operation["responses"]["200"]["content"].items()))
            self.assertTrue(kind == "*/*" or answer.headers["Content-Type"].startswith(kind), path)
            if kind == MEDIA:
                self.validate(answer.json(), content["schema"])
                count += 1
        self.assertGreater(count, 12)

    def validate(self, value, schema):
        if not jsonschema:
            return
        whole = {"components": self.document["components"], **schema}
        jsonschema.Draft202012Validator(whole).validate(value)

    @unittest.skipUnless(jsonschema, "python3-jsonschema is not installed")
    def test_examples_match_their_schemas(self):
        for path, schema, example in self.described_bodies():
            self.validate(example, schema)
            with self.assertRaises(jsonschema.ValidationError, msg=path):
                self.validate({**example, "no_such_field": 1}, schema)

    def test_fields_are_known(self):
        """The server knows every field of a schema, and no other."""
        for path, schema, example in self.described_bodies():
            nothing = {name: None for name in schema["properties"] if name not in example}
            # A reply and a label may not both be null.
            nothing.pop("task", None)
            answer = self.server.post(path, {**nothing, **example})
            self.assertEqual(answer.status, 200, (path, answer.text[:300]))
            answer = self.server.post(path, {**example, "no_such_field": 1})
            self.assertEqual(answer.status, 400, path)
            self.assertIn("unknown field", answer.text)

    def test_limits(self):
        """A number beyond a schema's limits is refused, and the limits themselves are accepted or refused for another reason."""
        checked = 0
        for path, schema, example in self.described_bodies():
            for name, value in schema["properties"].items():
                for key, step in (("minimum", -1), ("maximum", 1)):
                    if key not in value:
                        continue
                    answer = self.server.post(path, {**example, name: value[key] + step})
                    self.assertEqual(answer.status, 400, (path, name, key))
                    self.assertIn(name, answer.text)
                    checked += 1
        self.assertGreater(checked, 50)

    def test_ignored_and_refused_fields(self):
        fields = self.document["x-fields"]
        places = {"completions": ["/v1/chat/completions", "/v1/completions"],
                  "chat_completions": ["/v1/chat/completions"], "text_completions": ["/v1/completions"],
                  "ollama": ["/api/chat", "/api/generate"], "ollama_generate": ["/api/generate"],
                  "ollama_show": ["/api/show"]}
        for scope, paths in places.items():
            for path in paths:
                example = self.body(self.document["paths"][path]["post"])[1]
                for name in fields[scope].get("ignored", []):
                    for value in ("x", 7, ["x"], {"a": 1}):
                        answer = self.server.post(path, {**example, name: value})
                        self.assertEqual(answer.status, 200, (path, name, answer.text[:200]))
                for name in fields[scope].get("refused", []):
                    answer = self.server.post(path, {**example, name: "x"})
                    self.assertEqual(answer.status, 400, (path, name))
                    self.assertIn(name + " is not supported", answer.text)
        chat = self.body(self.document["paths"]["/v1/chat/completions"]["post"])[1]
        for scope, wrap in (("message", lambda field: {"messages": [{**chat["messages"][0], **field}]}),
                            ("message_not_assistant", lambda field: {"messages": [{**chat["messages"][0], **field}]}),
                            ("message_not_tool", lambda field: {"messages": [{**chat["messages"][0], **field}]}),
                            ("stream_options", lambda field: {"stream": True, "stream_options": field})):
            for name in fields[scope].get("ignored", []):
                self.assertEqual(self.server.post("/v1/chat/completions", {**chat, **wrap({name: "x"})}).status, 200, name)
            for name in fields[scope].get("refused", []):
                check_error(self, self.server.post("/v1/chat/completions", {**chat, **wrap({name: "x"})}), 400,
                            "unsupported_field")

    def test_harmless_values(self):
        """A refused field is accepted with the values that its schema has."""
        checked = 0
        for path, schema, example in self.described_bodies():
            for name, value in schema["properties"].items():
                if value.get("description") != "Not supported":
                    continue
                for harmless in value["enum"]:
                    answer = self.server.post(path, {**example, name: harmless})
                    self.assertEqual(answer.status, 200, (path, name, harmless, answer.text[:200]))
                    checked += 1
        self.assertGreater(checked, 100)

    def test_docs_list_the_same_fields(self):
        part = DOCS.partition("## Ignored and refused fields")[2].partition("\n## ")[0]
        rows = re.findall(r"^\| (\w+) \|([^|]*)\|([^|]*)\|([^|]*)\|$", part, re.M)
        listed = {name: {use: re.findall(r"`(\w+)`", cell) for use, cell in (("ignored", ignored), ("refused", refused))}
                  for name, _, ignored, refused in rows if name != "name"}
        expected = {name: {"ignored": uses.get("ignored", []), "refused": uses.get("refused", [])}
                    for name, uses in self.document["x-fields"].items()}
        self.assertGreater(len(expected), 10)
        self.assertEqual(listed, expected)

    def test_page(self):
        answer = self.server.get("/docs")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/html"))
        self.assertIn("default-src 'none'", answer.headers["Content-Security-Policy"])
        page = Page(answer.text)
        self.assertEqual(len(page.ids), len(set(page.ids)))
        for method, path in ROUTES:
            self.assertIn(f"{method} {path}", page.code)
        for link in page.links:
            if link.startswith("#"):
                self.assertIn(link[1:], page.ids)
            else:
                self.assertTrue(link.startswith("/"), link)  # nothing from other servers
                self.assertEqual(self.server.get(link).status, 200, link)
        self.assertIn(f"curl http://127.0.0.1:{self.server.port}/v1/models", page.text)

    def test_page_escapes_the_host(self):
        answer = self.server.get("/docs", Host="127.0.0.1:<b>';x")
        self.assertEqual(answer.status, 200)
        self.assertNotIn("<b>", answer.text)
        self.assertNotIn("';x", answer.text)


class TestKeys(unittest.TestCase):
    def test_keys(self):
        with Server(env=environment(LIBQWEN_API_KEY="a-long-enough-key")) as server:
            document = server.get("/openapi.json").json()  # needs no key
            for method, path in ROUTES:
                operation = document["paths"][path][method.lower()]
                status = server.ask(method, path.replace("{id}", "x"), {} if method == "POST" else None).status
                self.assertEqual("security" in operation, status == 401, path)
            self.assertIn("Bearer KEY", server.get("/docs").text)


if __name__ == "__main__":
    unittest.main()
