"""Window arithmetic: one idea for shapes and receptive fields.

A geometry describes one spatial axis of an operator and answers two questions: `size(n)`, the output
size for input size n, and `reads(lo, hi)`, the input interval (inclusive) that the output units
[lo, hi] need, on an unbounded axis. `period` is (p, q): moving p output units moves the interval by
q input units. Shapes compose `size` forwards, receptive fields compose `reads` backwards.
"""

from __future__ import annotations

from typing import ClassVar


class Geometry:
    """One axis of an operator. `whole`: every unit sees the whole axis; `gate`: it does so only
    through a gate or a statistic, and `reads` gives the local part; `holes`: some units inside the
    interval are not read."""

    whole: ClassVar[bool] = False
    gate: ClassVar[bool] = False

    @property
    def holes(self) -> bool:
        return False

    @property
    def period(self) -> tuple[int, int]:
        return 1, 1

    def size(self, n: int) -> int:
        return n

    def reads(self, lo: int, hi: int) -> tuple[int, int]:
        """Empty intervals have lo > hi."""
        return lo, hi


class Point(Geometry):
    """Each unit reads its own place."""


POINT = Point()
