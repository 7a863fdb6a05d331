"""What autograd keeps of each operator, as the emitted module runs it in training.

A rule takes an operator and its inputs, notes the tensors that PyTorch saves for the backward pass,
and gives the results. Tensors that are saved only for a gradient that nobody asks for (the input of
a frozen linear layer) are not saved. Operators of other packages are taken as elementwise ones that
save their inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from ..ops import Op
from .memory_tensors import (
    BOOL,
    Sizes,
    Storage,
    Tensor,
    broadcast,
    channels_to_end,
    channels_to_front,
    contiguous,
    copied,
    flatten,
    fresh,
    is_channels_last,
    kept,
    narrow,
    reshape,
    row_major,
    suggested,
)


class Tape:
    """The storages that are saved. `cuda`: by a GPU's kernels, whose dropout keeps booleans."""

    def __init__(self, cuda: bool = False) -> None:
        self.cuda = cuda
        self.saved: dict[Storage, None] = {}

    def save(self, *ts: Tensor) -> None:
        for t in ts:
            self.saved[t.storage] = None


Rule = Callable[[Tape, Any, list[Tensor], list[Sizes]], list[Tensor]]
"""(tape, operator, inputs, shapes of the results without the batch) to the results."""


def trained(op: Op) -> bool:
    """Have its weights gradients?"""
    return not op.is_frozen


# ---------------------------------------------------------------------------- steps


def elementwise(*ts: Tensor) -> Tensor:
    """A new tensor of the common shape, as PyTorch lays it out."""
    strides = kept(*ts)
    return fresh(broadcast(*ts), any(t.grad for t in ts), strides)


def product(tape: Tape, a: Tensor, b: Tensor) -> Tensor:
    """`a * b`: each is saved for the gradient of the other."""
    if b.grad:
        tape.save(a)
    if a.grad:
        tape.save(b)
    return elementwise(a, b)


def padded(x: Tensor, shape: Sizes) -> Tensor:
    """`F.pad` with a number, which saves nothing. Where nothing is added, it is a copy."""
    if all(m <= n for n, m in zip(x.shape, shape, strict=True)):
        cut = x
        for axis, n in enumerate(shape):
            cut = narrow(cut, axis, n)
        return copied(cut)
    return fresh(shape, x.grad, suggested(x, shape))


# ---------------------------------------------------------------------------- pointwise


