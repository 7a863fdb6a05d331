"""What a trained network learned and what it says of test images, as pictures for its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from ..data.fitting import Prepared
from ..feed import Feed
from ..loop import Trainer
from ..settings.choices import Bce, ByTask, CrossEntropy, Dice, Loss
from ..tasks.metrics import Measured, chosen, peaks
from ..tasks.objective import Objective, tensors, values_of
from . import pictures as draw

LOOKED = 2048
"""Test images among which mistakes are looked for."""
ACROSS = 10
"""Images in a row of labelled ones."""
DENSE = 6
"""Images of which whole masks or images are shown."""
POINTED = 12
"""Images on which keypoints are shown."""
SCATTERED = 2000


def pictures(
    trainer: Trainer, ready: Prepared, measured: Measured, title: str
) -> Iterator[tuple[str, bytes]]:
    """(file name, PNG) of a network that has its final weights.

    kernels.png (the weights of the first layer), confusion.png (classes), predictions.png. What a
    network or task has none of is left out. `measured`: on the test set.
    """
    with trainer.averaged(), torch.no_grad(), _evaluating(trainer.module):
        weight = first_weights(trainer, trainer.test)
        if weight is not None:
            yield "kernels.png", draw.kernels(f"{title}: first layer", weight)
        if measured.confusion is not None:
            names = names_of(len(measured.confusion), ready)
            heading = f"{title}: {len(ready.test):,} test samples"
            yield "confusion.png", draw.confusion(heading, measured.confusion, names)
        made = _predictions(trainer, ready, title)
        if made is not None:
            yield "predictions.png", made


def names_of(classes: int, ready: Prepared) -> list[str]:
    """What the classes are called: their numbers, where the data give no names."""
    return ready.names if len(ready.names) == classes else [str(i) for i in range(classes)]


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    module.eval()
    yield


# --------------------------------------------------------------------------- the first layer


def first_weights(trainer: Trainer, feed: Feed) -> Tensor | None:
    """Weights of the layer that reads the image, as images: [out, in, h, w].

    Of a convolution its kernels (of at least 2x2); of a linear layer, a weight per pixel. None for
    any other.
    """
    x, _ = feed.batch(torch.arange(1, device=feed.store))
    found: list[nn.Module] = []
    hooks = [
        layer.register_forward_pre_hook(lambda layer, args: found.append(layer))
        for layer in trainer.module.modules()
        if isinstance(layer, nn.modules.conv._ConvNd | nn.Linear)
    ]
    try:
        trainer.module(x)
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        return None
    weight: Any = found[0].weight
    shape = tuple(x.shape[1:])
    if isinstance(found[0], nn.Conv2d) and len(shape) == 3 and prod(weight.shape[2:]) > 1:
        assert isinstance(weight, Tensor)
        return weight
    if isinstance(found[0], nn.Linear) and len(shape) == 3 and weight.shape[1] == prod(shape):
        return weight.reshape(-1, *shape)  # type: ignore[no-any-return]
    return None


# --------------------------------------------------------------------------- predictions


def outputs(trainer: Trainer, feed: Feed, rows: Tensor) -> Tensor:
    """What the measured output says of samples, on the CPU: [n, ...]."""
    made = []
    for part in torch.split(rows, trainer.measured):
        x, _ = feed.batch(part)
        with trainer.setup.autocast():
            result = trainer.evaluated(x)
        made.append(measured_output(trainer.objective, result).float().cpu())
    return torch.cat(made)


def measured_output(objective: Objective, result: Any) -> Tensor:
    """The tensor that the metric is of, out of all that a network gives in evaluation."""
    return tensors(values_of(result, len(objective.main))[objective.measured])[-1]


def _predictions(trainer: Trainer, ready: Prepared, title: str) -> bytes | None:
    split, kind = ready.test, ready.test.kind
    if split.x.ndim != 4 and kind != "values":
        return None  # not images
    ways: dict[str, Callable[[Trainer, Prepared, str], bytes | None]] = {
        "classes": _classes,
        "masks": _masks,
        "keypoints": _keypoints,
        "values": _values,
    }
    return ways[kind](trainer, ready, f"{title}: predictions")


def _said(
    trainer: Trainer, ready: Prepared, count: int, views: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """(images in 0..1, targets, outputs) of the first test samples."""
    feed = trainer.test
    rows = torch.arange(min(count, len(feed)), device=feed.store)
    x = draw.viewable(feed.x[rows], ready.scale) if views else feed.x[rows].cpu()
    return x, feed.y[rows].cpu(), outputs(trainer, feed, rows)


def _classes(trainer: Trainer, ready: Prepared, title: str) -> bytes:
    """The first test images; below them the mistakes that the network was surest of."""
    x, y, out = _said(trainer, ready, LOOKED, views=False)
    likely = probabilities(trainer.objective.main[trainer.objective.measured].choice, out)
    sure, said = likely.max(1)
    names = names_of(likely.shape[1], ready)
    wrong = (said != y).nonzero().flatten()
    wrong = wrong[sure[wrong].argsort(descending=True, stable=True)][:ACROSS]
    rows = []
    some = f"the first {LOOKED:,}" if len(ready.test) > LOOKED else "all"
    for heading, chosen_rows in (
        ("the first test images", torch.arange(min(ACROSS, len(x)))),
        (f"the surest mistakes among {some} test images", wrong),
    ):
        if len(chosen_rows):
            words = [(names[int(y[i])], names[int(said[i])], float(sure[i])) for i in chosen_rows]
            rows.append((heading, draw.viewable(x[chosen_rows], ready.scale), words))
    return draw.labelled(title, rows)


def probabilities(choice: Loss, out: Tensor) -> Tensor:
    """[N, classes] out of what an output gives under its loss; a single one is for class 1."""
    if out.shape[1] == 1:
        one = out.sigmoid() if isinstance(choice, Bce | ByTask) else out.clamp(0, 1)
        return torch.cat([1 - one, one], 1)
    if isinstance(choice, CrossEntropy | ByTask | Dice):
        return out.softmax(1)
    return out.sigmoid() if isinstance(choice, Bce) else out.clamp(0, 1)


def _masks(trainer: Trainer, ready: Prepared, title: str) -> bytes | None:
    x, y, out = _said(trainer, ready, DENSE)
    said = chosen(out)
    true = y.reshape(said.shape).long()
    if said.shape[1:] != x.shape[2:]:
        return None
    names = names_of(max(out.shape[1], 2), ready)
    return draw.masks(title, x, true, said, names)


def _keypoints(trainer: Trainer, ready: Prepared, title: str) -> bytes:
    x, y, out = _said(trainer, ready, POINTED)
    return draw.keypoints(title, x, y, peaks(out, (x.shape[2], x.shape[3])))


def _values(trainer: Trainer, ready: Prepared, title: str) -> bytes:
    """Images beside the true ones; numbers against the true ones."""
    x, y, out = _said(trainer, ready, DENSE, views=False)
    if x.ndim == 4 and y.ndim == 4:
        rows: Sequence[tuple[str, Tensor]] = (
            ("input", draw.viewable(x, ready.scale)),
            ("true", draw.viewable(y, 1.0)),
            ("predicted", draw.viewable(out, 1.0)),
        )
        return draw.images(title, rows)
    _, y, out = _said(trainer, ready, SCATTERED, views=False)
    return draw.scatter(title, y.flatten(), out.flatten())
