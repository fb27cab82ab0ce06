#!/usr/bin/env python3
"""Makes small-vocab.gguf and cases.jsonl from the full Qwen2 vocabulary.

    make_tokenizer_cases.py FULL_VOCAB.gguf            write both files beside this script
    make_tokenizer_cases.py FULL_VOCAB.gguf --check F  run the reference below over the cases of F on the full vocabulary

The reference is the algorithm in its plainest form (quadratic merging, python3-regex with the pattern of Qwen2's
tokenizer.json as it stands there), written apart from the library's code. small-vocab.gguf keeps the tokens that the
cases use on the full vocabulary and all tokens that lead to them by merges, in their old order with new ids.
"""
import json, os, random, struct, sys, unicodedata
import regex

PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
           r"|\s*[\r\n]+|\s+(?!\S)|\s+")
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
USER_DEFINED = ["<think>", "</think>"]
UNUSED = 5  # padding rows at the end
CHAT_TEMPLATE = ("{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + "
                 "'<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
                 "{%- endif %}")


def read_gguf_metadata(path):
    data, at = open(path, "rb").read(), 8
    scalars = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def number(form):
        nonlocal at
        value = struct.unpack_from("<" + form, data, at)[0]
        at += struct.calcsize("<" + form)
        return value

    def text():
        nonlocal at
        n = number("Q")
        at += n
        return data[at - n:at].decode()

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            element, n = number("I"), number("Q")
            return [value(element) for _ in range(n)]
        return number(scalars[kind])

    number("Q")  # tensors
    return {text(): value(number("I")) for _ in range(number("Q"))}


def write_gguf_metadata(path, entries):
    def text(s):
        b = s.encode()
        return struct.pack("<Q", len(b)) + b

    out = b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries))
    for key, v in entries.items():
        out += text(key)
        if isinstance(v, str):
            out += struct.pack("<I", 8) + text(v)
        elif isinstance(v, int):
            out += struct.pack("<II", 4, v)
        elif isinstance(v, float):
            out += struct.pack("<If", 6, v)
        elif isinstance(v[0], str):
            out += struct.pack("<IIQ", 9, 8, len(v)) + b"".join(text(s) for s in v)
        else:
            out += struct.pack("<IIQ", 9, 5, len(v)) + struct.pack(f"<{len(v)}i", *v)
    open(path, "wb").write(out)


def alphabet():
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


class Reference:
    def __init__(self, tokens, merges, added):
        self.ids = {t: i for i, t in enumerate(tokens)}
        self.ranks = {tuple(m.split(" ")): r for r, m in enumerate(merges)}
        self.alphabet = alphabet()
        self.split = regex.compile(PATTERN)
        self.added = regex.compile("|".join(regex.escape(a) for a in sorted(added, key=len, reverse=True)))

    def word(self, word):
        parts = [self.alphabet[b] for b in word.encode()]
        while len(parts) > 1:
            ranks = [self.ranks.get(pair, len(self.ranks)) for pair in zip(parts, parts[1:])]
            best = min(ranks)
            if best == len(self.ranks):
                break
            at = ranks.index(best)
            parts[at:at + 2] = [parts[at] + parts[at + 1]]
        return [self.ids[p] for p in parts]

    def plain(self, text):
        text = unicodedata.normalize("NFC", text)
        return [i for word in self.split.findall(text) for i in self.word(word)]

    def encode(self, text, special):
        if not special:
            return self.plain(text)
        out, at = [], 0
        for m in self.added.finditer(text):
            out += self.plain(text[at:m.start()]) + [self.ids[m.group()]]
            at = m.end()
        return out + self.plain(text[at:])


