"""Elementwise work: the floating point operations that are no multiply-accumulates of weights.

Definition, at inference: one operation for each addition, multiplication, division, comparison and
function value (a square root, an exponential, a sigmoid) of a real number.

| layer | operations |
|---|---|
| bias | 1 for each output unit |
| batchnorm | 2 for each unit: its scale and shift are constants at inference |
| other norms | 5 for each unit, statistics included, and 2 more if there is a scale and shift |
| lrn | 5 for each unit, and one for each channel that is looked at |
| pool | one for each unit that a window holds; averages 1 more for each output unit |
| fuse | one for each value beyond the first, and 1 for a mean; nothing to concatenate |
| interpolation | 2 for each unit that is read and each axis (nearest: none) |
| softmax | 3 for each unit |
| relu, relu6 | 1, 2 for each unit; other activations 1 for each operation of their formula |

Views, copies, borders and what does nothing at inference count as nothing.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ..ops import Op

Shape = tuple[int, ...]

ACTIVATIONS = {
    "relu": 1,  # a comparison
    "relu6": 2,
    "leaky_relu": 2,
    "prelu": 2,
    "elu": 4,  # comparison, exponential, difference, product
    "gelu": 4,  # scaled argument, error function, sum, product
    "silu": 2,  # sigmoid and product
    "hardswish": 5,
    "hardsigmoid": 4,
    "sigmoid": 1,
    "tanh": 1,
    "scaled_tanh": 3,
    "softplus": 5,
    "exp": 1,
    "softmax": 3,
    "scale": 1,
}
"""Operations for each unit."""

_TAPS = {"linear": 2, "bilinear": 2, "trilinear": 2, "bicubic": 4}


def elementwise(op: Op, inputs: list[Shape], outputs: list[Shape]) -> int:
    """Operations of one sample besides those of multiply-accumulates."""
    units = prod(outputs[0])
    each = ACTIVATIONS.get(op.op)
    if each is not None:
        return each * units
    if op.weighty:
        if op.op == "rbf":
            return units * prod(inputs[0])  # the differences; squares and sums are its MACs
        return units if getattr(op, "has_bias", False) else 0
    return _others(op, inputs, units)


def _others(op: Any, inputs: list[Shape], units: int) -> int:
    learned = 2 * units if getattr(op, "affine", False) else 0
    if op.op == "batchnorm":
        return 2 * units if op.track_stats else 5 * units + learned
    if op.op in ("layernorm", "groupnorm", "instancenorm"):
        return 5 * units + learned
    if op.op == "lrn":
        return (5 + int(op.size)) * units
    if op.op == "pool":
        return _pooled(op, inputs[0], units)
    if op.op == "fuse":
        joins = 0 if op.by == "concat" else len(inputs) - 1
        return (joins + (1 if op.by == "mean" else 0)) * units
    if op.op == "maxout":
        return prod(inputs[0])
    if op.op == "upsample":
        return 2 * _TAPS.get(op.by, 0) * (len(inputs[0]) - 1) * units
    if op.op == "roi_align":
        return units * 9 * int(op.samples) ** 2  # bilinear samples, and their mean
    return 0


def _pooled(op: Any, x: Shape, units: int) -> int:
    if op.kernel == "global" or op.to is not None:
        return prod(x) + (units if op.by == "avg" else 0)
    taps: int = prod(w.kernel for w in op.axes(x))
    return units * (taps + (1 if op.by == "avg" else 0))
