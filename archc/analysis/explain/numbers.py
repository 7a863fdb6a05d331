"""The numbers of a worked cell: what comes in, and the weights.

Weights are those that the spec gives (`weight=`, or an initialiser that leaves no choice); others
are small whole numbers, the same every time.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from ...graph import Shape
from ...ops import Op
from ...ops.init import Initializer
from ...ops.weights import Started

TOO_LARGE = 10**15
"""Numbers are whole and exact up to here."""

Number = int | float
Get = Callable[[tuple[int, ...]], Number]

LARGEST = 99
"""Counting starts again after it, so that numbers have two digits at most."""


class CellError(ValueError):
    """A cell that cannot be worked out: what is wrong, and a way out."""

    def __init__(self, message: str, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


class Tensor:
    """Numbers by index, and where they are from."""

    def __init__(self, shape: Shape, get: Get, about: str) -> None:
        self.shape = shape
        self.about = about
        self._get = get

    def __getitem__(self, index: tuple[int, ...]) -> Number:
        return whole(self._get(index))


def whole(value: Number) -> Number:
    """A float without a fraction as an int: `1.0` is 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


# ---------------------------------------------------------------------------- what comes in


def counting(shape: Shape, which: int = 0) -> Tensor:
    """1, 2, 3, ... row by row, each channel beginning one later; so does each further input."""
    sizes = shape[1:]

    def get(index: tuple[int, ...]) -> Number:
        if not sizes:
            return 1 + (index[0] + which) % LARGEST
        place = 0
        for at, n in zip(index[1:], sizes, strict=True):
            place = place * n + at
        return 1 + (place + index[0] + which) % LARGEST

    about = "counts 1, 2, 3, ... row by row" if sizes else "counts 1, 2, 3, ..."
    if sizes and shape[0] > 1:
        about += ", each channel beginning one later"
    if prod(sizes or shape) > LARGEST:
        about += f"; after {LARGEST} it begins again at 1"
    return Tensor(shape, get, about)


def picture(planes: list[list[list[Number]]], x: Shape, name: str) -> Tensor:
    """Numbers from a file, as the input of a layer that takes `x`.

    Planes are lists of rows. For two axes a plane is a channel, and one plane alone is every
    channel; for one axis a row is a channel; for three, planes are the slices of the channels one
    after another; features are read row by row. Raises `CellError`.
    """
    rows = [row for plane in planes for row in plane]
    rank, channels = len(x) - 1, x[0]
    if rank == 0:
        flat = [n for row in rows for n in row]
        if len(flat) != channels:
            raise CellError(f"{name} has {len(flat):,} numbers, but {channels:,} features come in")
        return Tensor((channels,), lambda i: flat[i[0]], f"is {name}")
    if any(len(row) != len(rows[0]) for row in rows):
        raise CellError(f"the rows of {name} have unequal lengths")
    if rank == 1:
        planes = [[row] for row in rows]
    slices = x[1] if rank == 3 else 1
    if len(planes) not in (slices, channels * slices):
        raise CellError(
            f"{name} has {len(planes)} {'rows' if rank == 1 else 'pictures'}, but {channels} "
            f"channels come in{f' of {slices} slices' if rank == 3 else ''}",
            "give one for all channels, or one for each, with an empty line between pictures",
        )
    if any(len(plane) != len(planes[0]) for plane in planes):
        raise CellError(f"the pictures of {name} have unequal heights")
    size = {1: (len(rows[0]),), 2: (len(planes[0]), len(rows[0]))}.get(
        rank, (slices, len(planes[0]), len(rows[0]))
    )
    alone = len(planes) == slices

    def get(index: tuple[int, ...]) -> Number:
        channel = 0 if alone else index[0]
        if rank == 1:
            return planes[channel][0][index[1]]
        if rank == 2:
            return planes[channel][index[1]][index[2]]
        return planes[channel * slices + index[1]][index[2]][index[3]]

    same = ", the same in every channel" if alone and channels > 1 else ""
    return Tensor((channels, *size), get, f"is {name}{same}")


# ---------------------------------------------------------------------------- weights


def weight_of(op: Op, x: Shape, tensor: str = "weight") -> Tensor:
    """A weight of an operator, as the spec starts it or with small whole numbers."""
    shape = tuple(int(n) for n in op.weights(x)[tensor])
    start = op.start(tensor) if isinstance(op, Started) else None
    if isinstance(start, tuple):
        return Tensor(shape, lambda index: _entry(start, index), "is given in the spec")
    if isinstance(start, Initializer):
        found = _started(start, shape)
        if found is not None:
            if start.name == "constant":
                return Tensor(shape, found, f"is {start.settings['value']:g} throughout")
            return Tensor(shape, found, f"starts as {start}")
    if tensor == "bias":
        return Tensor(shape, lambda index: 1, "is made up: 1")
    return Tensor(shape, _pattern, "is made up of 1, 0, -1")


