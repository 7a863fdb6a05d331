"""Training on a device that is not the processor, held to what can be told without one.

The meta device has shapes and no data: whatever a step reads back from it fails, and so does what
mixes its tensors with the processor's. On a GPU the first would wait, the second raise.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import optimizer as torch_optimizer

from archc.train.augment import Augmenter
from archc.train.folder.state import State
from archc.train.loop import Trainer
from archc.train.optim import FUSED
from archc.train.settings.choices import CHOICES
from archc.train.tasks.objective import Measured, Tally

from .support.trainings import CASES, CLASSES, OUTPUTS, SGD, Classifier, call, setup_of, trainer_of
from .support.waiting import Pinned, stands_for_a_gpu

torch.set_num_threads(1)

META = torch.device("meta")


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch takes the optimizers that it takes on a GPU."""
    for name in ("fused", "foreach"):
        monkeypatch.setattr(
            torch_optimizer,
            f"_get_{name}_kernels_supported_devices",
            lambda: ["meta", "cuda", "cpu"],
        )


def steps(trainer: Trainer) -> tuple[Tensor, Tensor]:
    """The loss of the last of three steps, and what was counted in all of them."""
    feed, recipe = trainer.train, trainer.recipe
    order = torch.arange(len(feed))
    # what is copied once: class weights, the memory of the optimizer, what an epoch draws
    pinned = Pinned()
    with stands_for_a_gpu(pinned, strict=False):
        order = feed.rows(order)
        augment = None
        if recipe.augment:
            kind, mirrored, store = feed.kind, feed.mirrored, feed.store
            augment = Augmenter(recipe.augment, len(feed), 0, 0, META, kind, mirrored, store)
        trainer.module.train()
        trainer.frozen.hold()
        tally = Tally(trainer.objective, META)
        trainer._step(order[:8], 0, augment, tally)
    with stands_for_a_gpu(pinned):
        for step in (1, 2):
            loss = trainer._step(order[8 * step : 8 * (step + 1)], step, augment, tally)
        return loss, tally.state()


@pytest.mark.parametrize("resident", [True, False], ids=["resident", "fetched"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_step_waits_for_nothing(name: str, resident: bool) -> None:
    kind, module, settings = CASES[name]
    outputs = OUTPUTS.get(name, [("out", False)])
    trainer = trainer_of(kind, module(), settings, setup_of(META), outputs, resident)
    assert trainer.train.store.type == ("meta" if resident else "cpu")
    loss, sums = steps(trainer)
    assert (loss.device, loss.shape, sums.device) == (META, (), META)
    group = trainer.optimizer.param_groups[0]
    assert bool(group.get("fused")) is isinstance(trainer.recipe.optimizer, FUSED)


@pytest.mark.parametrize("optimizer", [c.name for c in CHOICES["optimizer"]])
@pytest.mark.usefixtures("as_on_a_gpu")
def test_what_a_resumed_run_takes_up_lies_on_the_device(optimizer: str) -> None:
    choice = SGD if optimizer == "sgd" else call(optimizer, 0.01)
    settings = {"optimizer": choice, "ema": 0.9, "clip": 1.0}
    cpu = torch.device("cpu")
    begun = trainer_of("classes", Classifier(), settings, setup_of(cpu))
    begun.epoch(0)
    state = State(begun.state(begun.after(0)), {"at": {"epoch": 1, "step": 0, "seconds": 0.0}})
    trainer = trainer_of("classes", Classifier(), settings, setup_of(META))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on weights that go nowhere
        assert trainer.restore(state).epoch == 1
    group = trainer.optimizer.param_groups[0]
    for parameter, kept in trainer.optimizer.state.items():
        for value in kept.values():
            # counts stay with the processor where no kernel reads them
            assert value.is_meta is bool(value.ndim or group.get("fused"))
            if value.ndim:
                assert value.stride() == parameter.stride()
    steps(trainer)


class Waiting(Classifier):
    """It does something, in its forward pass, that a GPU would have to be waited for."""

    def __init__(self, wait: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.wait = wait

    def forward(self, x: Tensor) -> Any:
        out = super().forward(x)
        if self.wait_now:
            self.wait(out.detach())
        return out

    wait_now = False


WAITS: dict[str, Callable[[Tensor], Any]] = {
    "item": lambda x: x.sum().item(),
    "list": lambda x: x.tolist(),
    "branch": lambda x: 1 if x.sum() > 0 else 0,
    "mask": lambda x: x[x > 0],
    "nonzero": lambda x: x.nonzero(),
    "index of a list": lambda x: x[[0, 1]],
    "processor": lambda x: x.cpu(),
    "number": lambda x: torch.tensor(1.0, device=x.device),
    "new number": lambda x: x.new_tensor([1.0]),
    "mixed": lambda x: x + torch.ones(CLASSES),
    "copied": lambda x: torch.ones(3).to(x.device),
    "copied pageable": lambda x: torch.ones(3).to(x.device, non_blocking=True),
    "copied into": lambda x: torch.empty_like(x).copy_(torch.ones(CLASSES)),
    "unique": lambda x: x.unique(),
}


@pytest.mark.parametrize("name", WAITS)
@pytest.mark.usefixtures("as_on_a_gpu")
def test_what_waits_is_noticed(name: str) -> None:
    module = Waiting(WAITS[name])
    trainer = trainer_of("classes", module, {"optimizer": SGD}, setup_of(META))
    module.wait_now = True
    with pytest.raises((AssertionError, RuntimeError)):  # NotImplementedError is one
        steps(trainer)


@pytest.mark.parametrize("resident", [True, False], ids=["resident", "fetched"])
@pytest.mark.parametrize("name", ["plain", "everything", "dice", "weighted masks", "keypoints"])
def test_measuring_waits_at_its_end_only(
    name: str, resident: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, module, settings = CASES[name]
    setup = setup_of(META, fused=False)
    trainer = trainer_of(kind, module(), settings, setup, resident=resident)
    read: list[Tensor] = []

    def instead(tally: Tally) -> Measured:
        read.append(tally.state())
        return Measured(0.0, 0.0)

    monkeypatch.setattr(Tally, "read", instead)
    with stands_for_a_gpu(Pinned(), strict=False):
        trainer.measure(trainer.test)  # the targets are counted once
    with stands_for_a_gpu(Pinned()):
        trainer.measure(trainer.test)
    assert [sums.device for sums in read] == [META, META]
