"""Makes the dialogues that the bundled model learns: seeded, from patterns and slots.

`[a|b|c]` in a pattern stands for one of its alternatives (they nest), `{name}`
for a slot. What is said lives in talk_zh.py and talk_en.py; how it is put together, here.
"""
import re

import talk_en as en
import talk_zh as zh

INNER = re.compile(r"\[([^\[\]]*)\]")


def say(rng, pattern, **slots):
    """One reading of a pattern."""
    while True:
        new = INNER.sub(lambda m: rng.choice(m.group(1).split("|")), pattern)
        if new == pattern:
            break
        pattern = new
    for name, value in slots.items():
        while "{" + name + "}" in pattern:
            pattern = pattern.replace("{" + name + "}", value if isinstance(value, str) else say(rng, rng.choice(value)), 1)
    return pattern


def one(rng, patterns, **slots):
    return say(rng, rng.choice(patterns), **slots)


def tidy(rng, text, lang):
    """The same question as people type it: with, without and with other marks at the end."""
    r = rng.random()
    if r < 0.25:
        text = text.rstrip("。！？!?. ") or text
    elif r < 0.32 and lang == "zh":
        text = text.replace("？", "?").replace("！", "!").replace("，", ",")
    elif r < 0.36:
        text = text.rstrip("。！？!?.") + rng.choice(["~", "…", "！！", "。"] if lang == "zh" else ["!!", "...", "."])
    if lang == "en" and rng.random() < 0.25:
        text = text.lower()
    return text


def topic(rng, lang, name):
    """(question, answer) of a fixed topic of the language's TOPICS."""
    asks, answers = lang.TOPICS[name]
    return one(rng, asks, **lang.SLOTS), one(rng, answers, **lang.SLOTS)


def feeling(rng, lang, good):
    """What somebody says about a good or a bad day, and a fitting reply."""
    events = lang.GOOD if good else lang.BAD
    r = rng.random()
    if r < 0.35:
        asks, answers = (lang.GOOD_PLAIN if good else lang.BAD_PLAIN)
        return one(rng, asks, **lang.SLOTS), one(rng, answers, **lang.SLOTS)
    event, replies = rng.choice(events)
    event = say(rng, event, **lang.SLOTS)
    time = one(rng, lang.TIMES)
    mood = one(rng, lang.JOY if good else lang.SORROW)
    shape = rng.choice(lang.SHAPES)
    ask = shape.format(time=time, event=event if time else event.removeprefix("的"), mood=mood)
    if lang is en:
        ask = ask[0].upper() + ask[1:]
    opening = one(rng, lang.CHEER if good else lang.COMFORT)
    tail = one(rng, lang.GOOD_TAIL if good else lang.BAD_TAIL)
    answer = opening + one(rng, replies) + (tail if rng.random() < 0.7 else "")
    return ask, answer.strip()


def unknown(rng, lang):
    asks, answers = rng.choices(lang.UNKNOWN, [u[0] for u in lang.UNKNOWN])[0][1:]
    return one(rng, asks, **lang.SLOTS), one(rng, answers + lang.UNKNOWN_ANY, **lang.SLOTS)


def fact(rng, lang):
    asks, answers = rng.choice(lang.FACTS)
    return one(rng, asks), one(rng, answers)


def written_review(rng, lang):
    """A made-up short review with its reply."""
    good = rng.random() < 0.5
    thing = rng.choice(lang.REVIEW_THINGS)
    name, kind = thing
    ask = one(rng, (lang.REVIEW_GOOD if good else lang.REVIEW_BAD)[kind] + (lang.REVIEW_GOOD if good else lang.REVIEW_BAD)["any"],
              thing=say(rng, name))
    if lang is zh:
        return ask, review_reply(rng, kind, int(good), ask)
    return ask, one(rng, lang.REVIEW_REPLY_GOOD if good else lang.REVIEW_REPLY_BAD)


def single(rng, lang):
    """(kind, question, answer)"""
    kind = rng.choices(["topic", "good", "bad", "fact", "unknown", "review"], [28, 14, 15, 18, 19, 6])[0]
    if kind == "topic":
        names = list(lang.TOPICS)
        name = rng.choices(names, [lang.WEIGHTS.get(n, 2) for n in names])[0]
        return name, *topic(rng, lang, name)
    if kind in ("good", "bad"):
        return kind, *feeling(rng, lang, kind == "good")
    if kind == "fact":
        return kind, *fact(rng, lang)
    if kind == "unknown":
        return kind, *unknown(rng, lang)
    return kind, *written_review(rng, lang)


