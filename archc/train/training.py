"""A training run from start to end: data, network, loop, folder, last line."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .course import Course, Result
from .data.fitting import Prepared, prepare
from .data.sources import load
from .device import Setup, choose, limit_threads, memory_advice, memory_of_data, moved, numerics
from .errors import TrainError
from .feed import Feed
from .folder.resume import identity
from .folder.rundir import RunDir, Silent
from .freezing import Frozen
from .loop import Trainer, batches
from .norms import synchronised
from .ranks import Ranks, joined
from .record import Record
from .settings.recipe import Recipe
from .showing.board import require_tensorboard
from .showing.progress import Progress
from .tasks.objective import Head, Objective, check_fit, make_heads, make_objective, values_of
from .transfer import check_rates, start, tell

__all__ = ["Result", "fit"]


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
    resume: bool = False,
    code: str | None = None,
    command: Mapping[str, Any] | None = None,
) -> Result:
    """Train a module by a recipe, and evaluate it on the test set. See `archc.train.fit`."""
    heads = make_heads(recipe, outputs)
    shape = input_shape(inputs)
    if recipe.tensorboard:
        require_tensorboard()
    check_settings(recipe)
    with joined() as ranks, ExitStack() as held:
        with ranks.together(), placed(recipe, "data"), memory_of_data():
            data = load(recipe.data, spec_dir, trusted=recipe.from_command_line("data"))
            ready = prepare(data, recipe, shape)
        batch, steps = batches(len(ready.train), recipe)
        ranks.check(batch, recipe)
        setup = choose(recipe, ranks.device(device), len(shape), recipe.epochs * steps)
        held.enter_context(numerics(setup))
        held.enter_context(memory_advice(batch, recipe.accumulate))
        torch.manual_seed(recipe.seed)
        made = module if isinstance(module, nn.Module) else module()
        made = moved(made, setup)
        # a resumed run has its weights from its own state
        started = None if resume else start(made, recipe, spec_dir)
        if ranks.world > 1 and recipe.sync_batchnorm:
            made = synchronised(made, setup.device)
        frozen = Frozen(made, recipe)
        check_rates(made, recipe)
        with placed(recipe, "data"):
            macs, objective = probe(made, heads, ready, setup)
        shared = 1 if recipe.sync_batchnorm else ranks.world
        check_parts(made, frozen, ready, setup, recipe, shared)
        limit_threads(setup, macs * batch // ranks.world)
        progress = _progress(ranks, out, terminal, recipe.epochs * steps, held)
        folder = _folder(ranks, run_dir, resume, held)
        if started is not None:
            with ranks.together():
                tell(started, folder, progress.line)
        stop = held.enter_context(_stop_on_signals(patient=ranks.world > 1))
        trainer = Trainer(made, recipe, ready, objective, frozen, setup, progress, stop, ranks)
        network = recipe.network or type(made).__name__
        record = Record(folder, network, recipe, spec_text, command or {})
        digest = hashlib.sha256((code or spec_text).encode()).hexdigest()
        same = json.loads(json.dumps(identity(recipe, digest, ready, setup, ranks)))
        return Course(trainer, record, progress, same).go(data, ready, resume)


def _progress(
    ranks: Ranks, out: TextIO, terminal: TextIO | None, steps: int, held: ExitStack
) -> Progress:
    """Lines to `out` and a bar to the terminal, of the main process alone."""
    if not ranks.main:
        return Progress(held.enter_context(open(os.devnull, "w")), None, steps)
    progress = Progress(out, terminal if terminal is not None else sys.stderr, steps)
    held.callback(progress.clear)
    return progress


def check_settings(recipe: Recipe) -> None:
    """What one setting asks of another. Raises TrainError E0802."""
    if recipe.patience > 0 and recipe.validation == 0:
        raise TrainError(
            "E0802",
            "`patience` needs a validation split to know better epochs from worse",
            recipe.place("patience"),
            help="write `validation = 0.1`, or leave out `patience`",
        )


def _folder(
    ranks: Ranks, run_dir: Path | Callable[[], Path], resume: bool, held: ExitStack
) -> RunDir:
    """The run's folder: open for the main process, out of reach of the others."""
    opened: list[RunDir] = []

    def open_it() -> bytes:
        path = run_dir if isinstance(run_dir, Path) else run_dir()
        opened.append(held.enter_context(RunDir(path, resume)))
        return os.fsencode(path)

    path = Path(os.fsdecode(ranks.first(open_it)))
    return opened[0] if opened else Silent(path)


