#!/usr/bin/env python3
"""Makes chat-cases.jsonl: conversations as the models' own chat templates render them.

    make_chat_cases.py FOLDER    with qwen1.5.jinja, qwen2.jinja, qwen2.5.jinja and qwen3.jinja in FOLDER: the
                                 "chat_template" of tokenizer_config.json of Qwen1.5-0.5B-Chat, Qwen2-0.5B-Instruct,
                                 Qwen2.5-0.5B-Instruct and Qwen3-0.6B

Needs python3-jinja2; block trimming as in Hugging Face's transformers.
"""
import itertools, json, os, sys
import jinja2

SYSTEM = ["你是一个乐于助人且富有同理心的AI助手。", ""]
USER = ["你好", "1 + 1 = ?\n\nThink.", "<tool_response>\n42\n</tool_response>"]
ANSWER = ["你好！有什么可以帮您？", "<think>\nadd them\n</think>\n\n2", "\n2\n", "</think> a </think>\n\nb", "<think>x<think>\n\ny\n\n</think>z"]


def conversations():
    def turn(role, content):
        return {"role": role, "content": content}

    yield [turn("user", USER[0])]
    yield [turn("user", "")]
    for system in SYSTEM:
        yield [turn("system", system), turn("user", USER[1])]
    for answer in ANSWER:
        first = [turn("user", USER[0]), turn("assistant", answer)]
        yield first
        yield [*first, turn("user", USER[1])]
        yield [*first, turn("assistant", ANSWER[0])]
        yield [turn("system", SYSTEM[0]), *first, turn("user", USER[2]), turn("assistant", ANSWER[1])]
    yield [turn("assistant", ANSWER[1])]


def main():
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    out = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "chat-cases.jsonl"), "w", encoding="utf8")
    for kind in ("qwen1.5", "qwen2", "qwen2.5", "qwen3"):
        template = environment.from_string(open(os.path.join(sys.argv[1], kind + ".jinja"), encoding="utf8").read())
        for messages, prompt, thinking in itertools.product(conversations(), (False, True), (False, True)):
            if thinking and (kind != "qwen3" or not prompt):
                continue
            text = template.render(messages=messages, tools=None, add_generation_prompt=prompt, enable_thinking=thinking)
            case = {"kind": kind, "messages": messages, "prompt": prompt, "thinking": thinking, "text": text}
            out.write(json.dumps(case, ensure_ascii=False, separators=(",", ":")) + "\n")


main()
