#!/usr/bin/env python3
"""qwen-quantize as its users meet it: files in, files out, exit codes. Makes its own tiny models."""
import json
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile

PROGRAM = os.path.join(os.environ["QWEN_BIN_DIR"], "tools", "qwen-quantize")
TYPES = {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 10: "Q2_K", 11: "Q3_K",
         12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 20: "IQ4_NL", 23: "IQ4_XS", 30: "BF16"}
failures = 0


def check(condition, what):
    global failures
    if not condition:
        failures += 1
        print("FAILED:", what)


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def write_model(path, hidden=96, ffn=512, layers=2, spoil=None):
    """A GGUF file in float with the metadata that a quantiser looks at."""
    shapes = [("token_embd.weight", (300, hidden)), ("output_norm.weight", (hidden,))]
    for i in range(layers):
        shapes += [(f"blk.{i}.attn_q.weight", (hidden, hidden)), (f"blk.{i}.attn_q.bias", (hidden,)),
                   (f"blk.{i}.attn_v.weight", (32, hidden)), (f"blk.{i}.ffn_down.weight", (hidden, ffn))]
    meta = [("general.architecture", 8, text("qwen2")), ("general.file_type", 4, struct.pack("<I", 0)),
            ("qwen2.block_count", 4, struct.pack("<I", layers)),
            ("qwen2.attention.head_count", 4, struct.pack("<I", 3)),
            ("qwen2.attention.head_count_kv", 4, struct.pack("<I", 1)),
            ("tokenizer.chat_template", 8, text("{% 模板 %}"))]
    header = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(meta))
    for key, kind, value in meta:
        header += text(key) + struct.pack("<I", kind) + value
    rng = random.Random(1)
    blob = b""
    for name, shape in shapes:
        count = 1
        for n in shape:
            count *= n
        header += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in reversed(shape))
        header += struct.pack("<IQ", 0, len(blob))
        values = [rng.gauss(0, 0.02) for _ in range(count)]
        if spoil and name == spoil[0]:
            values[7] = spoil[1]
        data = struct.pack(f"<{count}f", *values)
        blob += data + b"\0" * (-len(data) % 32)
    header += b"\0" * (-len(header) % 32)
    with open(path, "wb") as f:
        f.write(header + blob)


def read_header(path):
    """({key: value} of plain values, {tensor: type}) of a GGUF file."""
    with open(path, "rb") as f:
        data = f.read()
    at = 8

    def take(form):
        nonlocal at
        value = struct.unpack_from("<" + form, data, at)[0]
        at += struct.calcsize("<" + form)
        return value

    def take_text():
        nonlocal at
        size = take("Q")
        at += size
        return data[at - size:at].decode()

    tensors, keys = take("Q"), take("Q")
    meta = {}
    for _ in range(keys):
        key, kind = take_text(), take("I")
        meta[key] = take_text() if kind == 8 else take({4: "I", 5: "i", 6: "f", 7: "?", 10: "Q"}[kind])
    types = {}
    for _ in range(tensors):
        name = take_text()
        for _ in range(take("I")):
            take("Q")
        types[name] = TYPES[take("I")]
        take("Q")
    return meta, types


def run(*arguments, limit=None):
    def lower_limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=120,
                          preexec_fn=lower_limit if limit else None)


def one_line(done):
    return done.stderr.startswith("qwen-quantize: error: ") and done.stderr.count("\n") == 1


