"""The loop: plain PyTorch, data resident on the device, no waiting for it within a step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from .augment import Augmenter
from .data.fitting import Prepared, keyed
from .device import Setup
from .ema import Average
from .errors import TrainError
from .feed import Feed, fits_resident
from .folder.state import State
from .freezing import Frozen
from .optim import load_optimizer, make_groups, make_optimizer, make_rate, optimizer_state
from .ranks import ALONE, Pulse, Ranks, copies
from .settings.choices import Every
from .settings.recipe import Recipe
from .showing.progress import Progress, loss_words
from .tasks.losses import Target
from .tasks.metrics import Measured
from .tasks.objective import Objective, Tally
from .transfer import by_layer


@dataclass(frozen=True)
class Moment:
    """A place between two steps of a run, and what the epoch gave up to there."""

    epoch: int
    """From 0; one more than the last where the run is over."""
    step: int
    """Steps of the epoch that are done."""
    tally: Tensor
    """`Tally.state`, of this process."""
    seconds: float
    """Spent in the epoch."""


class Stopped(Exception):
    """The user wants to stop, at this moment."""

    def __init__(self, moment: Moment) -> None:
        super().__init__()
        self.moment = moment


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training data gave."""

    train: Measured
    validation: Measured | None
    lr: float
    seconds: float
    images_per_second: float


