"""Augmentation: drawn per sample, applied to whole batches on the device.

The parameters of a whole epoch are drawn at its start, one row per sample of the training set,
from a generator keyed by seed, epoch and position in the recipe. What happens to a sample thus
depends on nothing else: not on its batch, nor on the device, nor on where a run was resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .choices import Augmentation, Choice, Flip, Shift
from .fitting import keyed

Drawn = Tensor
"""[samples, numbers per sample]"""


def _draw_shift(choice: Choice, count: int, generator: torch.Generator) -> Drawn:
    assert isinstance(choice, Shift)
    return torch.randint(-choice.pixels, choice.pixels + 1, (count, 2), generator=generator)


def _shift(x: Tensor, offsets: Tensor) -> Tensor:
    """Move each [C, H, W] by its (dy, dx); what comes in from outside is 0."""
    count, channels, height, width = x.shape
    rows = torch.arange(height, device=x.device) - offsets[:, :1]
    columns = torch.arange(width, device=x.device) - offsets[:, 1:]
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & (
        (columns >= 0) & (columns < width)
    )[:, None, None, :]
    sample = torch.arange(count, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[None, :, None, None]
    y = rows.clamp(0, height - 1)[:, None, :, None]
    moved = x[sample, channel, y, columns.clamp(0, width - 1)[:, None, None, :]]
    return moved * inside


def _draw_flip(choice: Choice, count: int, generator: torch.Generator) -> Drawn:
    assert isinstance(choice, Flip)
    return torch.rand((count, 1), generator=generator) < choice.p


def _flip(x: Tensor, flipped: Tensor) -> Tensor:
    """Mirror each [C, H, W] whose flag is set."""
    return torch.where(flipped[:, :, None, None], x.flip(-1), x)


KINDS: dict[
    type[Choice],
    tuple[Callable[[Choice, int, torch.Generator], Drawn], Callable[[Tensor, Tensor], Tensor]],
] = {
    Shift: (_draw_shift, _shift),
    Flip: (_draw_flip, _flip),
}


class Augmenter:
    """Augmentation of one epoch: made at its start, called per batch."""

    def __init__(
        self,
        choices: Sequence[Augmentation],
        count: int,
        seed: int,
        epoch: int,
        device: torch.device,
    ) -> None:
        self._steps = []
        for i, choice in enumerate(choices):
            draw, apply = KINDS[type(choice)]
            drawn = draw(choice, count, keyed(seed, "augment", epoch, i))
            self._steps.append((apply, drawn.to(device, non_blocking=True)))

    def __call__(self, x: Tensor, rows: Tensor) -> Tensor:
        """Images [N, C, H, W] as stored (0 is black), which are the samples `rows`."""
        for apply, drawn in self._steps:
            x = apply(x, drawn[rows])
        return x
