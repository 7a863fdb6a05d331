"""Augmentation of a recipe as code: what is drawn for an epoch, and what is done to a batch."""

from __future__ import annotations

from ..settings.choices import (
    Augmentation,
    Colour,
    Crop,
    Cutmix,
    Cutout,
    Flip,
    Mixup,
    Rotate,
    Scale,
    Shift,
)
from .case import Case
from .layout import call, lines

MAPS = (Scale, Rotate, Crop)
"""What moves pixels by a map; neighbours become one resampling."""
NAMES: dict[type[Augmentation], str] = {
    Shift: "shifts",
    Flip: "flips",
    Scale: "scales",
    Rotate: "turns",
    Crop: "windows",
    Colour: "tints",
    Cutout: "holes",
    Mixup: "blends",
    Cutmix: "blends",
}
"""What is drawn for a choice, as a script calls it."""


def augmentation(case: Case) -> str:
    """The function `augmentation` of a script; empty where a recipe has none."""
    return _Writer(case).text() if case.recipe.augment else ""


class _Writer:
    """Collects the lines of the function."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.drawn: list[str] = []
        """What an epoch draws."""
        self.before: list[str] = []
        """Done to every sample; and to its partner, before both are blended."""
        self.after: list[str] = []
        """From the blend on."""
        self.names: set[str] = set()
        self.steps = self.before
        waiting: list[str] = []
        for i, choice in enumerate(case.recipe.augment):
            name = self._name(choice)
            if isinstance(choice, MAPS):
                self._draw(name, f"torch.rand((len(x), 4), {_keyed(i)})")
                waiting.append(_map(choice, f"{name}[rows]"))
                continue
            self._warp(waiting)
            self._add(choice, name, i)
        self._warp(waiting)

    def text(self) -> str:
        returned = ["        return batch, target"]
        whole, inner = "augmented", lines(
            "    def augmented(rows: Tensor) -> tuple[Tensor, Tensor]:",
            "        batch, target = x[rows], y[rows]",
            [f"        {line}" for line in self.before],
        )  # fmt: skip
        if self.after and self.before:
            whole, inner = "blended", lines(
                inner,
                returned,
                "",
                "    def blended(rows: Tensor) -> tuple[Tensor, Tensor]:",
                "        batch, target = augmented(rows)",
                "        other, other_target = augmented(partners[rows])",
            )  # fmt: skip
        elif self.after:
            inner = lines(
                inner, "        other, other_target = x[partners[rows]], y[partners[rows]]"
            )
        return lines(
            *call(
                "def augmentation(",
                ["x: Tensor", "y: Tensor", "epoch: int"],
                ") -> Callable[[Tensor], tuple[Tensor, Tensor]]:",
            ),
            '    """Draw for all samples. Gives a function from rows to images and targets."""',
            [f"    {line}" for line in self.drawn],
            "",
            inner,
            [f"        {line}" for line in self.after],
            returned,
            "",
            f"    return {whole}",
        )

    # ------------------------------------------------------------------ draws

    def _name(self, choice: Augmentation) -> str:
        base = NAMES[type(choice)]
        name = next(n for i in range(1, 99) if (n := f"{base}_{i}" if i > 1 else base)
                    not in self.names)  # fmt: skip
        self.names.add(name)
        return name

    def _draw(self, name: str, expression: str, end: str = "") -> None:
        line = f"{name} = {expression}.to(x.device){end}"
        if len(line) + 4 <= 100:
            self.drawn.append(line)
        else:
            self.drawn += [f"{name} = {expression}", f"{name} = {name}.to(x.device){end}"]

    # ------------------------------------------------------------------ steps

    def _add(self, choice: Augmentation, name: str, i: int) -> None:
        """A choice that is done by itself."""
        moved, rows = self.case.moved, f"{name}[rows]"
        if isinstance(choice, Shift):
            low, high = -choice.pixels, choice.pixels + 1
            self._draw(name, f"torch.randint({low}, {high}, (len(x), 2), {_keyed(i)})")
            self.steps.append(f"batch = shift(batch, {rows})")
            self._target(moved, {
                "masks": f"shift(target[:, None], {rows}, IGNORED)[:, 0]",
                "pictures": f"shift(target, {rows})",
                "keypoints": f"shift_points(target, {rows})",
            })  # fmt: skip
        elif isinstance(choice, Flip):
            self._draw(name, f"torch.rand((len(x), 1), {_keyed(i)})", f" < {choice.p}")
            self.steps.append(f"batch = flip(batch, {rows})")
            partners = "target[:, MIRRORED]" if self.case.ready.train.mirrored else "target"
            self._target(moved, {
                "masks": f"flip(target, {rows})",
                "pictures": f"flip(target, {rows})",
                "keypoints": f"flip_points(target, {partners}, {rows})",
            })  # fmt: skip
        elif isinstance(choice, Colour):
            self._colour(choice, name, i)
        elif isinstance(choice, Cutout):
            self._draw(name, f"torch.rand((len(x), 2), {_keyed(i)})")
            self.steps.append(f"batch = cutout(batch, {rows}, {choice.pixels})")
        else:
            assert isinstance(choice, Mixup | Cutmix)
            self._blend(choice, name, i)

    def _target(self, moved: str, by_kind: dict[str, str]) -> None:
        if moved:
            self.steps.append(f"target = {by_kind[moved]}")

    def _colour(self, choice: Colour, name: str, i: int) -> None:
        rgb = self.case.shape[0] == 3
        spread = [choice.brightness, choice.contrast, choice.saturation]
        self.drawn.append(f"{name} = 2 * torch.rand((len(x), 3), {_keyed(i)}) - 1")
        self._draw(name, f"(1 + {name} * torch.tensor({spread}))")
        function = "colour" if rgb else "brightness_contrast"
        self.steps.append(f"batch = {function}(batch, {name}[rows])")

    def _blend(self, choice: Mixup | Cutmix, name: str, i: int) -> None:
        self.drawn += [
            f'generator = keyed("augment", epoch, {i})',
            "partners = torch.randperm(len(x), generator=generator).to(x.device)",
        ]
        self._draw(name, f"draw_blends(len(x), {choice.alpha}, generator)")
        self.steps = self.after
        both = "target, other_target"
        if self.case.soft:
            both = "class_rows(target), class_rows(other_target)"
        if isinstance(choice, Mixup):
            self.steps += [
                f"share = {name}[rows, 0]",
                "batch = blend(batch, other, share)",
                f"target = blend({both}, share)",
            ]
            return
        self.steps += [
            f"box = boxes({name}[rows], *SIZE)",
            "batch = torch.where(box[:, None], other, batch)",
            "target = torch.where(box, other_target, target)"
            if self.case.kind == "masks"
            else f"target = blend({both}, 1 - box.float().mean((1, 2)))",
        ]

    def _warp(self, waiting: list[str]) -> None:
        """One resampling for all neighbouring maps."""
        if not waiting:
            return
        if len(waiting) == 1:
            self.steps.append(f"affine = {waiting[0]}")
        else:
            self.steps += call("affine = compose(", waiting, within=8)
        self.steps.append("batch = warp(batch, *affine)")
        self._target(self.case.moved, {
            "masks": "warp_mask(target, *affine)",
            "pictures": "warp(target, *affine)",
            "keypoints": "warp_points(target, *affine)",
        })  # fmt: skip
        waiting.clear()


def _keyed(i: int) -> str:
    return f'generator=keyed("augment", epoch, {i})'


def _map(choice: Augmentation, draws: str) -> str:
    if isinstance(choice, Scale):
        return f"scale({draws}, {choice.low}, {choice.high})"
    if isinstance(choice, Rotate):
        return f"rotate({draws}, {choice.degrees})"
    assert isinstance(choice, Crop)
    return f"crop({draws}, {choice.area}, {choice.ratio})"
