"""One output unit of a pooling layer: the window, and its maximum, average or sum."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product as every
from math import prod

from ...ops.pool import Pool
from ...ops.windows import Adaptive, Geometry, Window
from .board import Plane, added, bounded, shown
from .numbers import Number, Tensor, whole


def pooled(
    op: Pool, x: Tensor, channel: int, at: tuple[int, ...]
) -> tuple[tuple[Plane, ...], tuple[str, ...], Number]:
    """The window's planes, the steps in words, and the result. Raises `CellError`.

    A maximum is taken of what is inside the input. An average divides by the units of the window:
    those of the padding count unless `count_pad` is false, those beyond it (with `ceil`) never.
    """
    sizes = x.shape[1:]
    axes = op.axes(x.shape)
    taps = [_taps(g, u, n) for g, u, n in zip(axes, at, sizes, strict=True)]
    planes, inside = _planes(x, channel, bounded(taps, prod(len(t) for t in taps)))
    if op.by == "max":
        best = max(inside)
        return planes, (f"max  the largest of {len(inside)}: {shown(best)}",), best
    total = whole(sum(inside))
    step = f"sum  {added(inside)} = {shown(total)}"
    if op.by == "sum":
        return planes, (step,), total
    counts = [_counted(g, u, n, op.counts_pad) for g, u, n in zip(axes, at, sizes, strict=True)]
    count = prod(counts)
    result = whole(total / count)
    factors = " · ".join(map(str, counts))
    head = f"avg  {shown(total)} / ({factors}) = {shown(result)}"
    skipped = sum(flag for plane in planes for row in plane.outside for flag in row)
    if skipped:
        head += ", with the padding" if op.counts_pad else ", without the padding"
    return planes, (step, head), result


def _taps(geometry: Geometry, unit: int, n: int) -> list[int | None]:
    """The places of an axis in the window, None for those outside of the input."""
    if isinstance(geometry, Window):
        start = unit * geometry.stride - geometry.lo
        places = [
            start + geometry.dilation * k for k in bounded(range(geometry.kernel), geometry.kernel)
        ]
        return [i if 0 <= i < n else None for i in places]
    if isinstance(geometry, Adaptive):
        low, high = geometry.reads(unit, unit)
        return list(bounded(range(low, high + 1), high - low + 1))
    return list(bounded(range(n), n))


def _counted(geometry: Geometry, unit: int, n: int, padding: bool) -> int:
    """Units of an axis that an average divides by."""
    if not isinstance(geometry, Window) or not padding:
        return sum(i is not None for i in _taps(geometry, unit, n))
    start = unit * geometry.stride - geometry.lo
    return min(start + geometry.kernel, n + geometry.hi) - start


def _planes(
    x: Tensor, channel: int, along: Iterable[list[int | None]]
) -> tuple[tuple[Plane, ...], list[Number]]:
    """The window as planes (one for each slice, over three axes), and what is inside of it."""
    taps = list(along)
    rows = taps[-2] if len(taps) > 1 else [0]
    found: list[Plane] = []
    inside: list[Number] = []
    for outer in every(*taps[:-2]):
        values, outside = [], []
        for row in rows:
            places = [[*outer, *([row] if len(taps) > 1 else []), i] for i in taps[-1]]
            line: list[Number] = []
            for place in places:
                index = tuple(i for i in place if i is not None)
                read = len(index) == len(place)
                line.append(x[(channel, *index)] if read else 0)
                inside += line[-1:] if read else []
            values.append(tuple(line))
            outside.append(tuple(None in place for place in places))
        name = f"channel {channel}" + "".join(f", slice {i}" for i in outer)
        found.append(Plane(name, tuple(values), tuple(outside)))
    return tuple(found), inside