def chat(rng, turns=0):
    """[(question, answer), ...]: one to four turns, in one language."""
    lang = en if rng.random() < 0.22 else zh
    code = "en" if lang is en else "zh"
    turns = turns or rng.choices([1, 2, 3, 4], [62, 20, 12, 6])[0]
    out, kind = [], None
    for _ in range(turns):
        follow = lang.FOLLOW.get(kind)
        if follow and rng.random() < 0.5:
            asks, answers = rng.choice(follow)
            ask, answer, kind = one(rng, asks), one(rng, answers, **lang.SLOTS), "follow"
        else:
            kind, ask, answer = single(rng, lang)
        out.append((tidy(rng, ask, code), answer))
    return out


def mood(rng):
    """A short text that is no shop review, with its polarity (1 good, 0 bad)."""
    lang = en if rng.random() < 0.35 else zh
    good = rng.random() < 0.5
    if rng.random() < 0.4:
        table = lang.REVIEW_GOOD if good else lang.REVIEW_BAD
        name, kind = rng.choice(lang.REVIEW_THINGS)
        text = one(rng, table[kind] + table["any"], thing=say(rng, name))
    else:
        text = feeling(rng, lang, good)[0]
    return tidy(rng, text, "en" if lang is en else "zh"), int(good)


def review_reply(rng, category, label, text):
    """A reply to a shop review: by kind of thing, polarity, and what the text complains of or praises."""
    kind = zh.KIND_OF.get(category, category)
    kind = kind if kind in zh.KINDS else "any"
    words = zh.KINDS[kind]
    aspects = zh.ASPECTS_GOOD if label else zh.ASPECTS_BAD
    found = [lines for kinds, keys, lines in aspects if (not kinds or kind in kinds) and re.search(keys, text)]
    middle = one(rng, found[0]) if found and rng.random() < 0.85 else ""
    opening = one(rng, zh.REVIEW_OPEN_GOOD if label else zh.REVIEW_OPEN_BAD, what=words["what"])
    tail = say(rng, words["good" if label else "bad"])
    if middle and rng.random() < 0.3:
        tail = ""
    return opening + middle + tail


def summary(rng, category, label, text):
    """One sentence: kind of thing, what it is about, polarity."""
    kind = zh.KIND_OF.get(category, category)
    name = zh.KINDS[kind]["name"]
    topics = [w for keys, w in zh.SUMMARY_TOPICS if re.search(keys, text)][:2]
    about = f"主要谈到{'和'.join(topics)}，" if topics else ""
    return f"这是一条关于{name}的评价，{about}{'用户总体满意。' if label else '用户总体不满意。'}"


def mood_summary(rng, label):
    return "用户分享了一件让人高兴的事。" if label else "用户说了一件让人难过的事。"


def intent(rng):
    """(message, intent)"""
    name = rng.choice(["咨询", "投诉", "表扬", "求助", "闲聊"])
    if name == "闲聊" and rng.random() < 0.5:
        kind, ask, _ = single(rng, zh)
        if kind in ("good", "bad", "greet", "bye", "joke", "smalltalk", "bored"):
            return tidy(rng, ask, "zh"), name
    return tidy(rng, one(rng, zh.INTENTS[name], thing=[t for t, _ in zh.REVIEW_THINGS], **zh.SLOTS), "zh"), name


def all_text(rng):
    """Enough of everything to choose the vocabulary by."""
    out = []
    for _ in range(4000):
        for ask, answer in chat(rng):
            out += [ask, answer]
        out.append(mood(rng)[0])
        out.append(intent(rng)[0])
    for category in set(zh.KIND_OF) | set(zh.KINDS):
        for label in (0, 1):
            for _ in range(60):
                out.append(review_reply(rng, category, label, rng.choice(zh.PROBES)))
                if category in zh.KIND_OF:
                    out.append(summary(rng, category, label, rng.choice(zh.PROBES)))
    return out