FRAGMENTS = [
    # Chinese reviews, chat
    "房间很干净，服务态度也好，下次还会来住。", "质量太差了，用了两天就坏了！", "今天天气真好", "你好", "谢谢您的帮助",
    "书的内容不错，印刷也清楚", "酒店离火车站很近", "屏幕有点小，但是速度很快", "为什么要这样做呢？", "人工智能", "正面", "负面",
    "《红楼梦》", "“真的吗？”", "……", "１２３全角ＡＢＣ", "繁體中文測試", "㐂㐅", "𠀀𪚥",
    # English, contractions in every form
    "The quick brown fox jumps over the lazy dog.", "Hello, world", "I'm", "you're", "they've", "we'll", "he'd", "it's",
    "don't", "I'M", "YOU'RE", "THEY'VE", "WE'LL", "HE'D", "IT'S", "DON'T", "'s", "'S", "'\u017f", "o'clock", "''ll", "'lL",
    "naïve café", "Straße", "HELLO", "iPhone",
    # code, numbers, punctuation
    "def f(x):\n    return x+1", "for(int i=0;i<n;i++){", "```python\n", "```\n", '{"k": [1,2]}', "http://a.b/c?d=e&f=1", "0x1F",
    "3.14159", "1234567890", "２０２４", "٣", "½", "Ⅷ", "①②", "x²", "<b>", "</b>", "!=", "==>", "-- ", "##", "$_",
    # white space
    " ", "  ", "   ", "        ", "\n", "\n\n", "\r\n", "\t", "\t\t", " \n", "\n ", " \n \n  ", "\u3000", "\u00a0", "\u2028", "\u180e",
    "\u200b", "\u0085", "\u205f", "\x1c", "\x0b\x0c",
    # combining marks in every order, NFC and NFD, singletons, Hangul
    "é", "e\u0301", "Å", "A\u030a", "\u212b", "q\u0307\u0323", "q\u0323\u0307", "\u0301", "\u0344", "\u0958", "ệ", "e\u0302\u0323",
    "각", "\u1100\u1161\u11a8", "\uac00\u11a8", "한국어 문장", "\u1111\u1171\u11b6", "\u2126", "\ufb01", "か\u3099", "\u3099", "が",
    # other scripts
    "Привет, мир", "Ελληνικά", "שלום עולם", "مرحبا بالعالم", "हिन्दी", "ภาษาไทย", "ありがとうございます", "日本語カタカナ", "ქართული", "Tiếng Việt",
    # emoji
    "😀", "😢", "👍🏽", "👨‍👩‍👧", "🇨🇳", "❤️", "1️⃣", "→", "≈", "™", "°",
    # control tokens, whole and broken
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_start", "im_end|>", "<|", "|>", "<think>", "</think>", "<|im_start|>user\n",
    "<|im_end|>\n", "<think>\n\n</think>\n\n", "[PAD1]",
    # rare
    "\x00", "\x7f", "\ufffd", "\ufeff", "\ue000", "\U0010ffff", "\u0378", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "=================",
]


def case_texts():
    rng = random.Random(20240601)
    texts = ["", *FRAGMENTS]
    for _ in range(350):
        pieces = rng.choices(FRAGMENTS, k=rng.randint(2, 9))
        texts.append(rng.choice(["", "", " ", "\n"]).join(pieces))
    texts.append("房间很干净，服务态度也好" * 40)
    texts.append("abc" * 100 + " " * 70 + "7" * 20)
    return texts


def main():
    full = read_gguf_metadata(sys.argv[1])
    tokens, merges = full["tokenizer.ggml.tokens"], full["tokenizer.ggml.merges"]
    types = full["tokenizer.ggml.token_type"]
    reference = Reference(tokens, merges, [t for t, k in zip(tokens, types) if k == 3])
    if len(sys.argv) > 3:
        cases = [json.loads(line) for line in open(sys.argv[3], encoding="utf8")]
        equal = sum(reference.encode(c["text"], True) == c["ids"] for c in cases)
        print(f"{equal} of {len(cases)} equal")
        return

    texts = case_texts()
    keep = {tokens[i] for text in texts for i in reference.plain(text)} | set(alphabet().values())
    for merge in reversed(merges):  # a part of a kept token was made by an earlier merge
        left, right = merge.split(" ")
        if left + right in keep:
            keep |= {left, right}
    small = [t for t, kind in zip(tokens, types) if kind == 1 and t in keep]
    small_merges = [m for m in merges if m.replace(" ", "") in keep and set(m.split(" ")) <= keep]
    added = CONTROL + USER_DEFINED
    all_tokens = small + added + [f"[PAD{len(small) + len(added) + i}]" for i in range(UNUSED)]
    kinds = [1] * len(small) + [3] * len(CONTROL) + [4] * len(USER_DEFINED) + [5] * UNUSED
    folder = os.path.dirname(os.path.abspath(__file__))
    write_gguf_metadata(os.path.join(folder, "small-vocab.gguf"), {
        "general.architecture": "qwen2", "general.name": "small vocabulary",
        "qwen2.block_count": 1, "qwen2.context_length": 2048, "qwen2.embedding_length": 64,
        "qwen2.feed_forward_length": 128, "qwen2.attention.head_count": 2, "qwen2.attention.head_count_kv": 1,
        "qwen2.rope.freq_base": 1000000.0, "qwen2.attention.layer_norm_rms_epsilon": 1e-6,
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2", "tokenizer.ggml.tokens": all_tokens,
        "tokenizer.ggml.token_type": kinds, "tokenizer.ggml.merges": small_merges,
        "tokenizer.ggml.eos_token_id": all_tokens.index("<|im_end|>"),
        "tokenizer.ggml.padding_token_id": all_tokens.index("<|endoftext|>"), "tokenizer.chat_template": CHAT_TEMPLATE})
    reference = Reference(all_tokens, small_merges, added)
    with open(os.path.join(folder, "cases.jsonl"), "w", encoding="utf8") as out:
        for text in texts:
            case = {"text": text, "plain": reference.encode(text, False), "parsed": reference.encode(text, True)}
            out.write(json.dumps(case, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"{len(all_tokens)} tokens, {len(small_merges)} merges, {len(texts)} cases")


main()
