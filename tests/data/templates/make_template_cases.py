#!/usr/bin/env python3
"""Makes template cases: what Jinja2, with the settings of Hugging Face's transformers, renders.

    make_template_cases.py fixed > fixed-cases.jsonl             one snippet for each feature
    make_template_cases.py random SEED COUNT > random-cases.jsonl random templates over adversarial texts

A line: {"template", "variables", "expected"} or {"template", "variables", "error": name of the exception}.
Needs python3-jinja2 (3.1). The files in this folder hold `fixed` and `random 1 500`.
"""
import datetime, json, random, re, sys
import jinja2, jinja2.ext, jinja2.nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                            extensions=[jinja2.ext.loopcontrols, Generation])
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = raise_exception
environment.globals["strftime_now"] = lambda f: datetime.datetime(2026, 1, 1).strftime(f)

CONTEXT = {
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "你好<|im_end|>"},
                 {"role": "assistant", "content": "<think>\nso\n</think>\n\nHi", "tool_calls": [
                     {"type": "function", "function": {"name": "f", "arguments": {"b": 1, "a": [1.5, None, True]}}}]},
                 {"role": "tool", "content": "{\"t\": 21}"}, {"role": "user", "content": "  bye \n"}],
    "s": "Hello, Wörld! <b> 'q' \"d\"", "w": " \u2003\tx y\u00a0z \u3000\x1c", "u": "straße ΌΔΟΣ ǆ ŉ İI ﬁ 你好", "e": "",
    "m": "a\nb\r\nc\u2028d\x0be\n", "t": "<tool_call>\n{\"x\": 1}</tool_call>", "c": "don't stop-me now(ok)",
    "i": 7, "z": 0, "n": -3, "big": 123456789012345678901234567890, "f": 2.5, "g": 1e-7, "h": 1e21, "k": 0.1,
    "yes": True, "no": False, "nil": None, "l": [3, 1, 2], "x": ["b", "A", "c", "a"], "mix": [1, "a", None, 2.5, True, [1]],
    "d": {"b": 1, "a": "two", "items": 3, "c": {"d": [1, {"e": "ü"}]}}, "empty": [], "nothing": {},
    "rows": [{"n": "x", "v": 2, "o": {"p": 1}}, {"n": "Y", "v": 1, "o": {"p": 3}}, {"n": "z", "v": 3, "o": {"p": 2}}, {"n": "y"}],
}

# Names that only an object's address could follow, and texts that change with Python's version.
UNSTABLE = re.compile(r"object at 0x|<bound method|<built-in|<function|<Macro|<generator|<Cycler|<Joiner|<Namespace|<LoopContext"
                      r"|reversed object|<dict_|Namespace")


def case(template, variables=CONTEXT):
    line = {"template": template, "variables": variables}
    try:
        line["expected"] = environment.from_string(template).render(**json.loads(json.dumps(variables)))
    except RecursionError:
        return None
    except Exception as error:
        line["error"] = type(error).__name__
        if type(error) is jinja2.exceptions.TemplateError:
            line["message"] = str(error)
        return line
    try:
        line["expected"].encode("utf8")
    except UnicodeEncodeError:
        return None
    return None if UNSTABLE.search(line["expected"]) or len(line["expected"]) > 20000 else line


# ---- one snippet for each feature

