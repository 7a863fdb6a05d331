"""Tensors without numbers: shape, strides and storage, as PyTorch's operators leave them.

What autograd keeps is counted by storage, and whether `flatten` gives a view or a copy depends on
strides; so both are followed here, by PyTorch's own rules. Strides are in elements.
"""

from __future__ import annotations

from math import prod

Sizes = tuple[int, ...]

FLOAT = 4
"""Bytes of a float32."""
INDEX = 8
"""Bytes of a position that max pooling remembers (int64)."""
BOOL = 1


class Storage:
    """Memory that tensors share. `scales`: its bytes grow with the batch."""

    __slots__ = ("bytes", "scales")

    def __init__(self, size: int, scales: bool) -> None:
        self.bytes = size
        self.scales = scales


class Tensor:
    """A view of a storage. `grad`: autograd follows it. `item`: bytes of an element."""

    __slots__ = ("grad", "item", "shape", "storage", "strides")

    def __init__(
        self, shape: Sizes, strides: Sizes, storage: Storage, grad: bool, item: int = FLOAT
    ) -> None:
        self.shape = shape
        self.strides = strides
        self.storage = storage
        self.grad = grad
        self.item = item

    def seen(self, shape: Sizes, strides: Sizes) -> Tensor:
        """Another view of the same storage."""
        return Tensor(shape, strides, self.storage, self.grad, self.item)


def fresh(
    shape: Sizes, grad: bool, strides: Sizes | None = None, scales: bool = True, item: int = FLOAT
) -> Tensor:
    """A tensor with a storage of its own, contiguous unless strides are given."""
    storage = Storage(prod(shape) * item, scales)
    return Tensor(shape, row_major(shape) if strides is None else strides, storage, grad, item)


# ---------------------------------------------------------------------------- strides


