#!/usr/bin/env python3
"""Text in any encoding: converted on request, refused with its place and its likely encoding otherwise; and where a wrong
value came from."""
import codecs
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from qwen_run import QWEN_RUN, TINY, VOCABULARY, environment, run

REVIEW = "这家店的菜又贵又难吃，服务员态度也很差，再也不会来了。"
TEXTS = [REVIEW, "ABC " + REVIEW + "\r\nx", "𠀀龘 GB18030 四字节", "only ASCII", ""]
ENCODINGS = {"gb18030": ["gb18030"], "utf-16": ["utf-16", "utf-16-le", "utf-16-be"], "utf-8": ["utf-8", "utf-8-sig"]}


def ids(*arguments, **options):
    result = run("tokenize", *arguments, model=VOCABULARY, **options)
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    return result.stdout


class Conversion(unittest.TestCase):
    def test_every_encoding_gives_the_tokens_of_utf8(self):
        for text in TEXTS:
            expected = ids(stdin=text)
            for name, codecs_of_it in ENCODINGS.items():
                for codec in codecs_of_it:
                    self.assertEqual(ids("--encoding", name, stdin=text.encode(codec)), expected, (name, codec))
            big = codecs.BOM_UTF16_BE + text.encode("utf-16-be")
            self.assertEqual(ids("--encoding", "utf-16", stdin=big), expected)
            for codec in ("utf-8", "utf-8-sig", "gb18030", "utf-16"):
                self.assertEqual(ids("--encoding", "auto", stdin=text.encode(codec)), expected, codec)

    def test_a_byte_order_mark_is_skipped(self):
        marked = codecs.BOM_UTF8 + REVIEW.encode()
        self.assertEqual(ids(stdin=marked), ids(stdin=REVIEW))
        with tempfile.NamedTemporaryFile() as file:
            file.write(marked)
            file.flush()
            self.assertEqual(ids("-f", file.name), ids(stdin=REVIEW))
        line = json.dumps({"text": REVIEW}, ensure_ascii=False).encode()
        plain = run("tokenize", "--jsonl", model=VOCABULARY, stdin=line)
        self.assertEqual(run("tokenize", "--jsonl", model=VOCABULARY, stdin=codecs.BOM_UTF8 + line).stdout, plain.stdout)

    def test_lines(self):
        lines = "".join(json.dumps({"text": t}, ensure_ascii=False) + "\n" for t in TEXTS)
        expected = run("tokenize", "--jsonl", model=VOCABULARY, stdin=lines).stdout
        self.assertEqual(expected.count("\n"), len(TEXTS))
        for name, codec in (("gb18030", "gb18030"), ("utf-16", "utf-16"), ("utf-16", "utf-16-le"), ("auto", "gb18030")):
            result = run("tokenize", "--jsonl", "--encoding", name, model=VOCABULARY, stdin=lines.encode(codec))
            self.assertEqual((result.stdout, result.stderr), (expected, ""), codec)
        # Characters that lie across the blocks in which a file is read.
        long = json.dumps({"text": "x" + "好" * 100000}, ensure_ascii=False)
        expected = run("tokenize", "--jsonl", model=VOCABULARY, stdin=long).stdout
        result = run("tokenize", "--jsonl", "--encoding", "gb18030", model=VOCABULARY, stdin=long.encode("gb18030"))
        self.assertEqual((result.stdout, result.stderr), (expected, ""))

    def test_arguments(self):
        command = [QWEN_RUN.encode(), b"tokenize", b"-m", VOCABULARY.encode(), b"-p", REVIEW.encode("gb18030")]
        done = subprocess.run(command, capture_output=True, env=environment())
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"-p: byte 0: not UTF-8 (found 0xD5): looks like GB18030: --encoding gb18030", done.stderr)
        done = subprocess.run(command + [b"--encoding", b"gb18030"], capture_output=True, env=environment())
        self.assertEqual(done.stdout.decode(), ids(stdin=REVIEW))