FIXED = r"""
{{ s }}|{{ missing }}|{{ i }}|{{ f }}|{{ g }}|{{ h }}|{{ k }}|{{ big }}|{{ yes }}|{{ nil }}
{{ l }}{{ d }}{{ mix }}{{ nothing }}{{ empty }}{{ (1,) }}{{ () }}{{ (1, 'a') }}
{{ 'a' 'b' "c" }}{{ "\x41\u4f60\n\t\\\'\"\q\101" }}{{ 'é\é' }}
{{ 1_000 }}{{ 0x1F }}{{ 0b101 }}{{ 0o17 }}{{ 1.5e3 }}{{ 1e5 }}{{ 1_0.5 }}
{{ i // 2 }} {{ n // 2 }} {{ i % 3 }} {{ n % 3 }} {{ i / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ -i }} {{ +i }} {{ -2 ** 2 }} {{ 2 ** 3 ** 2 }}
{{ f // 1 }} {{ f % 1 }} {{ -f // 1 }} {{ 7.0 // 2 }} {{ 1 + yes }} {{ 3 * 'ab' }} {{ [1] * 2 }} {{ 'a' * -1 }}
{{ 1 / 0 }}
{{ 1 % 0 }}
{{ 1.0 // 0 }}
{{ 'a' + 1 }}
{{ 'a' + nil }}
{{ nil + 'a' }}
{{ l + 'a' }}
{{ 'a' + missing }}
{{ missing + 'a' }}
{{ missing.x }}
{{ missing['x'] }}
{{ missing() }}
{{ 'a' ~ 1 ~ nil ~ missing ~ 1.0 ~ [1] }}
{{ 1 ~ 2 + 3 }} {{ 1 + 2 ~ 3 }} {{ 'a' ~ 'b' * 2 }}
{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 == 1.0 }} {{ 1 == true }} {{ 'a' == 'a' }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ [1] == (1,) }} {{ nil == false }}
{{ 1 < 'a' }}
{{ nil < 1 }}
{{ d < d }}
{{ missing == missing }} {{ missing == nil }} {{ missing != 1 }}
{{ missing < 1 }}
{{ 'a' in 'abc' }} {{ 1 in l }} {{ 'b' in d }} {{ 'z' not in d }} {{ 1 in missing }} {{ '' in '' }} {{ nil in mix }} {{ 2.0 in l }}
{{ 1 in 'abc' }}
{{ 'a' in nil }}
{{ 'a' in 5 }}
{{ [] in d }}
{{ not yes }} {{ not e and not z }} {{ e or 'default' }} {{ s and i }} {{ 0 or '' or [] }} {{ not not 'x' }} {{ yes and no or yes }}
{{ 'x' if yes else 'y' }} {{ 'x' if no }} {{ 'a' if no else 'b' if no else 'c' }} {{ ('x' if no) is defined }}
{{ l[0] }} {{ l[-1] }} {{ l[5] }} {{ l[-9] is defined }} {{ l['a'] }} {{ s[0] }} {{ u[3] }} {{ u[-1] }} {{ d['b'] }} {{ d.b }} {{ d['zz'] }} {{ l.0 }} {{ d.c.d.1.e }} {{ l[true] }} {{ l[1.0] }}
{{ d.items }}{{ d['items'] }}
{{ d.items() }} {{ d.keys() }} {{ d.values() }} {{ d.get('b') }} {{ d.get('q') }} {{ d.get('q', 5) }} {{ d.items()|list }} {{ d.keys()|list }}
{{ s[1:3] }} {{ s[:-3] }} {{ s[::-1] }} {{ s[::2] }} {{ u[2:6] }} {{ u[::-1] }} {{ l[1:] }} {{ l[::-1] }} {{ l[5:] }} {{ l[-2:] }} {{ l[2:0:-1] }} {{ (1, 2, 3)[1:] }} {{ s[nil:2] }} {{ l[::-2] }} {{ s[10:2] }} {{ s[100:] }} {{ s[:-100] }} {{ s[-100:3] }} {{ l[3:-9:-1] }}
{{ nil[1:] }}
{{ d[1:] }}
{{ missing[1:] }}
{{ l['a':] }}
{{ l[::0] }}
{{ w.strip() }}|{{ w.lstrip() }}|{{ w.rstrip() }}|{{ s.strip('H!d ') }}|{{ 'xxaxx'.strip('x') }}|{{ '你a你'.strip('你') }}|{{ w.strip(nil) }}
{{ s.split() }} {{ s.split(',') }} {{ s.split('l', 1) }} {{ w.split() }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ' a b c '.split(nil, 1) }} {{ ' a b c '.rsplit(nil, 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a,,b'.split(',') }} {{ 'aXbX'.split('X') }} {{ 'abc'.split('abc') }}
{{ s.split('') }}
{{ m.splitlines() }} {{ m.splitlines(true) }} {{ ''.splitlines() }} {{ '\n'.splitlines() }}
{{ s.replace('l', 'L') }} {{ s.replace('l', 'L', 1) }} {{ 'abc'.replace('', '-') }} {{ 'abc'.replace('', '-', 2) }} {{ 'aaa'.replace('aa', 'b') }} {{ ''.replace('', 'x') }}
{{ u.upper() }} {{ u.lower() }} {{ u.title() }} {{ u.capitalize() }} {{ u.swapcase() }} {{ 'ΑΣ ΑΣΑ Σ'.lower() }} {{ 'ͅΑΣ'.lower() }} {{ 'they\'re bill\'s'.title() }} {{ 'ﬁn ǆa'.title() }} {{ 'ŉa'.capitalize() }} {{ 'ß'.upper() }}
{{ s.startswith('Hello') }} {{ s.startswith(('x', 'H')) }} {{ s.endswith('"') }} {{ s.startswith('llo', 2) }} {{ s.endswith('llo', 0, 5) }} {{ ''.startswith('') }} {{ 'ab'.startswith('', 3) }} {{ 'ab'.endswith('', 2) }}
{{ s.startswith(1) }}
{{ s.find('l') }} {{ s.rfind('l') }} {{ s.find('zz') }} {{ u.find('你') }} {{ s.index('l') }} {{ s.count('l') }} {{ 'aaa'.count('aa') }} {{ 'abc'.count('') }} {{ u.find('δ'.upper(), 3) }}
{{ s.index('zz') }}
{{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'abc'.partition('=') }} {{ 'abc'.rpartition('=') }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ 'abc'.removesuffix('') }}
{{ 'ab'.ljust(5) }}| {{ 'ab'.rjust(5, '*') }} {{ 'ab'.center(5) }}| {{ 'abc'.center(6, '.') }} {{ '-7'.zfill(5) }} {{ '7'.zfill(3) }}
{{ 'abc'.isalpha() }} {{ '12'.isdigit() }} {{ '²'.isdigit() }} {{ '²'.isdecimal() }} {{ ' '.isspace() }} {{ ''.isspace() }} {{ 'aB'.islower() }} {{ 'AB1'.isupper() }} {{ 'Ab Cd'.istitle() }} {{ 'ª'.islower() }} {{ 'é'.isascii() }}
{{ ', '.join(x) }} {{ ''.join([]) }} {{ '-'.join('abc') }} {{ '-'.join(d) }}
{{ ','.join(l) }}
{{ l.index(2) }} {{ l.count(1) }} {{ (1, 2, 1).count(1) }} {{ l.copy() }}
{{ l.append(1) }}
{{ d.update({}) }}
{{ d.pop('a') }}
{{ s.__class__ }}|{{ s.__class__ is defined }}
{{ s.__class__.__mro__ }}
{{ s|upper }} {{ s|lower }} {{ u|title }} {{ c|title }} {{ s|capitalize }} {{ 5|upper }} {{ 'x'|center(5) }}|
{{ w|trim }}| {{ 'xax'|trim('x') }} {{ nil|trim }} {{ missing|trim }}|
{{ s|replace('l', 'L') }} {{ s|replace('l', 'L', 1) }} {{ 5|replace(5, 6) }} {{ 'aXb'|replace('X', nil) }}
{{ l|length }} {{ s|length }} {{ u|count }} {{ d|length }} {{ missing|length }} {{ range(5)|length }}
{{ 5|length }}
{{ nil|length }}
{{ l|first }} {{ l|last }} {{ s|first }} {{ s|last }} {{ empty|first }} {{ empty|last is defined }} {{ d|first }} {{ d|last }} {{ missing|first }} {{ missing|last }}
{{ nil|first }}
{{ x|join(', ') }} {{ l|join }} {{ mix|join('|') }} {{ s|join('.') }} {{ rows|map(attribute='n')|join(',') }} {{ rows|join(',', attribute='n') }} {{ missing|join(',') }}
{{ x|sort|join(',') }} {{ x|sort(case_sensitive=true)|join(',') }} {{ l|sort(reverse=true) }} {{ rows[:3]|sort(attribute='v')|map(attribute='n')|list }} {{ rows[:3]|sort(attribute='o.p,n')|map(attribute='n')|list }} {{ x|sort(true)|list }}
{{ mix|sort }}
{{ x|unique|list }} {{ [1, 1.0, true, 2]|unique|list }} {{ ['a', 'A']|unique|list }} {{ ['a', 'A']|unique(true)|list }}
{{ l|min }} {{ l|max }} {{ x|min }} {{ x|max }} {{ empty|min is defined }} {{ rows[:3]|max(attribute='v') }}
{{ l|sum }} {{ rows[:3]|sum(attribute='v') }} {{ [1.5, 2]|sum }} {{ empty|sum }} {{ l|sum(start=10) }}
{{ l|reverse|list }} {{ s|reverse }} {{ l|list }} {{ 'abc'|list }} {{ d|list }} {{ missing|list }}
{{ 'abc'|reverse }} {{ d|reverse|list }}
{{ d|items|list }} {{ missing|items|list }}
{{ l|items|list }}
{{ d|dictsort }}
{{ {'b': 1, 'A': 2}|dictsort }} {{ {'b': 1, 'A': 2}|dictsort(true) }} {{ {'b': 1, 'a': 2}|dictsort(by='value') }} {{ {'b': 1, 'a': 2}|dictsort(reverse=true) }}
{{ missing|default('x') }} {{ e|default('x') }} {{ e|default('x', true) }} {{ nil|default('x') }} {{ missing|d }}| {{ no|d('y', boolean=true) }} {{ missing|default(l)|first }}
{{ '42'|int }} {{ ' 42 '|int }} {{ '4.7'|int }} {{ 'x'|int }} {{ 'x'|int(9) }} {{ nil|int }} {{ 3.9|int }} {{ -3.9|int }} {{ 'ff'|int(0, 16) }} {{ '0x1f'|int(0, 16) }} {{ '1_000'|int }} {{ yes|int }} {{ '-5'|int }} {{ '1e3'|int }} {{ [1]|int }}
{{ missing|int }}
{{ '3.5'|float }} {{ 'x'|float }} {{ 3|float }} {{ nil|float(1.5) }} {{ 'inf'|float }} {{ '-nan'|float }} {{ '1e400'|default }}
{{ 2.5|round }} {{ 3.5|round }} {{ 2.675|round(2) }} {{ 42.55|round(1, 'floor') }} {{ 42.51|round(1, 'ceil') }} {{ 5|round }} {{ -2.5|round }} {{ 42|round(1) }}
{{ -5|abs }} {{ n|abs }} {{ (-2.5)|abs }} {{ yes|abs }}
{{ 'a'|abs }}
{{ d|string }} {{ l|string|length }} {{ nil|string }} {{ missing|string }}|
{{ s|safe }} {{ s|escape }} {{ s|e }} {{ s|safe|e }} {{ s|safe|forceescape }} {{ '<' + s|safe }} {{ s|safe + '<' }} {{ s|safe ~ '<' }} {{ (s|safe)[0:3] + '<' }} {{ ('<a>'|safe).upper() + '<' }} {{ ('<a>'|safe).replace('a', '<') }} {{ ('<'|safe) * 2 + '<' }} {{ ('a,b'|safe).split(',') }} {{ [1|safe] }}
{{ '%s-%d' % ('a', 3) }} {{ '%s' % s }} {{ '%5.2f|%-5s|%05d' % (f, 'a', i) }} {{ '%(b)s' % d }} {{ '%%' % () }} {{ '%r' % e }} {{ '%s' % l }} {{ '%x' % 255 }} {{ '%s %s'|format(1, 'b') }} {{ '%(a)s'|format(a=1) }} {{ '%i' % 3.7 }} {{ '%s' % missing }}
{{ '%s' % () }}
{{ '%d' % 'a' }}
{{ 'a' % 1 }}
{{ 'a\nb\n\nc'|indent }}| {{ 'a\nb'|indent(2, true) }}| {{ 'a\n\nb'|indent(2, blank=true) }}| {{ 'a\nb'|indent('> ') }} {{ ''|indent }}|{{ m|indent(1) }}
{{ nil|indent }}
{{ s|truncate(10) }} {{ s|truncate(10, true) }} {{ s|truncate(10, false, '…') }} {{ s|truncate(5, true, '', 0) }} {{ 'short'|truncate }} {{ c|wordcount }} {{ u|wordcount }}
{{ [1, 2, 3, 4, 5]|batch(2)|list }} {{ [1, 2, 3]|batch(2, 0)|list }} {{ [1, 2, 3, 4, 5]|slice(2)|list }} {{ [1, 2, 3]|slice(2, 'x')|list }}
{{ rows|map(attribute='v')|list }} {{ rows|map(attribute='v', default=0)|list }} {{ x|map('upper')|list }} {{ l|map('string')|join('+') }} {{ rows[:3]|map(attribute='o.p')|list }} {{ mix|map('string')|list }} {{ ['a b']|map('replace', ' ', '_')|list }}
{{ l|select('odd')|list }} {{ l|reject('equalto', 2)|list }} {{ mix|select|list }} {{ mix|reject|list }} {{ mix|select('string')|list }} {{ l|select('gt', 1)|list }} {{ l|select('in', [1, 2])|list }}
{{ rows|selectattr('v')|map(attribute='n')|list }} {{ rows|selectattr('v', 'equalto', 1)|list }} {{ rows|rejectattr('v', 'defined')|list }} {{ messages|selectattr('role', 'eq', 'user')|list|length }} {{ rows|selectattr('o.p', 'defined')|list|length }}
{{ rows|map('nope')|list }}
{{ d|tojson }} {{ s|tojson }} {{ u|tojson }} {{ u|tojson(ensure_ascii=true) }} {{ big|tojson }} {{ [1.0, 1e-7, 1e21, -0.0, 1e16, 123456789.123]|tojson }} {{ nil|tojson }} {{ (1, 2)|tojson }} {{ '\x01\x7f\u2028\n"\\/'|tojson }} {{ '\x7f😀'|tojson(true) }} {{ {1: 2, nil: 3, yes: 4, 1.5: 5}|tojson }}
{{ d|tojson(indent=2) }} {{ [[], {}, [1]]|tojson(indent=1) }} {{ d|tojson(indent='--') }} {{ d|tojson(separators=(',', ':')) }} {{ d|tojson(sort_keys=true) }} {{ d|tojson(indent=0) }} {{ d|tojson(indent=2, separators=(', ', ' = ')) }} {{ d|tojson(false, 3) }}
{{ missing|tojson }}
{{ {'a': missing}|tojson }}
{{ {(1, 2): 3}|tojson }}
{{ range(3)|tojson }}
{{ d.items()|tojson }}
{{ '<a>'|tojson|safe }} {{ ('<a>'|safe)|tojson }}
{{ d|attr('b') is defined }} {{ s|attr('upper') is callable }}
{{ i is odd }} {{ i is even }} {{ i is divisibleby 7 }} {{ i is divisibleby(2) }} {{ f is number }} {{ f is float }} {{ i is integer }} {{ yes is integer }} {{ yes is number }} {{ s is string }} {{ l is sequence }} {{ d is mapping }} {{ d is sequence }} {{ s is iterable }} {{ i is iterable }} {{ missing is iterable }} {{ missing is sequence }} {{ nil is none }} {{ yes is true }} {{ 1 is true }} {{ no is false }} {{ yes is boolean }} {{ range is callable }} {{ missing is callable }} {{ s is callable }}
{{ s is defined }} {{ missing is undefined }} {{ d.q is defined }} {{ d.b is not defined }} {{ i is eq 7 }} {{ i is gt 3 }} {{ i is lt(3) }} {{ i is in [7] }} {{ 'a' is lower }} {{ 'A' is upper }} {{ nil is sameas nil }} {{ s is filter }} {{ 'upper' is filter }} {{ 'odd' is test }} {{ (s|safe) is escaped }} {{ not missing is defined }} {{ i is not none and i is number }} {{ range(2) is sequence }} {{ d.items() is sequence }} {{ d.items() is iterable }}
{{ s is odd }}
{{ missing is odd }}
{{ s is nope }}
{{ s|nope }}
{% if no %}{{ s|nope }}{% endif %}ok
{% if no %}{{ s is nope }}{% endif %}ok{{ 'x' if yes else s|nope }}
{% if yes %}{{ s|nope }}{% endif %}
{% if yes %}{% for a in l %}{{ a|nope }}{% endfor %}{% endif %}
{% for a in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.depth }}{{ loop.cycle('a', 'b') }}{{ loop.changed(a > 1) }};{% endfor %}
{% for a in empty %}x{% else %}none{% endfor %}{% for a in missing %}x{% else %}{{ loop }}none{% endfor %}
{% for a in nil %}x{% endfor %}
{% for a in 5 %}x{% endfor %}
{% for k, v in d|items %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for k, v in d.items() %}{{ k }}{% endfor %}{% for ch in 'aé你' %}{{ ch }}.{% endfor %}{% for (a, b), q in [((1, 2), 3)] %}{{ a }}{{ b }}{{ q }}{% endfor %}
{% for a, b in l %}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{% endfor %}
{% for a in l if a > 1 %}{{ loop.index }}{{ a }}{{ loop.last }}{{ loop.length }}{% else %}x{% endfor %}{% for a in l if a > 9 %}x{% else %}none{% endfor %}
{% for a in l %}{% if a == 1 %}{% continue %}{% endif %}{{ a }}{% if loop.index == 2 %}{% break %}{% endif %}{% endfor %}
{% for a in l %}{% for b in x %}{{ a }}{{ b }}{{ loop.index }}{% if b == 'A' %}{% break %}{% endif %}{% endfor %}{{ loop.index }}{% endfor %}
{% for a in [[1, [2]], [3]] recursive %}{{ loop.depth }}{% if a is iterable %}[{{ loop(a) }}]{% else %}{{ a }}{% endif %}{% endfor %}
{% for a in range(10, 0, -3) %}{{ a }},{% endfor %}{{ range(3) }}{{ range(1, 5)[1] }}{{ range(5)|list }}{{ range(5)[-1] }}{{ 3 in range(5) }}{{ range(0)|list }}{{ range(4)[1:] }}
{{ range(1000000) }}
{% for a in l %}{% set q = a %}{{ q }}{% endfor %}{{ q }}|{% set q = 1 %}{% for a in l %}{{ q }}{% set q = q + a %}{{ q }}{% endfor %}{{ q }}
{% set ns = namespace(a=1, b='x') %}{% for a in l %}{% set ns.a = ns.a + a %}{% set ns.new = a %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.new }}{{ ns.none }}{{ ns['a'] }}
{% set ns = namespace({'a': 1}) %}{{ ns.a }}{% set ns2 = namespace(d, z=3) %}{{ ns2.b }}{{ ns2.z }}
{% set l.x = 1 %}
{% set missing.x = 1 %}
{% set a, b = (1, 2) %}{{ a }}{{ b }}{% set a = 1, 2 %}{{ a }}{% set (a, b) = 'xy' %}{{ a }}{{ b }}
{% set a %}x{{ i }}y{% endset %}{{ a }}{% set a | upper %}x{{ s }}{% endset %}{{ a }}{% set a | replace('x', 'y') | upper %}x{% endset %}{{ a }}
{% filter upper %}a{{ s }}{% endfilter %}{% filter replace('a', 'b') | upper %}xa{% endfilter %}
{% macro f(a, b='B', c=a) %}{{ a }}{{ b }}{{ c }}{{ z }}{% endmacro %}{{ f(1) }}|{{ f(1, 2, 3) }}|{{ f(b=1, a=2) }}|{{ f() }}|{{ f(nil, c='q') }}{{ f.name }}
{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{% endmacro %}{{ f(q=2) }}
{% macro f(a) %}{{ varargs }}{{ kwargs }}{{ a }}{% endmacro %}{{ f(1, 2, 3, q=4) }}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro f(t) %}[{{ caller() }}{{ caller('x') if t }}]{% endmacro %}{% call f(no) %}in{{ s }}{% endcall %}{% call(q) f(no) %}{{ q }}{% endcall %}
{% macro f() %}{{ caller is defined }}{% endmacro %}{{ f() }}{% call f() %}{% endcall %}
{{ f() }}{% macro f() %}x{% endmacro %}
{% macro f() %}{{ q }}{% set q = 2 %}{{ q }}{% endmacro %}{% set q = 1 %}{{ f() }}{{ q }}{% set q = 5 %}{{ f() }}
{% for q in l %}{% macro f() %}{{ q }}{% endmacro %}{{ f() }}{% endfor %}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% set a = 5 %}{{ a }}{% endwith %}{{ a }}{% with %}{{ i }}{% endwith %}{% with i = 1, q = i %}{{ q }}{% endwith %}
{% generation %}x{{ s }}{% set q = 1 %}{% endgeneration %}{{ q }}
{% if missing %}a{% elif e %}b{% elif l %}c{% else %}d{% endif %}{% if z %}x{% endif %}{% if d and s %}y{% endif %}{% if nothing or e %}{% else %}n{% endif %}
{% raw %}{{ x }}{% if %}{% endraw %}|{%- raw -%} {{ y }} {%- endraw -%} |
{# comment #}a{#- c -#} b {# #}{#-#}c{##}
a  {%- if yes -%}  b  {%- endif -%}  c {{- i -}} d {{ i }}  e
{{ {'a': 1, 'b': [1, 2]}.b[1] }} {{ {'a': {'b': 2}}['a']['b'] }} {{ {} }} {{ {'a': 1,}}} {{ [1, 2,] }} {{ {1: 2}[1] }} {{ {'user': 'human'}['user'] }} {{ {'x': 1, 'x': 2} }}
{{ dict(a=1, b=2) }} {{ dict([('a', 1)]) }} {{ dict(d, q=1)['q'] }}
{{ [1, 2][0] }} {{ 'abc'[1] }} {{ (1, 2)[1] }} {{ [[1]][0][0] }} {{ -l[0] }} {{ l|length - 1 }} {{ (l|length) - 1 }} {{ 1 - l|length }} {{ -1|abs }} {{ 'a' in x and 'z' not in x }} {{ not 'a' in x }} {{ 1 + 2 * 3 - 4 / 2 }} {{ (1 + 2) * 3 }} {{ 10 - 2 - 3 }} {{ 2 * 3 % 4 }}
{{ raise_exception('no: ' + s) }}
{{ strftime_now('%d %b %Y %H:%M') }} {{ strftime_now('%Y-%m-%d') }}
{% set j = joiner(', ') %}{{ j() }}a{{ j() }}b{% set y = cycler('o', 'e') %}{{ y.next() }}{{ y.next() }}{{ y.next() }}
{{ messages[0].role }}{{ messages[-1]['content'] }}{{ messages[2].tool_calls[0].function.arguments|tojson }}{{ messages[1:]|length }}{{ messages[::-1][0].role }}{{ messages|last }}
{{ loop }}
{{ x.y.z }}
{{ s.upper }}
{{ d.nope.deeper }}
{{ nil.strip() }}
{{ l.strip() }}
{{ i.strip() }}
{{ s.nope() }}
{{ f(*l, **d) if no }}{% macro g(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ g(*l) }}{{ g(1, **{'b': 2, 'c': 3}) }}
{{ 'x' is in 'xyz' }} {{ [] is in [[]] }} {{ l is eq [3, 1, 2] }} {{ 1 in {1: 2} }}
{{ s|upper|lower|length }} {{ (s|upper)[0] }} {{ s|first|upper }} {{ [s]|first|length }}
{{ a.b if a is defined else 'undef' }} {{ (missing|default({})).x }} {{ messages[99].role if messages[99] else 'none' }}
{{ 'caf\u00e9'|upper }} {{ '\U0001f600'|length }} {{ 'a\
b' }}
{{ 9223372036854775807 }} {{ -9223372036854775808 }} {{ 12345678901234567890 }} {{ big == 123456789012345678901234567890 }} {{ big > 1 }}
{{ 1.0 }} {{ 1e16 }} {{ 1e15 }} {{ 123456.789 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1.5e300 * 10 }} {{ -0.0 }} {{ 1e308 * 10 }} {{ 5.0 == 5 }} {{ 3.0 * 2 }} {{ 10 / 4 }} {{ 10 / 5 }} {{ 0.1 + 0.2 }}
{{ [nil, yes, 'a\'b', "q\"", 'a\'b"c', '\n\t\\', 'é\x00\x7f\u200b\u00a0', 1.5, (1,), {'k': 'v'}] }}
{{
{{ s }
{% if yes %}
{% endif %}
{% for %}{% endfor %}
{% nope %}
{{ 1 + }}
{{ (1 }}
{{ 'abc }}
{% set x %}
{% for a in l %}{% endif %}
{{ a b }}
{{ s | }}
{{ s is }}
{{ [1, 2 }}
{% macro f(a=1, b) %}{% endmacro %}
{% break %}
{# open
{% raw %}x
{{ f(a=1, 2) }}
{% set true = 1 %}
{% for loop in l %}{% endfor %}
{{ @ }}
{% do l.append(1) %}
{% set a = %}
{{ s if }}
""".strip("\n").split("\n")

