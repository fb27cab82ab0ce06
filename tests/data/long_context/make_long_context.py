#!/usr/bin/env python3
"""make_long_context.py: writes model.gguf and the golden logits of this folder (needs python3-numpy).

A Qwen2 of one layer with random F32 weights, trained for 32,768 positions by its metadata, and its logits in float64 with
plain RoPE, linear scaling and YaRN. With one layer, keys and values depend on the token and its position only, so that a
reference at position 131,071 is short: no step of it is an approximation.

NAME.npy is [positions, vocabulary] float32, the logits after the tokens 0 .. position for each of POSITIONS[NAME].
Token i is (i * i * 31 + i * 7 + 11) % 251.
"""
import os
import struct

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
HIDDEN, HEADS, HEAD_DIM, FFN, TRAINED, THETA, EPS = 32, 2, 32, 32, 32768, 1e6, 1e-6
WORDS = 256 + 3

# name: (scaling, factor, beta_fast, beta_slow, ext_factor, attention_factor), positions
CASES = {
    "none": (("none", 1, 32, 1, 1, 1), [4095, 32767]),
    "linear": (("linear", 4, 32, 1, 1, 1), [4095, 32767, 131071]),
    "yarn": (("yarn", 4, 32, 1, 1, 1), [4095, 32767, 131071]),
    "yarn_options": (("yarn", 4, 16, 2, 0.5, 0.9), [4095, 131071]),
}


def frequencies(scaling, factor, beta_fast, beta_slow, ext_factor, attention_factor):
    """Radians per position of each pair, and the factor of cos and sin: the formulas of the YaRN paper (2309.00071)."""
    pairs = np.arange(HEAD_DIM // 2, dtype=np.float64)
    plain = THETA ** (-2 * pairs / HEAD_DIM)
    if scaling == "none":
        return plain, 1.0
    if scaling == "linear":
        return plain / factor, 1.0
    # Pair i turns TRAINED * plain[i] / 2 pi times within the trained context.
    pair_of = lambda turns: HEAD_DIM * np.log(TRAINED / (turns * 2 * np.pi)) / (2 * np.log(THETA))
    low = max(np.floor(pair_of(beta_fast)), 0)
    high = min(np.ceil(pair_of(beta_slow)), HEAD_DIM - 1)
    ramp = np.clip((pairs - low) / max(high - low, 0.001), 0, 1)
    extrapolated = (1 - ramp) * ext_factor
    magnitude = attention_factor * (0.1 * np.log(factor) + 1)
    return plain / factor * (1 - extrapolated) + plain * extrapolated, magnitude


def make_weights():
    random = np.random.default_rng(20240607)
    normal = lambda rows, cols, scale: (random.standard_normal((rows, cols)) * scale).astype(np.float32)
    vector = lambda n, mean, scale: (mean + random.standard_normal(n) * scale).astype(np.float32)
    q_dim = HEADS * HEAD_DIM
    return {
        "token_embd.weight": normal(WORDS, HIDDEN, 1),
        "blk.0.attn_norm.weight": vector(HIDDEN, 1, 0.1),
        "blk.0.attn_q.weight": normal(q_dim, HIDDEN, 2 / HIDDEN**0.5),
        "blk.0.attn_q.bias": vector(q_dim, 0, 0.5),
        "blk.0.attn_k.weight": normal(HEAD_DIM, HIDDEN, 2 / HIDDEN**0.5),
        "blk.0.attn_k.bias": vector(HEAD_DIM, 0, 0.5),
        "blk.0.attn_v.weight": normal(HEAD_DIM, HIDDEN, 2 / HIDDEN**0.5),
        "blk.0.attn_v.bias": vector(HEAD_DIM, 0, 0.5),
        "blk.0.attn_output.weight": normal(HIDDEN, q_dim, 1 / HIDDEN**0.5),
        "blk.0.ffn_norm.weight": vector(HIDDEN, 1, 0.1),
        "blk.0.ffn_gate.weight": normal(FFN, HIDDEN, 1 / HIDDEN**0.5),
        "blk.0.ffn_up.weight": normal(FFN, HIDDEN, 1 / HIDDEN**0.5),
        "blk.0.ffn_down.weight": normal(HIDDEN, FFN, 1 / FFN**0.5),
        "output_norm.weight": vector(HIDDEN, 1, 0.1),
    }


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def write_gguf(path, weights):
    codes = [b for b in range(256) if 0x21 <= b <= 0x7E or (b >= 0xA1 and b != 0xAD)]
    alphabet, extra = {}, 0x100
    for byte in range(256):
        alphabet[byte] = chr(byte) if byte in codes else chr(extra)
        extra += byte not in codes
    tokens = [alphabet[b] for b in range(256)] + ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    strings = lambda values: struct.pack("<IIQ", 9, 8, len(values)) + b"".join(text(v) for v in values)
    u32 = lambda value: struct.pack("<II", 4, value)
    f32 = lambda value: struct.pack("<If", 6, value)
    string = lambda value: struct.pack("<I", 8) + text(value)
    types = [1] * 256 + [3] * 3
    metadata = {
        "general.architecture": string("qwen2"),
        "general.name": string("long context"),
        "qwen2.block_count": u32(1),
        "qwen2.context_length": u32(TRAINED),
        "qwen2.embedding_length": u32(HIDDEN),
        "qwen2.feed_forward_length": u32(FFN),
        "qwen2.attention.head_count": u32(HEADS),
        "qwen2.attention.head_count_kv": u32(1),
        "qwen2.attention.key_length": u32(HEAD_DIM),
        "qwen2.attention.value_length": u32(HEAD_DIM),
        "qwen2.attention.layer_norm_rms_epsilon": f32(EPS),
        "qwen2.rope.freq_base": f32(THETA),
        "tokenizer.ggml.model": string("gpt2"),
        "tokenizer.ggml.pre": string("qwen2"),
        "tokenizer.ggml.tokens": strings(tokens),
        "tokenizer.ggml.token_type": struct.pack("<IIQ", 9, 5, len(types)) + struct.pack(f"<{len(types)}i", *types),
        "tokenizer.ggml.merges": strings([]),
        "tokenizer.ggml.eos_token_id": u32(258),
    }
    header = struct.pack("<4sIQQ", b"GGUF", 3, len(weights), len(metadata))
    for key, value in metadata.items():
        header += text(key) + value
    data = b""
    for name, values in weights.items():
        shape = values.shape[::-1]
        header += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        data += values.tobytes() + bytes(-values.nbytes % 32)
    header += bytes(-len(header) % 32)
    with open(path, "wb") as file:
        file.write(header + data)


def rms_norm(x, weight):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + EPS) * weight