def input_shape(inputs: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    if len(inputs) != 1:
        raise TrainError(
            "E0806",
            f"the network has {len(inputs)} inputs ({', '.join(inputs)}); the data give one",
        )
    return tuple(int(n) for n in next(iter(inputs.values())))


@contextmanager
def placed(recipe: Recipe, setting: str) -> Iterator[None]:
    """A failure without a place in the spec gets the setting's.

    Not one of another setting (E0802): that was given on the command line, if it has no place.
    """
    try:
        yield
    except TrainError as error:
        for each in error.each():
            if each.code != "E0802":
                each.span = each.span or recipe.place(setting)
        raise


def probe(
    module: nn.Module, heads: Sequence[Head], data: Prepared, setup: Setup
) -> tuple[int, Objective]:
    """Run two samples through, to see that outputs and targets fit; leaves no trace.

    Gives the multiply-accumulates per sample, and what is to be minimised.
    """
    x = _some(data, setup, 2)
    splits = [s for s in (data.train, data.validation, data.test) if s is not None]
    module.train(any(head.training for head in heads))
    with _untouched(module), setup.autocast(), FlopCounterMode(display=False) as counter:
        values = values_of(module(x), len(heads))
    check_fit(heads, values, splits)
    objective = make_objective(heads, values, data.train, tuple(x.shape[1:]), data.ignoring)
    return int(counter.get_total_flops()) // 4, objective  # two operations per MAC, two samples


def _some(data: Prepared, setup: Setup, count: int) -> Tensor:
    """The first training samples, as the network takes them."""
    rows = torch.arange(count) % len(data.train)
    feed = Feed(data.train.take(rows), data, setup, resident=True)
    return feed.batch(torch.arange(count, device=setup.device))[0]


@contextmanager
def _untouched(module: nn.Module) -> Iterator[None]:
    """A block without gradients, after which the module's buffers are what they were."""
    kept = {name: buffer.clone() for name, buffer in module.named_buffers()}
    try:
        with torch.no_grad():
            yield
    finally:
        for name, buffer in module.named_buffers():
            buffer.copy_(kept[name])


def check_parts(
    module: nn.Module,
    frozen: Frozen,
    data: Prepared,
    setup: Setup,
    recipe: Recipe,
    processes: int = 1,
) -> None:
    """Can the network be trained on one sample at a time, where it is to be? Raises E0802.

    `processes`: that share a part of a batch, and whose normalisations see their own share only.
    """
    batch, _ = batches(len(data.train), recipe)
    if min(map(len, torch.arange(batch).chunk(recipe.accumulate))) // processes != 1:
        return
    x = _some(data, setup, 1)
    module.train()
    frozen.hold()
    try:
        with _untouched(module), setup.autocast():
            module(x)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        parts = f" in {recipe.accumulate} parts" if recipe.accumulate > 1 else ""
        raise TrainError(
            "E0802",
            f"a batch of {min(recipe.batch, len(data.train))}{parts} leaves a normalisation with "
            "one value per channel, which has no deviation",
            recipe.place("accumulate" if recipe.accumulate > 1 else "batch"),
            help="give each part of a batch, and each process, two samples or more",
        ) from None


@contextmanager
def _stop_on_signals(patient: bool) -> Iterator[Callable[[], bool]]:
    """Ctrl-C, SIGTERM and SIGHUP set a flag that the loop looks at.

    A second Ctrl-C ends the run at once. `patient`: it does not, because torchrun sends a signal of
    its own after the terminal's.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set  # only the main thread may handle signals
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if asked.is_set() and number == signal.SIGINT and not patient:
            raise KeyboardInterrupt
        asked.set()

    signals = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # of a terminal that is closed; Windows has none
    if hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN:  # but for `nohup`
        signals.append(hangup)
    before = {s: signal.signal(s, handle) for s in signals}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
