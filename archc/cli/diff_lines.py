"""The changes of a diff as lines: blocks that come or go as a whole are one, repetitions are said
once, and so is what happened to many layers alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from ..analysis import Report, ScopeRow
from ..analysis.cells import applied, clean, size
from ..analysis.diff import Change, Difference, silent
from ..analysis.diff_layers import Flat, Layer

MARKS = {"added": "+", "removed": "-", "changed": "~", "renamed": "=", "follows": ">"}


class Line(NamedTuple):
    """Some changes of one kind: what is said of them, and their sums."""

    kind: str
    name: str
    what: str
    shape: str
    params: int
    macs: int


def lines(found: Difference, unfold: bool = False) -> list[Line]:
    """The lines of a difference; `unfold`: one for each layer."""
    if unfold:
        return [_single(change) for change in found.changes]
    folded = _Folded(found)
    made: list[Line] = []
    for kind, run in groupby(_together(found.changes), key=lambda change: change.kind):
        made += folded.run(kind, list(run))
    return made


def _together(changes: list[Change]) -> list[Change]:
    """Changes of the same sort and layers that only follow stand behind what they follow from."""
    first: dict[object, int] = {}
    place = [first.setdefault(_sort(change), n) for n, change in enumerate(changes)]
    return [changes[n] for n in sorted(range(len(changes)), key=lambda n: (place[n], n))]


def _sort(change: Change) -> object:
    """Equal for changes that are said together, wherever they stand."""
    if change.kind == "changed":
        return "changed", change.details, stem(_path(change))
    if change.kind == "follows":
        return "follows"
    return change.kind, id(change)


class _Folded:
    def __init__(self, found: Difference) -> None:
        self._added = _Whole(found.b, set(range(len(found.b.layers))) - set(found.pairs.values()))
        self._removed = _Whole(found.a, set(range(len(found.a.layers))) - set(found.pairs))

    def run(self, kind: str, changes: list[Change]) -> Iterator[Line]:
        """Lines of neighbouring changes of one kind."""
        if kind == "added":
            yield from self._added.lines(kind, [c.after for c in changes if c.after is not None])
        elif kind == "removed":
            yield from self._removed.lines(
                kind, [c.before for c in changes if c.before is not None]
            )
        elif kind == "renamed":
            yield from _renamed(changes)
        elif kind == "follows":
            yield from _follows(changes)
        else:
            for _, group in groupby(changes, key=_sort):
                yield _alike(list(group))


# ---------------------------------------------------------------------------- added, removed


class _Whole:
    """Finds the branches of a network that come or go as a whole."""

    def __init__(self, flat: Flat, these: set[int]) -> None:
        self.report: Report = flat.report
        self._all: dict[tuple[str, ...], int] = {}
        self._these: dict[tuple[str, ...], int] = {}
        for layer in flat.layers:
            if silent(layer):
                continue
            for n in range(1, len(layer.names) + 1):
                branch = layer.names[:n]
                self._all[branch] = self._all.get(branch, 0) + 1
                if layer.index in these:
                    self._these[branch] = self._these.get(branch, 0) + 1
        self._scopes: dict[str, ScopeRow] | None = None

    def lines(self, kind: str, layers: list[Layer]) -> Iterator[Line]:
        """Lines of layers that are all added, or all removed."""
        branches: dict[tuple[str, ...], list[Layer]] = {}
        for layer in layers:
            branches.setdefault(self._branch(layer.names), []).append(layer)
        alike: dict[object, list[tuple[tuple[str, ...], list[Layer]]]] = {}
        for branch, part in branches.items():
            alike.setdefault((_counted(branch), _written(part)), []).append((branch, part))
        sign = -1 if kind == "removed" else 1
        for some in alike.values():
            every = [layer for _, part in some for layer in part]
            first, last = some[0][0], some[-1][0]
            yield Line(
                kind,
                _range(".".join(first), ".".join(last), len(some)),
                self._doing(first, some[0][1]),
                self._shape(last, some[-1][1]),
                sign * sum(layer.row.params for layer in every),
                sign * sum(layer.row.macs for layer in every),
            )

    def _branch(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The outermost branch around a layer that is wholly among them."""
        for n in range(1, len(names)):
            if self._all[names[:n]] == self._these[names[:n]]:
                return names[:n]
        return names

    def _doing(self, branch: tuple[str, ...], layers: list[Layer]) -> str:
        if len(layers) == 1 and layers[0].names == branch:
            return applied(layers[0].row)
        scope = self._scope(branch)
        return applied(scope) if scope is not None and scope.calls else _layers(len(layers))

    def _shape(self, branch: tuple[str, ...], layers: list[Layer]) -> str:
        scope = self._scope(branch)
        return size(layers[-1].row.shape if scope is None else scope.shape)

    def _scope(self, branch: tuple[str, ...]) -> ScopeRow | None:
        if self._scopes is None:
            self._scopes = {scope.path: scope for scope in self.report.scopes()}
        return self._scopes.get(".".join(branch))


