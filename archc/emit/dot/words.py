"""Operators and blocks in the words of a figure: `conv 64@7×7 /2`, `max pool 3×3 /2`."""

from __future__ import annotations

from typing import Any

from ...graph import Body
from ...ops import Op, Shape

SYMBOLS = {
    "sum": "+",
    "concat": "‖",
    "product": "×",
    "difference": "−",
    "max": "max",
    "mean": "mean",
}
"""How a fuse is drawn."""

ATTACHED = ("norm", "activation", "regularize")
"""Families that stand in the box of the layer before them."""


def shape_text(shape: Shape) -> str:
    return "×".join(str(int(n)) for n in shape)


def sized(value: Any, rank: int) -> str:
    """A kernel: 3×3, 1×7, 3×3×3."""
    if isinstance(value, (tuple, list)):
        return "×".join(map(str, value))
    return "×".join([str(value)] * max(rank, 1))


def operator_text(op: Op, shape: Shape) -> str:
    """One operator in short, for an output of this shape."""
    rank = len(shape) - 1
    given = op.given()
    if op.op in ("conv", "conv_transpose", "locally_connected"):
        name = {"conv": "conv", "conv_transpose": "up-conv", "locally_connected": "local"}[op.op]
        text = f"{name} {shape[0]}@{sized(given.get('kernel', 1), rank)}"
        return text + _stride(given) + _extras(given)
    if op.op == "pool":
        by = given.get("by", "max")
        if given.get("kernel") == "global":
            return f"global {by} pool"
        if given.get("to") is not None:
            return f"{by} pool to {sized(given['to'], rank)}"
        return f"{by} pool {sized(given.get('kernel'), rank)}" + _stride(given)
    if op.op == "linear":
        return f"linear {given.get('features')}"
    if op.op == "upsample":
        way = str(given.get("by", "nearest"))
        return f"upsample ×{given['factor']}, {way}" if "factor" in given else f"upsample, {way}"
    if op.op == "dropout":
        return f"dropout {given.get('p', 0.5)}"
    if op.op == "lrn":
        return "lrn"
    return op.op.replace("_", " ")


def _stride(given: dict[str, Any]) -> str:
    stride = given.get("stride", 1)
    if stride in (1, None):
        return ""
    return f" /{stride}" if isinstance(stride, int) else f" /{sized(stride, 0)}"


def _extras(given: dict[str, Any]) -> str:
    parts = []
    if given.get("groups", 1) != 1:
        parts.append(f"groups {given['groups']}")
    if given.get("dilation", 1) != 1:
        parts.append(f"dilation {sized(given['dilation'], 0)}")
    if given.get("frozen"):
        parts.append("frozen")
    return ", " + ", ".join(parts) if parts else ""


def call_text(body: Body, limit: int = 40) -> str:
    """A call as in the source: `Bottleneck(64, stride=2)`; long arguments are left out."""
    shown = []
    for i, (name, value) in enumerate(body.args.items()):
        text = _value(value)
        if len(text) <= 16 and value is not False:
            shown.append(text if i == 0 else f"{name}={text}")
    text = f"{body.block}({', '.join(shown)})" if shown else body.block
    return text if len(text) <= limit else body.block


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return str(value)
