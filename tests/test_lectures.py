"""The arithmetic of the lectures: worked examples with known answers, and published slips."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archc

torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parent.parent
SPECS = ROOT / "specs"
ERRATA = ROOT / "docs" / "errata.md"
PAIR = re.compile(r"```arch wrong\n(.*?)```\n\n```text\n(.*?)```", re.S)


def layer(stages: str, *shape: int) -> archc.Network:
    """A network of these stages over an input of this shape."""
    dims = ", ".join(map(str, shape))
    return archc.loads(f"network N {{ input x[{dims}] output y = x -> {stages} }}")["N"]


def out_shape(stages: str, *shape: int) -> list[int]:
    ((_, found),) = layer(stages, *shape).report.outputs
    return [int(n) for n in found]


def run(stages: str, image: Any) -> Tensor:
    """What the emitted module makes of one image [C, H, W]."""
    x = torch.as_tensor(image, dtype=torch.float32)
    module = layer(stages, *x.shape).module().eval()
    with torch.no_grad():
        return module(x.unsqueeze(0))[0]  # type: ignore[no-any-return]


def kernel(rows: Sequence[Sequence[float]]) -> str:
    """A convolution of one map by one given kernel."""
    return f"conv(1, {len(rows)}, weight=[[{[list(row) for row in rows]}]], bias=false)"


# ---------------------------------------------------------------------- output sizes


@pytest.mark.parametrize(
    ("stages", "size", "expected"),
    [
        ("conv(1, 2)", 4, 3),
        ("conv(1, 3, stride=2, pad=2)", 5, 4),
        ("conv(1, 3)", 512, 510),
        ("conv(1, 11, stride=4)", 227, 55),
        ("conv(1, 11, stride=4)", 224, 54),
        ("conv(1, 11, stride=4, pad=2)", 224, 55),
        ("conv(1, 11, stride=4, pad=same)", 224, 56),
    ],
)
def test_output_sizes_of_the_lecture(stages: str, size: int, expected: int) -> None:
    """(W - F + 2P) / S + 1."""
    assert out_shape(stages, 1, size, size) == [1, expected, expected]


# Dumoulin, Visin 2016, "A guide to convolution arithmetic for deep learning": the figures of
# chapters 2 to 5, as layer, size before and size after.
GUIDE = [
    pytest.param("conv(1, 3)", 4, 2, id="2.1 no border, unit strides"),
    pytest.param("conv(1, 4, pad=2)", 5, 6, id="2.2 any border, unit strides"),
    pytest.param("conv(1, 3, pad=half)", 5, 5, id="2.3 half border"),
    pytest.param("conv(1, 3, pad=full)", 5, 7, id="2.4 full border"),
    pytest.param("conv(1, 3, stride=2)", 5, 2, id="2.5 no border, strides"),
    pytest.param("conv(1, 3, stride=2, pad=1)", 5, 3, id="2.6 border and strides"),
    pytest.param("conv(1, 3, stride=2, pad=1)", 6, 3, id="2.7 the last column is not reached"),
    pytest.param("pool(3, stride=1)", 5, 3, id="3 pooling"),
    pytest.param("conv_transpose(1, 3)", 2, 4, id="4.1 transposed 2.1"),
    pytest.param("conv_transpose(1, 4, pad=2)", 6, 5, id="4.2 transposed 2.2"),
    pytest.param("conv_transpose(1, 3, pad=half)", 5, 5, id="4.3 transposed half border"),
    pytest.param("conv_transpose(1, 3, pad=full)", 7, 5, id="4.4 transposed full border"),
    pytest.param("conv_transpose(1, 3, stride=2)", 2, 5, id="4.5 transposed strides"),
    pytest.param("conv_transpose(1, 3, stride=2, pad=1)", 3, 5, id="4.6 and border"),
    pytest.param(
        "conv_transpose(1, 3, stride=2, pad=1, output_pad=1)", 3, 6, id="4.7 and a last column"
    ),
    pytest.param("conv(1, 3, dilation=2)", 7, 3, id="5.1 dilated"),
]


@pytest.mark.parametrize(("stages", "size", "expected"), GUIDE)
def test_guide_to_convolution_arithmetic(stages: str, size: int, expected: int) -> None:
    assert out_shape(stages, 1, size, size) == [1, expected, expected]
    assert run(stages, torch.zeros(1, size, size)).shape == (1, expected, expected)


@pytest.mark.parametrize("size", range(7, 15))
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_guide_relations(size: int, k: int) -> None:
    """Relations 1, 3, 4, 6 and 14 of the guide, and 8: transposed convolution leads back."""

    def side(stages: str) -> int:
        return out_shape(stages, 1, size, size)[1]

    assert side(f"conv(1, {k})") == size - k + 1
    assert side(f"conv(1, {k}, pad=full)") == size + k - 1
    if k % 2:
        assert side(f"conv(1, {k}, pad=half)") == size
    for stride in (2, 3):
        assert side(f"conv(1, {k}, stride={stride})") == (size - k) // stride + 1
    assert side(f"conv(1, {k}) -> conv_transpose(1, {k})") == size


# ---------------------------------------------------------------------- worked convolutions


def test_convolution_of_the_lecture() -> None:
    grid = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
    cross = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    assert run(kernel(cross), [grid])[0].tolist() == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]


def test_strided_sum_of_the_lecture() -> None:
    """8 columns of rows 1..7, 11..17, ..., 71..77: 8 rows of 7."""
    grid = torch.tensor([[10.0 * i + j for j in range(1, 8)] for i in range(8)])
    sums = run("conv(1, 3, stride=2, weight=1, bias=false)", grid.unsqueeze(0))[0]
    assert sums[:2, :2].tolist() == [[108, 126], [288, 306]]
    assert sums.shape == (3, 3)


def test_vertical_edge_of_the_lecture() -> None:
    image = [[10, 10, 10, 0, 0, 0]] * 6
    found = run(kernel([[1, 0, -1]] * 3), [image])[0]
    assert found.tolist() == [[0, 30, 30, 0]] * 4
    vertical = archc.load(SPECS / "kernels.arch", sizes={"H": 6, "W": 6})["Vertical"]
    with torch.no_grad():
        same = vertical.module()(torch.tensor([[image]], dtype=torch.float32))
    assert same[0, 0, 1:-1, 1:-1].tolist() == [[0, 30, 30, 0]] * 4


def test_diagonal_detectors_of_the_lecture() -> None:
    """Each is 4 on its own diagonal, and -4 on the other."""
    falling, rising = [[1, -1], [-1, 1]], [[-1, 1], [1, -1]]
    for own, other in ((falling, rising), (rising, falling)):
        assert run(kernel(own), [own]).item() == 4
        assert run(kernel(own), [other]).item() == -4


def test_frameworks_correlate() -> None:
    """Mathematics flips the kernel; frameworks do not, and neither does archc."""
    impulse = [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    numbers = [[1, 2], [3, 4]]
    assert run(kernel(numbers), [impulse])[0].tolist() == [[4, 3], [2, 1]]


@pytest.mark.parametrize("settings", ["", ", stride=2", ", pad=1", ", stride=2, pad=1"])
def test_a_transposed_convolution_is_the_transposed_matrix(settings: str) -> None:
    """A convolution is a sparse matrix C over the units of the image; transposed, it is C^T."""
    taps = torch.arange(1.0, 10).reshape(3, 3).tolist()
    size = 5
    forward = f"conv(1, 3, weight=[[{taps}]], bias=false{settings})"
    small = out_shape(forward, 1, size, size)[1]
    units = torch.eye(size * size).reshape(-1, 1, size, size)
    module = layer(forward, 1, size, size).module()
    back = layer(
        f"conv_transpose(1, 3, weight=[[{taps}]], bias=false{settings})", 1, small, small
    ).module()
    with torch.no_grad():
        matrix = module(units).flatten(1).T  # C: [units after, units before]
        returned = back(torch.eye(small * small).reshape(-1, 1, small, small)).flatten(1).T
    assert (matrix == 0).float().mean() > 0.5
    assert torch.equal(returned, matrix.T)


def test_a_linear_layer_is_a_1x1_convolution() -> None:
    """N·M + M parameters either way; at 13 x 13 the same weights are 169 perceptrons."""
    spec = archc.load(SPECS / "fully_connected.arch")
    dense, conv = spec["FullyConnected"], spec["Convolutional"]
    assert dense.report.params == conv.report.params == 4 * 3 + 3
    one, many = dense.module(), conv.module()
    many.load_state_dict(
        {k: v.reshape(many.state_dict()[k].shape) for k, v in one.state_dict().items()}
    )
    x = torch.rand(1, 4, 13, 13)
    with torch.no_grad():
        alone = one(x[0].flatten(1).T)  # 169 perceptrons, one after the other
        together = many(x)[0].flatten(1).T
    torch.testing.assert_close(together, alone)


def test_contrast_and_brightness() -> None:
    """1.5 times the picture plus 0.15, by a network of two parameters."""
    module = archc.load(SPECS / "kernels.arch", sizes={"H": 4, "W": 6})["Contrast"].module()
    x = torch.rand(1, 1, 4, 6)
    with torch.no_grad():
        torch.testing.assert_close(module(x), 1.5 * x + 0.15)
    assert all(p.requires_grad for p in module.parameters())


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_any_number_of_channels(channels: int) -> None:
    assert layer("conv(2, 3)", channels, 8, 8).report.params == 2 * (9 * channels + 1)


def test_linear_activations_collapse() -> None:
    """A hidden layer with a linear activation adds nothing: two layers are one matrix."""
    module = layer("hidden: linear(5) -> identity -> out: linear(2)", 3).module()
    hidden, out = module.get_submodule("hidden"), module.get_submodule("out")
    assert isinstance(hidden, nn.Linear) and isinstance(out, nn.Linear)
    x = torch.rand(7, 3)
    with torch.no_grad():
        matrix = out.weight @ hidden.weight
        shift = out.weight @ hidden.bias + out.bias
        torch.testing.assert_close(module(x), x @ matrix.T + shift)


# ---------------------------------------------------------------------- dilation


def coverage(rates: Sequence[int]) -> float:
    """The share of its receptive field that a unit sees, along one axis."""
    stages = " -> ".join(f"conv(1, 3, pad=half, dilation={r}, weight=1, bias=false)" for r in rates)
    field = 1 + 2 * sum(rates)
    x = torch.zeros(1, 1, 2 * field + 1, requires_grad=True)
    module = layer(stages, 1, 2 * field + 1).module()
    module(x)[0, 0, field].backward()
    assert x.grad is not None
    seen = x.grad[0, 0].nonzero().flatten()
    assert int(seen[-1] - seen[0]) + 1 == field
    return len(seen) / field


def test_gridding() -> None:
    """The same rate again and again leaves holes; the rates of the lecture do not."""
    assert coverage([1, 2, 4, 8, 16]) == 1
    assert coverage([2, 2, 2]) == 7 / 13
    assert coverage([1, 2, 3]) == 1


# ---------------------------------------------------------------------- published figures


@pytest.mark.parametrize(
    ("spec", "network", "at", "expected"),
    [
        ("alexnet", "TorchvisionAlexNet", "features", 195),
        ("vgg", "VGG11", "features", 150),
        ("vgg", "VGG16", "features", 212),
        ("inception_v3", "InceptionV3", "Mixed_7c", 1311),
        ("resnet", "ResNet50v1", "layer4", 483),
        ("resnet", "ResNet101v1", "layer4", 1027),
        ("resnet", "ResNet152v1", "layer4", 1507),
        ("mobilenet", "MobileNetV1_100", "blocks", 315),
    ],
)
def test_receptive_fields_of_the_published_table(
    spec: str, network: str, at: str, expected: int
) -> None:
    """Araujo et al. 2019, "Computing receptive fields of convolutional neural networks"."""
    found = archc.load(SPECS / f"{spec}.arch")[network].report
    assert found.measure("receptive_field", at) == expected
    assert found.measure("stride", at) == 32


def test_connections_of_lenet5() -> None:
    """LeCun et al. 1998: "LeNet-5 contains 340,908 connections, but only 60,000 trainable free
    parameters because of the weight sharing"."""
    report = archc.load(SPECS / "lenet5_1998.arch")["LeNet5Original"].report

    def params(label: str) -> int:
        found = report.measure("params", label)
        assert isinstance(found, int)
        return found

    connections = {
        "C1": params("C1") * 28 * 28,
        "S2": 5 * 6 * 14 * 14,  # each unit sums four and adds a bias
        "C3": params("C3") * 10 * 10,
        "S4": 5 * 16 * 5 * 5,
        "C5": params("C5"),
        "F6": params("F6"),
        "out": report.frozen,
    }
    assert connections["C1"] == 122_304 and connections["S2"] == 5_880
    assert connections["C3"] == 151_600 and connections["S4"] == 2_000
    assert sum(connections.values()) == 340_908
    assert report.params == 60_000


