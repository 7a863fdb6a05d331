"""Transforms compute the same; `archc show` prints what checks and has the same figures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc
from archc.api import Network
from archc.driver import Compiled, compile_spec, transformed
from archc.emit.arch import source as text_of
from archc.source import Source
from archc.transforms import NAMES, TransformError, apply
from tests.support.against_torch import tensors

torch.set_num_threads(1)

SPECS = Path(__file__).parent.parent / "specs"
PATHS = sorted(SPECS.glob("*.arch"))
FIGURES = ["params", "frozen", "buffers", "macs", "neurons", "depth", "memory", "receptive_field"]
FIGURES += ["auxiliary", "inputs", "outputs"]

KINDS = """
# Every way in which a normalisation can stand after a layer, or not.
block Unit(width: int) = (conv(width, 3, pad=half, bias=false) -> batchnorm -> relu)
block Join(width: int) {
  input xs
  output fuse(xs[0], xs[1]) -> norm: batchnorm
    -> mix: conv(width, 1) -> out: batchnorm(affine=false)
}
network Kinds {
  input image[3, 16, 16]
  share both = (conv(8, 3, pad=half) -> batchnorm -> relu)
  share alone = batchnorm(eps=0.01)
  a = image
    -> stem: (batchnorm -> conv(8, 3, pad=half, bias_init=0.5) -> batchnorm -> relu -> Unit(8))
  b = a -> both -> both -> c0: conv(8, 3, pad=half) -> alone
  c = b -> c1: conv(8, 1, frozen=true, init=zeros) -> alone
  d = [b, c] -> join: Join(8)
    -> up: (conv_transpose(12, 2, stride=2, groups=4) -> batchnorm -> relu)
  e = d -> e1: conv(6, 1)
  kept = e -> e2: batchnorm
  f = fuse(e, kept)
    -> skip { body: conv(6, 3, pad=half) -> batchnorm } via beside: (conv(6, 1) -> batchnorm)
  output logits = f -> pool(global, by=avg) -> flatten
    -> head: (
         linear(10, bias=false) -> batchnorm -> relu -> dropout(0.3)
         -> linear(4) -> batchnorm(eps=0.1)
       )
}
"""

HEADS = """
# What may stand between a map and the output.
network Heads {
  input image[2, H=12, W=16]
  x = image -> stem: conv(6, 3, pad=1, stride=2) -> relu
  output wide = x -> flatten -> dropout(0.5)
    -> a: (linear(7) -> tanh -> batchnorm -> linear(5, bias=false))
  output mean = x -> pool(global, by=avg) -> relu -> flatten
    -> b: (linear(8, weight=0.25) -> softmax)
  output grid = x -> pool(to=[3, 2]) -> flatten
    -> c: (linear(4) -> layernorm -> prelu(per=channel) -> linear(3))
  output uneven = x -> pool(to=[4, 3]) -> flatten -> f: linear(6)
  output same = x -> pool(to=[6, 8], by=avg) -> flatten -> d: linear(2)
  e1 = x -> e1: (pool(global) -> flatten)
  e2 = x -> e2: (pool(global, by=avg) -> flatten)
  both = fuse(e1, e2, by=concat)
  output joined = both -> e: linear(9)
}
"""

PERCEPTRONS = """
network Perceptrons {
  input x[4, 1, 1]
  output y = x -> flatten -> hidden: linear(3) -> relu -> out: linear(2)
}
"""


def lively(module: nn.Module) -> None:
    """Statistics and scales that are not those of a fresh module."""
    with torch.no_grad():
        for each in module.modules():
            own = [*each.named_parameters(recurse=False), *each.named_buffers(recurse=False)]
            for key, value in own:
                scale = "norm" in type(each).__name__.lower() and key == "weight"
                if key == "running_var" or scale:
                    value.uniform_(0.5, 1.5)
                elif value.dim() == 1:
                    value.uniform_(-0.3, 0.3)


def both(network: Network, name: str) -> tuple[nn.Module, nn.Module, Network]:
    """The module before and after a transform, with the same trained weights, for inference."""
    torch.manual_seed(0)
    before = network.module().double().eval()
    lively(before)
    changed, state = apply(before, network, name)
    after = changed.module().double().eval()
    after.load_state_dict(state, strict=True)
    assert list(state) == list(after.state_dict())
    return before, after, changed


def image(network: Network, scale: int = 1) -> list[Tensor]:
    shapes = [shape for _, shape in network.report.inputs]
    sizes = [(shape[0], *(scale * n for n in shape[1:])) for shape in shapes]
    return [torch.rand(2, *shape, dtype=torch.float64) - 0.5 for shape in sizes]


def assert_equal(a: list[Tensor], b: list[Tensor]) -> None:
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        assert (x.flatten(1) - y.flatten(1)).abs().max() <= 1e-9 * x.abs().max()


def named(spec: str, name: str, sizes: dict[str, int] | None = None) -> Network:
    return archc.load(SPECS / f"{spec}.arch", sizes=sizes)[name]


SMALL: list[tuple[str, str, dict[str, int] | None]] = [
    ("lenet5", "LeNet5", None),
    ("lenet5", "LectureConvNet", None),
    ("resnet", "ResNet18", {"H": 64, "W": 96}),
    ("resnet_cifar", "ResNet20", None),
    ("mobilenet", "MobileNetV2", {"H": 64, "W": 64}),
    ("densenet", "DenseNet121", {"H": 64, "W": 64}),
    ("googlenet", "GoogLeNet", {"H": 64, "W": 64}),
    ("segnet", "SegNet", {"H": 40, "W": 64}),
]


# ---------------------------------------------------------------------------- equal outputs


@pytest.mark.parametrize(("spec", "name", "sizes"), SMALL, ids=[name for _, name, _ in SMALL])
@pytest.mark.parametrize("transform", NAMES)
def test_networks_give_equal_outputs(
    transform: str, spec: str, name: str, sizes: dict[str, int] | None
) -> None:
    network = named(spec, name, sizes)
    before, after, changed = both(network, transform)
    xs = image(network)
    with torch.no_grad():
        assert_equal(tensors(before(*xs)), tensors(after(*xs)))
    if transform == "fold-batchnorm":
        assert not any(
            row.op == "batchnorm" for row in changed.report.layers() if name != "DenseNet121"
        )
    else:
        assert not any(row.op in ("linear", "flatten") for row in changed.report.layers())
        assert changed.report.params == network.report.params
        assert changed.report.macs == network.report.macs


def test_folding_every_kind() -> None:
    network = archc.loads(KINDS)["Kinds"]
    before, after, changed = both(network, "fold-batchnorm")
    xs = image(network)
    with torch.no_grad():
        assert_equal(tensors(before(*xs)), tensors(after(*xs)))
    norms = [row.path for row in changed.report.layers() if row.op == "batchnorm"]
    # before the first layer; used after two convolutions, of which neither may have it; after a sum
    # (the block's `norm`, and beside the value that is joined with it)
    assert norms == ["stem.0", "alone", "alone", "join.norm", "e2"]
    assert list(after.state_dict())[5:9] == [
        "stem.1.weight",
        "stem.1.bias",
        "stem.3.0.weight",
        "stem.3.0.bias",
    ]


def test_convolutionalizing_every_kind() -> None:
    network = archc.loads(HEADS)["Heads"]
    before, after, changed = both(network, "convolutionalize")
    xs = image(network)
    with torch.no_grad():
        assert_equal(tensors(before(*xs)), tensors(after(*xs)))
        shapes = [tuple(y.shape[1:]) for y in tensors(after(*image(network, 2)))]
    # a window at each place where it fits; a pool of several window sizes stays one place
    assert shapes == [(5, 7, 9), (8, 7, 9), (3, 4, 3), (6, 1, 1), (2, 7, 9), (9, 7, 9)]
    assert {row.path: row.op for row in changed.report.layers()}["a.0"] == "conv"


def test_perceptrons_run_in_parallel() -> None:
    """At 13 x 13 x 4 the same weights are 169 perceptrons."""
    network = archc.loads(PERCEPTRONS)["Perceptrons"]
    before, after, changed = both(network, "convolutionalize")
    x = torch.rand(1, 4, 13, 13, dtype=torch.float64)
    with torch.no_grad():
        maps = after(x)
        each = before(x.permute(0, 2, 3, 1).reshape(169, 4, 1, 1))
    assert maps.shape == (1, 2, 13, 13)
    assert torch.allclose(maps[0].flatten(1).T, each, atol=1e-12)
    assert changed.report.params == network.report.params == 4 * 3 + 3 + 3 * 2 + 2


def test_a_larger_image_gives_a_map_of_windows() -> None:
    """Each output of the convolutional LeNet-5 is the classifier on a window, every 4 pixels."""
    network = named("lenet5", "LeNet5")
    before, after, _ = both(network, "convolutionalize")
    x = torch.rand(1, 1, 44, 40, dtype=torch.float64)
    with torch.no_grad():
        maps = after(x)
        assert maps.shape == (1, 10, 4, 3)
        for i in range(4):
            for j in range(3):
                window = x[:, :, 4 * i : 4 * i + 32, 4 * j : 4 * j + 32]
                assert torch.allclose(maps[:, :, i, j], before(window), atol=1e-12)


def test_one_after_the_other() -> None:
    network = named("resnet", "ResNet18", {"H": 64, "W": 64})
    before, after, middle = both(network, "fold-batchnorm")
    last, state = apply(after, middle, "convolutionalize")
    module = last.module().double().eval()
    module.load_state_dict(state)
    xs = image(network)
    with torch.no_grad():
        assert_equal(tensors(before(*xs)), tensors(module(*xs)))
    assert last.report.outputs == [("logits", (1000, 1, 1))]


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ("flatten -> a: linear(12) -> unflatten([3, 2, 2])", "`unflatten` after `flatten`"),
        ("flatten -> a: rbf(3)", "`rbf` after `flatten`"),
        ("flatten -> a: batchnorm -> b: linear(2)", "`batchnorm` after `flatten`"),
    ],
)
def test_what_has_no_form_over_maps_is_refused(layers: str, said: str) -> None:
    text = f"network Net {{ input x[2, 4, 4] output x -> {layers} }}"
    with pytest.raises(TransformError, match=said):
        archc.loads(text)["Net"].transform("convolutionalize")


# ---------------------------------------------------------------------------- as text


def rows(network: Compiled) -> list[Any]:
    """Layers with all that is known of them. The names of joins are counted, and theirs alone."""
    assert network.report is not None
    return [
        (row.path if row.op != "fuse" else "", row.op, row.args, row.shape, row.params, row.module)
        for row in network.report.layers()
    ]


def assert_says_the_same(network: Compiled) -> None:
    """What `show` prints is a spec without mistakes, of the same network."""
    text = text_of(network.graph, network.doc)
    state = compile_spec("-", source=Source("shown", text))
    assert [(d.code, d.message) for d in state.diagnostics if d.code.startswith("E")] == [], text
    again = state[network.name]
    assert rows(again) == rows(network)
    for figure in FIGURES:
        assert getattr(again.report, figure) == getattr(network.report, figure), figure


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_what_is_shown_checks(path: Path) -> None:
    """Of a family, the first two; all where `make verify-all` asks for it."""
    networks = compile_spec(str(path)).networks
    for network in networks if os.environ.get("ARCHC_ALL") else networks[:2]:
        assert_says_the_same(network)


@pytest.mark.parametrize("transform", NAMES)
@pytest.mark.parametrize("text", [KINDS, HEADS], ids=["Kinds", "Heads"])
def test_what_is_shown_after_a_transform_checks(text: str, transform: str) -> None:
    (network,) = compile_spec("-", source=Source("text", text)).networks
    try:
        changed = transformed(network, [transform])
    except TransformError:
        assert (text, transform) == (KINDS, "convolutionalize")
        return
    assert_says_the_same(changed)


@pytest.mark.parametrize("spec", ["resnet", "densenet", "hrnet", "vgg", "mobilenet", "mask_rcnn"])
def test_blocks_are_shown_after_both_transforms(spec: str) -> None:
    for network in compile_spec(str(SPECS / f"{spec}.arch")).networks[:3]:
        assert_says_the_same(transformed(network, list(NAMES)))


# ---------------------------------------------------------------------------- command line


def command(*args: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "archc", *args], input=text, capture_output=True, text=True
    )


def test_show_and_build_on_the_command_line(tmp_path: Path) -> None:
    spec = str(SPECS / "vgg.arch")
    both_of = ["--transform", "convolutionalize", "--transform", "fold-batchnorm"]
    shown = command("show", spec, "--network", "VGG16BN", *both_of)
    assert shown.returncode == 0
    assert "conv(4096, 7) -> relu" in shown.stdout and "batchnorm" not in shown.stdout
    assert command("check", "-", text=shown.stdout).returncode == 0
    built = command(
        "build", spec, "--network", "VGG16BN", *both_of, "--emit", "model", "-o", str(tmp_path)
    )
    assert built.returncode == 0
    code = (tmp_path / "vgg16bn.py").read_text()
    assert "nn.Linear" not in code and "BatchNorm" not in code and "flatten" not in code


def test_show_refuses_in_words() -> None:
    refused = command("show", str(SPECS / "yolo.arch"), "--transform", "convolutionalize")
    assert refused.returncode == 1
    assert "`unflatten` after `flatten` has no form over maps" in refused.stderr
    assert refused.stdout == ""
