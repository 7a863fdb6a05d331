"""Bringing data to a network: channels, sizes, classes, normalisation, the validation split."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from .choices import FromData, Given
from .errors import TrainError
from .metrics import IGNORED
from .recipe import Recipe
from .selecting import check_augment, permuted, selected
from .sources import Data, Split

PAD_LIMIT = 1.5
"""Images are padded up to this many times their size; beyond, they would be mostly border."""
STRAY = 0.01
"""Labels out of range in fewer than this share of the records: bad records, not a bad network."""


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
    """Some places of the targets may be `metrics.IGNORED`."""
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
    train, test = (_laid_out(split, shape, notes) for split in (data.train, data.test))
    held_out: Split | None = None
    if recipe.validation > 0:
        count = round(recipe.validation * len(train))
        if not 1 <= count < len(train):
            raise TrainError(
                "E0802",
                f"`validation = {recipe.validation:g}` of {len(train)} samples leaves nothing over",
                recipe.place("validation"),
                help="write `validation = 0`",
            )
        order = torch.randperm(len(train), generator=keyed(recipe.seed, "validation"))
        held_out, train = train.take(order[:count]), train.take(order[count:])
    scale, mean, std = _statistics(train, recipe)
    splits = [_fitted(s, shape, notes) for s in (train, held_out, test) if s is not None]
    check_augment(recipe, splits[0])
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
    """Channels to the front where an array has them last, as many image sets do."""
    size = tuple(split.x.shape[1:])
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
                "E0806",
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


def _fitted(split: Split, shape: tuple[int, ...], notes: list[str]) -> Split:
    """The samples in the input's shape: as they are, flattened, or with a border of zeros."""
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
    room = [n - m for n, m in zip(shape[1:], size[1:], strict=True)]
    if any(r < 0 or n > PAD_LIMIT * m for r, n, m in zip(room, shape[1:], size[1:], strict=True)):
        raise TrainError(
            "E0806",
            f"the data are {_by(size)}, but the network takes {_by(shape)}",
            notes=(f"smaller images are padded with zeros, up to {PAD_LIMIT} times their size",),
            help=f"write a network for {_by(size)}, or give data of {_by(shape)}",
        )
    border = [side for r in reversed(room) for side in (r // 2, r - r // 2)]
    notes.append(f"{_by(size[1:])} images reach the {_by(shape[1:])} input by zero padding")
    return _padded(split, border)


def _padded(split: Split, border: list[int]) -> Split:
    """With a border of zeros, whose places count in no mask; keypoints keep to their pixels.

    `border`: left, right, top, bottom, as `torch.nn.functional.pad` takes it.
    """
    y = split.y
    if split.keypoints:
        y = y + torch.tensor([border[0], border[2], 0.0])
    elif split.kind == "masks" and y.shape[1:] == split.x.shape[2:]:
        y = F.pad(y, border, value=IGNORED)
    return replace(split, x=F.pad(split.x, border), y=y)


def _channel_help(size: tuple[int, ...], shape: tuple[int, ...]) -> str:
    if len(size) == len(shape) > 1:
        return f"write `input image[{', '.join(map(str, (size[0], *shape[1:])))}]`"
    return f"write `input image[{', '.join(map(str, size))}]`"


def check_labels(split: Split, classes: int) -> None:
    """Every class number must be one that the network has an output for.

    Raises TrainError E0805 where a few records stray (file and first record named), E0806 where the
    network has too few outputs.
    """
    y = split.y.reshape(len(split.y), -1)
    wrong = (y != IGNORED) & ((y < 0) | (y >= classes))
    stray = wrong.any(1).nonzero().flatten()
    if not len(stray):
        return
    record = int(stray[0])
    label = int(y[record][wrong[record]][0])
    if len(stray) < STRAY * len(y) or label < 0:
        raise TrainError(
            "E0805",
            f"label {label} in record {record} of `{split.y_from}` is out of range",
            notes=(f"the network has {classes} classes, 0 to {classes - 1}",),
        )
    raise TrainError(
        "E0806",
        f"the network has {classes} classes, but the data have at least {int(y.max()) + 1}",
        notes=(f"record {record} of `{split.y_from}` is of class {label}",),
        help=f"give the last layer {int(y.max()) + 1} outputs",
    )


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
