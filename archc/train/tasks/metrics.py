"""How good predictions are: one metric per kind of target, as sums that add up over batches.

A metric turns a batch into a vector of sums on the device, without waiting for it, and the total of
such vectors (over batches, and over processes) into figures. Adding up sums and dividing once, at
the end, is what makes a figure independent of how the samples were batched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ..data.samples import IGNORED

MOST_CLASSES = 256
"""Up to so many a confusion matrix is kept; with more, right answers are only counted."""
TABLES, LARGEST_TABLE = 32, 1 << 16
"""Tables that a GPU's threads count in, and the most numbers that all of them may have."""
TOP = 5
PCK = (0.05, 0.1, 0.2)
"""Shares of the size of a figure within which a keypoint counts as found."""

Figures = dict[str, float | None]
"""Name to value; None where there was nothing to measure. The main one stands first."""
Table = tuple[tuple[int, ...], ...]
"""A confusion matrix: row the class that it is, column the class that was said."""


class Metric(Protocol):
    """Figures for one kind of target."""

    task: str
    """What the network does, in words: `classification into 10 classes`."""
    main: str
    """The figure that the best epoch is chosen by."""
    higher: bool
    """Is more of it better?"""
    size: int
    """Numbers in the vector of sums."""

    def sums(self, out: Tensor, target: Tensor) -> Tensor:
        """[size] float32 or float64, on the device of `out`, which is what the network gave."""

    def figures(self, sums: Sequence[float]) -> Figures:
        """What the sums of all samples say."""

    def table(self, sums: Sequence[float]) -> Table | None:
        """The confusion matrix, where there is one."""


@dataclass(frozen=True)
class Measured:
    """Loss and figures over some samples."""

    loss: float
    metric: float
    """The main figure; 0 where there was nothing to measure."""
    figures: Figures = field(default_factory=dict)
    confusion: Table | None = field(default=None, repr=False)


def words(name: str, value: float) -> str:
    """`accuracy 84.1%`, `mean IoU 0.912`, `error 0.0312`."""
    if name == "accuracy" or name.startswith(("top", "pck")):
        return f"{title(name)} {value:.1%}"
    return f"{title(name)} {value:.3f}" if "iou" in name else f"{title(name)} {value:.4g}"


def title(name: str) -> str:
    """A figure's name for readers: `mean_iou` is mean IoU."""
    return name.replace("pck", "PCK").replace("iou", "IoU").replace("_", " ")


# --------------------------------------------------------------------------- classes


def chosen(out: Tensor) -> Tensor:
    """The class said: [N, C, ...] to [N, ...]. A single channel says 1 where it is above 0."""
    return (out[:, 0] > 0).long() if out.shape[1] == 1 else out.argmax(1)


def _counts(out: Tensor, target: Tensor, classes: int) -> Tensor:
    """The confusion matrix of a batch, flat: [classes * classes], row the true class.

    Places that are ignored go to one more cell, which is dropped: a mask would have to be waited
    for, since its count decides a shape. Whole numbers in float64 add up exactly in any order.
    """
    true, said = target.reshape(-1), chosen(out).reshape(-1)
    cells = classes * classes
    return _histogram(torch.where(true == IGNORED, cells, true * classes + said), cells + 1)[:cells]


def _histogram(cell: Tensor, cells: int) -> Tensor:
    """How often each number below `cells` occurs in a vector: [cells].

    On a GPU thousands of threads add at once, and those that add to the same cell wait for each
    other: most pixels of a mask are of few kinds. So neighbours add to tables of their own. (torch
    has two histograms: `bincount` reads the largest number back, `histc` may not be deterministic.)
    """
    tables = _tables(cell.device, cells)
    if tables > 1:
        own = torch.arange(len(cell), device=cell.device) % tables
        cell = cell + own * cells
    found = torch.zeros(tables * cells, dtype=_wide(cell.device), device=cell.device)
    found.scatter_add_(0, cell, torch.ones_like(cell, dtype=found.dtype))
    return found.view(tables, cells).sum(0)


