"""Muon for the matrices of the layers, AdamW for embeddings, biases and norms, on flat arrays in shared memory.

Processes of one thread each, that meet three times a step, keep their speed on
a busy machine, where two threads that meet in every operation do not.
"""
import itertools

import torch

BETA1, BETA2, MOMENTUM = 0.9, 0.98, 0.95
MUON_SCALE = 0.2     # brings an orthogonal update to about the size of Adam's (Liu et al. 2025)


def orthogonal(g, half):
    """The nearest matrix (of each of a stack) with singular values near 1: five Newton-Schulz steps (Jordan et al. 2024)."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g / (g.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    if half:
        x = x.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return (x.mT if tall else x).float()


class Shared:
    """Parameters and optimizer state as flat arrays; each worker updates its part of them."""

    def __init__(self, shapes, workers, device):
        self.device = device
        # The matrices of the layers first, each whole in one worker's part; the rest is split evenly.
        # Matrices of one shape lie side by side: a GPU updates them as one stack.
        matrices = sorted((n for n, s in shapes.items() if ".layers." in n and len(s) == 2), key=lambda n: shapes[n])
        order = matrices + [n for n in shapes if n not in matrices]
        self.shapes = {n: shapes[n] for n in order}
        self.size = sum(torch.Size(s).numel() for s in shapes.values())
        self.matrix_size = sum(torch.Size(shapes[n]).numel() for n in matrices)
        self.params, self.m, self.v = (self.block() for _ in range(3))
        self.grads = [self.block() for _ in range(workers)]
        self.norms = torch.zeros(workers, dtype=torch.float64).share_memory_()
        self.own, at, loads = [[] for _ in range(workers)], 0, [0] * workers
        for name in matrices:
            n = torch.Size(shapes[name]).numel()
            worker = loads.index(min(loads))
            loads[worker] += n
            self.own[worker].append((at, n, shapes[name]))
            at += n
        # Embeddings decay, biases and norms don't.
        self.decay = torch.cat([torch.full((torch.Size(s).numel(),), float(len(s) == 2)) for s in self.shapes.values()])
        self.decay = self.decay.to(device)

    def block(self):
        block = torch.zeros(self.size, device=self.device)
        return block.share_memory_() if self.device == "cpu" else block

    def views(self, flat):
        out, at = {}, 0
        for name, shape in self.shapes.items():
            n = torch.Size(shape).numel()
            out[name] = flat[at:at + n].view(shape)
            at += n
        return out

    def update(self, worker, barrier, lr, step, args):
        """One step, with gradients clipped to norm 1."""
        count = len(self.grads)
        rest = self.size - self.matrix_size
        spans = [(a, n) for a, n, _ in self.own[worker]]
        a = self.matrix_size + rest * worker // count
        spans.append((a, self.matrix_size + rest * (worker + 1) // count - a))
        barrier.wait()
        grads = []
        for a, n in spans:
            g = self.grads[0][a:a + n].clone()
            for other in self.grads[1:]:
                g += other[a:a + n]
            grads.append(g / count)
        self.norms[worker] = sum(g.pow(2).sum().item() for g in grads)
        barrier.wait()
        norm = float(self.norms.sum()) ** 0.5
        for i, ((a, n), g) in enumerate(zip(spans, grads)):
            if norm > 1:
                g /= norm
            m, p = self.m[a:a + n], self.params[a:a + n]
            if i < len(self.own[worker]):
                shape = self.own[worker][i][2]
                m.mul_(MOMENTUM).add_(g, alpha=1 - MOMENTUM)
                way = orthogonal(m.mul(MOMENTUM).add_(g, alpha=1 - MOMENTUM).view(shape), not args.f32)
                p.mul_(1 - lr * args.decay)
                p.add_(way.reshape(-1), alpha=-lr * MUON_SCALE * max(shape) ** 0.5)
            else:
                v = self.v[a:a + n]
                m.mul_(BETA1).add_(g, alpha=1 - BETA1)
                v.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
                p.sub_(p * self.decay[a:a + n], alpha=lr * args.decay)
                p.addcdiv_(m, (v / (1 - BETA2 ** step)).sqrt_().add_(1e-9), value=-lr / (1 - BETA1 ** step))
        self.grads[worker].zero_()
        barrier.wait()

    def update_on_gpu(self, lr, step, args):
        """`update` of a single process, with no wait for the GPU."""
        g = self.grads[0]
        g.mul_((1 / (g.norm() + 1e-12)).clamp(max=1))
        at = self.matrix_size
        self.m[:at].mul_(MOMENTUM).add_(g[:at], alpha=1 - MOMENTUM)
        ahead = self.m[:at].mul(MOMENTUM).add_(g[:at], alpha=1 - MOMENTUM)
        self.params[:at].mul_(1 - lr * args.decay)
        begin = 0
        for shape, group in itertools.groupby(self.own[0], key=lambda own: own[2]):
            stack = (len(list(group)), *shape)
            end = begin + torch.Size(stack).numel()
            way = orthogonal(ahead[begin:end].view(stack), not args.f32)
            self.params[begin:end].add_(way.reshape(-1), alpha=-lr * MUON_SCALE * max(shape) ** 0.5)
            begin = end
        g, m, v, p = g[at:], self.m[at:], self.v[at:], self.params[at:]
        m.mul_(BETA1).add_(g, alpha=1 - BETA1)
        v.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
        p.sub_(p * self.decay[at:], alpha=lr * args.decay)
        p.addcdiv_(m, (v / (1 - BETA2 ** step)).sqrt_().add_(1e-9), value=-lr / (1 - BETA1 ** step))
        self.grads[0].zero_()
