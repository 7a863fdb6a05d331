"""Fully connected layers and the way to them."""

from math import prod
from typing import Annotated, Any

from pydantic import Field

from .base import Op, OpError, Shape, show, spatial
from .call import Call, Input, Method, Torch
from .kinds import Bool, Count, OneOf, PerAxis, Start, Weights
from .weights import Initialized, Started
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


class Rbf(Started):
    """Euclidean radial basis functions: each output is the squared distance to a code, so the
    smallest output is the answer. LeCun et al. 1998, section II.B."""

    op = "rbf"
    family = "dense"
    weighty = True
    ranks = (0,)
    example = ({"features": 10, "frozen": True}, ((84,),))
    formulas = {"channels": "as given", "params": "features · C"}
    numbers = {"weight": "weight"}

    features: Count = Field(description="codes, one per output")
    weight: Weights = Field(None, description="the codes: a nested list of their numbers")
    init: Start = Field(None, description="how the codes start; otherwise at random -1 or 1")
    frozen: Bool = Field(False, description="keep the codes as they start: they are not trained")

    def channels_out(self, x: Shape) -> int:
        return self.features

    def weights(self, x: Shape) -> dict[str, Shape]:
        return {"weight": (self.features, x[0])}

    def torch(self, *xs: Shape) -> Torch:
        from .helpers import RBF

        setup, helpers = self.setup(xs[0])
        module = Call(RBF.name, (xs[0][0], self.features))
        return Torch(module, setup=setup, helpers=(RBF, *helpers))


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


class Unflatten(Op):
    """A row of features as a block of the given shape: `flatten` backwards."""

    op = "unflatten"
    family = "dense"
    ranks = (0,)
    example = ({"shape": (7, 7, 30)}, ((1470,),))
    formulas = {"size": "as given", "channels": "as given"}

    to: Annotated[tuple[int, ...], PerAxis(1, single=False)] = Field(
        alias="shape", description="shape of the result, without the batch"
    )

    def check(self, *xs: Shape) -> None:
        spatial(self, xs[0])
        if len(self.to) not in (2, 3, 4):
            text = f"`unflatten` makes [C, L], [C, H, W] or [C, D, H, W], not {show(self.to)}"
            raise OpError("E0402", text, "shape")
        if prod(self.to) != xs[0][0]:
            text = f"{int(xs[0][0])} features do not fill {show(self.to)}"
            note = " · ".join(map(str, self.to)) + f" = {prod(self.to)}"
            raise OpError("E0408", text, "shape", (note,))

    def shape(self, *xs: Shape) -> Shape:
        return self.to

    def torch(self, *xs: Shape) -> Torch:
        function = Method(Input(), "unflatten", (1, self.to))
        return Torch(Call("nn.Unflatten", (1, self.to)), function)
