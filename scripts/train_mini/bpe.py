"""Byte-level BPE as Qwen2 uses it: NFC, the split pattern, then merges by rank.

Two jobs: encode text exactly as the engine's own tokeniser does, and cut the
real Qwen2 vocabulary down to the tokens a corpus needs (`prune`).
"""
import json
import unicodedata
from collections import Counter

import regex

SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
         r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def byte_alphabet():
    """The printable character that stands for each byte (GPT-2's table)."""
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, extra = {}, 0
    for b in range(256):
        if b in keep:
            table[b] = chr(b)
        else:
            table[b] = chr(256 + extra)
            extra += 1
    return table


BYTE_TO_CHAR = byte_alphabet()
CHAR_TO_BYTE = {c: b for b, c in BYTE_TO_CHAR.items()}


class Bpe:
    def __init__(self, vocab, merges):
        """vocab: token string (byte alphabet) -> id; merges: ["a b", ...] by rank."""
        self.vocab = vocab
        self.merges = merges
        self.rank = {tuple(m.split(" ")): i for i, m in enumerate(merges)}
        self.pattern = regex.compile(SPLIT)
        self.cache = {}
        self.text_of = {i: t for t, i in vocab.items()}

    @staticmethod
    def from_json(path):
        model = json.load(open(path, encoding="utf-8"))["model"]
        merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
        return Bpe(model["vocab"], merges)

    def split(self, text):
        return self.pattern.findall(unicodedata.normalize("NFC", text))

    def pieces(self, word):
        """The token strings of one piece of the split."""
        parts = [BYTE_TO_CHAR[b] for b in word.encode("utf-8")]
        rank, none = self.rank, len(self.rank)
        while len(parts) > 1:
            best, at = none, -1
            for i in range(len(parts) - 1):
                r = rank.get((parts[i], parts[i + 1]), none)
                if r < best:
                    best, at = r, i
            if at < 0:
                break
            left, right = parts[at], parts[at + 1]
            out, i = [], 0
            while i < len(parts):
                if i + 1 < len(parts) and parts[i] == left and parts[i + 1] == right:
                    out.append(left + right)
                    i += 2
                else:
                    out.append(parts[i])
                    i += 1
            parts = out
        return parts

    def encode(self, text):
        ids = []
        for word in self.split(text):
            got = self.cache.get(word)
            if got is None:
                got = tuple(self.vocab[p] for p in self.pieces(word))
                self.cache[word] = got
            ids.extend(got)
        return ids

    def decode(self, ids):
        raw = bytes(CHAR_TO_BYTE[c] for i in ids if i in self.text_of for c in self.text_of[i])
        return raw.decode("utf-8", errors="replace")


def prune(full, texts, size, always=()):
    """Cuts `full` down to `size` ids (three of them control tokens).

    Keeps every byte, every token of the texts in `always`, and then the most
    frequent tokens of `texts`, each together with the whole chain of merges
    that makes it, so that ordinary BPE over the kept merges reaches it.
    """
    words = Counter()
    for t in texts:
        words.update(full.split(t))
    count = Counter()
    for word, n in words.items():
        for p in full.pieces(word):
            count[p] += n
    must = Counter()
    for t in always:
        for word in full.split(t):
            must.update(full.pieces(word))

    made_by = {}
    for m in full.merges:
        made_by.setdefault(m.replace(" ", ""), m)
    kept = {BYTE_TO_CHAR[b] for b in range(256)}

    def chain(token):
        """The tokens that `token` needs and that are not kept yet."""
        need, todo = [], [token]
        while todo:
            t = todo.pop()
            if t in kept or t in need:
                continue
            need.append(t)
            todo.extend(made_by[t].split(" "))
        return need

    room = size - len(CONTROL)
    ranked = sorted(must, key=lambda t: -must[t])
    ranked += [t for t, _ in sorted(count.items(), key=lambda kv: (-kv[1], full.vocab[kv[0]]))
               if t not in must]
    for token in ranked:
        need = chain(token)
        if len(kept) + len(need) <= room:
            kept.update(need)
        if len(kept) == room:
            break
    order = sorted(kept, key=lambda t: full.vocab[t])
    vocab = {t: i for i, t in enumerate(order)}
    merges = [m for m in full.merges
              if m.replace(" ", "") in vocab and all(p in vocab for p in m.split(" "))]
    covered = sum(n for t, n in count.items() if t in vocab) / max(1, sum(count.values()))
    return Bpe(vocab, merges), covered


def control_ids(bpe):
    """Ids of the control tokens: they follow the ordinary ones."""
    n = len(bpe.vocab)
    return {name: n + i for i, name in enumerate(CONTROL)}


def save(bpe, folder):
    """Writes tokenizer.json, vocab.json and merges.txt as Hugging Face has them."""
    extra = [{"id": i, "content": name, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for name, i in control_ids(bpe).items()]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False,
                  "use_regex": False}
    doc = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": extra,
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False},
            byte_level]},
        "post_processor": byte_level, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": False,
                  "byte_fallback": False, "vocab": bpe.vocab, "merges": bpe.merges}}
    with open(f"{folder}/tokenizer.json", "w", encoding="utf-8") as f:
        json.dump(doc, f, ensure_ascii=False)
    with open(f"{folder}/vocab.json", "w", encoding="utf-8") as f:
        json.dump(bpe.vocab, f, ensure_ascii=False)
    with open(f"{folder}/merges.txt", "w", encoding="utf-8") as f:
        f.write("\n".join(bpe.merges) + "\n")