# With line ends, for the white space rules.
FIXED_LINES = [
    "{% if yes %}\nx\n{% endif %}\ny\n", "  {% if yes %}\n  x\n  {% endif %}\n  y\n\n", "a\n  {%- if yes %}\n x\n  {%- endif %}\n",
    "a\n  {%+ if yes %}\n x\n  {% endif +%}\n b", "\n\n  {# c #}\n x {# c #}\n{#- c #}\n  {# c -#}\n y", "{{ s }}\n{{ i }}\n\n", "x\r\ny\rz\n{% if yes %}\r\nq{% endif %}\r\n",
    "  {{ s }}\n  {{- i }}\n{{ i -}}  \n  z", "{% for a in l %}\n  {{ a }}\n{% endfor %}\n", "{%- for a in l -%}\n  {{ a }}\n{%- endfor -%}\n", " {% raw %} \n {% endraw %} \n x",
    "\t{% set a = 1 %}\t\n\tb", "{% set a = 1 %}{% set b = 2 %}\n\n{{ a }}", "a {% if yes %} b {% endif %} c\n d", "\u3000\n\u3000{% if yes %}\u3000{%- endif %}\u00a0{{- i }}", "{{ 'a\nb' }}\n{{ \"c\r\nd\" }}",
    "{% if yes %}{# c #}\n{% endif %}\n{# c #}  \nx", "{%if yes%}a{%endif%}{{i}}{{-i}}{{i-}} {%-if yes-%} b {%-endif-%} ", "line\n   {# c #}{% if yes %}\nx{% endif %}", "{{ 1 }}\n   {% if yes %}x\n   {% endif %}", "{% raw -%}\n a {{ b }}\n{%- endraw %}\n c", "{%+ raw %} x {% endraw +%}\n y",
]


