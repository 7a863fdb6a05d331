"""What autograd keeps of operators with windows or borders; see `memory_rules`."""

from __future__ import annotations

from typing import Any

from ..ops import Op
from .memory_rules import Rule, Tape, elementwise, padded, trained
from .memory_tensors import (
    BOOL,
    INDEX,
    Sizes,
    Tensor,
    flatten,
    fresh,
    narrow,
    permute,
    reshape,
    row_major,
    suggested,
    unfold,
)

Sides = tuple[tuple[int, int], ...]


def _bordered(tape: Tape, x: Tensor, sides: Sides, mode: str) -> Tensor:
    """`F.pad` of the spatial axes: reflected and replicated borders save the input."""
    sizes = zip(x.shape[2:], sides, strict=True)
    shape = (*x.shape[:2], *(n + lo + hi for n, (lo, hi) in sizes))
    if mode == "zeros":
        return padded(x, shape)
    if mode == "circular":
        return fresh(shape, x.grad)
    if x.grad:
        tape.save(x)
    return fresh(shape, x.grad, suggested(x, shape))


# ---------------------------------------------------------------------------- convolution


def _conv(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    x = xs[0]
    axes = op.axes(x.shape[1:])
    sides = tuple((w.lo, w.hi) for w in axes)
    at_run = op.pad == "same" and any(w.stride != 1 for w in axes)
    at_run = at_run and any(w.extent != 1 for w in axes)
    if at_run or op.pad_mode != "zeros" or any(lo != hi for lo, hi in sides):
        x = _bordered(tape, x, sides, op.pad_mode)
    if at_run and op.pad_mode != "zeros":
        # the layer's own border, of width 0, is put around what is bordered already
        x = _bordered(tape, x, ((0, 0),) * len(axes), op.pad_mode)
    return [_convolved(tape, op, x, shapes[0])]


def _convolved(tape: Tape, op: Op, x: Tensor, shape: Sizes) -> Tensor:
    y = fresh((x.shape[0], *shape), x.grad or trained(op))
    if len(x.shape) > 3:
        y.strides = suggested(x, y.shape)
    if y.grad:
        tape.save(x)
    return y


def _conv_transpose(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    x = xs[0]
    y = _convolved(tape, op, x, shapes[0])
    if any(axis.lo != axis.hi for axis in op.axes(x.shape[1:])):
        y = fresh(y.shape, y.grad, y.strides)  # the uneven rest is cut off: a copy
    return [y]


def _locally_connected(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    """A product of matrices at each place, of patches and weights in an order of their own."""
    x = xs[0]
    axes = op.axes(x.shape[1:])
    rank = len(axes)
    x = _bordered(tape, x, tuple((w.lo, w.hi) for w in axes), "zeros")
    for axis, w in enumerate(axes, 2):
        x = unfold(x, axis, w.kernel, w.stride)
    out = x.shape[2 : 2 + rank]
    patches = permute(flatten(flatten(x, 2 + rank), 2, 1 + rank), 2, 0, 1, 3)
    rows = flatten(patches, 2)
    weights = fresh(op.weights(xs[0].shape[1:])["weight"], trained(op), scales=False)
    own = weights.storage
    ordered = permute(flatten(flatten(weights, 2, 1 + rank), 3), 3, 1, 2, 0)
    columns = flatten(ordered, 1, 2)
    if rows.grad and columns.storage is not own:
        tape.save(columns)
    if columns.grad:
        tape.save(rows)
    y = fresh((rows.shape[0], rows.shape[1], op.channels), rows.grad or columns.grad)
    y = reshape(permute(y, 1, 2, 0), (x.shape[0], op.channels, *out))
    if op.has_bias:
        bias = fresh(y.shape[1:], trained(op), scales=False)
        y = elementwise(y, bias)
    return [y]


# ---------------------------------------------------------------------------- pooling


def _pool(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    x = xs[0]
    shape = (x.shape[0], *shapes[0])
    if op.kernel == "global" or op.to is not None:
        reduced = all(n == 1 for n in shape[2:]) and op.by == "avg"
        if reduced or op.by == "sum":
            return [fresh(shape, x.grad, suggested(x, shape))]
        return _pooled(tape, op, x, shape)
    axes = op.axes(x.shape[1:])
    sides = tuple((w.lo, w.hi) for w in axes)
    helper = op.by_helper(axes)
    single = op.by == "sum" and len(axes) == 1
    if helper or single or op.border_before(axes, x.shape[1:]):
        if single and not helper:
            low = min(sides[0])
            sides = ((sides[0][0] - low, sides[0][1] - low),)
        x = _bordered(tape, x, sides, "zeros")
    found = _pooled(tape, op, x, shape)
    if helper and op.by == "avg" and not op.counts_pad:
        share = fresh(shape, False)
        if x.grad:
            tape.save(share)
        return [elementwise(found[0], share)]
    return [elementwise(found[0])] if helper and op.by == "sum" else found


def _pooled(tape: Tape, op: Any, x: Tensor, shape: Sizes) -> list[Tensor]:
    """The pool itself keeps its input; a maximum, where it was, too."""
    strides = row_major(shape)
    if len(shape) == 3:
        if x.grad or op.by != "max" or op.to is not None:
            strides = _as_image(x, shape)
    elif op.by == "max" or len(shape) == 4:
        strides = suggested(x, shape)
    y = fresh(shape, x.grad, strides)
    if x.grad:
        tape.save(x)
    if op.by != "max":
        return [y]
    where = fresh(shape, False, strides, item=INDEX)
    if x.grad:
        tape.save(where)
    return [y, where]


def _as_image(x: Tensor, shape: Sizes) -> Sizes:
    """Strides of a pool over one axis, which PyTorch does as one over images of a single row."""
    image = x.seen(
        (*x.shape[:2], 1, x.shape[2]), (*x.strides[:2], x.shape[2] * x.strides[2], x.strides[2])
    )
    strides = suggested(image, (*shape[:2], 1, shape[2]))
    return (*strides[:2], strides[3])


def _unpool(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    if xs[0].grad:
        tape.save(xs[1])
    shape = (xs[0].shape[0], *shapes[0])
    strides = suggested(xs[0], shape) if len(shape) == 4 else row_major(shape)
    return [fresh(shape, xs[0].grad, strides)]


def _roi_align(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    """Samples at a grid, zeros put outside of the map, means of the samples of each unit."""
    x, boxes = xs
    batch, count = boxes.shape[:2]
    rows, columns = (n * op.samples for n in op.to)
    grad = x.grad or boxes.grad
    if boxes.grad:
        tape.save(fresh((columns,), False, scales=False), fresh((rows,), False, scales=False))
    if grad:
        grid = fresh((batch, count * rows, columns, 2), boxes.grad)
        inside = fresh((batch, 1, count, rows, columns), False, item=BOOL)
        tape.save(x, grid, inside)
    return [fresh((batch * count, *shapes[0]), grad)]


# ---------------------------------------------------------------------------- size


def _upsample(tape: Tape, op: Op, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    shape = (xs[0].shape[0], *shapes[0])
    return [fresh(shape, xs[0].grad, suggested(xs[0], shape))]


def _pixel_shuffle(tape: Tape, op: Op, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    shape = (xs[0].shape[0], *shapes[0])
    return [fresh(shape, xs[0].grad, suggested(xs[0], shape))]


def _pad(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    x = xs[0]
    if op.over is not None:
        return [padded(x, (x.shape[0], *shapes[0]))]
    grown = zip(x.shape[2:], shapes[0][1:], strict=True)
    sides = tuple((0, m - n) for n, m in grown)  # how much is put where does not matter
    return [_bordered(tape, x, sides, op.by)]


def _crop(tape: Tape, op: Any, xs: list[Tensor], shapes: list[Sizes]) -> list[Tensor]:
    shape = (xs[0].shape[0], *shapes[0])
    if op.to is None:
        return [padded(xs[0], shape)]
    x = xs[0]
    for axis, n in enumerate(shape):
        x = narrow(x, axis, n)
    return [x]


WINDOWS: dict[str, Rule] = {
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "locally_connected": _locally_connected,
    "pool": _pool,
    "unpool": _unpool,
    "roi_align": _roi_align,
    "upsample": _upsample,
    "pixel_shuffle": _pixel_shuffle,
    "pad": _pad,
    "crop": _crop,
}
