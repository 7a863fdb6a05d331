"""Window arithmetic: one idea for shapes and receptive fields.

A geometry describes one spatial axis of an operator and answers two questions: `size(n)`, the
output size for input size n, and `reads(lo, hi)`, the input interval (inclusive) that the output
units [lo, hi] need, on an unbounded axis. `period` is (p, q): moving p output units moves the
interval by q input units. Shapes compose `size` forwards, receptive fields `reads` backwards.

Sizes may be `archc.dims.Size`, so `size` keeps to + - * // %; `reads` sees plain integers only.
Geometries compare by value and are made once per distinct parameters where those are plain numbers.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from typing import ClassVar

from ..dims import at_hand
from ..record import Record

EMPTY = (1, 0)
"""The interval that holds nothing."""


class Geometry:
    """One axis of an operator. `whole`: every unit sees the whole axis; `gate`: it does so only
    through a gate or a statistic, and `reads` gives the local part; `holes`: some units inside the
    interval are not read. Both ends of `reads(u, u)` never decrease with u."""

    whole: ClassVar[bool] = False
    gate: ClassVar[bool] = False

    @property
    def holes(self) -> bool:
        return False

    @property
    def period(self) -> tuple[int, int]:
        return 1, 1

    def size(self, n: int) -> int:
        """Output size for input size n."""
        return n

    def reads(self, lo: int, hi: int) -> tuple[int, int]:
        """Input interval that the output units [lo, hi] need. Empty intervals have lo > hi."""
        return lo, hi

    def formula(self, n: int) -> str | None:
        """`size(n)` with its numbers put in, or None where there is nothing to work out."""
        return None


class Point(Geometry):
    """Each unit reads its own place."""


POINT = Point()


class Whole(Geometry):
    """Every unit sees the whole axis; one position is left (global pooling, flatten)."""

    whole = True

    def size(self, n: int) -> int:
        return 1


class Gate(Geometry):
    """Each unit reads its own place, and the whole axis through a statistic (normalisation)."""

    gate = True


class Broadcast(Geometry):
    """The axis has one unit, which every output unit reads."""

    @property
    def period(self) -> tuple[int, int]:
        return 1, 0

    def reads(self, lo: int, hi: int) -> tuple[int, int]:
        return (0, 0) if lo <= hi else EMPTY


WHOLE = Whole()
GATE = Gate()
BROADCAST = Broadcast()


def floor_text(top: str, bottom: int, exact: bool) -> str:
    """`(top) / bottom`, in floor brackets where it does not come out even."""
    quotient = f"({top}) / {bottom}"
    return quotient if exact else f"⌊{quotient}⌋"


class Window(Record, Geometry):
    """A window of `kernel` taps, `dilation` apart, moved by `stride` (convolution, pooling).

    `lo` and `hi` are the padding before and after. With `ceil`, a last window that hangs over the
    end counts if it starts inside the input or the padding before it, as in PyTorch.
    """

    kernel: int
    stride: int = 1
    dilation: int = 1
    lo: int = 0
    hi: int = 0
    ceil: bool = False

    @property
    def extent(self) -> int:
        """From the first tap to the last, inclusive."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def holes(self) -> bool:
        return self.stride > self.kernel * self.dilation or (self.dilation > 1 and self.kernel > 1)

    @property
    def period(self) -> tuple[int, int]:
        return 1, self.stride

    def size(self, n: int) -> int:
        stride = self.stride
        if not self.ceil:
            return (n + (self.lo + self.hi - self.extent)) // stride + 1
        if self.hi + stride > self.extent:
            # Some window would start beyond the end: only the starts inside count.
            return (n + (self.lo + stride - 1)) // stride
        return (n + (self.lo + self.hi - self.extent + stride - 1)) // stride + 1

    def reads(self, lo: int, hi: int) -> tuple[int, int]:
        if lo > hi:
            return EMPTY
        return lo * self.stride - self.lo, hi * self.stride - self.lo + self.extent - 1

    def formula(self, n: int) -> str:
        pads = f"2·{self.lo}" if self.lo == self.hi else f"{self.lo} + {self.hi}"
        taps = str(self.kernel)
        if self.dilation > 1:
            taps = f"{self.dilation}·({self.kernel} - 1) - 1"
        rest = n + self.lo + self.hi - self.extent
        top = f"{n} + {pads} - {taps}"
        if rest % self.stride == 0:
            text = f"({top}) / {self.stride} + 1"
        elif self.ceil:
            text = f"⌈({top}) / {self.stride}⌉ + 1"
            if self.size(n) != -(-rest // self.stride) + 1:
                text += " - 1 (the last window would start beyond the end)"
        else:
            text = f"⌊({top}) / {self.stride}⌋ + 1"
        return f"{text} = {self.size(n)}"


class SameWindow(Window):
    """A window padded so that the output is ceil(n / stride); `lo` and `hi` are those at hand."""

    def size(self, n: int) -> int:
        return (n + (self.stride - 1)) // self.stride

    def formula(self, n: int) -> str:
        return f"⌈{n} / {self.stride}⌉ = {self.size(n)}"


class Scatter(Record, Geometry):
    """Transposed convolution: input i is spread over outputs i * stride - lo + dilation * tap.

    `lo` and `hi` are cut off at the ends; `extra` is added after (`output_padding`). With a
    dilation, `reads` includes inputs whose taps pass a unit by, so that its ends never decrease.
    """

    kernel: int
    stride: int = 1
    dilation: int = 1
    lo: int = 0
    hi: int = 0
    extra: int = 0

    @property
    def holes(self) -> bool:
        return self.dilation > 1 and self.kernel > 1

    @property
    def period(self) -> tuple[int, int]:
        return self.stride, 1

    def size(self, n: int) -> int:
        rest = self.dilation * (self.kernel - 1) + 1 + self.extra - self.lo - self.hi
        return (n - 1) * self.stride + rest

    def reads(self, lo: int, hi: int) -> tuple[int, int]:
        if lo > hi:
            return EMPTY
        reach = self.dilation * (self.kernel - 1)
        first = -((reach - lo - self.lo) // self.stride)  # smallest i that ends at lo or later
        last = (hi + self.lo) // self.stride  # largest i that begins at hi or earlier
        return (first, last) if first <= last else EMPTY

    def formula(self, n: int) -> str:
        pads = f"2·{self.lo}" if self.lo == self.hi else f"{self.lo} - {self.hi}"
        taps = str(self.kernel)
        if self.dilation > 1:
            taps = f"{self.dilation}·({self.kernel} - 1) + 1"
        extra = f" + {self.extra}" if self.extra else ""
        return f"({n} - 1)·{self.stride} - {pads} + {taps}{extra} = {self.size(n)}"


class Sample(Record, Geometry):
    """Resampling: output u is read at (num * u + shift) / den on the input's axis.

    `taps`: 1 takes the unit below that place (nearest), 2 the two around it (linear), 4 the four
    around it (cubic). A place that falls on a unit needs that unit alone; for cubic its neighbours
    are included, so that the ends of `reads` never decrease. `out`, if given, is the output size;
    otherwise it is n * den // num.
    """

    num: int
    den: int
    shift: int = 0
    taps: int = 1
    out: int | None = None

    @property
    def holes(self) -> bool:
        some_exact = self.shift % gcd(self.num, self.den) == 0
        return self.num > self.taps * self.den or (self.taps == 4 and some_exact)

    @property
    def period(self) -> tuple[int, int]:
        common = gcd(self.num, self.den)
        return self.den // common, self.num // common

    def size(self, n: int) -> int:
        if self.out is not None:
            return self.out
        common = gcd(self.num, self.den)
        return n * (self.den // common) // (self.num // common)

    def reads(self, lo: int, hi: int) -> tuple[int, int]:
        if lo > hi:
            return EMPTY
        first = (self.num * lo + self.shift) // self.den
        last = self.num * hi + self.shift
        if self.taps == 1:
            return first, last // self.den
        beyond = self.taps // 2 - 1
        return first - beyond, -(-last // self.den) + beyond

    def formula(self, n: int) -> str | None:
        if self.out is not None:
            return None
        common = gcd(self.num, self.den)
        up, down = self.den // common, self.num // common
        if down == 1:
            return f"{n} · {up} = {self.size(n)}"
        return f"{floor_text(f'{n} · {up}', down, n * up % down == 0)} = {self.size(n)}"


class Adaptive(Record, Geometry):
    """Adaptive pooling from n units to out: unit u reads floor(u n / out) to ceil((u + 1) n / out).

    The same formula goes on beyond the ends, with period (out, n).
    """

    n: int
    out: int

    @property
    def period(self) -> tuple[int, int]:
        common = gcd(self.n, self.out)
        return self.out // common, self.n // common

    def size(self, n: int) -> int:
        return self.out

    def reads(self, lo: int, hi: int) -> tuple[int, int]:
        if lo > hi:
            return EMPTY
        return lo * self.n // self.out, -(-(hi + 1) * self.n // self.out) - 1


class Shift(Record, Geometry):
    """Padding (or, where negative, cropping) by `lo` before and `hi` after."""

    lo: int
    hi: int

    def size(self, n: int) -> int:
        return n + (self.lo + self.hi)

    def reads(self, lo: int, hi: int) -> tuple[int, int]:
        return lo - self.lo, hi - self.lo

    def formula(self, n: int) -> str:
        parts = [str(n)] + [f"{'-' if p < 0 else '+'} {abs(p)}" for p in (self.lo, self.hi)]
        return f"{' '.join(parts)} = {self.size(n)}"


class Place(Record, Geometry):
    """Padding or cropping to a size: input unit 0 comes to stand at output unit `lo`."""

    lo: int
    out: int

    def size(self, n: int) -> int:
        return self.out

    def reads(self, lo: int, hi: int) -> tuple[int, int]:
        return lo - self.lo, hi - self.lo


window = lru_cache(maxsize=4096)(Window)
same_window = lru_cache(maxsize=4096)(SameWindow)
scatter = lru_cache(maxsize=1024)(Scatter)
shift = lru_cache(maxsize=1024)(Shift)


def repeat(up: int, down: int = 1) -> Sample:
    """Nearest upsampling by the factor up / down."""
    return Sample(num=down, den=up)


def nearest_to(n: int, out: int) -> Sample:
    """Nearest resampling from n to out units."""
    return Sample(num=at_hand(n), den=at_hand(out), out=out)


def interpolation(up: int, down: int, taps: int) -> Sample:
    """Linear (2 taps) or cubic (4) resampling by the factor up / down, corners not aligned."""
    return Sample(num=2 * down, den=2 * up, shift=down - up, taps=taps)


def interpolation_to(n: int, out: int, taps: int, align_corners: bool) -> Sample:
    """Linear or cubic resampling from n to out units."""
    a, b = at_hand(n), at_hand(out)
    if not align_corners:
        return Sample(num=2 * a, den=2 * b, shift=a - b, taps=taps, out=out)
    if b == 1 or a == 1:
        return Sample(num=0, den=1, taps=taps, out=out)
    return Sample(num=a - 1, den=b - 1, taps=taps, out=out)


def same_padding(n: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Padding before and after that makes the output ceil(n / stride), as TensorFlow does it."""
    total = max((-(-n // stride) - 1) * stride + dilation * (kernel - 1) + 1 - n, 0)
    return total // 2, total - total // 2
