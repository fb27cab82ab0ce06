"""Makes the dialogues that the bundled model learns: seeded, from patterns, slots and the labelled sentences.

`[a|b|c]` in a pattern stands for one of its alternatives (they nest), `{name}`
for a slot. What is said lives in talk_zh.py and talk_en.py; how it is put together, here.
"""
import re

import kinds
import talk_en as en
import talk_zh as zh

INNER = re.compile(r"\[([^\[\]]*)\]")
# What a turn is about, and how often.
TURNS = {"topic": 27, "good": 8, "bad": 9, "grief": 4, "pet": 3, "ill": 3, "sick": 3, "crisis": 1.5, "fact": 11, "unknown": 24, "review": 8,
         "written": 3, "name": 8, "real": 16, "mood": 5, "polarity": 3, "typed": 3}
NEUTRAL_TOPICS = {"greet": 8, "howareyou": 2, "who": 8, "qwen": 3, "maker": 3, "size": 3, "can": 8, "bye": 2, "ok": 3, "no": 2, "joke": 2,
                  "smalltalk": 5, "language": 3, "empty": 5, "newtask": 2, "sentiment": 3}
CARE = {"grief": ("GRIEF", "GRIEF_REPLIES"), "pet": ("GRIEF_PET", "GRIEF_PET_REPLIES"), "ill": ("ILL", "ILL_REPLIES"), "sick": ("SICK", "SICK_REPLIES"),
        "crisis": ("CRISIS", "CRISIS_REPLIES")}


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


def draw(rng, table):
    return rng.choices(list(table), list(table.values()))[0]


def code_of(lang):
    return "en" if lang is en else "zh"


def mistype(rng, text):
    """One typing error: two letters swapped, one left out or one doubled."""
    at = [i for i in range(1, len(text) - 1) if text[i].isalpha() and text[i].isascii()]
    if len(at) < 3:
        return text
    i = rng.choice(at)
    how = rng.random()
    if how < 0.4:
        return text[:i] + text[i + 1] + text[i] + text[i + 2:]
    return text[:i] + text[i + 1:] if how < 0.7 else text[:i] + text[i] + text[i:]


def tidy(rng, text, code):
    """The same question as people type it: other marks at the end, small letters, typing errors, emoji."""
    r = rng.random()
    if r < 0.28:
        text = text.rstrip("。！？!?. ") or text
    elif r < 0.36 and code == "zh":
        text = text.replace("？", "?").replace("！", "!").replace("，", ",")
    elif r < 0.41:
        text = text.rstrip("。！？!?.") + rng.choice(["~", "…", "！！", "。", "呀", "啊"] if code == "zh" and not text[-1].isascii() else ["!!", "...", ".", "??"])
    if code == "en":
        if rng.random() < 0.35:
            text = text.lower()
        if rng.random() < 0.12:
            text = text.replace("I am", "I'm").replace("What is", "What's").replace("do not", "don't").replace("cannot", "can't")
        if rng.random() < 0.08:
            text = mistype(rng, text)
        if rng.random() < 0.04:
            text = text.replace("you", "u").replace("please", "pls").replace("are", "r", 1)
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
    answer = opening + one(rng, replies) + (tail if rng.random() < 0.5 else "")
    return ask, answer.strip()


def care(rng, lang, kind):
    """A loss, an illness or despair, with a careful reply."""
    asks, replies = (getattr(lang, name) for name in CARE[kind])
    ask = one(rng, asks, **lang.SLOTS)
    if rng.random() < 0.3:
        mood = one(rng, lang.SORROW)
        ask = ask.rstrip("。") + ("，" if lang is zh else ", ") + mood
    elif lang is en and rng.random() < 0.6:
        ask = ask[0].upper() + ask[1:]
    return ask, one(rng, replies)


def politely(rng, lang, text):
    """Words that people put before or after a question."""
    r = rng.random()
    if r < 0.1:
        return rng.choice(lang.BEFORE) + text
    if r < 0.16:
        return text.rstrip("。！？!?. ") + rng.choice(lang.AFTER)
    return text


