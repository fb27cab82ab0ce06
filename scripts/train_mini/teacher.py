"""Linear teachers: logistic regression over n-grams of tokens, scaled by naive Bayes (Wang and Manning 2012).

Fitted fold by fold, so that every text, and every crop of a review, is scored
by a model that has not seen it. The network learns from a mix of the labels
(noisy) and these softer opinions.
"""
import random
import re

import numpy as np
from scipy import sparse

from corpus import POLAR, Row

CLAUSE = re.compile(r"[^，。！？；,!?;~…\s]+[，。！？；,!?;~…\s]*")
FOLDS = 4
CROPS = 3
SIZES = 3       # n-grams of 1 to this many tokens
LEAST = 2       # n-grams that are in fewer texts are left out
STRENGTH = 8.0  # C of the logistic regression
WEIGHT = {"review": 0.55, "mood": 0.5, "english": 0.35}  # of the teacher against the label


def crops_of(text, rng, count):
    """Runs of whole clauses of `text`, shorter than it."""
    parts = CLAUSE.findall(text)
    out = set()
    if len(parts) < 2:
        return []
    for _ in range(count):
        n = rng.randint(1, min(len(parts) - 1, 8))
        i = rng.randint(0, len(parts) - n)
        crop = "".join(parts[i:i + n]).strip()
        if len(crop) >= 2:
            out.add(crop)
    return sorted(out)


def grams(sequences):
    """(text index, hash) of every n-gram, duplicates within a text removed."""
    lengths = [len(s) for s in sequences]
    text = np.repeat(np.arange(len(sequences)), lengths)
    unit = np.concatenate([np.array(s, dtype=np.uint64) for s in sequences]) + np.uint64(1)
    out, mixed = [], np.zeros(len(unit), dtype=np.uint64)
    for n in range(1, SIZES + 1):
        m = len(unit) - n + 1
        mixed = mixed[:m] * np.uint64(0x9E3779B97F4A7C15) + unit[n - 1:]
        mixed ^= mixed >> np.uint64(29)
        inside = text[:m] == text[n - 1:]
        out.append(np.stack([text[:m][inside].astype(np.uint64), mixed[inside]]))
    return unique_pairs(np.concatenate(out, 1))


def unique_pairs(pairs):
    order = np.lexsort((pairs[1], pairs[0]))
    pairs = pairs[:, order]
    new = np.ones(pairs.shape[1], bool)
    new[1:] = (pairs[:, 1:] != pairs[:, :-1]).any(0)
    return pairs[:, new]


class Features:
    """Binary n-gram matrices over the n-grams that at least LEAST training texts have."""

    def __init__(self, sequences):
        pairs = grams(sequences)
        hashes, counts = np.unique(pairs[1], return_counts=True)
        self.hashes = hashes[counts >= LEAST]
        self.train = self.matrix(pairs, len(sequences))

    def matrix(self, pairs, rows):
        column = np.searchsorted(self.hashes, pairs[1]).clip(max=len(self.hashes) - 1)
        known = self.hashes[column] == pairs[1]
        row, column = pairs[0][known].astype(np.int64), column[known]
        return sparse.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(rows, len(self.hashes)))

    def of(self, sequences):
        return self.matrix(grams(sequences), len(sequences))


class Linear:
    """Each n-gram scaled by the log ratio of its frequencies in both classes, then logistic regression."""

    def __init__(self, x, labels):
        from sklearn.linear_model import LogisticRegression
        positive = np.asarray(x[labels == 1].sum(0)) + 1
        negative = np.asarray(x[labels == 0].sum(0)) + 1
        self.ratio = sparse.diags(np.log((positive / positive.sum()) / (negative / negative.sum())).ravel())
        self.model = LogisticRegression(C=STRENGTH, solver="liblinear", dual=True, tol=0.02, random_state=1)
        self.model.fit(self.scale(x), labels)

    def scale(self, x):
        from sklearn.preprocessing import normalize
        return normalize((x @ self.ratio).tocsr())

    def score(self, x):
        return self.model.predict_proba(self.scale(x))[:, 1]


def teach(train, dev, encode, log):
    """Fills Row.target of every polar row of `train`; returns the crops of reviews as further rows."""
    crops, rng = [], random.Random(11)
    for kind in POLAR:
        rows = train[kind]
        labels = np.array([int(r.label) for r in rows])
        features = Features([encode(r.text.lower()) for r in rows])
        on_dev = features.of([encode(r.text.lower()) for r in dev[kind]])
        fold = np.random.RandomState(1).randint(0, FOLDS, len(rows))
        scores, dev_scores = np.zeros(len(rows)), np.zeros(len(dev[kind]))
        for k in range(FOLDS):
            model = Linear(features.train[fold != k], labels[fold != k])
            held = np.flatnonzero(fold == k)
            scores[held] = model.score(features.train[held])
            dev_scores += model.score(on_dev) / FOLDS
            if kind == "review":
                texts = [c for i in held for c in crops_of(rows[i].text, rng, CROPS)]
                found = model.score(features.of([encode(t) for t in texts]))
                crops += [Row("crop", 0.5, "", t, float(p)) for t, p in zip(texts, found)]
        for row, p in zip(rows, scores):
            row.target = float((1 - WEIGHT[kind]) * row.label + WEIGHT[kind] * p)
        dev_labels = np.array([r.label for r in dev[kind]])
        log(f"teacher of {kind}: {((scores > 0.5) == labels).mean():.4f} right held out, "
            f"{((dev_scores > 0.5) == dev_labels).mean():.4f} of dev, "
            f"{((scores > 0.3) & (scores < 0.7)).mean():.4f} between 0.3 and 0.7")
    return crops