# ---- random templates

def value(r):
    return r.choice(list(CONTEXT) + ["missing", "loop", "ns", "v"] * 1)


TEXTS = ["", "a", " ", "\\n", "<think>", "</think>", "<|im_end|>", "l", "é", "你", "ß", ",", "Hello", "{", "%s", "role", "content", "\\u2003", "'", "\\\"", "x y", "b", "tool_calls", "0"]
FILTERS = ["upper", "lower", "trim", "length", "first", "last", "tojson", "string", "list", "reverse", "title", "capitalize", "int", "float", "abs", "sort", "unique|list", "join(',')", "join", "default('D')", "default('D', true)",
           "items|list", "safe", "e", "round", "sum", "min", "max", "map('string')|list", "map(attribute='n')|list", "select|list", "reject|list", "select('string')|list", "selectattr('v')|list", "replace('l', 'LL')", "replace('', '-')",
           "indent(2)", "indent(1, true)", "tojson(indent=1)", "tojson(ensure_ascii=true)", "tojson(sort_keys=true)", "wordcount", "truncate(5)", "center(9)", "batch(2)|list", "slice(2)|list", "dictsort", "map('upper')|list", "map('length')|list", "rejectattr('v', 'defined')|list", "count", "d"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "mapping", "sequence", "iterable", "true", "false", "boolean", "odd", "even", "lower", "upper", "callable", "eq 3", "in l", "in s", "divisibleby 3", "escaped", "gt 1", "lt 'm'", "ne nil"]
