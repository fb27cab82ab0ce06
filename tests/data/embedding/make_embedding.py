#!/usr/bin/env python3
"""make_embedding.py: writes the other files of this folder (needs python3-numpy).

A Qwen3 of two layers with random BF16 weights, in the form of Qwen3-Embedding's checkpoints: a Hugging Face directory
(hf/, tensor names without "model." and no output head) and model.gguf with the same weights. The tokenizer appends
<|endoftext|>. The vocabulary is the 256 bytes, the merges "ye", "yes" and "no", and five added tokens.

vectors.npy [texts, hidden] float64: embeddings of TEXTS, and of the last of them with INSTRUCTION: the state of the last
token after the final norm, divided by its L2 norm. scores.npy [documents] float64: the softmax of "yes" and "no" after
Qwen3-Reranker's prompt for QUERY and DOCUMENTS. Everything is computed in float64. The texts are also in
tests/tasks/test_embedding_golden.cpp.
"""
import json
import os
import struct

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS, HIDDEN, HEADS, KV_HEADS, HEAD_DIM, FFN, CONTEXT, THETA, EPS = 2, 32, 4, 2, 16, 48, 1024, 1e6, 1e-6
MERGES = [("y", "e"), ("ye", "s"), ("n", "o")]
ADDED = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
TEXTS = ["the room is clean", "", "房间很干净", "yes, it has no windows", "Where is the nearest station?"]
INSTRUCTION = "Given a question, find its answer"
QUERY = "Is breakfast included?"
DOCUMENTS = ["Yes, from seven to ten.", "no", "早餐从七点开始", "The pool is closed on Mondays.", ""]
REGEX = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_texts():
    """The text of each byte in a byte-level vocabulary."""
    shown = [b for b in range(256) if 0x21 <= b <= 0x7E or (b >= 0xA1 and b != 0xAD)]
    others = iter(range(0x100, 0x200))
    return [chr(b) if b in shown else chr(next(others)) for b in range(256)]


VOCABULARY = byte_texts() + ["".join(pair) for pair in MERGES] + ADDED
IDS = {text: i for i, text in enumerate(VOCABULARY)}


def encode(text):
    """Ordinary text. The merges are of letters only, so none of them crosses a boundary of the split pattern."""
    symbols = [VOCABULARY[byte] for byte in text.encode()]
    for left, right in MERGES:
        merged = []
        for symbol in symbols:
            if merged and merged[-1] == left and symbol == right:
                merged[-1] = left + right
            else:
                merged.append(symbol)
        symbols = merged
    return [IDS[symbol] for symbol in symbols]


def rerank_prompt(query, document):
    """As https://huggingface.co/Qwen/Qwen3-Reranker-0.6B builds it."""
    start, end, think, answer = (IDS[text] for text in ADDED[1:])
    system = (
        "system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. "
        'Note that the answer can only be "yes" or "no".'
    )
    user = (
        "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n"
        f"<Query>: {query}\n<Document>: {document}"
    )
    return [
        *(start, *encode(system), end, *encode("\n"), start, *encode("user\n" + user), end, *encode("\n")),
        *(start, *encode("assistant\n"), think, *encode("\n\n"), answer, *encode("\n\n")),
    ]


