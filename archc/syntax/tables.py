"""The LALR(1) tables of `grammars/arch.lark`.

Lark turns the grammar into tables; parsing needs only the tables, so `arch.json` keeps them beside
this file and neither Lark nor a cache folder is on the way of a check (0.7 ms instead of 60). The
file holds the grammar's own text: where the grammar has changed since, tables are made afresh in
memory. `python -m archc.syntax` writes the file again.
"""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any, NamedTuple

HERE = os.path.dirname(__file__)
STORED = os.path.join(HERE, "arch.json")

# Items of a rule's template that are no plain child: an absent option, a list to be spread.
ABSENT = -1
SPREAD = -2  # SPREAD - i: the children that helper rule number i collected

STARTS = ("start", "expr", "body", "claims", "settings")
LISTS = tuple(f"__{name}_star_" for name in STARTS)


# Rules that put one level of nesting around their children.
NESTING = frozenset(
    (
        *("negation", "neg", "pow", "index", "call", "attr", "ternary", "list", "comprehension"),
        *("list_type", "label", "apply", "group", "repeat", "for_stage", "skip", "via_stage"),
        *("if_stage", "if_stmt", "for_stmt"),
    )
)


class Rule(NamedTuple):
    """One production, as the driver applies it."""

    size: int
    origin: int
    method: str  # of Builder; "" to pass a value on, or to collect a list
    passes: bool  # the only argument is the value
    nests: bool
    grows: bool  # a list that starts with the list so far
    plain: bool  # every child is an argument, in order
    template: tuple[int, ...]  # which children are arguments, see ABSENT and SPREAD


class Tables(NamedTuple):
    """Terminals are numbered first, then nonterminals; both number columns of the tables."""

    terminals: tuple[str, ...]
    patterns: tuple[str, ...]  # regular expression of each terminal, in the order to be tried
    literals: dict[str, int]  # terminals that are one fixed text: keywords and punctuation
    ignored: frozenset[int]
    rules: tuple[Rule, ...]
    # Per state: terminal -> state to shift to, or ~rule to reduce by.
    actions: tuple[dict[int, int], ...]
    gotos: tuple[dict[int, int], ...]
    starts: dict[str, tuple[int, int]]  # start rule -> (first state, accepting state)
    lists: frozenset[int]  # nonterminals that collect declarations, statements, claims or settings

    @property
    def end(self) -> int:
        """The number of the end of text."""
        return len(self.terminals)

    @property
    def wrong(self) -> int:
        """The number of text that was reported already; no state has an action for it."""
        return len(self.terminals) + 1


def grammar_path() -> str:
    """The grammar inside an installed package, else beside the package in a checkout."""
    inside = os.path.join(HERE, os.pardir, "grammars", "arch.lark")
    beside = os.path.join(HERE, os.pardir, os.pardir, "grammars", "arch.lark")
    return inside if os.path.exists(inside) else beside


def _grammar() -> str:
    with open(grammar_path(), encoding="utf-8") as file:
        return file.read()


@cache
def load() -> Tables:
    """The tables of the grammar as it is now."""
    grammar = _grammar()
    try:
        with open(STORED, "rb") as file:
            raw = json.loads(file.read())
    except (OSError, ValueError):
        raw = {}
    if raw.get("grammar") != grammar:
        raw = generate(grammar)
    return _decode(raw)


def _decode(raw: dict[str, Any]) -> Tables:
    return Tables(
        terminals=tuple(raw["terminals"]),
        patterns=tuple(raw["patterns"]),
        literals=raw["literals"],
        ignored=frozenset(raw["ignored"]),
        rules=tuple([_decoded_rule(*rule) for rule in raw["rules"]]),
        actions=tuple([dict(zip(row[::2], row[1::2], strict=True)) for row in raw["actions"]]),
        gotos=tuple([dict(zip(row[::2], row[1::2], strict=True)) for row in raw["gotos"]]),
        starts={name: (first, last) for name, (first, last) in raw["starts"].items()},
        lists=frozenset(raw["lists"]),
    )


