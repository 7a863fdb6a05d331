"""What is measured of masks and keypoints."""

from __future__ import annotations

import math

import torch
from torch import Tensor

CLASSES = 10
SIZE = (32, 32)


def confusion_matrix(predicted: Tensor, target: Tensor) -> Tensor:
    """Pixels by true and by predicted class: [CLASSES, CLASSES]."""
    cells = (target * CLASSES + predicted).flatten()
    return torch.bincount(cells, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def mean_iou(confusion: Tensor) -> float:
    """Intersection over union, averaged over the classes that are there or predicted."""
    confusion = confusion.cpu().double()
    intersection = confusion.diagonal()
    union = confusion.sum(0) + confusion.sum(1) - intersection
    return (intersection[union > 0] / union[union > 0]).mean().item()


def detected(output: Tensor, target: Tensor) -> Tensor:
    """Visible keypoints within a tenth of their box's longer side, PCK@0.1: [N, K] of bool."""
    height, width = output.shape[-2:]
    peaks = output.flatten(2).argmax(2)
    x = (peaks % width + 0.5) * (SIZE[1] / width) - 0.5
    y = (peaks.div(width, rounding_mode="floor") + 0.5) * (SIZE[0] / height) - 0.5
    points, visible = target[..., :2], target[..., 2] > 0
    high = points.masked_fill(~visible[..., None], -math.inf).amax(1)
    low = points.masked_fill(~visible[..., None], math.inf).amin(1)
    side = (high - low).amax(1)
    side = torch.where(side >= 1, side, float(max(SIZE)))
    distance = (torch.stack([x, y], 2) - points).square().sum(2).sqrt()
    return (distance <= 0.1 * side[:, None]) & visible
