"""Regions of an image as maps of one size."""

from typing import Annotated

from pydantic import Field

from .base import REF, Op, OpError, Shape, per_axis, show, spatial
from .call import Call, Input, Torch
from .kinds import Count, PerAxis, Reference
from .windows import Geometry


class RoiAlign(Op):
    """Boxes of the image as maps of one size, by bilinear samples. He et al. 2017.

    The second input has N boxes as [N, 4], each x1, y1, x2, y2 in units of the image. Boxes go
    to the batch: what follows works on each box by itself, and its figures are those of one box.
    """

    op = "roi_align"
    family = "pool"
    ranks = (2,)
    example = ({"boxes": REF, "to": (7, 7), "stride": 16}, ((256, 50, 68), (100, 4)))
    formulas = {"size": "as given, for each box"}

    boxes: Annotated[str, Reference()] = Field(description="a value that holds the boxes")
    to: Annotated[tuple[int, ...], PerAxis(1, single=False)] = Field(
        description="size of the output"
    )
    stride: Count = Field(description="units of the image per unit of the input")
    samples: Count = Field(2, description="samples per output unit, along each axis")

    def axes(self, x: Shape) -> tuple[Geometry, ...]:
        return tuple(Anywhere(size) for size in per_axis(self, "to", x))

    def check(self, *xs: Shape) -> None:
        spatial(self, xs[0])
        self.axes(xs[0])
        if len(xs) > 1 and (len(xs[1]) != 2 or xs[1][1] != 4):
            text = f"`roi_align` needs boxes of shape [N, 4], not {show(xs[1])}"
            raise OpError("E0408", text, "boxes")

    def torch(self, *xs: Shape) -> Torch:
        from .window_helpers import ROI_ALIGN

        kwargs = {"stride": self.stride} | ({} if self.samples == 2 else {"samples": self.samples})
        function = Call(ROI_ALIGN.name, (Input(0), Input(1), self.to), kwargs)
        return Torch(function=function, helpers=(ROI_ALIGN,))


class Anywhere(Geometry):
    """A number of units, each of which may see any part of the axis."""

    whole = True

    def __init__(self, out: int) -> None:
        self.out = out

    def size(self, n: int) -> int:
        return self.out
