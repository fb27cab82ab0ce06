"""Trains the bundled model. Usage: train.py DATA_DIR TOKENIZER_JSON OUT_DIR [options]

OUT_DIR receives vocabulary.pkl, targets.pkl and vectors.pkl, state.pt (to go on
after an interruption), log.txt and, at the end, hf/ (the model).
"""
import argparse
import os
import pickle
import random
import time

import torch

import bpe as bpelib
import corpus
import data as drawing
import embed
import evaluate
import export
import model as nn
import packed
import prompts
import teacher
from optimizer import Shared

BLOCK = 200           # steps between two checkpoints; every block has its own seed
TALK_FROM = 1200      # from this step on dialogues are learned too
READ_UNTIL = 1000     # up to this step the next tokens of the texts themselves are predicted as well
READ_SHARE = 0.06     # of their tokens
DECAY_FROM = 0.6      # share of the run after which the learning rate falls


def arguments():
    a = argparse.ArgumentParser()
    a.add_argument("data")
    a.add_argument("tokenizer")
    a.add_argument("out")
    a.add_argument("--steps", type=int, default=2600)
    a.add_argument("--stop-at", type=int, default=0, help="pause at this step; the same command without it goes on (GPU: starts again)")
    a.add_argument("--seed", type=int, default=20)
    a.add_argument("--vocab", type=int, default=16384)
    a.add_argument("--layers", type=int, default=4)
    a.add_argument("--dim", type=int, default=256)
    a.add_argument("--ffn", type=int, default=704)
    a.add_argument("--lr", type=float, default=2e-3)
    a.add_argument("--blank", type=float, default=0.05, help="share of text tokens whose embedding is dropped")
    a.add_argument("--decay", type=float, default=0.1)
    a.add_argument("--probe", type=float, default=0.5, help="weight of the label loss at every token of a text")
    a.add_argument("--device", default="cpu", help="cpu, or cuda")
    a.add_argument("--begin-with", default="", help="GPU: folder of the weights of a finished run, to learn changed texts")
    a.add_argument("--drop", type=float, default=0.0, help="GPU: dropout")
    a.add_argument("--tokens", type=int, default=32768, help="GPU: of a batch of sentiment texts")
    a.add_argument("--dialogues", type=int, default=384, help="GPU: of a batch")
    a.add_argument("--drawers", type=int, default=15, help="GPU: processes that draw the batches; the weights depend on their number")
    a.add_argument("--workers", type=int, default=2, help="processes of one thread each; the weights depend on their number")
    a.add_argument("--f32", action="store_true", help="no bfloat16 products (slower)")
    a.add_argument("--eval-every", type=int, default=1000)
    args = a.parse_args()
    if args.steps % BLOCK or args.stop_at % BLOCK:
        a.error(f"--steps and --stop-at: a multiple of {BLOCK}")
    if args.device != "cpu":
        args.workers = 1
    return args


def cached(args, name, make):
    """What `make` returned in this run or an earlier one."""
    path = os.path.join(args.out, name + ".pkl")
    if not os.path.exists(path):
        with open(path + ".part", "wb") as f:
            pickle.dump(make(), f)
        os.replace(path + ".part", path)
    with open(path, "rb") as f:
        return pickle.load(f)


def choose_vocabulary(args, rows, log):
    tasks = prompts.load_tasks()
    always = [t["system"] for t in tasks.values()] + [t["template"] for t in tasks.values()] + prompts.WORDS
    texts = [r.text for kind in rows for r in rows[kind] for _ in range(1 if kind == "review" else 3)]
    small, covered = bpelib.prune(bpelib.Bpe.from_json(args.tokenizer), texts, args.vocab, always)
    log(f"vocabulary: {len(small.vocab) + 3} ids, {len(small.merges)} merges, {covered:.4f} of the tokens kept whole")
    return small


def prepare(args, log):
    """Rows with their targets, vocabulary and first embeddings."""
    rows, dev = corpus.read(args.data, "train"), corpus.read(args.data, "dev")
    bpe = cached(args, "vocabulary", lambda: choose_vocabulary(args, rows, log))

    def teach():
        rows["crop"] = teacher.teach(rows, dev, bpe.encode, log)
        return rows, bpe

    # The vocabulary's cache of encoded words is kept too.
    rows, bpe = cached(args, "targets", teach)

    def vectors():
        sequences = [bpe.encode(r.text) for kind in rows for r in rows[kind] if kind != "crop"]
        return embed.start_vectors(sequences, len(bpe.vocab) + 3, args.dim, 0.05, args.seed)

    return {"rows": rows, "dev": dev, "bpe": bpe, "vectors": cached(args, "vectors", vectors)}


def schedule(step, args):
    """Learning rate: 150 steps up, level, and in a straight line to zero at the end."""
    return args.lr * min(1.0, (step + 1) / 150, (1 - step / args.steps) / (1 - DECAY_FROM) + 1e-3)


class Seeds:
    """Everything drawn at random starts again every BLOCK steps, so that an interruption changes nothing."""

    def __init__(self, args, worker, data):
        self.args, self.worker, self.data = args, worker, data
        self.g = packed.Generator()

    def restart(self, step):
        seed = self.args.seed * 1000003 + step
        self.data.restart(seed)
        self.g.manual_seed(seed + 7919 * self.worker)
        self.g.py = random.Random(seed + 7919 * self.worker)
        torch.manual_seed(seed + 7919 * self.worker)


