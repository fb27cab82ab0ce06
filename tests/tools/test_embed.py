#!/usr/bin/env python3
"""qwen-run embed and rerank."""
import json
import math
import os
import struct
import tempfile
import unittest

from qwen_run import read_npy, run, run_json

TEXTS = ["hello", "天气很好", "hello world"]
LINES = "".join(text + "\n" for text in TEXTS)


class Embed(unittest.TestCase):
    def good(self, *arguments, **options):
        result = run("embed", *arguments, **options)
        self.assertEqual((result.stderr, result.returncode), ("", 0))
        return [json.loads(line) for line in result.stdout.splitlines()]

    def bad(self, code, word, *arguments, command="embed", **options):
        result = run(command, *arguments, **options)
        self.assertEqual(result.returncode, code, result.stdout)
        self.assertIn(word, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1)
        return result

    def test_forms_of_input(self):
        found = self.good(stdin=LINES)
        self.assertEqual([line["index"] for line in found], [0, 1, 2])
        for line, text in zip(found, TEXTS):
            self.assertAlmostEqual(math.fsum(x * x for x in line["embedding"]), 1, places=5)
            self.assertEqual(self.good(text)[0]["embedding"], line["embedding"])
            self.assertEqual(self.good("-p", text)[0]["embedding"], line["embedding"])
            self.assertGreater(line["tokens"], 0)
        self.assertEqual(self.good("--jsonl", stdin="".join(json.dumps({"text": t}) + "\n" for t in TEXTS)), found)
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(LINES)
            file.flush()
            self.assertEqual(self.good("-f", file.name), found)
        self.assertEqual(self.good(stdin=""), [])
        self.assertEqual(len(self.good(stdin="hello\n" * 300)), 300)

    def test_options(self):
        whole = self.good("--no-normalize", "hello")[0]["embedding"]
        short = self.good("--dimensions", "3", "--no-normalize", "hello")[0]["embedding"]
        self.assertEqual(short, whole[:3])
        norm = math.sqrt(math.fsum(x * x for x in short))
        for got, wanted in zip(self.good("--dimensions", "3", "hello")[0]["embedding"], short):
            self.assertAlmostEqual(got, wanted / norm, places=6)
        self.assertEqual(self.good("--instruction", "Find.", "hello"), self.good("Instruct: Find.\nQuery:hello"))

    def test_npy(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out.npy")
            self.assertEqual(self.good("-o", path, stdin=LINES), [])
            rows = read_npy(path)
            for row, line in zip(rows, self.good(stdin=LINES), strict=True):
                self.assertEqual(row, struct.unpack(f"<{len(row)}f", struct.pack(f"<{len(row)}f", *line["embedding"])))

    def table(self, suffix, content, *arguments, command=("embed",)):
        with tempfile.NamedTemporaryFile("w", suffix=suffix) as file:
            file.write(content)
            file.flush()
            return run(*command, *arguments, "-f", file.name)

    def test_tables(self):
        expected = self.good(stdin="hello, you\n天气\n")
        csv = 'id,text\n1,"hello, you"\n\n2,天气\n'
        for suffix, content, arguments in (
            (".csv", csv, ()),
            (".CSV", csv.replace("text", "body"), ("--text-column", "body")),
            (".csv", csv.replace("text", "body"), ("--text-column", "2", "--header", "yes")),
            (".txt", csv, ("--format", "csv")),
            (".tsv", "id\ttext\n1\thello, you\n2\t天气\n", ()),
            (".csv", csv.replace(",", ";").replace("hello;", "hello,"), ("--delimiter", ";")),
            (".jsonl", '{"text": "hello, you"}\n{"text": "天气"}\n', ("--text-column", "text")),
        ):
            with self.subTest(suffix=suffix, arguments=arguments):
                result = self.table(suffix, content, *arguments)
                self.assertEqual((result.stderr, result.returncode), ("", 0))
                self.assertEqual([json.loads(line) for line in result.stdout.splitlines()], expected)
        # The column that was found is reported; a quoted line break is part of the text.
        result = self.table(".csv", 'id,review\n1,"a\nb"\n2,c d\n')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("review", result.stderr)
        self.assertEqual([json.loads(line)["embedding"] for line in result.stdout.splitlines()],
                         [self.good("-p", "a\nb")[0]["embedding"], self.good("-p", "c d")[0]["embedding"]])
        # Errors have the line in the file.
        for content, word in (('id,text\n1,"a\nb"\n2,"c\n', "line 4: a quote is never closed"),
                              ("id,text\n1,a\n\n2\n", "line 4: expected 2 columns"),
                              ("id,text\n\n1," + "x y z " * 20 + "\n", "line 3: ")):
            result = self.table(".csv", content, "-c", "8")
            self.assertEqual(result.returncode, 1, result.stdout)
            self.assertIn(word, result.stderr)
        self.assertIn("no column", self.table(".csv", csv, "--text-column", "body").stderr)
        self.bad(2, "--jsonl", "--jsonl", "--format", "csv", stdin=csv)
        documents = self.table(".csv", csv, "--query", "weather?", command=("rerank",))
        self.assertEqual(documents.stdout, run("rerank", "--query", "weather?", stdin="hello, you\n天气\n").stdout)

    def test_texts_that_do_not_fit(self):
        self.bad(1, "line 2: ", "-c", "8", stdin="a\n" + "x y z " * 20 + "\nb\n")
        result = run("embed", "-c", "8", "--truncate", stdin="a\n" + "x y z " * 20 + "\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("1 texts were truncated", result.stderr)
        self.assertGreater(json.loads(result.stdout.splitlines()[1])["truncated_tokens"], 0)

    def test_wrong_usage(self):
        self.bad(2, "--dimensions", "--dimensions", "100000", "hello")
        self.bad(2, "--dimensions", "--dimensions", "0", "hello")
        self.bad(2, "--jsonl", "--jsonl", "hello")
        self.bad(1, "line 2", "--jsonl", stdin='{"text": "a"}\n{"txt": 1}\n')
        self.bad(2, "--query", "x", command="rerank")

    def test_rerank(self):
        def rerank(*arguments, stdin=LINES):
            result = run("rerank", "--query", "weather?", *arguments, stdin=stdin)
            self.assertEqual((result.stderr, result.returncode), ("", 0))
            return [json.loads(line) for line in result.stdout.splitlines()]

        found = rerank()
        self.assertEqual(sorted(line["index"] for line in found), [0, 1, 2])
        scores = [line["score"] for line in found]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertTrue(all(0 <= score <= 1 for score in scores))
        self.assertEqual(rerank("--top-n", "2"), found[:2])
        one = run_json("rerank", "--query", "weather?", TEXTS[found[0]["index"]])
        self.assertEqual(one, {"index": 0, "score": scores[0]})
        self.assertEqual(rerank("--jsonl", stdin="".join(json.dumps({"text": t}) + "\n" for t in TEXTS)), found)


if __name__ == "__main__":
    unittest.main()
