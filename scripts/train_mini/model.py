"""Qwen2, small: q/k/v biases, grouped KV heads, RMSNorm, SwiGLU, NeoX RoPE, tied head.

A batch is [batch, time] token ids plus one prefix that all of its rows share
(the prompt of the task). The prefix is run once, as a row of its own, and
every row attends to its keys and values: the same logits and gradients as
running it in every row, at a fraction of the cost.
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass
class Config:
    vocab: int
    dim: int
    layers: int
    ffn: int
    heads: int = 4
    kv_heads: int = 2
    theta: float = 10000.0
    eps: float = 1e-6
    context: int = 1024

    @property
    def head_dim(self):
        return self.dim // self.heads


def init_params(c, seed):
    g = torch.Generator().manual_seed(seed)

    def normal(*shape, std=0.02):
        return torch.randn(*shape, generator=g) * std

    kv = c.kv_heads * c.head_dim
    out_std = 0.02 / (2 * c.layers) ** 0.5
    p = {"model.embed_tokens.weight": normal(c.vocab, c.dim)}
    for i in range(c.layers):
        n = f"model.layers.{i}."
        p[n + "input_layernorm.weight"] = torch.ones(c.dim)
        p[n + "post_attention_layernorm.weight"] = torch.ones(c.dim)
        for name, rows in (("q", c.dim), ("k", kv), ("v", kv)):
            p[n + f"self_attn.{name}_proj.weight"] = normal(rows, c.dim, std=0.04)
            p[n + f"self_attn.{name}_proj.bias"] = torch.zeros(rows)
        p[n + "self_attn.o_proj.weight"] = normal(c.dim, c.dim, std=out_std)
        p[n + "mlp.gate_proj.weight"] = normal(c.ffn, c.dim, std=0.04)
        p[n + "mlp.up_proj.weight"] = normal(c.ffn, c.dim, std=0.04)
        p[n + "mlp.down_proj.weight"] = normal(c.dim, c.ffn, std=out_std)
    p["model.norm.weight"] = torch.ones(c.dim)
    # Reads the polarity from every token of a text while training; not part of the model that is written.
    p["probe.weight"] = torch.zeros(1, c.dim)
    return p


class RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, eps):
        r = (x * x).mean(-1, keepdim=True).add_(eps).rsqrt_()
        n = x * r
        ctx.save_for_backward(n, r, w)
        return n * w

    @staticmethod
    def backward(ctx, g):
        n, r, w = ctx.saved_tensors
        gn = g * n
        gw = gn.sum(0)
        gw_dot = (gn * w).mean(-1, keepdim=True)
        return (g * w).sub_(n * gw_dot).mul_(r), gw, None


class SwiGlu(torch.autograd.Function):
    """silu(gate) * up on one [rows, 2 * ffn] product."""

    @staticmethod
    def forward(ctx, gu):
        f = gu.shape[1] // 2
        ctx.save_for_backward(gu)
        return F.silu(gu[:, :f]).mul_(gu[:, f:])

    @staticmethod
    def backward(ctx, g):
        (gu,) = ctx.saved_tensors
        f = gu.shape[1] // 2
        gate, up = gu[:, :f], gu[:, f:]
        out = torch.empty_like(gu)
        torch.mul(g, F.silu(gate), out=out[:, f:])
        out[:, :f] = torch.ops.aten.silu_backward(g * up, gate)
        return out


class Rotate(torch.autograd.Function):
    """RoPE on [..., time, head_dim]: pairs (i, i + head_dim / 2)."""

    @staticmethod
    def turn(x, cos, sin):
        half = x.shape[-1] // 2
        out = torch.empty(x.shape, device=x.device)
        a, b = x[..., :half], x[..., half:]
        torch.mul(a, cos, out=out[..., :half]).addcmul_(b, sin, value=-1)
        torch.mul(b, cos, out=out[..., half:]).addcmul_(a, sin)
        return out

    @staticmethod
    def forward(ctx, x, cos, sin):
        ctx.save_for_backward(cos, sin)
        return Rotate.turn(x, cos, sin)

    @staticmethod
    def backward(ctx, g):
        cos, sin = ctx.saved_tensors
        return Rotate.turn(g, cos, -sin), None, None


def rotate(x, cos, sin):
    return Rotate.apply(x, cos, sin)


class Net:
    def __init__(self, config, params, half=False):
        self.c = config
        self.p = params
        self.half = half
        self.drop = 0.0  # share of every sublayer's output that is dropped while training
        inv = config.theta ** (-torch.arange(0, config.head_dim, 2).float() / config.head_dim)
        angle = torch.arange(config.context).float()[:, None] * inv
        self.device = params["model.norm.weight"].device
        self.cos, self.sin = angle.cos().to(self.device), angle.sin().to(self.device)

    def linear(self, x, w, b=None):
        """The product, in bfloat16 where that is allowed."""
        return F.linear(x.bfloat16(), w.bfloat16(), None if b is None else b.bfloat16()) if self.half else F.linear(x, w, b)

    def bmm(self, a, b):
        return torch.bmm(a.bfloat16(), b.bfloat16()).float() if self.half else torch.bmm(a, b)

    def attention(self, q, k, v, batch, time, prefix):
        """q [rows, dim], k and v [rows, kv]: the prefix's rows first, then batch * time."""
        c = self.c
        kv, hd, group = c.kv_heads, c.head_dim, c.heads // c.kv_heads
        scale = hd ** -0.5
        out = []
        # Split, not sliced: the gradient of a split is one concatenation.
        (pq, q), (pk, k), (pv, v) = (x.split((prefix, batch * time)) for x in (q, k, v))
        if prefix:
            cos, sin = self.cos[:prefix], self.sin[:prefix]
            pq = rotate(pq.view(prefix, kv, group, hd).permute(1, 2, 0, 3), cos, sin)
            pk = rotate(pk.view(prefix, kv, hd).transpose(0, 1), cos, sin)
            pv = pv.view(prefix, kv, hd).transpose(0, 1)
            s = (pq * scale) @ pk.unsqueeze(1).transpose(-1, -2) + self.causal(prefix)
            o = torch.softmax(s, -1) @ pv.unsqueeze(1)
            out.append(o.permute(2, 0, 1, 3).reshape(prefix, c.dim))
        cos, sin = self.cos[prefix:prefix + time], self.sin[prefix:prefix + time]
        # [kv, batch, group, time, hd]: the heads outermost, so that the shared prefix is one GEMM a head
        bq = q.view(batch, time, kv, group, hd).permute(2, 0, 3, 1, 4)
        bq = rotate(bq, cos, sin) * scale
        bk = rotate(k.view(batch, time, kv, hd).permute(2, 0, 1, 3), cos, sin)
        bv = v.view(batch, time, kv, hd).permute(2, 0, 1, 3)
        own = self.bmm(bq.reshape(kv * batch, group * time, hd),
                       bk.reshape(kv * batch, time, hd).transpose(1, 2))
        own = own.view(kv, batch, group, time, time) + self.causal(time)
        if prefix:
            far = self.bmm(bq.reshape(kv, batch * group * time, hd), pk.transpose(1, 2))
            s = torch.softmax(torch.cat((far.view(kv, batch, group, time, prefix), own), -1), -1)
            far, own = s.split((prefix, time), -1)
            o = self.bmm(own.reshape(kv * batch, group * time, time), bv.reshape(kv * batch, time, hd))
            o = (o.view(kv, batch * group * time, hd)
                 + self.bmm(far.reshape(kv, batch * group * time, prefix), pv))
        else:
            own = torch.softmax(own, -1)
            o = self.bmm(own.view(kv * batch, group * time, time), bv.reshape(kv * batch, time, hd))
        o = o.view(kv, batch, group, time, hd).permute(1, 3, 0, 2, 4).reshape(batch * time, c.dim)
        out.append(o)
        return torch.cat(out) if len(out) > 1 else out[0]

    def dropped(self, x):
        return F.dropout(x, self.drop) if self.drop else x

    def causal(self, n):
        return torch.full((n, n), float("-inf"), device=self.device).triu_(1)

    def hidden(self, ids, prefix=None, blank=None):
        """Final hidden rows [prefix + batch * time, dim]; `blank` marks rows whose embedding is dropped."""
        c, p = self.c, self.p
        batch, time = ids.shape
        n = 0 if prefix is None else len(prefix)
        flat = ids.reshape(-1) if n == 0 else torch.cat((prefix, ids.reshape(-1)))
        x = F.embedding(flat, p["model.embed_tokens.weight"])
        if blank is not None:
            x = x * (~blank).unsqueeze(1)
        for i in range(c.layers):
            w = f"model.layers.{i}."
            h = RmsNorm.apply(x, p[w + "input_layernorm.weight"], c.eps)
            a = w + "self_attn."
            wide = self.linear(h, torch.cat([p[a + s + "_proj.weight"] for s in "qkv"]),
                               torch.cat([p[a + s + "_proj.bias"] for s in "qkv"]))
            kv = c.kv_heads * c.head_dim
            q, k, v = wide.float().split((c.dim, kv, kv), 1)
            o = self.attention(q, k, v, batch, time, n)
            x = x + self.dropped(self.linear(o, p[a + "o_proj.weight"]).float())
            h = RmsNorm.apply(x, p[w + "post_attention_layernorm.weight"], c.eps)
            gu = self.linear(h, torch.cat([p[w + "mlp.gate_proj.weight"], p[w + "mlp.up_proj.weight"]]))
            x = x + self.dropped(self.linear(SwiGlu.apply(gu), p[w + "mlp.down_proj.weight"]).float())
        return RmsNorm.apply(x, p["model.norm.weight"], c.eps)

    def logits(self, rows):
        return self.linear(rows, self.p["model.embed_tokens.weight"]).float()