def test_codes_of_lenet5_are_far_apart() -> None:
    """The output of a code's own picture is 0, and of every other more."""
    module = archc.load(SPECS / "lenet5_1998.arch")["LeNet5Original"].module()
    out = module.get_submodule("out")
    codes = dict(out.named_parameters())["weight"].detach()
    assert set(codes.flatten().tolist()) == {-1, 1}
    distances = out(codes)
    assert torch.equal(distances.diagonal(), torch.zeros(10))
    assert (distances + 1000 * torch.eye(10)).min() >= 4 * 6  # six pixels at least


def test_23_layers_of_the_original_unet() -> None:
    """ "In total the network has 23 convolutional layers", Ronneberger et al. 2015."""
    report = archc.load(SPECS / "unet.arch")["UNetOriginal"].report
    assert sum(row.op in ("conv", "conv_transpose") for row in report.layers()) == 23


def test_22_layers_and_5_pools_of_googlenet() -> None:
    """Four max pools between the modules and one average pool at the end; those inside have stride
    1."""
    report = archc.load(SPECS / "googlenet.arch")["GoogLeNet"].report
    assert report.depth == 22
    pools = [r for r in report.layers() if r.op == "pool" and "." not in r.path and not r.training]
    assert len(pools) == 5


def test_plain_nets_are_residual_nets_without_shortcuts() -> None:
    spec = archc.load(SPECS / "resnet_cifar.arch")
    for n in (20, 32, 44, 56, 110):
        plain, residual = spec[f"Plain{n}"].report, spec[f"ResNet{n}"].report
        assert (plain.params, plain.macs, plain.depth) == (residual.params, residual.macs, n)
        assert not any(row.op == "fuse" for row in plain.layers())


