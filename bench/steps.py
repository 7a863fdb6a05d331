"""What the measurements of training share: archc's loop, and the barest step there can be."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archc.recipe import Called, RecipeSpec, Setting
from archc.source import Source, Span
from archc.train.device import Setup, choose
from archc.train.fitting import Prepared
from archc.train.freezing import Frozen
from archc.train.loop import Trainer
from archc.train.objective import make_heads
from archc.train.optim import make_groups, make_optimizer
from archc.train.progress import Progress
from archc.train.recipe import Recipe
from archc.train.sources import Split
from archc.train.training import probe

SOURCE = Source("bench", "recipe")
SPAN = Span(SOURCE, 0, 6)


def recipe(**settings: object) -> Recipe:
    """A recipe by keywords; the data it names are never read."""
    made = {"data": Called("idx", ("synthetic",), {}), "validation": 0.0, "normalize": "none"}
    given = tuple(Setting((k,), v, SPAN, SPAN) for k, v in (made | settings).items())
    return Recipe.read(RecipeSpec("bench", "Bench", given, "", SPAN), {})


@dataclass
class Synthetic:
    """Random images and classes, as many as `steps` batches."""

    shape: tuple[int, int, int]
    classes: int
    batch: int
    steps: int

    def prepared(self) -> Prepared:
        draw = torch.Generator().manual_seed(0)
        count = self.batch * self.steps
        x = torch.randint(0, 256, (count, *self.shape), generator=draw, dtype=torch.uint8)
        y = torch.randint(0, self.classes, (count,), generator=draw)
        train = Split(x, y, "synthetic", "synthetic")
        test = train.take(torch.arange(min(count, 2)))
        one = torch.ones(1, 1, 1)
        return Prepared(train, None, test, 1 / 255, 0 * one, one)


def settled(wanted: str | None, made: Recipe, steps: int) -> Setup:
    """The device and what is switched on there."""
    return choose(made, wanted, 3, steps)


def placed(module: nn.Module, setup: Setup) -> nn.Module:
    """On the device, in the layout that archc trains in."""
    module = module.to(setup.device)
    if setup.channels_last:
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def archc_epoch(
    module: nn.Module, data: Synthetic, made: Recipe, setup: Setup
) -> Callable[[int], None]:
    """What takes `data.steps` steps of archc's own loop: order, batches, metrics, checks."""
    module = placed(module, setup)
    ready = data.prepared()
    heads = make_heads(made, [("logits", False)])
    _, objective = probe(module, heads, ready, setup)
    progress = Progress(io.StringIO(), None, made.epochs * data.steps)
    frozen = Frozen(module, made)
    trainer = Trainer(module, made, ready, objective, frozen, setup, progress, lambda: False)
    return lambda epoch: trainer.epoch(epoch) and None


def bare_epoch(
    module: nn.Module, data: Synthetic, made: Recipe, setup: Setup
) -> Callable[[int], None]:
    """As many steps on one batch that lies ready: forward, loss, backward, update, no more."""
    module = placed(module, setup)
    draw = torch.Generator().manual_seed(0)
    x = torch.rand((data.batch, *data.shape), generator=draw).to(setup.device)
    if setup.channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    y = torch.randint(0, data.classes, (data.batch,), generator=draw).to(setup.device)
    groups = make_groups(made.optimizer, module.parameters(), no_decay=made.no_decay)
    optimizer = make_optimizer(made.optimizer, groups, fused=setup.fused)
    forward: Callable[[Tensor], Tensor] = torch.compile(module) if setup.compile else module

    def epoch(number: int) -> None:
        module.train()
        for _ in range(data.steps):
            with setup.autocast():
                out = forward(x)
            F.cross_entropy(out.float(), y).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        wait(setup)

    return epoch


def wait(setup: Setup) -> None:
    """Until the device has done what it was told."""
    if setup.device.type == "cuda":
        torch.cuda.synchronize(setup.device)


def interleaved(
    runs: int, ways: dict[str, Callable[[int], None]], setup: Setup, warm: int = 1
) -> dict[str, list[float]]:
    """Seconds of each way, taken in turn: what slows the machine slows all alike.

    On a single CPU thread they are seconds of the processor, so that other work does not count.
    """
    alone = setup.device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(-warm, runs):
        for name, way in ways.items():
            started = clock()
            way(run + warm)
            if run >= 0:
                times[name].append(clock() - started)
    return times
