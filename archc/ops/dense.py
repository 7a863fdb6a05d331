"""Fully connected layers and the way to them."""

from math import prod
from typing import Annotated, Any

from pydantic import Field

from .base import Op, OpError, Shape, show, spatial
from .call import Call, Input, Method, Torch
from .kinds import Count, OneOf
from .weights import Initialized
from .windows import WHOLE, Geometry


class Linear(Initialized):
    """Fully connected layer: every output is a weighted sum of all features."""

    op = "linear"
    family = "dense"
    weighty = True
    example = ({"features": 1000}, ((2048,),))
    formulas = {
        "channels": "as given",
        "params": "features · C, and features for the bias",
        "MACs": "features · C, at every place if over=channels",
    }

    features: Count = Field(description="outputs")
    over: Annotated[str | None, OneOf("channels")] = Field(
        None, description="`channels`: act on the channels of every place on its own"
    )

    def channels_out(self, x: Shape) -> int:
        return self.features

    def weights(self, x: Shape) -> dict[str, Shape]:
        found: dict[str, Shape] = {"weight": (self.features, x[0])}
        if self.has_bias:
            found["bias"] = (self.features,)
        return found

    def macs(self, *xs: Shape) -> int:
        return self.features * prod(xs[0])

    def check(self, *xs: Shape) -> None:
        rank = spatial(self, xs[0])
        if rank and self.over is None:
            text = f"`linear` takes [F], not {show(xs[0])}"
            help = "put `flatten` before it, or give `over=channels` to act at every place"
            raise OpError("E0402", text, help=help)
        self.check_starts(xs[0])

    def torch(self, *xs: Shape) -> Torch:
        x = xs[0]
        setup, helpers = self.setup(x)
        kwargs: dict[str, Any] = {} if self.has_bias else {"bias": False}
        name = "nn.Linear"
        if len(x) > 1:
            from .helpers import CHANNEL_LINEAR

            name, helpers = CHANNEL_LINEAR.name, (CHANNEL_LINEAR, *helpers)
        return Torch(Call(name, (x[0], self.features), kwargs), setup=setup, helpers=helpers)


class Flatten(Op):
    """All units in one row of features, channel by channel."""

    op = "flatten"
    family = "dense"
    example = ({}, ((16, 5, 5),))
    formulas = {"channels": "all units of the input", "size": "none: one row"}

    def axes(self, x: Shape) -> tuple[Geometry, ...]:
        return (WHOLE,) * (len(x) - 1)

    def shape(self, *xs: Shape) -> Shape:
        return (prod(xs[0]),)

    def arithmetic(self, *xs: Shape) -> tuple[str, ...]:
        if len(xs[0]) == 1:
            return ()
        return (" · ".join(str(int(n)) for n in xs[0]) + f" = {prod(xs[0])}",)

    def torch(self, *xs: Shape) -> Torch:
        return Torch(Call("nn.Flatten"), Method(Input(), "flatten", (1,)))
