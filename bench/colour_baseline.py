"""What colour alone tells of the generated scenes: `python bench/colour_baseline.py`.

The best that a per-pixel classifier can do: a histogram of the colours of the training scenes says
for every colour which class is the most frequent; and the same with classes weighed alike, as the
mean IoU weighs them. A threshold on the difference from the scene's own background finds objects,
but not what they are. Nothing is learned of form, so the mean IoU stays low.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archc.train.data.generated.scenes import CLASSES, scenes

TRAIN, TEST, SIZE = 8000, 500, 64


def bins(images: NDArray[np.uint8], levels: int) -> NDArray[np.int64]:
    """[N, 3, H, W] as the number of each pixel's colour, with so many levels per channel."""
    coarse = images.astype(np.int64) * levels // 256
    return (coarse[:, 0] * levels + coarse[:, 1]) * levels + coarse[:, 2]


def mean_iou(predicted: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Over all pixels of all scenes, the mean over classes."""
    count = len(CLASSES)
    table = np.bincount((truth * count + predicted).ravel(), minlength=count**2)
    table = table.reshape(count, count)
    both = np.diag(table)
    return float((both / (table.sum(0) + table.sum(1) - both)).mean())


def colour_alone(levels: int, alike: bool) -> float:
    """Mean IoU of the best table from colours to classes. `alike`: classes weigh alike."""
    images, masks = scenes(0, 0, TRAIN, SIZE)
    numbers = bins(images, levels) * len(CLASSES) + masks
    found = np.bincount(numbers.ravel(), minlength=levels**3 * len(CLASSES)).astype(float)
    found = found.reshape(-1, len(CLASSES))
    table = (found / found.sum(0) if alike else found).argmax(1)
    images, masks = scenes(1, 0, TEST, SIZE)
    return mean_iou(table[bins(images, levels)], masks.astype(np.int64))


def threshold(distance: int) -> float:
    """Mean IoU where all that differs from its scene's median colour by more than `distance` (in
    any channel) is an object, of the class that most objects' pixels are of."""
    _, masks = scenes(0, 0, TRAIN, SIZE)
    usual = int(np.bincount(masks.ravel())[1:].argmax()) + 1
    images, masks = scenes(1, 0, TEST, SIZE)
    median = np.median(images, axis=(2, 3), keepdims=True)
    other = (np.abs(images - median) > distance).any(1)
    return mean_iou(np.where(other, usual, 0), masks.astype(np.int64))


if __name__ == "__main__":
    for levels in (4, 8, 16, 32):
        often, alike = colour_alone(levels, False), colour_alone(levels, True)
        print(f"{levels:2} levels per channel: mean IoU {often:.3f}, classes alike {alike:.3f}")
    for distance in (30, 50, 70, 90):
        print(f"threshold {distance}: mean IoU {threshold(distance):.3f}")
