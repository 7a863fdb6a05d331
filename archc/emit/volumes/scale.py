"""How large a volume is drawn: areas of feature maps and channels on a compressed scale.

Sizes of networks span three decades, so lengths grow with the square root: rows and columns
relative to the largest map of the figure, channels and units of vectors absolutely.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin, sqrt

from .figure import Figure, Item

LARGEST = 120.0
"""Points that the side of the largest map gets."""

MANY = 18
"""Of more volumes, each is drawn smaller."""

LEAST = 5.0
ANGLE = radians(38)
DEPTH = 0.45
"""Lines that lead backwards are drawn shorter, as in cabinet projection."""

BAR = 8.0
SHEETS = 16
"""Up to so many channels are drawn one by one."""

DOTS = 12
"""Up to so many units of a vector are drawn one by one."""

SIGN = 8.0
"""Radius of the circle of a fuse."""


@dataclass(frozen=True, slots=True)
class Size:
    """Extent of an item: width of its channels, height of its rows, and how far its columns lead
    to the right (`dx`) and upwards (`dy`)."""

    width: float
    height: float
    dx: float = 0.0
    dy: float = 0.0

    @property
    def wide(self) -> float:
        return self.width + self.dx

    @property
    def high(self) -> float:
        return self.height + self.dy


class Scale:
    """The scale of one figure."""

    def __init__(self, figure: Figure) -> None:
        sides = [n for item in figure.items for n in item.shape[1:]]
        many = len(figure.items) > MANY
        part = (0.6 if figure.branched else 0.75) if many else 1.0
        self.unit = LARGEST * part / sqrt(max([16, *sides]))
        self.deep = 0.75 if many and figure.branched else 1.0
        units = [item.shape[0] for item in figure.items if len(item.shape) == 1]
        self.bar = min(3.0, 1.3 * LARGEST / sqrt(max([1, *units])))

    def side(self, size: int) -> float:
        """Points of so many rows or columns."""
        return max(LEAST, self.unit * sqrt(size))

    def channels(self, count: int) -> float:
        """Points of so many channels."""
        if count <= SHEETS:
            return 5.0 * self.deep * (count - 1)
        return self.deep * min(110.0, 2.4 * sqrt(count))

    def of(self, item: Item) -> Size:
        """An item's size. A 1-d map has no depth; of a 3-d one, rows and columns are drawn."""
        if item.kind == "sign":
            return Size(2 * SIGN, 2 * SIGN)
        shape = item.shape
        if len(shape) <= 1:
            units = shape[0] if shape else 1
            high = 13.0 * units if units <= DOTS else max(24.0, self.bar * sqrt(units))
            return Size(BAR, high)
        width = self.channels(shape[0])
        if item.parts:
            width = max(width, sum(self.channels(p[0]) for p in item.parts if p))
        if len(shape) == 2:
            return Size(max(width, 3.0), self.side(shape[1]))
        back = self.side(shape[-1]) * DEPTH
        return Size(width, self.side(shape[-2]), back * cos(ANGLE), back * sin(ANGLE))
