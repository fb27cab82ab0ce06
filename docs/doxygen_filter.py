#!/usr/bin/env python3
"""Doxygen's input filter: in a public header every comment is documentation, so `//` becomes `///` (above a
declaration) or `///<` (behind it). The headers themselves have plain comments."""
import re
import sys

# Constructors, assignments and destructors that need no comment.
SPECIAL = [(re.compile(pattern), text) for pattern, text in [
    (r"^\s*(\w+\((const \w+&|\w+&&)\)|\w+& operator=\((const \w+&|\w+&&)\)) = delete;$", "Deleted."),
    (r"^\s*~\w+\(\);$", "Frees the object."),
    (r"^\s*(\w+\(const \w+&( \w+)?\)|\w+& operator=\(const \w+&( \w+)?\));$", "Copies."),
    (r"^\s*(\w+\(\w+&&\)|\w+& operator=\(\w+&&\)) noexcept;$", "Moves; the object moved from may only be assigned to or destroyed."),
]]

# The first member of every sized struct of the C interface, and its functions that free a handle.
CONVENTIONS = [(re.compile(pattern), text) for pattern, text in [
    (r"^  size_t struct_size;$", "The size of the struct in bytes; set by the caller."),
    (r"^QWEN_API void qwen_\w+_free\(.*;$", "Frees the handle; does nothing for NULL."),
]]


def escape(text):
    """Characters that mean something to Doxygen."""
    return re.sub(r"[\\@#%<>&]", lambda match: {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(match.group(), "\\" + match.group()),
                  text)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = file.read().split("\n")
    out = []
    behind = False  # the line before has a comment behind its declaration
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
            # "int a, b;  // text" documents both.
            several = re.match(r"^(\s*[\w:]+) (\w+( = \w+)?(, \w+( = \w+)?)+);$", trailing.group(1))
            parts = [f"{several.group(1)} {part};" for part in several.group(2).split(", ")] if several else [trailing.group(1)]
            out.append(" ".join(f"{part} /**< {escape(trailing.group(2))} */" for part in parts))
        elif trailing or documented:
            out.append(trailing.group(1) if trailing else line)
        else:
            known = next((text for pattern, text in SPECIAL + CONVENTIONS if pattern.search(line)), None)
            out.append(f"{line} ///< {known}" if known and line.endswith(";") else f"/// {known}\n{line}" if known else line)
        behind = bool(trailing)
        documented = False
    sys.stdout.write("\n".join(out))


if __name__ == "__main__":
    main()