def _counted(branch: tuple[str, ...]) -> str:
    """Equal for those that only numbers tell apart: entries of a list, iterations."""
    return stem(".".join(branch))


def _written(layers: list[Layer]) -> tuple[int, ...]:
    return tuple([layer.text for layer in layers])


# ---------------------------------------------------------------------------- the others


def _alike(changes: list[Change]) -> Line:
    """Layers to which the same happened."""
    first, last = changes[0], changes[-1]
    name = _range(_path(first), _path(last), len(changes))
    if first.new_name and len(changes) == 1:
        name = f"{_path(first, before=True)} → {name}"
    what = "; ".join(f"{d.what} {d.before} → {d.after}" for d in first.details)
    return _line("changed", name, what, changes)


def _renamed(changes: list[Change]) -> Iterator[Line]:
    """Branches under a new name, then numbers that moved."""
    for _, group in groupby(_groups(changes), key=lambda g: (stem(g[0]), stem(g[1]), len(g[2]))):
        some = list(group)
        every = [change for _, _, part in some for change in part]
        old = _range(some[0][0], some[-1][0], len(some), times=False)
        new = _range(some[0][1], some[-1][1], len(some))
        single = len(every) == len(some)
        what = _doing(every[0]) if single else _layers(len(every))
        yield _line("renamed", f"{old} → {new}", what, every)


def _groups(changes: list[Change]) -> Iterator[tuple[str, str, list[Change]]]:
    """Renamed layers by the old and new name of the outermost branch that was renamed."""
    found: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        found.setdefault(_branches(change), []).append(change)
    for (old, new), part in found.items():
        if len(part) == 1:
            old, new = _path(part[0], before=True), _path(part[0])
        yield old, new, part


def _branches(change: Change) -> tuple[str, str]:
    """Both names, without the ends that they share."""
    assert change.before is not None and change.after is not None
    old, new = change.before.names, change.after.names
    n = 0
    while n < min(len(old), len(new)) - 1 and old[-1 - n] == new[-1 - n]:
        n += 1
    return ".".join(old[: len(old) - n]), ".".join(new[: len(new) - n])


def _follows(changes: list[Change]) -> Iterator[Line]:
    """Layers that are written as before, by the branch that they stand in."""
    for scope, group in groupby(changes, key=lambda change: _path(change).split(".")[:-1][:2]):
        some = list(group)
        if not scope and len(some) > 1:
            yield from (_line("follows", _path(one), _doing(one), [one]) for one in some)
            continue
        name = _path(some[0]) if len(some) == 1 else ".".join(scope)
        what = _doing(some[0]) if len(some) == 1 else _layers(len(some))
        yield _line("follows", name, what, some)


# ---------------------------------------------------------------------------- parts


def _single(change: Change) -> Line:
    """A layer alone."""
    name = _path(change)
    if change.new_name:
        name = f"{_path(change, before=True)} → {name}"
    what = "; ".join(f"{d.what} {d.before} → {d.after}" for d in change.details)
    return _line(change.kind, name, what or _doing(change), [change])


def _line(kind: str, name: str, what: str, changes: Sequence[Change]) -> Line:
    params, macs = sum(c.params for c in changes), sum(c.macs for c in changes)
    return Line(kind, clean(name), what, _shapes(changes[-1]), params, macs)


def _shapes(change: Change) -> str:
    """What the layer gives, before and after."""
    before, after = (
        None if layer is None else size(layer.row.shape) for layer in (change.before, change.after)
    )
    if before is None or after is None or before == after:
        return after or before or ""
    channels, _, axes = before.partition(" x ")
    only_channels = axes == after.partition(" x ")[2]
    return f"{channels if only_channels else before} → {after}"


def _doing(change: Change) -> str:
    layer = change.after or change.before
    assert layer is not None
    return applied(layer.row)


def _path(change: Change, before: bool = False) -> str:
    layer = change.before if before or change.after is None else change.after
    return layer.path if layer is not None else ""


def stem(path: str) -> str:
    """A path without its numbers."""
    return re.sub(r"\d+", "#", path)


def _range(first: str, last: str, count: int, times: bool = True) -> str:
    """`layer3.2 … 5  ×4`, as in the table of `archc check`."""
    first, last = clean(first), clean(last)
    if first == last:
        return first
    scope, _, name = last.rpartition(".")
    end = name if first.rpartition(".")[0] == scope else last
    return f"{first} … {end}" + (f"  ×{count}" if times else "")


def _layers(count: int) -> str:
    return "1 layer" if count == 1 else f"{count:,} layers"


def counted(changes: Iterable[Change]) -> str:
    """`3 layers added, 1 changed`, for a headline."""
    said: list[str] = []
    kinds: list[str] = [change.kind for change in changes]
    words = {"follows": "with other shapes"}
    for kind in MARKS:
        count = kinds.count(kind)
        if count:
            noun = "" if said else (" layer" if count == 1 else " layers")
            said.append(f"{count:,}{noun} {words.get(kind, kind)}")
    return ", ".join(said)
