"""The LALR(1) driver."""

from __future__ import annotations

from typing import Any

from ..diagnostics import Diagnostics
from ..source import Source, Span
from . import tree
from .build import NESTING, Builder
from .docs import Docs
from .tables import SPREAD, load
from .tokens import Tokens, scan


class SyntaxFailure(Exception):
    pass


def run(tokens: Tokens, builder: Builder, start: str) -> Any:
    tables = load()
    actions, gotos, rules = tables.actions, tables.gotos, tables.rules
    methods = [getattr(builder, r.action) if r.action else None for r in rules]
    first, accepting = tables.starts[start]
    states = [first]
    values: list[Any] = []
    begins: list[int] = []
    ends: list[int] = []
    kinds = [*tokens.kinds, tables.end]
    token_starts, token_ends = tokens.starts, tokens.ends
    i = 0
    total = len(tokens)
    while True:
        kind = kinds[i]
        action = actions[states[-1]].get(kind)
        if action is None:
            raise SyntaxFailure(i)
        if action >= 0:
            states.append(action)
            values.append(i)
            begins.append(token_starts[i])
            ends.append(token_ends[i])
            i += 1
            continue
        rule = rules[~action]
        size = rule.size
        if rule.passes and size == 1:
            states.pop()
            states.append(gotos[states[-1]][rule.origin])
        else:
            if size:
                begin, end = begins[-size], ends[-1]
                base = len(values) - size
                children: list[Any] = []
                for place in rule.template:
                    if place >= 0:
                        children.append(values[base + place])
                    elif place == -1:
                        children.append(None)
                    else:
                        children.extend(values[base + SPREAD - place])
                if rule.passes:
                    value = children[0]
                else:
                    method = methods[~action]
                    if method is None:
                        if rule.template[0] == SPREAD:
                            value = values[base]
                            value.extend(children[len(value):])
                        else:
                            value = children
                    else:
                        value = method(begin, end, *children)
                del states[-size:], values[-size:], begins[-size:], ends[-size:]
            else:
                begin = end = token_starts[i] if i < total else 0
                value = methods[~action](begin, end)
            states.append(gotos[states[-1]][rule.origin])
            values.append(value)
            begins.append(begin)
            ends.append(end)
        if kind == tables.end and states[-1] == accepting:
            return values[-1]


def parts(source: Source, start: int, end: int) -> tuple[Any, ...]:
    found: list[Any] = []
    text = source.text
    plain = ""
    at = start
    while at < end:
        c = text[at]
        if c in "{}" and text[at + 1 : at + 2] == c and at + 1 < end:
            plain += c
            at += 2
        elif c == "{":
            close = text.find("}", at, end)
            if plain:
                found.append(plain)
            plain = ""
            tokens = scan(source, at + 1, close)
            builder = Builder(source, tokens, Docs(source, []), lambda a, b: parts(source, a, b))
            found.append(run(tokens, builder, "expr"))
            at = close + 1
        else:
            plain += c
            at += 1
    if plain or not found:
        found.append(plain)
    return tuple(found)


def parse(source: Source, diagnostics: Diagnostics) -> tree.File:
    tokens = scan(source, 0, len(source.text))
    docs = Docs(source, tokens.comments)
    builder = Builder(source, tokens, docs, lambda a, b: parts(source, a, b))
    try:
        declarations = run(tokens, builder, "start")
    except SyntaxFailure as failure:
        i = failure.args[0]
        a = tokens.starts[i] if i < len(tokens) else len(source.text)
        diagnostics.error("E0101", "unexpected text", Span(source, a, a))
        declarations = ()
    before = tokens.starts[0] if len(tokens) else len(source.text)
    return tree.File(source, docs.of_file(before), declarations, docs.all(), frozenset())