def _tables(device: torch.device, cells: int) -> int:
    """How many tables of so many cells to count in. A processor's thread waits for no other."""
    return 1 if device.type == "cpu" else max(min(TABLES, LARGEST_TABLE // cells), 1)


def _wide(device: torch.device) -> torch.dtype:
    """An epoch of dense targets counts beyond what float32 holds exactly; MPS has nothing wider."""
    return torch.float32 if device.type == "mps" else torch.float64


def _square(sums: Sequence[float], classes: int) -> Table:
    rows = [sums[i * classes : (i + 1) * classes] for i in range(classes)]
    return tuple(tuple(round(n) for n in row) for row in rows)


class Classification:
    """Accuracy, the share of true classes among the five likeliest, the confusion matrix."""

    main: str = "accuracy"
    higher: bool = True

    def __init__(self, classes: int) -> None:
        self.classes = max(classes, 2)
        self.task = f"classification into {self.classes} classes"
        self.cells = self.classes**2 if self.classes <= MOST_CLASSES else 0
        self.size = 3 + self.cells

    def sums(self, out: Tensor, target: Tensor) -> Tensor:
        """Of [N, C] scores and [N] classes: counted, right, in the first five, the matrix."""
        counted = target != IGNORED
        right = (chosen(out) == target) & counted
        parts = [counted.sum(), right.sum()]
        if out.shape[1] > TOP:
            true = out.gather(1, target.clamp_min(0)[:, None])
            parts.append((((out > true).sum(1) < TOP) & counted).sum())
        else:
            parts.append(parts[0])
        head = torch.stack(parts).to(_wide(out.device))
        return torch.cat([head, _counts(out, target, self.classes)]) if self.cells else head

    def figures(self, sums: Sequence[float]) -> Figures:
        counted, right, top = sums[:3]
        made: Figures = {"accuracy": _share(right, counted)}
        if self.classes > TOP:
            made[f"top{TOP}"] = _share(top, counted)
        return made

    def table(self, sums: Sequence[float]) -> Table | None:
        return _square(sums[3:], self.classes) if self.cells else None


class Segmentation:
    """Intersection over union per class and its mean, and the share of places that are right.

    Everingham et al. 2015 (Pascal VOC): per class, over all places of all samples, true positives
    over true positives, false positives and false negatives. The mean leaves out classes that
    neither occur nor are said.
    """

    main: str = "mean_iou"
    higher: bool = True

    def __init__(self, classes: int) -> None:
        self.classes = max(classes, 2)
        self.task = f"segmentation into {self.classes} classes"
        self.size = self.classes**2 if self.classes <= MOST_CLASSES else 3 * self.classes

    def sums(self, out: Tensor, target: Tensor) -> Tensor:
        """Of [N, C, ...] scores and [N, ...] classes."""
        if self.classes <= MOST_CLASSES:
            return _counts(out, target, self.classes)
        true, said = target.reshape(-1), chosen(out).reshape(-1)
        counted = true != IGNORED
        made = [
            _histogram(torch.where(taken, labels, self.classes), self.classes + 1)[:-1]
            for labels, taken in (
                (true, counted & (true == said)),
                (true, counted),
                (said, counted),
            )
        ]
        return torch.cat(made)

    def figures(self, sums: Sequence[float]) -> Figures:
        n = self.classes
        if n <= MOST_CLASSES:
            both = [sums[i * n + i] for i in range(n)]
            true = [sum(sums[i * n : (i + 1) * n]) for i in range(n)]
            said = [sum(sums[i::n]) for i in range(n)]
        else:
            both, true, said = (list(sums[i * n : (i + 1) * n]) for i in range(3))
        union = [t + s - b for b, t, s in zip(both, true, said, strict=True)]
        each = [_share(b, u) for b, u in zip(both, union, strict=True)]
        there = [iou for iou in each if iou is not None]
        made: Figures = {
            "mean_iou": sum(there) / len(there) if there else None,
            "accuracy": _share(sum(both), sum(true)),
        }
        if n <= MOST_CLASSES:
            made |= {f"iou_{i}": iou for i, iou in enumerate(each)}
        return made

    def table(self, sums: Sequence[float]) -> Table | None:
        return _square(sums, self.classes) if self.classes <= MOST_CLASSES else None


# --------------------------------------------------------------------------- numbers


class Regression:
    """The mean absolute error, over all numbers of all samples."""

    main: str = "error"
    higher: bool = False
    task: str = "regression"
    size: int = 2

    def sums(self, out: Tensor, target: Tensor) -> Tensor:
        """Of two tensors of one shape: the sum of distances, and how many."""
        distance = (out.float() - target).abs().sum(dtype=_wide(out.device))
        return torch.stack([distance, torch.full_like(distance, target.numel())])

    def figures(self, sums: Sequence[float]) -> Figures:
        return {"error": _share(sums[0], sums[1])}

    def table(self, sums: Sequence[float]) -> Table | None:
        return None


# --------------------------------------------------------------------------- keypoints


def peaks(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Where heatmaps [N, K, h, w] are highest, as (x, y) in pixels of a `size` input: [N, K, 2].

    A cell is the mean of the pixels that it stands for: cell 0 of a map at stride 4 lies at 1.5.
    """
    height, width = maps.shape[-2:]
    at = maps.flatten(2).argmax(2)
    x, y = at % width, at.div(width, rounding_mode="floor")
    across, down = size[1] / width, size[0] / height
    return torch.stack([(x + 0.5) * across - 0.5, (y + 0.5) * down - 0.5], 2)


class Keypoints:
    """The share of visible keypoints found within a share of the figure's size (PCK).

    Yang and Ramanan 2013: the size is the longer side of the box around a sample's visible
    keypoints; of the input, where that box is smaller than a pixel. `distance`: mean, in pixels.
    """

    main: str = "pck@0.1"
    higher: bool = True
    size: int = 2 + len(PCK)

    def __init__(self, count: int, input_size: tuple[int, int]) -> None:
        self.task = f"{count} keypoints"
        self.input_size = input_size

    def sums(self, out: Tensor, target: Tensor) -> Tensor:
        """Of heatmaps [N, K, h, w] and [N, K, 3]: x, y in input pixels, and visible (1) or not."""
        distance = (peaks(out, self.input_size) - target[..., :2]).square().sum(2).sqrt()
        seen = target[..., 2] > 0
        limit = self._sizes(target[..., :2], seen)[:, None]
        found = [((distance <= share * limit) & seen).sum() for share in PCK]
        wide = _wide(out.device)
        far = torch.where(seen, distance, 0.0).sum(dtype=wide)
        return torch.stack([seen.sum().to(wide), far, *(n.to(wide) for n in found)])

    def _sizes(self, points: Tensor, seen: Tensor) -> Tensor:
        """[N]: the longer side of the box around the visible points."""
        hidden = ~seen[..., None]
        high = points.masked_fill(hidden, float("-inf")).amax(1)
        low = points.masked_fill(hidden, float("inf")).amin(1)
        side = (high - low).amax(1)
        return torch.where(side >= 1, side, float(max(self.input_size)))

    def figures(self, sums: Sequence[float]) -> Figures:
        seen, far, *found = sums
        shares = {f"pck@{share:g}": _share(n, seen) for share, n in zip(PCK, found, strict=True)}
        return {self.main: shares[self.main], "distance": _share(far, seen)} | shares

    def table(self, sums: Sequence[float]) -> Table | None:
        return None


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
