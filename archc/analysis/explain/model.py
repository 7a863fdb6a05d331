"""An explanation as a value: sums with numbers put in, and what they are sums of.

The texts of sums use `·` for products, `⌊ ⌋` and `⌈ ⌉` for rounding; read as arithmetic, the left
side of every sum gives its value (the tests work each one out).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ...graph import Shape
from ..receptive import ReceptiveField


@dataclass(frozen=True, slots=True)
class Sum:
    """`text` = `value`, and in words what it counts or why it is so."""

    text: str
    value: int
    about: str = ""

    def __str__(self) -> str:
        return self.text if self.text == f"{self.value:,}" else f"{self.text} = {self.value:,}"


@dataclass(frozen=True, slots=True)
class SizeSum:
    """How one axis of the output comes about: `rule` in letters, `sum` in numbers."""

    axis: str
    rule: str
    sum: Sum
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TensorSum:
    """A weight or buffer by its state_dict name: its shape and how many scalars it holds."""

    name: str
    shape: Shape
    sum: Sum


@dataclass(frozen=True, slots=True)
class Work:
    """Weights, work and units of a layer, each as a sum.

    `params`, `frozen` and `buffers` are what is counted at this layer, which is nothing where the
    weights are those of a shared module that is used earlier.
    """

    tensors: tuple[TensorSum, ...]
    buffers: tuple[TensorSum, ...]
    params: Sum
    frozen: Sum
    buffered: Sum
    macs: Sum
    neurons: Sum


@dataclass(frozen=True, slots=True)
class Arm:
    """A path that is joined: what the unit sees of the network's input through it alone."""

    path: str
    field: ReceptiveField


@dataclass(frozen=True, slots=True)
class Step:
    """A layer on the way back to the input.

    `field` is what the explained unit sees of this layer's input: its `stride` is the jump so far,
    its `padding` how far the first unit looks over the edge. `sums` says by axis how its size comes
    about from the step before, None where no single sum says it. `arms`: where paths meet, all of
    them, and `taken` is the one that is followed.
    """

    path: str
    op: str
    window: str
    sums: tuple[Sum | None, ...]
    field: ReceptiveField
    arms: tuple[Arm, ...] = ()
    taken: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """The receptive field of a value over the network's input, and the steps back to there.

    `skipped`: layers on the way that read only their own place and change nothing. `exact`: the
    steps lead to `field` by themselves; else paths of unequal magnification meet, and the steps may
    be off by what lies beyond the edges.
    """

    source: str
    field: ReceptiveField
    steps: tuple[Step, ...]
    skipped: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layer, block, group or claim is written."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class End:
    """A value that is read: the path of its layer (or the input's name) and its shape. `sized`:
    only its size is read."""

    path: str
    shape: Shape
    sized: bool = False


@dataclass(frozen=True, slots=True)
class LayerExplained:
    """A layer: an operator at its place in a network."""

    network: str
    path: str
    op: str
    written: str
    place: Place
    reads: tuple[End, ...]
    read_by: tuple[str, ...]
    shapes: tuple[Shape, ...]
    sizes: tuple[SizeSum, ...]
    work: Work
    weighty: bool
    seen: Seen | None
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """Of its (first) result."""
        return self.shapes[0]


@dataclass(frozen=True, slots=True)
class Part:
    """A layer or block directly inside of what is explained, and what it adds."""

    path: str
    written: str
    shape: Shape
    params: int
    frozen: int
    buffers: int
    macs: int
    neurons: int
    training: bool = False


@dataclass(frozen=True, slots=True)
class BlockExplained:
    """A called block, a group, a range of layers or the network: the sums of its parts.

    `block` is the block's name, or group, repeat, for, skip, range or network. `neurons` are those
    of weight layers.
    """

    network: str
    path: str
    block: str
    written: str
    place: Place
    reads: tuple[End, ...]
    read_by: tuple[str, ...]
    shapes: tuple[Shape, ...]
    parts: tuple[Part, ...]
    params: Sum
    frozen: Sum
    buffered: Sum
    macs: Sum
    neurons: Sum
    seen: Seen | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InputExplained:
    """An input of the network."""

    network: str
    path: str
    shape: Shape
    read_by: tuple[str, ...]
    place: Place


Explained = LayerExplained | BlockExplained | InputExplained


def number(value: int) -> str:
    """A whole number as it stands in a sum."""
    return f"{value:,}"


def times(*factors: int) -> str:
    """`96 · 55 · 55`."""
    return " · ".join(map(number, map(int, factors))) or "1"


def product(*factors: int, about: str = "") -> Sum:
    """The product of some numbers."""
    return Sum(times(*factors), prod(factors), about)


def total(values: list[int], about: str = "") -> Sum:
    """The sum of some numbers; equal neighbours are said once, as a product."""
    if not values:
        return Sum("0", 0, about)
    runs: list[list[int]] = []
    for value in values:
        if runs and runs[-1][0] == value:
            runs[-1][1] += 1
        else:
            runs.append([value, 1])
    terms = [number(v) if n == 1 else f"{n:,} · {v:,}" for v, n in runs if v]
    return Sum(" + ".join(terms) or "0", sum(values), about)
