"""Augmentation of a recipe as code: what is drawn at the start of an epoch, and what is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..choices import (
    Augmentation,
    Colour,
    Crop,
    Cutout,
    Flip,
    Rotate,
    Scale,
    Shift,
)
from .layout import call

if TYPE_CHECKING:
    from .script import Case

KNOWN: tuple[type[Augmentation], ...] = (Shift, Flip, Scale, Rotate, Crop, Colour, Cutout)
"""What has a form in a script."""
MAPS = (Scale, Rotate, Crop)
"""What moves pixels by a map; neighbours become one."""


class Augmenting:
    """Lines of `train_epoch`, without their indentation; `{rows}` stands for the samples."""

    def __init__(self, case: Case) -> None:
        self.drawn: list[str] = []
        self.lines: list[str] = []
        self.masks = case.kind == "masks"
        """Do targets move with the images?"""
        waiting: list[str] = []
        for i, choice in enumerate(case.recipe.augment):
            if isinstance(choice, MAPS):
                self._draw(f"moves_{i}", "torch.rand", "(len(x), 4)", i)
                waiting.append(_map(choice, f"moves_{i}[{{rows}}]"))
                continue
            self._warp(waiting)
            self._add(choice, i)
        self._warp(waiting)

    def _draw(self, name: str, function: str, size: str, i: int, *numbers: str) -> None:
        generator = f'generator=keyed("augment", epoch, {i})'
        arguments = [*numbers, size, generator]
        self.drawn += call(f"{name} = {function}(", arguments, ").to(x.device)", within=4)

    def _add(self, choice: Augmentation, i: int) -> None:
        """A choice that is done by itself."""
        if isinstance(choice, Shift):
            low, high = str(-choice.pixels), str(choice.pixels + 1)
            self._draw(f"shifts_{i}", "torch.randint", "(len(x), 2)", i, low, high)
            self.lines.append(f"batch = shift(batch, shifts_{i}[{{rows}}])")
            if self.masks:
                moved = f"shift(target[:, None], shifts_{i}[{{rows}}], IGNORED)[:, 0]"
                self.lines.append(f"target = {moved}")
        elif isinstance(choice, Flip):
            self._draw(f"flips_{i}", "torch.rand", "(len(x), 1)", i)
            for name in ("batch", "target")[: 1 + self.masks]:
                self.lines.append(f"{name} = flip({name}, flips_{i}[{{rows}}] < {choice.p})")
        elif isinstance(choice, Colour):
            self._draw(f"tints_{i}", "torch.rand", "(len(x), 3)", i)
            spread = [choice.brightness, choice.contrast, choice.saturation]
            self.drawn.append(
                f"tints_{i} = 1 + (2 * tints_{i} - 1) * torch.tensor({spread}, device=x.device)"
            )
            self.lines.append(f"batch = colour(batch, tints_{i}[{{rows}}])")
        elif isinstance(choice, Cutout):
            self._draw(f"holes_{i}", "torch.rand", "(len(x), 2)", i)
            self.lines.append(f"batch = cutout(batch, holes_{i}[{{rows}}], {choice.pixels})")

    def _warp(self, waiting: list[str]) -> None:
        """One resampling for all neighbouring maps."""
        if not waiting:
            return
        self.lines.append(f"matrix, offset = {waiting[0]}")
        for other in waiting[1:]:
            self.lines.append(f"matrix, offset = both_maps((matrix, offset), {other})")
        self.lines.append("batch = warp(batch, matrix, offset)")
        if self.masks:
            self.lines.append("target = warp_mask(target, matrix, offset)")
        waiting.clear()


def _map(choice: Augmentation, draws: str) -> str:
    if isinstance(choice, Scale):
        return f"scale({draws}, {choice.low}, {choice.high})"
    if isinstance(choice, Rotate):
        return f"rotate({draws}, {choice.degrees})"
    assert isinstance(choice, Crop)
    return f"crop({draws}, {choice.area}, {choice.ratio})"