def _keeps_input(tape: Tape, op: Op, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    if xs[0].grad:
        tape.save(xs[0])
    return [elementwise(xs[0])]


def _keeps_result(tape: Tape, op: Op, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    y = elementwise(xs[0])
    if y.grad:
        tape.save(y)
    return [y]


def unknown(tape: Tape, op: Op, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    grad = any(x.grad for x in xs) or (trained(op) and op.count_weights(xs[0].shape[1:]) > 0)
    if grad:
        tape.save(*xs)
    return [fresh((xs[0].shape[0], *shape), grad) for shape in shapes]


def _prelu(tape: Tape, op: Op, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    y = elementwise(xs[0])
    y.grad = y.grad or trained(op)
    if y.grad:
        tape.save(xs[0])
    return [y]


def _scaled_tanh(tape: Tape, op: Op, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    inside = elementwise(xs[0])
    return [elementwise(_keeps_result(tape, op, [inside], shapes)[0])]


def _softmax(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    x = xs[0] if op.over == "channels" else flatten(xs[0], 2)
    y = fresh(x.shape, x.grad)
    if y.grad:
        tape.save(y)
    return [reshape(y, xs[0].shape)]


def _maxout(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    x = xs[0]
    y = fresh((x.shape[0], *shapes[0]), x.grad)
    if x.grad:
        tape.save(x, y)
    return [y]


def _identity(tape: Tape, op: Op, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    return [xs[0]]


def _dropout(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    x = xs[0]
    if op.p == 0:
        return [x]
    if op.p == 1:
        mask = fresh((), False, scales=False)
    elif op.by == "channel":
        mask = fresh((*x.shape[:2], *(1,) * (len(x.shape) - 2)), False)
    else:
        mask = fresh(x.shape, False, kept(x), item=BOOL if tape.cuda else 4)
    if x.grad:
        tape.save(mask)
    return [elementwise(x)]


def _drop_path(tape: Tape, op: Op, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    x = xs[0]
    chosen = fresh((x.shape[0], *(1,) * (len(x.shape) - 1)), False)
    return [elementwise(product(tape, x, chosen))]


def _scale(tape: Tape, op: Op, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    y = elementwise(xs[0])
    y.grad = y.grad or trained(op)
    if trained(op):
        tape.save(xs[0])
    return [y]


# ---------------------------------------------------------------------------- dense


def _linear(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    x = xs[0]
    grad = x.grad or trained(op)
    if len(x.shape) == 2:
        if trained(op):
            tape.save(x)
        return [fresh((x.shape[0], *shapes[0]), grad)]
    places = channels_to_end(x)
    rows = reshape(places, (prod(places.shape[:-1]), places.shape[-1]))
    if trained(op):
        tape.save(rows)
    return [channels_to_front(fresh((*places.shape[:-1], op.features), grad))]


def _flatten(tape: Tape, op: Op, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    return [flatten(xs[0], 1)]


def _unflatten(tape: Tape, op: Op, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    return [reshape(xs[0], (xs[0].shape[0], *shapes[0]))]


def _rbf(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    x = xs[0]
    difference = fresh((x.shape[0], op.features, x.shape[1]), x.grad or trained(op))
    if difference.grad:
        tape.save(difference)
    return [fresh((x.shape[0], *shapes[0]), difference.grad)]


# ---------------------------------------------------------------------------- merging


def _fuse(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    shape = (xs[0].shape[0], *shapes[0])
    grad = any(x.grad for x in xs)
    if op.by == "concat":
        last = all(is_channels_last(x) for x in xs)
        return [fresh(shape, grad, suggested(xs[0], shape) if last else row_major(shape))]
    if len(xs) == 1:
        return [xs[0]]
    if op.by == "product":
        return [_multiplied(tape, xs)]
    if op.by == "max":
        return [_largest(tape, xs)]
    if len(xs) > _LONGEST:
        # stacked and summed, which saves nothing
        rest = fresh(shape, grad)
        return [elementwise(xs[0], rest) if op.by == "difference" else rest]
    y = xs[0]
    for x in xs[1:]:
        y = elementwise(y, x)
    return [elementwise(y) if op.by == "mean" else y]


_LONGEST = 64
"""Operands that the emitter writes in one expression; more are stacked."""


def _multiplied(tape: Tape, xs: list[Tensor]) -> Tensor:
    if len(xs) <= _LONGEST:
        y = xs[0]
        for x in xs[1:]:
            y = product(tape, y, x)
        return y
    if len({x.shape for x in xs}) == 1:
        return _reduced(tape, xs)
    half = len(xs) // 2
    return product(tape, _multiplied(tape, xs[:half]), _multiplied(tape, xs[half:]))


def _largest(tape: Tape, xs: list[Tensor]) -> Tensor:
    if len(xs) > 2:
        return _reduced(tape, xs)
    y = elementwise(*xs)
    if y.grad:
        tape.save(*xs)
    return y


def _reduced(tape: Tape, xs: list[Tensor]) -> Tensor:
    """Values stacked, and the stack reduced: both are saved."""
    stack = fresh((len(xs), *xs[0].shape), any(x.grad for x in xs))
    y = fresh(xs[0].shape, stack.grad)
    if y.grad:
        tape.save(stack, y)
    return y


def _split(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    return [narrow(xs[0], 1, shape[0]) for shape in shapes]


def _channel_shuffle(tape: Tape, op: Op, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    x = xs[0]
    return [fresh(x.shape, x.grad, suggested(x, x.shape))]


# ---------------------------------------------------------------------------- norms


def _batchnorm(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    x = xs[0]
    y = fresh(x.shape, x.grad or (op.affine and trained(op)), suggested(x, x.shape))
    if y.grad:
        channels = (x.shape[1],)
        tape.save(x, fresh(channels, False, scales=False), fresh(channels, False, scales=False))
    return [y]


def _instancenorm(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    """Batch normalisation of the samples' channels side by side, so statistics and all that goes
    with them are there once per sample."""
    x = contiguous(xs[0])
    y = fresh(x.shape, x.grad or (op.affine and trained(op)))
    if y.grad:
        tape.save(x)
        repeated = 2 + (1 if op.affine else 0) + (2 if op.track_stats else 0)
        for _ in range(repeated):
            tape.save(fresh((x.shape[0] * x.shape[1],), False))
    return [y]


def _layernorm(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    x = xs[0]
    over = op.over == "channels" and len(x.shape) > 2
    seen = channels_to_end(x) if over else x
    y = fresh(seen.shape, x.grad or (op.affine and trained(op)))
    if y.grad:
        tape.save(x)
        rows = seen.shape[:-1] if over else x.shape[:1]
        tape.save(fresh(rows, False), fresh(rows, False))
    return [channels_to_front(y) if over else y]


def _groupnorm(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    x = xs[0] if is_channels_last(xs[0]) else contiguous(xs[0])
    y = fresh(x.shape, x.grad or (op.affine and trained(op)), suggested(x, x.shape))
    if y.grad:
        groups = (x.shape[0], op.groups)
        tape.save(x, fresh(groups, False), fresh(groups, False))
    return [y]


def _lrn(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    """Squares, padded and averaged over channels, raised to a power; the input divided by that."""
    x = xs[0]
    if x.grad:
        more = (x.shape[0], x.shape[1] + op.size - 1, *x.shape[2:])
        tape.save(x, fresh(more, True), fresh(x.shape, True), fresh(x.shape, True))
    return [elementwise(x)]


RULES: dict[str, Rule] = {
    **dict.fromkeys(("relu", "sigmoid", "tanh", "exp"), _keeps_result),
    **dict.fromkeys(
        ("relu6", "leaky_relu", "elu", "gelu", "silu", "hardswish", "hardsigmoid", "softplus"),
        _keeps_input,
    ),
    "prelu": _prelu,
    "scaled_tanh": _scaled_tanh,
    "softmax": _softmax,
    "maxout": _maxout,
    "identity": _identity,
    "dropout": _dropout,
    "drop_path": _drop_path,
    "scale": _scale,
    "linear": _linear,
    "flatten": _flatten,
    "unflatten": _unflatten,
    "rbf": _rbf,
    "fuse": _fuse,
    "split": _split,
    "channel_shuffle": _channel_shuffle,
    "batchnorm": _batchnorm,
    "instancenorm": _instancenorm,
    "layernorm": _layernorm,
    "groupnorm": _groupnorm,
    "lrn": _lrn,
}
"""By operator; those with windows or borders are in `memory_windows`."""
