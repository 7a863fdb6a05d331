"""One output unit of layers without windows: activations, norms, what joins and moves values."""

from __future__ import annotations

from math import erf, exp, log1p, pi, prod, sqrt, tanh
from typing import Any

from ...ops import Op
from ...ops.windows import Shift
from .board import added, shown
from .numbers import CellError, Number, Tensor, weight_of, whole

Worked = tuple[tuple[str, ...], Number, tuple[str, ...]]
"""The steps in words, the result, and what is said of the numbers."""


def function(op: Op, inputs: list[Tensor], channel: int, at: tuple[int, ...]) -> Worked:
    """The unit of an operator that has no window. Raises `CellError` where it is not worked out."""
    kind = op.op
    if kind == "fuse":
        return _fuse(op, inputs, channel, at)
    if kind == "maxout":
        return _maxout(op, inputs[0], channel, at)
    if kind == "softmax":
        return _softmax(op, inputs[0], channel, at)
    if kind in ("batchnorm", "scale", "prelu"):
        return _scaled(op, inputs[0], channel, at)
    if kind in ("dropout", "drop_path", "identity"):
        x = inputs[0][(channel, *at)]
        said = () if kind == "identity" else ("at inference it changes nothing",)
        return (f"x = {shown(x)}",), x, said
    if kind in _POINTWISE:
        x = inputs[0][(channel, *at)]
        text, result = _POINTWISE[kind](op, float(x) if isinstance(x, float) else x)
        result = whole(result)
        return (f"{text} = {shown(result)}",), result, ()
    moved = _moved(op, inputs[0], channel, at)
    if moved is not None:
        return moved
    raise CellError(
        f"a unit of `{kind}` is not worked out by --at",
        "it is for conv, conv_transpose, locally_connected, pool, linear, activations, batchnorm, "
        "and layers that join or move units",
    )


# ---------------------------------------------------------------------------- activations


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


def _normal(x: float) -> float:
    """The normal distribution function."""
    return (1 + erf(x / sqrt(2))) / 2


def _relu(op: Any, x: Number) -> tuple[str, Number]:
    return f"max({shown(x)}, 0)", max(x, 0)


def _relu6(op: Any, x: Number) -> tuple[str, Number]:
    return f"min(max({shown(x)}, 0), 6)", min(max(x, 0), 6)


def _leaky(op: Any, x: Number) -> tuple[str, Number]:
    if x >= 0:
        return f"{shown(x)} is not negative, so it stays: x", x
    return f"{shown(op.slope)} · ({shown(x)})", op.slope * x


def _elu(op: Any, x: Number) -> tuple[str, Number]:
    if x > 0:
        return f"{shown(x)} is positive, so it stays: x", x
    return f"{shown(op.alpha)} · (exp({shown(x)}) - 1)", op.alpha * (exp(x) - 1)


def _gelu(op: Any, x: Number) -> tuple[str, Number]:
    if op.approximate == "tanh":
        inner = sqrt(2 / pi) * (x + 0.044715 * x**3)
        return (
            f"{shown(x)} / 2 · (1 + tanh(sqrt(2 / π) · (x + 0.044715·x³)))",
            x / 2 * (1 + tanh(inner)),
        )
    return f"{shown(x)} · Φ({shown(x)})", x * _normal(x)


def _silu(op: Any, x: Number) -> tuple[str, Number]:
    return f"{shown(x)} · sigmoid({shown(x)})", x * _sigmoid(x)


def _hardswish(op: Any, x: Number) -> tuple[str, Number]:
    s = shown(x)
    return f"{s} · min(max({s} + 3, 0), 6) / 6", x * min(max(x + 3, 0), 6) / 6


def _hardsigmoid(op: Any, x: Number) -> tuple[str, Number]:
    return f"min(max({shown(x)} + 3, 0), 6) / 6", min(max(x + 3, 0), 6) / 6


def _logistic(op: Any, x: Number) -> tuple[str, Number]:
    return f"1 / (1 + exp(-({shown(x)})))", _sigmoid(x)


def _tanh(op: Any, x: Number) -> tuple[str, Number]:
    return f"tanh({shown(x)})", tanh(x)


def _scaled_tanh(op: Any, x: Number) -> tuple[str, Number]:
    text = f"{shown(op.amplitude)} · tanh({shown(op.slope)} · {shown(x)})"
    return text, op.amplitude * tanh(op.slope * x)


def _softplus(op: Any, x: Number) -> tuple[str, Number]:
    b = op.beta
    if b * x > op.threshold:
        return f"{shown(b)} · {shown(x)} is above {shown(op.threshold)}, so it is linear: x", x
    return f"log(1 + exp({shown(b)} · {shown(x)})) / {shown(b)}", log1p(exp(b * x)) / b


def _exp(op: Any, x: Number) -> tuple[str, Number]:
    if x > 700:
        raise CellError(f"exp({shown(x)}) is larger than any float")
    return f"exp({shown(x)})", exp(x)


_POINTWISE = {
    "relu": _relu,
    "relu6": _relu6,
    "leaky_relu": _leaky,
    "elu": _elu,
    "gelu": _gelu,
    "silu": _silu,
    "hardswish": _hardswish,
    "hardsigmoid": _hardsigmoid,
    "sigmoid": _logistic,
    "tanh": _tanh,
    "scaled_tanh": _scaled_tanh,
    "softplus": _softplus,
    "exp": _exp,
}


def _maxout(op: Any, x: Tensor, channel: int, at: tuple[int, ...]) -> Worked:
    group = [x[(channel * op.pieces + i, *at)] for i in range(op.pieces)]
    result = max(group)
    listed = ", ".join(map(shown, group))
    return (f"max({listed}) = {shown(result)}",), result, ()


