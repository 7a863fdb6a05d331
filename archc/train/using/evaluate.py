"""Weights measured on the test set of a recipe, without training."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..data.fitting import Prepared, prepare
from ..data.sources import Split, load
from ..device import Setup, choose, limit_threads, memory_advice, moved, numerics
from ..errors import TrainError
from ..folder.rundir import unwritable, write_atomic
from ..folder.weights import file_of, load_all
from ..freezing import Frozen
from ..loop import Trainer
from ..settings.recipe import Recipe, plain
from ..showing.progress import Progress, duration
from ..showing.watching import names_of, pictures
from ..tasks.metrics import Measured, words
from ..tasks.objective import Head, Objective, make_heads
from ..training import input_shape, placed, probe

MOST_LISTED = 50
"""Classes that get a line each."""


@dataclass(frozen=True)
class Evaluated:
    """What weights reach on a test set."""

    test: Measured
    samples: int
    lines: tuple[str, ...]
    """For the reader: what was reached, then the figures of each class."""


def evaluate(
    make: Callable[[], nn.Module],
    recipe: Recipe,
    *,
    inputs: Mapping[str, tuple[int, ...]],
    outputs: Sequence[tuple[str | None, bool]],
    weights: Path,
    device: str | None,
    spec_dir: Path,
    folder: Path | None,
    settings: Mapping[str, Any] | None = None,
) -> Evaluated:
    """Measure the weights of a file (or a run's folder) on the recipe's test data.

    Data are prepared as in training: the normalisation is that of the run whose settings.json is
    given (`settings`), whatever data are asked for, else that of the recipe's training images.
    `folder`: where pictures go; None: there are none. Arguments and errors else as in `fit`.
    """
    heads = make_heads(recipe, outputs)
    shape = input_shape(inputs)
    with placed(recipe, "data"):
        data = load(recipe.data, spec_dir, trusted=recipe.from_command_line("data"))
        ready = _as_then(prepare(data, recipe, shape), recipe, settings or {}, shape)
    setup = choose(recipe, device, len(shape), steps=0)
    with numerics(setup), memory_advice(recipe.batch):
        path = file_of(weights)
        trainer = _trainer(make, path, heads, ready, recipe, setup)
        started = time.perf_counter()
        test = trainer.measure(trainer.test)
        seconds = time.perf_counter() - started
        if not isfinite(test.loss):
            raise TrainError(
                "E0807",
                f"the loss on the test set is {test.loss}",
                notes=(f"the weights in `{path}` are finite; what they compute is not",),
            )
        name = recipe.network or type(trainer.module).__name__
        lines = [
            f"{name} with {path}: {_figures(test, trainer.objective, len(ready.test))}",
            f"  data from {data.where}, in {duration(seconds)} on {setup.title}",
            *(f"  {note}" for note in ready.notes),
        ]
        if folder is not None:
            _draw(trainer, ready, test, f"{name}, {path.parent.name}", folder)
    return Evaluated(test, len(ready.test), (*lines, *_by_class(test, ready)))


def _trainer(
    make: Callable[[], nn.Module],
    path: Path,
    heads: Sequence[Head],
    ready: Prepared,
    recipe: Recipe,
    setup: Setup,
) -> Trainer:
    """The network with weights of a file on the device, ready to be measured."""
    module = make()
    load_all(path, module)
    module = moved(module, setup)
    with placed(recipe, "data"):
        macs, objective = probe(module, heads, ready, setup)
    limit_threads(setup, macs * recipe.batch)
    plain = recipe.model_copy(update={"freeze": [], "ema": 0.0, "layer_lr": []})
    progress = Progress(io.StringIO(), None, 1)
    frozen = Frozen(module, plain)
    return Trainer(module, plain, ready, objective, frozen, setup, progress, lambda: False)


def _figures(test: Measured, objective: Objective, count: int) -> str:
    """The metric, on how many samples, and what else was measured."""
    others = [
        words(key, value)
        for key, value in test.figures.items()
        if key != objective.metric and value is not None and not key.startswith("iou_")
    ]
    more = ", ".join([*others, f"loss {test.loss:.4f}"])
    return f"{objective.words(test)} on {count:,} test samples, {more}"


def _as_then(
    ready: Prepared, recipe: Recipe, settings: Mapping[str, Any], shape: tuple[int, ...]
) -> Prepared:
    """Classes numbered as in a run, and normalised by its numbers, unless asked for otherwise.

    Raises TrainError E0806 where the data have a class that the run had not.
    """
    decided, then = settings.get("decided"), settings.get("recipe")
    if not isinstance(decided, dict) or not isinstance(then, dict):
        return ready
    ready = _renumbered(ready, decided.get("classes"))
    if then.get("normalize") != plain(recipe)["normalize"]:
        return ready
    flat = (-1, *(1,) * (len(shape) - 1))
    try:
        mean, std = (torch.tensor(decided[key]).reshape(flat) for key in ("mean", "std"))
    except (KeyError, TypeError, ValueError, RuntimeError):
        return ready
    return replace(ready, mean=mean, std=std) if len(mean) in (1, shape[0]) else ready


def _renumbered(ready: Prepared, names: object) -> Prepared:
    """Classes that have names, as folders of images do, by the numbers that `names` gives them."""
    if not isinstance(names, list) or not names or not ready.names or ready.names == names:
        return ready
    if ready.test.kind != "classes":
        return ready
    new = [name for name in ready.names if name not in names]
    if new:
        raise TrainError(
            "E0806",
            f"the data have a class `{new[0]}`, which the run had not",
            notes=(f"its classes: {', '.join(map(str, names))}",),
            help="give folders the names that they had in training",
        )
    numbers = torch.tensor([names.index(name) for name in ready.names])

    def moved(split: Split) -> Split:
        return replace(split, y=torch.where(split.y < 0, split.y, numbers[split.y.clamp_min(0)]))

    return replace(
        ready,
        train=moved(ready.train),
        validation=None if ready.validation is None else moved(ready.validation),
        test=moved(ready.test),
        names=list(names),
        notes=[*ready.notes, "classes numbered by name, as in training"],
    )


def _by_class(test: Measured, ready: Prepared) -> list[str]:
    """A table: how many there are of each class, how many of them were found, and were right."""
    table = test.confusion
    if table is None or len(table) > MOST_LISTED:
        return []
    names = names_of(len(table), ready)
    wide = max(len("class"), *map(len, names))
    dense = ready.test.kind == "masks"
    unit, last = ("places", "IoU") if dense else ("samples", "precision")
    lines = [f"  {'class':{wide}}  {unit:>12}  {'recall':>7}  {last:>9}"]
    for i, name in enumerate(names):
        right, true = table[i][i], sum(table[i])
        said = sum(row[i] for row in table)
        whole = true + said - right if dense else said
        recall = f"{right / true:.1%}" if true else "-"
        other = f"{right / whole:.1%}" if whole else "-"
        lines.append(f"  {name:{wide}}  {true:12,}  {recall:>7}  {other:>9}")
    return lines


def _draw(trainer: Trainer, ready: Prepared, test: Measured, heading: str, folder: Path) -> None:
    """The pictures of a run's end, in a folder. Raises TrainError E0708."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None
    for name, picture in pictures(trainer, ready, test, heading):
        write_atomic(folder / name, picture)
