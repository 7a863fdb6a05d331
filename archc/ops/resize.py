"""Changing the spatial size: resampling, rearranging, padding, cropping."""

from fractions import Fraction
from typing import Annotated, Any

from pydantic import Field

from .base import REF, Op, OpError, Shape, per_axis, show, spatial
from .call import Call, Input, SizeOf, Torch
from .kinds import PAD_MODES, Bool, Count, Factor, Number, OneOf, Padding, PerAxis, Target
from .padding import Sides, check_mode, flat, square
from .windows import (
    Geometry,
    Place,
    interpolation,
    interpolation_to,
    nearest_to,
    repeat,
    shift,
)

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def _target(op: Op, *xs: Shape) -> tuple[int, ...]:
    """The spatial size that `to` asks for: a list, or that of the second input."""
    if getattr(op, "to", None) == REF:
        return xs[1][1:]
    return per_axis(op, "to", xs[0])


def _check_like(op: Op, *xs: Shape) -> None:
    """E0402 where the value that gives the size has other axes."""
    if len(xs) > 1 and len(xs[1]) != len(xs[0]):
        text = f"`to` has the axes of {show(xs[1])}, which are not those of {show(xs[0])}"
        raise OpError("E0402", text, "to")


def _as_repeated(geometry: Geometry, n: int) -> Geometry:
    """Nearest upsampling in 2 and 3 dimensions as PyTorch does it: where a fractional factor comes
    out at one or two times the size (2.25 times 3 units are 6), it repeats units so many times."""
    times, rest = divmod(geometry.size(n), n)
    return repeat(times) if rest == 0 and times in (1, 2) else geometry