def _softmax(op: Any, x: Tensor, channel: int, at: tuple[int, ...]) -> Worked:
    if op.over == "places":
        raise CellError("a unit of `softmax(over=places)` is not worked out by --at")
    values = [x[(c, *at)] for c in range(x.shape[0])]
    top = max(values)
    # Shifted by the largest, as everybody computes it: the quotient is the same.
    powers = [exp(v - top) for v in values]
    result = powers[channel] / sum(powers)
    exps = [f"exp({shown(v)})" for v in values]
    below = " + ".join(exps if len(exps) <= 6 else [*exps[:4], "...", exps[-1]])
    return (f"{exps[channel]} / ({below}) = {shown(result)}",), result, ()


# ---------------------------------------------------------------------------- learned factors


def _scaled(op: Any, x: Tensor, channel: int, at: tuple[int, ...]) -> Worked:
    """As it starts, since training is what changes it."""
    value = x[(channel, *at)]
    if op.op == "prelu":
        start = _begins(op, x, "weight", 0 if op.per == "layer" else channel, 0.25)
        if value >= 0:
            text, result = f"{shown(value)} is not negative, so it stays: x", value
        else:
            text, result = f"{shown(start)} · ({shown(value)})", start * value
        return (f"{text} = {shown(whole(result))}",), result, (f"the slope starts at {start}",)
    factor = _begins(op, x, "weight", channel, 1)
    if op.op == "scale":
        result = factor * value
        text = f"{shown(factor)} · {shown(value)} = {shown(whole(result))}"
        return (text,), result, (f"the factor starts at {shown(factor)}",)
    if not op.track_stats:
        raise CellError("a unit of `batchnorm(track_stats=false)` depends on the whole batch")
    shift = _begins(op, x, "bias", channel, 0)
    result = factor * (value / sqrt(1 + op.eps)) + shift
    text = (
        f"{shown(factor)} · ({shown(value)} - 0) / sqrt(1 + {op.eps:g}) + {shown(shift)} "
        f"= {shown(whole(result))}"
    )
    return (text,), result, ("running mean 0, variance 1, scale and shift are as they start",)


def _begins(op: Any, x: Tensor, tensor: str, index: int, usual: Number) -> Number:
    """Where an entry of a learned vector starts: as in PyTorch, unless the spec says."""
    if tensor not in op.weights(x.shape) or op.start(tensor) is None:
        return usual
    found = weight_of(op, x.shape, tensor)
    if found.about.startswith("is made up"):
        raise CellError(f"`{op.op}` starts at random ({op.start(tensor)})")
    return found[(index,)]


# ---------------------------------------------------------------------------- joined, moved


def _fuse(op: Any, inputs: list[Tensor], channel: int, at: tuple[int, ...]) -> Worked:
    said = ("every further input counts one later",) if len(inputs) > 1 else ()
    if op.by == "concat":
        at_channel = channel
        for i, x in enumerate(inputs):
            if at_channel < x.shape[0]:
                value = x[(at_channel, *at)]
                text = f"channel {at_channel} of input {i} = {shown(value)}"
                return (text,), value, said
            at_channel -= x.shape[0]
    values = []
    for x in inputs:
        index = [0 if n == 1 else i for i, n in zip((channel, *at), x.shape, strict=True)]
        values.append(x[tuple(index)])
    if op.by == "product":
        result: Number = prod(values)
        text = " · ".join(map(shown, values))
    elif op.by == "max":
        result, text = max(values), f"max({', '.join(map(shown, values))})"
    elif op.by == "difference":
        result = values[0] - sum(values[1:])
        text = " - ".join(map(shown, values))
    elif op.by == "mean":
        result = sum(values) / len(values)
        text = f"({added(values)}) / {len(values)}"
    else:
        result, text = sum(values), added(values)
    return (f"{text} = {shown(whole(result))}",), result, said


def _moved(op: Any, x: Tensor, channel: int, at: tuple[int, ...]) -> Worked | None:
    """Layers that only move units: where this one comes from."""
    index = _origin(op, x.shape, channel, at)
    if index is None:
        return None
    if not index:
        value: Number = whole(getattr(op, "value", 0))
        return (f"in the padding: {shown(value)}",), value, ()
    value = x[index]
    where = f"unit ({', '.join(map(str, index[1:]))}) of " if len(index) > 1 else ""
    return (f"{where}channel {index[0]} = {shown(value)}",), value, ()


def _origin(
    op: Any, x: tuple[int, ...], channel: int, at: tuple[int, ...]
) -> tuple[int, ...] | None:
    """Index of the input unit that is moved here, empty in the padding; None for other layers."""
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
        place = (channel * f + at[0] % f) * f + at[1] % f
        return (place, at[0] // f, at[1] // f)
    if op.op == "upsample" and op.by == "nearest" and op.to is None:
        geometries = op.reads(x)[0]
        return (channel, *(g.reads(u, u)[0] for g, u in zip(geometries, at, strict=True)))
    if op.op in ("pad", "crop") and op.to is None and getattr(op, "by", "zeros") == "zeros":
        return _bordered(op, x, channel, at)
    return None


def _bordered(op: Any, x: tuple[int, ...], channel: int, at: tuple[int, ...]) -> tuple[int, ...]:
    geometries = op.reads(x)[0]
    before = 0
    if getattr(op, "over", None) == "channels":
        before = op.amounts if isinstance(op.amounts, int) else op.amounts[0]
    low = [g.lo if isinstance(g, Shift) else 0 for g in geometries]
    index = (channel - before, *(u - lo for u, lo in zip(at, low, strict=True)))
    inside = all(0 <= i < n for i, n in zip(index, x, strict=True))
    return index if inside else ()
