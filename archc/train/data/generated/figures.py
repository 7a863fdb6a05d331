"""Stick figures whose joints are known, before other things and partly behind one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .canvas import SHAPES, Canvas, parts
from .draws import Draws, Floats

JOINTS = (
    "head",
    "neck",
    "left_elbow",
    "right_elbow",
    "left_hand",
    "right_hand",
    "hip",
    "left_knee",
    "right_knee",
    "left_foot",
    "right_foot",
)
"""Left and right as they are seen."""
BONES = ((0, 1), (1, 6), (1, 2), (2, 4), (1, 3), (3, 5), (6, 7), (7, 9), (6, 8), (8, 10))
MIRRORED = (0, 1, 3, 2, 5, 4, 6, 8, 7, 10, 9)
"""Which joint a joint becomes in a mirror."""
BEHIND = 3
"""Shapes behind the figure."""
NOISE = (0.05, 0.18)
Point = tuple[Floats, Floats]


def figures(
    seed: int, first: int, count: int, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Figures number `first` to `first + count - 1`.

    Images [count, 3, size, size], and joints [count, len(JOINTS), 3]: x and y in pixels (0 is the
    middle of the first one), and 1 where the joint is to be seen, 0 where it lies behind something
    or outside of the picture.
    """
    images = np.empty((count, 3, size, size), np.uint8)
    joints = np.empty((count, len(JOINTS), 3), np.float32)
    for start, stop in parts(count, size):
        numbers = np.arange(first + start, first + stop, dtype=np.int64)
        images[start:stop], joints[start:stop] = _some(seed, numbers, size)
    return images, joints


def _some(
    seed: int, numbers: NDArray[np.int64], size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    draws = Draws(seed, numbers)
    canvas = Canvas(draws, len(numbers), size)
    for i in range(BEHIND):
        _shape(canvas, draws, 10 * (i + 1), i + 1, 0.05, 0.25)
    height = draws.uniform(1, 1, 0.5, 0.9)[:, 0] * np.float32(size)
    points = _pose(draws, height, size)
    half = height * draws.uniform(2, 1, 0.012, 0.025)[:, 0]
    texture = draws.uniform(3, 1, -1, 1)[:, 0]
    for a, b in BONES:
        canvas.paint(canvas.bar(points[a], points[b], half), BEHIND + 1, texture)
    disc = np.zeros(len(numbers), np.int64)
    ahead = (np.ones_like(half), np.zeros_like(half))
    head = canvas.shape(disc, points[0], height * np.float32(0.075), ahead)
    canvas.paint(head, BEHIND + 1, texture)
    covered = _shape(canvas, draws, 10 * (BEHIND + 1), BEHIND + 2, 0.05, 0.12, share=2)
    return canvas.finish(*NOISE), _labels(points, covered, size)


def _shape(
    canvas: Canvas, draws: Draws, own: int, colour: int, low: float, high: float, share: int = 1
) -> NDArray[np.bool_]:
    """Paint a shape in one of `share` pictures; where it was painted."""
    kind = draws.below(own, 1, len(SHAPES))[:, 0]
    at = draws.uniform(own + 1, 2, 0, canvas.size)
    radius = draws.uniform(own + 2, 1, low, high)[:, 0] * np.float32(canvas.size)
    inside = canvas.shape(kind, (at[:, 0], at[:, 1]), radius, draws.direction(own + 3))
    inside &= (draws.below(own + 6, 1, share)[:, 0] == 0)[:, None, None]
    canvas.paint(inside, colour, draws.uniform(own + 5, 1, -1, 1)[:, 0])
    return inside


def _pose(draws: Draws, height: Floats, size: int) -> list[Point]:
    """The joints in the order of `JOINTS`, each (x, y): [pictures]."""
    up = _unit(draws.uniform(100, 1, -0.35, 0.35)[:, 0], np.full_like(height, -1))
    right = (-up[1], up[0])
    shift = draws.uniform(101, 2, -0.5, 0.5)
    room = (np.float32(size) - height * np.float32(0.8)) * np.float32(0.8)
    hip = (np.float32(size / 2) + shift[:, 0] * room, np.float32(size / 2) + shift[:, 1] * room)

    def limb(
        start: Point, purpose: int, side: float, ranges: tuple[float, ...], long: float
    ) -> Point:
        """From `start` by `long` heights: outwards by ranges[:2], upwards by ranges[2:]."""
        out = draws.uniform(purpose, 1, *ranges[:2])[:, 0] * np.float32(side)
        rise = draws.uniform(purpose + 1, 1, *ranges[2:])[:, 0]
        way = _unit(out * right[0] + rise * up[0], out * right[1] + rise * up[1])
        step = height * np.float32(long)
        return start[0] + way[0] * step, start[1] + way[1] * step

    neck = limb(hip, 102, 1, (-0.1, 0.1, 1, 1), 0.32)
    head = limb(neck, 104, 1, (-0.25, 0.25, 1, 1), 0.13)
    elbows, hands, knees, feet = [], [], [], []
    for i, side in enumerate((-1.0, 1.0)):
        own = 110 + 10 * i
        elbows.append(limb(neck, own, side, (0.35, 1, -1, 0.8), 0.17))
        hands.append(limb(elbows[-1], own + 2, side, (-0.2, 1, -1, 1), 0.17))
        knees.append(limb(hip, own + 4, side, (0.1, 0.7, -1, -0.6), 0.22))
        feet.append(limb(knees[-1], own + 6, side, (-0.25, 0.4, -1, -0.8), 0.22))
    return [head, neck, *elbows, *hands, hip, *knees, *feet]


def _unit(x: Floats, y: Floats) -> Point:
    length = np.sqrt(x * x + y * y).astype(np.float32)
    return x / length, y / length


def _labels(points: list[Point], covered: NDArray[np.bool_], size: int) -> NDArray[np.float32]:
    x = np.stack([p[0] for p in points], 1)
    y = np.stack([p[1] for p in points], 1)
    column, row = np.rint(x).astype(np.int64), np.rint(y).astype(np.int64)
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    picture = np.arange(len(x))[:, None]
    hidden = covered[picture, row.clip(0, size - 1), column.clip(0, size - 1)]
    return np.stack([x, y, (inside & ~hidden).astype(np.float32)], 2)
