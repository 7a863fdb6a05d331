"""Which weights learn, how fast, and their running average."""

from __future__ import annotations

from fnmatch import fnmatchcase

import torch
from torch import nn

EMA = 0.999
FREEZE = ["features.*"]
LAYER_LR = [("features", 0.1)]


def matches(name: str, pattern: str) -> bool:
    """Does a pattern name a parameter, or a module around it?"""
    parts = name.split(".")
    return any(fnmatchcase(".".join(parts[:n]), pattern) for n in range(1, len(parts) + 1))


def freeze(model: nn.Module) -> list[nn.Module]:
    """Take parameters out of training. Gives the normalisations that keep their statistics."""
    for name, parameter in model.named_parameters():
        if any(matches(name, pattern) for pattern in FREEZE):
            parameter.requires_grad_(False)
    frozen_norms = []
    for name, layer in model.named_modules():
        own = list(layer.parameters(recurse=False))
        frozen = not any(p.requires_grad for p in own)
        if not own:
            frozen = any(matches(f"{name}.running_mean", pattern) for pattern in FREEZE)
        if frozen and getattr(layer, "running_mean", None) is not None:
            frozen_norms.append(layer)
    return frozen_norms


def lr_factor(name: str) -> float:
    """Of the learning rate of a parameter: the first pattern counts."""
    return next((factor for pattern, factor in LAYER_LR if matches(name, pattern)), 1.0)


@torch.no_grad()
def update_ema(ema: nn.Module, model: nn.Module, updates: int) -> None:
    """Move the average of the weights after an update (from 1). Polyak and Juditsky 1992."""
    decay = min(EMA, (1 + updates) / (10 + updates))  # a short run forgets its initial weights
    averages = [*ema.parameters(), *ema.buffers()]
    for average, live in zip(averages, [*model.parameters(), *model.buffers()], strict=True):
        if average.is_floating_point():
            average.lerp_(live, 1 - decay)
        else:
            average.copy_(live)
