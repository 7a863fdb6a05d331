"""Bringing data to a network: channels, sizes, classes, normalisation, the validation split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from math import prod

import torch
from torch import Tensor

from ..errors import TrainError
from ..settings.choices import Fit, FromData, Given
from ..settings.recipe import Recipe
from .selecting import check_augment, permuted, selected
from .sizing import PAD_LIMIT, resized, way
from .sources import Data, Split
from .targets import check_some, remarks, within


@dataclass
class Prepared:
    """Splits in the shape that the network takes, and how pixels become its numbers.

    A batch is `(x * scale - mean) / std`; `mean` and `std` are [C, 1, 1] like the input.
    """

    train: Split
    validation: Split | None
    test: Split
    scale: float
    mean: Tensor
    std: Tensor
    ignoring: bool = False
    """Some places of the targets may be `samples.IGNORED`."""
    notes: list[str] = field(default_factory=list)
    """What was done to the data, for the reader of the output."""
    names: list[str] = field(default_factory=list)
    """Of the classes, by number; none where the data give none."""


def keyed(seed: int, *key: object) -> torch.Generator:
    """A CPU generator for one purpose: `keyed(seed, "order", epoch)`.

    Drawing for one purpose never shifts what is drawn for another, and nothing depends on how far a
    run has come: that is what lets a run resume, and several devices agree.
    """
    text = "/".join(map(str, (seed, *key))).encode()
    number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1
    return torch.Generator().manual_seed(number)


def prepare(data: Data, recipe: Recipe, shape: tuple[int, ...]) -> Prepared:
    """Fit data to an input of `shape` (without the batch) and hold out the validation split.

    Raises TrainError E0806 where they cannot be fitted, E0802 where a setting cannot be met.
    """
    notes = list(data.notes)
    data = selected(data, recipe, notes, keyed(recipe.seed, "samples"))
    splits = [_laid_out(split, shape, notes) for split in (data.train, data.test)]
    train, test = (within(split, notes) for split in splits)
    held_out: Split | None = None
    if recipe.validation > 0:
        count = round(recipe.validation * len(train))
        if not 1 <= count < len(train):
            of = f"`validation = {recipe.validation:g}` of {len(train)} samples"
            raise TrainError(
                "E0802",
                f"{of} leaves nothing to train on" if count else f"{of} holds out none of them",
                recipe.place("validation"),
                help="write `validation = 0`" + (", or 0.5" if len(train) > 1 else ""),
            )
        order = torch.randperm(len(train), generator=keyed(recipe.seed, "validation"))
        held_out, train = train.take(order[:count]), train.take(order[count:])
    scale, mean, std = _statistics(train, recipe)
    splits = [_fitted(s, shape, recipe, notes) for s in (train, held_out, test) if s is not None]
    check_augment(recipe, splits[0])
    for split in (splits[0], splits[-1]):
        check_some(split)
    notes += remarks(splits[0], splits[-1], data.names)
    if recipe.permute:
        order = torch.randperm(prod(shape[1:] or shape), generator=keyed(recipe.seed, "permute"))
        splits = [permuted(split, order) for split in splits]
        notes.append("pixels in another order, the same for all images")
    flat = (-1, *(1,) * (len(shape) - 1))
    if mean.numel() > 1 and mean.numel() != shape[0]:  # channels were flattened into features
        mean, std = (v.repeat_interleave(shape[0] // v.numel()) for v in (mean, std))
    return Prepared(
        train=splits[0],
        validation=splits[1] if held_out is not None else None,
        test=splits[-1],
        scale=scale,
        mean=mean.reshape(flat),
        std=std.reshape(flat),
        ignoring=train.kind == "masks" or recipe.ignore is not None,
        notes=list(dict.fromkeys(notes)),
        names=list(data.names),
    )


def _laid_out(split: Split, shape: tuple[int, ...], notes: list[str]) -> Split:
    """Channels to the front where an array has them last; grey where three are asked for."""
    size = tuple(split.x.shape[1:])
    if len(size) == 3 and size[0] == 1 and len(shape) == 3 and shape[0] == 3:
        notes.append("grey images as three equal channels")
        return replace(split, x=split.x.expand(-1, 3, -1, -1))
    if len(size) == len(shape) > 1 and size[0] != shape[0] and size[-1] == shape[0]:
        notes.append(f"channels moved to the front: {_by(size)} to {_by((size[-1], *size[:-1]))}")
        return replace(split, x=split.x.movedim(-1, 1))
    return split


def _statistics(train: Split, recipe: Recipe) -> tuple[float, Tensor, Tensor]:
    """Factor from stored numbers to 0..1, then mean and deviation per channel."""
    scale = 1 / 255 if train.x.dtype == torch.uint8 else 1.0
    how = recipe.normalize
    channels = train.x.shape[1]
    if isinstance(how, Given):
        if len(how.mean) not in (1, channels):
            raise TrainError(
                "E0802",
                f"`normalize` gives {len(how.mean)} means; the data have {channels} channels",
                recipe.place("normalize"),
            )
        return scale, torch.tensor(how.mean), torch.tensor(how.std)
    if not isinstance(how, FromData):
        return scale, torch.zeros(1), torch.ones(1)
    total = square = torch.zeros(channels, dtype=torch.float64)
    for part in torch.split(train.x, 4096):  # in parts: float64 takes eight times the room of bytes
        values = part.double().transpose(0, 1).flatten(1) * scale
        total, square = total + values.sum(1), square + values.square().sum(1)
    count = train.x.numel() / channels
    mean = total / count
    deviation = (square / count - mean.square()).clamp_min(0).sqrt()
    deviation[deviation < 1e-6] = 1.0  # a constant channel stays as it is
    return scale, mean.float(), deviation.float()


def _fitted(split: Split, shape: tuple[int, ...], recipe: Recipe, notes: list[str]) -> Split:
    """The samples in the input's shape: as they are, flattened, or by the setting `fit`."""
    size = tuple(split.x.shape[1:])
    if size == shape:
        return replace(split, x=split.x.contiguous())
    if len(shape) == 1 and prod(size) == shape[0]:
        notes.append(f"{_by(size)} flattened to {shape[0]:,} features")
        return replace(split, x=split.x.flatten(1))
    if len(size) != len(shape) or size[0] != shape[0]:
        raise TrainError(
            "E0806",
            f"the data are {_by(size)}, but the network takes {_by(shape)}",
            notes=(f"data from {split.x_from}",),
            help=_channel_help(size, shape),
        )
    found = way(size[1:], shape[1:], recipe.fit)
    if found is None:
        raise TrainError(
            "E0806",
            f"the data are {_by(size)}, but the network takes {_by(shape)}",
            recipe.place("fit"),
            notes=_why_not(recipe.fit),
            help=f"write a network for {_by(size)}, or `fit = {_other(size, shape)}` in the recipe",
        )
    notes.append(found.words)
    return resized(split, found)


def _why_not(fit: Fit) -> tuple[str, ...]:
    if fit == "crop":
        return ("`fit = crop` takes the middle of images that are at least as large",)
    limit = "" if fit == "pad" else f", up to {PAD_LIMIT} times their size"
    return (f"smaller images are padded with zeros{limit}",)


def _other(size: tuple[int, ...], shape: tuple[int, ...]) -> Fit:
    """A setting that would do."""
    larger = all(m >= n for m, n in zip(size[1:], shape[1:], strict=True))
    return "crop" if larger else "resize"


def _channel_help(size: tuple[int, ...], shape: tuple[int, ...]) -> str:
    if len(size) == len(shape) == 3 and size[-1] in (1, 3, 4) and size[0] not in (1, 3, 4):
        size = (size[-1], *size[:-1])  # channels last, as many image sets have them
    if len(size) == len(shape) > 1:
        return f"write `input image[{', '.join(map(str, (size[0], *shape[1:])))}]`"
    return f"write `input image[{', '.join(map(str, size))}]`"


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