def work(worker, args, cache, shared, barrier, state):
    """One worker's loop; worker 0 also logs, evaluates and saves."""
    torch.set_num_threads(1)
    if worker:
        os.setsid()  # on a busy machine Linux shares the CPU out by session
    config = state["config"]
    params = {k: v.detach().requires_grad_() for k, v in shared.views(shared.params).items()}
    for name, grad in shared.views(shared.grads[worker]).items():
        params[name].grad = grad
    net = nn.Net(config, params, not args.f32)
    plain = nn.Net(config, shared.views(shared.params), not args.f32)
    data = drawing.Data(cache, worker, args.workers)
    seeds = Seeds(args, worker, data)
    step, end = state["step"], args.stop_at or args.steps
    progress = Progress(args, state) if worker == 0 else None
    while step < end:
        if step % BLOCK == 0:
            seeds.restart(step)
        talking = step >= TALK_FROM
        kind = data.rng.choices(["sentiment", "chat", "intent", "summary"], [42, 52, 2, 4] if talking else [1, 0, 0, 0])[0]
        batch, labels = data.sentiment(talking) if kind == "sentiment" else getattr(data, kind)()
        read = READ_SHARE if step < READ_UNTIL else 0.0
        ready = packed.prepare(batch, labels, args.blank, read, seeds.g)
        loss, seen = packed.loss_of(net, kind, ready, args.probe)
        loss.backward()
        step += 1
        lr = schedule(step, args)
        shared.update(worker, barrier, lr, step, args)
        if worker:
            continue
        progress.add(step, lr, seen)
        if step % BLOCK == 0:
            save(args, shared, step, progress.spent())
        if step % args.eval_every == 0:
            with torch.no_grad():
                evaluate.glance(plain, data, cache["dev"], progress.log, talking)


class Progress:
    def __init__(self, args, state):
        self.log, self.args = Log(args.out), args
        self.started = time.time() - state["spent"]
        self.shown, self.cpu, self.tally = time.time(), time.process_time(), {}

    def spent(self):
        return time.time() - self.started

    def add(self, step, lr, seen):
        for name, value in seen.items():
            total, count = self.tally.get(name, (0.0, 0))
            self.tally[name] = (total + value, count + 1)
        if step % 100 == 0:
            part = " ".join(f"{k} {float(t) / c:.4f}" for k, (t, c) in sorted(self.tally.items()))
            self.log(f"step {step} ({100 * step / self.args.steps:.1f} %) lr {lr:.2e} loss: {part}; "
                     f"{(time.time() - self.shown) / 100:.4f} s a step, {(time.process_time() - self.cpu) / 100:.2f} of CPU, "
                     f"{self.spent() / 60:.1f} min")
            self.shown, self.cpu, self.tally = time.time(), time.process_time(), {}


def save(args, shared, step, spent):
    path = os.path.join(args.out, "state.pt")
    torch.save({"step": step, "spent": spent, "params": shared.params, "m": shared.m, "v": shared.v,
                "shapes": shared.shapes}, path + ".part")
    os.replace(path + ".part", path)


class Log:
    def __init__(self, folder):
        self.file = open(os.path.join(folder, "log.txt"), "a", encoding="utf-8")

    def __call__(self, line):
        print(line, flush=True)
        print(line, file=self.file, flush=True)


def start(args, cache, log):
    """(shared arrays, state): as begun, or as the last checkpoint left them."""
    config = nn.Config(vocab=len(cache["bpe"].vocab) + 3, dim=args.dim, layers=args.layers, ffn=args.ffn)
    first = nn.init_params(config, args.seed)
    first["model.embed_tokens.weight"] = torch.from_numpy(cache["vectors"])
    shared = Shared({k: tuple(v.shape) for k, v in first.items()}, args.workers, args.device)
    state = {"config": config, "step": 0, "spent": 0.0}
    path = os.path.join(args.out, "state.pt")
    if os.path.exists(path):
        old = torch.load(path)
        for name in ("params", "m", "v"):
            getattr(shared, name).copy_(old[name])
        state.update(step=old["step"], spent=old["spent"])
        log(f"resumed at step {old['step']}, {old['spent'] / 60:.1f} min")
    else:
        for name, view in shared.views(shared.params).items():
            view.copy_(first[name])
        log(f"{shared.size} parameters; {config}; {vars(args)}")
    return shared, state


def train_on_gpu(args, cache, log):
    import gpu
    feed = gpu.Feed(args, cache)  # before the GPU is used: its driver does not survive a fork
    shared, state = start(args, cache, log)
    if args.begin_with:
        shared.params.copy_(gpu.load(args.begin_with))
    gpu.train(args, cache, feed, shared, state["config"], Progress(args, state), schedule)
    return shared, state


def train_on_cpu(args, cache, log):
    shared, state = start(args, cache, log)
    context = torch.multiprocessing.get_context("fork")
    barrier = context.Barrier(args.workers, timeout=3600)  # so that no worker outlives the others for long
    others = [context.Process(target=work, args=(w, args, cache, shared, barrier, state), daemon=True)
              for w in range(1, args.workers)]
    for p in others:
        p.start()
    work(0, args, cache, shared, barrier, state)
    return shared, state


def main():
    args = arguments()
    os.makedirs(args.out, exist_ok=True)
    torch.set_num_threads(1)
    log = Log(args.out)
    cache = prepare(args, log)
    shared, state = (train_on_cpu if args.device == "cpu" else train_on_gpu)(args, cache, log)
    if args.stop_at:
        return
    weights = shared.views(shared.params)
    with torch.no_grad():
        evaluate.report(nn.Net(state["config"], weights), drawing.EmptyData(cache["bpe"]), cache["dev"], log)
    weights = {k: v.cpu() for k, v in weights.items()}
    export.write(os.path.join(args.out, "libqwen-mini"), state["config"], weights, cache["bpe"])


if __name__ == "__main__":
    main()
