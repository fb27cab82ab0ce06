"""Measures a model: accuracy by label logits, agreement of greedy answers, chat samples.

Usage: evaluate.py OUT_DIR DATA_DIR (reads OUT_DIR/hf in float, as written)
"""
import random

import torch

import bpe as bpelib
import prompts

CHAT = ["你好", "你是谁？", "你能做什么？", "谢谢你", "再见", "我今天很难过", "今天的实验终于成功了，太棒了！",
        "这家酒店太脏了，服务员态度也很差，再也不来了", "书很好看，物流也快，五星好评！", "外卖送了两个小时，菜都凉了",
        "你需要GPU吗？", "libqwen是什么？", "法国的首都是哪里？", "12加35等于多少？", "帮我写一段Python代码",
        "明天会下雨吗？", "Hello!", "Who are you?", "I had a bad day", "What is the capital of France?"]


def ranked(data, rows, task):
    """[(index, ids)] by length, and the label ids (negative, positive)."""
    t = data.tasks[task]
    out = []
    for i, (_, _, text) in enumerate(rows):
        ids, _ = data.render.turns(t["system"], [(t["template"].replace("{text}", text), None)])
        out.append((i, ids[:900]))
    out.sort(key=lambda r: len(r[1]))
    labels = [data.bpe.encode(l["text"])[0] for l in t["labels"]]  # positive, negative
    return out, labels


def batches(rows, tokens=6000):
    at = 0
    while at < len(rows):
        n = 1
        while at + n < len(rows) and n < 128 and (n + 1) * len(rows[at + n][1]) < tokens:
            n += 1
        yield rows[at:at + n]
        at += n


def last_logits(net, rows):
    from train import pack
    prefix, ids, shared = pack([(s, (), None) for _, s in rows])
    h = net.hidden(ids, prefix)
    at = [len(prefix) + r * ids.shape[1] + len(s) - shared - 1 for r, (_, s) in enumerate(rows)]
    return net.logits(h[torch.tensor(at)])


@torch.no_grad()
def margins(net, data, rows, task):
    """Logit of positive minus logit of negative, and the greedy first token, for each row."""
    order, (pos, neg) = ranked(data, rows, task)
    margin, greedy = [0.0] * len(rows), [0] * len(rows)
    for part in batches(order):
        logits = last_logits(net, part)
        for (i, _), row in zip(part, logits):
            margin[i] = float(row[pos] - row[neg])
            greedy[i] = int(row.argmax())
    return margin, greedy, (pos, neg)


def accuracy(net, data, rows, task):
    margin, _, _ = margins(net, data, rows, task)
    return sum((m > 0) == bool(l) for m, (l, _, _) in zip(margin, rows)) / len(rows)


@torch.no_grad()
def generate(net, data, ids, limit, temperature=0.0, top_p=0.9, rng=None):
    stop, out = data.render.end, []
    while len(out) < limit:
        row = net.logits(net.hidden(torch.tensor([ids + out]))[-1:])[0]
        if temperature == 0:
            token = int(row.argmax())
        else:
            p, order = torch.softmax(row / temperature, -1).sort(descending=True)
            n = int((p.cumsum(0) < top_p).sum()) + 1
            token = int(order[rng.choices(range(n), p[:n].tolist())[0]])
        out.append(token)
        if token == stop:
            break
    return out


def talk(net, data, pairs, task="chat", temperature=0.0, rng=None):
    t = data.tasks[task]
    pairs = [(t["template"].replace("{text}", u), a) for u, a in pairs]
    ids, _ = data.render.turns(t["system"], pairs)
    out = generate(net, data, ids, t["max_new_tokens"], temperature, t["sampling"]["top_p"], rng)
    return data.bpe.decode(out)


def report(net, data, dev, log):
    for task in ("sentiment", "sentiment_brief", "sentiment_en"):
        margin, greedy, (pos, neg) = margins(net, data, dev, task)
        right = sum((m > 0) == bool(l) for m, (l, _, _) in zip(margin, dev)) / len(dev)
        same = sum(g == (pos if m > 0 else neg) for m, g in zip(margin, greedy)) / len(dev)
        log(f"{task}: dev accuracy {100 * right:.2f} %; greedy first token agrees on {100 * same:.2f} %")
    # Whole greedy answers on a part of the dev set: exactly one word, then the end of the turn.
    t, some = data.tasks["sentiment"], dev[:400]
    margin, _, _ = margins(net, data, some, "sentiment")
    exact = 0
    for m, (_, _, text) in zip(margin, some):
        ids, _ = data.render.turns(t["system"], [(t["template"].replace("{text}", text), None)])
        out = generate(net, data, ids[:900], 5)
        word = t["labels"][0 if m > 0 else 1]["text"]
        exact += out == [*data.bpe.encode(word), data.render.end]
    log(f"generate mode gives exactly the label of score mode on {exact} of {len(some)}")
    rng = random.Random(3)
    for ask in CHAT:
        log(f"  {ask}")
        log(f"    -> {talk(net, data, [(ask, None)])}")
        log(f"    ~> {talk(net, data, [(ask, None)], temperature=0.7, rng=rng)}")
    for _, _, text in dev[:8]:
        log(f"  summary: {text[:60]} -> {talk(net, data, [(text[:200], None)], task='summary')}")


def main():
    import sys
    import export
    import model as nn
    import train
    import teacher
    out, source = sys.argv[1:3]
    torch.set_num_threads(2)
    config, params, bpe = export.read(out + "/hf")
    data = train.Data({"rows": [], "prob": [], "crops": [], "bpe": bpe}, 1)
    report(nn.Net(config, params), data, teacher.read_tsv(source + "/senti-dev.tsv"), print)


if __name__ == "__main__":
    main()
