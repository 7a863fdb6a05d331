"""Data as batches: resident on the device where they fit, normalised and augmented there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from .augment import Augmenter
from .device import Setup
from .fitting import Prepared
from .losses import Target
from .sources import Split

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

    def stored(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The samples `rows` (a tensor where the data are stored) as stored, and their targets."""
        device = self.setup.device
        x, y = self.x.index_select(0, rows), self.y.index_select(0, rows)
        if self.pinned:
            x, y = x.pin_memory(), y.pin_memory()
        x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
        return x, (y if y.is_floating_point() else y.long())  # masks are stored narrower

    def targets(self) -> Iterable[Tensor]:
        """All targets, as many at a time as fit everywhere."""
        for y in torch.split(self.y, 1024):
            y = y.to(self.setup.device)
            yield y if y.is_floating_point() else y.long()

    def batch(self, rows: Tensor, augment: Augmenter | None = None) -> tuple[Tensor, Target]:
        """The samples `rows` (a tensor where the data are stored) and their targets."""
        device = self.setup.device
        x, stored = self.stored(rows)
        y: Target = stored
        if augment is not None:
            x, y = augment.both(x, stored, rows, self.stored)
        x = x.float()  # a copy of the data by now, which may be written to
        if device.type == "cpu":  # where two passes are faster than one kernel that does both
            x = x.mul_(self.factor).add_(self.offset)
        else:
            x = torch.addcmul(self.offset, x, self.factor, out=x)
        if self.setup.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        return x, y


def fits_resident(splits: Sequence[Split], device: torch.device) -> bool:
    """May all data stay on the device?"""
    if device.type != "cuda":
        return True
    need = sum(s.x.nbytes + s.y.nbytes for s in splits)
    return need <= RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]
