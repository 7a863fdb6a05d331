"""Seconds to an accuracy on Fashion-MNIST: archc's loop against one written by hand for it.

python bench/train_sprint.py [--target 0.94] [--runs 3]

Both train the network of bench/sprint.arch by its recipe, on the same share of the training images,
and measure the rest after each epoch; the clock runs while they train. The loop by hand is in the
manner of airbench (Jordan 2024): images normalised once and resident on the device, augmentation of
a whole epoch at a time, a compiled step, nothing counted while it trains. Compilation and its first
steps are outside the clock of both. Small sizes show that it works anywhere:

python bench/train_sprint.py --device cpu --runs 1 --width 4 --target 0.5 \\
  --set epochs=2 --set batch=200 --set 'data=idx("fashion-mnist-mini")'
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from steps import Log, common, wait
from torch import Tensor, nn

from archc.driver import Compiled, Options, compile_spec
from archc.train.data.fitting import Prepared, prepare
from archc.train.data.sources import load
from archc.train.device import Setup, choose, moved, numerics
from archc.train.freezing import Frozen
from archc.train.loop import Trainer, compiled
from archc.train.optim import make_groups, make_optimizer, make_rate
from archc.train.settings.choices import CrossEntropy
from archc.train.settings.recipe import Recipe
from archc.train.showing.progress import Progress
from archc.train.tasks.objective import make_heads
from archc.train.training import probe

SPEC = Path(__file__).parent / "sprint.arch"


@dataclass
class Task:
    """What both are given."""

    network: Compiled
    recipe: Recipe
    data: Prepared
    setup: Setup

    def module(self) -> nn.Module:
        from archc.emit.pytorch import source
        from archc.train.build import instantiate

        report = self.network.report
        assert report is not None
        torch.manual_seed(self.recipe.seed)
        text = source(self.network.graph, report, self.network.doc)
        return moved(instantiate(text, self.network.name), self.setup)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    common(parser)
    parser.add_argument("--target", type=float, default=0.94, help="validation accuracy (0.94)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each, in turn (3)")
    parser.add_argument("--width", type=int, default=64, help="channels of the stem (64)")
    parser.add_argument("--set", action="append", default=[], help="a setting of the recipe")
    options = parser.parse_args()
    task = made(options)
    log = Log("train_sprint", options.json, task.setup.device)
    how = "compiled" if task.setup.compile else "eager"
    print(
        f"{task.setup.title}, {how}, {len(task.data.train):,} images, {options.runs} runs of each"
    )
    log.attempt(f"sprint, {how}", lambda: sprint(task, options, how, log))
    return log.code


def sprint(task: Task, options: argparse.Namespace, how: str, log: Log) -> None:
    """Runs of both in turn, and the ratios of what they took."""
    ways: dict[str, Callable[[Task], Iterator[tuple[float, float]]]] = {
        "by hand": by_hand,
        "archc": by_archc,
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    epochs: dict[str, list[float]] = {name: [] for name in ways}
    with numerics(task.setup):
        for run in range(options.runs):
            task.recipe = task.recipe.with_seed(run)
            for name, way in ways.items():
                seconds, accuracy = zip(*way(task), strict=True)
                totals = list(accumulate(seconds))
                epochs[name].append(median(seconds))
                reached = [t for t, a in zip(totals, accuracy, strict=True) if a >= options.target]
                found[name] += reached[:1]
                when = f"after {reached[0]:7.2f} s" if reached else "never"
                log(
                    name,
                    f"{name:<8} seed {run}: {options.target:.1%} {when}, at the end "
                    f"{accuracy[-1]:.2%} after {totals[-1]:.2f} s",
                    {"how": how, "seed": run, "reached": reached[:1], "epochs": seconds}
                    | {"accuracy": accuracy},
                )
    pace = median(a / b for a, b in zip(epochs["archc"], epochs["by hand"], strict=True))
    words = "archc to by hand, seconds of an epoch"
    log(words, f"{words}: {pace:.3f}", {"how": how, "ratio": pace})
    if all(len(times) == options.runs for times in found.values()):
        ratio = median(found["archc"]) / median(found["by hand"])
        words = f"archc to by hand, seconds to {options.target:.1%}"
        log(words, f"{words}: {ratio:.3f}", {"how": how, "ratio": ratio})


def made(options: argparse.Namespace) -> Task:
    """The network, its recipe with what was changed, and the data."""
    state = compile_spec(
        str(SPEC), Options(network="Sprint", settings={"width": str(options.width)})
    )
    assert state.program is not None
    spec = next(r for r in state.program.recipes() if r.name == "sprint")
    changes = dict(pair.split("=", 1) for pair in options.set)
    recipe = Recipe.read(spec, {k: state.program.setting(v, k) for k, v in changes.items()})
    data = prepare(load(recipe.data, SPEC.parent, trusted=True), recipe, (1, 28, 28))
    steps = recipe.epochs * (len(data.train) // recipe.batch)
    return Task(state.networks[0], recipe, data, choose(recipe, options.device, 3, steps))


def by_archc(task: Task) -> Iterator[tuple[float, float]]:
    """Seconds and validation accuracy of each epoch of archc's loop."""
    recipe, setup, data = task.recipe, task.setup, task.data
    module = task.module()
    _, objective = probe(module, make_heads(recipe, [("logits", False)]), data, setup)
    steps = len(data.train) // recipe.batch
    progress = Progress(io.StringIO(), None, recipe.epochs * steps)
    trainer = Trainer(
        module, recipe, data, objective, Frozen(module, recipe), setup, progress, lambda: False
    )
    if setup.compile:
        feed = trainer.train
        warmed(module, trainer.forward, feed.batch(feed.rows(torch.arange(recipe.batch)))[0], setup)
    for epoch in range(recipe.epochs):
        started = time.perf_counter()
        done = trainer.epoch(epoch)
        wait(setup)
        seconds = time.perf_counter() - started
        assert done.validation is not None
        yield seconds, done.validation.metric