def row_major(shape: Sizes) -> Sizes:
    """Strides of a contiguous tensor; axes of size 0 count as 1."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def channels_last(shape: Sizes) -> Sizes:
    """Strides of a tensor whose channels lie next to each other."""
    order = (1, *range(len(shape) - 1, 1, -1), 0)
    return _packed(shape, order)


def _packed(shape: Sizes, order: Sizes) -> Sizes:
    """Strides without gaps; `order` has the axes from the innermost outwards."""
    strides, step = [0] * len(shape), 1
    for axis in order:
        strides[axis] = step
        step *= max(shape[axis], 1)
    return tuple(strides)


def is_contiguous(t: Tensor) -> bool:
    step = 1
    for n, stride in zip(reversed(t.shape), reversed(t.strides), strict=True):
        if n != 1:
            if stride != step:
                return False
            step *= n
    return True


def is_channels_last(t: Tensor) -> bool:
    """As `suggest_memory_format` decides for 4 and 5 axes; ambiguous layouts are not."""
    if len(t.shape) not in (4, 5):
        return False
    least = 0
    for axis in (1, *range(len(t.shape) - 1, 1, -1), 0):
        n, stride = t.shape[axis], t.strides[axis]
        if n == 0 or stride < least or (axis == 0 and least == t.strides[1]):
            return False
        least = stride * n if n > 1 else stride
    return True


def is_dense(t: Tensor) -> bool:
    """Every element of a block of memory is in it, once."""
    step = 1
    for stride, n in sorted((s, n) for s, n in zip(t.strides, t.shape, strict=True) if n != 1):
        if stride != step:
            return False
        step *= n
    return True


def suggested(t: Tensor, shape: Sizes) -> Sizes:
    """Strides of a result that keeps the memory format of `t`: contiguous or channels last."""
    return channels_last(shape) if is_channels_last(t) else row_major(shape)


# ---------------------------------------------------------------------------- views


def permute(t: Tensor, *axes: int) -> Tensor:
    return t.seen(tuple(t.shape[a] for a in axes), tuple(t.strides[a] for a in axes))


def channels_to_end(t: Tensor) -> Tensor:
    """`movedim(1, -1)`."""
    return permute(t, 0, *range(2, len(t.shape)), 1)


def channels_to_front(t: Tensor) -> Tensor:
    """`movedim(-1, 1)`."""
    last = len(t.shape) - 1
    return permute(t, 0, last, *range(1, last))


def narrow(t: Tensor, axis: int, size: int) -> Tensor:
    return t.seen((*t.shape[:axis], size, *t.shape[axis + 1 :]), t.strides)


def unfold(t: Tensor, axis: int, size: int, step: int) -> Tensor:
    """Windows of an axis; their elements are a new last axis."""
    count = (t.shape[axis] - size) // step + 1
    shape = (*t.shape[:axis], count, *t.shape[axis + 1 :], size)
    strides = (*t.strides[:axis], t.strides[axis] * step, *t.strides[axis + 1 :], t.strides[axis])
    return t.seen(shape, strides)


def reshape(t: Tensor, shape: Sizes) -> Tensor:
    """A view where strides allow it, a contiguous copy elsewhere."""
    if t.shape == shape:
        return t
    strides = _viewed(t, shape)
    if strides is not None:
        return t.seen(shape, strides)
    return fresh(shape, t.grad, scales=t.storage.scales, item=t.item)


def flatten(t: Tensor, first: int, last: int = -1) -> Tensor:
    """`flatten(first, last)`, `last` included."""
    last = last % len(t.shape)
    if first == last:
        return t
    middle = prod(t.shape[first : last + 1])
    return reshape(t, (*t.shape[:first], middle, *t.shape[last + 1 :]))


def _viewed(t: Tensor, shape: Sizes) -> Sizes | None:
    """Strides of the view of another shape; None where there is no such view.

    Axes of `t` that follow each other in memory are taken together, and cut up anew.
    """
    strides = [0] * len(shape)
    at = len(shape) - 1
    base, inside, wanted = t.strides[-1], 1, 1
    for axis in range(len(t.shape) - 1, -1, -1):
        inside *= t.shape[axis]
        joined = axis > 0 and (t.shape[axis - 1] == 1 or t.strides[axis - 1] == inside * base)
        if joined:
            continue
        while at >= 0 and (wanted < inside or shape[at] == 1):
            strides[at] = wanted * base
            wanted *= shape[at]
            at -= 1
        if wanted != inside:
            return None
        if axis > 0:
            base, inside, wanted = t.strides[axis - 1], 1, 1
    return tuple(strides) if at < 0 else None


# ---------------------------------------------------------------------------- results


def contiguous(t: Tensor) -> Tensor:
    """The tensor itself where it is contiguous, else a copy."""
    return t if is_contiguous(t) else fresh(t.shape, t.grad, item=t.item)


def copied(t: Tensor) -> Tensor:
    """`clone`: its own storage, the order of axes in memory kept."""
    return fresh(t.shape, t.grad, kept(t), t.storage.scales, t.item)


def kept(*ts: Tensor) -> Sizes:
    """Strides of an elementwise result of tensors that are broadcast to one shape.

    Where all have the same strides without gaps, those; otherwise axes are put in the order in
    which they lie in the tensors' memory, the first tensor deciding.
    """
    shape = broadcast(*ts)
    same = all(t.shape == shape for t in ts)
    if same and all(is_contiguous(t) for t in ts):
        return row_major(shape)
    if same and is_dense(ts[0]) and all(t.strides == ts[0].strides for t in ts):
        return ts[0].strides
    spread = [_spread(t, shape) for t in ts]
    order = list(range(len(shape) - 1, -1, -1))
    for i in range(1, len(order)):
        moving = i
        for other in range(i - 1, -1, -1):
            how = _compare(spread, shape, order[other], order[moving])
            if how > 0:
                order[other], order[moving] = order[moving], order[other]
                moving = other
            elif how < 0:
                break
    return _packed(shape, tuple(order))


def broadcast(*ts: Tensor) -> Sizes:
    """The shape that all are brought to."""
    rank = max(len(t.shape) for t in ts)
    padded = [(1,) * (rank - len(t.shape)) + t.shape for t in ts]
    return tuple(next((n for n in sizes if n != 1), 1) for sizes in zip(*padded, strict=True))


def _spread(t: Tensor, shape: Sizes) -> Sizes:
    """Strides over the common shape: 0 along axes that are repeated."""
    lead = len(shape) - len(t.shape)
    own = zip(t.shape, t.strides, shape[lead:], strict=True)
    return (0,) * lead + tuple(0 if n == 1 and m != 1 else s for n, s, m in own)


def _compare(spread: list[Sizes], shape: Sizes, inner: int, outer: int) -> int:
    """Positive where two axes stand in the wrong order, negative in the right one, else 0."""
    for strides in spread:
        a, b = strides[inner], strides[outer]
        if a == 0 or b == 0:
            continue
        if a != b:
            return 1 if a > b else -1
        if shape[inner] > shape[outer]:
            return 1
    return 0
