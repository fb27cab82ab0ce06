"""A batch as tensors: what the network reads, and where it has to predict what."""
import torch
import torch.nn.functional as F

UNSURE_WEIGHT = 0.7   # of a neutral text against a polar one


class Generator(torch.Generator):
    """torch's generator and Python's (`py`), seeded together."""


def pack(seqs, limit):
    """(prefix, ids [batch, time], length of the prefix): padded, without the prefix of at most `limit` ids that all share."""
    first, last = min(seqs), max(seqs)
    shared = 0
    while shared < limit and first[shared] == last[shared]:
        shared += 1
    time_ = max(map(len, seqs)) - shared
    ids = torch.tensor([s[shared:] + [0] * (time_ + shared - len(s)) for s in seqs], dtype=torch.int32)
    return torch.tensor(seqs[0][:shared], dtype=torch.int32), ids, shared


def prepare(batch, labels, blank, read_share, g):
    """Tensors of a batch of (ids, flags, target). `g`: the generator, with Python's as `g.py`.

    *_at are rows of the hidden states. said: the ids that the model has to say; first: which of them begin an answer;
    probe: every token of a text; read: tokens of the texts themselves that are predicted as well.
    """
    # What has to be predicted stays out of the prefix, and so does the token before it.
    limit = min(said.index(1) - 1 for _, said, _ in batch)
    prefix, ids, shared = pack([s for s, _, _ in batch], limit)
    rows, time_ = ids.shape
    said_at, said_id, first, probe_at, probe_row, read_at, read_id = [], [], [], [], [], [], []
    keep = torch.ones(rows, time_, dtype=torch.bool)  # embeddings that are never dropped
    for r, (seq, said, target) in enumerate(batch):
        base = len(prefix) + r * time_ - shared
        own = [i for i in range(shared + 1, len(seq)) if said[i]]
        if target is not None:
            first.append(len(said_at))
            at = range(base + shared, base + len(seq) - sum(said))
            probe_at += at
            probe_row += [r] * len(at)
            keep[r, :max(0, len(seq) - shared - 8)] = False
        said_at += [base + i - 1 for i in own]
        said_id += [seq[i] for i in own]
        if read_share:
            take = [i for i in range(shared + 1, len(seq)) if not said[i] and g.py.random() < read_share]
            read_at += [base + i - 1 for i in take]
            read_id += [seq[i] for i in take]
    out = {name: torch.tensor(values, dtype=torch.int32) for name, values in (
        ("said_at", said_at), ("said_id", said_id), ("first", first), ("probe_at", probe_at), ("probe_row", probe_row),
        ("read_at", read_at), ("read_id", read_id))}
    out.update(prefix=prefix, ids=ids)
    if labels is not None:
        out["labels"] = torch.tensor(labels, dtype=torch.int32)
        out["want"] = torch.tensor([target for _, _, target in batch])
        dropped = torch.rand(len(prefix) + rows * time_, generator=g) < blank
        dropped[:len(prefix)] = False
        dropped[len(prefix):] &= ~keep.view(-1)
        out["blank"] = dropped
    return out


def loss_of(net, kind, b, probe):
    """(loss, {name: value to log, not yet copied from the device})"""
    h = net.hidden(b["ids"].long(), b["prefix"].long(), b.get("blank"))
    logits = net.logits(h.index_select(0, torch.cat((b["said_at"], b["read_at"]))))
    logp = F.log_softmax(logits, -1)
    n = len(b["said_at"])
    nll = -logp[:n].gather(1, b["said_id"].long()[:, None])[:, 0]
    loss = nll.mean()
    if "labels" in b:
        # The first word of the answer: as probable as the target says. The rest of it: as written.
        want = b["want"]
        weight = torch.where(want == 0.5, UNSURE_WEIGHT, 1.0)
        weight = weight / weight.sum()
        word = logp.index_select(0, b["first"]).index_select(1, b["labels"])
        first = nll.index_select(0, b["first"])
        loss = (-((want * word[:, 1] + (1 - want) * word[:, 0]) * weight).sum()
                + 0.2 * (nll.sum() - first.sum()) / (n - len(want)))
    seen = {kind: loss.detach()}
    if "labels" in b and probe:
        # Every token of the text tells the label as well, through the probe: far more to learn from per text.
        row = b["probe_row"].long()
        guess = (h.index_select(0, b["probe_at"]) * net.p["probe.weight"]).sum(-1)
        each = F.binary_cross_entropy_with_logits(guess, want[row], reduction="none") * weight[row] * len(want)
        loss = loss + probe * each.mean()
        seen["probe"] = each.mean().detach()
    if len(b["read_at"]):
        text = F.nll_loss(logp[n:], b["read_id"].long())
        loss = loss + 0.3 * text
        seen["text"] = text.detach()
    return loss, seen
