"""Augmentation of a recipe as code: what is drawn at the start of an epoch, and what is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..choices import Flip, Shift
from .layout import call

if TYPE_CHECKING:
    from .script import Case

KNOWN = (Shift, Flip)
"""What has a form in a script."""


class Augmenting:
    """Lines of `train_epoch`, without their indentation; `{rows}` stands for the samples."""

    def __init__(self, case: Case) -> None:
        self.drawn: list[str] = []
        self.lines: list[str] = []
        for i, choice in enumerate(case.recipe.augment):
            generator = f'keyed("augment", epoch, {i})'
            if isinstance(choice, Shift):
                low, high = -choice.pixels, choice.pixels + 1
                drawn = [str(low), str(high), "(len(x), 2)", f"generator={generator}"]
                self.drawn += call(
                    f"shifts_{i} = torch.randint(", drawn, ").to(x.device)", within=4
                )
                self.lines.append(f"batch = shift(batch, shifts_{i}[{{rows}}])")
            elif isinstance(choice, Flip):
                self.drawn += [
                    f"flips_{i} = torch.rand((len(x), 1), generator={generator}).to(x.device)"
                ]
                self.lines.append(f"batch = flip(batch, flips_{i}[{{rows}}] < {choice.p})")
