"""One output unit worked out: the window, the kernel, the products, their sum, the bias.

Only the layer's own input is made up (`numbers.py`); layers before it are not computed. Nothing
here needs PyTorch; the tests hold the results against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product as every
from math import prod

from ...graph import Shape
from ...ops import Op, OpError
from ...ops.conv import Conv, ConvTranspose, LocallyConnected
from ...ops.dense import Linear
from ...ops.pool import Pool
from ...ops.windows import Scatter, Window
from .board import Plane, added, bounded, plus, shown
from .functions import function
from .model import Place
from .numbers import CellError, Number, Tensor, counting, kernel, weight_of, whole
from .places import inside
from .pooling import pooled


@dataclass(frozen=True, slots=True)
class Cell:
    """A worked output unit: channel and place, what it is made from, and the sums in words."""

    network: str
    path: str
    written: str
    place: Place
    channel: int
    at: tuple[int, ...]
    input: Shape
    output: Shape
    first: bool
    """It reads the network's own input; the input of a layer further in is made up."""
    given: tuple[str, ...]
    planes: tuple[Plane, ...]
    steps: tuple[str, ...]
    result: Number


@dataclass(frozen=True, slots=True)
class Asked:
    """Which unit, and the numbers to work with; None: made up."""

    at: tuple[int, ...]
    channel: int | None = None
    picture: Callable[[Shape], Tensor] | None = None
    """Gives the first input for the shape that the layer takes."""
    weight: str | None = None


@dataclass(frozen=True, slots=True)
class Worked:
    """What a kind of layer makes of it."""

    planes: tuple[Plane, ...]
    steps: tuple[str, ...]
    result: Number
    given: tuple[str, ...] = ()


def work_out(op: Op, inputs: tuple[Shape, ...], asked: Asked) -> tuple[Worked, Shape, Shape]:
    """The unit that is asked for, with the shapes of input and output. Raises `CellError`."""
    x = inputs[0]
    first = counting(x) if asked.picture is None else asked.picture(x)
    if first.shape != x:
        x = first.shape
        if len(inputs) > 1:
            raise CellError(f"`{op.op}` reads several values, so --input must have their size")
        try:
            op.check(x)
        except OpError as error:
            notes = "".join(f" ({note})" for note in error.notes)
            raise CellError(f"{error.message}{notes}", error.help) from None
    out = tuple(int(n) for n in op.shape(x, *inputs[1:]))
    channel, at = _unit(op, out, asked)
    if asked.weight is not None and not isinstance(op, (Conv, ConvTranspose, LocallyConnected,
                                                        Linear)):  # fmt: skip
        raise CellError(f"`{op.op}` has no kernel that --weight could give")
    if isinstance(op, (Conv, LocallyConnected)):
        worked = _conv(op, first, out, channel, at, asked)
    elif isinstance(op, ConvTranspose):
        worked = _transposed(op, first, channel, at, asked)
    elif isinstance(op, Linear):
        worked = _linear(op, first, channel, at, asked)
    elif isinstance(op, Pool):
        planes, steps, result = pooled(op, first, channel, at)
        worked = Worked(planes, steps, result)
    else:
        others = [counting(shape, i + 1) for i, shape in enumerate(inputs[1:])]
        steps, result, said = function(op, [first, *others], channel, at)
        worked = Worked((), steps, result, said)
    return _with_input(worked, first), x, out


def _with_input(worked: Worked, first: Tensor) -> Worked:
    given = (f"the input {first.about}", *worked.given)
    return Worked(worked.planes, worked.steps, whole(worked.result), given)


def _unit(op: Op, out: Shape, asked: Asked) -> tuple[int, tuple[int, ...]]:
    """Channel and place of the unit; of features the place is the feature."""
    at = asked.at
    size = " x ".join(map(str, out))
    if len(out) == 1:
        if len(at) != 1:
            raise CellError(f"--at takes one number: `{op.op}` makes {size} features")
        if asked.channel is not None:
            raise CellError("features have no channels: --at alone says which")
        channel, at = at[0], ()
    else:
        channel = asked.channel or 0
        if len(at) != len(out) - 1:
            raise CellError(f"--at takes {len(out) - 1} numbers: the output is {size}")
    if channel >= out[0]:
        what = "feature" if len(out) == 1 else "channel"
        raise CellError(f"there is no {what} {channel}: the output is {size}, counted from 0")
    for place, n in zip(at, out[1:], strict=True):
        if place >= n:
            raise CellError(f"there is no unit {place}: the output is {size}, counted from 0")
    return channel, at


# ---------------------------------------------------------------------------- sums of products


Weighty = Conv | ConvTranspose | LocallyConnected | Linear

Taps = list[tuple[int | None, int]]
"""Of one axis: where each tap reads (None: zero padding), and its number in the kernel."""


def _weight(op: Weighty, x: Tensor, asked: Asked) -> Tensor:
    return weight_of(op, x.shape) if asked.weight is None else kernel(asked.weight, op, x.shape)


