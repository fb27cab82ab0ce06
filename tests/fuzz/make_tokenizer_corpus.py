#!/usr/bin/env python3
"""Makes the inputs of the targets tokenizer (texts) and backend (small vocabularies as GGUF files)."""
import os, struct

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def text(s):
    b = s.encode()
    return struct.pack("<Q", len(b)) + b


def gguf(entries):
    out = b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries))
    for key, v in entries.items():
        out += text(key)
        if isinstance(v, str):
            out += struct.pack("<I", 8) + text(v)
        elif isinstance(v, int):
            out += struct.pack("<II", 4, v)
        elif isinstance(v[0], str):
            out += struct.pack("<IIQ", 9, 8, len(v)) + b"".join(text(s) for s in v)
        elif isinstance(v[0], float):
            out += struct.pack("<IIQ", 9, 6, len(v)) + struct.pack(f"<{len(v)}f", *v)
        else:
            out += struct.pack("<IIQ", 9, 5, len(v)) + struct.pack(f"<{len(v)}i", *v)
    return out


def write(target, name, data):
    os.makedirs(os.path.join(here, target), exist_ok=True)
    open(os.path.join(here, target, name), "wb").write(data)


CHATML = ("{% for m in messages %}{{'<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
          "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
alphabet = [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]
merges = ["a b", "b a", "ab ba", "Ġ ab", "ä ½", "ä½ ł"]
control = ["<|im_start|>", "<|im_end|>"]
tokens = alphabet + [m.replace(" ", "") for m in merges] + control
write("backend", "bpe.gguf", gguf({
    "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2", "tokenizer.chat_template": CHATML,
    "tokenizer.ggml.merges": merges, "tokenizer.ggml.eos_token_id": len(tokens) - 1,
    "tokenizer.ggml.token_type": [1] * (len(tokens) - 2) + [3, 3], "tokenizer.ggml.tokens": tokens}))
pieces = ["<unk>", *control, "\u2581", "a", "b", "\u2581a", "ab", "\u2581ab", "ba", "你", "好", "你好", "  ", "[PAD14]"]
write("backend", "sentencepiece.gguf", gguf({
    "tokenizer.ggml.model": "llama", "tokenizer.chat_template": CHATML, "tokenizer.ggml.tokens": pieces,
    "tokenizer.ggml.scores": [-float(i) for i in range(len(pieces))],
    "tokenizer.ggml.token_type": [2, 3, 3, *[1] * 10, 4, 5]}))
write("tokenizer", "chinese", "房间很干净，服务态度也好。《书》１２３ 😀\n\n".encode())
write("tokenizer", "english", "It's DON'T we'LL 'ſ  x\t\r\n 1234 !=\n  def f(x):\n\treturn x".encode())
write("tokenizer", "marks", "e\u0301\u0323 q\u0323\u0307\u0301 \u212b\u0344 \u1100\u1161\u11a8\uac00\u11a8 か\u3099 \u0958".encode())
write("tokenizer", "control", b"<|im_start|>user\nhi<|im_end|>\n<think>\n</think> <|im_start <|im_end|\xff>\xe4\xbd")
write("tokenizer", "spaces", "\u3000\u3000a \u0085 \u180e \u2028\u200b \x1c   \n  \n ".encode())
