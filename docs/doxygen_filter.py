#!/usr/bin/env python3
"""Doxygen's input filter: in a public header every comment is documentation, so `//` becomes `///` (what stands above a
declaration) or `///<` (what stands behind one). The headers stay as people read them."""
import re
import sys

# Members that are what they are everywhere: copies, moves, destructors.
SPECIAL = re.compile(r"^\s*(explicit )?(~\w+\(\)|(\w+)\((const )?\3&&?\w*\)|\w+& operator=\((const )?\w+&&?\)).*;$")

# Members that mean the same wherever they stand, unless a comment says more.
CONVENTIONS = [(re.compile(pattern), text) for pattern, text in [
    (r"^  size_t struct_size;$", "The struct's own size in bytes, set by the caller."),
    (r"^QWEN_API void qwen_\w+_free\(.*;$", "Frees the handle; nothing happens for NULL."),
    (r" stop_count;$", "Number of texts in `stop`."),
    (r"qwen_cancel\* cancel;$", "Ends the work when it is raised; NULL: never."),
    (r"qwen_text_fn on_text;$", "Gets the text as it is made; NULL: nobody does."),
    (r"\btask\(\) const", "The task that it was made with."),
    (r"\bmodel\(\) const", "The model that it was made with."),
    (r"\boptions\(\) const", "The options that it was made with."),
    (r"\bcounters\(\) const", "What was counted since it was made."),
    (r"explicit operator bool\(\) const", "Whether there is something in it."),
]]


def escape(text):
    """Characters that mean something to Doxygen."""
    return re.sub(r"[\\@#%<>&]", lambda match: {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(match.group(), "\\" + match.group()),
                  text)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = file.read().split("\n")
    out = []
    behind = False  # the comment of the line before stood behind a declaration
    documented = False  # the line before is a comment
    for number, line in enumerate(lines):
        whole = re.match(r"^(\s*)// ?(.*)$", line)
        trailing = re.match(r'^((?:[^"/]|"(?:[^"\\]|\\.)*"|/(?!/))*\S)\s+// (.*)$', line)
        if number == 0:
            out.append("/// \\file")
        if whole and re.match(r"^-{2,}", whole.group(2)):
            out.append("")  # a heading
        elif whole:
            mark = "///<" if behind and len(whole.group(1)) > 4 else "///"
            out.append(f"{whole.group(1)}{mark} {escape(whole.group(2))}")
            documented = True
            continue
        elif trailing and (trailing.group(1).endswith("{") or trailing.group(1).startswith("enum ")):
            out.append(f"/// {escape(trailing.group(2))}\n{trailing.group(1)}")
        elif trailing and not trailing.group(1).lstrip().startswith(("}", "#")):
            # "int a, b;  // text" is about both.
            several = re.match(r"^(\s*[\w:]+) (\w+( = \w+)?(, \w+( = \w+)?)+);$", trailing.group(1))
            parts = [f"{several.group(1)} {part};" for part in several.group(2).split(", ")] if several else [trailing.group(1)]
            out.append(" ".join(f"{part} /**< {escape(trailing.group(2))} */" for part in parts))
        elif trailing or documented:
            out.append(trailing.group(1) if trailing else line)
        else:
            known = "As usual." if SPECIAL.match(line) else None
            known = next((text for pattern, text in CONVENTIONS if pattern.search(line)), known)
            out.append(f"{line} ///< {known}" if known and line.endswith(";") else f"/// {known}\n{line}" if known else line)
        behind = bool(trailing)
        documented = False
    sys.stdout.write("\n".join(out))


if __name__ == "__main__":
    main()