METHODS = ["strip()", "lstrip()", "rstrip()", "strip('\\n')", "lstrip('\\n')", "split()", "split('</think>')", "split(' ', 1)", "rsplit(' ', 1)", "split('l')", "upper()", "lower()", "title()", "capitalize()", "swapcase()", "startswith('<')", "endswith('>')", "replace('l', '')", "find('l')", "count('l')", "splitlines()", "items()", "keys()|list", "values()|list", "get('b')", "get('q', 1)", "index(1)", "count(1)", "isdigit()", "isalpha()", "islower()", "zfill(4)", "partition('l')", "join(x)", "join('ab')", "removeprefix('H')", "copy()", "rjust(8)", "center(7, '*')", "rpartition('l')", "isspace()", "istitle()"]


def literal(r):
    return r.choice([lambda: str(r.randint(-3, 9)), lambda: r.choice(["1.5", "0.1", "2.0", "1e20", "0"]), lambda: "'" + r.choice(TEXTS).replace("'", "\\'") + "'", lambda: r.choice(["true", "false", "none", "[]", "{}", "()"])])()


def expression(r, depth):
    if depth <= 0:
        return value(r) if r.random() < 0.75 else literal(r)
    sub = lambda: expression(r, depth - 1 - (r.random() < 0.3))
    kind = r.randrange(19)
    if kind < 3:
        return f"{sub()}|{r.choice(FILTERS)}" if kind < 2 else f"({sub()})|{r.choice(FILTERS)}|{r.choice(FILTERS)}"
    if kind < 5:
        return f"({sub()}).{r.choice(METHODS)}"
    if kind == 5:
        return f"{sub()} {r.choice(['+', '+', '+', '-', '*', '/', '//', '%', '~', '~', '**'])} {sub()}"
    if kind == 6:
        return f"({sub()}) {r.choice(['==', '!=', '<', '<=', '>', '>=', 'in', 'not in'])} ({sub()})"
    if kind == 7:
        return f"({sub()} {r.choice(['and', 'or'])} {sub()})"
    if kind == 8:
        return f"(not {sub()})"
    if kind == 9:
        return f"({sub()} if {sub()} else {sub()})" if r.random() < 0.8 else f"({sub()} if {sub()})"
    if kind == 10:
        return f"{value(r)}[{r.randint(-4, 5)}]"
    if kind == 11:
        bound = lambda: r.choice(["", "", str(r.randint(-7, 7)), "nil"])
        return f"({sub()})[{bound()}:{bound()}" + (f":{r.choice(['-1', '2', '-2', '', '3'])}" if r.random() < 0.5 else "") + "]"
    if kind == 12:
        return f"({sub()}) is {r.choice(['', 'not '])}{r.choice(TESTS)}"
    if kind == 13:
        return f"{value(r)}.{r.choice(['role', 'content', 'b', 'c', 'a', 'items', 'n', 'v', 'x', 'last', 'index', 'index0', 'first', 'nextitem', 'previtem', 'length', 'd'])}"
    if kind == 14:
        return f"{value(r)}[{sub()}]"
    if kind == 15:
        return "[" + ", ".join(sub() for _ in range(r.randint(0, 3))) + "]"
    if kind == 16:
        return "{" + ", ".join(f"{literal(r)}: {sub()}" for _ in range(r.randint(0, 3))) + "}"
    if kind == 17:
        return f"('{r.choice(['%s', '%d', '%5s|', '%r', '%.2f', 'a%sb%s'])}' % {sub()})"
    return f"(-{value(r)})" if r.random() < 0.3 else f"range({r.randint(-2, 6)})|{r.choice(FILTERS)}"


