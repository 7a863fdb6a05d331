"""Which samples, which classes, which order of pixels; and whether augmentation suits them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..errors import TrainError
from ..settings.choices import Augmentation, Colour, Cutmix, Cutout, Mixup
from ..settings.recipe import Recipe
from .samples import IGNORED, Data, Split

KINDS: dict[type[Augmentation], tuple[str, ...]] = {
    Mixup: ("classes", "values"),
    Cutmix: ("classes", "masks"),
}
"""What a blend can be made of; all other augmentations suit all targets."""


def selected(data: Data, recipe: Recipe, notes: list[str], draws: torch.Generator) -> Data:
    """The samples that `ignore`, `classes` and `samples` leave. Raises TrainError E0802."""
    train, test, names = data.train, data.test, data.names
    if recipe.ignore is not None:
        if train.kind not in ("classes", "masks"):
            raise _unsuited("ignore", recipe, train)
        train, test = (_ignoring(split, recipe.ignore) for split in (train, test))
    if recipe.classes:
        train, test = (_of_classes(split, recipe) for split in (train, test))
        if names:
            names = [names[c] for c in recipe.classes if c < len(names)]
        notes.append(f"classes {', '.join(map(str, recipe.classes))}, numbered from 0")
    if recipe.samples is not None and recipe.samples < len(train):
        rows = torch.randperm(len(train), generator=draws)[: recipe.samples].sort().values
        notes.append(f"{recipe.samples:,} of {len(train):,} training samples")
        train = train.take(rows)
    return replace(data, train=train, test=test, names=names)


def _ignoring(split: Split, label: int) -> Split:
    return replace(split, y=split.y.masked_fill(split.y == label, IGNORED))


def _of_classes(split: Split, recipe: Recipe) -> Split:
    """The samples of the classes that the recipe names, and their new numbers."""
    if split.kind != "classes":
        raise _unsuited("classes", recipe, split)
    if len(set(recipe.classes)) < len(recipe.classes):
        raise TrainError("E0802", "`classes` names a class twice", recipe.place("classes"))
    absent = [c for c in recipe.classes if not bool((split.y == c).any())]
    if absent:
        raise TrainError(
            "E0802",
            f"`classes`: `{split.y_from}` has no sample of class {absent[0]}",
            recipe.place("classes"),
        )
    chosen = torch.tensor(recipe.classes)
    matches = split.y[:, None] == chosen
    rows = matches.any(1).nonzero().flatten()
    taken = split.take(rows)
    return replace(taken, y=matches[rows].long().argmax(1))


def _unsuited(setting: str, recipe: Recipe, split: Split) -> TrainError:
    what = {"values": "numbers", "keypoints": "keypoints", "masks": "masks"}[split.kind]
    return TrainError(
        "E0802", f"`{setting}` needs classes; the data have {what}", recipe.place(setting)
    )


def permuted(split: Split, order: Tensor) -> Split:
    """The pixels of each image in another order, channels kept together: [N, C, H, W] or [N, F]."""
    x = split.x
    moved = x[:, order] if x.ndim == 2 else x.flatten(2)[:, :, order].reshape(x.shape)
    return replace(split, x=moved)


def check_augment(recipe: Recipe, split: Split) -> None:
    """Does each augmentation suit images and targets? Raises TrainError E0802."""

    def wrong(message: str, help: str | None = None) -> TrainError:
        return TrainError("E0802", message, recipe.place("augment"), help=help)

    if recipe.augment and split.x.ndim != 4:
        shape = "×".join(map(str, split.x.shape[1:]))
        raise wrong(f"`augment` needs images (channels, height, width); the network takes {shape}")
    if recipe.permute and split.kind in ("masks", "keypoints"):
        raise TrainError(
            "E0802",
            f"`permute` would tear images from their {split.kind}",
            recipe.place("permute"),
        )
    if recipe.augment and recipe.permute:
        raise wrong("`augment` has no meaning for pixels that `permute` shuffles")
    blends = [choice for choice in recipe.augment if type(choice) in KINDS]
    if len(blends) > 1:
        raise wrong("`augment` blends samples twice", "leave `mixup` or `cutmix`")
    for choice in recipe.augment:
        kinds = KINDS.get(type(choice))
        if kinds is not None and split.kind not in kinds:
            raise wrong(f"`{choice.name}` cannot blend {split.kind}")
        if isinstance(choice, Colour) and choice.saturation and split.x.shape[1] != 3:
            channels = split.x.shape[1]
            raise wrong(f"`colour`: saturation needs 3 channels; the data have {channels}")
        if isinstance(choice, Cutout) and choice.pixels > min(split.x.shape[2:]):
            raise wrong("`cutout` is larger than the images")
