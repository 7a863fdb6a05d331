"""Sets of sizes as people write them: `H % 16 == 0 and H >= 32`, in the words of .arch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .free_sets import Axis, Grid


class _Segment(NamedTuple):
    """Sizes first..last (None: without end); of those, which residues are in the set."""

    first: int
    last: int | None
    there: frozenset[int]
    chosen: frozenset[int]


def axis_text(axis: Axis, classes: Iterable[int]) -> str:
    """Some classes of a symbol's sizes as a condition; "" where it is all of them."""
    name, period = axis.name, axis.period
    segments = _segments(axis, set(classes))
    tail = segments[-1]
    rest = segments[:-1]
    while rest and all((r in tail.chosen) == (r in rest[-1].chosen) for r in rest[-1].there):
        tail = tail._replace(first=rest.pop().first)
    parts = _early(name, period, rest)
    if tail.chosen:
        first = min(_next(tail.first, r, period) for r in tail.chosen)
        bounded = any(_next(1, r, period) < first for r in tail.chosen)
        bound = f"{name} >= {first}" if bounded else ""
        residues = residues_text(name, period, tail.chosen)
        if bound and residues:
            both = f"{residues} and {bound}"
            residues = both if " or " not in residues else f"({residues}) and {bound}"
        parts.append(residues or bound)
    return " or ".join(parts) if parts else "false"


def _segments(axis: Axis, classes: set[int]) -> list[_Segment]:
    """The set between breakpoints."""
    there: dict[int, set[int]] = {start: set() for start in axis.starts}
    chosen: dict[int, set[int]] = {start: set() for start in axis.starts}
    last: dict[int, int | None] = {}
    starts = sorted(axis.starts, reverse=True)
    for index, cells in enumerate(axis.classes):
        for cell in cells:
            start = next(s for s in starts if s <= cell.first)
            last[start] = cell.last
            there[start].add(cell.first % axis.period)
            if index in classes:
                chosen[start].add(cell.first % axis.period)
    return [_Segment(s, last[s], frozenset(there[s]), frozenset(chosen[s])) for s in axis.starts]


def _early(name: str, period: int, segments: list[_Segment]) -> list[str]:
    """What stands before the regular part, in intervals."""
    runs: list[tuple[int, int, frozenset[int]]] = []
    for segment in segments:
        assert segment.last is not None
        if not segment.chosen:
            continue
        if segment.chosen == segment.there:
            _extend(runs, segment.first, segment.last)
        elif segment.last - segment.first < 2 * period:
            for n in range(segment.first, segment.last + 1):
                if n % period in segment.chosen:
                    _extend(runs, n, n)
        else:
            runs.append((segment.first, segment.last, segment.chosen))
    parts = []
    for first, last, residues in runs:
        text = _interval(name, first, last)
        which = residues_text(name, period, residues) if residues else ""
        if which:
            text += f" and ({which})" if " or " in which else f" and {which}"
        parts.append(text)
    return parts


def _extend(runs: list[tuple[int, int, frozenset[int]]], first: int, last: int) -> None:
    """Add an interval, joined with the one before it where they touch."""
    if runs and runs[-1][1] == first - 1 and not runs[-1][2]:
        runs[-1] = (runs[-1][0], last, frozenset())
    else:
        runs.append((first, last, frozenset()))


def _interval(name: str, first: int, last: int) -> str:
    if first == last:
        return f"{name} == {first}"
    return f"{name} <= {last}" if first == 1 else f"{first} <= {name} <= {last}"


def _next(start: int, residue: int, period: int) -> int:
    """The first size from `start` on with a residue."""
    return start + (residue - start) % period


def residues_text(name: str, period: int, residues: frozenset[int]) -> str:
    """Sizes by residues; "" where it is all of them."""
    for smaller in range(1, period + 1):
        if period % smaller == 0:
            folded = frozenset(r % smaller for r in residues)
            if len(folded) * (period // smaller) == len(residues):
                period, residues = smaller, folded
                break
    if len(residues) == period:
        return ""
    rest = f"{name} % {period}"
    if len(residues) == period - 1 and period > 2:
        (missing,) = set(range(period)) - residues
        return f"{rest} != {missing}"
    runs: list[list[int]] = []
    for r in sorted(residues):
        if runs and runs[-1][1] == r - 1:
            runs[-1][1] = r
        else:
            runs.append([r, r])
    return " or ".join(_run(rest, first, last, period) for first, last in runs)


def _run(rest: str, first: int, last: int, period: int) -> str:
    if first == last:
        return f"{rest} == {first}"
    if first == 0:
        return f"{rest} <= {last}"
    return f"{rest} >= {first}" if last == period - 1 else f"{first} <= {rest} <= {last}"


def set_text(grid: Grid, mask: int) -> str:
    """A set of combinations of sizes as a condition; "" where it is all, "false" where none."""
    points = grid.members(mask)
    if not points:
        return "false"
    sides = [sorted({p[i] for p in points}) for i in range(len(grid.axes))]
    count = 1
    for side in sides:
        count *= len(side)
    if count == len(points):
        return _joined([axis_text(a, s) for a, s in zip(grid.axes, sides, strict=True)])
    return " or ".join(_boxes(grid, points))


def _boxes(grid: Grid, points: Sequence[tuple[int, ...]]) -> list[str]:
    """A set that is no product, as a union of products: equal rows of the first symbol together."""
    rows: dict[int, list[tuple[int, ...]]] = {}
    for first, *rest in points:
        rows.setdefault(first, []).append(tuple(rest))
    groups: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for first, rests in rows.items():
        groups.setdefault(tuple(rests), []).append(first)
    inner = _Rest(grid)
    found = []
    for others, firsts in groups.items():
        head = axis_text(grid.axes[0], firsts)
        below = inner.text(others)
        found.append(_joined([head, below]))
    return [f"({text})" if " and " in text and len(found) > 1 else text for text in found]


class _Rest:
    """The symbols of a grid but the first."""

    def __init__(self, grid: Grid) -> None:
        self.axes = grid.axes[1:]

    def text(self, points: Sequence[tuple[int, ...]]) -> str:
        """A set of combinations of them."""
        sides = [sorted({p[i] for p in points}) for i in range(len(self.axes))]
        count = 1
        for side in sides:
            count *= len(side)
        if count == len(points):
            return _joined([axis_text(a, s) for a, s in zip(self.axes, sides, strict=True)])
        texts = []
        for point in points:
            each = [axis_text(a, [i]) for a, i in zip(self.axes, point, strict=True)]
            texts.append(f"({_joined(each)})")
        return " or ".join(texts)


def _joined(parts: Sequence[str]) -> str:
    """Conditions that must all hold."""
    kept = [part for part in parts if part]
    if len(kept) < 2:
        return "".join(kept)
    return " and ".join(f"({part})" if has_or(part) else part for part in kept)


def has_or(text: str) -> bool:
    """Is there an `or` outside of parentheses?"""
    depth = 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if depth == 0 and text.startswith(" or ", i):
            return True
    return False


__all__ = ["axis_text", "has_or", "residues_text", "set_text"]
