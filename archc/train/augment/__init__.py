"""Augmentation: drawn per sample, applied to whole batches on the device.

The parameters of a whole epoch are drawn at its start, one row per sample of the training set,
from a generator keyed by seed, epoch and position in the recipe. What happens to a sample thus
depends on nothing else: not on its batch, nor on the device, nor on where a run was resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..data.fitting import keyed
from ..settings.choices import (
    Augmentation,
    Choice,
    Colour,
    Cutmix,
    Cutout,
    Flip,
    Mixup,
    Shift,
)
from ..tasks.losses import Target
from .batch import Batch
from .colour import colour, cutout, draw_colour, draw_cutout
from .geometry import MATRICES, flip, matrices, shift, warp
from .mixing import cutmix, draw_mix, mixup

Fetch = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Rows to samples and targets as stored, on the device."""
Apply = Callable[[Batch, Tensor], Batch]


class _Step:
    """One thing done to a batch, with what was drawn for it: [samples, numbers per sample]."""

    def __init__(self, apply: Apply, drawn: Tensor) -> None:
        self.apply = apply
        self.drawn = drawn

    def __call__(self, batch: Batch, rows: Tensor) -> Batch:
        return self.apply(batch, self.drawn.index_select(0, rows))


class _Mix:
    """Blends each sample with another of the training set, drawn for it."""

    def __init__(
        self, choice: Mixup | Cutmix, partners: Tensor, drawn: Tensor, store: torch.device
    ) -> None:
        self.apply = mixup if isinstance(choice, Mixup) else cutmix
        # wherever rows are looked up: to ask the device which sample to fetch is to wait for it
        self.partners = partners.to(drawn.device, non_blocking=True)
        self.stored = self.partners if store == drawn.device else partners.to(store)
        self.drawn = drawn


class Augmenter:
    """Augmentation of one epoch: made at its start, called per batch."""

    def __init__(
        self,
        choices: Sequence[Augmentation],
        count: int,
        seed: int,
        epoch: int,
        device: torch.device,
        kind: str = "classes",
        mirrored: Sequence[int] = (),
        store: torch.device | None = None,
    ) -> None:
        """For `count` samples, whose targets are of a kind; `mirrored`: see `Split`.

        `device`: where it is done; `store`: where the samples are fetched from, if elsewhere.
        """
        self.kind = kind
        self.mirrored = torch.tensor(mirrored, device=device) if mirrored else None
        self._steps: list[_Step | _Mix] = []
        moves: list[tuple[Choice, Tensor]] = []
        for i, choice in enumerate(choices):
            generator = keyed(seed, "augment", epoch, i)
            if type(choice) in MATRICES:
                draws = torch.rand((count, 4), generator=generator)
                moves.append((choice, draws.to(device, non_blocking=True)))
                continue
            self._move(moves)
            if isinstance(choice, Mixup | Cutmix):
                partners = torch.randperm(count, generator=generator)
                drawn = draw_mix(choice, count, generator).to(device, non_blocking=True)
                self._steps.append(_Mix(choice, partners, drawn, store or device))
            else:
                apply, drawn = _made(choice, count, generator)
                self._steps.append(_Step(apply, drawn.to(device, non_blocking=True)))
        self._move(moves)

    def _move(self, moves: list[tuple[Choice, Tensor]]) -> None:
        """Neighbouring scales, rotations and crops are one resampling: each would blur anew."""
        if moves:
            kinds = [choice for choice, _ in moves]
            drawn = torch.stack([draws for _, draws in moves], 1)
            self._steps.append(_Step(lambda b, d: warp(b, *matrices(kinds, d, b.size)), drawn))
            moves.clear()

    def __call__(self, x: Tensor, rows: Tensor) -> Tensor:
        """Images alone [N, C, H, W], as stored (0 is black), which are the samples `rows`."""
        batch = Batch(x, torch.zeros(len(x), device=x.device), "none")
        for step in self._steps:
            assert isinstance(step, _Step), "blending needs the other samples"
            batch = step(batch, rows)
        return batch.x

    def both(self, x: Tensor, y: Tensor, rows: Tensor, fetch: Fetch) -> tuple[Tensor, Target]:
        """Images as stored and their targets, moved alike.

        `rows`: which samples they are, on the device where `fetch` finds more of them.
        """
        here = rows.to(x.device, non_blocking=True)
        start = Batch(x, y, self.kind, self.mirrored)
        batch = self._through(start, rows, here, fetch, len(self._steps))
        return batch.x, batch.y

    def _through(self, batch: Batch, rows: Tensor, here: Tensor, fetch: Fetch, count: int) -> Batch:
        """The first `count` steps; `rows` and `here` are the same, as `fetch` and steps need it."""
        for i, step in enumerate(self._steps[:count]):
            if isinstance(step, _Step):
                batch = step(batch, here)
                continue
            others = step.stored.index_select(0, rows)
            other = Batch(*fetch(others), self.kind, self.mirrored)
            # the other one as this epoch has it, whichever batch it is in itself
            partners = step.partners.index_select(0, here)
            other = self._through(other, others, partners, fetch, i)
            batch = step.apply(batch, other, step.drawn.index_select(0, here))
        return batch


def _made(choice: Choice, count: int, generator: torch.Generator) -> tuple[Apply, Tensor]:
    """What a choice does, and its draws for all samples."""
    if isinstance(choice, Shift):
        low, high = -choice.pixels, choice.pixels + 1
        return shift, torch.randint(low, high, (count, 2), generator=generator)
    if isinstance(choice, Flip):
        return flip, torch.rand((count, 1), generator=generator) < choice.p
    if isinstance(choice, Colour):
        return colour, draw_colour(choice, count, generator)
    assert isinstance(choice, Cutout)
    side = choice.pixels
    return lambda batch, drawn: cutout(batch, drawn, side), draw_cutout(count, generator)
