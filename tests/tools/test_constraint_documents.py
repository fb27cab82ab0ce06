#!/usr/bin/env python3
"""2,000 random documents under random schemas: each is valid by python3-jsonschema and within its limit."""
import json
import os
import random
import subprocess
import sys
import unittest

try:
    import jsonschema
except ImportError:
    print("python3-jsonschema is not installed")
    sys.exit(77)

PROGRAM = os.path.join(os.environ["QWEN_BIN_DIR"], "tests", "qwen-constraint-documents")
WORDS = ["name", "年龄", "a b", "id", 'quo"te', "x\\y", "tags", "é"]


class Schemas:
    """Random schemas. Every combination of keywords is one that is enforced."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def scalar(self):
        r = self.random
        low = r.randint(-200, 200)
        return r.choice([
            {"type": "string"},
            {"type": "string", "minLength": r.randint(0, 3), "maxLength": r.randint(3, 9)},
            {"type": "string", "pattern": r.choice(["^[a-z]{2,4}$", "[0-9]", "^(yes|no|不)+$", "^[^@ ]+@[^@ ]+$", "x|y$"])},
            {"type": "string", "format": r.choice(["date", "time", "date-time", "uuid", "email", "ipv4"])},
            {"enum": r.sample(WORDS + [1, 2.5, None, True, -7], r.randint(1, 4))},
            {"const": r.choice(WORDS + [0, [1, "z"], {"k": [None]}])},
            {"type": "integer", "minimum": low, "maximum": low + r.randint(0, 300)},
            {"type": "number", "exclusiveMinimum": low / 8, "maximum": low / 8 + r.randint(1, 50)},
            {"type": "number", "multipleOf": r.choice([0.25, 0.5, 3, 10])},
            {"type": r.choice(["integer", "number", "boolean", "null"])},
            {"type": r.sample(["integer", "string", "boolean", "null", "number"], 2)},
            {"not": {"type": r.choice(["string", "array", "object"])}, "type": ["string", "integer", "null"]},
        ])

    def schema(self, depth):
        r = self.random
        kind = r.randint(0, 7) if depth > 0 else 0
        if kind <= 2:
            return self.scalar()
        if kind == 3:
            return {"type": "array", "items": self.schema(depth - 1), "minItems": r.randint(0, 2), "maxItems": r.randint(2, 4)}
        if kind == 4:
            prefix = [self.schema(depth - 1) for _ in range(r.randint(1, 3))]
            return {"type": "array", "prefixItems": prefix, "items": r.choice([False, self.scalar()]),
                    "minItems": r.randint(0, len(prefix))}
        if kind == 5:
            return {"anyOf": [self.schema(depth - 1) for _ in range(r.randint(1, 3))]}
        names = r.sample(WORDS, r.randint(1, 4))
        out = {"type": "object", "properties": {n: self.schema(depth - 1) for n in names},
               "required": [n for n in names if r.random() < 0.6]}
        more = r.randint(0, 3)
        if more > 0:
            out["additionalProperties"] = [False, False, self.scalar()][more - 1]
        if r.random() < 0.2:
            out["patternProperties"] = {"^p_": self.scalar()}
        return out


def is_valid(schema, value):
    """By python3-jsonschema, with the formats that it knows."""
    validator = jsonschema.Draft202012Validator
    formats = getattr(validator, "FORMAT_CHECKER", None) or jsonschema.draft202012_format_checker
    return validator(schema, format_checker=formats).is_valid(value)


class Documents(unittest.TestCase):
    def test_documents(self):
        generator = Schemas(1)
        schemas = [generator.schema(3) for _ in range(255)]
        text = "".join(json.dumps(s, ensure_ascii=False) + "\n" for s in schemas)
        result = subprocess.run([PROGRAM, "8", "3"], input=text.encode(), stdout=subprocess.PIPE, check=True, timeout=500)
        documents = [json.loads(line) for line in result.stdout.decode().split("\n") if line]
        errors = [d for d in documents if "error" in d]
        # A combination may be one that nothing matches; such schemas are refused when a text begins.
        for document in errors:
            self.assertIn("no text satisfies it", document["error"], schemas[document["schema"]])
        self.assertLess(len(errors), 5)
        checked = 0
        for document in documents:
            if "error" in document:
                continue
            with self.subTest(schema=schemas[document["schema"]], text=document["text"]):
                self.assertLessEqual(document["tokens"], document["limit"])
                self.assertNotIn("\n", document["text"])
                value = json.loads(document["text"])
                self.assertTrue(is_valid(schemas[document["schema"]], value))
            checked += 1
        self.assertGreaterEqual(checked, 2000)

    def test_can_fail(self):
        self.assertFalse(is_valid({"type": "integer"}, "1"))
        self.assertFalse(is_valid({"format": "date"}, "2023-02-30"))


if __name__ == "__main__":
    unittest.main()
