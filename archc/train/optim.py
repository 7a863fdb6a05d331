"""Optimizers and learning rates: from a recipe's choice to torch's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import cos, pi
from typing import Any

import torch
from torch import Tensor, nn
from torch import optim as torch_optim

from .settings.choices import (
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    Choice,
    Constant,
    Cosine,
    NAdam,
    OneCycle,
    Optimizer,
    RAdam,
    RmsProp,
    Schedule,
    Sgd,
    Step,
)

TORCH: dict[type[Choice], type[torch_optim.Optimizer]] = {
    Sgd: torch_optim.SGD,
    Adam: torch_optim.Adam,
    AdamW: torch_optim.AdamW,
    RmsProp: torch_optim.RMSprop,
    Adagrad: torch_optim.Adagrad,
    Adadelta: torch_optim.Adadelta,
    NAdam: torch_optim.NAdam,
    RAdam: torch_optim.RAdam,
}
"""The settings of a choice have the names of torch's arguments."""
FUSED = (Sgd, Adam, AdamW)
"""Optimizers of which torch has one kernel on CPUs and GPUs."""

Rate = Callable[[int], float]
"""Step (from 0) to the share of the optimizer's lr that it takes."""


Group = dict[str, Any]
"""Parameters with settings of their own, as torch's optimizers take them; `peak`: their lr."""


def make_groups(
    choice: Optimizer, parameters: Iterable[nn.Parameter], *, no_decay: bool
) -> list[Group]:
    """Parameters by how they are trained.

    `no_decay`: those of one axis (biases, scales and shifts of normalisations) without weight
    decay, as He et al. 2018 ("Bag of tricks") train.
    """
    learned = list(parameters)
    plain = [p for p in learned if no_decay and p.ndim <= 1]
    decayed = [p for p in learned if not (no_decay and p.ndim <= 1)]
    groups: list[Group] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    return [{**group, "peak": choice.lr} for group in groups if group["params"]]


def make_optimizer(
    choice: Optimizer, parameters: Iterable[nn.Parameter] | list[Group], *, fused: bool
) -> torch_optim.Optimizer:
    """torch's optimizer. `fused`: one kernel for all parameters, where torch has one."""
    settings: dict[str, Any] = choice.model_dump()
    if "betas" in settings:
        settings["betas"] = tuple(settings["betas"])
    if isinstance(choice, FUSED):
        settings["fused"] = fused
    return TORCH[type(choice)](parameters, **settings)


def optimizer_state(optimizer: torch_optim.Optimizer) -> dict[str, Tensor]:
    """What it remembers of each parameter, as `NUMBER/NAME`."""
    return {
        f"{number}/{key}": value
        for number, values in optimizer.state_dict()["state"].items()
        for key, value in values.items()
        if isinstance(value, Tensor)
    }


def load_optimizer(optimizer: torch_optim.Optimizer, state: Mapping[str, Tensor]) -> None:
    """Take what `optimizer_state` gave of an optimizer made alike."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    found: dict[int, dict[str, Tensor]] = {}
    for name, value in state.items():
        number, _, key = name.partition("/")
        own = parameters[int(number)]
        if value.shape == own.shape and value.ndim:
            # laid out in memory as its parameter, as torch makes it: so that the bits agree
            value = torch.empty_like(own, dtype=value.dtype).copy_(value)
        found.setdefault(int(number), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": found, "param_groups": groups})
    on_host = [
        not (group.get("fused") or group.get("capturable"))
        for group in optimizer.param_groups
        for _ in group["params"]
    ]
    # torch counts on the host there, but loads what is not called `step` to the device: NAdam would
    # wait for its product of momenta at every step
    for i, values in found.items():
        if on_host[i]:
            counts = {key: value.cpu().clone() for key, value in values.items() if not value.ndim}
            optimizer.state[parameters[i]] |= counts


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