def _pattern(index: tuple[int, ...]) -> Number:
    """1, 0, -1 along a row; each kernel and channel begins one later."""
    return 1 - (index[-1] + sum(index[:2] if len(index) > 2 else index[:1])) % 3


def _entry(table: Any, index: tuple[int, ...]) -> Number:
    for i in index:
        table = table[i]
    found: Number = table
    return found


def _started(start: Initializer, shape: Shape) -> Get | None:
    """The numbers of an initialiser, if it leaves nothing to chance."""
    if start.name in ("zeros", "ones"):
        value = 0 if start.name == "zeros" else 1
        return lambda index: value
    if start.name == "constant":
        given = start.settings["value"]
        assert isinstance(given, (int, float))  # checked when it was made
        return lambda index: given
    if start.name == "dirac":
        return _dirac(shape, int(start.settings.get("groups", 1)))
    if start.name == "bilinear":
        return lambda index: _bilinear(shape, index)
    return None


def _dirac(shape: Shape, groups: int) -> Get:
    """The identity: 1 in the middle tap of a channel's own kernel."""
    each = shape[0] // groups
    middle = tuple(k // 2 for k in shape[2:])
    return lambda index: int(index[1] == index[0] % each and index[2:] == middle)


def _bilinear(shape: Shape, index: tuple[int, ...]) -> Number:
    """Linear interpolation along each axis, each channel by itself. Long et al. 2015."""
    if index[1] != index[0] % shape[1]:
        return 0
    factors = [
        1 - abs(at - (k - 1) / 2) / ((k + 1) // 2)
        for at, k in zip(index[2:], shape[2:], strict=True)
    ]
    return prod(factors)


def kernel(text: str, op: Op, x: Shape) -> Tensor:
    """A weight as it is typed: numbers apart by spaces, rows by `;`, channels by `|`.

    One plane serves every channel, or there is one for each that a kernel sees; all kernels are
    the same. Raises `CellError`.
    """
    shape = tuple(int(n) for n in op.weights(x).get("weight", ()))
    if op.op not in ("conv", "conv_transpose", "locally_connected", "linear"):
        raise CellError(f"`{op.op}` has no kernel that --weight could give")
    planes = [[_numbers(row) for row in plane.split(";")] for plane in text.split("|")]
    if op.op == "linear":
        flat = [n for plane in planes for row in plane for n in row]
        if len(flat) != shape[1]:
            raise CellError(f"--weight has {len(flat)} numbers, but {shape[1]:,} features come in")
        return Tensor(shape, lambda index: flat[index[1]], "is given")
    rank = len(x) - 1
    taps = shape[2 : 2 + rank]
    seen = 0 if op.op == "conv_transpose" else 1
    if any(len(plane) != prod(taps[:-1]) or any(len(row) != taps[-1] for row in plane)
           for plane in planes):  # fmt: skip
        size = " x ".join(map(str, taps))
        rows = f"{prod(taps[:-1])} rows of {taps[-1]} numbers" if rank > 1 else f"{taps[0]} numbers"
        raise CellError(f"--weight must be {rows}: the kernel of `{op.op}` is {size}")
    if len(planes) not in (1, shape[seen]):
        raise CellError(
            f"--weight has {len(planes)} planes, but a kernel sees {shape[seen]} channels",
            "give one plane for all of them, or one for each",
        )

    def get(index: tuple[int, ...]) -> Number:
        plane = planes[index[seen] if len(planes) > 1 else 0]
        row = 0
        for at, n in zip(index[2 : 1 + rank], taps[:-1], strict=True):
            row = row * n + at
        return plane[row][index[1 + rank]]

    return Tensor(shape, get, "is given, the same for every channel" if len(planes) == 1
                  and shape[seen] > 1 else "is given")  # fmt: skip


def _numbers(text: str) -> list[Number]:
    return [number_of(word, "--weight") for word in text.replace(",", " ").split()]


def number_of(word: str, where: str) -> Number:
    """A finite number as it is typed. Raises `CellError`."""
    try:
        value = float(word)
    except ValueError:
        raise CellError(f"{where}: `{word[:40]}` is not a number") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise CellError(f"{where}: `{word[:40]}` is not a finite number")
    if abs(value) > TOO_LARGE:
        raise CellError(f"{where}: `{word[:40]}` is too large for a board")
    return whole(value)
