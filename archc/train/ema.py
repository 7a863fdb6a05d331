"""A running average of the weights: smoother than where the last step led."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of all parameters and buffers of a module.

    Polyak and Juditsky 1992; as Szegedy et al. 2015 evaluate Inception. After update t (from 1) the
    decay is at most (1 + t) / (10 + t), so that a short run does not remember its initial weights.
    Whole numbers (batches counted) are taken as they are.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self._live: dict[str, Tensor] = {}
        seen: set[int] = set()
        for name, tensor in module.state_dict(keep_vars=True).items():
            if id(tensor) not in seen:  # shared parameters stand there once for each name
                seen.add(id(tensor))
                self._live[name] = tensor.detach()
        self._kept = {name: tensor.clone() for name, tensor in self._live.items()}
        smooth = [name for name, tensor in self._live.items() if tensor.is_floating_point()]
        self._smooth = ([self._kept[n] for n in smooth], [self._live[n] for n in smooth])
        counts = [name for name in self._live if name not in set(smooth)]
        self._counts = ([self._kept[n] for n in counts], [self._live[n] for n in counts])

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """After an update of the weights, which is number `updates` (from 1)."""
        decay = min(self.decay, (1 + updates) / (10 + updates))
        torch._foreach_lerp_(*self._smooth, 1 - decay)
        if self._counts[0]:  # all in one call: each normalisation has one
            torch._foreach_copy_(*self._counts)

    @torch.no_grad()
    def settle(self) -> None:
        """The average takes the place of the weights, for good; they stay where they are."""
        self._put(self._kept)

    def _put(self, values: Mapping[str, Tensor]) -> None:
        """Into the module's own memory: what was compiled reads the weights there."""
        torch._foreach_copy_(list(self._live.values()), [values[name] for name in self._live])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block, the module has the average as its weights."""
        own = {name: tensor.clone() for name, tensor in self._live.items()}
        self.settle()
        try:
            yield
        finally:
            with torch.no_grad():
                self._put(own)

    def state(self) -> dict[str, Tensor]:
        """The average by the names of the module's state_dict, each tensor once."""
        return dict(self._kept)

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take what `state` gave of a module of the same kind."""
        for name, tensor in self._kept.items():
            tensor.copy_(state[name])
