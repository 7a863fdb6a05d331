"""Are targets such that a network can learn from them? Class numbers, places, what counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..errors import TrainError
from .samples import IGNORED, Split

STRAY = 0.01
"""Labels out of range in fewer than this share of the records: bad records, not a bad network."""
LISTED = 8
"""Different class numbers that a note lists."""
MOST_CLASSES = 65_536
"""More outputs than this are advice for nobody: such numbers are something else."""


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
    sample = int(stray[0 if split.rows is None else int(split.rows[stray].argmin())])
    label = int(y[sample][wrong[sample]][0])
    most = int(y.max())
    counted = f"{classes} class{'es' if classes > 1 else ''}"
    few = len(stray) == 1 or len(stray) < STRAY * len(y)
    if few or label < 0 or most >= MOST_CLASSES:
        raise TrainError(
            "E0805",
            f"label {label} in {split.place(sample)} is out of range",
            notes=(f"the network has {counted}, 0 to {classes - 1}",),
        )
    raise TrainError(
        "E0806",
        f"the network has {counted}, but the data have at least {most + 1}",
        notes=(f"{split.place(sample)} is of class {label}", *_listed(y, split)),
        help=_help(split, y[wrong], most, classes),
    )


def _listed(y: Tensor, split: Split) -> tuple[str, ...]:
    """The class numbers of masks, where they are few: grey levels are known by their look."""
    if split.kind != "masks":
        return ()
    numbers = [n for n in torch.unique(y).tolist() if n != IGNORED]
    return (f"class numbers: {', '.join(map(str, numbers))}",) if len(numbers) <= LISTED else ()


def _help(split: Split, wrong: Tensor, most: int, classes: int) -> str:
    outputs = f"give the last layer {most + 1} outputs"
    if classes == 1 and most == 1:
        return f"write `loss = bce()`: one output then tells two classes apart; or {outputs}"
    if split.kind == "masks" and bool((wrong == wrong[0]).all()) and most > classes:
        return f"write `ignore = {most}`, if that marks what belongs to no class; else {outputs}"
    if split.kind == "masks":
        return f"{outputs}; or number the classes from 0, without gaps, and save the masks again"
    if classes <= 2 and split.kind == "classes":
        return f"{outputs}; where these are no classes but values, store them as fractions (float)"
    return outputs


def check_some(split: Split) -> None:
    """Something of the targets must count. Raises TrainError E0805."""
    if split.kind == "keypoints" and not bool((split.y[..., 2] > 0).any()):
        why = "no keypoint that can be seen"
    elif split.kind in ("classes", "masks") and not bool((split.y != IGNORED).any()):
        why = "nothing but the class that `ignore` leaves out"
    else:
        return
    raise TrainError("E0805", f"`{split.y_from}` holds {why}: there is nothing to learn from")


def remarks(train: Split, test: Split, names: Sequence[str]) -> list[str]:
    """What a reader should know of classes that training cannot tell apart."""
    if train.kind != "classes":
        return []
    learned, asked = (set(torch.unique(split.y).tolist()) - {IGNORED} for split in (train, test))

    def said(numbers: set[int]) -> str:
        words = [names[n] if n < len(names) else str(n) for n in sorted(numbers)]
        more = f" and {len(words) - LISTED} more" if len(words) > LISTED else ""
        return ", ".join(words[:LISTED]) + more

    made = [f"all training samples are of class {said(learned)}"] if len(learned) == 1 else []
    if asked - learned:
        made.append(f"in the test set, but not in training: class {said(asked - learned)}")
    return made


def within(split: Split, notes: list[str]) -> Split:
    """Keypoints outside of their images ([N, C, H, W]) are hidden, like those behind something."""
    if not split.keypoints or split.x.ndim != 4:
        return split
    height, width = split.x.shape[2:]
    x, y, seen = split.y.unbind(2)
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    lost = int(((seen > 0) & ~inside).sum())
    if not lost:
        return split
    share = f"{lost:,} of {int((seen > 0).sum()):,} keypoints"
    notes.append(f"{share} of {split.y_from} lie outside of their images and count as hidden")
    return replace(split, y=torch.stack([x, y, seen * inside], 2))