class Trainer:
    """A network, its data and its recipe on a device. It knows nothing of files."""

    def __init__(
        self,
        module: nn.Module,
        recipe: Recipe,
        data: Prepared,
        objective: Objective,
        frozen: Frozen,
        setup: Setup,
        progress: Progress,
        stop: Callable[[], bool],
        ranks: Ranks = ALONE,
    ) -> None:
        self.module = module
        self.recipe = recipe
        self.objective = objective
        self.frozen = frozen
        self.setup = setup
        self.progress = progress
        self.ranks = ranks
        splits = [s for s in (data.train, data.validation, data.test) if s is not None]
        resident = fits_resident(splits, setup.device)
        self.train = Feed(data.train, data, setup, resident)
        self.validation = Feed(data.validation, data, setup, resident) if data.validation else None
        self.test = Feed(data.test, data, setup, resident)
        self.batch, self.steps = batches(len(data.train), recipe)
        self.rate = make_rate(recipe.schedule, recipe.epochs, self.steps)
        learned = [p for p in module.parameters() if p.requires_grad]
        groups = make_groups(recipe.optimizer, learned, no_decay=recipe.no_decay)
        groups = by_layer(groups, module, recipe)
        self.optimizer = make_optimizer(recipe.optimizer, groups, fused=setup.fused)
        self.learned = learned
        self.average = Average(module, recipe.ema) if recipe.ema > 0 else None
        # the compiled form shares its parameters with `module`, whose names stay clean
        self._compiled = compiled(module, setup)
        self.copies = copies(self._compiled, setup.device, ranks)
        self.forward = self._compiled if self.copies is None else self.copies
        self.measured = max(recipe.batch // recipe.accumulate, 1)
        """Samples that are measured at a time."""
        self._wholes: dict[Feed, Tensor | None] = {}
        self.keep: Callable[[Moment], None] = lambda moment: None
        """Called with the moments at which the state is to be written down."""
        self.kept = time.perf_counter()
        self.pulse = Pulse(ranks, stop, progress.due, self._save_due)

    # ------------------------------------------------------------------ training

    def epoch(self, epoch: int, start: Moment | None = None) -> Epoch:
        """Train for one epoch (from 0), or the rest of it, and measure on the validation split.

        `start`: the moment that `restore` was given, where it lies within this epoch. Raises
        TrainError E0807 at a loss that is no number, `Stopped` when asked to.
        """
        started = time.perf_counter() - (start.seconds if start else 0.0)
        trained = self._pass(epoch, start, started)
        seconds = time.perf_counter() - started
        held_out = None
        if self.validation is not None:
            held_out = self.measure(self.validation)
            if not isfinite(held_out.loss):
                raise not_a_number(f"the validation loss after epoch {epoch + 1}", held_out.loss)
        speed = self.steps * self.batch / seconds
        lr = self.recipe.optimizer.lr * self.rate((epoch + 1) * self.steps - 1)
        return Epoch(trained, held_out, lr, seconds, speed)

    def _pass(self, epoch: int, start: Moment | None, started: float) -> Measured:
        seed, device = self.recipe.seed, self.setup.device
        feed = self.train
        order = feed.rows(torch.randperm(len(feed), generator=keyed(seed, "order", epoch)))
        augment = None
        if self.recipe.augment:
            kind, mirrored, store = feed.kind, feed.mirrored, feed.store
            augment = Augmenter(
                self.recipe.augment, len(feed), seed, epoch, device, kind, mirrored, store
            )
        tally = Tally(self.objective, device)
        if start is None:
            key = ("layers", epoch, *([self.ranks.rank] if self.ranks.rank else []))
            torch.manual_seed(keyed(seed, *key).initial_seed())
        else:  # the state of the random numbers is restored already
            tally.restore(start.tally)
        done = start.step if start else 0
        self.module.train()
        self.frozen.hold()
        losses: list[Tensor] = []

        def moment(step: int) -> Moment:
            return Moment(epoch, step, tally.state(), time.perf_counter() - started)

        for step in range(done, self.steps):
            signals = self.pulse(step > done and self._save_step(epoch * self.steps + step))
            if signals.stop or signals.save or signals.look:
                self._look(losses, step, epoch, tally)
                losses = []
            if signals.stop:
                raise Stopped(moment(step))
            if signals.save:
                self.keep(moment(step))
                self.kept = time.perf_counter()
            rows = order[step * self.batch : (step + 1) * self.batch]
            losses.append(self._step(rows, epoch * self.steps + step, augment, tally))
        return self._look(losses, self.steps, epoch, tally, together=True)

    def _save_step(self, step: int) -> bool:
        """Is the state due by the number of steps?"""
        every = self.recipe.checkpoint
        return isinstance(every, Every) and every.steps is not None and step % every.steps == 0

    def _save_due(self) -> bool:
        """Is the state due by the clock?"""
        every = self.recipe.checkpoint
        if not isinstance(every, Every) or every.seconds is None:
            return False
        return time.perf_counter() - self.kept >= every.seconds

    def _step(self, rows: Tensor, step: int, augment: Augmenter | None, tally: Tally) -> Tensor:
        """One update by the samples `rows`, or this process's share of them.

        Its loss, still on the device: of this process's samples, as of a whole batch.
        """
        share = self.rate(step)
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share
        parts = [rows] if self.recipe.accumulate == 1 else rows.chunk(self.recipe.accumulate)
        if self.ranks.world > 1:
            parts = [whole[self.ranks.rows(len(whole))] for whole in parts]
        divided = len(parts) > 1 or self.ranks.world > 1
        batches, shares = self._batches(parts, augment, divided)
        total: Tensor | None = None
        for i, (part, (x, y)) in enumerate(zip(parts, batches, strict=True)):
            portion = len(part) / len(rows)
            with self._alone(last=i == len(parts) - 1):
                with self.setup.autocast():
                    result = self.forward(x)
                if shares is None:
                    loss = self.objective.loss(result, y, training=True)
                    loss = loss * portion if divided else loss
                else:
                    loss = self.objective.loss(result, y, training=True, shares=shares[i])
                # gradients add up over parts, and are averaged over processes
                scaled = loss * self.ranks.world if self.ranks.world > 1 else loss
                scaled.backward()  # type: ignore[no-untyped-call]
            with torch.no_grad():
                tally.add(result, y, loss / portion if divided else loss, training=True)
                total = scaled.detach() if total is None else total + scaled.detach()
        if self.recipe.clip > 0:
            nn.utils.clip_grad_norm_(self.learned, self.recipe.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update(step + 1)
        assert total is not None
        return total

    def _batches(
        self, parts: Sequence[Tensor], augment: Augmenter | None, divided: bool
    ) -> tuple[Iterable[tuple[Tensor, Target]], Tensor | None]:
        """The samples of each part, and how much of the whole batch it is: [parts, outputs].

        That is by what each output's loss is a mean over: places that are ignored, keypoints that
        are hidden and classes with weights make parts of as many samples count differently. None
        where all are means over samples, or there is one part only.
        """
        each = (self.train.batch(part, augment) for part in parts)
        if not divided:
            return each, None
        first = next(each)
        if self.objective.counts(first[1]) is None:
            return chain([first], each), None
        whole = [first, *each]
        found = [self.objective.counts(y) for _, y in whole]
        counts = torch.stack([count for count in found if count is not None])
        return whole, counts / self.ranks.add(counts.sum(0)).clamp_min(1e-12)

    def _alone(self, last: bool) -> AbstractContextManager[None]:
        """Only the last part of a batch exchanges gradients with the other processes."""
        if self.copies is None or last:
            return nullcontext()
        return self.copies.no_sync()

    def _look(
        self, losses: list[Tensor], done: int, epoch: int, tally: Tally, together: bool = False
    ) -> Measured:
        """Wait for the device, see that the latest losses are numbers, redraw the bar.

        `losses`: of the steps since the last look, of which `done` are done in all. `together`:
        give what all processes measured, not this one alone.
        """
        latest = torch.stack(losses).tolist() if losses else []
        start = done - len(latest)
        bad = next((start + i for i, x in enumerate(latest) if not isfinite(x)), None)
        # the largest is the first, counted from behind; every process must know and stop
        first = self.steps - self.ranks.most([self.steps - bad if bad is not None else 0])[0]
        if first < self.steps:
            where = f"the loss in step {first + 1} of epoch {epoch + 1}"
            raise not_a_number(where, latest[first - start] if bad == first else float("nan"))
        if together:
            tally.restore(self.ranks.add(tally.state()))
        measured = tally.read(table=together)  # of many classes, it takes longer than a step
        total = epoch * self.steps + done
        speed = self.batch / max(self.progress.pace(total), 1e-9)
        self.progress.show(
            total,
            f"epoch {epoch + 1}/{self.recipe.epochs}  loss {loss_words(measured.loss)}"
            f"  {self.objective.words(measured)}  {speed:,.0f} images/s",
        )
        return measured

    # ------------------------------------------------------------------ measuring

    @torch.no_grad()
    def measure(self, feed: Feed) -> Measured:
        """Loss and metric over a whole split, in evaluation mode; with the average, if any."""
        with self.averaged():
            self.ranks.spread(self.module.buffers())
            self.module.eval()
            tally = Tally(self.objective, self.setup.device)
            rows = torch.arange(len(feed), device=feed.store)[self.ranks.rows(len(feed))]
            whole = self._whole(feed)
            for part in torch.split(rows, self.measured):
                if not len(part):  # fewer samples than processes
                    continue
                x, y = feed.batch(part)
                with self.setup.autocast():
                    result = self.evaluated(x)
                counts = self.objective.counts(y) if whole is not None else None
                if counts is None or whole is None:
                    loss = self.objective.loss(result, y, training=False)
                else:
                    loss = self.objective.loss(result, y, training=False, shares=counts / whole)
                    loss = loss * (len(feed) / len(part))
                tally.add(result, y, loss, training=False)
            tally.restore(self.ranks.add(tally.state()))
            return tally.read()

    def evaluated(self, x: Tensor) -> Any:
        """What the network, in evaluation mode, makes of samples.

        A last batch that is smaller goes through the module as it is: the whole network would be
        compiled for it once more.
        """
        return self._compiled(x) if len(x) == self.measured else self.module(x)

    def _whole(self, feed: Feed) -> Tensor | None:
        """What the losses over a whole split are means over, by output; None: over samples."""
        if feed not in self._wholes:
            counts = [self.objective.counts(y) for y in feed.targets(self.measured)]
            known = [count for count in counts if count is not None]
            self._wholes[feed] = torch.stack(known).sum(0).clamp_min(1e-12) if known else None
        return self._wholes[feed]

    def averaged(self) -> AbstractContextManager[None]:
        """Within the block, the weights are those to measure and to keep."""
        return self.average.applied() if self.average is not None else nullcontext()

    # ------------------------------------------------------------------ resuming

    def state(self, moment: Moment) -> dict[str, Tensor]:
        """All tensors that the rest of the run depends on. Every process must call it."""
        ranks = self.ranks
        found = {f"model/{name}": tensor for name, tensor in self.module.state_dict().items()}
        if self.average is not None:
            found |= {f"average/{name}": t for name, t in self.average.state().items()}
        found |= {f"optimizer/{n}": t for n, t in optimizer_state(self.optimizer).items()}
        for rank, sums in enumerate(ranks.gather(moment.tally.cpu())):
            found[f"tally/{rank}"] = sums
        for rank, numbers in enumerate(ranks.gather(torch.get_rng_state())):
            found[f"random/cpu/{rank}"] = numbers
        if self.setup.device.type == "cuda":
            numbers = torch.cuda.get_rng_state(self.setup.device)
            for rank, theirs in enumerate(ranks.gather(numbers)):
                found[f"random/cuda/{rank}"] = theirs
        return found

    def after(self, epoch: int) -> Moment:
        """The moment after an epoch (from 0), before the next."""
        return Moment(epoch + 1, 0, Tally(self.objective, self.setup.device).state(), 0.0)

    def restore(self, state: State) -> Moment:
        """Be where `state` was taken, and say where that is."""
        self.module.load_state_dict(state.part("model"))
        if self.average is not None:
            self.average.restore(state.part("average"))
        load_optimizer(self.optimizer, state.part("optimizer"))
        rank = self.ranks.rank
        torch.set_rng_state(state.tensors[f"random/cpu/{rank}"])
        if self.setup.device.type == "cuda":
            torch.cuda.set_rng_state(state.tensors[f"random/cuda/{rank}"], self.setup.device)
        at = state.facts["at"]
        tally = state.tensors[f"tally/{rank}"]
        return Moment(at["epoch"], at["step"], tally, at["seconds"])


def compiled(module: nn.Module, setup: Setup) -> nn.Module:
    """The module compiled, if it is to be: for each size of batch by itself.

    What is compiled for any size is slower, and a run has few sizes: a batch and, where it is
    computed in parts, its last one.
    """
    if not setup.compile:
        return module
    made = torch.compile(module, dynamic=False)
    assert isinstance(made, nn.Module)
    return made


def batches(samples: int, recipe: Recipe) -> tuple[int, int]:
    """Samples per step and steps per epoch: full batches only (or all samples, if few)."""
    batch = min(recipe.batch, samples)
    return batch, samples // batch


def not_a_number(what: str, value: float) -> TrainError:
    return TrainError(
        "E0807",
        f"{what} is {value}",
        notes=("what the run wrote before that is good",),
        help="try a smaller learning rate or a warmup; on a GPU, `--set precision=fp32`",
    )