class Upsample(Op):
    """More places, by repeating units or by interpolating between them."""

    op = "upsample"
    family = "resize"
    ranks = (1, 2, 3)
    example = ({"factor": 2, "by": "bilinear"}, ((64, 16, 16),))
    formulas = {"size": "⌊n · factor⌋"}

    factor: Annotated[Any, Factor()] = Field(None, description="how many times the size")
    to: Target = Field(None, description="the size of the output, or a value that has it")
    by: Annotated[str, OneOf("nearest", "linear", "bilinear", "trilinear", "bicubic")] = Field(
        "nearest", description="linear in 1, bilinear in 2, trilinear in 3 dimensions; bicubic in 2"
    )
    align_corners: Bool = Field(
        False, description="the outermost units keep their places, the others lie between"
    )

    def coherent(self) -> None:
        if self.factor is None and self.to is None:
            help = "`upsample(2)` or `upsample(to=v)`"
            raise OpError("E0302", "`upsample` needs `factor` or `to`", "factor", help=help)
        if self.factor is not None and self.to is not None:
            raise OpError("E0312", "`factor` and `to` contradict each other", "to")
        if self.align_corners and self.by == "nearest":
            text = "`align_corners` needs interpolation, not `nearest`"
            raise OpError("E0312", text, "align_corners")

    @property
    def _taps(self) -> int:
        return {"nearest": 1, "bicubic": 4}.get(self.by, 2)

    def _factors(self, x: Shape) -> tuple[Fraction, ...]:
        return tuple(Fraction(f) for f in per_axis(self, "factor", x))

    def _axes(self, *xs: Shape) -> tuple[Geometry, ...]:
        x = xs[0]
        if self.to is not None:
            pairs = zip(x[1:], _target(self, *xs), strict=True)
            if self._taps == 1:
                return tuple(nearest_to(n, m) for n, m in pairs)
            return tuple(interpolation_to(n, m, self._taps, self.align_corners) for n, m in pairs)
        factors = [(f.numerator, f.denominator) for f in self._factors(x)]
        if self._taps == 1:
            return tuple(repeat(up, down) for up, down in factors)
        if not self.align_corners:
            return tuple(interpolation(up, down, self._taps) for up, down in factors)
        return tuple(
            interpolation_to(n, n * up // down, self._taps, True)
            for n, (up, down) in zip(x[1:], factors, strict=True)
        )

    def axes(self, x: Shape) -> tuple[Geometry, ...]:
        return self._axes(x)

    def reads(self, *xs: Shape) -> tuple[tuple[Geometry, ...] | None, ...]:
        axes = self._axes(*xs)
        if self._taps == 1 and self.to is None and len(axes) > 1:
            sizes = zip(axes, xs[0][1:], strict=True)
            axes = tuple(_as_repeated(g, int(n)) for g, n in sizes)
        return (axes, *(None for _ in xs[1:]))

    def shape(self, *xs: Shape) -> Shape:
        sizes = zip(self._axes(*xs), xs[0][1:], strict=True)
        return (self.channels_out(xs[0]), *(g.size(n) for g, n in sizes))

    def arithmetic(self, *xs: Shape) -> tuple[str, ...]:
        return () if self.to is not None else super().arithmetic(*xs)

    def check(self, *xs: Shape) -> None:
        rank = spatial(self, xs[0])
        _check_like(self, *xs)
        if self.by != "nearest":
            wanted = (_LINEAR[rank], "bicubic") if rank == 2 else (_LINEAR[rank],)
            if self.by not in wanted:
                text = f"`by={self.by}` does not fit {show(xs[0])}"
                raise OpError("E0402", text, "by", help=f"use `by={wanted[0]}`")
        if any(n < 1 for n in self.shape(*xs)[1:]):
            text = f"`upsample` of {show(xs[0])} by this factor leaves nothing"
            raise OpError("E0408", text, "factor")

    def torch(self, *xs: Shape) -> Torch:
        x = xs[0]
        how: dict[str, Any] = {} if self.by == "nearest" else {"mode": self.by}
        if self.align_corners:
            how["align_corners"] = True
        if self.to == REF:
            return Torch(function=Call("F.interpolate", (Input(),), {"size": SizeOf(1), **how}))
        if self.to is not None:
            how = {"size": square(_target(self, x)), **how}
        else:
            how = {"scale_factor": square(per_axis(self, "factor", x)), **how}
        return Torch(Call("nn.Upsample", (), how), Call("F.interpolate", (Input(),), how))


class PixelShuffle(Op):
    """Channels to places: each group of factor² channels becomes a square. Shi et al. 2016."""

    op = "pixel_shuffle"
    family = "resize"
    ranks = (2,)
    example = ({"factor": 2}, ((64, 16, 16),))
    formulas = {"size": "n · factor", "channels": "C / factor²"}

    factor: Count = Field(description="how many times the size")

    def channels_out(self, x: Shape) -> int:
        return x[0] // self.factor**2

    def axes(self, x: Shape) -> tuple[Geometry, ...]:
        return (repeat(self.factor),) * 2

    def check(self, *xs: Shape) -> None:
        spatial(self, xs[0])
        channels, area = xs[0][0], self.factor**2
        if channels % area:
            note = f"{int(channels)} / {self.factor}² leaves {int(channels % area)}"
            text = f"{int(channels)} channels do not divide into squares of {area}"
            raise OpError("E0404", text, "factor", (note,))

    def torch(self, *xs: Shape) -> Torch:
        function = Call("F.pixel_shuffle", (Input(), self.factor))
        return Torch(Call("nn.PixelShuffle", (self.factor,)), function)


Amounts = Annotated[Any, Padding()]
_AMOUNTS = "units on each side: a number, one per axis, or [before, after] per axis"
_TO = "the size of the output, or a value that has it"


class Border(Op):
    """Common to pad and crop: amounts per side, or a size to come to."""

    family = "resize"
    ranks = (1, 2, 3)

    amounts: Amounts
    to: Target

    def coherent(self) -> None:
        if self.amounts is None and self.to is None:
            raise OpError("E0302", f"`{self.op}` needs `amounts` or `to`", "amounts")
        if self.amounts is not None and self.to is not None:
            raise OpError("E0312", "`amounts` and `to` contradict each other", "to")

    def _sides(self, x: Shape) -> Sides:
        amounts = per_axis(self, "amounts", x)
        return tuple(a if isinstance(a, tuple) else (a, a) for a in amounts)

    def _axes(self, *xs: Shape) -> tuple[Geometry, ...]:
        raise NotImplementedError

    def axes(self, x: Shape) -> tuple[Geometry, ...]:
        return self._axes(x)

    def reads(self, *xs: Shape) -> tuple[tuple[Geometry, ...] | None, ...]:
        return (self._axes(*xs), *(None for _ in xs[1:]))

    def shape(self, *xs: Shape) -> Shape:
        sizes = zip(self._axes(*xs), xs[0][1:], strict=True)
        return (self.channels_out(xs[0]), *(g.size(n) for g, n in sizes))

    def arithmetic(self, *xs: Shape) -> tuple[str, ...]:
        return () if self.to is not None else super().arithmetic(*xs)


class Pad(Border):
    """A border around the input. With `to`, the input comes to stand in the middle; with
    `over=channels`, the border is of channels (the shortcut of option A in He et al. 2015)."""

    op = "pad"
    example = ({"amounts": 2, "by": "reflect"}, ((3, 32, 32),))
    formulas = {"size": "n + before + after", "channels": "C + before + after if over=channels"}

    amounts: Amounts = Field(None, description=_AMOUNTS)
    to: Target = Field(None, description=_TO)
    by: Annotated[str, OneOf(*PAD_MODES)] = Field("zeros", description="what it is filled with")
    value: Number = Field(0.0, description="the number to fill with, if by zeros")
    over: Annotated[str | None, OneOf("channels")] = Field(
        None, description="pad the channels (`amounts` a number, or [before, after]), not the size"
    )

    def coherent(self) -> None:
        super().coherent()
        if self.over is not None:
            if self.to is not None:
                raise OpError("E0312", "`to` is a spatial size; `over` pads channels", "to")
            if self.by != "zeros":
                raise OpError("E0312", f"channels are padded with a number, not by={self.by}", "by")
            flat_pair = isinstance(self.amounts, tuple) and len(self.amounts) == 2
            if not isinstance(self.amounts, int) and not (
                flat_pair and all(isinstance(n, int) for n in self.amounts)
            ):
                raise OpError(
                    "E0304", "`amounts` of channels: a number, or [before, after]", "amounts"
                )
        if self.value != 0 and self.by != "zeros":
            raise OpError("E0312", f"`value` means nothing with `by={self.by}`", "value")

    def _channels(self) -> tuple[int, int]:
        """Channels put before and after."""
        if isinstance(self.amounts, int):
            return self.amounts, self.amounts
        return self.amounts[0], self.amounts[1]

    def channels_out(self, x: Shape) -> int:
        return x[0] + sum(self._channels()) if self.over is not None else x[0]

    def _borders(self, *xs: Shape) -> Sides:
        if self.over is not None:
            return ((0, 0),) * (len(xs[0]) - 1)
        if self.to is None:
            return self._sides(xs[0])
        lacks = [m - n for n, m in zip(xs[0][1:], _target(self, *xs), strict=True)]
        return tuple((lack // 2, lack - lack // 2) for lack in lacks)

    def _axes(self, *xs: Shape) -> tuple[Geometry, ...]:
        borders = self._borders(*xs)
        if self.to is None:
            return tuple(shift(lo, hi) for lo, hi in borders)
        return tuple(Place(lo, m) for (lo, _), m in zip(borders, _target(self, *xs), strict=True))

    def check(self, *xs: Shape) -> None:
        spatial(self, xs[0])
        _check_like(self, *xs)
        borders = self._borders(*xs)
        if any(hi < 0 or lo < 0 for lo, hi in borders):
            out = show((xs[0][0], *_target(self, *xs)))
            text = f"`pad` cannot bring {show(xs[0])} to the smaller {out}"
            raise OpError("E0408", text, "to", help="use `crop(to=...)`")
        check_mode(self, xs[0], self.by, borders, "by")

    def torch(self, *xs: Shape) -> Torch:
        rank = len(xs[0]) - 1
        how: dict[str, Any] = {}
        if self.by != "zeros":
            how["mode"] = self.by
        if self.value != 0:
            how["value"] = self.value
        if self.to is not None:
            from .helpers import PAD_TO, PAD_TO_FUNCTION

            size: Any = SizeOf(1) if self.to == REF else _target(self, *xs)
            function = Call(PAD_TO_FUNCTION.name, (Input(), size), how)
            if self.to == REF:
                return Torch(function=function, helpers=(PAD_TO_FUNCTION,))
            module = Call(PAD_TO.name, (size,), how)
            return Torch(module, function, helpers=(PAD_TO_FUNCTION, PAD_TO))
        sides = self._borders(*xs)
        if self.over is not None:
            from .helpers import PAD_CHANNELS

            amounts = (*flat(sides), *self._channels())
            module = Call(PAD_CHANNELS.name, self._channels(), how)
            return Torch(module, Call("F.pad", (Input(), amounts), how), helpers=(PAD_CHANNELS,))
        amounts = flat(sides)
        function = Call("F.pad", (Input(), amounts), how)
        if self.by == "zeros" and self.value:
            return Torch(Call(f"nn.ConstantPad{rank}d", (square(amounts), self.value)), function)
        kind = {
            "zeros": "ZeroPad",
            "reflect": "ReflectionPad",
            "replicate": "ReplicationPad",
            "circular": "CircularPad",
        }[self.by]
        return Torch(Call(f"nn.{kind}{rank}d", (square(amounts),)), function)


class Crop(Border):
    """Cuts off a border. With `to`, keeps the middle, or what begins `at` an offset."""

    op = "crop"
    example = ({"to": REF}, ((64, 40, 40), (32, 32, 32)))
    formulas = {"size": "n - before - after"}

    amounts: Amounts = Field(None, description=_AMOUNTS)
    to: Target = Field(None, description=_TO)
    at: Annotated[int | tuple[int, ...] | None, PerAxis(0)] = Field(
        None, description="first unit to keep, with `to`; otherwise the middle is kept"
    )

    def coherent(self) -> None:
        super().coherent()
        if self.at is not None and self.to is None:
            raise OpError("E0312", "`at` needs `to`: amounts say where to cut already", "at")

    def _starts(self, *xs: Shape) -> tuple[int, ...]:
        """First unit that is kept, per axis, where `to` is given."""
        if self.at is not None:
            return per_axis(self, "at", xs[0])
        pairs = zip(xs[0][1:], _target(self, *xs), strict=True)
        return tuple((n - m) // 2 for n, m in pairs)

    def _axes(self, *xs: Shape) -> tuple[Geometry, ...]:
        if self.to is None:
            return tuple(shift(-lo, -hi) for lo, hi in self._sides(xs[0]))
        pairs = zip(self._starts(*xs), _target(self, *xs), strict=True)
        return tuple(Place(-start, m) for start, m in pairs)

    def check(self, *xs: Shape) -> None:
        x = xs[0]
        spatial(self, x)
        _check_like(self, *xs)
        if self.to is None:
            for (lo, hi), n in zip(self._sides(x), x[1:], strict=True):
                if lo + hi >= n:
                    text = f"`crop` cuts all of {show(x)} off"
                    note = f"{int(n)} - {lo} - {hi} = {int(n) - lo - hi}"
                    raise OpError("E0408", text, "amounts", (note,))
            return
        out = _target(self, *xs)
        for start, n, m in zip(self._starts(*xs), x[1:], out, strict=True):
            if start < 0 or start + m > n:
                text = f"`crop` cannot bring {show(x)} to the larger {show((x[0], *out))}"
                help = "use `pad(to=...)` where it is too small"
                if m <= n:
                    text, help = f"`crop` at {start} runs over the end of {show(x)}", "lower `at`"
                note = f"{start} + {int(m)} = {int(start + m)}, more than {int(n)}"
                notes = (note,) if start >= 0 else ()
                raise OpError("E0408", text, "to" if m > n else "at", notes, help)

    def torch(self, *xs: Shape) -> Torch:
        x = xs[0]
        if self.to is None:
            amounts = tuple(-n for n in flat(self._sides(x)))
            module = Call(f"nn.ZeroPad{len(x) - 1}d", (square(amounts),))
            return Torch(module, Call("F.pad", (Input(), amounts)))
        from .helpers import CROP_TO, CROP_TO_FUNCTION

        how = {} if self.at is None else {"at": self._starts(*xs)}
        size: Any = SizeOf(1) if self.to == REF else _target(self, *xs)
        function = Call(CROP_TO_FUNCTION.name, (Input(), size), how)
        if self.to == REF:
            return Torch(function=function, helpers=(CROP_TO_FUNCTION,))
        module = Call(CROP_TO.name, (size,), how)
        return Torch(module, function, helpers=(CROP_TO_FUNCTION, CROP_TO))
