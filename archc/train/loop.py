"""The loop: plain PyTorch, data resident on the device, no waiting for it within a step."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn

from .augment import Augmenter
from .device import Setup
from .errors import TrainError
from .fitting import Prepared, keyed
from .freezing import Frozen
from .objective import Measured, Objective, Tally
from .optim import make_optimizer, make_rate
from .progress import Progress
from .recipe import Recipe
from .sources import Split

RESIDENT_SHARE = 0.4
"""Of a GPU's free memory may be taken by data that stay on it."""


class Stopped(Exception):
    """The user wants to stop; `step` steps of the epoch are done."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training data gave."""

    train: Measured
    validation: Measured | None
    lr: float
    seconds: float
    images_per_second: float


class Feed:
    """One split as batches on the device: normalised, laid out, augmented on request."""

    def __init__(self, split: Split, data: Prepared, setup: Setup, resident: bool) -> None:
        self.setup = setup
        self.store = setup.device if resident else torch.device("cpu")
        self.x, self.y = split.x.to(self.store), split.y.to(self.store)
        self.pinned = not resident and setup.device.type == "cuda"
        # (x * scale - mean) / std, as one multiplication and one addition
        self.factor = (data.scale / data.std).to(setup.device)
        self.offset = (-data.mean / data.std).to(setup.device)

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, rows: Tensor, augment: Augmenter | None = None) -> tuple[Tensor, Tensor]:
        """The samples `rows` (a tensor where the data are stored) and their targets."""
        device = self.setup.device
        x, y = self.x[rows], self.y[rows]
        if self.pinned:
            x, y = x.pin_memory(), y.pin_memory()
        x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
        if augment is not None:
            x = augment(x, rows.to(device, non_blocking=True))
        x = torch.addcmul(self.offset, x.float(), self.factor)
        if self.setup.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        return x, y


def fits_resident(splits: Sequence[Split], device: torch.device) -> bool:
    """May all data stay on the device?"""
    if device.type != "cuda":
        return True
    need = sum(s.x.nbytes + s.y.nbytes for s in splits)
    return need <= RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]


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
    ) -> None:
        self.module = module
        self.recipe = recipe
        self.objective = objective
        self.frozen = frozen
        self.setup = setup
        self.progress = progress
        self.stop = stop
        splits = [s for s in (data.train, data.validation, data.test) if s is not None]
        resident = fits_resident(splits, setup.device)
        self.train = Feed(data.train, data, setup, resident)
        self.validation = Feed(data.validation, data, setup, resident) if data.validation else None
        self.test = Feed(data.test, data, setup, resident)
        self.batch, self.steps = batches(len(data.train), recipe)
        self.rate = make_rate(recipe.schedule, recipe.epochs, self.steps)
        learned = [p for p in module.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(recipe.optimizer, learned, fused=setup.fused)
        # the compiled form shares its parameters with `module`, whose names stay clean
        self.forward: Callable[[Tensor], Any] = torch.compile(module) if setup.compile else module

    # ------------------------------------------------------------------ training

    def epoch(self, epoch: int) -> Epoch:
        """Train for one epoch (from 0) and measure on the validation split.

        Raises TrainError E0807 at a loss that is no number, `Stopped` when asked to.
        """
        started = time.perf_counter()
        trained = self._pass(epoch)
        seconds = time.perf_counter() - started
        held_out = None
        if self.validation is not None:
            held_out = self.measure(self.validation)
            if not isfinite(held_out.loss):
                raise not_a_number(f"the validation loss after epoch {epoch + 1}", held_out.loss)
        speed = self.steps * self.batch / seconds
        lr = float(self.optimizer.param_groups[0]["lr"])
        return Epoch(trained, held_out, lr, seconds, speed)

    def _pass(self, epoch: int) -> Measured:
        seed, device = self.recipe.seed, self.setup.device
        order = torch.randperm(len(self.train), generator=keyed(seed, "order", epoch))
        order = order.to(self.train.store)
        augment = None
        if self.recipe.augment:
            augment = Augmenter(self.recipe.augment, len(self.train), seed, epoch, device)
        torch.manual_seed(keyed(seed, "layers", epoch).initial_seed())
        self.module.train()
        self.frozen.hold()
        tally = Tally(device)
        losses = torch.zeros(self.steps, device=device)
        for step in range(self.steps):
            if self.stop():
                self._look(losses, step, epoch, tally)
                raise Stopped(step)
            rows = order[step * self.batch : (step + 1) * self.batch]
            x, y = self.train.batch(rows, augment)
            losses[step] = self._step(x, y, epoch * self.steps + step, tally)
            if self.progress.due():
                self._look(losses, step + 1, epoch, tally)
        return self._look(losses, self.steps, epoch, tally)

    def _step(self, x: Tensor, y: Tensor, step: int, tally: Tally) -> Tensor:
        """One update; its loss, still on the device."""
        share = self.rate(step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.optimizer.lr * share
        with self.setup.autocast():
            result = self.forward(x)
        loss = self.objective.loss(result, y, training=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            tally.add(self.objective.sums(result, y, loss, training=True), y)
        return loss.detach()

    def _look(self, losses: Tensor, done: int, epoch: int, tally: Tally) -> Measured:
        """Wait for the device, see that all losses so far are numbers, redraw the bar."""
        seen = losses[:done].tolist()
        for step, loss in enumerate(seen):
            if not isfinite(loss):
                where = f"the loss in step {step + 1} of epoch {epoch + 1}"
                raise not_a_number(where, loss)
        measured = tally.read()
        total = epoch * self.steps + done
        elapsed = max(time.perf_counter() - self.progress.started, 1e-9)
        self.progress.show(
            total,
            f"epoch {epoch + 1}/{self.recipe.epochs}  loss {measured.loss:.3f}"
            f"  {self.objective.words(measured)}  {total * self.batch / elapsed:,.0f} images/s",
        )
        return measured

    # ------------------------------------------------------------------ measuring

    @torch.no_grad()
    def measure(self, feed: Feed) -> Measured:
        """Loss and metric over a whole split, in evaluation mode."""
        self.module.eval()
        tally = Tally(self.setup.device)
        rows = torch.arange(len(feed), device=feed.store)
        for part in torch.split(rows, self.recipe.batch):
            x, y = feed.batch(part)
            with self.setup.autocast():
                result = self.forward(x)
            loss = self.objective.loss(result, y, training=False)
            tally.add(self.objective.sums(result, y, loss, training=False), y)
        return tally.read()


def batches(samples: int, recipe: Recipe) -> tuple[int, int]:
    """Samples per step and steps per epoch: full batches only (or all samples, if few)."""
    batch = min(recipe.batch, samples)
    return batch, samples // batch


def not_a_number(what: str, value: float) -> TrainError:
    return TrainError(
        "E0807",
        f"{what} is {value}",
        notes=("the checkpoints written before it are good",),
        help="try a smaller learning rate, a warmup, or `--set precision=fp32`",
    )
