"""Reads the labelled files and holds every text with the probability of "positive" to learn.

A file is TSV with one header line: label<TAB>category<TAB>text; label 1 is
positive, 0 negative, n neutral.
"""
import os
from dataclasses import dataclass

FILES = {"review": "senti", "mood": "mood-zh", "english": "polarity-en", "neutral": "neutral-zh", "neutral_en": "neutral-en"}
POLAR = ("review", "mood", "english")


@dataclass
class Row:
    kind: str        # a key of FILES, or "crop"
    label: float     # 1 positive, 0 negative, 0.5 neutral or unknown
    category: str
    text: str
    target: float = 0.5  # probability of "positive" that the network learns


def read_file(path, kind):
    rows = []
    with open(path, encoding="utf-8") as f:
        next(f)
        for line in f:
            label, category, text = line.rstrip("\n").split("\t", 2)
            rows.append(Row(kind, 0.5 if label == "n" else float(label), category, text))
    return rows


def read(folder, part):
    """{kind: [Row]} of the files PART ("train" or "dev") in `folder`."""
    return {kind: read_file(os.path.join(folder, f"{name}-{part}.tsv"), kind) for kind, name in FILES.items()}
