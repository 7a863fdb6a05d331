"""Checkpoints of torchvision load: the same keys in the same order, of the same shapes; and with
the same weights, the same outputs and gradients, in evaluation and in training.

Weights are random. `make verify-all` takes every network; `make test` the smaller ones.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.train.build import instantiate
from tests.support.peer import torchvision_models

torch.set_num_threads(1)

SPECS = Path(__file__).parent.parent / "specs"
ALL = bool(os.environ.get("ARCHC_ALL"))


class Case(NamedTuple):
    """A network of a spec, torchvision's name for it, arguments there, the size of images to run,
    and whether it is quick."""

    spec: str
    name: str
    peer: str
    size: int
    quick: bool = False
    args: dict[str, Any] = {}

    def ours(self) -> nn.Module:
        network = archc.load(SPECS / f"{self.spec}.arch")[self.name]
        return instantiate(network.source(), self.name)

    def theirs(self) -> nn.Module:
        made: nn.Module = getattr(torchvision_models(), self.peer)(**self.args)
        return made


AUXILIARY = {"init_weights": False, "aux_logits": True}
CASES = [
    Case("alexnet", "TorchvisionAlexNet", "alexnet", 64, True),
    *(Case("vgg", f"VGG{n}", f"vgg{n}", 32) for n in (11, 13, 16, 19)),
    *(Case("vgg", f"VGG{n}BN", f"vgg{n}_bn", 32) for n in (11, 13, 16, 19)),
    Case("googlenet", "GoogLeNet", "googlenet", 64, True, AUXILIARY),
    *(
        Case("resnet", f"ResNet{n}", f"resnet{n}", 64, n in (18, 50))
        for n in (18, 34, 50, 101, 152)
    ),
    *(Case("densenet", f"DenseNet{n}", f"densenet{n}", 64, n == 121) for n in (121, 161, 169, 201)),
    Case("inception_v3", "InceptionV3", "inception_v3", 299, False, AUXILIARY),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_keys_order_and_shapes(case: Case) -> None:
    with torch.device("meta"):
        theirs, ours = case.theirs(), case.ours()
    expected = [(key, tuple(value.shape)) for key, value in theirs.state_dict().items()]
    assert [(key, tuple(value.shape)) for key, value in ours.state_dict().items()] == expected
    assert [key for key, _ in ours.named_parameters()] == [k for k, _ in theirs.named_parameters()]


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.quick or ALL], ids=lambda case: case.name
)
def test_outputs_and_gradients(case: Case, training: bool) -> None:
    """In float64, both modules with one set of weights, without dropout."""
    torch.manual_seed(0)
    theirs = case.theirs().double()
    lively(theirs)
    with torch.device("meta"):
        ours = case.ours().double()
    # the very tensors: large networks need not be in memory twice
    ours.load_state_dict(theirs.state_dict(keep_vars=True), strict=True, assign=True)
    x = torch.rand(2, 3, case.size, case.size, dtype=torch.float64) * 2 - 1
    found = [run(module.train(training), x) for module in (theirs, ours)]
    for (key, a), (_, b) in zip(*(sorted(f.items()) for f in found), strict=True):
        assert a.shape == b.shape, key
        scale = max(a.abs().max().item(), 1e-300)
        assert (a - b).abs().max().item() <= 1e-9 * scale, key
    assert any(key.endswith("weight") for key in found[0])


def lively(module: nn.Module) -> None:
    """Statistics and scales that are not those of a fresh module, no dropout."""
    with torch.no_grad():
        for each in module.modules():
            if isinstance(each, nn.modules.batchnorm._BatchNorm):
                assert each.running_mean is not None and each.running_var is not None
                each.running_mean.uniform_(-0.1, 0.1)
                each.running_var.uniform_(0.5, 1.5)
                each.weight.uniform_(0.5, 1.5)
                each.bias.uniform_(-0.1, 0.1)


def run(module: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Outputs, gradients by key, and buffers after the run, which leaves the module as it was."""
    for each in module.modules():
        if isinstance(each, nn.Dropout):
            each.p = 0.0
    before = {key: value.clone() for key, value in module.named_buffers()}
    outputs = named(module(x))
    found = {f"output {name}": value.detach() for name, value in outputs.items()}
    weights = dict(module.named_parameters())
    used = sum((value * numbers(value)).sum() for value in outputs.values())
    assert isinstance(used, Tensor)
    gradients = torch.autograd.grad(
        used, list(weights.values()), allow_unused=True, materialize_grads=True
    )
    found |= dict(zip(weights, gradients, strict=True))
    found |= {key: value.double() for key, value in module.named_buffers()}
    found = {key: value.clone() for key, value in found.items()}
    with torch.no_grad():
        for key, value in module.named_buffers():
            value.copy_(before[key])
    return found


def numbers(like: Tensor) -> Tensor:
    """The same numbers for equal shapes, so that no two outputs weigh the same."""
    return torch.arange(1, like.numel() + 1, dtype=like.dtype).reshape(like.shape).sin()


def named(result: Any) -> dict[str, Tensor]:
    """Outputs by the names that torchvision has for them. Those for training come last in ours."""
    if isinstance(result, Tensor):
        return {"logits": result}
    order: dict[int, tuple[str, ...]] = {2: ("logits", "aux"), 3: ("logits", "aux1", "aux2")}
    if hasattr(result, "_fields"):
        names = {"aux_logits": "aux", "aux_logits1": "aux1", "aux_logits2": "aux2"}
        return {names.get(field, field): value for field, value in result._asdict().items()}
    return dict(zip(order[len(result)], result, strict=True))
