"""Small trainings on any device: networks, data, and recipes that use every part of the loop."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archc.recipe import Called, RecipeSpec, Setting
from archc.source import Source, Span
from archc.train import loop
from archc.train.data.fitting import prepare
from archc.train.data.samples import Data, Split
from archc.train.device import Setup
from archc.train.freezing import Frozen
from archc.train.loop import Trainer
from archc.train.settings.recipe import Recipe
from archc.train.showing.progress import Progress
from archc.train.tasks.objective import make_heads
from archc.train.training import probe

SPAN = Span(Source("test.arch", "recipe quick for Small { }"), 0, 6)
SAMPLES, SIDE, CLASSES = 32, 12, 7


def call(name: str, *args: Any, **kwargs: Any) -> Called:
    return Called(name, args, kwargs)


def read(settings: Mapping[str, Any]) -> Recipe:
    every = {"data": call("digits"), "batch": 8, "validation": 0.25, "compile": False} | settings
    made = tuple(Setting(tuple(k.split(".")), v, SPAN, SPAN) for k, v in every.items())
    return Recipe.read(RecipeSpec("quick", "Small", made, "", SPAN), {})


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
