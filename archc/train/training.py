"""A training run from start to end: data, network, loop, folder, last line."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from . import checkpoint
from .device import Setup, choose, limit_threads, memory_advice, numerics
from .errors import Interrupted, TrainError
from .fitting import Prepared, prepare
from .freezing import Frozen
from .loop import Epoch, Feed, Stopped, Trainer, batches, not_a_number
from .metrics import Measured
from .objective import Head, Objective, check_fit, make_heads, make_objective, values_of
from .progress import Progress, duration
from .recipe import Recipe
from .record import BEST, LAST, Record
from .rundir import RunDir
from .sources import Data, load


@dataclass(frozen=True)
class Result:
    """What a run reached: on the test set, with the weights of its best epoch."""

    network: str
    metric: str
    """`accuracy` (a share), or `error` (mean absolute error) for targets that are no classes."""
    test: Measured
    epochs: int
    best_epoch: int
    """From 1. The last one, where nothing was held out to choose by."""
    seconds: float
    device: str
    folder: Path
    files: tuple[Path, ...]
    history: tuple[dict[str, Any], ...] = field(repr=False)
    """The rows of log.csv."""


def fit(
    module: nn.Module | Callable[[], nn.Module],
    recipe: Recipe,
    *,
    inputs: Mapping[str, tuple[int, ...]],
    outputs: Sequence[tuple[str | None, bool]],
    run_dir: Path | Callable[[], Path],
    device: str | None,
    out: TextIO,
    spec_dir: Path,
    spec_text: str,
    terminal: TextIO | None = None,
) -> Result:
    """Train a module by a recipe, and evaluate it on the test set. See `archc.train.fit`."""
    heads = make_heads(recipe, outputs)
    shape = _input_shape(inputs)
    with _placed(recipe, "data"):
        data = load(recipe.data, spec_dir, trusted=recipe.from_command_line("data"))
        ready = prepare(data, recipe, shape)
    _, steps = batches(len(ready.train), recipe)
    setup = choose(recipe, device, len(shape), recipe.epochs * steps)
    with numerics(setup), memory_advice(recipe.batch):
        torch.manual_seed(recipe.seed)
        made = module if isinstance(module, nn.Module) else module()
        made = made.to(setup.device)
        if setup.channels_last:
            made = made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        frozen = Frozen(made, recipe)
        with _placed(recipe, "data"):
            macs, objective = _probe(made, heads, ready, setup)
        limit_threads(setup, macs * recipe.batch)
        bar = terminal if terminal is not None else sys.stderr
        progress = Progress(out, bar, recipe.epochs * steps)
        path = run_dir if isinstance(run_dir, Path) else run_dir()
        with RunDir(path) as folder, _stop_on_signals() as stop:
            trainer = Trainer(made, recipe, ready, objective, frozen, setup, progress, stop)
            network = recipe.network or type(made).__name__
            record = Record(folder, network, recipe, spec_text)
            try:
                return _Run(trainer, record, progress).go(data, ready)
            finally:
                progress.clear()


def _input_shape(inputs: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    if len(inputs) != 1:
        raise TrainError(
            "E0806",
            f"the network has {len(inputs)} inputs ({', '.join(inputs)}); the data give one",
        )
    return tuple(int(n) for n in next(iter(inputs.values())))


@contextmanager
def _placed(recipe: Recipe, setting: str) -> Iterator[None]:
    """A failure without a place in the spec gets the setting's."""
    try:
        yield
    except TrainError as error:
        error.span = error.span or recipe.place(setting)
        raise


def _probe(
    module: nn.Module, heads: Sequence[Head], data: Prepared, setup: Setup
) -> tuple[int, Objective]:
    """Run two samples through, to see that outputs and targets fit; leaves no trace.

    Gives the multiply-accumulates per sample, and what is to be minimised.
    """
    split = data.train
    feed = Feed(split.take(torch.arange(2) % len(split)), data, setup, resident=True)
    x, _ = feed.batch(torch.arange(2, device=setup.device))
    kept = {name: buffer.clone() for name, buffer in module.named_buffers()}
    splits = [s for s in (data.train, data.validation, data.test) if s is not None]
    module.train(any(head.training for head in heads))
    try:
        with torch.no_grad(), setup.autocast(), FlopCounterMode(display=False) as counter:
            values = values_of(module(x), len(heads))
    finally:
        for name, buffer in module.named_buffers():
            buffer.copy_(kept[name])
    check_fit(heads, values, splits)
    objective = make_objective(heads, values, data.train, tuple(x.shape[1:]), data.ignoring)
    return int(counter.get_total_flops()) // 4, objective  # two operations per MAC, two samples


