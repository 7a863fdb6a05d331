"""One axis of a receptive field: which input interval does each output unit see?

An `Axis` maps every unit u of an unbounded output axis to an inclusive interval [lo(u), hi(u)] of
input units. Both ends never decrease with u, so the interval that a run of units [a, b] sees is
[lo(a), hi(b)], and maps compose exactly. They repeat: lo(u + p) = lo(u) + q, thus p intervals (the
*phases*) say all. Where no short period exists (paths of different magnification meet), the units
that are really there are tabulated, and beyond them the map goes on along its slope.

Some units may see nothing (a transposed convolution whose kernel is smaller than its stride). They
are marked in `blind`, and their ends are those of the nearest seeing units: lo of the next, hi of
the last; so the rule for runs holds with them as well. Where a path with blind units meets another,
the ends may go back from a unit to the next; such an axis is *ragged*, and looks at every unit of a
run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import gcd, lcm

LONGEST = 256
"""A longer period than this (and than the axis itself) is tabulated instead."""

MOST = 1 << 16
"""Units that are tabulated at most. A map of a longer axis goes on along its slope from there: its
ends may be off by the units of one step, and work stays bounded whatever sizes a spec asks for."""


def _layout(p: int, units: int, table: bool = False) -> tuple[bool, int]:
    """Is a table needed for this period, and how many intervals are to be worked out?"""
    table = table or p > max(LONGEST, units) or p > MOST
    return table, min(units, MOST) if table else p


class Axis:
    """Intervals by phase, the period (p output units to q input units), and what is to be known.

    `step` is an upper bound of the distance between neighbouring units that one unit sees within
    its interval: 1 means that it sees all of it (no holes). `gated`: besides this interval, it sees
    the whole axis through a gate or a statistic. `table`: `lo` and `hi` list the units 0..n-1
    instead of the phases, and q / p is the slope beyond them.
    """

    __slots__ = ("blind", "gated", "hi", "lo", "p", "q", "ragged", "step", "table")

    def __init__(
        self,
        p: int,
        q: int,
        lo: Sequence[int],
        hi: Sequence[int],
        step: int = 1,
        gated: bool = False,
        blind: Sequence[bool] | None = None,
        table: bool = False,
        ragged: bool = False,
    ) -> None:
        self.p = p
        self.q = q
        self.lo = lo
        self.hi = hi
        self.step = step
        self.gated = gated
        self.blind = blind
        self.table = table
        self.ragged = ragged

    def __repr__(self) -> str:
        kind = "table " if self.table else ""
        spans = ", ".join(f"{a}..{b}" for a, b in zip(self.lo, self.hi, strict=True))
        return f"Axis({kind}{self.p}:{self.q} {spans})"

    # ------------------------------------------------------------------ one unit

    def low(self, u: int) -> int:
        """lo(u), of the next seeing unit where u is blind."""
        return _at(self, self.lo, u)

    def high(self, u: int) -> int:
        """hi(u), of the last seeing unit where u is blind."""
        return _at(self, self.hi, u)

    def run(self, a: int, b: int) -> tuple[int, int]:
        """What the units a..b see together; some of them must see something."""
        if not self.ragged:
            return self.low(a), self.high(b)
        # What is a whole period further on lies further on.
        n = b - a if self.table else len(self.lo)
        first = [u for u in range(a, min(b, a + n) + 1) if self.sees(u, u)]
        last = [u for u in range(max(a, b - n), b + 1) if self.sees(u, u)]
        return min(map(self.low, first)), max(map(self.high, last))

    def sees(self, a: int, b: int) -> bool:
        """Does any of the units a..b see anything?"""
        blind = self.blind
        if blind is None:
            return a <= b
        n = len(blind)
        if self.table:
            return any(not blind[min(max(u, 0), n - 1)] for u in range(a, b + 1))
        return any(not blind[u % n] for u in range(a, min(b + 1, a + n)))

    # ------------------------------------------------------------------ figures

    @property
    def sizes(self) -> list[int]:
        """Units of the interval, by phase; 0 where a unit sees nothing."""
        blind = self.blind or (False,) * len(self.lo)
        return [
            0 if none else b - a + 1 for a, b, none in zip(self.lo, self.hi, blind, strict=True)
        ]

    @property
    def stride(self) -> tuple[int, int]:
        """Input units per output unit, a reduced fraction (numerator, denominator)."""
        common = gcd(self.p, self.q)
        return self.q // common, self.p // common

    def as_gated(self) -> Axis:
        """The same interval, with the whole axis seen through a gate."""
        if self.gated:
            return self
        return Axis(
            self.p, self.q, self.lo, self.hi, self.step, True, self.blind, self.table, self.ragged
        )


IDENTITY = Axis(1, 1, (0,), (0,))
"""Each unit sees its own place."""


def _at(axis: Axis, ends: Sequence[int], u: int) -> int:
    n = len(ends)
    if not axis.table:
        k, r = divmod(u, n)
        return ends[r] + k * axis.q
    if u < 0:
        return ends[0] + u * axis.q // axis.p
    if u >= n:
        return ends[-1] - (-(u - n + 1) * axis.q // axis.p)
    return ends[u]


def from_reads(
    reads: Callable[[int, int], tuple[int, int]],
    period: tuple[int, int],
    units: int,
    step: int = 1,
    gated: bool = False,
) -> Axis:
    """The axis of an operator: `reads(u, u)` for each phase, or for each of its `units`.

    `step` is 0 where the distances inside an interval are unknown: then as large as can be.
    """
    p, q = period
    table, count = _layout(p, units)
    spans = [reads(u, u) for u in range(count)]
    if not step:
        step = max(1, *(b - a for a, b in spans))
    common = gcd(p, q) if table else 1
    return _build(p // common, q // common, spans, step, gated, table)


def _build(
    p: int, q: int, spans: list[tuple[int, int]], step: int, gated: bool, table: bool
) -> Axis:
    """An axis from raw intervals (empty where lo > hi), in its shortest period."""
    if any(a > b for a, b in spans):
        blind = [a > b for a, b in spans]
        lo, hi = _fill(p, q, spans, blind, table)
        return Axis(p, q, lo, hi, step, gated, blind, table, _goes_back(q, lo, hi, table))
    lo, hi = [a for a, _ in spans], [b for _, b in spans]
    if not table:
        p, q, lo, hi = _shorten(p, q, lo, hi)
    return Axis(p, q, lo, hi, step, gated, None, table, _goes_back(q, lo, hi, table))


def _goes_back(q: int, lo: list[int], hi: list[int], table: bool) -> bool:
    """Does an end decrease from a unit to the next?"""
    for ends in (lo, hi):
        following = ends[1:] if table else [*ends[1:], ends[0] + q]
        if any(b < a for a, b in zip(ends, following, strict=False)):
            return True
    return False


def _fill(
    p: int, q: int, spans: list[tuple[int, int]], blind: list[bool], table: bool
) -> tuple[list[int], list[int]]:
    """Ends for units that see nothing: lo of the next seeing unit, hi of the last."""
    n = len(spans)
    lo, hi = [a for a, _ in spans], [b for _, b in spans]
    if all(blind):
        return lo, hi
    turn = 0 if table else q
    after = next(i for i in range(n) if not blind[i])
    before = next(i for i in reversed(range(n)) if not blind[i])
    coming, last = lo[after] + turn, hi[before] - turn
    for i in reversed(range(n)):
        coming = lo[i] = coming if blind[i] else lo[i]
    for i in range(n):
        last = hi[i] = last if blind[i] else hi[i]
    return lo, hi


def _shorten(p: int, q: int, lo: list[int], hi: list[int]) -> tuple[int, int, list[int], list[int]]:
    """The same map in its shortest period."""
    factor = 2
    while factor <= p:
        part, jump = p // factor, q // factor
        if (
            p % factor == 0
            and q % factor == 0
            and all(ends[i + part] == ends[i] + jump for ends in (lo, hi) for i in range(p - part))
        ):
            p, q, lo, hi = part, jump, lo[:part], hi[:part]
        else:
            factor += 1
    return p, q, lo, hi


def compose(outer: Axis, inner: Axis, units: int) -> Axis:
    """What units see through two maps: `inner` leads to the units on which `outer` is defined.

    `units` is the true length of the axis on which `inner` is defined.
    """
    if inner is IDENTITY:
        return outer
    if outer is IDENTITY:
        return inner
    gated = outer.gated or inner.gated
    if len(inner.lo) == len(outer.lo) == 1 and not (
        inner.table or outer.table or inner.blind or outer.blind
    ):
        base, top, q = outer.lo[0], outer.hi[0], outer.q
        a, b = inner.lo[0], inner.hi[0]
        step = outer.step
        if a < b and base + q * inner.step - top > step:
            step = base + q * inner.step - top
        return Axis(1, q * inner.q, (base + q * a,), (top + q * b,), step, gated)

    times = outer.p // gcd(outer.p, inner.q)
    p, q = inner.p * times, outer.q * (inner.q * times // outer.p)
    table, count = _layout(p, units, inner.table or outer.table)
    spans: list[tuple[int, int]] = []
    wide = False
    for u in range(count):
        a, b = inner.low(u), inner.high(u)
        if inner.sees(u, u) and outer.sees(a, b):
            wide = wide or a < b
            spans.append(outer.run(a, b))
        else:
            spans.append((1, 0))
    step = max(outer.step, _gap(outer, inner.step)) if wide else outer.step
    if table:
        common = gcd(p, q)
        p, q = p // common, q // common
    return _build(p, q, spans, step, gated, table)


def _gap(axis: Axis, distance: int) -> int:
    """The largest step from what a unit sees to what the unit `distance` further on sees."""
    return max(axis.low(u + distance) - axis.high(u) for u in range(len(axis.lo)))


def hull(a: Axis, b: Axis, units: int) -> Axis:
    """Two paths that meet: each unit sees what it sees through either."""
    gated = a.gated or b.gated
    if a is b:
        return a
    same = a.q * b.p == b.q * a.p
    if same and len(a.lo) == len(b.lo) == 1 and not (a.table or b.table or a.blind or b.blind):
        lo, hi = min(a.lo[0], b.lo[0]), max(a.hi[0], b.hi[0])
        step = _joined(a, b, [(a.lo[0], a.hi[0])], [(b.lo[0], b.hi[0])])
        return Axis(1, a.q, (lo,), (hi,), step, gated)

    p = lcm(a.p, b.p)
    q = p // a.p * a.q
    table, count = _layout(p, units, not same or a.table or b.table)
    if table:
        # The simplest slope is that of the path which was not fitted to the other's size. A slope
        # of 0 is that of one unit spread over the axis.
        q, p = min(a.stride, b.stride, key=lambda s: (s[0] == 0, s[1], s[0]))
    every = range(count)
    left = [(a.low(u), a.high(u)) if a.sees(u, u) else (1, 0) for u in every]
    right = [(b.low(u), b.high(u)) if b.sees(u, u) else (1, 0) for u in every]
    spans = [_cover(x, y) for x, y in zip(left, right, strict=True)]
    return _build(p, q, spans, _joined(a, b, left, right), gated, table)


def _cover(x: tuple[int, int], y: tuple[int, int]) -> tuple[int, int]:
    if x[0] > x[1]:
        return y
    if y[0] > y[1]:
        return x
    return min(x[0], y[0]), max(x[1], y[1])


def _joined(a: Axis, b: Axis, left: list[tuple[int, int]], right: list[tuple[int, int]]) -> int:
    """Bound of the distance between neighbours in the union of two families of intervals."""
    pairs = [(x, y) for x, y in zip(left, right, strict=True) if x[0] <= x[1] and y[0] <= y[1]]
    for here, all_inside in (
        (a, all(x[0] <= y[0] and y[1] <= x[1] for x, y in pairs)),
        (b, all(y[0] <= x[0] and x[1] <= y[1] for x, y in pairs)),
    ):
        other = b if here is a else a
        if all_inside and here.step <= other.step and len(pairs) == len(left):
            return here.step
    between = [max(x[0], y[0]) - min(x[1], y[1]) for x, y in pairs]
    return max(a.step, b.step, *between, 1)
