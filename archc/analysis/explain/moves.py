"""One output unit of layers that join values, move units, or read between them."""

from __future__ import annotations

from itertools import product as every
from math import prod
from typing import Any

from ...ops.windows import Geometry, Place, Sample, Shift
from .board import Worked, added, shown
from .numbers import Number, Tensor, whole
from .places import inside


def moved(op: Any, inputs: list[Tensor], channel: int, at: tuple[int, ...]) -> Worked | None:
    """The unit, or None where the layer does something else."""
    x = inputs[0]
    if op.op == "fuse":
        return _fuse(op, inputs, channel, at)
    if op.op == "upsample" and op.by != "bicubic":
        return _resampled(op.reads(*(t.shape for t in inputs))[0], x, channel, at)
    if op.op in ("pad", "crop"):
        return _bordered(op, inputs, channel, at)
    index = _origin(op, x.shape, channel, at)
    if index is None:
        return None
    said = ("it is of the first of the parts",) if op.op == "split" else ()
    return _taken(x, index, said)


def _taken(x: Tensor, index: tuple[int, ...], said: tuple[str, ...] = ()) -> Worked:
    value = x[index]
    where = f"unit ({', '.join(map(str, index[1:]))}) of " if len(index) > 1 else ""
    kind = "channel" if len(index) > 1 else "feature"
    return (f"{where}{kind} {index[0]} = {shown(value)}",), value, said


# ---------------------------------------------------------------------------- joined


def _fuse(op: Any, inputs: list[Tensor], channel: int, at: tuple[int, ...]) -> Worked:
    said = ("every further input counts one later",) if len(inputs) > 1 else ()
    if op.by == "concat":
        for i, x in enumerate(inputs):
            if channel < x.shape[0]:
                value = x[(channel, *at)]
                return (f"channel {channel} of input {i} = {shown(value)}",), value, said
            channel -= x.shape[0]
    values = []
    for x in inputs:
        index = [0 if n == 1 else i for i, n in zip((channel, *at), x.shape, strict=True)]
        values.append(x[tuple(index)])
    result: Number
    if op.by == "product":
        result, text = prod(values), " · ".join(map(shown, values))
    elif op.by == "max":
        result, text = max(values), f"max({', '.join(map(shown, values))})"
    elif op.by == "difference":
        result, text = values[0] - sum(values[1:]), " - ".join(map(shown, values))
    elif op.by == "mean":
        result, text = sum(values) / len(values), f"({added(values)}) / {len(values)}"
    else:
        result, text = sum(values), added(values)
    result = whole(result)
    return (f"{text} = {shown(result)}",), result, said


# ---------------------------------------------------------------------------- moved


def _origin(
    op: Any, x: tuple[int, ...], channel: int, at: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Index of the input unit that is moved here; None for other layers."""
    if op.op in ("flatten", "unflatten"):
        place = channel
        for n, i in zip(getattr(op, "to", ())[1:], at, strict=False):
            place = place * n + i
        index: list[int] = []
        for n in reversed(x):
            place, i = divmod(place, n)
            index.insert(0, i)
        return tuple(index)
    if op.op == "channel_shuffle":
        each = x[0] // op.groups
        return (channel % op.groups * each + channel // op.groups, *at)
    if op.op == "split":
        return (channel, *at)  # the first part
    if op.op == "pixel_shuffle":
        f = op.factor
        return ((channel * f + at[0] % f) * f + at[1] % f, at[0] // f, at[1] // f)
    return None


def _bordered(op: Any, inputs: list[Tensor], channel: int, at: tuple[int, ...]) -> Worked:
    """Padding and cropping: the unit that stands here, or what the border is filled with."""
    x = inputs[0]
    geometries = op.reads(*(t.shape for t in inputs))[0]
    before = 0
    if getattr(op, "over", None) == "channels":
        before = op.amounts if isinstance(op.amounts, int) else op.amounts[0]
    mode = getattr(op, "by", "zeros")
    read: list[int | None] = [inside(channel - before, x.shape[0], "zeros")]
    for g, u, n in zip(geometries, at, x.shape[1:], strict=True):
        low = g.lo if isinstance(g, (Shift, Place)) else 0
        read.append(inside(u - low, n, mode))
    index = tuple(i for i in read if i is not None)
    if len(index) < len(read):
        value: Number = whole(getattr(op, "value", 0))
        return (f"in the border: {shown(value)}",), value, ()
    return _taken(x, index)


# ---------------------------------------------------------------------------- between units


def _resampled(
    geometries: tuple[Geometry, ...], x: Tensor, channel: int, at: tuple[int, ...]
) -> Worked:
    """The nearest unit, or a mean of the neighbours of the place by how near they are."""
    axes = [_around(g, u, n) for g, u, n in zip(geometries, at, x.shape[1:], strict=True)]
    if all(len(axis) == 1 for axis in axes):
        return _taken(x, (channel, *(axis[0][0] for axis in axes)))
    terms, result = [], 0.0
    for corner in every(*axes):
        share = prod(weight for _, weight in corner)
        value = x[(channel, *(i for i, _ in corner))]
        result += share * value
        terms.append(f"{shown(whole(share))} · {shown(value)}")
    done = whole(result)
    return (f"{' + '.join(terms)} = {shown(done)}",), done, ()


def _around(geometry: Geometry, unit: int, n: int) -> list[tuple[int, float]]:
    """The units of an axis that an output unit is read from, and the share of each."""
    assert isinstance(geometry, Sample)  # of every upsampling
    place = geometry.num * unit + geometry.shift
    if geometry.taps == 1:
        return [(min(place // geometry.den, n - 1), 1.0)]
    place = max(place, 0)
    first, rest = divmod(place, geometry.den)
    first = min(first, n - 1)
    share = rest / geometry.den
    if not rest or first == n - 1:
        return [(first, 1.0)]
    return [(first, 1 - share), (first + 1, share)]
