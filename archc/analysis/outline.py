"""A report as people read it: blocks folded to a line, groups as trees, repetitions said once.

Lines are made of what is shown only: a chain of 100,000 layers is compared by small numbers, and
folded before any row of it is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, Union

from ..graph import Body
from .measures import ALL, MAIN, SKIP
from .report import Report
from .rows import Place, Row, ScopeRow, labelled_scopes

LONGEST_CYCLE = 12
"""Stages of a repeated pattern that is still recognized."""
FEWEST_TURNS = 4
"""A pattern is folded from so many turns on; single equal stages from 2."""


class Line(NamedTuple):
    """A row of the table. `last` is that of the last of `times` equal ones, if there are several.

    `above`: the line stands for `times` further turns of so many lines above it; 0 where it does
    not. `inside`: path of the line that it stands under. Figures are sums over all.
    """

    level: int
    inside: str
    row: Row
    last: Row
    times: int
    params: int
    macs: int
    above: int = 0


class _Group:
    """A labelled group: its scope and its items, which are numbers of nodes, or groups.

    `same` is equal for groups that do the same to values of the same shapes, `alike` for those
    that are written the same, whatever the shapes.
    """

    __slots__ = ("alike", "items", "same", "scope", "start")

    def __init__(self, scope: int, start: int) -> None:
        self.scope = scope
        self.start = start
        self.items: list[_Item] = []
        self.same: object = None
        self.alike: object = None


_Item = Union[int, _Group]


def outline(report: Report, unfold: bool = False, opened: int = 0) -> Iterator[Line]:
    """The lines of a network. `unfold`: every block opened and nothing folded; otherwise blocks are
    opened down to the nesting depth `opened`."""
    maker = _Outline(report, unfold, opened)
    return maker.lines(report.walker.main_place(), 0, 0)


class _Outline:
    def __init__(self, report: Report, unfold: bool, opened: int) -> None:
        self.walker = report.walker
        self.unfold = unfold
        self.opened = opened
        self._written: dict[int, tuple[str, str]] = {}
        self._stems: dict[str, str] = {}

    def lines(self, place: Place, level: int, depth: int) -> Iterator[Line]:
        body = self.walker.graph.bodies[place.index]
        items = self._tree(place, body)
        turns = self._turns(place, items)
        yield from self._items(place, items, turns, place.path, level, depth)

    # ------------------------------------------------------------------ items

    def _tree(self, place: Place, body: Body) -> list[_Item]:
        """The items of a body, groups nested by the nodes that they span."""
        groups = labelled_scopes(body)
        if not groups:
            return list(range(len(body.nodes)))
        top: list[_Item] = []
        open_: list[tuple[int, _Group, list[_Item]]] = []
        into, at = top, 0
        for n in range(len(body.nodes)):
            while open_ and open_[-1][0] <= n:
                _, group, into = open_.pop()
                self._sign(place, group)
            while at < len(groups) and body.scopes[groups[at]].first <= n:
                group = _Group(groups[at], n)
                into.append(group)
                open_.append((body.scopes[groups[at]].last, group, into))
                into = group.items
                at += 1
            into.append(n)
        while open_:
            self._sign(place, open_.pop()[1])
        return top

    def _sign(self, place: Place, group: _Group) -> None:
        """A group does what its items do."""
        group.same = tuple([self._same(place, item) for item in group.items])
        group.alike = tuple([self._alike(place, item) for item in group.items])

    def _same(self, place: Place, item: _Item) -> object:
        """Equal for items that do the same to values of the same shapes."""
        if not isinstance(item, int):
            return item.same
        node = self.walker.graph.bodies[place.index].nodes[item]
        does = node.body if node.op < 0 else id(self.walker.facts[place.index][item])
        return does, node.module, self._parts(place)[item] == SKIP

    def _alike(self, place: Place, item: _Item) -> object:
        """Equal for items that are written the same, whatever the shapes."""
        if not isinstance(item, int):
            return item.alike
        node = self.walker.graph.bodies[place.index].nodes[item]
        does: object = node.op if node.op >= 0 else self._call(node.body)
        return does, node.module, self._parts(place)[item] == SKIP

    def _parts(self, place: Place) -> list[int]:
        return self.walker.measures.parts(place.index, MAIN)

    def _call(self, index: int) -> tuple[str, str]:
        """A called block as it is written."""
        found = self._written.get(index)
        if found is None:
            body = self.walker.graph.bodies[index]
            found = self._written[index] = (body.block, str(body.args))
        return found

    def _name(self, body: Body, item: _Item) -> str:
        return body.nodes[item].name if isinstance(item, int) else body.scopes[item.scope].path

    def _stem(self, name: str) -> str:
        """A name without its numbers: only names that count are folded."""
        start = name.rstrip("0123456789")
        found = self._stems.get(start)
        if found is None:
            found = self._stems[start] = re.sub(r"\d+", "#", start)
        return found

    # ------------------------------------------------------------------ turns

    def _turns(self, place: Place, items: list[_Item]) -> list[tuple[int, int, int]]:
        """(start, length, times) of the runs that repeat, and of the single items between them."""
        if self.unfold:
            return [(i, 1, 1) for i in range(len(items))]
        body = self.walker.graph.bodies[place.index]
        stems = [self._stem(self._name(body, item)) for item in items]
        same = _numbers([self._same(place, item) for item in items], stems)
        calls = [not isinstance(item, int) or body.nodes[item].op < 0 for item in items]
        alike = same
        if any(calls):
            alike = _numbers([self._alike(place, item) for item in items], stems)
        turns: list[tuple[int, int, int]] = []
        i = 0
        while i < len(items):
            length, times = _cycle(same, i, 2)
            if times == 1:
                # The shapes of plain layers are what a reader looks for; those of blocks vary.
                length, times = _cycle(alike, i, FEWEST_TURNS)
                if not any(calls[i : i + length]):
                    length, times = 1, 1
            turns.append((i, length, times))
            i += length * times
        return turns

    # ------------------------------------------------------------------ lines

    def _items(
        self,
        place: Place,
        items: list[_Item],
        turns: list[tuple[int, int, int]],
        inside: str,
        level: int,
        depth: int,
    ) -> Iterator[Line]:
        for start, length, times in turns:
            if times == 1:
                yield from self._item(place, items[start], inside, level, depth)
            elif length == 1:
                yield self._merged(place, items[start : start + times], inside, level)
            else:
                above = 0
                for item in items[start : start + length]:
                    for line in self._item(place, item, inside, level, depth):
                        above += 1
                        yield line
                rest = items[start + length : start + length * times]
                line = self._merged(place, rest, inside, level)
                yield line._replace(above=above, times=times - 1)

    def _item(
        self, place: Place, item: _Item, inside: str, level: int, depth: int
    ) -> Iterator[Line]:
        if isinstance(item, int):
            row = self._row(place, item)
            yield Line(level, inside, row, row, 1, row.params, row.macs)
            if isinstance(row, ScopeRow) and (self.unfold or depth < self.opened):
                yield from self.lines(self.walker.called(place, item), level + 1, depth + 1)
            return
        turns = self._turns(place, item.items)
        if len(turns) == 1 and turns[0][1] == 1 and not self.unfold:
            # A group of one item, or of one repeated, says nothing that its line does not.
            yield from self._items(place, item.items, turns, inside, level, depth)
            return
        row = self._row(place, item)
        yield Line(level, inside, row, row, 1, row.params, row.macs)
        yield from self._items(place, item.items, turns, row.path, level + 1, depth)

    def _merged(self, place: Place, items: list[_Item], inside: str, level: int) -> Line:
        first, last = self._row(place, items[0]), self._row(place, items[-1])
        body = self.walker.graph.bodies[place.index]
        begin, end = items[0], items[-1]
        start = begin if isinstance(begin, int) else begin.start
        stop = end + 1 if isinstance(end, int) else body.scopes[end.scope].last
        parts = self.walker.measures.parts(place.index, ALL)
        counts = self.walker.measures.sum_of(place.index, parts, start, stop)
        return Line(level, inside, first, last, len(items), counts.params, counts.macs)

    def _row(self, place: Place, item: _Item) -> Row:
        if not isinstance(item, int):
            return self.walker.group(place, item.scope)
        body = self.walker.graph.bodies[place.index]
        owned = self._owned(place, body, item)
        if body.nodes[item].op < 0:
            return self.walker.call(place, item, owned)
        return self.walker.layer(place, item, owned)

    def _owned(self, place: Place, body: Body, n: int) -> bool:
        """Is it the first use of its module?"""
        shared = self.walker.measures.shared(place.index)
        module = body.nodes[n].module or body.nodes[n].name
        if module not in shared:
            return place.owned
        first = next(i for i, m in enumerate(body.nodes) if (m.module or m.name) == module)
        return place.owned and first == n


def _numbers(signs: list[object], stems: list[str]) -> list[int]:
    """A small number for each distinct (sign, stem)."""
    known: dict[object, int] = {}
    return [known.setdefault(pair, len(known)) for pair in zip(signs, stems, strict=True)]


def _cycle(signs: list[int], i: int, fewest: int) -> tuple[int, int]:
    """The shortest pattern that repeats from place i on: its length, and how often it stands there.

    Single items count from `fewest` turns on, patterns from `FEWEST_TURNS`; (1, 1) where none does.
    """
    count = len(signs)
    for length in range(1, min(LONGEST_CYCLE, (count - i) // 2) + 1):
        if signs[i] != signs[i + length]:
            continue
        run = 0
        while i + length + run < count and signs[i + run] == signs[i + length + run]:
            run += 1
        times = run // length + 1
        if times >= (fewest if length == 1 else FEWEST_TURNS):
            return length, times
    return 1, 1
