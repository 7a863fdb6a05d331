"""Pictures being painted, many at once: colours, textures, shapes, noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .draws import Draws, Floats

LEVELS = (50.0, 128.0, 205.0)
"""Of each colour channel; every combination is a colour of the palette."""
JITTER = 20.0
TEXTURE = 22.0
"""Largest change of brightness by a texture."""
LATTICE = 8
SHAPES = ("disc", "square", "triangle", "cross", "ring")
AT_ONCE = 1 << 18
"""Pixels that are painted together: enough to keep numpy busy, few enough for a cache."""
Inside = NDArray[np.bool_]


def parts(count: int, size: int) -> Iterator[tuple[int, int]]:
    """First and last (exclusive) of the pictures that are painted together."""
    step = max(AT_ONCE // size**2, 1)
    for start in range(0, count, step):
        yield start, min(start + step, count)


class Canvas:
    """[pictures, 3, size, size] colours in 0..255. Purposes of draws from 900 on are its own."""

    def __init__(self, draws: Draws, count: int, size: int) -> None:
        self.draws = draws
        self.size = size
        middle = np.arange(size, dtype=np.float32)
        self.y, self.x = middle[None, :, None], middle[None, None, :]
        self.palette = self._palette()
        self.textures = [self._texture(910 + i) for i in range(2)]
        self.pixels: Floats = self._cover(0, 0, np.ones(count, np.float32))

    def _palette(self) -> Floats:
        """[pictures, 27, 3]: the colours in an order of each picture's own, jittered."""
        levels = np.array(LEVELS, np.float32)
        colours = np.stack([a.ravel() for a in np.meshgrid(levels, levels, levels)], 1)
        jitter = self.draws.uniform(901, colours.size, -JITTER, JITTER)
        shuffled = colours[self.draws.order(902, len(colours))]
        return np.asarray(shuffled + jitter.reshape(-1, *colours.shape), np.float32)

    def _texture(self, purpose: int) -> Floats:
        """[pictures, size, size] in -1..1: a random lattice, bilinearly between its points."""
        side = LATTICE + 1
        lattice = self.draws.uniform(purpose, side * side, -1, 1).reshape(-1, side, side)
        at = np.arange(self.size, dtype=np.float32) * np.float32(LATTICE / self.size)
        low = at.astype(np.int64)
        part = at - low.astype(np.float32)
        rows = lattice[:, low] * (1 - part)[:, None] + lattice[:, low + 1] * part[:, None]
        return np.asarray(rows[:, :, low] * (1 - part) + rows[:, :, low + 1] * part, np.float32)

    def _cover(self, colour: int, texture: int, strength: Floats) -> Floats:
        """[pictures, 3, size, size]: a colour of the palette, with a texture."""
        change = self.textures[texture] * (strength * np.float32(TEXTURE))[:, None, None]
        return self.palette[:, colour, :, None, None] + change[:, None]

    def paint(self, inside: Inside, colour: int, strength: Floats) -> None:
        """Cover what is `inside` ([pictures, size, size]) with colour number `colour`.

        `strength`: [pictures] of its texture, -1..1.
        """
        self.pixels = np.where(inside[:, None], self._cover(colour, 1, strength), self.pixels)

    def finish(self, low: float, high: float) -> NDArray[np.uint8]:
        """Bytes, with noise per pixel and channel; its strength is drawn per picture.

        The noise of a channel is the sum of two even draws, so triangular, with a deviation of 104
        times the strength.
        """
        count = len(self.pixels)
        words = self.draws.words(903, self.size * self.size)
        parts = words.astype("<u8").view(np.uint8).reshape(count, self.size, self.size, 8)
        pairs = parts.astype(np.int16)
        noise = (pairs[..., 0:6:2] + pairs[..., 1:6:2] - 255).astype(np.float32)
        strength = self.draws.uniform(904, 1, low, high).reshape(-1, 1, 1, 1)
        noisy = self.pixels + noise.transpose(0, 3, 1, 2) * strength
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)

    def shape(
        self, kind: NDArray[np.int64], at: tuple[Floats, Floats], radius: Floats,
        turn: tuple[Floats, Floats],
    ) -> Inside:  # fmt: skip
        """Pixels whose middle lies in a shape of `SHAPES`, all within a circle: [pictures, ...].

        Per picture: number of the shape, middle (x, y), radius of the circle, direction.
        """

        def wide(v: Floats) -> Floats:
            return v[:, None, None]

        across, down = self.x - wide(at[0]), self.y - wide(at[1])
        c, s = wide(turn[0] / radius), wide(turn[1] / radius)
        u, v = across * c + down * s, down * c - across * s
        far = u * u + v * v
        long, short = np.abs(u), np.abs(v)
        insides = [
            far <= 1,
            np.maximum(long, short) <= np.float32(0.8),
            (v >= np.float32(-0.5)) & (long * np.float32(1.7320508) + v <= 1),
            (np.minimum(long, short) <= np.float32(0.3)) & (np.maximum(long, short) <= 1),
            (far <= 1) & (far >= np.float32(0.3)),
        ]
        return np.asarray(np.choose(kind[:, None, None], insides), np.bool_)

    def bar(self, start: tuple[Floats, Floats], end: tuple[Floats, Floats], half: Floats) -> Inside:
        """Pixels no farther than `half` from a line from `start` to `end`: [pictures, ...]."""
        ax, ay = (v[:, None, None] for v in start)
        dx, dy = end[0] - start[0], end[1] - start[1]
        length = np.maximum(dx * dx + dy * dy, np.float32(1e-6))[:, None, None]
        dx, dy = dx[:, None, None], dy[:, None, None]
        px, py = self.x - ax, self.y - ay
        along = np.clip((px * dx + py * dy) / length, 0, 1)
        ex, ey = px - along * dx, py - along * dy
        return np.asarray(ex * ex + ey * ey <= (half * half)[:, None, None], np.bool_)
