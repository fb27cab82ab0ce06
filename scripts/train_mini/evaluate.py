"""Measures a model in float: every dev file, agreement of greedy answers, chat samples.

Usage: evaluate.py OUT_DIR DATA_DIR (reads OUT_DIR/libqwen-mini as written)
"""
import random

import torch

import packed

GLANCE = {"review": 1000, "mood": 400, "english": 400, "neutral": 300, "neutral_en": 298}
CHAT = ["你好", "你是谁？", "你能做什么？", "我叫小明", "我的猫死了", "帮我写一段Python代码", "法国的首都是哪里？", "Hello!", "What is 12 + 7?"]
UNSURE = 0.7  # a text is counted as unsure if no label is more probable than this


def ranked(data, texts, task):
    """[(index, ids)] by length, and the first tokens of the labels (positive, negative)."""
    t = data.tasks[task]
    out = []
    for i, text in enumerate(texts):
        ids, _ = data.render.turns(t["system"], [(t["template"].replace("{text}", text), None)])
        out.append((i, ids[:900]))
    out.sort(key=lambda r: len(r[1]))
    return out, [data.bpe.encode(l["text"])[0] for l in t["labels"]]


def batches(rows, tokens=6000):
    at = 0
    while at < len(rows):
        n = 1
        while at + n < len(rows) and n < 128 and (n + 1) * len(rows[at + n][1]) < tokens:
            n += 1
        yield rows[at:at + n]
        at += n


def last_logits(net, rows):
    prefix, ids, shared = packed.pack([s for _, s in rows], min(len(s) for _, s in rows) - 1)
    device = net.p["model.norm.weight"].device
    h = net.hidden(ids.to(device).long(), prefix.to(device).long())
    at = [len(prefix) + r * ids.shape[1] + len(s) - shared - 1 for r, (_, s) in enumerate(rows)]
    return net.logits(h[torch.tensor(at, device=device)])


@torch.no_grad()
def margins(net, data, texts, task):
    """Logit of positive minus logit of negative, and the greedy first token, for each text."""
    order, (pos, neg) = ranked(data, texts, task)
    margin, greedy = [0.0] * len(texts), [0] * len(texts)
    for part in batches(order):
        logits = last_logits(net, part)
        for (i, _), row in zip(part, logits):
            margin[i] = float(row[pos] - row[neg])
            greedy[i] = int(row.argmax())
    return margin, greedy, (pos, neg)


def figures(margin, rows):
    """(share right, share unsure, calibration error) of texts with these margins."""
    p = torch.sigmoid(torch.tensor(margin))
    label = torch.tensor([r.label for r in rows])
    best = torch.maximum(p, 1 - p)
    right = ((p > 0.5) == (label > 0.5)).float()
    error = 0.0
    for k in range(10):
        at = (best > 0.5 + 0.05 * k) & (best <= 0.55 + 0.05 * k)
        if at.any():
            error += float((best[at].mean() - right[at].mean()).abs() * at.float().mean())
    return float(right.mean()), float((best < UNSURE).float().mean()), error


def describe(name, margin, rows):
    right, unsure, error = figures(margin, rows)
    if "neutral" in name:
        return f"{name} unsure {100 * unsure:.1f} %"
    return f"{name} {100 * right:.2f} % right, unsure {100 * unsure:.1f} %, calibration error {100 * error:.1f} %"


def glance(net, data, dev, log, talking):
    parts = []
    for kind, count in GLANCE.items():
        task = "sentiment_en" if kind in ("english", "neutral_en") else "sentiment"
        rows = dev[kind][:count]
        parts.append(describe(kind, margins(net, data, [r.text for r in rows], task)[0], rows))
    log("  dev: " + "; ".join(parts))
    for ask in CHAT if talking else ():
        log(f"    {ask} -> {talk(net, data, [(ask, None)])}")


@torch.no_grad()
def generate(net, data, ids, limit, temperature=0.0, top_p=0.9, rng=None):
    stop, out = data.render.end, []
    device = net.p["model.norm.weight"].device
    while len(out) < limit:
        row = net.logits(net.hidden(torch.tensor([ids + out], device=device))[-1:])[0]
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
        for kind, rows in dev.items():
            margin, greedy, (pos, neg) = margins(net, data, [r.text for r in rows], task)
            same = sum(g == (pos if m > 0 else neg) for m, g in zip(margin, greedy)) / len(rows)
            log(f"{task}: {describe(kind, margin, rows)}; greedy first token agrees on {100 * same:.2f} %")
    # Whole greedy answers on some reviews: exactly one word, then the end of the turn.
    t, some = data.tasks["sentiment"], [r.text for r in dev["review"][:100]]
    margin, _, _ = margins(net, data, some, "sentiment")
    exact = 0
    for m, text in zip(margin, some):
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


def main():
    import sys
    import corpus
    import data as drawing
    import export
    import model as nn
    out, source = sys.argv[1:3]
    torch.set_num_threads(2)
    config, params, bpe = export.read(out + "/libqwen-mini")
    report(nn.Net(config, params), drawing.EmptyData(bpe), corpus.read(source, "dev"), print)


if __name__ == "__main__":
    main()