def white(r):
    return r.choice(["", "", "", "\n", " ", "\n  ", "  \n", "x", "x\n", "\t"])


def block(r, depth):
    out = white(r)
    left, right = r.choice(["{%", "{%", "{%-", "{%+"]), r.choice(["%}", "%}", "-%}", "+%}"])
    tag = lambda text: f"{r.choice([left, '{%', '{%-'])} {text} {r.choice([right, '%}'])}"
    kind = r.randrange(13) if depth > 0 else r.randrange(5)
    inner = lambda: "".join(block(r, depth - 1) for _ in range(r.randint(1, 3)))
    e = lambda: expression(r, r.randint(0, 3))
    if kind < 4:
        out += r.choice(["{{", "{{", "{{-"]) + " " + e() + " " + r.choice(["}}", "-}}", "}}"])
    elif kind == 4:
        out += tag(f"set v = {e()}")
    elif kind in (5, 6):
        out += tag(f"if {e()}") + inner() + (tag(f"elif {e()}") + inner() if r.random() < 0.3 else "") + (tag("else") + inner() if r.random() < 0.5 else "") + tag("endif")
    elif kind in (7, 8):
        it = r.choice(["l", "x", "messages", "d", "rows", "s", "empty", "mix", "range(3)", "messages[::-1]", "d|items", "messages[1:]", e()])
        out += tag(f"for {r.choice(['v', 'v', 'v, k', 'm'])} in {it}{r.choice(['', '', ' if ' + e()])}") + inner() + (tag(f"if {e()}") + tag(r.choice(["break", "continue"])) + tag("endif") if r.random() < 0.2 else "") + inner() + (tag("else") + inner() if r.random() < 0.2 else "") + tag("endfor")
    elif kind == 9:
        out += tag(f"set v{r.choice(['', ' | upper', ' | trim'])}") + inner() + tag("endset")
    elif kind == 10:
        out += tag("set ns = namespace(a=1, v=l)") + inner() + tag(f"set ns.a = {e()}") + "{{ ns.a }}"
    elif kind == 11:
        out += tag(f"macro f{depth}(v, b={e()})") + inner() + tag("endmacro") + "{{ " + f"f{depth}({e()}{r.choice(['', ', ' + e(), ', b=' + e()])})" + " }}"
    else:
        out += r.choice(["{# c #}", "{#- c -#}\n", "{# c #}\n"]) + tag("with v = " + e()) + inner() + tag("endwith")
    return out + white(r)


def random_case(r):
    return case("".join(block(r, 2) for _ in range(r.randint(1, 3))))


def main():
    out = sys.stdout
    if sys.argv[1] == "fixed":
        cases = [case(template) for template in FIXED + FIXED_LINES]
    else:
        r = random.Random(int(sys.argv[2]))
        cases = []
        while len(cases) < int(sys.argv[3]):
            made = random_case(r)
            # Most random templates fail somewhere: keep some of these.
            if made and ("expected" in made or r.random() < 0.15):
                cases.append(made)
    # The variables are the same in all lines: they stand in the first one.
    out.write(json.dumps({"variables": CONTEXT}, ensure_ascii=True) + "\n")
    for made in cases:
        if made:
            del made["variables"]
            out.write(json.dumps(made, ensure_ascii=True) + "\n")


main()