def unknown(rng, lang, kind=None):
    kind = kind or draw(rng, {k: v[0] for k, v in lang.UNKNOWN.items()})
    _, asks, answers = lang.UNKNOWN[kind]
    return politely(rng, lang, one(rng, asks, **lang.SLOTS)), one(rng, answers)


def fact(rng, lang):
    asks, answers = rng.choice(lang.FACTS)
    return politely(rng, lang, one(rng, asks)), one(rng, answers)


def written_review(rng, lang):
    """A made-up short review with its reply."""
    good = rng.random() < 0.5
    name, kind = rng.choice(lang.REVIEW_THINGS)
    table = lang.REVIEW_GOOD if good else lang.REVIEW_BAD
    ask = one(rng, table[kind] + table["any"], thing=say(rng, name))
    if lang is zh:
        return ask, review_reply(rng, kind, int(good), ask)
    return ask, one(rng, lang.REVIEW_REPLY_GOOD if good else lang.REVIEW_REPLY_BAD)


def real_review(rng, lang, data):
    if lang is zh:
        label, category, text = data.review()
        return text, review_reply(rng, category, label, text)
    row = data.sure("english")
    return row.text, one(rng, en.REVIEW_REPLY_GOOD if row.label > 0.5 else en.REVIEW_REPLY_BAD)


def real(rng, lang, data):
    """A sentence of the neutral files, with the reply that its kind gets."""
    while True:
        text = rng.choice(data.rows["neutral" if lang is zh else "neutral_en"]).text
        kind = kinds.kind_of(text, code_of(lang))
        if kind == "heard" and rng.random() < 0.1:  # a story of several sentences
            text = ("" if lang is zh else " ").join([text] + [r.text for r in rng.choices(data.rows["neutral" if lang is zh else "neutral_en"], k=rng.randint(1, 5))])
        if kind:
            return text, one(rng, lang.HEARD if kind == "heard" else lang.UNKNOWN[kind][2])


def plain(rng, lang):
    return one(rng, lang.PLAIN, **lang.SLOTS), one(rng, lang.HEARD)


def real_mood(rng, lang, data):
    row = data.sure("mood")
    return row.text, one(rng, zh.NICE_REPLIES if row.label > 0.5 else zh.ANGRY_REPLIES)


def polarity(rng, lang, data):
    """A question for the polarity of a text, answered in words."""
    if lang is en:
        row = data.sure("english") if rng.random() < 0.7 else rng.choice(data.rows["neutral_en"])
    else:
        row = data.sure(rng.choice(["review", "mood"])) if rng.random() < 0.7 else rng.choice(data.rows["neutral"])
    said = lang.SAY_NEUTRAL if row.label == 0.5 else lang.SAY_POSITIVE if row.label > 0.5 else lang.SAY_NEGATIVE
    return one(rng, lang.ASK_POLARITY).replace("{text}", row.text[:60]), one(rng, said)


def typed(rng):
    """Chinese in Latin letters, and emoji alone."""
    if rng.random() < 0.5:
        kind = rng.choice(list(zh.PINYIN))
        ask = rng.choice(zh.PINYIN[kind])
    else:
        kind = rng.choice(list(zh.EMOJI))
        ask = rng.choice(zh.EMOJI[kind])
    answers = {"good": zh.GOOD_PLAIN, "bad": zh.BAD_PLAIN}.get(kind) or zh.TOPICS[kind]
    return ask, one(rng, answers[1])


def person(rng, lang):
    """A name, drawn from far more than a model could learn by heart: it has to copy."""
    if lang is en or rng.random() < 0.15:
        if rng.random() < 0.55:
            return rng.choice(en.NAMES)
        return "".join(rng.choice(en.SYLLABLES) for _ in range(rng.choice([1, 2, 2, 3]))).capitalize()
    r = rng.random()
    if r < 0.3:
        return one(rng, [zh.NICK], one=list(zh.GIVEN))
    given = "".join(rng.choice(zh.GIVEN if r < 0.8 else zh.CHARACTERS) for _ in range(rng.choice([1, 2, 2])))
    return given if len(given) == 2 and rng.random() < 0.2 else rng.choice(zh.FAMILY) + given


