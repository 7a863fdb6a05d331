"""Weights, multiply-accumulates and units of a layer, with the numbers put into the products."""

from __future__ import annotations

from math import prod

from ...graph import Shape
from ...ops import Op
from .model import Sum, TensorSum, Work, number, product, times, total


def work(op: Op, inputs: tuple[Shape, ...], out: Shape, owned: bool) -> Work:
    """The sums of one operator; `owned`: its weights are counted here."""
    x = inputs[0]
    tensors = tuple(_tensor(op, name, shape, x) for name, shape in op.weights(x).items())
    buffers = tuple(
        TensorSum(name, shape, product(*shape)) for name, shape in op.buffers(x).items()
    )
    weights = _together(tensors) if owned else Sum("0", 0)
    nothing = Sum("0", 0)
    return Work(
        tensors=tensors,
        buffers=buffers,
        params=nothing if op.is_frozen else weights,
        frozen=weights if op.is_frozen else nothing,
        buffered=_together(buffers) if owned else nothing,
        macs=_macs(op, inputs, out),
        neurons=product(*out),
    )


def _together(tensors: tuple[TensorSum, ...]) -> Sum:
    if not tensors:
        return Sum("0", 0)
    if len({t.sum.value for t in tensors}) == 1 and len(tensors) > 1:
        return total([t.sum.value for t in tensors])
    return Sum(" + ".join(t.sum.text for t in tensors), sum(t.sum.value for t in tensors))


# ---------------------------------------------------------------------------- weights


def _tensor(op: Op, name: str, shape: Shape, x: Shape) -> TensorSum:
    """One weight: its product and what its factors are."""
    shape = tuple(int(n) for n in shape)
    if name == "bias":
        return TensorSum(name, shape, product(*shape, about=_each(op, shape)))
    if op.op in ("conv", "conv_transpose"):
        return TensorSum(name, shape, _kernels(op, shape, x))
    if op.op == "locally_connected":
        rank = len(x) - 1
        taps, places = shape[2 : 2 + rank], shape[2 + rank :]
        text = f"({times(shape[0], *places)}) · ({times(shape[1], *taps)})"
        about = f"a kernel of its own for each of {times(shape[0], *places)} units"
        return TensorSum(name, shape, Sum(text, prod(shape), about))
    if op.op in ("linear", "rbf"):
        about = f"{shape[0]:,} sums over {shape[1]:,} features"
        if op.op == "rbf":
            about = f"{shape[0]:,} codes of {shape[1]:,} numbers"
        return TensorSum(name, shape, product(*shape, about=about))
    return TensorSum(name, shape, product(*shape, about=_each(op, shape)))


def _each(op: Op, shape: Shape) -> str:
    """What a vector of weights has one number for."""
    if op.op == "locally_connected" or len(shape) > 1:
        return "one for each unit"
    if shape == (1,) and op.op == "prelu":
        return "one for all channels"
    return "one for each channel" if op.op != "linear" else "one for each output"


def _kernels(op: Op, shape: Shape, x: Shape) -> Sum:
    """The weight of a convolution: kernels, channels that each sees, taps."""
    groups = getattr(op, "groups", 1)
    first, second, taps = shape[0], shape[1], shape[2:]
    size = " x ".join(map(str, taps))
    if groups == 1:
        text = f"{number(first)} · ({times(second, *taps)})"
        if op.op == "conv":
            about = f"{first:,} kernels, each of {second:,} channels x {size}"
        else:
            about = f"for each of {first:,} channels that come, {second:,} kernels of {size}"
        return Sum(text, prod(shape), about)
    whole = getattr(op, "channels", 0) if op.op == "conv_transpose" else int(x[0])
    text = f"{number(first)} · ({whole:,} / {groups} · {times(*taps)})"
    if op.op == "conv" and groups == x[0] == first:
        about = f"depthwise: one kernel of {size} for each channel"
    elif op.op == "conv":
        about = f"{first:,} kernels, each of {second:,} of the {whole:,} channels ({groups} groups)"
    else:
        about = f"{groups} groups: each channel reaches {second:,} of {whole:,}"
    return Sum(text, prod(shape), about)


# ---------------------------------------------------------------------------- work


def _macs(op: Op, inputs: tuple[Shape, ...], out: Shape) -> Sum:
    """Multiply-accumulates per sample."""
    x, value = inputs[0], int(op.macs(*inputs))
    if not value:
        about = "squared distances, which are no multiply-accumulates" if op.op == "rbf" else ""
        return Sum("0", 0, about)
    weight = tuple(int(n) for n in op.weights(x).get("weight", ()))
    if op.op == "conv":
        each = product(*weight[1:])
        about = f"each of {prod(out):,} units is a sum of {each.value:,} products"
        return Sum(f"({times(*out)}) · ({each.text})", value, about)
    if op.op == "conv_transpose":
        each = product(*weight[1:])
        about = f"each of {prod(x):,} units that come is multiplied {each.value:,} times"
        return Sum(f"({times(*x)}) · ({each.text})", value, about)
    if op.op == "locally_connected":
        taps = weight[1 : len(x) + 1]
        about = f"each of {prod(out):,} units is a sum of {prod(taps):,} products"
        return Sum(f"({times(*out)}) · ({times(*taps)})", value, about)
    if op.op == "linear":
        places = f", at {times(*x[1:])} places" if len(x) > 1 else ""
        about = f"each of {out[0]:,} outputs is a sum of {x[0]:,} products{places}"
        return Sum(times(out[0], *x), value, about)
    return Sum(number(value), value, "as the operator states")
