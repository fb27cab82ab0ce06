"""Trains on a GPU: processes draw the batches, this one computes. Step s is drawn by drawer s % drawers."""
import os
import queue
import random
import threading
import time

import numpy as np
import torch

import data as drawing
import evaluate
import model as nn
import packed

TALK_FROM = 0.1    # share of the run after which dialogues are learned too
READ_UNTIL = 0.7   # share of the run up to which the texts themselves are predicted as well
READ_SHARE = 0.2   # of their tokens
AHEAD = 4          # steps that a drawer prepares ahead
SAVE_EVERY = 2000
PARTS = 2          # files of the weights


def draw(drawer, args, cache, out):
    """Puts the batches of every `drawers`-th step into `out`: [(kind, {name: array})]."""
    torch.set_num_threads(1)
    data = drawing.Data(cache, tokens=args.tokens, dialogues=args.dialogues)
    seed = args.seed * 1000003 + drawer
    data.restart(seed)
    g = packed.Generator()
    g.manual_seed(seed)
    g.py = random.Random(seed)
    for step in range(drawer, args.steps, args.drawers):
        talking = step >= TALK_FROM * args.steps
        read = READ_SHARE if step < READ_UNTIL * args.steps else 0.0
        kinds = ["sentiment"] + (["chat"] if talking else [])
        if talking and step // args.drawers % 4 == 0:
            kinds.append("intent" if step // args.drawers % 8 else "summary")
        ready = []
        for kind in kinds:
            batch, labels = data.sentiment(talking) if kind == "sentiment" else getattr(data, kind)()
            b = packed.prepare(batch, labels, args.blank, read, g)
            ready.append((kind, {name: t.numpy() for name, t in b.items()}))
        out.put(ready)


def to_gpu(ready, device):
    return [(kind, {name: torch.from_numpy(a).to(device) for name, a in b.items()}) for kind, b in ready]


class Feed:
    """The batches of all steps in order, on the GPU."""

    def __init__(self, args, cache):
        context = torch.multiprocessing.get_context("fork")
        self.queues = [context.Queue(AHEAD) for _ in range(args.drawers)]
        self.drawers = [context.Process(target=draw, args=(i, args, cache, q), daemon=True) for i, q in enumerate(self.queues)]
        for d in self.drawers:
            d.start()
        self.args, self.ready = args, queue.Queue(4)

    def start(self):
        """Call after the GPU is in use here: processes must not be forked from then on."""
        threading.Thread(target=self.forward, daemon=True).start()

    def forward(self):
        for step in range(self.args.steps):
            self.ready.put(to_gpu(self.queues[step % self.args.drawers].get(), self.args.device))

    def next(self):
        return self.ready.get(timeout=120)


def save(args, shared):
    flat = shared.params.half().cpu().numpy()
    for i, part in enumerate(np.array_split(flat, PARTS)):
        np.save(os.path.join(args.out, f"weights-{i}.npy"), part)


def load(out):
    """The flat weights that `save` wrote."""
    return torch.from_numpy(np.concatenate([np.load(os.path.join(out, f"weights-{i}.npy")) for i in range(PARTS)])).float()


def train(args, cache, feed, shared, config, progress, schedule):
    params = {k: v.detach().requires_grad_() for k, v in shared.views(shared.params).items()}
    for name, grad in shared.views(shared.grads[0]).items():
        params[name].grad = grad
    net = nn.Net(config, params, not args.f32)
    net.drop = args.drop
    plain = nn.Net(config, shared.views(shared.params), not args.f32)
    data = drawing.EmptyData(cache["bpe"])
    torch.manual_seed(args.seed)
    feed.start()
    waited = 0.0
    for step in range(args.stop_at or args.steps):
        began = time.time()
        ready = feed.next()
        waited += time.time() - began
        tokens = sum(b["ids"].numel() for _, b in ready)
        total, seen = 0.0, {}
        for kind, b in ready:
            loss, values = packed.loss_of(net, kind, b, args.probe)
            total = total + loss * (0.5 if kind in ("intent", "summary") else 1.0)
            seen.update({("chat text" if k == "text" and kind == "chat" else k): v for k, v in values.items()})
        total.backward()
        lr = schedule(step, args)
        shared.update_on_gpu(lr, step + 1, args)
        progress.add(step + 1, lr, seen)
        if (step + 1) % 100 == 0:
            progress.log(f"  waited {waited / 100:.4f} s a step for batches; {tokens} tokens in the last one; "
                         f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
            waited = 0.0
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == args.steps:
            save(args, shared)
        if (step + 1) % args.eval_every == 0:
            with torch.no_grad():
                evaluate.glance(plain, data, cache["dev"], progress.log, step > TALK_FROM * args.steps)