def introduce(rng, lang, name):
    ask = one(rng, lang.TELL_NAME, name=name, family=name[0], **lang.SLOTS)
    return ask, one(rng, lang.MEET_NAME, name=name).strip()


def single(rng, lang, data):
    """(kind, question, answer)"""
    kind = draw(rng, TURNS)
    if kind == "topic":
        names = list(lang.TOPICS)
        name = rng.choices(names, [lang.WEIGHTS.get(n, 2) for n in names])[0]
        return name, *topic(rng, lang, name)
    if kind in ("good", "bad"):
        return kind, *feeling(rng, lang, kind == "good")
    if kind in CARE:
        return kind, *care(rng, lang, kind)
    if kind == "name":
        return kind, *introduce(rng, lang, person(rng, lang))
    if kind == "typed":
        return kind, *typed(rng)
    if kind == "real" and rng.random() < 0.3:
        return kind, *plain(rng, lang)
    if kind == "mood" and lang is en:
        kind = "review"
    if kind in ("fact", "unknown", "written"):
        return kind, *{"fact": fact, "unknown": unknown, "written": written_review}[kind](rng, lang)
    return kind, *{"review": real_review, "real": real, "mood": real_mood, "polarity": polarity}[kind](rng, lang, data)


def follow_up(rng, lang, kind):
    """(question, answer) that goes on from a turn of this kind, or None."""
    table = lang.FOLLOW.get({"grief": "care", "pet": "care", "ill": "care", "sick": "care", "crisis": "care"}.get(kind, kind))
    if not table or rng.random() > 0.5:
        return None
    asks, answers = rng.choice(table)
    return one(rng, asks), one(rng, answers, **lang.SLOTS)


def dialogue(rng, data):
    """[(question, answer), ...]: one to five turns, in one language."""
    lang = en if rng.random() < 0.36 else zh
    code = code_of(lang)
    out, kind = [], None
    if rng.random() < 0.14:
        return remembering(rng, lang, data)
    if rng.random() < 0.015:
        return [(tidy(rng, one(rng, lang.ASK_NAME), code), lang.UNKNOWN_NAME[0])]
    for _ in range(rng.choices([1, 2, 3], [74, 18, 8])[0]):
        turn = follow_up(rng, lang, kind)
        if turn:
            kind = "follow"
        else:
            kind, *turn = single(rng, lang, data)
        raw = kind in ("review", "mood", "typed")
        out.append((turn[0] if raw else tidy(rng, turn[0], code), turn[1]))
    return out


def remembering(rng, lang, data):
    """A name told, some turns about other things, and the question for it."""
    code, name = code_of(lang), person(rng, lang)
    out = []
    if rng.random() < 0.25:
        out.append(topic(rng, lang, "greet"))
    out.append(introduce(rng, lang, name))
    for _ in range(rng.choices([0, 1, 2], [50, 35, 15])[0]):
        kind, ask, answer = single(rng, lang, data)
        if kind not in ("name", "review", "mood"):
            out.append((ask, answer))
    out.append((tidy(rng, one(rng, lang.ASK_NAME), code), one(rng, lang.KNOWN_NAME, name=name)))
    return out


