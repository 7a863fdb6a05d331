"""What stands on the board for one cell: planes of numbers, and how numbers are written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from .numbers import CellError, Number

Rows = tuple[tuple[Number, ...], ...]

Worked = tuple[tuple[str, ...], Number, tuple[str, ...]]
"""A unit without a window: the steps in words, the result, and what is said of the numbers."""

MOST = 1_000_000
"""Numbers that a unit is worked out of at most: no board is larger."""

MOST_TERMS = 10

T = TypeVar("T")


def bounded(values: Iterable[T], count: int) -> Iterable[T]:
    """What a unit is made of, if it is not too much. Raises `CellError`."""
    if count > MOST:
        raise CellError(f"the unit is made of {count:,} numbers, more than the {MOST:,} allowed")
    return values


@dataclass(frozen=True, slots=True)
class Plane:
    """A part of the window: `values` and, tap by tap, the `kernel` and the `products`.

    `outside` marks what lies in the padding. Without a kernel (pooling) there are no products.
    `total` is the sum of the products.
    """

    name: str
    values: Rows
    outside: tuple[tuple[bool, ...], ...]
    kernel: Rows = ()
    products: Rows = ()
    total: Number | None = None


def plus(value: Number) -> str:
    """`+ 3`, `- 3`."""
    return f"{'-' if value < 0 else '+'} {shown(abs(value))}"


def shown(value: Number) -> str:
    """A number as it stands on the board: whole ones in full, others to six digits."""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def added(values: list[Number]) -> str:
    """`1 + 2 - 3`; of many numbers the first and the last."""
    parts = [plus(n) for n in values]
    if len(parts) > MOST_TERMS:
        parts = [*parts[: MOST_TERMS - 2], "+ ...", parts[-1]]
    text = " ".join(parts)
    return text.removeprefix("+ ") if text.startswith("+ ") else text.replace("- ", "-", 1)