def _conv(
    op: Conv | LocallyConnected,
    x: Tensor,
    out: Shape,
    channel: int,
    at: tuple[int, ...],
    asked: Asked,
) -> Worked:
    weight = _weight(op, x, asked)
    groups = op.groups if isinstance(op, Conv) else 1
    mode = op.pad_mode if isinstance(op, Conv) else "zeros"
    seen = x.shape[0] // groups
    first = channel // (out[0] // groups) * seen
    axes = op.axes(x.shape)
    taps = [_window_taps(w, u, n, mode) for w, u, n in zip(axes, at, x.shape[1:], strict=True)]
    beyond = at if isinstance(op, LocallyConnected) else ()
    channels = bounded(range(first, first + seen), seen * prod(len(t) for t in taps))
    planes = _planes(x, taps, channels,
                     lambda c, k: weight[(channel, c - first, *k, *beyond)])  # fmt: skip
    return _summed(op, planes, x.shape, (channel, *beyond), weight, asked)


def _window_taps(w: Window, unit: int, n: int, mode: str) -> Taps:
    start = unit * w.stride - w.lo
    return [
        (inside(start + w.dilation * k, n, mode), k) for k in bounded(range(w.kernel), w.kernel)
    ]


def _transposed(
    op: ConvTranspose, x: Tensor, channel: int, at: tuple[int, ...], asked: Asked
) -> Worked:
    weight = _weight(op, x, asked)
    each = op.channels // op.groups
    seen = x.shape[0] // op.groups
    first = channel // each * seen
    taps = [
        _scatter_taps(s, u, n) for s, u, n in zip(op.axes(x.shape), at, x.shape[1:], strict=True)
    ]
    channels = bounded(range(first, first + seen), seen * prod(len(t) for t in taps))
    planes = _planes(x, taps, channels,
                     lambda c, k: weight[(c, channel % each, *k)])  # fmt: skip
    return _summed(op, planes, x.shape, (channel,), weight, asked)


def _scatter_taps(s: Scatter, unit: int, n: int) -> Taps:
    """The inputs that a tap spreads to this unit: i · stride - lo + dilation · tap = unit."""
    found: Taps = []
    for k in bounded(range(s.kernel)[::-1], s.kernel):
        i, rest = divmod(unit + s.lo - s.dilation * k, s.stride)
        if not rest and 0 <= i < n:
            found.append((i, k))
    return found


def _linear(op: Linear, x: Tensor, channel: int, at: tuple[int, ...], asked: Asked) -> Worked:
    weight = _weight(op, x, asked)
    count = x.shape[0]
    values = tuple(x[(i, *at)] for i in bounded(range(count), count))
    row = tuple(weight[(channel, i)] for i in range(count))
    products = tuple(whole(a * b) for a, b in zip(values, row, strict=True))
    plane = Plane("features" if not at else "channels", (values,), ((False,) * count,), (row,),
                  (products,), whole(sum(products)))  # fmt: skip
    return _summed(op, [plane], x.shape, (channel,), weight, asked)


def _planes(
    x: Tensor,
    taps: list[Taps],
    channels: Iterable[int],
    weight: Callable[[int, tuple[int, ...]], Number],
) -> list[Plane]:
    """A plane for each channel (and slice, over three axes)."""
    rows = taps[-2] if len(taps) > 1 else [(0, 0)]
    found = []
    for c in channels:
        for outer in every(*taps[:-2]):
            values, outside, weights, products = [], [], [], []
            for row in rows:
                pairs = [*outer, *([row] if len(taps) > 1 else [])]
                line = [_pair([*pairs, tap]) for tap in taps[-1]]
                numbers = tuple(0 if i is None else x[(c, *i)] for i, _ in line)
                factors = tuple(weight(c, k) for _, k in line)
                values.append(numbers)
                outside.append(tuple(i is None for i, _ in line))
                weights.append(factors)
                products.append(tuple(whole(a * b) for a, b in zip(numbers, factors, strict=True)))
            name = f"channel {c}" + "".join(f", slice {i}" for i, _ in outer)
            total = whole(sum(n for line in products for n in line))
            found.append(Plane(name, tuple(values), tuple(outside), tuple(weights),
                               tuple(products), total))  # fmt: skip
    return found


def _pair(taps: list[tuple[int | None, int]]) -> tuple[tuple[int, ...] | None, tuple[int, ...]]:
    """Where a tap of several axes reads, None in the padding; and its place in the kernel."""
    places = [i for i, _ in taps]
    inside = tuple(i for i in places if i is not None)
    return (inside if len(inside) == len(places) else None), tuple(k for _, k in taps)


def _summed(
    op: Weighty,
    planes: list[Plane],
    x: Shape,
    unit: tuple[int, ...],
    weight: Tensor,
    asked: Asked,
) -> Worked:
    """The sum over all planes, and the bias."""
    totals = [plane.total or 0 for plane in planes]
    result: Number = whole(sum(totals))
    given = [f"the weight {weight.about}"]
    of = "of all products" if len(totals) == 1 else added(totals)
    steps = [f"sum  {of} = {shown(result)}"]
    if op.has_bias:
        bias = weight_of(op, x, "bias")
        if asked.weight is not None and bias.about.startswith("is made up"):
            bias = Tensor(bias.shape, lambda index: 0, "is left at 0")
        given.append(f"the bias {bias.about}")
        term = bias[unit]
        steps.append(f"bias  {shown(result)} {plus(term)} = {shown(whole(result + term))}")
        result = whole(result + term)
    return Worked(tuple(planes), tuple(steps), result, tuple(given))