def bf16(values):
    """float32 rounded to BF16 (ties to even)."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).view(np.float32)


def make_weights():
    """By the names of the Hugging Face checkpoint."""
    random = np.random.default_rng(20250605)
    matrix = lambda rows, cols: bf16(random.standard_normal((rows, cols)) * 1.5 / cols**0.5)
    norm = lambda n: bf16(1 + random.standard_normal(n) * 0.2)
    w = {"embed_tokens.weight": bf16(random.standard_normal((len(VOCABULARY), HIDDEN)) * 0.5)}
    for i in range(LAYERS):
        w |= {
            f"layers.{i}.input_layernorm.weight": norm(HIDDEN),
            f"layers.{i}.self_attn.q_proj.weight": matrix(HEADS * HEAD_DIM, HIDDEN),
            f"layers.{i}.self_attn.k_proj.weight": matrix(KV_HEADS * HEAD_DIM, HIDDEN),
            f"layers.{i}.self_attn.v_proj.weight": matrix(KV_HEADS * HEAD_DIM, HIDDEN),
            f"layers.{i}.self_attn.o_proj.weight": matrix(HIDDEN, HEADS * HEAD_DIM),
            f"layers.{i}.self_attn.q_norm.weight": norm(HEAD_DIM),
            f"layers.{i}.self_attn.k_norm.weight": norm(HEAD_DIM),
            f"layers.{i}.post_attention_layernorm.weight": norm(HIDDEN),
            f"layers.{i}.mlp.gate_proj.weight": matrix(FFN, HIDDEN),
            f"layers.{i}.mlp.up_proj.weight": matrix(FFN, HIDDEN),
            f"layers.{i}.mlp.down_proj.weight": matrix(HIDDEN, FFN),
        }
    return w | {"norm.weight": norm(HIDDEN)}


# ---- The reference


def rms_norm(x, weight):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + EPS) * weight


def rotate(x):
    """x [tokens, heads, HEAD_DIM]: pairs are (i, i + HEAD_DIM / 2)."""
    frequencies = THETA ** (-2 * np.arange(HEAD_DIM // 2, dtype=np.float64) / HEAD_DIM)
    angles = np.arange(len(x))[:, None, None] * frequencies
    a, b = np.split(x, 2, axis=-1)
    return np.concatenate([a * np.cos(angles) - b * np.sin(angles), b * np.cos(angles) + a * np.sin(angles)], axis=-1)


def last_state(w, tokens):
    """The state of the last token after the final norm, [HIDDEN]."""
    x = w["embed_tokens.weight"][tokens]
    hidden_later = np.triu(np.full((len(tokens), len(tokens)), -np.inf), 1)
    for i in range(LAYERS):
        weight = lambda name: w[f"layers.{i}.{name}.weight"]
        h = rms_norm(x, weight("input_layernorm"))
        heads = lambda name: (h @ weight(f"self_attn.{name}_proj").T).reshape(len(tokens), -1, HEAD_DIM)
        q = rotate(rms_norm(heads("q"), weight("self_attn.q_norm")))
        k = rotate(rms_norm(heads("k"), weight("self_attn.k_norm")))
        v = heads("v")
        attended = []
        for head in range(HEADS):
            group = head * KV_HEADS // HEADS
            scores = q[:, head] @ k[:, group].T / HEAD_DIM**0.5 + hidden_later
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            attended.append(weights / weights.sum(axis=1, keepdims=True) @ v[:, group])
        x = x + np.concatenate(attended, axis=1) @ weight("self_attn.o_proj").T
        h = rms_norm(x, weight("post_attention_layernorm"))
        gate = h @ weight("mlp.gate_proj").T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ weight("mlp.up_proj").T)) @ weight("mlp.down_proj").T
    return rms_norm(x, w["norm.weight"])[-1]


def embedding(w, text):
    state = last_state(w, encode(text) + [IDS["<|endoftext|>"]])
    return state / np.sqrt((state * state).sum())


def score(w, query, document):
    logits = w["embed_tokens.weight"] @ last_state(w, rerank_prompt(query, document))
    return 1 / (1 + np.exp(logits[IDS["no"]] - logits[IDS["yes"]]))


# ---- The files


def bf16_bytes(values):
    return (values.view(np.uint32) >> 16).astype("<u2").tobytes()


def write_safetensors(path, weights):
    header, data = {}, b""
    for name, values in weights.items():
        raw = bf16_bytes(values)
        header[name] = {"dtype": "BF16", "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def write_directory(folder, weights):
    os.makedirs(folder, exist_ok=True)
    first = len(VOCABULARY) - len(ADDED)
    added = lambda text: {"id": IDS[text], "content": text, "special": not text.endswith("think>")}
    files = {
        "config.json": {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "hidden_size": HIDDEN,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": KV_HEADS,
            "head_dim": HEAD_DIM,
            "intermediate_size": FFN,
            "vocab_size": len(VOCABULARY),
            "max_position_embeddings": CONTEXT,
            "rope_theta": THETA,
            "rms_norm_eps": EPS,
            "tie_word_embeddings": True,
            "hidden_act": "silu",
            "eos_token_id": IDS["<|endoftext|>"],
        },
        "tokenizer.json": {
            "added_tokens": [added(text) for text in ADDED],
            "normalizer": {"type": "NFC"},
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [
                    {"type": "Split", "pattern": {"Regex": REGEX}, "behavior": "Isolated", "invert": False},
                    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
                ],
            },
            "post_processor": {
                "type": "Sequence",
                "processors": [
                    {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
                    {
                        "type": "TemplateProcessing",
                        "single": [
                            {"Sequence": {"id": "A", "type_id": 0}},
                            {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}},
                        ],
                        "pair": [],
                        "special_tokens": {
                            "<|endoftext|>": {
                                "id": "<|endoftext|>",
                                "ids": [IDS["<|endoftext|>"]],
                                "tokens": ["<|endoftext|>"],
                            }
                        },
                    },
                ],
            },
            "model": {
                "type": "BPE",
                "vocab": {text: i for i, text in enumerate(VOCABULARY[:first])},
                "merges": [" ".join(pair) for pair in MERGES],
            },
        },
        "tokenizer_config.json": {
            "tokenizer_class": "Qwen2Tokenizer",
            "eos_token": "<|im_end|>",
            "pad_token": "<|endoftext|>",
            "bos_token": None,
            "chat_template": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        },
    }
    for name, content in files.items():
        with open(os.path.join(folder, name), "w") as file:
            json.dump(content, file, indent=1)
            file.write("\n")
    write_safetensors(os.path.join(folder, "model.safetensors"), weights)


GGUF_NAMES = {
    "embed_tokens": "token_embd",
    "norm": "output_norm",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name):
    name = name.removesuffix(".weight")
    if not name.startswith("layers."):
        return GGUF_NAMES[name] + ".weight"
    _, layer, rest = name.split(".", 2)
    return f"blk.{layer}.{GGUF_NAMES[rest]}.weight"


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def write_gguf(path, weights):
    strings = lambda values: struct.pack("<IIQ", 9, 8, len(values)) + b"".join(text(v) for v in values)
    u32 = lambda value: struct.pack("<II", 4, value)
    f32 = lambda value: struct.pack("<If", 6, value)
    string = lambda value: struct.pack("<I", 8) + text(value)
    types = [1] * (len(VOCABULARY) - len(ADDED)) + [4 if t.endswith("think>") else 3 for t in ADDED]
    metadata = {
        "general.architecture": string("qwen3"),
        "general.name": string("small embedding model"),
        "qwen3.block_count": u32(LAYERS),
        "qwen3.context_length": u32(CONTEXT),
        "qwen3.embedding_length": u32(HIDDEN),
        "qwen3.feed_forward_length": u32(FFN),
        "qwen3.attention.head_count": u32(HEADS),
        "qwen3.attention.head_count_kv": u32(KV_HEADS),
        "qwen3.attention.key_length": u32(HEAD_DIM),
        "qwen3.attention.value_length": u32(HEAD_DIM),
        "qwen3.attention.layer_norm_rms_epsilon": f32(EPS),
        "qwen3.rope.freq_base": f32(THETA),
        "qwen3.pooling_type": u32(3),  # the last token
        "tokenizer.ggml.model": string("gpt2"),
        "tokenizer.ggml.pre": string("qwen2"),
        "tokenizer.ggml.tokens": strings(VOCABULARY),
        "tokenizer.ggml.token_type": struct.pack("<IIQ", 9, 5, len(types)) + struct.pack(f"<{len(types)}i", *types),
        "tokenizer.ggml.merges": strings([" ".join(pair) for pair in MERGES]),
        "tokenizer.ggml.eos_token_id": u32(IDS["<|endoftext|>"]),
        "tokenizer.ggml.add_eos_token": struct.pack("<IB", 7, 1),
    }
    header = struct.pack("<4sIQQ", b"GGUF", 3, len(weights), len(metadata))
    for key, value in metadata.items():
        header += text(key) + value
    data = b""
    for name, values in weights.items():
        shape = values.shape[::-1]
        bf16_matrix = len(shape) == 2  # GGUF files keep vectors in F32
        header += text(gguf_name(name))
        header += struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 30 if bf16_matrix else 0, len(data))
        raw = bf16_bytes(values) if bf16_matrix else values.tobytes()
        data += raw + bytes(-len(raw) % 32)
    header += bytes(-len(header) % 32)
    with open(path, "wb") as file:
        file.write(header + data)


def main():
    weights = make_weights()
    write_directory(os.path.join(HERE, "hf"), weights)
    write_gguf(os.path.join(HERE, "model.gguf"), weights)
    exact = {name: values.astype(np.float64) for name, values in weights.items()}
    vectors = [embedding(exact, t) for t in TEXTS]
    vectors.append(embedding(exact, f"Instruct: {INSTRUCTION}\nQuery:{TEXTS[-1]}"))
    np.save(os.path.join(HERE, "vectors.npy"), np.array(vectors))
    scores = np.array([score(exact, QUERY, document) for document in DOCUMENTS])
    np.save(os.path.join(HERE, "scores.npy"), scores)
    print(scores)


main()
