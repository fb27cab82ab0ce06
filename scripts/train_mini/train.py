"""Trains the bundled model. Usage: train.py DATA_DIR TOKENIZER_JSON OUT_DIR [options]

OUT_DIR receives cache.pkl (vocabulary, teacher's scores), state.pt (to go on
after an interruption), log.txt and, at the end, hf/ (the model).
"""
import argparse
import math
import os
import pickle
import random
import time

import torch
import torch.nn.functional as F

import bpe as bpelib
import chatdata
import evaluate
import export
import model as nn
import prompts
import teacher

TEXT_CHARS = (80, 80, 160, 420)  # one of these by chance: longer reviews keep their first and last half of it
BATCH_TOKENS = 4096   # per batch, padding included
MAX_ROWS = 80
POOL = 4096           # reviews sorted by length together


def arguments():
    a = argparse.ArgumentParser()
    a.add_argument("data")
    a.add_argument("tokenizer")
    a.add_argument("out")
    a.add_argument("--steps", type=int, default=6000)
    a.add_argument("--minutes", type=float, default=0, help="finish within this wall time, in fewer steps if need be")
    a.add_argument("--seed", type=int, default=20)
    a.add_argument("--vocab", type=int, default=12288)
    a.add_argument("--layers", type=int, default=4)
    a.add_argument("--dim", type=int, default=256)
    a.add_argument("--ffn", type=int, default=704)
    a.add_argument("--lr", type=float, default=1.5e-3)
    a.add_argument("--drop", type=float, default=0.0)
    a.add_argument("--blank", type=float, default=0.04, help="share of text tokens whose embedding is dropped")
    a.add_argument("--decay", type=float, default=0.05)
    a.add_argument("--soft", type=float, default=0.7, help="weight of the teacher against the label")
    a.add_argument("--probe", type=float, default=0.5, help="weight of the label loss at every token of a review")
    a.add_argument("--workers", type=int, default=min(4, os.cpu_count() or 1), help="processes, one thread each")
    a.add_argument("--f32", action="store_true", help="no bfloat16 products (slower)")
    a.add_argument("--eval-every", type=int, default=500)
    return a.parse_args()


def prepare(args, log):
    """Vocabulary and teacher scores, cached."""
    path = os.path.join(args.out, "cache.pkl")
    if os.path.exists(path):
        with open(path, "rb") as f:
            return pickle.load(f)
    rows = teacher.read_tsv(os.path.join(args.data, "senti-train.tsv"))
    dev = teacher.read_tsv(os.path.join(args.data, "senti-dev.tsv"))
    prob, crops = teacher.score(rows, dev, log)
    rng = random.Random(args.seed)
    talk = chatdata.all_text(rng)
    tasks = prompts.load_tasks()
    talk += [t["system"] for t in tasks.values()] + [t["template"] for t in tasks.values()]
    full = bpelib.Bpe.from_json(args.tokenizer)
    small, covered = bpelib.prune(full, [t for _, _, t in rows] + talk, args.vocab, talk)
    log(f"vocabulary: {len(small.vocab) + 3} ids, {len(small.merges)} merges, {covered:.4f} of the tokens kept whole")
    for _, _, t in rows:
        small.encode(t)
    got = {"rows": rows, "dev": dev, "prob": prob, "crops": crops, "bpe": small}
    with open(path + ".part", "wb") as f:
        pickle.dump(got, f)
    os.replace(path + ".part", path)
    return got


