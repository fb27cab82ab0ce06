#!/usr/bin/env python3
"""Tables: CSV, TSV, JSON lines and plain lines in, with labels out."""
import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from qwen_run import ANSWER, QWEN_RUN, TINY, environment, run, run_json

ADDED = ["label", "probability", "abstained", "error"]


def as_csv(rows, **options):
    out = io.StringIO()
    csv.writer(out, lineterminator=options.pop("lineterminator", "\n"), **options).writerows(rows)
    return out.getvalue()


def parse(text, **options):
    return list(csv.reader(io.StringIO(text, newline=""), strict=True, **options))


class WithFolder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text, encoding="utf-8"):
        with open(self.path(name), "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode(encoding))
        return self.path(name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8", newline="") as file:
            return file.read()

    def ok(self, result, stderr=""):
        self.assertEqual((result.returncode, result.stderr), (0, stderr))
        return result

    def refused(self, code, pattern, *arguments, **options):
        result = run("sentiment", *arguments, **options)
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertRegex(result.stderr.splitlines()[-1], pattern)


class Formats(WithFolder):
    ROWS = [["1", 'says "好"', "x"], ["2", "two\nlines, and a comma", ""], ["3", " spaces ", "y;z"], ["4", "太棒了", "w"],
            ["5", "crlf\r\ninside\ttab", "|"]]

    def labels(self):
        lines = "".join(json.dumps({"text": row[1]}) + "\n" for row in self.ROWS)
        return [json.loads(x) for x in run("sentiment", "--jsonl", stdin=lines).stdout.splitlines()]

    def check(self, table):
        self.assertEqual(table[0], ["id", "评论", "note"] + ADDED)
        self.assertEqual([row[:3] for row in table[1:]], self.ROWS)
        for row, answer in zip(table[1:], self.labels()):
            best = max(answer["probabilities"], key=answer["probabilities"].get)
            self.assertEqual(row[3], best)
            self.assertAlmostEqual(float(row[4]), answer["probabilities"][best], 5)
            self.assertEqual(row[5], "true" if answer.get("abstained") else "false")
            self.assertEqual(row[6], "")

    def test_csv_is_passed_through(self):
        table = [["id", "评论", "note"]] + self.ROWS
        for delimiter in ",;\t|":
            for end in ("\n", "\r\n"):
                for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
                    text = as_csv(table, delimiter=delimiter, lineterminator=end, quoting=quoting)
                    result = self.ok(run("sentiment", "-f", self.write("a.csv", text), "--text-column", "评论"))
                    self.check(parse(result.stdout, delimiter=delimiter))
        # No line break at the end of the file; a name that says nothing; a pipe.
        text = as_csv(table).rstrip("\n")
        self.check(parse(self.ok(run("sentiment", "-f", self.write("a", text), "--text-column", "评论")).stdout))
        self.check(parse(self.ok(run("sentiment", "--text-column", "2", "--header", "yes", "-", stdin=text)).stdout))
        self.check(parse(self.ok(run("classify", "sentiment", "--format", "csv", "--text-column", "评论", stdin=text)).stdout))

    def test_encodings(self):
        text = as_csv([["id", "评论", "note"]] + self.ROWS)
        for codec, name in (("gb18030", "gb18030"), ("gb18030", "auto"), ("utf-16", "auto"), ("utf-16-le", "utf-16"),
                            ("utf-8-sig", "utf-8"), ("utf-8", "auto")):
            path = self.write("a.csv", text, codec)
            self.check(parse(self.ok(run("sentiment", "-f", path, "--text-column", "评论", "--encoding", name)).stdout))
        self.refused(1, "looks like GB18030: --encoding gb18030", "-f", self.write("a.csv", text, "gb18030"))

    def test_formats_are_converted(self):
        path = self.write("a.csv", as_csv([["id", "评论", "note"]] + self.ROWS))
        for name in ("o.csv", "o.jsonl", "o.tsv"):
            result = run("sentiment", "-f", path, "--text-column", "评论", "-o", self.path(name))
            self.assertEqual((result.returncode, result.stdout), (0, ""))
            self.assertEqual("TSV cannot hold" in result.stderr, name == "o.tsv")
        self.check(parse(self.read("o.csv")))
        objects = [json.loads(line) for line in self.read("o.jsonl").splitlines()]
        self.assertEqual([list(o) for o in objects], [["id", "评论", "note"] + ADDED] * 5)
        self.assertEqual([[o["id"], o["评论"], o["note"]] for o in objects], self.ROWS)
        self.assertIs(objects[0]["error"], None)
        self.assertIsInstance(objects[0]["probability"], float)
        self.assertIsInstance(objects[0]["abstained"], bool)
        rows = [line.split("\t") for line in self.read("o.tsv").splitlines()]
        self.assertEqual(rows[0], ["id", "评论", "note"] + ADDED)
        self.assertEqual([len(row) for row in rows], [7] * 6)
        self.assertEqual(rows[2][1], "two lines, and a comma")

    def test_tsv_has_no_quotes(self):
        text = 'text\tid\n"好\t1\n"坏"\t2\n'
        result = self.ok(run("sentiment", "-f", self.write("a.tsv", text), "--text-column", "text"))
        rows = [line.split("\t") for line in result.stdout.splitlines()]
        self.assertEqual([row[:2] for row in rows], [["text", "id"], ['"好', "1"], ['"坏"', "2"]])

    def test_json_lines(self):
        objects = [{"n": 1, "review": "好", "deep": {"a": [1, 2.5, None]}}, {"review": "坏", "more": True}, {"review": "x", "label": "mine"}]
        path = self.write("a.jsonl", "\n".join(json.dumps(o, ensure_ascii=False) for o in objects) + "\n\n")
        result = self.ok(run("sentiment", "-f", path, "--text-column", "review"))
        found = [json.loads(line) for line in result.stdout.splitlines()]
        for before, after in zip(objects, found):
            self.assertIn(after.pop("label"), ("正面", "负面"))
            for name in ADDED[1:]:
                after.pop(name)
            if "label" in before:
                before["input_label"] = before.pop("label")
            self.assertEqual(before, after)
        # A table has the columns of the first object.
        result = run("sentiment", "-f", path, "--text-column", "review", "-o", self.path("o.csv"))
        self.assertEqual(result.returncode, 1)
        rows = parse(self.read("o.csv"))
        self.assertEqual(rows[0], ["n", "review", "deep"] + ADDED)
        self.assertEqual(rows[1][:3], ["1", "好", '{"a":[1,2.5,null]}'])
        self.assertEqual([row[3] != "" for row in rows[1:]], [True, False, False])
        self.assertIn('"more"', rows[2][6])
        self.assertIn(path + ":2: ", result.stderr)

    def test_plain_lines(self):
        text = "好\n\nno, thanks\n\"quoted\"\n"
        result = self.ok(run("sentiment", "--format", "lines", stdin=text))
        self.assertEqual([row[0] for row in parse(result.stdout)], ["text", "好", "no, thanks", '"quoted"'])
        self.refused(2, "does not apply to plain lines", "--format", "lines", "--text-column", "a", stdin=text)

    def test_a_file_without_the_options_is_one_text(self):
        path = self.write("a.txt", "好\n坏\n")
        self.assertEqual(run("sentiment", "-f", path).stdout.count("\n"), 1)

    def test_names_that_the_input_has_already(self):
        path = self.write("a.csv", "label,text,other\n1,好,e\n")
        rows = parse(self.ok(run("sentiment", "-f", path, "--text-column", "text")).stdout)
        self.assertEqual(rows[0][3:], ["predicted_" + name for name in ADDED])
        path = self.write("a.csv", "label,text,predicted_label\n1,好,e\n")
        rows = parse(self.ok(run("sentiment", "-f", path, "--text-column", "text")).stdout)
        self.assertEqual(rows[0][3:], ["predicted_predicted_" + name for name in ADDED])


class Thoughts(WithFolder):
    def test_a_thought_is_no_answer(self):
        with tempfile.NamedTemporaryFile("w", suffix=".jinja") as template:
            template.write("{% for m in messages %}{{ m.content }}{% endfor %}<|im_end|>{{ '<think>\\n' }}")
            template.flush()
            result = run("--chat-template", template.name, "summary", "--format", "lines", stdin="你好\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn(ANSWER[3:7], result.stdout)  # this model never ends its thought


class Detection(WithFolder):
    def column(self, text, *arguments, name="a.csv"):
        """The column that is found, by the header of JSON lines."""
        out = self.path("o.jsonl")
        if os.path.exists(out):
            os.remove(out)
        result = run("sentiment", "-f", self.write(name, text), "-o", out, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stderr

    def test_text_column(self):
        self.assertIn("column 评论 of id, 评论, 标签", self.column("id,评论,标签\n1,好,1\n"))
        self.assertIn("column Review of", self.column("name,Review\nsome very long name,x\n"))
        self.assertIn("column 感想 of", self.column("编号,感想,星\n1,这家店的菜又贵又难吃,5\n2,好的非常好的,4\n"))
        self.assertIn("column only of", self.column("only\nsome text\n", "--header", "yes"))
        self.assertIn("key comment of", self.column('{"id": 1, "comment": "a", "at": "b"}\n', name="a.jsonl"))

    def test_header(self):
        self.assertIn("(no header)", self.column("1,这家店的菜又贵又难吃\n2,好的非常好的\n"))
        self.assertIn("column2 of column1, column2", self.column("1,这家店的菜又贵又难吃\n2,好的非常好的\n"))
        self.assertNotIn("no header", self.column("星,感想\n1,这家店的菜又贵又难吃\n2,好的非常好的\n"))
        rows = parse(run("sentiment", "-f", self.write("a.csv", "1,好\n2,坏\n"), "--header", "no", "--text-column", "2").stdout)
        self.assertEqual([row[:2] for row in rows], [["1", "好"], ["2", "坏"]])

    def test_what_cannot_be_told_is_asked_for(self):
        for text, pattern in (
            ("id,text,comment\n1,a,b\n", "--text-column; its columns: id, text, comment"),
            ("甲,乙\n好的非常好的,好的非常好的\n", "--header yes or --header no"),
            ("id,甲,乙\n1,好的非常,好的非常\n", "--text-column; its columns: id, 甲, 乙"),
        ):
            self.refused(2, pattern, "-f", self.write("a.csv", text))
        self.refused(2, "no column 评价; its columns: id, 评论", "-f", self.write("a.csv", "id,评论\n1,好\n"), "--text-column", "评价")
        self.refused(2, "no column 3", "-f", self.write("a.csv", "id,评论\n1,好\n"), "--text-column", "3")
        self.refused(2, "several columns 评论", "-f", self.write("a.csv", "评论,评论\n1,好\n"), "--text-column", "评论")
        self.refused(1, "no rows", "-f", self.write("a.csv", "\n\n"))
        self.refused(1, "no line is a JSON object", "-f", self.write("a.jsonl", "[1]\n"))
        self.refused(2, "one ASCII character", "-f", self.write("a.csv", "a\n"), "--delimiter", "，")
        self.refused(2, "--json applies to one text", "--json", "-f", self.write("a.csv", "text\na\n"))
        self.refused(2, "xcludes", "--jsonl", "--text-column", "a", stdin="{}")
        self.refused(2, "not from the command line", "--text-column", "a", "some text")


class Broken(WithFolder):
    def test_broken_rows_are_reported_counted_and_kept(self):
        text = ('id,text\n1,good\n2\n3,a,b\n4,"open\n5,"he said "no""\n6,good\n7,\n8,"two\nlines"\n9,"never closed\n10,fine\n')
        for end in ("\n", "\r\n"):
            result = run("sentiment", "-f", self.write("a.csv", text.replace("\n", end)), "--text-column", "text")
            self.assertEqual(result.returncode, 1)
            rows = parse(result.stdout)[1:]
            self.assertEqual([row[:2] for row in rows],
                             [["1", "good"], ["2", ""], ["3", "a,b"], ['4,"open', ""], ['5,"he said "no""', ""], ["6", "good"],
                              ["7", ""], ["8", f"two{end}lines"], ['9,"never closed', ""], ["10", "fine"]])
            self.assertEqual([row[2] != "" for row in rows],
                             [True, False, False, False, False, True, False, True, False, True])
            self.assertEqual([row[5] != "" for row in rows], [row[2] == "" for row in rows])
            for line, part in ((3, "expected 2 columns, found 1"), (4, "expected 2 columns, found 3"), (5, "closing quote"),
                               (6, "closing quote"), (8, "the text is empty"), (11, "never closed")):
                self.assertRegex(result.stderr, f":{line}: .*{part}")
            self.assertIn("6 of 10 rows have no answer", result.stderr)

    def test_many_broken_rows_are_counted(self):
        result = run("sentiment", "-f", self.write("a.csv", "text\n" + "a,b\n" * 100), "--text-column", "text")
        self.assertEqual(result.returncode, 1)
        self.assertLess(len(result.stderr.splitlines()), 30)
        self.assertIn("100 of 100", result.stderr)

    def test_an_unclosed_quote_does_not_swallow_the_file(self):
        text = 'id,text\n0,"open\n' + "".join(f"{i},text number {i}\n" for i in range(1, 100))
        rows = parse(run("sentiment", "-f", self.write("a.csv", text), "--text-column", "text").stdout)
        self.assertEqual(len(rows), 101)
        self.assertEqual([row[2] == "" for row in rows[1:]], [True] + [False] * 99)

    def test_bad_json(self):
        path = self.write("a.jsonl", '{"text":"a"}\n{"text":\n[1]\n{"text":3}\n{"texts":"b"}\n{"text":"c"}\n')
        result = run("sentiment", "-f", path)
        self.assertEqual(result.returncode, 1)
        rows = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual([row["label"] is None for row in rows], [False, True, True, True, True, False])
        self.assertEqual(rows[1]["broken"], '{"text":')
        self.assertEqual(rows[3]["text"], 3)

    def test_rows_before_an_encoding_error_are_written(self):
        path = self.write("a.csv", b"text\n" + "好\n".encode() * 30000 + b"\xff\n")
        result = run("sentiment", "-f", path, "--cache", "10", "--header", "yes", "--text-column", "text")
        self.assertEqual(result.returncode, 1)
        self.assertIn("byte 120005", result.stderr)
        rows = parse(result.stdout)
        self.assertGreater(len(rows), 10000)
        self.assertEqual({len(row) for row in rows}, {5})

    def test_a_text_that_does_not_fit(self):
        self.write("greet.yaml", 'name: greet\nkind: classify\ntemplate: "{text}"\nlabels: [a, b]\n')
        path = self.write("a.csv", "text\nx\n" + "好" * 5000 + "\ny\n")
        result = run("classify", "greet", "--tasks", self.folder.name, "-f", path)
        self.assertEqual(result.returncode, 1)
        self.assertEqual([row[1] == "" for row in parse(result.stdout)[1:]], [False, True, False])
        result = run("sentiment", "-f", path)  # this task truncates
        self.assertEqual(result.returncode, 0)
        self.assertIn("1 text was too long", result.stderr)

    def test_a_full_disk(self):
        path = self.write("a.csv", "text\nx\n")
        with open("/dev/full", "wb") as full:
            result = run("sentiment", "-f", path, stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot write", result.stderr)


class Resume(WithFolder):
    def setUp(self):
        super().setUp()
        chance = random.Random(1)
        pieces = ["好", "坏", '"', "\n", ",", "\r\n", "text", "😀", " "]
        self.table = [["id", "text"]] + [[str(i), "a" + "".join(chance.choices(pieces, k=12))] for i in range(300)]
        self.input = self.write("a.csv", as_csv(self.table) + "broken\n")
        self.arguments = ["sentiment", "-f", self.input, "--text-column", "text", "-o"]
        self.assertEqual(run(*self.arguments, self.path("whole.csv")).returncode, 1)
        self.whole = self.read("whole.csv")

    def test_every_cut_is_continued(self):
        data = self.whole.encode()
        self.assertEqual([row[:2] for row in parse(self.whole)], self.table + [["broken", ""]])
        for cut in [0, 1, 20, len(data) - 1, len(data)] + random.Random(2).sample(range(len(data)), 12):
            path = self.write("part.csv", data[:cut])
            result = run(*self.arguments, path, "--resume")
            self.assertEqual(self.read("part.csv"), self.whole, cut)
            self.assertIn(result.returncode, (0, 1))

    def test_json_lines(self):
        path = self.path("o.jsonl")
        run(*self.arguments, path)
        whole = self.read("o.jsonl")
        for cut in (0, 5, 2000, len(whole.encode()) - 3):
            self.write("o.jsonl", whole.encode()[:cut])
            run(*self.arguments, path, "--resume")
            self.assertEqual(self.read("o.jsonl"), whole)

    def test_what_is_no_output_of_the_command_is_refused(self):
        for data in ("other,columns\n1,2\n", self.whole.replace("a", "b"), self.whole + "1,2,3,4,5,6\n", "text\n" * 5,
                     self.whole[:200].rsplit("\n", 1)[0] + '\n5,"x"y\n' + self.whole[200:]):
            path = self.write("part.csv", data)
            result = run(*self.arguments, path, "--resume")
            self.assertEqual(result.returncode, 1, data[:50])
            self.assertIn("part.csv", result.stderr)
            self.assertEqual(self.read("part.csv"), data)

    def test_files_are_not_overwritten(self):
        self.refused(2, "exists: --resume", "-f", self.input, "--text-column", "text", "-o", self.path("whole.csv"))
        self.assertEqual(self.read("whole.csv"), self.whole)
        self.refused(2, "is the input", "-f", self.input, "--text-column", "text", "-o", self.input)
        os.link(self.input, self.path("link.csv"))
        self.refused(2, "is the input", "-f", self.input, "--text-column", "text", "-o", self.path("link.csv"), "--resume")
        self.refused(2, "requires", "-f", self.input, "--text-column", "text", "--resume")
        self.refused(2, "ends in .csv", "-f", self.input, "--text-column", "text", "-o", self.path("o.xlsx"))
        self.refused(1, "cannot write", "-f", self.input, "--text-column", "text", "-o", "/nonexistent/o.csv")

    def test_ctrl_c_leaves_whole_rows(self):
        table = [["text"]] + [[f"text {i}\nin two lines, number {i}"] for i in range(20000)]
        path, out = self.write("long.csv", as_csv(table)), self.path("long-out.csv")
        command = [QWEN_RUN, "-m", TINY, "sentiment", "-f", path, "-o", out]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment())
        while not os.path.exists(out) or os.path.getsize(out) < 20000:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        message = process.stderr.read().decode()
        process.stderr.close()
        self.assertEqual(process.wait(60), 130)
        self.assertIn("--resume continues", message)
        text = self.read("long-out.csv")
        rows = parse(text)
        self.assertTrue(100 < len(rows) < 20001 and text.endswith("\n"))
        self.assertEqual({len(row) for row in rows}, {5})
        self.assertEqual(rows[1:], [t + r[1:] for t, r in zip(table[1:], rows[1:])])
        # The rest of a shorter input.
        self.write("long.csv", as_csv(table[: len(rows) + 10]))
        self.assertEqual(run("sentiment", "-f", path, "-o", out, "--resume").returncode, 0)
        self.assertEqual(self.read("long-out.csv")[: len(text)], text)
        self.assertEqual(len(parse(self.read("long-out.csv"))), len(rows) + 10)


class Memory(WithFolder):
    # Runs a command and prints its peak memory (KiB).
    CODE = ("import resource, subprocess, sys; r = subprocess.run(sys.argv[1:]).returncode;"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr); sys.exit(r)")

    def peak(self, rows):
        path = self.path("big.csv")
        with open(path, "w") as file:
            file.write("id,text\n")
            file.writelines(f"{i},{'same text ' * 5}{'x' * (200 if i % 2 else 300)}\n" for i in range(rows))
        out = self.path(f"{rows}.csv")
        result = subprocess.run([sys.executable, "-c", self.CODE, QWEN_RUN, "-m", TINY, "sentiment", "-f", path, "--cache", "10",
                                 "-o", out], stderr=subprocess.PIPE, env=environment(), timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(out) as file:
            self.assertEqual(sum(1 for _ in file), rows + 1)
        return int(result.stderr.split()[-1])

    def test_memory_does_not_grow_with_the_file(self):
        self.assertLess(self.peak(60000) - self.peak(2000), 8000)  # the longer file has 19 MB


class EvaluateTables(WithFolder):
    ROWS = [["编号", "标签", "评论"]] + [[str(i), str(i % 2), f"text {i}, with a comma\nand a line"] for i in range(12)]

    def test_every_format_gives_the_same_report(self):
        path = self.write("a.tsv", "label\ttext\n" + "".join(f"{r[1]}\t{r[2].replace(chr(10), ' ')}\n" for r in self.ROWS[1:]))
        reports = [run_json("evaluate", "sentiment", "--data", path, "--json")]
        rows = [[c.replace("\n", " ") for c in row] for row in self.ROWS]
        path = self.write("a.csv", as_csv(rows), "gb18030")
        reports.append(run("evaluate", "sentiment", "--data", path, "--json", "--encoding", "gb18030"))
        self.assertIn("column 评论", reports[1].stderr)
        reports[1] = json.loads(reports[1].stdout)
        reports.append(run_json("evaluate", "sentiment", "--data", path, "--json", "--encoding", "auto", "--text-column", "3",
                                "--label-column", "2"))
        path = self.write("a.jsonl", "".join(json.dumps({"y": int(r[1]), "t": r[2]}) + "\n" for r in rows[1:]))
        reports.append(run_json("evaluate", "sentiment", "--data", path, "--json", "--text-column", "t", "--label-column", "y"))
        for report in reports:
            for key in ("seconds", "texts_per_second"):
                del report[key]
        for report in reports[1:]:
            self.assertEqual(report, reports[0])

    def test_several_tasks(self):
        path = self.write("a.csv", as_csv(self.ROWS))
        arguments = ["--data", path, "--text-column", "评论", "--label-column", "标签"]
        both = run_json("evaluate", "sentiment", "sentiment_en", *arguments, "--json", "--predictions", self.path("p.csv"))
        for task, found in zip(("sentiment", "sentiment_en"), both["tasks"]):
            alone = run_json("evaluate", task, *arguments, "--json")
            self.assertEqual([found[k] for k in ("task", "accuracy", "log_loss", "confusion")],
                             [alone[k] for k in ("task", "accuracy", "log_loss", "confusion")])
        rows = parse(self.read("p.csv"))
        self.assertEqual([row[:3] for row in rows], self.ROWS)
        self.assertEqual(rows[0][3:], [f"{t}_{c}" for t in ("sentiment", "sentiment_en") for c in ("predicted", "probability", "right")])
        for column, found in zip((5, 8), both["tasks"]):
            self.assertAlmostEqual(sum(row[column] == "true" for row in rows) / 12, found["accuracy"])
        text = run("evaluate", "sentiment", "sentiment_en", *arguments).stdout
        self.assertRegex(text, r"(?m)^task +accuracy +macro F1")
        self.assertRegex(text, r"(?m)^sentiment_en +0\.")
        run("evaluate", "sentiment", *arguments, "--predictions", self.path("p.csv"))
        self.assertEqual(parse(self.read("p.csv"))[0][3:], ["predicted", "probability", "right"])

    def test_errors(self):
        path = self.write("a.csv", "text,kind\na,1\nb,2\n")
        for arguments, code, part in ((["sentiment"], 2, "--label-column; its columns: text, kind"),
                                      (["sentiment", "--label-column", "kind"], 1, "a.csv:3: the task sentiment has no label"),
                                      (["sentiment", "--label-column", "x"], 2, "no column x"),
                                      (["sentiment", "nothing", "--label-column", "kind"], 1, 'no task "nothing"')):
            result = run("evaluate", *arguments, "--data", path, "--text-column", "text")
            self.assertEqual((result.returncode, result.stdout), (code, ""))
            self.assertIn(part, result.stderr)


if __name__ == "__main__":
    unittest.main()
