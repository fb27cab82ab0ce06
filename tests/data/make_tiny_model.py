#!/usr/bin/env python3
"""make_tiny_model.py QWEN_RUN OUT.gguf: a Qwen2 model of two small layers that is known by heart.

Its head maps each token to the one that follows it in two texts: an answer that begins after the line break of
"<|im_start|>assistant\\n" and ends the turn, and the alphabet in a circle. The layers only add a little noise, so
that what a token sees before itself changes its logits but not its successor. Vocabulary: text/small-vocab.gguf.
"""
import os
import struct
import subprocess
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
VOCABULARY = os.path.join(HERE, "text", "small-vocab.gguf")
ANSWER = "你好！我很好😀，今天天气不错。"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LAYERS, HIDDEN, HEADS, KV_HEADS, FFN, CONTEXT = 2, 64, 4, 2, 96, 1 << 20

U32, F32, STRING, ARRAY = 4, 6, 8, 9
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def read_metadata(path):
    """[(key, raw value with its type)] of a GGUF file, and the number of tokens."""
    data = open(path, "rb").read()
    count = struct.unpack_from("<Q", data, 16)[0]
    at, pairs, tokens = 24, [], 0

    def skip(kind, at):
        if kind == STRING:
            return at + 8 + struct.unpack_from("<Q", data, at)[0]
        if kind == ARRAY:
            element, n = struct.unpack_from("<IQ", data, at)
            at += 12
            for _ in range(n):
                at = skip(element, at)
            return at
        return at + SIZES[kind]

    for _ in range(count):
        n = struct.unpack_from("<Q", data, at)[0]
        key = data[at + 8 : at + 8 + n].decode()
        at += 8 + n
        end = skip(struct.unpack_from("<I", data, at)[0], at + 4)
        pairs.append((key, data[at:end]))
        if key == "tokenizer.ggml.tokens":
            tokens = struct.unpack_from("<Q", data, at + 8)[0]
        at = end
    return pairs, tokens


def q8_0(matrix):
    blocks = matrix.reshape(-1, 32)
    scale = (np.abs(blocks).max(axis=1) / 127).astype("<f2")
    inverse = np.where(scale > 0, 1 / np.maximum(scale.astype(np.float64), 1e-30), 0)
    codes = np.rint(blocks * inverse[:, None]).clip(-127, 127).astype("i1")
    return b"".join(s.tobytes() + c.tobytes() for s, c in zip(scale, codes))


def ids_of(qwen_run, what):
    command = [qwen_run, "-m", VOCABULARY, "tokenize", "--special", "-p", what]
    return [int(i) for i in subprocess.run(command, check=True, capture_output=True).stdout.split()]


def successors(qwen_run):
    chains = [ids_of(qwen_run, "\n" + ANSWER + "<|im_end|>")]
    letters = [ids_of(qwen_run, letter)[0] for letter in ALPHABET]
    chains.append(letters + letters[:1])
    follows = {}
    for chain in chains:
        for token, following in zip(chain, chain[1:]):
            assert token not in follows, f"token {token} has two successors"
            follows[token] = following
    return follows


def make_tensors(follows, tokens):
    random = np.random.default_rng(20)
    embedding = random.choice([-1.0, 1.0], size=(tokens, HIDDEN))
    head = np.zeros((tokens, HIDDEN))
    for token, following in follows.items():
        head[following] += 0.3 * embedding[token]
    yield "token_embd.weight", "Q8_0", embedding
    yield "output.weight", "Q8_0", head
    yield "output_norm.weight", "F32", np.ones(HIDDEN)
    kv = HIDDEN // HEADS * KV_HEADS
    for layer in range(LAYERS):
        noise = lambda rows, cols: random.normal(size=(rows, cols)) / np.sqrt(cols)
        block = f"blk.{layer}."
        yield block + "attn_norm.weight", "F32", np.ones(HIDDEN)
        yield block + "ffn_norm.weight", "F32", np.ones(HIDDEN)
        for name, rows in (("q", HIDDEN), ("k", kv), ("v", kv)):
            yield block + f"attn_{name}.weight", "Q8_0", noise(rows, HIDDEN)
            yield block + f"attn_{name}.bias", "F32", random.normal(size=rows)
        yield block + "attn_output.weight", "Q8_0", 0.1 * noise(HIDDEN, HIDDEN)
        yield block + "ffn_gate.weight", "Q8_0", noise(FFN, HIDDEN)
        yield block + "ffn_up.weight", "Q8_0", noise(FFN, HIDDEN)
        yield block + "ffn_down.weight", "Q8_0", 0.1 * noise(HIDDEN, FFN)


def main():
    qwen_run, out = sys.argv[1:]
    pairs, tokens = read_metadata(VOCABULARY)
    u32 = lambda n: struct.pack("<II", U32, n)
    f32 = lambda x: struct.pack("<If", F32, x)
    string = lambda s: struct.pack("<I", STRING) + text(s)
    own = {
        "general.architecture": string("qwen2"),
        "general.name": string("tiny"),
        "general.file_type": u32(7),
        "qwen2.block_count": u32(LAYERS),
        "qwen2.context_length": u32(CONTEXT),
        "qwen2.embedding_length": u32(HIDDEN),
        "qwen2.feed_forward_length": u32(FFN),
        "qwen2.attention.head_count": u32(HEADS),
        "qwen2.attention.head_count_kv": u32(KV_HEADS),
        "qwen2.rope.freq_base": f32(1e6),
        "qwen2.attention.layer_norm_rms_epsilon": f32(1e-6),
        "tokenizer.chat_template": string(TEMPLATE),
    }
    metadata = list(own.items()) + [(k, v) for k, v in pairs if k not in own and k.startswith("tokenizer.")]
    header, body = b"", b""
    tensors = list(make_tensors(successors(qwen_run), tokens))
    for name, kind, values in tensors:
        header += text(name) + struct.pack("<I", values.ndim) + struct.pack(f"<{values.ndim}Q", *values.shape[::-1])
        header += struct.pack("<IQ", {"F32": 0, "Q8_0": 8}[kind], len(body))
        body += q8_0(values) if kind == "Q8_0" else values.astype("<f4").tobytes()
        body += bytes(-len(body) % 32)
    start = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    start += b"".join(text(key) + value for key, value in metadata) + header
    start += bytes(-len(start) % 32)
    with open(out, "wb") as file:
        file.write(start + body)


if __name__ == "__main__":
    main()
