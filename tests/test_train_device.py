"""Training on a device that is not the processor, held to what can be told without one.

The meta device has shapes and no data: whatever a step reads back from it fails, and so does what
mixes its tensors with the processor's. On a GPU the first would wait, the second raise.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import optimizer as torch_optimizer
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from archc.recipe import Called, RecipeSpec, Setting
from archc.source import Source, Span
from archc.train import loop
from archc.train.augment import Augmenter
from archc.train.choices import CHOICES
from archc.train.device import Setup
from archc.train.fitting import prepare
from archc.train.freezing import Frozen
from archc.train.loop import Trainer
from archc.train.objective import Measured, Tally, make_heads
from archc.train.optim import FUSED
from archc.train.progress import Progress
from archc.train.recipe import Recipe
from archc.train.samples import Data, Split
from archc.train.state import State
from archc.train.training import probe

torch.set_num_threads(1)

SPAN = Span(Source("test.arch", "recipe quick for Small { }"), 0, 6)
META = torch.device("meta")
SAMPLES, SIDE, CLASSES = 32, 12, 7


def call(name: str, *args: Any, **kwargs: Any) -> Called:
    return Called(name, args, kwargs)


def read(settings: Mapping[str, Any]) -> Recipe:
    every = {"data": call("digits"), "batch": 8, "validation": 0.25, "compile": False} | settings
    made = tuple(Setting(tuple(k.split(".")), v, SPAN, SPAN) for k, v in every.items())
    return Recipe.read(RecipeSpec("quick", "Small", made, "", SPAN), {})


# --------------------------------------------------------------------------- no waiting


Function = Callable[..., Any]


class Pinned:
    """Memory that a device copies from by itself. Here it is ordinary, and kept to be known."""

    def __init__(self) -> None:
        self.kept: dict[int, Tensor] = {}

    def take(self, tensor: Tensor) -> Tensor:
        self.kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    def __contains__(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage().data_ptr() in self.kept


class NoWaiting(TorchDispatchMode):
    """Every operator keeps to one device: to move data is to wait for it, unless it is pinned."""

    def __init__(self, pinned: Pinned, strict: bool = True) -> None:
        super().__init__()
        self.pinned = pinned
        self.strict = strict

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if name == "_fused_sgd_" and args[0][0].is_meta:
            return None  # it works in place, and nobody has written it for the meta device
        if not self.strict:
            return func(*args, **kwargs)
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        if name == "_to_copy" and kwargs.get("non_blocking") and given[0] in self.pinned:
            return func(*args, **kwargs)
        # a scalar of the processor is an argument of the kernel, as a number is
        placed = {t.device.type for t in given if t.ndim or not t.is_cpu}
        assert len(placed) <= 1, f"{func} mixes {placed}"
        made = func(*args, **kwargs)
        moved = {t.device.type for t in tree_leaves(made) if isinstance(t, Tensor)} - placed
        assert not (placed and moved), f"{func} moves data from {placed} to {moved}"
        return made


class NoMaking(TorchFunctionMode):
    """Nothing is made of Python's numbers on the device: they would be copied to it."""

    MAKERS = frozenset({"tensor", "new_tensor", "as_tensor", "asarray"})

    def __init__(self, pinned: Pinned, strict: bool = True) -> None:
        super().__init__()
        self.pinned = pinned
        self.strict = strict

    def __torch_function__(
        self, func: Function, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name == "pin_memory":
            return self.pinned.take(args[0].clone())
        if kwargs.pop("pin_memory", False):
            return self.pinned.take(func(*args, **kwargs))
        if not self.strict:
            return func(*args, **kwargs)
        if name in ("__getitem__", "__setitem__") and not args[0].is_cpu:
            parts = args[1] if isinstance(args[1], tuple) else (args[1],)
            assert not any(isinstance(part, list) for part in parts), "a list as index"
        made = func(*args, **kwargs)
        if name in self.MAKERS:
            assert made.is_cpu, f"{name} copies to the device"
        return made


@contextmanager
def device(pinned: Pinned, strict: bool = True) -> Iterator[None]:
    """The meta device stands for a GPU; `strict`: nothing may wait for it."""
    with NoMaking(pinned, strict), NoWaiting(pinned, strict):
        yield


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch takes the optimizers that it takes on a GPU."""
    for name in ("fused", "foreach"):
        monkeypatch.setattr(
            torch_optimizer,
            f"_get_{name}_kernels_supported_devices",
            lambda: ["meta", "cuda", "cpu"],
        )


# --------------------------------------------------------------------------- networks and data


class Classifier(nn.Module):
    """Scores [N, classes] of images [N, 3, H, W]; in training, those of an auxiliary head, too."""

    def __init__(self, heads: int = 1) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.1)
        self.heads = nn.ModuleList(nn.Linear(8, CLASSES) for _ in range(heads))

    def forward(self, x: Tensor) -> Any:
        x = self.drop(F.relu(self.bn(self.stem(x))).mean((2, 3)))
        if len(self.heads) == 1 or not self.training:
            return self.heads[0](x)
        return tuple(head(x) for head in self.heads)


class Dense(nn.Module):
    """Maps [N, channels, H / stride, W / stride] of images [N, 3, H, W]."""

    def __init__(self, channels: int = CLASSES, stride: int = 1, stacks: int = 0) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, padding=1, stride=stride)
        self.bn = nn.BatchNorm2d(8)
        self.two = nn.Conv2d(8, channels, 1)
        self.stacks = stacks

    def forward(self, x: Tensor) -> Any:
        out = self.two(F.relu(self.bn(self.one(x))))
        return [out] * self.stacks if self.stacks else out


def targets(kind: str, draw: torch.Generator) -> Tensor:
    if kind == "classes":
        return torch.randint(CLASSES, (SAMPLES,), generator=draw)
    if kind == "masks":
        made = torch.randint(CLASSES, (SAMPLES, SIDE, SIDE), generator=draw).to(torch.int16)
        made[:, :2] = CLASSES  # to be ignored
        return made
    if kind == "keypoints":
        points = torch.rand((SAMPLES, CLASSES, 3), generator=draw) * (SIDE - 1)
        points[..., 2] = (points[..., 2] > 3).float()
        return points
    return torch.rand((SAMPLES, 3, SIDE, SIDE), generator=draw)


def data_of(kind: str) -> Data:
    draw = torch.Generator().manual_seed(0)
    x = torch.randint(256, (SAMPLES, 3, SIDE, SIDE), generator=draw, dtype=torch.uint8)
    mirrored = tuple(reversed(range(CLASSES))) if kind == "keypoints" else ()
    split = Split(x, targets(kind, draw), "x", "y", kind == "keypoints", mirrored)
    return Data(split, split.take(torch.arange(9)), "nowhere")


def trainer_of(
    kind: str,
    module: nn.Module,
    settings: Mapping[str, Any],
    setup: Setup,
    outputs: Sequence[tuple[str | None, bool]] = (("out", False),),
    resident: bool = True,
) -> Trainer:
    recipe = read(settings)
    ready = prepare(data_of(kind), recipe, (3, SIDE, SIDE))
    module = module.to(setup.device)
    if setup.channels_last:
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    frozen = Frozen(module, recipe)
    _, objective = probe(module, make_heads(recipe, outputs), ready, setup)
    progress = Progress(io.StringIO(), None, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "fits_resident", lambda splits, device: resident)
        made = Trainer(module, recipe, ready, objective, frozen, setup, progress, lambda: False)
    for feed in (made.train, made.validation, made.test):
        if feed is not None:
            feed.pinned = not resident
    return made


def setup_of(device: torch.device, **switches: Any) -> Setup:
    plain = {"bf16": False, "tf32": False, "channels_last": True, "compile": False, "fused": True}
    return Setup(device=device, **(plain | switches))


SGD = call("sgd", 0.1, momentum=0.9, nesterov=True, weight_decay=1e-4)
MOVES = [call("shift", 2), call("flip"), call("scale"), call("rotate", 30), call("crop")]
Case = tuple[str, Callable[[], nn.Module], dict[str, Any]]
CASES: dict[str, Case] = {
    "plain": ("classes", Classifier, {"optimizer": SGD}),
    "augmented": (
        "classes",
        Classifier,
        {"augment": [*MOVES, call("colour", 0.4, 0.4, 0.4), call("cutout", 4)]},
    ),
    "mixup": ("classes", Classifier, {"augment": [call("shift", 1), "mixup"], "ema": 0.99}),
    "cutmix": ("classes", Classifier, {"augment": ["flip", "cutmix"], "accumulate": 3}),
    "everything": (
        "classes",
        Classifier,
        {
            "optimizer": SGD,
            "schedule": call("one_cycle"),
            "clip": 1.0,
            "ema": 0.9,
            "accumulate": 2,
            "no_decay": True,
            "loss": call("cross_entropy", 0.1, [1.0 + i for i in range(CLASSES)]),
            "layer_lr": [["stem", 0.1]],
            "augment": [*MOVES, "mixup"],
        },
    ),
    "frozen": ("classes", Classifier, {"freeze": ["stem", "bn"], "optimizer": call("adam")}),
    "rmsprop": ("classes", Classifier, {"optimizer": call("rmsprop", momentum=0.9)}),
    "adagrad": ("classes", Classifier, {"optimizer": call("adagrad")}),
    "adadelta": ("classes", Classifier, {"optimizer": call("adadelta")}),
    "nadam": ("classes", Classifier, {"optimizer": call("nadam")}),
    "radam": ("classes", Classifier, {"optimizer": call("radam")}),
    "bce": ("classes", Classifier, {"loss": call("bce")}),
    "auxiliary": (
        "classes",
        lambda: Classifier(2),
        {"loss.early": [0.3, call("cross_entropy")], "accumulate": 2},
    ),
    "masks": ("masks", Dense, {"ignore": CLASSES, "augment": [*MOVES, "cutmix"]}),
    "dice": (
        "masks",
        Dense,
        {"ignore": CLASSES, "loss": call("dice", cross_entropy=1.0), "augment": MOVES},
    ),
    "weighted masks": (
        "masks",
        Dense,
        {
            "ignore": CLASSES,
            "accumulate": 2,
            "loss": call("cross_entropy", 0.0, [1.0 + i for i in range(CLASSES)]),
        },
    ),
    "keypoints": ("keypoints", lambda: Dense(stride=4), {"augment": MOVES, "ema": 0.9}),
    "stacked keypoints": (
        "keypoints",
        lambda: Dense(stride=2, stacks=2),
        {"loss": call("heatmaps", 1.5), "accumulate": 2, "augment": ["flip"]},
    ),
    "pictures": ("values", lambda: Dense(3), {"augment": MOVES, "loss": call("huber")}),
    "blended pictures": ("values", lambda: Dense(3), {"augment": ["mixup"]}),
}
OUTPUTS: dict[str, list[tuple[str | None, bool]]] = {"auxiliary": [("out", False), ("early", True)]}


def steps(trainer: Trainer) -> tuple[Tensor, Tensor]:
    """The loss of the last of three steps, and what was counted in all of them."""
    feed, recipe = trainer.train, trainer.recipe
    order = torch.arange(len(feed))
    # what is copied once: class weights, the memory of the optimizer, what an epoch draws
    pinned = Pinned()
    with device(pinned, strict=False):
        order = feed.rows(order)
        augment = None
        if recipe.augment:
            kind, mirrored, store = feed.kind, feed.mirrored, feed.store
            augment = Augmenter(recipe.augment, len(feed), 0, 0, META, kind, mirrored, store)
        trainer.module.train()
        trainer.frozen.hold()
        tally = Tally(trainer.objective, META)
        trainer._step(order[:8], 0, augment, tally)
    with device(pinned):
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
    with device(Pinned(), strict=False):
        trainer.measure(trainer.test)  # the targets are counted once
    with device(Pinned()):
        trainer.measure(trainer.test)
    assert [sums.device for sums in read] == [META, META]
