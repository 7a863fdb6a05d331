"""What a reduction does, worked out once per rule: how many symbols it takes and what it makes.

Most reductions of an expression pass a value on unchanged (`or_e: and_e`, `and_e: not_e`, ...). A
run of them ends in a state that follows from the state below, the symbol and the next terminal; it
is worked out when it is first met and then looked up, so that a name costs one look and not twelve.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

from .build import Builder
from .tables import ABSENT, SPREAD, Rule, Tables, load

Make = Callable[[Builder, int, int, list[Any]], Any]
"""(builder, begin, end, values of the symbols) -> the value of the rule."""


class Step(NamedTuple):
    """One rule. `make` is None where its only symbol's value is passed on."""

    size: int
    symbol: int  # what it makes, as `Steps.after` counts symbols
    nests: bool
    make: Make | None


class Steps(NamedTuple):
    """All rules, and where runs of them lead."""

    tables: Tables
    rules: tuple[Step, ...]
    after: tuple[dict[int, int], ...]
    """Per state: (symbol made on top of it) + (next terminal) -> the state then; see `goto`."""

    def goto(self, state: int, symbol: int, kind: int) -> int:
        """The state on top of another after a symbol was made, and passed on as far as a terminal
        of a kind, which comes next, permits."""
        known = self.after[state]
        found = known.get(symbol + kind)
        if found is None:
            tables = self.tables
            gotos = tables.gotos[state]
            found = gotos[symbol // _width(tables)]
            while True:
                action = tables.actions[found].get(kind)
                if action is None or action >= 0 or self.rules[~action].make is not None:
                    break
                found = gotos[tables.rules[~action].origin]
            known[symbol + kind] = found
        return found


def _width(tables: Tables) -> int:
    """How many kinds of tokens there are: `end` and `wrong` are the last two."""
    return tables.wrong + 1


@cache
def load_steps() -> Steps:
    """The steps of the grammar as it is now."""
    tables = load()
    width = _width(tables)
    rules = tuple([_step(rule, width) for rule in tables.rules])
    return Steps(tables, rules, tuple([{} for _ in tables.actions]))


def _step(rule: Rule, width: int) -> Step:
    return Step(rule.size, rule.origin * width, rule.nests, _make(rule))


def _make(rule: Rule) -> Make | None:
    if rule.passes:
        return None if rule.size == 1 else _passing(rule.template[0])
    if rule.grows:
        return _growing(rule.template)
    if not rule.method:
        return _listing(rule.template)
    action = getattr(Builder, rule.method)
    if not rule.size:
        return lambda builder, begin, end, values: action(builder, begin, end)
    if rule.plain:
        return lambda builder, begin, end, values: action(builder, begin, end, *values)
    if all(place >= ABSENT for place in rule.template):
        return _calling(action, rule.template)
    return _spreading(action, rule.template)


def _passing(place: int) -> Make:
    """The value of one of several symbols: of what stands in parentheses."""
    return lambda builder, begin, end, values: values[place]


def _growing(template: tuple[int, ...]) -> Make:
    """A list, which the first symbol is, grows by others."""
    if len(template) == 1:
        place = template[0]

        def append(builder: Builder, begin: int, end: int, values: list[Any]) -> Any:
            grown = values[0]
            grown.append(values[place])
            return grown

        return append

    def extend(builder: Builder, begin: int, end: int, values: list[Any]) -> Any:
        grown = values[0]
        grown.extend([values[place] for place in template])
        return grown

    return extend


def _listing(template: tuple[int, ...]) -> Make:
    """A list begins."""
    return lambda builder, begin, end, values: [values[place] for place in template]


def _calling(action: Any, template: tuple[int, ...]) -> Make:
    """An action with some of the values, and None for what is absent."""
    if len(template) == 1 and template[0] >= 0:
        place = template[0]
        return lambda builder, begin, end, values: action(builder, begin, end, values[place])
    if len(template) < 2:
        absent = [None] * len(template)
        return lambda builder, begin, end, values: action(builder, begin, end, *absent)
    # ABSENT is -1: it picks the None that is put behind the values.
    pick = itemgetter(*template)

    def call(builder: Builder, begin: int, end: int, values: list[Any]) -> Any:
        values.append(None)
        return action(builder, begin, end, *pick(values))

    return call


def _spreading(action: Any, template: tuple[int, ...]) -> Make:
    """An action with the values that helper rules collected among its arguments."""

    def call(builder: Builder, begin: int, end: int, values: list[Any]) -> Any:
        children: list[Any] = []
        for place in template:
            if place >= 0:
                children.append(values[place])
            elif place == ABSENT:
                children.append(None)
            else:
                children += values[SPREAD - place]
        return action(builder, begin, end, *children)

    return call
