"""Layers that act in training, and learned factors."""

from typing import Annotated

from pydantic import Field

from .base import Op, OpError, Shape, spatial
from .call import Call, Torch
from .kinds import OneOf, Probability, Start
from .weights import Started


class Dropout(Op):
    """Sets units, or whole channels, to zero at random in training. Hinton et al. 2012."""

    op = "dropout"
    family = "regularize"
    example = ({"p": 0.2}, ((4096,),))

    p: Probability = Field(0.5, description="probability to be dropped")
    by: Annotated[str, OneOf("element", "channel")] = Field(
        "element", description="what is dropped at once"
    )

    def check(self, *xs: Shape) -> None:
        if spatial(self, xs[0]) == 0 and self.by == "channel":
            text = "`dropout(by=channel)` needs spatial axes: features are dropped one by one"
            raise OpError("E0402", text, "by", help="use `dropout` without `by`")

    def torch(self, *xs: Shape) -> Torch:
        name = "nn.Dropout" if self.by == "element" else f"nn.Dropout{len(xs[0]) - 1}d"
        return Torch(Call(name, () if self.p == 0.5 else (self.p,)))


class DropPath(Op):
    """Sets whole samples to zero at random in training: stochastic depth, if its result is added
    to a shortcut. Huang et al. 2016."""

    op = "drop_path"
    family = "regularize"
    example = ({"p": 0.1}, ((64, 32, 32),))

    p: Probability = Field(description="probability that a sample is dropped")

    def torch(self, *xs: Shape) -> Torch:
        from .helpers import DROP_PATH

        return Torch(Call(DROP_PATH.name, (self.p,)), helpers=(DROP_PATH,))


class Scale(Started):
    """A learned factor per channel. Touvron et al. 2021 (LayerScale)."""

    op = "scale"
    family = "regularize"
    example = ({"init": 1e-6}, ((64, 32, 32),))
    formulas = {"params": "C"}

    init: Start = Field(None, description="how the factors start; otherwise at 1")

    def weights(self, x: Shape) -> dict[str, Shape]:
        return {"weight": (x[0],)}

    def torch(self, *xs: Shape) -> Torch:
        from .helpers import SCALE

        setup, helpers = self.setup(xs[0])
        return Torch(Call(SCALE.name, (xs[0][0],)), setup=setup, helpers=(SCALE, *helpers))
