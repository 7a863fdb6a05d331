"""Data as batches: resident on the device where they fit, normalised and augmented there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from .augment import Augmenter
from .data.fitting import Prepared
from .data.sources import Split
from .device import Setup
from .tasks.losses import Target

RESIDENT_SHARE = 0.4
"""Of a GPU's free memory may be taken by data that stay on it."""


class Feed:
    """One split as batches on the device: normalised, laid out, augmented on request."""

    def __init__(self, split: Split, data: Prepared, setup: Setup, resident: bool) -> None:
        self.setup = setup
        self.store = setup.device if resident else torch.device("cpu")
        self.x, self.y = split.x.to(self.store), split.y.to(self.store)
        self.kind, self.mirrored = split.kind, split.mirrored
        self.pinned = not resident and setup.device.type == "cuda"
        # (x * scale - mean) / std, as one multiplication and one addition
        self.factor = (data.scale / data.std).to(setup.device)
        self.offset = (-data.mean / data.std).to(setup.device)

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, order: Tensor) -> Tensor:
        """Numbers of samples where the data are stored; parts of it are what `batch` takes."""
        order = order.to(self.store)
        return order.pin_memory() if self.pinned else order

    def stored(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The samples `rows` (a part of `self.rows`) as stored, and their targets."""
        device = self.setup.device
        x, y = (self._gathered(values, rows) for values in (self.x, self.y))
        x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
        return x, (y if y.is_floating_point() else y.long())  # masks are stored narrower

    def _gathered(self, values: Tensor, rows: Tensor) -> Tensor:
        """Some samples, where they are stored.

        For another device they go to pinned memory at once: it copies from there by itself while
        the loop goes on, and torch takes such memory anew when the copy is made. So a batch costs
        the processor one copy (of 256 images of 3x224x224, 3 ms on one core), which a thread that
        gathers ahead could hide, but hardly shorten.
        """
        if not self.pinned:
            return values.index_select(0, rows)
        held = torch.empty((len(rows), *values.shape[1:]), dtype=values.dtype, pin_memory=True)
        return torch.index_select(values, 0, rows, out=held)

    def targets(self, batch: int) -> Iterable[Tensor]:
        """All targets, so many samples at a time."""
        for y in torch.split(self.y, batch):
            y = y.to(self.setup.device)
            yield y if y.is_floating_point() else y.long()

    def batch(self, rows: Tensor, augment: Augmenter | None = None) -> tuple[Tensor, Target]:
        """The samples `rows` (a part of `self.rows`) and their targets."""
        device = self.setup.device
        x, stored = self.stored(rows)
        y: Target = stored
        if augment is not None:
            x, y = augment.both(x, stored, rows, self.stored)
        if self.setup.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)  # first: bytes are fewer to move
        x = x.float()  # a copy of the data by now, which may be written to
        if device.type == "cpu":  # where two passes are faster than one kernel that does both
            x = x.mul_(self.factor).add_(self.offset)
        else:
            x = torch.addcmul(self.offset, x, self.factor, out=x)
        return x, y


def fits_resident(splits: Sequence[Split], device: torch.device) -> bool:
    """May all data stay on the device?"""
    if device.type != "cuda":
        return True
    need = sum(s.x.nbytes + s.y.nbytes for s in splits)
    return need <= RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]
