"""Tensors that have shapes and no numbers, and modules applied to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]
BATCH = 2  # batch normalisation of one place needs more than one sample
Answer = tuple[str, "Tensor | list[Tensor]", int, "Shape | None"]
"""What a layer is, what it gives, its weights, and what came into it if it is a max pool."""


class RefusedError(Exception):
    """A layer cannot be built, or not be applied to what arrives."""


@dataclass(frozen=True)
class Ref:
    """A value given as an argument: `crop(to=v)`, `unpool(from=v)`."""

    shape: Shape
    pooled: Shape | None
    """What came into the max pool that made it."""
    key: int = field(default=0, compare=False)
    """Which value it is."""


def empty(shape: Shape) -> Tensor:
    return torch.empty((BATCH, *shape), device="meta")


def applied(module: nn.Module, x: Tensor, *more: Any, pooled: Shape | None = None) -> Answer:
    """A module, applied."""
    count = sum(p.numel() for p in module.parameters())
    return repr((module, more)), module(x), count, pooled


def rank(x: Tensor) -> int:
    axes = x.dim() - 2
    if axes not in (1, 2, 3):
        raise ValueError(f"a map is due, not {tuple(x.shape[1:])}")
    return axes


def per_axis(value: Any, axes: int) -> tuple[Any, ...]:
    found = tuple(value) if isinstance(value, Sequence) else (value,) * axes
    if len(found) != axes:
        raise ValueError(f"{value} for {axes} axes")
    return found


def whole(*values: Any) -> None:
    """PyTorch takes a channel count of 0 and lets some wrong types pass until later."""
    for value in values:
        for one in value if isinstance(value, Sequence) else (value,):
            if isinstance(one, bool) or not isinstance(one, int) or one < 1:
                raise ValueError(f"{one!r} where a count is due")


def fits(weight: Any, due: Shape) -> None:
    """Weights that a spec gives must be a tensor of the layer's shape, or one number for all."""
    if weight is not None and not isinstance(weight, (int, float)):
        found = tuple(torch.tensor(weight).shape)
        if found != due:
            raise ValueError(f"weights of {found} where {due} is due")
