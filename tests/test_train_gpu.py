"""Training on a GPU, where there is one: no waiting, figures that agree, runs that resume.

ARCHC_TEST_DEVICE=cpu runs what runs anywhere, to try the tests themselves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archc import cli
from archc.train.augment import Augmenter
from archc.train.device import Setup, find, memory_advice, numerics
from archc.train.errors import TrainError
from archc.train.feed import Feed
from archc.train.folder.state import State, parse
from archc.train.loop import Trainer
from archc.train.tasks.objective import Tally

from .support.trainings import CASES, OUTPUTS, SGD, Classifier, call, setup_of, trainer_of

WANTED = os.environ.get("ARCHC_TEST_DEVICE", "cuda")
ON_GPU = WANTED.startswith("cuda")
pytestmark = pytest.mark.skipif(
    ON_GPU and not torch.cuda.is_available(), reason="there is no GPU here"
)
only_a_gpu = pytest.mark.skipif(not ON_GPU, reason="only a GPU does that")

SPECS = Path(__file__).parents[1] / "specs"
CPU = torch.device("cpu")


def setup(**switches: Any) -> Setup:
    return setup_of(find(WANTED), **switches)


def made(name: str, chosen: Setup, resident: bool = True, **more: Any) -> Trainer:
    """A trainer of one of the cases, without dropout: devices draw other numbers."""
    kind, module, settings = CASES[name]
    torch.manual_seed(0)
    network = module()
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    outputs = OUTPUTS.get(name, [("out", False)])
    trainer = trainer_of(kind, network, settings | more, chosen, outputs, resident)
    for feed in (trainer.train, trainer.validation, trainer.test):
        if feed is not None:
            feed.pinned = ON_GPU and not resident and chosen.device.type == "cuda"
    return trainer


@contextmanager
def no_waiting() -> Iterator[None]:
    """torch fails at what makes the processor wait for the GPU."""
    if not ON_GPU:
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def augmenter(trainer: Trainer, feed: Feed) -> Augmenter | None:
    recipe, device = trainer.recipe, trainer.setup.device
    if not recipe.augment:
        return None
    kind, mirrored = feed.kind, feed.mirrored
    return Augmenter(recipe.augment, len(feed), 0, 0, device, kind, mirrored, feed.store)


@pytest.mark.parametrize("resident", [True, False], ids=["resident", "fetched"])
@pytest.mark.parametrize("name", CASES)
def test_a_step_waits_for_nothing(name: str, resident: bool) -> None:
    with numerics(setup()):
        trainer = made(name, setup(bf16=True), resident)
        feed = trainer.train
        order = feed.rows(torch.arange(len(feed)))
        augment = augmenter(trainer, feed)
        tally = Tally(trainer.objective, trainer.setup.device)
        trainer.module.train()
        trainer._step(order[:8], 0, augment, tally)
        with no_waiting():
            losses = [trainer._step(order[8 * i : 8 * (i + 1)], i, augment, tally) for i in (1, 2)]
        assert torch.isfinite(torch.stack(losses)).all()
        assert tally.read().loss > 0


@pytest.mark.parametrize("resident", [True, False], ids=["resident", "fetched"])
@pytest.mark.parametrize("name", CASES)
def test_figures_agree_with_the_processors(name: str, resident: bool) -> None:
    with numerics(setup()):
        there = made(name, setup(), resident).epoch(0)
    here = made(name, setup_of(CPU)).epoch(0)
    assert there.train.loss == pytest.approx(here.train.loss, rel=5e-3)
    assert there.validation is not None
    assert here.validation is not None
    assert there.validation.loss == pytest.approx(here.validation.loss, rel=5e-3)


@pytest.mark.parametrize("name", CASES)
def test_deterministic_repeats_its_bits(name: str) -> None:
    """Augmentation, losses and metrics have forms that do; so have these networks."""
    found = []
    for _ in range(2):
        with numerics(setup(deterministic=True)):
            trainer = made(name, setup(deterministic=True, bf16=True))
            done = trainer.epoch(0)
        found.append((done.train, done.validation, trainer.module.state_dict()))
    (train, held, weights), (other_train, other_held, others) = found
    assert (train, held) == (other_train, other_held)
    assert all(torch.equal(weights[key], others[key]) for key in weights)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_resumed_run_is_the_same_bit_by_bit(optimizer: str, compiled: bool) -> None:
    choice = SGD if optimizer == "sgd" else call(optimizer, 0.01)
    settings = {"optimizer": choice, "ema": 0.9, "augment": ["flip", "mixup"]}
    switches = setup(bf16=True, deterministic=True, compile=compiled)

    def fresh() -> Trainer:
        return trainer_of("classes", Classifier(), settings, switches)

    with numerics(switches):
        torch.manual_seed(0)
        trainer = fresh()
        trainer.epoch(0)
        at = {"epoch": 1, "step": 0, "seconds": 0.0}
        data = State(trainer.state(trainer.after(0)), {"at": at}).packed()
        trainer.epoch(1)
        other = fresh()
        assert other.restore(parse(data, Path("state"))).epoch == 1
        other.epoch(1)
    one, two = trainer.module.state_dict(), other.module.state_dict()
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.slow
def test_compiled_is_as_eager() -> None:
    found = []
    for compiled in (False, True):
        switches = setup(compile=compiled)
        with numerics(switches):
            trainer = made("plain", switches, ema=0.9, validation=0.375)
            found.append([trainer.epoch(i) for i in range(2)])
    for eager, other in zip(*found, strict=True):
        assert other.train.loss == pytest.approx(eager.train.loss, rel=5e-3)
        assert other.validation is not None
        assert eager.validation is not None
        assert other.validation.loss == pytest.approx(eager.validation.loss, rel=5e-3)


def test_too_little_memory_is_said() -> None:
    with pytest.raises(TrainError) as caught, memory_advice(64):
        torch.empty(1 << 50, dtype=torch.uint8, device=find(WANTED))
    assert caught.value.code == "E0811"


@only_a_gpu
def test_a_layer_that_cannot_repeat_is_said() -> None:
    class Pooled(Classifier):
        def __init__(self) -> None:
            super().__init__()
            self.pool = nn.AdaptiveAvgPool2d(3)

        def forward(self, x: Tensor) -> Any:
            return super().forward(self.pool(self.stem(x)).repeat(1, 1, 4, 4)[:, :3])

    switches = setup(deterministic=True)
    with pytest.raises(TrainError, match="adaptive_avg_pool2d") as caught, numerics(switches):
        trainer_of("classes", Pooled(), {"optimizer": SGD}, switches).epoch(0)
    assert caught.value.code == "E0802"


def test_the_demo_trains(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = ["train", str(SPECS / "lenet5.arch"), "--recipe", "demo", "--device", WANTED]
    assert cli.main([*command, "-o", str(folder), "--set", "epochs=2"]) == 0
    said = json.loads((folder / "result.json").read_text())
    assert said["test"]["accuracy"] > 0.5
