"""The prompts to train on: the built-in task files, and variations of them."""
import glob
import os

import yaml

# The task files that the model learns; other built-in ones are not offered with it.
TRAINED = ["chat", "chat_en", "intent", "sentiment", "sentiment_brief", "sentiment_en", "summary"]
# Words of this project that the vocabulary must hold whole.
WORDS = ["libqwen Qwen qwen-run qwen-serve qwen-bench qwen-quantize GGUF safetensors INT8 CPU GPU C++20 AVX-512 AVX2 Python YAML",
         "download_model.sh scripts/ tokens model demo sentiment positive negative neutral 正面 负面 不确定 模型 参数 情绪 判断 演示 量化",
         "I am sorry. I'm I don't can't cannot you're Hello! Hi welcome weather translate math code facts advice careful doctor"]

HERE = os.path.dirname(os.path.abspath(__file__))
TASKS = os.path.join(HERE, "..", "..", "libqwen", "tasks", "builtin")


def load_tasks(folder=TASKS):
    tasks = {}
    for path in glob.glob(os.path.join(folder, "*.yaml")):
        with open(path, encoding="utf-8") as f:
            doc = yaml.safe_load(f)
        tasks[doc["name"]] = doc
    return tasks


def swap(text, a, b):
    """`text` with its words a and b exchanged: the label set in the other order."""
    return text.replace(a, "\0").replace(b, a).replace("\0", b)


def sentiment_prompts(tasks):
    """[(weight, system or None, template, negative label, positive label)]"""
    zh, en = ("负面", "正面"), ("negative", "positive")
    out = []
    for name, labels, weight in (("sentiment", zh, 26), ("sentiment_brief", zh, 26), ("sentiment_en", en, 9)):
        t = tasks[name]
        out.append((weight, t["system"], t["template"], *labels))
        out.append((weight / 3, swap(t["system"], *labels), t["template"], *labels))
    rest = [
        (None, "判断下面这段话的情感倾向，只回答“正面”或“负面”。\n{text}", zh),
        ("你是一个情感分析助手。", "请判断这条评论是正面还是负面：{text}", zh),
        ("You are a helpful assistant.", "请判断以下内容的情绪，输出必须为 \"负面\" 或 \"正面\"：\n{text}", zh),
        ("You are a helpful assistant.", "Classify the sentiment of this text as 正面 or 负面.\nText: {text}\nSentiment:", zh),
        ("You are a sentiment analyst. Answer with 正面 or 负面 only.", "{text}", zh),
        ("You are a sentiment classifier.", "Is this review positive or negative?\n{text}", en),
        (None, "Answer with one word, negative or positive.\n{text}", en),
        ("你是一个冷酷的情感分析师，只关注情绪极性。", "{text}", zh),
    ]
    out += [(2.0, system, template, *labels) for system, template, labels in rest]
    return out


def chat_systems(tasks):
    """[(weight, system or None)]"""
    return [(50, tasks["chat"]["system"]), (16, tasks["chat_en"]["system"]), (10, None),
            (6, "You are a helpful assistant"), (4, "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."),
            (4, "你是一个乐于助人的助手。"), (3, "你是一个友好的AI助手。"), (3, "你是一个富有同理心的助手，请简短回答。"),
            (2, "You are a kind and empathetic assistant.")]


class Renderer:
    """Turns into ids as the engine does it: control tokens apart, `role\\ncontent` as one piece of text."""

    def __init__(self, bpe, control):
        self.bpe = bpe
        self.start, self.end = control["<|im_start|>"], control["<|im_end|>"]
        self.newline = bpe.encode("\n")

    def block(self, role, content):
        return [self.start, *self.bpe.encode(role + "\n" + content), self.end, *self.newline]

    def turns(self, system, pairs):
        """(ids, flags): flags mark the ids that the model has to say itself."""
        ids, said = [], []
        if system is not None:
            ids += self.block("system", system)
        said += [0] * len(ids)
        head = [self.start, *self.bpe.encode("assistant\n")]
        for i, (user, answer) in enumerate(pairs):
            ask = self.block("user", user) + head
            reply = [*self.bpe.encode(answer), self.end] if answer is not None else []
            tail = self.newline if answer is not None and i + 1 < len(pairs) else []
            ids += ask + reply + tail
            said += [0] * len(ask) + [1] * len(reply) + [0] * len(tail)
        return ids, said
