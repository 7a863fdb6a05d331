"""How images reach the size of the network's input: a border, another scale, their middle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..settings.choices import Fit
from .samples import IGNORED, Split

PAD_LIMIT = 1.5
"""By `auto`, images are padded up to this many times their size; beyond, they would be border."""
PART = 256
"""Images resized at once: as floating point they take four times the room."""

Size = tuple[int, ...]
"""Height and width; other data may have more axes, or one."""


@dataclass(frozen=True)
class Way:
    """From images of one size to those of another."""

    how: Literal["pad", "resize", "crop"]
    size: Size
    target: Size

    @property
    def words(self) -> str:
        """`28×28 images reach the 32×32 input by zero padding`."""
        source, target = ("×".join(map(str, size)) for size in (self.size, self.target))
        if self.how == "pad":
            return f"{source} images reach the {target} input by zero padding"
        if self.how == "resize":
            return f"{source} images are resized to the {target} input"
        return f"the middle {target} of {source} images"

    @property
    def offset(self) -> Size:
        """Where the first pixel comes to lie, down and across: above 0 after a border."""
        if self.how == "resize":
            return (0,) * len(self.size)
        room = [n - m for n, m in zip(self.target, self.size, strict=True)]
        return tuple(r // 2 if r >= 0 else -(-r // 2) for r in room)

    @property
    def border(self) -> list[int]:
        """Before and behind, the last axis first, as `torch.nn.functional.pad` takes it.

        Below 0: so much is cut off.
        """
        axes = zip(self.target, self.size, self.offset, strict=True)
        sides = [(before, n - m - before) for n, m, before in axes]
        return [side for pair in reversed(sides) for side in pair]

    def images(self, x: Tensor) -> Tensor:
        """[N, C, *size] as [N, C, *target], of the same type. Only two axes are resized."""
        if self.how != "resize":
            return F.pad(x, self.border)
        made = torch.empty((*x.shape[:2], *self.target), dtype=x.dtype)
        for start in range(0, len(x), PART):
            part = x[start : start + PART].float()
            part = F.interpolate(part, self.target, mode="bilinear", antialias=True)
            if not x.is_floating_point():
                part = part.round().clamp(0, 255)
            made[start : start + PART] = part
        return made

    def masks(self, y: Tensor) -> Tensor:
        """[N, *size] class numbers as [N, *target]; a border counts nowhere."""
        if self.how != "resize":
            return F.pad(y, self.border, value=IGNORED)
        # torch's own resizing knows few types of whole numbers
        rows, columns = (
            ((torch.arange(n) + 0.5) * m / n).long().clamp(max=m - 1)
            for n, m in zip(self.target, self.size, strict=True)
        )
        return y.index_select(1, rows).index_select(2, columns)

    def keypoints(self, y: Tensor) -> Tensor:
        """[N, K, 3] places in pixels (0: the middle of the first); what is cut off is hidden."""
        if self.how == "resize":
            scale = torch.tensor([n / m for n, m in zip(self.target, self.size, strict=True)])
            places = (y[..., :2] + 0.5) * scale.flip(0) - 0.5
            return torch.cat([places, y[..., 2:]], -1)
        top, left = self.offset
        moved = y + torch.tensor([left, top, 0.0])
        x, down = moved[..., 0], moved[..., 1]
        height, width = self.target
        inside = (x >= -0.5) & (x <= width - 0.5) & (down >= -0.5) & (down <= height - 0.5)
        if self.how == "crop":
            moved[..., 2] *= inside
        return moved


def way(size: Size, target: Size, fit: Fit) -> Way | None:
    """How images of `size` reach `target` by the recipe's setting; None where they cannot."""
    pairs = list(zip(size, target, strict=True))
    if fit == "resize":
        return Way("resize", size, target) if len(size) == 2 else None
    if fit == "crop":
        return Way("crop", size, target) if all(m >= n for m, n in pairs) else None
    most = PAD_LIMIT if fit == "auto" else inf
    return Way("pad", size, target) if all(m <= n <= most * m for m, n in pairs) else None


def resized(split: Split, found: Way) -> Split:
    """Images and the targets that are places in them, as the input wants them."""
    y = split.y
    if split.keypoints:
        y = found.keypoints(y)
    elif split.kind == "masks" and tuple(y.shape[1:]) == found.size:
        y = found.masks(y)
    return replace(split, x=found.images(split.x), y=y)
