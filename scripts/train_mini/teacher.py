"""A linear teacher: logistic regression over character n-grams of the reviews.

Fitted fold by fold, so that every review, and every crop of it, is scored by a
model that has not seen it. The small network then learns from a mix of the
labels (noisy: about one in twenty is wrong) and these softer opinions.
"""
import random
import re
import warnings

import numpy as np

CLAUSE = re.compile(r"[^，。！？；,!?;~…\s]+[，。！？；,!?;~…\s]*")
FOLDS = 8
CROPS = 3


def read_tsv(path):
    """[(label, category, text)] of a labelled file with a header line."""
    rows = []
    with open(path, encoding="utf-8") as f:
        next(f)
        for line in f:
            label, category, text = line.rstrip("\n").split("\t", 2)
            rows.append((int(label), category, text))
    return rows


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


def score(rows, dev_rows, log):
    """Returns (probability of positive for each row, [(crop, probability)], mean accuracy on dev)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    warnings.filterwarnings("ignore")
    rng = random.Random(11)
    texts = [t for _, _, t in rows]
    y = np.array([l for l, _, _ in rows])
    vec = TfidfVectorizer(analyzer="char", ngram_range=(1, 4), min_df=3, sublinear_tf=True)
    x = vec.fit_transform(texts)
    dev = vec.transform([t for _, _, t in dev_rows])
    dev_y = np.array([l for l, _, _ in dev_rows])
    fold = np.random.RandomState(1).randint(0, FOLDS, len(y))
    prob, crops, dev_prob = np.zeros(len(y)), [], 0.0
    for k in range(FOLDS):
        held = np.flatnonzero(fold == k)
        m = LogisticRegression(C=5, max_iter=60).fit(x[fold != k], y[fold != k])
        prob[held] = m.predict_proba(x[held])[:, 1]
        mine = [c for i in held for c in crops_of(texts[i], rng, CROPS)]
        crops += list(zip(mine, m.predict_proba(vec.transform(mine))[:, 1].tolist()))
        dev_prob = dev_prob + m.predict_proba(dev)[:, 1] / FOLDS
        log(f"teacher: fold {k} held-out accuracy {((prob[held] > .5) == y[held]).mean():.4f}")
    log(f"teacher: held-out {((prob > .5) == y).mean():.4f}, dev {((dev_prob > .5) == dev_y).mean():.4f}")
    return prob.tolist(), crops
