#!/usr/bin/env python3
"""Prints unicode_tables.inl: the case mappings that utf8proc lacks, read from Python's own str methods.

    python3 make_unicode_tables.py > unicode_tables.inl
"""
import unicodedata


def ranges(points):
    out = []
    for point in points:
        if out and out[-1][1] == point - 1:
            out[-1][1] = point
        else:
            out.append([point, point])
    return out


def rows(items):
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) > 108:
            lines.append(line)
            line = "   "
        line += " " + item
    return "\n".join(lines + [line])


def mapping(name, method):
    long = [(c, method(chr(c))) for c in range(0x110000) if len(method(chr(c))) > 1]
    items = [f"{{0x{c:x}, U\"" + "".join(f"\\x{ord(x):x}\" U\"" for x in text) + "\"}," for c, text in long]
    items = [item.replace(' U""}', "}") for item in items]
    print(f"// Characters whose {method.__name__}() is longer than one character.\nconstexpr LongMapping {name}[] = {{")
    print(rows(items) + "\n};")


def is_cased(c):
    return chr(c).islower() or chr(c).isupper() or chr(c).istitle()


# Lu, Ll and Lt are cased by category.
cased = [c for c in range(0x110000) if is_cased(c) and unicodedata.category(chr(c)) not in ("Lu", "Ll", "Lt")
         and not 0x1df25 <= c <= 0x1df2a]  # Ll in later versions of Unicode
print(f"// Made by make_unicode_tables.py (Unicode {unicodedata.unidata_version}). Do not edit.")
print("// clang-format off")
mapping("kLongUpper", str.upper)
mapping("kLongTitle", str.title)
print("// Lowercase and uppercase characters outside of the categories Lu, Ll and Lt: first, last, is uppercase.")
print("constexpr CasedRange kOtherCased[] = {")
groups = []
for upper in (False, True):
    groups += [(a, b, upper) for a, b in ranges([c for c in cased if chr(c).isupper() == upper])]
print(rows(f"{{0x{a:x}, 0x{b:x}, {str(u).lower()}}}," for a, b, u in sorted(groups)) + "\n};")
digits = [c for c in range(0x110000) if chr(c).isdigit() and not chr(c).isdecimal()]
print("// isdigit() but not isdecimal(): superscripts and the like.")
print("constexpr CharRange kOtherDigits[] = {\n" + rows(f"{{0x{a:x}, 0x{b:x}}}," for a, b in ranges(digits)) + "\n};")
