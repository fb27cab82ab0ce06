"""Draws the batches. All rows of a batch share one prompt; of its rows a worker renders every `workers`-th."""
import random

import bpe as bpelib
import chatdata
import prompts

TEXT_CHARS = (80, 80, 160, 420)  # one of these by chance: longer reviews keep their first and last half of it
BATCH_TOKENS = 5120   # per batch, padding included
MAX_ROWS = 144
# Texts sorted by their number of tokens together: how many of each kind. The scripted ones come with the dialogues.
POOL = {"review": 4096, "crop": 1600, "english": 2600, "mood": 1300, "neutral": 1500, "neutral_en": 1000}
SCRIPTED = {"mood": 600, "neutral": 900}


def cut(text, rng):
    limit = rng.choice(TEXT_CHARS)
    return text if len(text) <= limit else text[:limit // 2] + text[-limit // 2:]


def noise(text, rng):
    """Users type with and without a full stop, with and without capitals."""
    r = rng.random()
    if r < 0.08:
        text = text.rstrip("。！!.~？?") or text
    elif r < 0.13 and text[-1] not in "。！？!?.~":
        text += rng.choice("。！") if ord(text[-1]) > 0x2000 else "."
    if text[0].isascii() and text[0].islower() and rng.random() < 0.45:
        text = text[0].upper() + text[1:]
    elif text[0].isascii() and text[0].isupper() and rng.random() < 0.12:
        text = text.lower()
    return text


class Data:
    def __init__(self, cache, worker=0, workers=1, tokens=BATCH_TOKENS, dialogues=72):
        self.tokens, self.max_rows, self.dialogues = tokens, MAX_ROWS * tokens // BATCH_TOKENS, dialogues
        self.rows = cache["rows"]
        self.bpe = cache["bpe"]
        self.worker, self.workers = worker, workers
        self.tasks = prompts.load_tasks()
        self.render = prompts.Renderer(self.bpe, bpelib.control_ids(self.bpe))
        self.senti = prompts.sentiment_prompts(self.tasks)
        self.systems = prompts.chat_systems(self.tasks)
        self.restart(0)

    def restart(self, seed):
        """Forgets what was drawn: a run that goes on from here draws as one that was never interrupted."""
        self.rng = random.Random(seed)
        self.queue = []

    def share(self, system, drawn):
        """[(pairs, target)] of the whole batch -> [(ids, flags, target)] of this worker."""
        return [(*self.render.turns(system, pairs), target) for pairs, target in drawn[self.worker::self.workers]]

    def fill(self, scripted):
        rng, pool = self.rng, []
        for kind, count in POOL.items():
            pool += [(cut(r.text, rng), r.target) for r in rng.sample(self.rows[kind], count)]
        if scripted:
            pool += [chatdata.mood(rng) for _ in range(SCRIPTED["mood"])]
            pool += [(chatdata.neutral(rng), 0.5) for _ in range(SCRIPTED["neutral"])]
        pool = [(noise(text, rng), target) for text, target in pool]
        pool = sorted((len(self.bpe.encode(text)), text, target) for text, target in pool)
        at = 0
        while at < len(pool):
            n = 1
            while at + n < len(pool) and n < self.max_rows and (n + 1) * (pool[at + n][0] + 15) < self.tokens:
                n += 1
            self.queue.append(pool[at:at + n])
            at += n
        rng.shuffle(self.queue)

    def sentiment(self, scripted):
        """(rows of this worker, (negative, positive) first tokens)"""
        _, system, template, neg, pos = self.pick(self.senti)
        if not self.queue:
            self.fill(scripted)
        drawn = [([(template.replace("{text}", text), pos if target > 0.5 else neg)], target)
                 for _, text, target in self.queue.pop()]
        if len(drawn) < self.workers:
            drawn = drawn * self.workers
        return self.share(system, drawn), (self.bpe.encode(neg)[0], self.bpe.encode(pos)[0])

    def pick(self, table):
        return self.rng.choices(table, [t[0] for t in table])[0]

    def chat(self):
        _, system = self.pick(self.systems)
        drawn = [(chatdata.dialogue(self.rng, self), None) for _ in range(self.dialogues * 5 // 3)]
        drawn.sort(key=lambda d: sum(len(q.encode()) + len(a.encode()) for q, a in d[0]))
        # Two batches of like length out of one draw: less padding.
        return self.share(system, drawn[:self.dialogues] if self.rng.random() < 0.45 else drawn[self.dialogues:]), None

    def review(self):
        """A review whose label the teacher does not doubt, of moderate length: (1 or 0, category, text)."""
        while True:
            row = self.rng.choice(self.rows["review"])
            if abs(row.target - row.label) < 0.3 and len(row.text) < 110:
                return int(row.label), row.category, row.text

    def sure(self, kind):
        """A row of `kind` whose label the teacher does not doubt."""
        while True:
            row = self.rng.choice(self.rows[kind])
            if abs(row.target - row.label) < 0.25:
                return row

    def asked(self, name, rows):
        """A batch of the task `name`: rows of (text, answer)."""
        t = self.tasks[name]
        return self.share(t["system"], [([(t["template"].replace("{text}", q), a)], None) for q, a in rows]), None

    def intent(self):
        return self.asked("intent", [chatdata.intent(self.rng, self) for _ in range(self.dialogues * 3 // 4)])

    def summary(self):
        return self.asked("summary", [chatdata.summary_pair(self.rng, self) for _ in range(self.dialogues * 5 // 9)])


class EmptyData(Data):
    """For a trained model: renders prompts, draws nothing."""

    def __init__(self, bpe):
        super().__init__({"rows": {}, "bpe": bpe})
