"""One output unit of norms and of layers with a learned factor per channel, as they start."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product as every
from math import prod, sqrt
from typing import Any

from .board import Worked, added, bounded, plus, shown
from .numbers import CellError, Number, Tensor, weight_of, whole


def batchnorm(op: Any, x: Tensor, channel: int, at: tuple[int, ...]) -> Worked:
    """At inference, with the running averages of the start."""
    if not op.track_stats:
        raise CellError(f"a unit of `{op.op}(track_stats=false)` depends on the whole batch")
    return _normal(op, x, channel, at, 0, 1, "running mean 0, variance 1")


def instancenorm(op: Any, x: Tensor, channel: int, at: tuple[int, ...]) -> Worked:
    """Over all places of the channel; with running averages as a batchnorm."""
    if op.track_stats:
        return batchnorm(op, x, channel, at)
    places = every(*map(range, x.shape[1:]))
    return _over(op, x, channel, at, [(channel, *place) for place in _some(x, places, 1)])


def groupnorm(op: Any, x: Tensor, channel: int, at: tuple[int, ...]) -> Worked:
    """Over all places of the channels of a group."""
    each = x.shape[0] // op.groups
    first = channel // each * each
    indices = every(range(first, first + each), *map(range, x.shape[1:]))
    return _over(op, x, channel, at, _some(x, indices, each))


def layernorm(op: Any, x: Tensor, channel: int, at: tuple[int, ...]) -> Worked:
    """Over all units, or over the channels of the place."""
    if op.over == "channels" or not at:
        return _over(op, x, channel, at, [(c, *at) for c in range(x.shape[0])])
    return _over(op, x, channel, at, _some(x, every(*map(range, x.shape)), x.shape[0]))


def _some(
    x: Tensor, indices: Iterable[tuple[int, ...]], channels: int
) -> Iterable[tuple[int, ...]]:
    return bounded(indices, channels * prod(x.shape[1:]))


def _over(
    op: Any, x: Tensor, channel: int, at: tuple[int, ...], indices: Iterable[tuple[int, ...]]
) -> Worked:
    """Mean and variance of some units, and the unit brought to mean 0 and variance 1 by them."""
    values = [x[index] for index in indices]
    count = len(values)
    mean = whole(sum(values) / count)
    variance = whole(sum((v - mean) ** 2 for v in values) / count)
    steps, result, said = _normal(op, x, channel, at, mean, variance, "")
    head = (
        f"mean  of {count:,} units: ({added(values)}) / {count} = {shown(mean)}",
        f"variance  the mean square of what is left: {shown(variance)}",
    )
    return (*head, *steps), result, said


def _normal(
    op: Any, x: Tensor, channel: int, at: tuple[int, ...], mean: Number, variance: Number, said: str
) -> Worked:
    """(x - mean) / sqrt(variance + eps), scaled and shifted as the layer starts."""
    value = x[(channel, *at)]
    index: tuple[int, ...] = (channel,)
    if op.op == "layernorm" and op.over == "all":
        index = (channel, *at)
    if variance + op.eps <= 0:
        raise CellError("the variance is 0, by which nothing can be divided")
    factor, shift = begins(op, x, "weight", index, 1), begins(op, x, "bias", index, 0)
    result = factor * ((value - mean) / sqrt(variance + op.eps)) + shift
    text = f"({shown(value)} {plus(-mean)}) / sqrt({shown(variance)} + {op.eps:g})"
    learned = "weight" in op.weights(x.shape)
    if learned:
        text = f"{shown(factor)} · {text} {plus(shift)}"
    notes = [said] if said else []
    if learned:
        notes.append(f"scale and shift start at {shown(factor)} and {shown(shift)}")
    return (f"{text} = {shown(whole(result))}",), result, tuple(notes)


def lrn(op: Any, x: Tensor, channel: int, at: tuple[int, ...]) -> Worked:
    """x / (k + alpha · mean square of the channels around)^beta. Krizhevsky et al. 2012."""
    low = max(channel - op.size // 2, 0)
    high = min(channel + (op.size - 1) // 2, x.shape[0] - 1)
    values = [x[(c, *at)] for c in range(low, high + 1)]
    energy = sum(v * v for v in values)
    value, base = x[(channel, *at)], op.k + op.alpha * energy / op.size
    if base <= 0:
        raise CellError(f"{shown(base)} has no power of {op.beta:g}")
    result = value / base**op.beta
    squares = " + ".join(f"{shown(v)}²" for v in values[:6]) + (" + ..." if len(values) > 6 else "")
    text = (
        f"{shown(value)} / ({op.k:g} + {op.alpha:g} · ({squares}) / {op.size})^{op.beta:g} "
        f"= {shown(whole(result))}"
    )
    return (text,), result, (f"it sees the channels {low} to {high}",)


# ---------------------------------------------------------------------------- learned factors


def scale(op: Any, x: Tensor, channel: int, at: tuple[int, ...]) -> Worked:
    """The factor of the channel times x."""
    value, factor = x[(channel, *at)], begins(op, x, "weight", (channel,), 1)
    result = whole(factor * value)
    text = f"{shown(factor)} · {shown(value)} = {shown(result)}"
    return (text,), result, (f"the factor starts at {shown(factor)}",)


def prelu(op: Any, x: Tensor, channel: int, at: tuple[int, ...]) -> Worked:
    """A leaky ReLU with the slope of the start."""
    value = x[(channel, *at)]
    slope = begins(op, x, "weight", (0 if op.per == "layer" else channel,), 0.25)
    said = (f"the slope starts at {shown(slope)}",)
    if value >= 0:
        return (f"{shown(value)} is not negative, so it stays",), value, said
    result = whole(slope * value)
    return (f"{shown(slope)} · ({shown(value)}) = {shown(result)}",), result, said


def rbf(op: Any, x: Tensor, channel: int, at: tuple[int, ...]) -> Worked:
    """The squared distance to the code of an output."""
    count = x.shape[0]
    codes = weight_of(op, x.shape)
    pairs = [(x[(i,)], codes[(channel, i)]) for i in bounded(range(count), count)]
    result = whole(sum((a - b) ** 2 for a, b in pairs))
    terms = [f"({shown(a)} {plus(-b)})²" for a, b in pairs]
    shown_terms = terms if len(terms) <= 8 else [*terms[:6], "...", terms[-1]]
    return (f"{' + '.join(shown_terms)} = {shown(result)}",), result, (f"the code {codes.about}",)


def begins(op: Any, x: Tensor, tensor: str, index: tuple[int, ...], usual: Number) -> Number:
    """Where an entry of a learned tensor starts: as in PyTorch, unless the spec says."""
    if tensor not in op.weights(x.shape) or op.start(tensor) is None:
        return usual
    found = weight_of(op, x.shape, tensor)
    if found.about.startswith("is made up"):
        raise CellError(f"the {tensor} of `{op.op}` starts at random ({op.start(tensor)})")
    return found[index]
