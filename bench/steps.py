"""What the measurements of training share: archc's loop, and the barest step there can be."""

from __future__ import annotations

import argparse
import gc
import io
import json
import platform
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archc import __version__
from archc.analysis.devices import DEVICES, Device
from archc.recipe import Called, RecipeSpec, Setting
from archc.source import Source, Span
from archc.train.data.fitting import Prepared
from archc.train.data.sources import Split
from archc.train.device import Setup, choose, moved
from archc.train.feed import Feed
from archc.train.freezing import Frozen
from archc.train.loop import Trainer, compiled
from archc.train.optim import make_groups, make_optimizer
from archc.train.settings.recipe import Recipe
from archc.train.showing.progress import Progress
from archc.train.tasks.objective import make_heads
from archc.train.training import probe

SOURCE = Source("bench", "recipe")
SPAN = Span(SOURCE, 0, 6)


class Log:
    """Lines for readers, and the same figures as lines of JSON, each written at once.

    So what was measured stays, whatever comes after it.
    """

    def __init__(self, script: str, path: Path | None, device: torch.device) -> None:
        self.script = script
        self.path = path
        self.failed: list[str] = []
        facts = about(device)
        self(
            "about", ", ".join(f"{v}" if k in BARE else f"{k} {v}" for k, v in facts.items()), facts
        )

    def __call__(self, what: str, line: str, figures: Mapping[str, object]) -> None:
        """A line, and what it says as numbers."""
        if line:
            print(line, flush=True)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a") as file:
                file.write(json.dumps({"script": self.script, "what": what, **figures}) + "\n")

    def attempt(self, what: str, work: Callable[[], None]) -> None:
        """Do it; where it fails, say so and go on with the next."""
        started = time.perf_counter()
        try:
            work()
        except Exception as error:  # of any kind: the other parts are worth having
            traceback.print_exc(file=sys.stdout)
            self.failed.append(what)
            self(what, f"{what}: failed", {"failed": f"{type(error).__name__}: {error}"[:500]})
        finally:
            seconds = time.perf_counter() - started
            said = f"  ({what}: {seconds:.0f} s)" if seconds >= LONG else ""
            self(what, said, {"seconds": round(seconds, 2)})
            free()

    @property
    def code(self) -> int:
        """What the process exits with."""
        return 1 if self.failed else 0


LONG = 10
"""Seconds from which on it is said how long a part took."""
BARE = ("date", "device")
"""Facts that need no name."""


def about(device: torch.device) -> dict[str, object]:
    """What is measured on: date, device, versions."""
    gpu = device.type == "cuda"
    facts: dict[str, object] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name(device) if gpu else f"{device} {platform.machine()}",
        "torch": torch.__version__,
    }
    if gpu:
        facts["CUDA"] = torch.version.cuda
        facts["cuDNN"] = torch.backends.cudnn.version()
        facts["GiB"] = round(torch.cuda.get_device_properties(device).total_memory / 2**30, 1)
    facts["archc"] = __version__
    for name in ("triton", "torchvision"):
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            continue
    facts["Python"] = platform.python_version()
    return facts


def common(parser: argparse.ArgumentParser) -> None:
    """The options of every measurement."""
    parser.add_argument("--device", help="cuda, cuda:1, cpu (default: what is there)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="add figures as lines of JSON")


def known(device: torch.device) -> Device | None:
    """The device of archc's table that this GPU is."""
    if device.type != "cuda":
        return None
    own = torch.cuda.get_device_name(device).lower().replace(" ", "")
    return next((d for d in DEVICES.values() if d.name in own), None)


def free() -> None:
    """Memory, and compiled code, that nothing refers to any more."""
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def recipe(**settings: object) -> Recipe:
    """A recipe by keywords; the data it names are never read."""
    made = {"data": Called("idx", ("synthetic",), {}), "validation": 0.0, "normalize": "none"}
    given = tuple(Setting((k,), v, SPAN, SPAN) for k, v in (made | settings).items())
    return Recipe.read(RecipeSpec("bench", "Bench", given, "", SPAN), {})


@dataclass
class Synthetic:
    """Random images and classes, as many as `steps` batches. `dense`: a class for each pixel."""

    shape: tuple[int, int, int]
    classes: int
    batch: int
    steps: int
    dense: bool = False

    def targets(self, count: int, draw: torch.Generator) -> Tensor:
        places = self.shape[1:] if self.dense else ()
        return torch.randint(0, self.classes, (count, *places), generator=draw)

    def prepared(self) -> Prepared:
        draw = torch.Generator().manual_seed(0)
        count = self.batch * self.steps
        # a batch's worth of numbers, turned: to draw all of them takes longer than to train on them
        one = torch.randint(0, 256, (self.batch, *self.shape), generator=draw, dtype=torch.uint8)
        x = torch.cat([one.roll(step, -1) for step in range(self.steps)])
        y = self.targets(count, draw)
        train = Split(x, y, "synthetic", "synthetic")
        test = train.take(torch.arange(min(count, 2)))
        unit = torch.ones(1, 1, 1)
        return Prepared(train, None, test, 1 / 255, 0 * unit, unit)


def settled(wanted: str | None, made: Recipe, steps: int) -> Setup:
    """The device and what is switched on there."""
    return choose(made, wanted, 3, steps)


def archc_epoch(
    module: nn.Module, data: Synthetic, made: Recipe, setup: Setup, fetched: bool = False
) -> Callable[[int], None]:
    """What takes `data.steps` steps of archc's own loop: order, batches, metrics, checks.

    `fetched`: the data stay with the host, as those do that are too many for the device.
    """
    module = moved(module, setup)
    ready = data.prepared()
    heads = make_heads(made, [("logits", False)])
    _, objective = probe(module, heads, ready, setup)
    progress = Progress(io.StringIO(), None, made.epochs * data.steps)
    frozen = Frozen(module, made)
    trainer = Trainer(module, made, ready, objective, frozen, setup, progress, lambda: False)
    if fetched:
        trainer.train = Feed(ready.train, ready, setup, resident=False)
    return lambda epoch: trainer.epoch(epoch) and None


def bare_epoch(
    module: nn.Module, data: Synthetic, made: Recipe, setup: Setup
) -> Callable[[int], None]:
    """As many steps on one batch that lies ready: forward, loss, backward, update, no more."""
    module = moved(module, setup)
    draw = torch.Generator().manual_seed(0)
    x = torch.rand((data.batch, *data.shape), generator=draw).to(setup.device)
    if setup.channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    y = data.targets(data.batch, draw).to(setup.device)
    groups = make_groups(made.optimizer, module.parameters(), no_decay=made.no_decay)
    optimizer = make_optimizer(made.optimizer, groups, fused=setup.fused)
    forward = compiled(module, setup)

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
    runs: int,
    ways: dict[str, Callable[[int], None]],
    setup: Setup,
    warm: int = 1,
    each: Callable[[str, int, float], None] = lambda name, run, seconds: None,
) -> dict[str, list[float]]:
    """Seconds of each way, taken in turn: what slows the machine slows all alike.

    On a single CPU thread they are seconds of the processor, so that other work does not count.
    `each` is told the seconds of every block as soon as it is over; warm-up has numbers below 0.
    """
    alone = setup.device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(-warm, runs):
        for name, way in ways.items():
            started = clock()
            way(run + warm)
            seconds = clock() - started
            each(name, run, seconds)
            if run >= 0:
                times[name].append(seconds)
    return times