# ---------------------------------------------------------------------- slips


def slips() -> list[tuple[str, str]]:
    return [(m[1], m[2]) for m in PAIR.finditer(ERRATA.read_text(encoding="utf-8"))]


def screen(text: str) -> str:
    """What `archc check` says to a spec that stands beside those of `specs/`."""
    with pytest.raises(archc.SpecError) as caught:
        archc.loads(text, "slip.arch")
    assert {d.code for d in caught.value.diagnostics} == {"E0601"}
    return str(caught.value).strip() + "\n"


def test_errata(monkeypatch: pytest.MonkeyPatch, update_golden: bool) -> None:
    """Every slip is found, and the page shows what is printed."""
    monkeypatch.chdir(SPECS)
    assert len(slips()) >= 9
    if update_golden:
        page = ERRATA.read_text(encoding="utf-8")

        def filled(match: re.Match[str]) -> str:
            return f"```arch wrong\n{match[1]}```\n\n```text\n{screen(match[1])}```"

        ERRATA.write_text(PAIR.sub(filled, page), encoding="utf-8")
    for text, printed in slips():
        assert screen(text) == printed


def test_default_initialisation_is_not_the_slide_s() -> None:
    """U[-x, x] with x = 1 / sqrt(N), not sqrt(6 / N)."""
    torch.manual_seed(0)
    page = ERRATA.read_text(encoding="utf-8")
    example = re.search(r"```arch\n(.*?)```", page, re.S)
    assert example is not None
    spec = archc.loads(example[1])
    largest = {}
    for name, network in spec.items():
        weight = dict(network.module().named_parameters())["layer.weight"]
        largest[name] = float(weight.detach().abs().max())
    assert 0.99 / sqrt(600) < largest["Default"] <= 1 / sqrt(600)
    assert 0.99 * sqrt(6 / 600) < largest["Slide"] <= sqrt(6 / 600)


def test_alexnet_has_relu() -> None:
    for path, name in (("alexnet.arch", "AlexNet"), ("vgg.arch", "VGG16")):
        used = {row.op for row in archc.load(SPECS / path)[name].report.layers()}
        assert "relu" in used and "tanh" not in used
