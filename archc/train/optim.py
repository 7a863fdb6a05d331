"""Optimizers and learning rates: from a recipe's choice to torch's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import cos, pi

from torch import nn
from torch import optim as torch_optim

from .choices import Adam, AdamW, Constant, Cosine, OneCycle, Optimizer, Schedule, Sgd, Step

Rate = Callable[[int], float]
"""Step (from 0) to the share of the optimizer's lr that it takes."""


def make_optimizer(
    choice: Optimizer, parameters: Iterable[nn.Parameter], *, fused: bool
) -> torch_optim.Optimizer:
    """torch's optimizer. `fused`: one kernel for all parameters instead of several for each."""
    if isinstance(choice, Sgd):
        return torch_optim.SGD(
            parameters,
            lr=choice.lr,
            momentum=choice.momentum,
            nesterov=choice.nesterov,
            weight_decay=choice.weight_decay,
            fused=fused,
        )
    assert isinstance(choice, Adam | AdamW)
    cls = torch_optim.Adam if isinstance(choice, Adam) else torch_optim.AdamW
    return cls(
        parameters,
        lr=choice.lr,
        betas=(choice.betas[0], choice.betas[1]),
        eps=choice.eps,
        weight_decay=choice.weight_decay,
        fused=fused,
    )


def make_rate(choice: Schedule, epochs: int, steps: int) -> Rate:
    """The schedule of a run of `epochs` epochs of `steps` steps each."""
    last = max(epochs * steps - 1, 1)
    warm = choice.warmup * last
    if isinstance(choice, OneCycle):
        return lambda step: _one_cycle(choice, step, warm, last)
    if isinstance(choice, Cosine):
        return lambda step: _warmed(
            step, warm, _cosine(1.0, choice.end, (step - warm), last - warm)
        )
    if isinstance(choice, Step):
        every = choice.every or epochs  # one of the two is given
        falls = choice.at if choice.at is not None else list(range(every, epochs, every))
        return lambda step: _warmed(
            step, warm, choice.factor ** sum(1 for epoch in falls if step >= epoch * steps)
        )
    assert isinstance(choice, Constant)
    return lambda step: _warmed(step, warm, 1.0)


def _one_cycle(choice: OneCycle, step: int, warm: float, last: int) -> float:
    if step <= warm:
        return _cosine(choice.start, 1.0, step, warm)
    return _cosine(1.0, choice.end, step - warm, last - warm)


def _cosine(start: float, end: float, done: float, whole: float) -> float:
    """From `start` to `end` along half a cosine."""
    share = min(max(done / whole, 0.0), 1.0) if whole > 0 else 1.0
    return end + (start - end) * (1 + cos(pi * share)) / 2


def _warmed(step: int, warm: float, rate: float) -> float:
    """Linear from almost nothing to `rate` over the first `warm` steps."""
    return rate * (step + 1) / (warm + 1) if step < warm else rate
