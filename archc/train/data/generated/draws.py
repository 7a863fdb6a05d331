"""Random numbers by place: any number of a stream without those before it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Floats = NDArray[np.float32]
Grid = NDArray[Any]

GOLDEN = 0x9E3779B97F4A7C15


def _mixed(z: Words) -> Words:
    """The finalizer of SplitMix64: Steele, Lea, Flood 2014, section 5.1."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


class Draws:
    """Independent streams for each of some pictures, by seed, number and purpose."""

    def __init__(self, seed: int, numbers: NDArray[np.int64]) -> None:
        with np.errstate(over="ignore"):
            start = _mixed(np.full(1, seed, np.uint64) + np.uint64(GOLDEN))
            self._keys = _mixed(_mixed(numbers.astype(np.uint64) + start) + np.uint64(GOLDEN))

    def words(self, purpose: int, count: int) -> Words:
        """[pictures, count] words of 64 bits."""
        with np.errstate(over="ignore"):
            keys = _mixed(self._keys + np.uint64(purpose * GOLDEN % (1 << 64)))
            steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN)
            return _mixed(keys[:, None] + steps)

    def uniform(self, purpose: int, count: int, low: float = 0.0, high: float = 1.0) -> Floats:
        """[pictures, count] numbers from `low` up to `high`."""
        shares = (self.words(purpose, count) >> np.uint64(40)).astype(np.float32)
        return np.float32(low) + shares * np.float32((high - low) / (1 << 24))

    def below(self, purpose: int, count: int, limit: int) -> NDArray[np.int64]:
        """[pictures, count] whole numbers from 0 to `limit` - 1."""
        top = self.words(purpose, count) >> np.uint64(32)
        return (top * np.uint64(limit) >> np.uint64(32)).astype(np.int64)

    def order(self, purpose: int, count: int) -> NDArray[np.int64]:
        """[pictures, count]: a permutation of 0 to `count` - 1 each."""
        return np.argsort(self.words(purpose, count), axis=1, kind="stable")

    def direction(self, purpose: int) -> tuple[Floats, Floats]:
        """[pictures] unit vectors, all around.

        Rational points of the circle: without sine and cosine, whose last bits differ by machine.
        """
        t = self.uniform(purpose, 1)[:, 0]
        quarter = self.below(purpose + 1, 1, 4)[:, 0]
        square = t * t
        c, s = (1 - square) / (1 + square), 2 * t / (1 + square)
        x = np.choose(quarter, [c, -s, -c, s])
        y = np.choose(quarter, [s, c, -s, -c])
        return x.astype(np.float32), y.astype(np.float32)
