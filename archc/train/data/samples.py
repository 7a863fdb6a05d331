"""Samples and their targets, as every source gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import TrainError
from .npz import physical_memory

IGNORED = -100
"""The class number of places that count nowhere, in no loss and no metric."""


@dataclass
class Split:
    """Samples and their targets, and the files (or arrays) that they came from.

    `x`: [N, C, H, W] (or any [N, ...]), uint8 or float32. `y` by kind:

    - `classes`: [N] class numbers, whole
    - `masks`: [N, ...] class numbers of places, whole; `IGNORED` counts nowhere
    - `values`: [N, ...] float32
    - `keypoints`: [N, K, 3] float32: x and y in pixels (0 is the middle of the first), and whether
      it is to be seen (1) or not (0)
    """

    x: Tensor
    y: Tensor
    x_from: str
    y_from: str
    keypoints: bool = False
    mirrored: tuple[int, ...] = ()
    """Which keypoint each becomes in a mirror, where left and right have names."""
    files: Sequence[Path] = ()
    """That the targets came from, by record; none where all lie in one file."""
    rows: Tensor | None = None
    """Which record each sample is of what it came from; None: they are all of them, in order."""

    @property
    def kind(self) -> str:
        """`classes`, `masks`, `values` or `keypoints`."""
        if self.keypoints:
            return "keypoints"
        if self.y.is_floating_point():
            return "values"
        return "classes" if self.y.ndim == 1 else "masks"

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Tensor) -> Split:
        """Some samples, in the order of `rows`; they remember which records they were."""
        kept = rows if self.rows is None else self.rows[rows]
        return replace(self, x=self.x[rows], y=self.y[rows], rows=kept)

    def place(self, sample: int) -> str:
        """Where a sample's target came from: "`masks/7.png`" or "record 7 of `labels`"."""
        record = sample if self.rows is None else int(self.rows[sample])
        return f"`{self.files[record]}`" if self.files else f"record {record} of `{self.y_from}`"


@dataclass
class Data:
    """What a source gives: both splits, where they were found, and what a reader should know."""

    train: Split
    test: Split
    where: Path | str
    """A file or folder; in words, where there is none."""
    notes: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """Of the classes, or of the keypoints, by number; none where the data give none."""


def halves(count: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Rows for training and rows for testing, of data that come without a test set.

    Each in rising order; at least one row on either side. `count` must be 2 or more.
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    tests = min(max(round(share * count), 1), count - 1)
    return order[tests:].sort().values, order[:tests].sort().values


def check_memory(what: str, need: int) -> None:
    """Raise TrainError E0811 where `need` bytes are more than the machine has."""
    have = physical_memory()
    if have is not None and need > have:
        raise TrainError(
            "E0811",
            f"{what} need {need / 1e9:.1f} GB; this machine has {have / 1e9:.1f} GB",
        )