def _decoded_rule(action: str, origin: int, size: int, passes: bool, template: list[int]) -> Rule:
    plain = template == list(range(size))
    grows = not passes and not action and template[0] == SPREAD
    nests = action in NESTING or (passes and size > 1)
    kept = tuple(template[1:] if grows else template)
    return Rule(size, origin, action, passes, nests, grows, plain, kept)


def generate(grammar: str) -> dict[str, Any]:
    """Tables made by Lark, as plain lists and dictionaries (the content of the stored file)."""
    from lark import Lark
    from lark.lexer import PatternStr
    from lark.parsers.lalr_analysis import Shift

    lark = Lark(
        grammar,
        parser="lalr",
        lexer="basic",
        start=list(STARTS),
        maybe_placeholders=True,
    )
    table: Any = lark.parser.parser._parse_table
    # The order in which a lexer must try them: the longest possible match first.
    terminals = sorted(
        lark.terminals,
        key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value), t.name),
    )
    numbers = {t.name: i for i, t in enumerate(terminals)}
    numbers["$END"] = len(terminals)
    origins: dict[str, int] = {}
    for rule in lark.rules:
        origins.setdefault(str(rule.origin.name), len(origins))
    rule_numbers = {rule: i for i, rule in enumerate(lark.rules)}

    order = _order(table.states, [table.start_states[name] for name in STARTS])
    actions: list[list[int]] = []
    gotos: list[list[int]] = []
    for state in order:
        row, goto = [], []
        for symbol, (kind, target) in sorted(table.states[state].items()):
            if symbol in origins:
                goto += [origins[symbol], order[target]]
            elif kind is Shift:
                row += [numbers[symbol], order[target]]
            else:
                row += [numbers[symbol], ~rule_numbers[target]]
        actions.append(row)
        gotos.append(goto)
    return {
        "grammar": grammar,
        "terminals": [t.name for t in terminals],
        "patterns": [t.pattern.to_regexp() for t in terminals],
        "literals": {
            t.pattern.value: numbers[t.name] for t in terminals if isinstance(t.pattern, PatternStr)
        },
        "ignored": sorted(numbers[name] for name in lark.ignore_tokens),
        "rules": [_rule(rule, origins[str(rule.origin.name)]) for rule in lark.rules],
        "actions": actions,
        "gotos": gotos,
        "starts": {
            name: [order[table.start_states[name]], order[table.end_states[name]]]
            for name in STARTS
        },
        "lists": [n for name, n in origins.items() if name.startswith(LISTS)],
    }


def _order(states: dict[int, Any], firsts: list[int]) -> dict[int, int]:
    """States in the order in which they are reached: Lark's own numbers differ from run to run."""
    from lark.parsers.lalr_analysis import Shift

    order: dict[int, int] = {}
    waiting = list(firsts)
    for state in waiting:
        if state not in order:
            order[state] = len(order)
            row = sorted(states[state].items())
            waiting += [target for _, (kind, target) in row if kind is Shift]
    return order


def _rule(rule: Any, origin: int) -> list[Any]:
    """[action, origin, size, passes, template] of a rule as Lark compiled it."""
    name = str(rule.origin.name)
    empty = rule.options.empty_indices or (False,) * len(rule.expansion)
    template: list[int] = []
    position = 0
    for absent in empty:
        if absent:
            template.append(ABSENT)
            continue
        symbol = rule.expansion[position]
        if symbol.is_term:
            if not symbol.filter_out:
                template.append(position)
        else:
            helper = str(symbol.name).startswith("__")
            template.append(SPREAD - position if helper else position)
        position += 1
    passes = bool(rule.options.expand1 and not rule.alias and len(template) == 1)
    action = "" if passes or name.startswith("__") else str(rule.alias or name)
    return [action, origin, len(rule.expansion), passes, template]


def store() -> None:
    """Write the stored file again."""
    text = json.dumps(generate(_grammar()), separators=(",", ":"))
    with open(STORED, "w", encoding="utf-8") as file:
        file.write(text + "\n")
