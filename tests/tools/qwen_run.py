"""Helpers of the tests of qwen-run."""
import json
import os
import struct
import subprocess

SOURCE = os.environ["QWEN_SOURCE_DIR"]
QWEN_RUN = os.path.join(os.environ["QWEN_BIN_DIR"], "tools", "qwen-run")
TINY = os.path.join(SOURCE, "tests", "data", "tiny.gguf")
VOCABULARY = os.path.join(SOURCE, "tests", "data", "text", "small-vocab.gguf")
ANSWER = "你好！我很好😀，今天天气不错。"  # of tiny.gguf, to everything


def environment(**changes):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("QWEN_", "LIBQWEN_"))}
    env["LC_ALL"] = "C.UTF-8"
    env.update(changes)
    return env


def run(*arguments, stdin=b"", model=TINY, env=None, stdout=subprocess.PIPE):
    """Runs the program without a terminal. `model` None gives no -m."""
    if isinstance(stdin, str):
        stdin = stdin.encode()
    command = [QWEN_RUN] + (["-m", model] if model else []) + list(arguments)
    result = subprocess.run(
        command, input=stdin, stdout=stdout, stderr=subprocess.PIPE, env=env or environment(), timeout=120
    )
    result.stderr = result.stderr.decode()
    result.bytes = result.stdout
    result.stdout = None if result.stdout is None else result.stdout.decode()  # all that it prints is UTF-8
    return result


def run_json(*arguments, **options):
    result = run(*arguments, **options)
    assert result.returncode == 0, result.stderr
    assert result.stderr == "", result.stderr
    return json.loads(result.stdout)


def read_npy(path):
    """A float32 array of two dimensions, as a list of rows."""
    with open(path, "rb") as file:
        assert file.read(8) == b"\x93NUMPY\x01\x00"
        (size,) = struct.unpack("<H", file.read(2))
        assert (10 + size) % 64 == 0
        header = eval(file.read(size), {})
        assert header["descr"] == "<f4" and header["fortran_order"] is False
        rows, cols = header["shape"]
        data = file.read()
        assert len(data) == rows * cols * 4
        return [struct.unpack_from(f"<{cols}f", data, row * cols * 4) for row in range(rows)]