@contextmanager
def _stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM set a flag that the loop looks at; a second Ctrl-C ends it at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set  # only the main thread may handle signals
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Run:
    """The epochs of a run, written down and reported."""

    def __init__(self, trainer: Trainer, record: Record, progress: Progress) -> None:
        self.trainer = trainer
        self.record = record
        self.progress = progress
        self.best: Measured | None = None
        self.best_epoch = 0

    def go(self, data: Data, ready: Prepared) -> Result:
        trainer, record = self.trainer, self.record
        self._introduce(data, ready)
        record.settings(data, ready, trainer.setup)
        epochs = trainer.recipe.epochs
        for epoch in range(epochs):
            try:
                done = trainer.epoch(epoch)
            except Stopped as stopped:
                self._interrupted(epoch, stopped.step)
            self._keep(epoch, done)
        record.picture(trainer.objective.metric)
        return self._finish()

    def _introduce(self, data: Data, ready: Prepared) -> None:
        trainer, line = self.trainer, self.progress.line
        counts = sum(p.numel() for p in trainer.module.parameters() if p.requires_grad)
        line(
            f"{self.record.network}, recipe {self.record.recipe.name}: "
            f"{counts:,} parameters to train on {trainer.setup.title}"
        )
        held_out = f"{len(ready.validation):,} validation, " if ready.validation else ""
        line(
            f"data: {len(ready.train):,} training, {held_out}{len(ready.test):,} test samples "
            f"from {data.where}"
        )
        for note in ready.notes:
            line(f"  {note}")
        line(f"task: {trainer.objective.title}")
        left = len(ready.train) - trainer.steps * trainer.batch
        line(
            f"{trainer.recipe.epochs} epochs of {trainer.steps} steps of {trainer.batch}"
            + (f"; {left} samples, others each time, sit out an epoch" if left else "")
        )

    def _keep(self, epoch: int, done: Epoch) -> None:
        """Log, checkpoint and report an epoch (from 0)."""
        trainer, number = self.trainer, epoch + 1
        if not checkpoint.all_finite(trainer.module):
            raise not_a_number(f"a weight after epoch {number}", float("nan"))
        self.record.epoch(number, done, trainer.objective.metric)
        chosen = done.validation
        if chosen is None or self.best is None or trainer.objective.better(chosen, self.best):
            self.best, self.best_epoch = chosen, number
            if chosen is not None:
                self.record.weights(BEST, trainer.module, number)
        self.record.weights(LAST, trainer.module, number)
        words = trainer.objective.words
        held_out = f"  validation {words(chosen)}" if chosen else ""
        width = len(str(trainer.recipe.epochs))
        self.progress.line(
            f"epoch {number:{width}}/{trainer.recipe.epochs}  loss {done.train.loss:.4f}  "
            f"{words(done.train)}{held_out}  lr {done.lr:.2g}  "
            f"{done.images_per_second:,.0f} images/s"
        )

    def _interrupted(self, epoch: int, step: int) -> None:
        """Keep what there is, then leave."""
        if checkpoint.all_finite(self.trainer.module):
            self.record.weights(LAST, self.trainer.module, epoch, step)
        if self.record.rows:
            self.record.picture(self.trainer.objective.metric)
        path = self.record.folder.path / LAST
        raise Interrupted(
            f"interrupted in epoch {epoch + 1} after {step} of {self.trainer.steps} steps; "
            f"the weights are in {path}",
            path if path.exists() else None,
        )

    def _finish(self) -> Result:
        trainer, record = self.trainer, self.record
        folder, objective = record.folder, trainer.objective
        if self.best is not None and self.best_epoch < trainer.recipe.epochs:
            checkpoint.restore(folder.path / BEST, trainer.module)
        test = trainer.measure(trainer.test)
        seconds = time.perf_counter() - self.progress.started
        title = trainer.setup.title
        record.result(test, objective.metric, self.best_epoch, seconds, title)
        chosen = f" (epoch {self.best_epoch}, best on validation)" if self.best is not None else ""
        self.progress.line(
            f"{record.network} reached {objective.words(test)} on {len(trainer.test):,} test "
            f"samples{chosen}, loss {test.loss:.4f}, after {trainer.recipe.epochs} epochs "
            f"in {duration(seconds)} on {title}"
        )
        self.progress.line(f"everything about this run: {folder.path}")
        return Result(
            network=record.network,
            metric=objective.metric,
            test=test,
            epochs=trainer.recipe.epochs,
            best_epoch=self.best_epoch,
            seconds=seconds,
            device=str(trainer.setup.device),
            folder=folder.path,
            files=tuple(folder.files),
            history=tuple(record.rows),
        )
