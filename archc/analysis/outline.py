"""A report as people read it: blocks folded to a line, groups as trees, repetitions said once.

Lines are made of what is shown only: a chain of 100,000 layers is compared by small numbers, and
folded before any row of it is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..graph import Body
from .measures import MAIN, SKIP
from .report import Report
from .rows import LayerRow, Place, Row, ScopeRow, labelled_scopes

LONGEST_CYCLE = 12
"""Stages of a repeated pattern that is still recognized."""
FEWEST_TURNS = 4
"""A pattern of several stages is folded from so many turns on; single ones from 2."""


@dataclass(slots=True)
class Line:
    """A row of the table. `last` is that of the last of `times` equal ones, if there are several.

    `more`: the line stands for further turns of the `span` lines above it, `times` of them.
    Figures are sums over all.
    """

    level: int
    row: Row
    last: Row
    times: int
    params: int
    macs: int
    more: bool = False
    span: int = 1


@dataclass(slots=True)
class _Item:
    """A node (`scope` < 0) or a labelled group of items in a body."""

    node: int
    scope: int
    inside: list[_Item]
    sign: object
    """Equal for items that do the same to the same shapes."""


def outline(report: Report, unfold: bool = False) -> Iterator[Line]:
    """The lines of a network. `unfold`: every block opened, nothing folded."""
    maker = _Outline(report, unfold)
    return maker.lines(report.walker.main_place(), 0)


class _Outline:
    def __init__(self, report: Report, unfold: bool) -> None:
        self.walker = report.walker
        self.unfold = unfold

    def lines(self, place: Place, level: int) -> Iterator[Line]:
        body = self.walker.graph.bodies[place.index]
        yield from self._items(place, self._tree(place, body), level)

    def _tree(self, place: Place, body: Body) -> list[_Item]:
        """The items of a body, groups nested by the nodes that they span."""
        facts = self.walker.facts[place.index]
        parts = self.walker.measures.parts(place.index, MAIN)
        groups = labelled_scopes(body)
        top: list[_Item] = []
        open_: list[tuple[int, _Item, list[_Item]]] = []
        into, at = top, 0
        for n, node in enumerate(body.nodes):
            while open_ and open_[-1][0] <= n:
                _, group, into = open_.pop()
                group.sign = tuple([item.sign for item in group.inside])
            while at < len(groups) and body.scopes[groups[at]].first <= n:
                group = _Item(n, groups[at], [], None)
                into.append(group)
                open_.append((body.scopes[groups[at]].last, group, into))
                into = group.inside
                at += 1
            does: object = node.body if node.op < 0 else id(facts[n])
            into.append(_Item(n, -1, [], (does, node.module, parts[n] == SKIP)))
        return top

    def _items(self, place: Place, items: list[_Item], level: int) -> Iterator[Line]:
        for start, length, times in self._turns(place, items):
            if times == 1:
                yield from self._item(place, items[start], level)
            elif length == 1:
                yield self._merged(place, items[start : start + times], level)
            else:
                for item in items[start : start + length]:
                    yield from self._item(place, item, level)
                rest = items[start + length : start + length * times]
                line = self._merged(place, rest, level)
                line.more, line.times, line.span = True, times - 1, length
                yield line

    def _turns(self, place: Place, items: list[_Item]) -> Iterator[tuple[int, int, int]]:
        """(start, length, times) of the runs that repeat, and of the single items between them."""
        if self.unfold:
            yield from ((i, 1, 1) for i in range(len(items)))
            return
        numbers: dict[object, int] = {}
        signs = [
            numbers.setdefault((item.sign, self._stem(place, item)), len(numbers)) for item in items
        ]
        i = 0
        while i < len(signs):
            length, times = _cycle(signs, i)
            yield i, length, times
            i += length * times

    def _stem(self, place: Place, item: _Item) -> str:
        """The name without its numbers: only names that count are folded."""
        body = self.walker.graph.bodies[place.index]
        name = body.nodes[item.node].name if item.scope < 0 else body.scopes[item.scope].path
        return re.sub(r"\d+", "#", name)

    def _item(self, place: Place, item: _Item, level: int) -> Iterator[Line]:
        row = self._row(place, item)
        yield Line(level, row, row, 1, row.params, row.macs)
        if item.scope >= 0:
            yield from self._items(place, item.inside, level + 1)
        elif self.unfold and isinstance(row, ScopeRow):
            yield from self.lines(self.walker.called(place, item.node), level + 1)

    def _merged(self, place: Place, items: list[_Item], level: int) -> Line:
        first, last = self._row(place, items[0]), self._row(place, items[-1])
        params, macs = self._sums(place, items)
        return Line(level, first, last, len(items), params, macs)

    def _sums(self, place: Place, items: list[_Item]) -> tuple[int, int]:
        """Parameters and MACs of items that stand one after another."""
        body = self.walker.graph.bodies[place.index]
        end = items[-1]
        last = end.node + 1 if end.scope < 0 else body.scopes[end.scope].last
        parts = self.walker.measures.parts(place.index, -1)
        counts = self.walker.measures.sum_of(place.index, parts, items[0].node, last)
        return counts.params, counts.macs

    def _row(self, place: Place, item: _Item) -> Row:
        if item.scope >= 0:
            return self.walker.group(place, item.scope)
        body = self.walker.graph.bodies[place.index]
        owned = self._owned(place, body, item.node)
        if body.nodes[item.node].op < 0:
            return self.walker.call(place, item.node, owned)
        return self.walker.layer(place, item.node, owned)

    def _owned(self, place: Place, body: Body, n: int) -> bool:
        """Is it the first use of its module?"""
        shared = self.walker.measures.shared(place.index)
        module = body.nodes[n].module or body.nodes[n].name
        if module not in shared:
            return place.owned
        first = next(i for i, m in enumerate(body.nodes) if (m.module or m.name) == module)
        return place.owned and first == n


def _cycle(signs: list[int], i: int) -> tuple[int, int]:
    """The shortest pattern that repeats from place i on: its length, and how often it stands there.

    (1, 1) where none does.
    """
    count = len(signs)
    for length in range(1, min(LONGEST_CYCLE, (count - i) // 2) + 1):
        if signs[i] != signs[i + length]:
            continue
        run = 0
        while i + length + run < count and signs[i + run] == signs[i + length + run]:
            run += 1
        times = run // length + 1
        if times >= (2 if length == 1 else FEWEST_TURNS):
            return length, times
    return 1, 1


__all__ = ["LayerRow", "Line", "Row", "ScopeRow", "outline"]