class Refusal(unittest.TestCase):
    def refused(self, data, message, *arguments):
        result = run("tokenize", *arguments, model=VOCABULARY, stdin=data)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("qwen-run: error: standard input: " + message, result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1)

    def test_the_place_and_the_likely_encoding(self):
        gbk = REVIEW.encode("gb18030")
        self.refused(gbk, "byte 0: not UTF-8 (found 0xD5): looks like GB18030: --encoding gb18030")
        self.refused(b"abc" + gbk, "byte 3: not UTF-8 (found 0xD5): looks like GB18030: --encoding gb18030")
        for encoding in ("utf-8", "auto", "gb18030", "utf-16"):
            self.refused(b"PK\x03\x04\x14\x00\x06\x00" + gbk * 200, "byte 0: a ZIP file, such as a workbook of Excel (.xlsx): save the table as CSV", "--encoding", encoding)
        self.refused(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "byte 0: an Office file (.xls): save the table as CSV")
        self.refused(REVIEW.encode("utf-16"), "byte 0: not UTF-8 (found 0xFF): looks like UTF-16: --encoding utf-16")
        self.refused("plain words".encode("utf-16-le"), "byte 0: looks like UTF-16: --encoding utf-16")
        self.refused("caf\xe9 cr\xe8me".encode("latin-1"), "byte 3: not UTF-8 (found 0xE9) and not GB18030")
        self.refused("好".encode() + gbk, "byte 3: not UTF-8 (found 0xD5), after characters that are")
        for cut in (1, 2):
            self.refused("好的".encode()[:-cut], "byte 3: the text ends within a UTF-8 character")
        for bad in (b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xff", b"\x80"):
            result = run("tokenize", model=VOCABULARY, stdin=b"ab" + bad)
            self.assertEqual(result.returncode, 1, bad)
            self.assertIn("standard input: byte 2: not UTF-8", result.stderr)

    def test_wrong_names_and_wrong_bytes(self):
        self.refused(b"a\xff\xff", "byte 1: not GB18030", "--encoding", "gb18030")
        self.refused(REVIEW.encode("gb18030")[:-1], "byte", "--encoding", "gb18030")
        self.refused(b"\xff\xfea", "byte 2: the text ends within a character", "--encoding", "utf-16")
        self.refused("x".encode("utf-16") + b"\x00\xdc", "byte 4: not UTF-16", "--encoding", "utf-16")
        result = run("tokenize", "--encoding", "latin-1", "x")
        self.assertEqual(result.returncode, 2)
        self.assertIn("--encoding: expected one of auto, utf-8, gb18030, utf-16", result.stderr)

    def test_a_review_in_gbk_is_never_labeled_in_silence(self):
        result = run("sentiment", model=None, stdin=REVIEW.encode("gb18030"))
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("--encoding gb18030", result.stderr)
        with tempfile.NamedTemporaryFile(suffix=".tsv") as file:
            file.write("label\ttext\n".encode() + ("negative\t" + REVIEW + "\n").encode("gb18030"))
            file.flush()
            result = run("evaluate", "sentiment", "--data", file.name, model=None)
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertIn("byte 20: not UTF-8 (found 0xD5): looks like GB18030: --encoding gb18030", result.stderr)


class Origin(unittest.TestCase):
    def check(self, message, *arguments, code=2, **variables):
        result = run("tokenize", "x", *arguments, model=None, env=environment(**variables))
        self.assertEqual((result.returncode, result.stdout), (code, ""))
        self.assertIn(message, result.stderr)

    def test_where_a_wrong_value_came_from(self):
        self.check("/nonexistent: No such file or directory (from the variable LIBQWEN_MODEL)", code=1,
                   LIBQWEN_MODEL="/nonexistent")
        result = run("-n", "1", "x", env=environment(LIBQWEN_TEMPERATURE="warm"))
        self.assertEqual(result.returncode, 2)
        self.assertIn("expected a number, found \"warm\" (from the variable LIBQWEN_TEMPERATURE)", result.stderr)
        result = run("-n", "1", "--temp", "warm", "x", env=environment(LIBQWEN_TEMPERATURE="0"))
        self.assertNotIn("variable", result.stderr)
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("model: /nonexistent\n")
            file.flush()
            self.check("/nonexistent: No such file or directory (from the config file)", "--config", file.name, code=1)

    def test_an_empty_model_is_an_error(self):
        for arguments in (["-m", ""], ["--model", ""]):
            result = run("tokenize", "x", *arguments, model=None)
            self.assertEqual((result.returncode, result.stdout), (2, ""), arguments)
            self.assertIn("--model: expected a path, found an empty text", result.stderr)

    def test_names_of_before_are_not_read(self):
        result = run("tokenize", "x", model=None, env=environment(QWEN_MODEL="/nonexistent"))
        self.assertEqual(result.returncode, 0)


class LongContext(unittest.TestCase):
    def shape(self, *arguments, **variables):
        result = run("info", "--json", *arguments, env=environment(**variables))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return json.loads(result.stdout)["shape"]

    def test_options(self):
        self.assertNotIn("rope_scaling", self.shape())
        self.assertNotIn("rope_scaling", self.shape("--rope-scaling", "none", "--yarn-orig-ctx", "0"))
        yarn = self.shape("--rope-scaling", "yarn", "--rope-scale", "4", "--yarn-orig-ctx", "32768")
        self.assertEqual(yarn["rope_scaling"], {"type": "yarn", "factor": 4.0, "original_context": 32768})
        self.assertEqual(self.shape("--rope-freq-scale", "0.5")["rope_scaling"]["factor"], 2.0)
        self.assertEqual(self.shape("--rope-freq-base", "500000")["rope_theta"], 500000.0)
        self.assertEqual(self.shape(LIBQWEN_ROPE_SCALE="2")["rope_scaling"]["type"], "linear")
        for arguments, message in (
            (["--rope-scaling", "dynamic"], "expected one of none, linear, yarn"),
            (["--rope-scaling", "yarn"], "needs a factor"),
            (["--yarn-beta-fast", "32"], "the yarn options need RoPE scaling of type yarn"),
        ):
            result = run("info", *arguments)
            self.assertNotEqual(result.returncode, 0, arguments)
            self.assertIn(message, result.stderr)


if __name__ == "__main__":
    unittest.main()