def by_hand(task: Task) -> Iterator[tuple[float, float]]:
    """The same of a loop that knows its network, data and recipe."""
    recipe, setup, data = task.recipe, task.setup, task.data
    module, device = task.module(), setup.device
    assert data.validation is not None
    mean, std = data.mean.to(device), data.std.to(device)

    def ready(x: Tensor) -> Tensor:
        return (x.to(device).float() * data.scale - mean) / std

    images, labels = ready(data.train.x), data.train.y.to(device)
    held, truth = ready(data.validation.x), data.validation.y.to(device)
    black = -mean / std  # what is shifted in
    steps = len(images) // recipe.batch
    groups = make_groups(recipe.optimizer, module.parameters(), no_decay=recipe.no_decay)
    optimizer = make_optimizer(recipe.optimizer, groups, fused=setup.fused)
    rate = make_rate(recipe.schedule, recipe.epochs, steps)
    assert isinstance(recipe.loss, CrossEntropy)
    smoothing = recipe.loss.label_smoothing
    layout = torch.channels_last if setup.channels_last else torch.contiguous_format
    forward = compiled(module, setup)
    if setup.compile:
        warmed(module, forward, images[: recipe.batch].contiguous(memory_format=layout), setup)
    for epoch in range(recipe.epochs):
        started = time.perf_counter()
        module.train()
        moved = augmented(images, black).contiguous(memory_format=layout)
        order = torch.randperm(len(images), device=device)
        for step in range(steps):
            part = order[step * recipe.batch : (step + 1) * recipe.batch]
            lr = recipe.optimizer.lr * rate(epoch * steps + step)
            for group in optimizer.param_groups:
                group["lr"] = lr
            with setup.autocast():
                out = forward(moved[part])
            F.cross_entropy(out.float(), labels[part], label_smoothing=smoothing).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        module.eval()
        right = 0
        with torch.no_grad(), setup.autocast():
            for x, y in zip(held.split(recipe.batch), truth.split(recipe.batch), strict=True):
                measured = forward if len(x) == recipe.batch else module  # as archc measures
                right += (measured(x.contiguous(memory_format=layout)).argmax(1) == y).sum()
        accuracy = float(right) / len(truth)
        yield time.perf_counter() - started, accuracy


def augmented(images: Tensor, black: Tensor, most: int = 2) -> Tensor:
    """Every image moved by up to `most` pixels along both axes and mirrored half of the time."""
    count, _, height, width = images.shape
    wide = black.expand(count, -1, height + 2 * most, width + 2 * most).clone()
    wide[:, :, most:-most, most:-most] = images
    offsets = torch.randint(0, 2 * most + 1, (2, count), device=images.device)
    mirrored = torch.rand(count, device=images.device) < 0.5
    moved = torch.empty_like(images)
    for dy in range(2 * most + 1):
        for dx in range(2 * most + 1):
            chosen = (offsets[0] == dy) & (offsets[1] == dx)
            moved[chosen] = wide[chosen, :, dy : dy + height, dx : dx + width]
    return torch.where(mirrored[:, None, None, None], moved.flip(-1), moved)


def warmed(module: nn.Module, forward: Callable[[Tensor], Tensor], x: Tensor, setup: Setup) -> None:
    """Compile for training and evaluation, and leave no trace in the weights."""
    kept = {name: t.clone() for name, t in module.state_dict().items()}
    for training in (True, False):
        module.train(training)
        with torch.set_grad_enabled(training):
            with setup.autocast():
                out = forward(x)
            if training:
                out.float().sum().backward()
    module.zero_grad(set_to_none=True)
    module.load_state_dict(kept)
    wait(setup)


if __name__ == "__main__":
    sys.exit(main())