def mood(rng):
    """A short text that is no shop review, with the probability that it is positive."""
    lang = en if rng.random() < 0.4 else zh
    code, r = code_of(lang), rng.random()
    good = rng.random() < 0.5
    if r < 0.3:
        name, kind = rng.choice(lang.REVIEW_THINGS)
        table = lang.REVIEW_GOOD if good else lang.REVIEW_BAD
        text, target = one(rng, table[kind] + table["any"], thing=say(rng, name)), 0.97 if good else 0.03
    elif r < 0.75:
        text, target = feeling(rng, lang, good)[0], 0.97 if good else 0.03
    elif r < 0.87:
        text, target = care(rng, lang, rng.choice(list(CARE)))[0], 0.05
    elif r < 0.91:
        kind = "good" if good else "bad"
        text, target = rng.choice(zh.EMOJI[kind]), 0.93 if good else 0.07
    else:
        text, target = topic(rng, lang, "praise" if good else "scold")[0], 0.92 if good else 0.08
    return tidy(rng, text, code), target


def neutral(rng):
    """What visitors type that has no polarity: questions, greetings, names, code, numbers, orders, plain facts."""
    lang = en if rng.random() < 0.4 else zh
    r = rng.random()
    if r < 0.28:
        names = {k: v for k, v in NEUTRAL_TOPICS.items() if k in lang.TOPICS}
        text = topic(rng, lang, draw(rng, names))[0]
    elif r < 0.58:
        text = unknown(rng, lang)[0]
    elif r < 0.66:
        text = fact(rng, lang)[0]
    elif r < 0.73:
        text = introduce(rng, lang, person(rng, lang))[0] if rng.random() < 0.7 else one(rng, lang.ASK_NAME)
    elif r < 0.88:
        text = one(rng, lang.PLAIN, **lang.SLOTS)
    elif r < 0.96:
        text = one(rng, zh.CODES, **zh.SLOTS)
    else:
        text = rng.choice(zh.PINYIN[rng.choice(["greet", "who", "can", "bye"])] + zh.EMOJI["empty"])
    return tidy(rng, text, code_of(lang))


def review_reply(rng, category, label, text):
    """A reply to a shop review: by kind of thing, polarity, and what the text complains of or praises."""
    kind = zh.KIND_OF.get(category, category)
    kind = kind if kind in zh.KINDS else "any"
    words = zh.KINDS[kind]
    aspects = zh.ASPECTS_GOOD if label else zh.ASPECTS_BAD
    found = [lines for kinds_, keys, lines in aspects if (not kinds_ or kind in kinds_) and re.search(keys, text)]
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


def summary_pair(rng, data):
    """(text, its summary)"""
    r = rng.random()
    if r < 0.55:
        label, category, text = data.review()
        return text, summary(rng, category, label, text)
    if r < 0.68:
        row = data.sure("english")
        return row.text, "这是一条英文评价，" + ("用户总体满意。" if row.label > 0.5 else "用户总体不满意。")
    if r < 0.82:
        text, good = feeling(rng, zh, r < 0.75)[0], r < 0.75
        return text, "用户分享了一件让人高兴的事。" if good else "用户说了一件让人难过的事。"
    row = rng.choice(data.rows["neutral" if r < 0.92 else "neutral_en"])
    kind = kinds.kind_of(row.text, "zh" if r < 0.92 else "en")
    return row.text, "用户说了一句日常的话，没有明显的情绪。" if kind in ("heard", None) else "用户提出了一个问题或请求。"


def intent(rng, data):
    """(message, intent)"""
    name = rng.choice(["咨询", "投诉", "表扬", "求助", "闲聊"])
    if rng.random() < 0.2:
        label, _, text = data.review()
        return text, "表扬" if label else "投诉"
    if name == "闲聊" and rng.random() < 0.6:
        if rng.random() < 0.4:
            return plain(rng, zh)[0], name
        topic_name = rng.choice(["greet", "bye", "joke", "smalltalk", "bored", "who", "thanks", "howareyou"])
        return tidy(rng, topic(rng, zh, topic_name)[0], "zh"), name
    if name == "咨询" and rng.random() < 0.3:
        row = rng.choice(data.rows["neutral"])
        if row.category == "lcqmc":
            return row.text, name
    return tidy(rng, one(rng, zh.INTENTS[name], thing=[t for t, _ in zh.REVIEW_THINGS], **zh.SLOTS), "zh"), name
