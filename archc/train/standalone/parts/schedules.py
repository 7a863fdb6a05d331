"""The learning rate of a step, as a share of its peak."""

from __future__ import annotations

import math

FACTOR, START, END = 0.1, 0.04, 4e-6
WARMUP = 0.0
EVERY = 1
MILESTONES = [1]


def constant(step: int, steps: int) -> float:
    """Share of the learning rate in a step: all of it, after a warmup."""
    return warmed_up(1.0, step, WARMUP * max(steps - 1, 1))


def one_cycle(step: int, steps: int) -> float:
    """Share of the learning rate in a step: up and down, along cosines. Smith and Topin 2017."""
    warm = WARMUP * max(steps - 1, 1)
    if step <= warm:
        return cosine(START, 1.0, step, warm)
    return cosine(1.0, END, step - warm, max(steps - 1, 1) - warm)


def cosine_decay(step: int, steps: int) -> float:
    """Share of the learning rate in a step: down half a cosine. Loshchilov and Hutter 2016."""
    warm = WARMUP * max(steps - 1, 1)
    return warmed_up(cosine(1.0, END, step - warm, max(steps - 1, 1) - warm), step, warm)


def step_decay(step: int, steps: int, per_epoch: int) -> float:
    """Share of the learning rate in a step: times FACTOR every so many epochs."""
    return warmed_up(FACTOR ** (step // per_epoch // EVERY), step, WARMUP * max(steps - 1, 1))


def multistep_decay(step: int, steps: int, per_epoch: int) -> float:
    """Share of the learning rate in a step: times FACTOR at each milestone."""
    falls = sum(step >= epoch * per_epoch for epoch in MILESTONES)
    return warmed_up(FACTOR**falls, step, WARMUP * max(steps - 1, 1))


def cosine(start: float, end: float, done: float, whole: float) -> float:
    """From start to end along half a cosine."""
    share = min(max(done / whole, 0.0), 1.0) if whole > 0 else 1.0
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def warmed_up(rate: float, step: int, warm: float) -> float:
    """Linear up to the rate over the first `warm` steps."""
    return rate * (step + 1) / (warm + 1) if step < warm else rate