def cut(text, rng):
    limit = rng.choice(TEXT_CHARS)
    return text if len(text) <= limit else text[:limit // 2] + text[-limit // 2:]


class Data:
    """Draws batches that share one prompt; of its rows a worker renders every `workers`-th."""

    def __init__(self, cache, seed, worker=0, workers=1):
        self.rows, self.prob, self.crops = cache["rows"], cache["prob"], cache["crops"]
        self.bpe = cache["bpe"]
        self.worker, self.workers = worker, workers
        self.tasks = prompts.load_tasks()
        self.render = prompts.Renderer(self.bpe, bpelib.control_ids(self.bpe))
        self.senti = prompts.sentiment_prompts(self.tasks)
        self.systems = prompts.chat_systems(self.tasks)
        self.rng = random.Random(seed)
        self.queue = []

    def share(self, system, drawn):
        """[(pairs, soft)] of the whole batch -> [(ids, flags, soft)] of this worker."""
        return [(*self.render.turns(system, pairs), soft) for pairs, soft in drawn[self.worker::self.workers]]

    def reviews(self):
        """A run of reviews of like length: [(text, label or None, teacher's probability)]."""
        rng = self.rng
        if not self.queue:
            pool = []
            for i in rng.sample(range(len(self.rows)), POOL):
                pool.append((cut(self.rows[i][2], rng), self.rows[i][0], self.prob[i]))
            for i in rng.sample(range(len(self.crops)), POOL // 2):
                pool.append((cut(self.crops[i][0], rng), None, self.crops[i][1]))
            for _ in range(POOL // 12):
                text, label = chatdata.mood(rng)
                pool.append((text, label, float(label)))
            pool.sort(key=lambda r: len(r[0].encode()))
            at = 0
            while at < len(pool):
                n = 1
                while at + n < len(pool) and n < MAX_ROWS and \
                        (n + 1) * (len(pool[at + n][0].encode()) / 4.3 + 12) < BATCH_TOKENS:
                    n += 1
                self.queue.append(pool[at:at + n])
                at += n
            rng.shuffle(self.queue)
        return self.queue.pop()

    def sentiment(self):
        _, system, template, neg, pos = self.pick(self.senti)
        drawn = []
        for text, label, prob in self.reviews():
            text = self.noise(text)
            hard = label if label is not None else int(prob > 0.5)
            drawn.append(([(template.replace("{text}", text), pos if hard else neg)], (hard, label is not None, prob)))
        if len(drawn) < self.workers:
            drawn = drawn * self.workers
        return self.share(system, drawn), (self.bpe.encode(neg)[0], self.bpe.encode(pos)[0])

    def noise(self, text):
        """Now and then another end: texts of users come with and without a full stop."""
        r = self.rng.random()
        if r < 0.06:
            return text.rstrip("。！!.~") or text
        if r < 0.12 and text[-1] not in "。！？!?.~":
            return text + self.rng.choice("。！")
        return text

    def pick(self, table):
        return self.rng.choices(table, [t[0] for t in table])[0]

    def chat(self):
        _, system = self.pick(self.systems)
        rng, drawn = self.rng, []
        for _ in range(56):
            if rng.random() < 0.22:
                label, category, text = self.review_row()
                pairs = [(text, chatdata.review_reply(rng, category, label, text))]
                if rng.random() < 0.2:
                    pairs += chatdata.chat(rng, 1)
            else:
                pairs = chatdata.chat(rng)
            drawn.append((pairs, None))
        drawn.sort(key=lambda d: sum(len(q) + len(a) for q, a in d[0]))
        # Two batches of like length out of one draw: less padding.
        cut_at = rng.choice([0, 28])
        return self.share(system, drawn[cut_at:cut_at + 28] if cut_at else drawn[:36]), None

    def review_row(self):
        """A review whose label the teacher does not doubt, of moderate length."""
        while True:
            i = self.rng.randrange(len(self.rows))
            label, category, text = self.rows[i]
            if (self.prob[i] if label else 1 - self.prob[i]) > 0.6 and len(text) < 110:
                return label, category, text

    def asked(self, name, rows):
        """A batch of the task `name`: rows of (text, answer)."""
        t = self.tasks[name]
        return self.share(t["system"], [([(t["template"].replace("{text}", q), a)], None) for q, a in rows]), None

    def intent(self):
        rows = []
        for _ in range(48):
            if self.rng.random() < 0.2:
                label, _, text = self.review_row()
                rows.append((text, "表扬" if label else "投诉"))
            else:
                rows.append(chatdata.intent(self.rng))
        return self.asked("intent", rows)

    def summary(self):
        rng, rows = self.rng, []
        for _ in range(32):
            if rng.random() < 0.85:
                label, category, text = self.review_row()
                rows.append((text, chatdata.summary(rng, category, label, text)))
            else:
                text, label = chatdata.mood(rng)
                rows.append((text, chatdata.mood_summary(rng, label)))
        return self.asked("summary", rows)


def pack(batch):
    """Pads to [batch, time] and takes off the prefix that all rows share."""
    seqs = [ids for ids, _, _ in batch]
    first, last = min(seqs), max(seqs)
    # What has to be predicted stays out of the prefix, and so does the token before it.
    limit = min(said.index(1) - 1 if said else len(ids) - 1 for ids, said, _ in batch)
    shared = 0
    while shared < limit and first[shared] == last[shared]:
        shared += 1
    time_ = max(map(len, seqs)) - shared
    ids = torch.zeros(len(seqs), time_, dtype=torch.long)
    for r, s in enumerate(seqs):
        ids[r, :len(s) - shared] = torch.tensor(s[shared:])
    return torch.tensor(seqs[0][:shared], dtype=torch.long), ids, shared


def loss_of(net, kind, batch, labels, args, g, lm_share):
    """(loss, {name: value to log})"""
    prefix, ids, shared = pack(batch)
    rows, time_ = ids.shape
    said_at, said_id, label_row, other_at, other_id = [], [], [], [], []

    def base_of(r):
        return len(prefix) + r * time_ - shared

    for r, (seq, said, soft) in enumerate(batch):
        base = base_of(r)
        own = [i for i in range(max(1, shared + 1), len(seq)) if said[i]]
        if soft is not None:
            label_row.append(len(said_at))
        said_at += [base + i - 1 for i in own]
        said_id += [seq[i] for i in own]
        free = [i for i in range(shared + 1, len(seq)) if not said[i]]
        if lm_share:
            take = [i for i in free if g.py.random() < lm_share]
            other_at += [base + i - 1 for i in take]
            other_id += [seq[i] for i in take]
    blank = None
    if args.blank:
        blank = torch.rand(len(prefix) + rows * time_, generator=g) < args.blank
        blank[:len(prefix)] = False
        keep = torch.tensor([[int(i + shared < len(s) and (said[i + shared] or i + shared >= len(s) - 8))
                              for i in range(time_)] for s, said, _ in batch], dtype=torch.bool)
        blank[len(prefix):] &= ~keep.view(-1)
    h = net.hidden(ids, prefix, blank)
    logits = net.logits(h[torch.tensor(said_at + other_at)])
    logp = F.log_softmax(logits, -1)
    n = len(said_at)
    nll = -logp[:n].gather(1, torch.tensor(said_id)[:, None])[:, 0]
    main = nll.mean()
    if labels is not None:
        # The first word of the answer: label and teacher mixed. The rest of it: as written.
        first = torch.zeros(n, dtype=torch.bool)
        first[label_row] = True
        want = torch.tensor([(1 - args.soft) * hard + args.soft * prob if known else prob
                             for _, _, (hard, known, prob) in batch])
        at = logp[:n][first]
        neg, pos = labels
        # Every token of the review tells the label as well, through the probe: far more to learn from per text.
        rows_at = [(base_of(r), len(seq) - sum(said)) for r, (seq, said, _) in enumerate(batch)]
        at_token = torch.cat([torch.arange(b + shared, b + n) for b, n in rows_at])
        target = torch.cat([w.expand(n - shared) for w, (_, n) in zip(want, rows_at)])
        guess = (h[at_token] * net.p["probe.weight"]).sum(-1)
        probe = F.binary_cross_entropy_with_logits(guess, target)
        main = -(want * at[:, pos] + (1 - want) * at[:, neg]).mean() + 0.2 * nll[~first].mean()
    loss, seen = main, {kind: float(main.detach())}
    if labels is not None:
        loss = loss + args.probe * probe
        seen["probe"] = float(probe.detach())
    if other_at:
        text = F.nll_loss(logp[n:], torch.tensor(other_id))
        loss = loss + 0.3 * text
        seen["text"] = float(text.detach())
    return loss, seen


class Generator(torch.Generator):
    """torch's generator and Python's (`py`), seeded together."""


class Shared:
    """Parameters and optimiser state as flat arrays in shared memory; each worker updates its slice.

    Processes of one thread each, that meet three times a step, keep their speed
    on a busy machine, where two threads that meet in every operation do not.
    """

    def __init__(self, shapes, workers):
        self.shapes = shapes
        self.size = sum(torch.Size(s).numel() for s in shapes.values())
        self.params, self.ema, self.m, self.v = (self.block() for _ in range(4))
        self.grads = [self.block() for _ in range(workers)]
        self.norms = torch.zeros(workers, dtype=torch.float64).share_memory_()
        self.done = torch.zeros(1, dtype=torch.float64).share_memory_()
        # Matrices decay, biases and norms don't.
        self.decay = torch.cat([torch.full((torch.Size(s).numel(),), float(len(s) == 2)) for s in shapes.values()])

    def block(self):
        return torch.zeros(self.size).share_memory_()

    def views(self, flat):
        out, at = {}, 0
        for name, shape in self.shapes.items():
            n = torch.Size(shape).numel()
            out[name] = flat[at:at + n].view(shape)
            at += n
        return out

    def update(self, worker, barrier, lr, step, decay):
        """AdamW with clipping at norm 1 on the worker's slice, and the running average of the weights."""
        count = len(self.grads)
        a, b = self.size * worker // count, self.size * (worker + 1) // count
        barrier.wait()
        g = self.grads[0][a:b].clone()
        for other in self.grads[1:]:
            g += other[a:b]
        g /= count
        self.norms[worker] = g.pow(2).sum().item()
        barrier.wait()
        norm = float(self.norms.sum()) ** 0.5
        if norm > 1:
            g /= norm
        m, v, p = self.m[a:b], self.v[a:b], self.params[a:b]
        m.mul_(0.9).add_(g, alpha=0.1)
        v.mul_(0.98).addcmul_(g, g, value=0.02)
        p.sub_(p * self.decay[a:b], alpha=lr * decay)
        p.addcdiv_(m, (v / (1 - 0.98 ** step)).sqrt_().add_(1e-9), value=-lr / (1 - 0.9 ** step))
        keep = min(0.999, step / (step + 10.0))
        self.ema[a:b].mul_(keep).add_(p, alpha=1 - keep)
        self.grads[worker].zero_()
        barrier.wait()


def schedule(done, step, args):
    """Learning rate: 200 steps up, a cosine down to a tenth, and from there to nothing at the end."""
    cosine = 0.5 * (1 + math.cos(math.pi * done))
    return args.lr * min(1.0, (step + 1) / 200) * max(cosine, 0.1 * min(1.0, (1 - done) / 0.08))


def work(worker, args, cache, shared, barrier, state):
    """One worker's loop; worker 0 also logs, evaluates and saves."""
    torch.set_num_threads(1)
    if worker:
        os.setsid()  # on a busy machine Linux shares the CPU out by session
    config = state["config"]
    params = {k: v.detach().requires_grad_() for k, v in shared.views(shared.params).items()}
    for name, grad in shared.views(shared.grads[worker]).items():
        params[name].grad = grad
    net = nn.Net(config, params, args.drop, not args.f32)
    average = nn.Net(config, shared.views(shared.ema), 0, not args.f32)
    step = state["step"]
    # Seeded by step, so that a resumed run draws no batch twice; the same draws in every worker.
    data = Data(cache, args.seed * 1000003 + step, worker, args.workers)
    g = Generator()
    g.manual_seed(args.seed + step + 7919 * worker)
    g.py = random.Random(args.seed + step + 7919 * worker)
    torch.manual_seed(args.seed + step + 7919 * worker)
    started = time.time() - state["spent"]
    shown, tally = time.time(), {}
    log = Log(args.out) if worker == 0 else None
    while True:
        if worker == 0:
            shared.done[0] = step / args.steps
            if args.minutes:
                shared.done[0] = max(step / args.steps, (time.time() - started) / 60 / args.minutes)
        barrier.wait()
        done = float(shared.done[0])
        if done >= 1:
            break
        kind = data.rng.choices(["sentiment", "chat", "intent", "summary"], [64, 26, 3, 7] if done < 0.45 else [45, 48, 2, 5])[0]
        batch, labels = getattr(data, kind)()
        # Predicting the reviews themselves helps at the start; later the time is better spent on labels.
        lm = 0.15 if kind == "sentiment" and done < 0.45 else 0.0
        net.training = True
        loss, seen = loss_of(net, kind, batch, labels, args, g, lm)
        loss.backward()
        step += 1
        lr = schedule(done, step, args)
        shared.update(worker, barrier, lr, step, args.decay)
        if worker:
            continue
        for name, value in seen.items():
            total, count = tally.get(name, (0.0, 0))
            tally[name] = (total + value, count + 1)
        if step % 100 == 0:
            now = time.time()
            part = " ".join(f"{k} {t / c:.4f}" for k, (t, c) in sorted(tally.items()))
            log(f"step {step} ({100 * done:.1f} %) lr {lr:.2e} loss: {part}; {(now - shown) / 100:.2f} s a step, "
                f"{(now - started) / 60:.1f} min")
            shown, tally = now, {}
        if step % 200 == 0:
            save(args, shared, step, time.time() - started)
        if step % args.eval_every == 0:
            score = evaluate.accuracy(average, data, cache["dev"][:1000], "sentiment")
            log(f"step {step}: accuracy on the first 1000 of dev (sentiment) {100 * score:.2f} %")
            for ask in ("你好", "你是谁？", "法国的首都是哪里？", "今天的实验终于成功了，太棒了！"):
                log(f"    {ask} -> {evaluate.talk(average, data, [(ask, None)])}")
            shown = time.time()
    if worker == 0:
        save(args, shared, step, time.time() - started)
        log(f"finished at step {step}, {(time.time() - started) / 60:.1f} min")


def save(args, shared, step, spent):
    path = os.path.join(args.out, "state.pt")
    torch.save({"step": step, "spent": spent, "params": shared.params, "ema": shared.ema, "m": shared.m, "v": shared.v,
                "shapes": shared.shapes}, path + ".part")
    os.replace(path + ".part", path)


class Log:
    def __init__(self, folder):
        self.file = open(os.path.join(folder, "log.txt"), "a", encoding="utf-8")

    def __call__(self, line):
        print(line, flush=True)
        print(line, file=self.file, flush=True)


def main():
    args = arguments()
    os.makedirs(args.out, exist_ok=True)
    torch.set_num_threads(1)
    log = Log(args.out)
    cache = prepare(args, log)
    config = nn.Config(vocab=len(cache["bpe"].vocab) + 3, dim=args.dim, layers=args.layers, ffn=args.ffn)
    first = nn.init_params(config, args.seed)
    shared = Shared({k: tuple(v.shape) for k, v in first.items()}, args.workers)
    state = {"config": config, "step": 0, "spent": 0.0}
    path = os.path.join(args.out, "state.pt")
    if os.path.exists(path):
        old = torch.load(path)
        for name in ("params", "ema", "m", "v"):
            getattr(shared, name)[:len(old[name])].copy_(old[name])
        state.update(step=old["step"], spent=old["spent"])
        log(f"resumed at step {old['step']}, {old['spent'] / 60:.1f} min")
    else:
        for flat in (shared.params, shared.ema):
            for name, view in shared.views(flat).items():
                view.copy_(first[name])
        log(f"{shared.size} parameters; {config}; {vars(args)}")
    context = torch.multiprocessing.get_context("fork")
    barrier = context.Barrier(args.workers, timeout=3600)  # so that no worker outlives the others for long
    others = [context.Process(target=work, args=(w, args, cache, shared, barrier, state), daemon=True)
              for w in range(1, args.workers)]
    for p in others:
        p.start()
    work(0, args, cache, shared, barrier, state)
    weights = shared.views(shared.ema)
    export.write(os.path.join(args.out, "hf"), config, weights, cache["bpe"])
    evaluate.report(nn.Net(config, weights), Data(cache, 1), cache["dev"], log)


if __name__ == "__main__":
    main()
