"""Samples on their way through augmentation."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..tasks.losses import Target


@dataclass(frozen=True)
class Batch:
    """Images and targets that belong together.

    `x`: [N, C, H, W] as stored, uint8 or float32, 0 is black. `y`: by `kind`, see `Split`.
    """

    x: Tensor
    y: Target
    kind: str
    mirrored: Tensor | None = None
    """[K]: which keypoint each becomes in a mirror. On the device, like all else: no step waits."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.x.shape[-2], self.x.shape[-1]

    @property
    def pictured(self) -> bool:
        """Is the target itself an image, of the same size? Then it moves with the other."""
        y = self.y
        return (
            isinstance(y, Tensor)
            and self.kind == "values"
            and y.ndim == 4
            and y.shape[-2:] == self.x.shape[-2:]
        )

    @property
    def mask(self) -> bool:
        """Is the target a class per pixel?"""
        y = self.y
        return isinstance(y, Tensor) and self.kind == "masks" and y.shape[1:] == self.x.shape[-2:]
