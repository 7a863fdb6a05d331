"""Several values into one, one into several, and channels among themselves."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import Field

from .base import Op, OpError, Shape, show, spatial, undivided
from .call import Call, Infix, Input, Method, Torch
from .kinds import Count, OneOf, Parts
from .windows import BROADCAST, POINT, Geometry

_INFIX = {"sum": "+", "product": "*", "difference": "-"}
_LONGEST = 64  # operands of one expression; more are stacked, so emitted code stays shallow


class Fuse(Op):
    """Joins paths: by sum, concatenation of channels, product, difference, maximum or mean.

    Shapes must be equal (for `concat`, up to the channels); only `product` repeats axes of size 1.
    """

    op = "fuse"
    family = "merge"
    arity = None
    example = ({"by": "concat"}, ((64, 32, 32), (32, 32, 32)))
    formulas = {"channels": "the sum of all C if by=concat"}

    by: Annotated[str, OneOf("sum", "concat", "product", "difference", "max", "mean")] = Field(
        "sum", description="how"
    )

    def check(self, *xs: Shape) -> None:
        if not xs:
            raise OpError("E0505", "`fuse` needs something to join")
        first = xs[0]
        for x in xs[1:]:
            if len(x) != len(first):
                text = f"`fuse` needs values of one rank, not {show(first)} and {show(x)}"
                raise OpError("E0402", text)
        axes: Iterable[Sequence[int]] = zip(*xs, strict=True)
        if self.by == "product":
            axes = ([n for n in sizes if n != 1] for sizes in axes)
        bad = [i for i, sizes in enumerate(axes) if any(n != sizes[0] for n in sizes[1:])]
        if self.by == "concat":
            bad = [i for i in bad if i]
        if bad:
            raise self._unequal(bad, *xs)

    def _unequal(self, bad: list[int], *xs: Shape) -> OpError:
        shapes = " and ".join(dict.fromkeys(show(x) for x in xs))
        what = {
            "concat": "needs equal sizes on every axis but the channels",
            "product": "needs equal shapes, or axes of size 1",
        }.get(self.by, "needs equal shapes")
        help = None
        if bad == [0]:
            help = "bring all paths to the same channels with `conv(channels, 1)`"
        elif 0 not in bad:
            help = "bring all paths to the same size: `crop(to=v)`, `pad(to=v)`, `upsample(to=v)`"
        return OpError("E0401", f"`fuse(by={self.by})` {what}", None, (shapes,), help)

    def shape(self, *xs: Shape) -> Shape:
        if self.by == "concat":
            return (sum(x[0] for x in xs), *xs[0][1:])
        if self.by == "product":
            return tuple(next((n for n in sizes if n != 1), 1) for sizes in zip(*xs, strict=True))
        return xs[0]

    def reads(self, *xs: Shape) -> tuple[tuple[Geometry, ...] | None, ...]:
        out = self.shape(*xs)
        return tuple(
            tuple(POINT if n == m else BROADCAST for n, m in zip(x[1:], out[1:], strict=True))
            for x in xs
        )

    def torch(self, *xs: Shape) -> Torch:
        inputs = tuple(Input(i) for i in range(len(xs)))
        if self.by == "concat":
            return Torch(function=Call("torch.cat", (list(inputs),), {"dim": 1}))
        if len(xs) == 1:
            return Torch(function=inputs[0])
        infix = _INFIX.get(self.by)
        if self.by == "max" and len(xs) == 2:
            return Torch(function=Call("torch.maximum", inputs))
        if infix and len(xs) <= _LONGEST:
            return Torch(function=Infix(infix, inputs))
        if self.by == "mean" and len(xs) <= _LONGEST:
            return Torch(function=Infix("/", (Infix("+", inputs), len(xs))))
        return Torch(function=self._stacked(inputs, xs))

    def _stacked(self, inputs: tuple[Input, ...], xs: tuple[Shape, ...]) -> Any:
        if self.by == "difference":
            return Infix("-", (inputs[0], self._over(inputs[1:], "sum")))
        if self.by == "product":
            if len(set(xs)) > 1:
                return self._halved(inputs)
            return self._over(inputs, "prod")
        return self._over(inputs, {"max": "amax"}.get(self.by, self.by))

    def _halved(self, inputs: tuple[Input, ...]) -> Any:
        """Unequal shapes cannot be stacked: a tree of products, as deep as the logarithm."""
        if len(inputs) <= _LONGEST:
            return Infix("*", inputs)
        half = len(inputs) // 2
        return Call("torch.mul", (self._halved(inputs[:half]), self._halved(inputs[half:])))

    def _over(self, inputs: tuple[Input, ...], reduction: str) -> Method:
        return Method(Call("torch.stack", (list(inputs),)), reduction, (), {"dim": 0})


class Split(Op):
    """Parts of the channels, each a value of its own: `a, b = x -> split(2)`."""

    op = "split"
    family = "merge"
    example = ({"parts": 2}, ((64, 32, 32),))
    formulas = {"channels": "C / parts each, or as listed"}

    parts: Annotated[int | tuple[int, ...], Parts(1)] = Field(
        description="how many equal parts, or the channels of each part"
    )

    def sizes(self, x: Shape) -> tuple[int, ...]:
        """Channels of each part."""
        if isinstance(self.parts, tuple):
            return self.parts
        return (x[0] // self.parts,) * self.parts

    def check(self, *xs: Shape) -> None:
        spatial(self, xs[0])
        channels = xs[0][0]
        if isinstance(self.parts, tuple):
            if sum(self.parts) != channels:
                total = " + ".join(map(str, self.parts)) + f" = {sum(self.parts)}"
                text = f"the parts of `split` must add up to {int(channels)} channels"
                raise OpError("E0404", text, "parts", (total,))
        elif channels % self.parts:
            text = f"{int(channels)} channels do not divide into {self.parts} equal parts"
            raise undivided("parts", text, channels, self.parts)

    def shape(self, *xs: Shape) -> Shape:
        return self.outputs(*xs)[0]

    def outputs(self, *xs: Shape) -> tuple[Shape, ...]:
        return tuple((size, *xs[0][1:]) for size in self.sizes(xs[0]))

    def torch(self, *xs: Shape) -> Torch:
        if isinstance(self.parts, tuple):
            return Torch(function=Method(Input(), "split", (list(self.parts),), {"dim": 1}))
        return Torch(function=Method(Input(), "chunk", (self.parts,), {"dim": 1}))


class ChannelShuffle(Op):
    """Interleaves groups of channels, so that the next grouped layer mixes them.
    Zhang et al. 2018."""

    op = "channel_shuffle"
    family = "merge"
    ranks = (1, 2, 3)
    example = ({"groups": 4}, ((64, 32, 32),))

    groups: Count = Field(description="groups that the channels are divided into")

    def check(self, *xs: Shape) -> None:
        spatial(self, xs[0])
        channels = xs[0][0]
        if channels % self.groups:
            text = f"{int(channels)} channels do not divide into {self.groups} groups"
            raise undivided("groups", text, channels, self.groups)

    def torch(self, *xs: Shape) -> Torch:
        function = Call("F.channel_shuffle", (Input(), self.groups))
        return Torch(Call("nn.ChannelShuffle", (self.groups,)), function)
