"""One output unit of layers without windows: activations here; norms and moves elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product as every
from math import erf, exp, log1p, pi, prod, sqrt, tanh
from typing import Any

from ...ops import Op
from .board import Worked, bounded, shown
from .moves import moved
from .norms import batchnorm, groupnorm, instancenorm, layernorm, lrn, prelu, rbf, scale
from .numbers import CellError, Number, Tensor, whole


def function(op: Op, inputs: list[Tensor], channel: int, at: tuple[int, ...]) -> Worked:
    """The unit of an operator that has no window. Raises `CellError` where it is not worked out."""
    kind, first = op.op, inputs[0]
    if kind in _OVER_CHANNELS:
        return _OVER_CHANNELS[kind](op, first, channel, at)
    if kind in ("dropout", "drop_path", "identity"):
        x = first[(channel, *at)]
        said = () if kind == "identity" else ("at inference it changes nothing",)
        return (f"x = {shown(x)}",), x, said
    if kind in _POINTWISE:
        text, result = _POINTWISE[kind](op, first[(channel, *at)])
        result = whole(result)
        return (f"{text} = {shown(result)}",), result, ()
    found = moved(op, inputs, channel, at)
    if found is not None:
        return found
    raise CellError(
        f"a unit of `{kind}` is not worked out by --at",
        "docs/explain.md says of which operators it is",
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
    return f"log(1 + exp({shown(b)} · {shown(x)})) / {shown(b)}", (
        max(b * x, 0) + log1p(exp(-abs(b * x)))
    ) / b


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
        places = every(*map(range, x.shape[1:]))
        values = [x[(channel, *place)] for place in bounded(places, prod(x.shape[1:]))]
    else:
        values = [x[(c, *at)] for c in range(x.shape[0])]
    here, top = x[(channel, *at)], max(values)
    # Shifted by the largest, as everybody computes it: the quotient is the same.
    result = exp(here - top) / sum(exp(v - top) for v in values)
    exps = [f"exp({shown(v)})" for v in values]
    below = " + ".join(exps if len(exps) <= 6 else [*exps[:4], "...", exps[-1]])
    return (f"exp({shown(here)}) / ({below}) = {shown(result)}",), result, ()


_OVER_CHANNELS: dict[str, Callable[[Any, Tensor, int, tuple[int, ...]], Worked]] = {
    "maxout": _maxout,
    "softmax": _softmax,
    "batchnorm": batchnorm,
    "instancenorm": instancenorm,
    "layernorm": layernorm,
    "groupnorm": groupnorm,
    "lrn": lrn,
    "scale": scale,
    "prelu": prelu,
    "rbf": rbf,
}
