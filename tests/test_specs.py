"""The networks of `specs/`: claims hold, and the emitted modules have every layer of the graph.

Modules run on PyTorch's `meta` device, where shapes and operations are real and numbers are not; so
networks of any size are compared. Some run on numbers too, at sizes that are quick.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
import torch
import torch.fx
from torch import nn

from archc.driver import Compilation, Options, compile_spec
from archc.emit.pytorch import source
from tests.support.against_torch import compare, inputs_for, module_of, output_shapes, tensors

torch.set_num_threads(1)

SPECS = Path(__file__).parent.parent / "specs"
PATHS = sorted(SPECS.glob("*.arch"))


@lru_cache(maxsize=2)
def compiled(path: Path) -> Compilation:
    return compile_spec(str(path), Options())


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_claim_holds(path: Path) -> None:
    state = compiled(path)
    assert [(d.code, d.message) for d in state.diagnostics if d.code.startswith("E")] == []
    assert state.networks
    assert [c.text for n in state.networks for c in n.claims if c.holds is not True] == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_emitted_modules_have_every_layer(path: Path) -> None:
    """Keys and shapes of the state, counts, output shapes and MACs, in training and evaluation."""
    for network in compiled(path).networks:
        assert network.report is not None
        code = source(network.graph, network.report, network.doc)
        with torch.device("meta"):
            compare(network.graph, network.report, code, large=True)


SMALL = [
    ("lenet5", "LeNet5", {}),
    ("resnet", "ResNet18", {"H": 64, "W": 96}),
    ("resnet_cifar", "ResNet20", {}),
    ("googlenet", "GoogLeNet", {}),
    ("unet", "UNet", {"H": 32, "W": 48}),
    ("hourglass", "Hg2", {"H": 64, "W": 64}),
    ("densenet", "DenseNet121", {"H": 64, "W": 64}),
]
"""Spec, network, sizes that are quick."""


@pytest.mark.parametrize(("spec", "name", "sizes"), SMALL, ids=[name for _, name, _ in SMALL])
def test_small_ones_run_on_numbers(spec: str, name: str, sizes: dict[str, int]) -> None:
    """Numbers come out, of the shapes that the graph has for these sizes; the emitted code is that
    of the usual sizes."""
    path = str(SPECS / f"{spec}.arch")
    usual = compile_spec(path, Options(network=name))[name]
    there = compile_spec(path, Options(network=name, sizes=sizes))[name].graph
    torch.manual_seed(0)
    module = module_of(source(usual.graph, usual.report, usual.doc), name)
    for training in (True, False):
        module.train(training)
        with torch.no_grad():
            ys = tensors(module(*inputs_for(there, 2)))
        assert [tuple(y.shape[1:]) for y in ys] == output_shapes(there, training)
        assert all(torch.isfinite(y).all() for y in ys)


@pytest.mark.parametrize(
    ("spec", "most"), [("resnet", 60), ("googlenet", 60), ("hrnet", 90), ("unet", 30)]
)
def test_specs_stay_as_short_as_a_paper_s_table(spec: str, most: int) -> None:
    """Comments and claims included."""
    assert len((SPECS / f"{spec}.arch").read_text().splitlines()) <= most


TRACED = [
    ("resnet", "ResNet18"), ("vgg", "VGG16BN"), ("googlenet", "GoogLeNet"), ("lenet5", "LeNet5"),
    ("densenet", "DenseNet121"), ("inception_v3", "InceptionV3"), ("unet", "UNet"),
    ("xception", "Xception"), ("regnet", "RegNetX400MF"), ("mobilenet", "MobileNetV2"),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "name"), TRACED, ids=[name for _, name in TRACED])
def test_operators_are_the_nodes_of_a_traced_module(spec: str, name: str) -> None:
    network = compiled(SPECS / f"{spec}.arch")[name]
    assert network.report is not None
    with torch.device("meta"):
        module = module_of(source(network.graph, network.report, network.doc), name).eval()
    traced = torch.fx.symbolic_trace(module)
    done = [
        node
        for node in traced.graph.nodes
        if node.op in ("call_function", "call_method")
        or (node.op == "call_module" and type(traced.get_submodule(node.target)) is not nn.Identity)
    ]
    assert network.report.measure("operators") == len(done)
