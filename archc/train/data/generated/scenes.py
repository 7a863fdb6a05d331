"""Scenes of shapes with exact masks: the class of a pixel is told by form, never by colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .canvas import SHAPES, Canvas, parts
from .draws import Draws

CLASSES = ("background", *SHAPES)
FEWEST, MOST = 2, 6
"""Objects in a scene; later ones lie above earlier ones."""
SMALLEST, LARGEST = 0.05, 0.5
"""Diameter of an object, as shares of the side."""
MARGIN = 0.7
"""Least distance of an object's middle from the border, as a share of its radius: of one that is
cut in half, the form would not tell the class."""
NOISE = (0.05, 0.18)
"""Per pixel and channel, a deviation of 5 to 19 of 255."""


def scenes(
    seed: int, first: int, count: int, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Scenes number `first` to `first + count - 1`.

    Images [count, 3, size, size], and masks [count, size, size] of numbers of `CLASSES`. Colours
    are drawn for each object alone; background and objects have textures and noise.
    """
    images = np.empty((count, 3, size, size), np.uint8)
    masks = np.empty((count, size, size), np.int16)
    for start, stop in parts(count, size):
        numbers = np.arange(first + start, first + stop, dtype=np.int64)
        images[start:stop], masks[start:stop] = _some(seed, numbers, size)
    return images, masks


def _some(
    seed: int, numbers: NDArray[np.int64], size: int
) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    draws = Draws(seed, numbers)
    canvas = Canvas(draws, len(numbers), size)
    mask = np.zeros((len(numbers), size, size), np.int16)
    objects = FEWEST + draws.below(1, 1, MOST - FEWEST + 1)[:, 0]
    for i in range(MOST):
        own = 10 * (i + 1)
        kind = draws.below(own, 1, len(SHAPES))[:, 0]
        radius = draws.uniform(own + 2, 1, SMALLEST / 2, LARGEST / 2)[:, 0] * np.float32(size)
        margin = radius[:, None] * np.float32(MARGIN)
        share = draws.uniform(own + 1, 2)
        at = margin - np.float32(0.5) + share * (np.float32(size) - 2 * margin)
        inside = canvas.shape(kind, (at[:, 0], at[:, 1]), radius, draws.direction(own + 3))
        inside &= (i < objects)[:, None, None]
        canvas.paint(inside, i + 1, draws.uniform(own + 5, 1, -1, 1)[:, 0])
        mask = np.where(inside, (kind + 1).astype(np.int16)[:, None, None], mask)
    return canvas.finish(*NOISE), mask