def main():
    with tempfile.TemporaryDirectory() as folder:
        source, out = os.path.join(folder, "in.gguf"), os.path.join(folder, "out.gguf")
        write_model(source)

        done = run(source, out, "--type", "q4_k_m")
        check(done.returncode == 0, done.stderr)
        check(done.stderr == "", "no progress where stderr is no terminal")
        check("Q5_0 instead of Q4_K" in done.stdout and "bits per weight" in done.stdout, "fallbacks are said")
        meta, types = read_header(out)
        check(meta["general.file_type"] == 15 and meta["general.quantization_version"] == 2, "file type")
        check(meta["tokenizer.chat_template"] == "{% 模板 %}", "metadata is copied")
        check(types["token_embd.weight"] == "Q8_0" and types["blk.0.attn_q.weight"] == "Q5_0", "fallback types")
        check(types["blk.0.ffn_down.weight"] == "Q4_K" and types["blk.1.ffn_down.weight"] == "Q6_K", "mixture")
        check(types["blk.0.attn_q.bias"] == "F32" and types["output_norm.weight"] == "F32", "vectors stay float")

        first = open(out, "rb").read()
        done = run(source, out, "--type", "Q8_0")
        check(done.returncode == 2 and one_line(done) and "--force" in done.stderr, "refuses to overwrite")
        check(open(out, "rb").read() == first, "a refused run changes nothing")
        done = run(source, out, "--type", "Q8_0", "--force", "--threads", "2")
        check(done.returncode == 0 and read_header(out)[1]["blk.0.attn_q.weight"] == "Q8_0", "--force overwrites")

        config = os.path.join(folder, "config.yaml")
        with open(config, "w") as file:
            file.write("threads: 1\nport: 80\n")
        done = run(source, out, "--type", "Q8_0", "--force", "--config", config)
        check(done.returncode == 0, f"config.yaml: {done.stderr}")
        with open(config, "w") as file:
            file.write("threads: many\n")
        done = run(source, out, "--type", "Q8_0", "--force", "--config", config)
        check(done.returncode == 2 and one_line(done) and ":1: threads" in done.stderr, f"config.yaml: {done.stderr}")
        os.remove(config)

        for name in ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL"]:
            write_model(source, hidden=256, ffn=256, layers=1)
            done = run(source, out, "--type", name, "--pure", "--force", "--json")
            check(done.returncode == 0, f"{name}: {done.stderr}")
            types = read_header(out)[1]
            check(types["blk.0.attn_q.weight"] == name, f"{name}: {types}")
            report = json.loads(done.stdout)
            check(report["file_bytes"] == os.path.getsize(out) and report["notes"] == [], f"{name}: report")
            check(sum(t["bytes"] for t in report["types"]) == report["tensor_bytes"], f"{name}: sums")
        write_model(source)

        done = run("--force", "--tensor", "blk.0.*=Q8_0", "--tensor", "ffn_down=Q6_K", "--embedding-type", "F16",
                   source, out, "--type", "Q4_0")
        types = read_header(out)[1]
        check(done.returncode == 0 and types["blk.0.attn_q.weight"] == "Q8_0", "--tensor: " + done.stderr)
        check(types["blk.1.ffn_down.weight"] == "Q6_K" and types["blk.1.attn_q.weight"] == "Q4_0", "first match wins")
        check(types["token_embd.weight"] == "F16", "--embedding-type")
        os.remove(out)

        for arguments in [[], [source], [source, out, "--type", "Q99"], [source, out, "--no-such-option"],
                          [source, out, "--tensor", "nothing"], [source, out, "--tensor", "blk.9.*=Q8_0"],
                          [source, out, "--output-type", "Q4_K_M"], [source, out, "--threads", "0"]]:
            done = run(*arguments)
            check(done.returncode == 2 and one_line(done), f"usage: {arguments}: {done.returncode} {done.stderr}")
        done = run(os.path.join(folder, "missing.gguf"), out)
        check(done.returncode == 1 and one_line(done) and "missing.gguf" in done.stderr, "missing source")
        done = run(source, out, "--measure", os.path.join(folder, "missing.txt"))
        check(done.returncode == 1 and one_line(done) and "missing.txt" in done.stderr, "missing text")
        done = run(source, os.path.join(folder, "no", "such", "folder.gguf"))
        check(done.returncode == 1 and one_line(done), "missing folder")
        done = run(source, out, "--type", "F16", limit=30000)
        check(done.returncode == 1 and one_line(done), f"disk full: {done.returncode} {done.stderr}")
        write_model(source, spoil=("blk.1.attn_v.weight", float("nan")))
        done = run(source, out, "--type", "Q4_0")
        check(done.returncode == 1 and "blk.1.attn_v.weight" in done.stderr and "nan" in done.stderr, "NaN: " + done.stderr)
        check(os.listdir(folder) == ["in.gguf"], f"failures leave nothing behind: {os.listdir(folder)}")

        tiny = os.path.join(os.environ["QWEN_SOURCE_DIR"], "tests", "data", "tiny.gguf")
        sample = os.path.join(folder, "sample.txt")
        with open(sample, "w") as f:
            f.write("the quick brown fox 你好，世界 0123456789\n" * 3)
        measured = {}
        for name in ["F32", "Q8_0", "Q2_K"]:
            done = run(tiny, out, "--force", "--type", name, "--measure", sample, "--measure-tokens", "60",
                       "--context", "24", "--json", "--threads", "1")
            check(done.returncode == 0, f"--measure {name}: {done.stderr}")
            measured[name] = json.loads(done.stdout)["measured"]
        check(measured["Q8_0"]["tokens"] == 57, f"tokens but the first of each window: {measured}")
        same = measured["Q8_0"]  # the source's own type: copied
        check(same["kl_max"] == 0 and same["same_top"] == 1, f"a copy loses nothing: {measured}")
        check(same["perplexity"] == same["source_perplexity"] > 1, f"perplexity: {measured}")
        check(0 < measured["F32"]["kl_mean"] < measured["Q2_K"]["kl_mean"], f"fewer bits, more loss: {measured}")
        done = run(tiny, out, "--force", "--type", "Q4_0", "--measure", sample)
        check("KL divergence" in done.stdout and "perplexity" in done.stdout, "--measure as text: " + done.stdout)

        done = run("--help")
        check(done.returncode == 0 and "examples:" in done.stdout and "Q4_K_M" in done.stdout, "help")
        check(run("--version").stdout.startswith("qwen-quantize "), "version")
    print("qwen-quantize:", "failed" if failures else "ok")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