def rotate(x, positions, rope):
    """x [n, HEAD_DIM] at positions [n]: pairs are (i, i + HEAD_DIM / 2)."""
    angles = np.asarray(positions, np.float64)[:, None] * rope[0]
    cos, sin = np.cos(angles) * rope[1], np.sin(angles) * rope[1]
    a, b = np.split(x, 2, axis=1)
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=1)


def logits(w, tokens, positions, rope):
    embedding = w["token_embd.weight"]
    normed = rms_norm(embedding, w["blk.0.attn_norm.weight"])  # of every token of the vocabulary
    project = lambda name: normed @ w[f"blk.0.attn_{name}.weight"].T + w[f"blk.0.attn_{name}.bias"]
    q, k, v = project("q"), project("k"), project("v")
    keys = rotate(k[tokens], np.arange(len(tokens)), rope)
    rows = []
    for position in positions:
        x = embedding[tokens[position]].copy()
        attended = []
        for head in range(HEADS):
            query = rotate(q[tokens[position], None, head * HEAD_DIM : (head + 1) * HEAD_DIM], [position], rope)[0]
            scores = keys[: position + 1] @ query / HEAD_DIM**0.5
            weights = np.exp(scores - scores.max())
            attended.append(weights / weights.sum() @ v[tokens[: position + 1]])
        x = x + w["blk.0.attn_output.weight"] @ np.concatenate(attended)
        h = rms_norm(x, w["blk.0.ffn_norm.weight"])
        gate = w["blk.0.ffn_gate.weight"] @ h
        x = x + w["blk.0.ffn_down.weight"] @ (gate / (1 + np.exp(-gate)) * (w["blk.0.ffn_up.weight"] @ h))
        rows.append(embedding @ rms_norm(x, w["output_norm.weight"]))
    return np.array(rows)


def main():
    weights = make_weights()
    write_gguf(os.path.join(HERE, "model.gguf"), weights)
    exact = {name: values.astype(np.float64) for name, values in weights.items()}
    tokens = np.array([(i * i * 31 + i * 7 + 11) % 251 for i in range(131072)])
    for name, (rope, positions) in CASES.items():
        values = logits(exact, tokens, positions, frequencies(*rope))
        np.save(os.path.join(HERE, name + ".npy"), values.astype(np.float32))


main()
