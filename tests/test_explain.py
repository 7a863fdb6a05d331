"""`archc explain`: every sum that it shows is worked out anew and held against the report."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import re
import shutil
from pathlib import Path

import pytest

from archc.analysis import LayerRow, Report
from archc.analysis.explain import (
    BlockExplained,
    Explainer,
    InputExplained,
    LayerExplained,
    UnknownLabel,
)
from archc.analysis.explain.cell import Asked
from archc.analysis.explain.model import Sum
from archc.analysis.explain.numbers import CellError, Tensor, counting, weight_of
from archc.cli import main
from archc.driver import compile_spec
from archc.ops.conv import Conv, ConvTranspose, LocallyConnected
from archc.ops.dense import Linear, Rbf
from archc.source import Source
from tests.support.random_nets import random_net

SPECS = Path(__file__).resolve().parent.parent / "specs"
MOST_FIELDS = 5
OFFSET = 5
"""What counting numbers are lowered by against torch, so that some are negative."""


def worked_out(text: str) -> float:
    """The value of a sum as it is written on the board."""
    assert re.fullmatch(r"[\d,.\s()+/·⌊⌋⌈⌉-]+", text), text
    for sign, python in (
        (",", ""), ("·", "*"), ("⌊", "math.floor("), ("⌈", "math.ceil("), ("⌋", ")"), ("⌉", ")"),
    ):  # fmt: skip
        text = text.replace(sign, python)
    return float(eval(text, {"math": math}))


def holds(sum_: Sum) -> bool:
    return worked_out(sum_.text) == sum_.value


def networks(path: Path) -> list[Report]:
    reports = [n.report for n in compile_spec(str(path), stop_after="analysis").networks]
    return [report for report in reports if report is not None]


def explainer(text: str) -> Explainer:
    state = compile_spec("-", source=Source("net.arch", text))
    assert [d for d in state.diagnostics if d.severity == "error"] == []
    report = state.networks[-1].report
    assert report is not None
    return Explainer(report)


def layer(made: Explainer, label: str) -> LayerExplained:
    found = made.explain(label)
    assert isinstance(found, LayerExplained)
    return found


def block(made: Explainer, label: str = "") -> BlockExplained:
    found = made.explain(label)
    assert isinstance(found, BlockExplained)
    return found


# ---------------------------------------------------------------------------- against the report


def check_sums(made: LayerExplained, row: LayerRow) -> None:
    """All that is said of a layer but its receptive field."""
    work = made.work
    assert made.path == row.path
    assert made.shape == row.shape
    assert tuple(size.sum.value for size in made.sizes) == row.shape
    assert work.params.value == row.params
    assert work.frozen.value == row.frozen
    assert work.buffered.value == row.buffers
    assert work.macs.value == row.macs
    assert work.neurons.value == row.neurons
    assert [end.path for end in made.reads] == row.inputs
    sums = [size.sum for size in made.sizes]
    sums += [tensor.sum for tensor in (*work.tensors, *work.buffers)]
    for sum_ in (*sums, work.params, work.frozen, work.buffered, work.macs, work.neurons):
        assert holds(sum_), f"{made.path}: {sum_}"


def check_steps(made: LayerExplained, row: LayerRow) -> None:
    """The steps back end at the report's figure, and each sum gives the size beside it."""
    if made.seen is None:
        assert row.receptive_field is None
        return
    assert made.seen.field == row.receptive_field
    assert made.seen.exact
    if made.seen.steps:
        assert made.seen.steps[-1].field == row.receptive_field
    for step in made.seen.steps:
        for sum_, axis in zip(step.sums, step.field.axes, strict=True):
            if sum_ is not None:
                assert axis is not None
                assert holds(sum_)
                assert sum_.value == axis.size
        if step.arms:
            assert step.taken in [arm.path for arm in step.arms]


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.arch")), ids=lambda path: path.stem)
def test_every_layer_of_every_spec(path: Path) -> None:
    """Each distinct layer's sums; the receptive fields of some layers of each network."""
    known: set[str] = set()
    for report in networks(path):
        if report.depth > 500:
            continue  # the layers of ResNet-1202 are those of its smaller sisters
        made = Explainer(report)
        rows = list(report.layers())
        assert [node.path for node in made.flat.nodes] == [row.path for row in rows]
        every = max(1, len(rows) // MOST_FIELDS)
        for i, (node, row) in enumerate(zip(made.flat.nodes, rows, strict=True)):
            key = f"{row.op} {row.args} {[made.flat.shape(v) for v in node.inputs]} {node.owned}"
            if key in known and i % every:
                continue
            known.add(key)
            explained = made.layer(node, field=i % every == 0)
            check_sums(explained, row)
            if i % every == 0:
                check_steps(explained, row)


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(SPECS.glob("*.arch")), ids=lambda path: path.stem)
def test_fields_of_every_spec(path: Path) -> None:
    """The way back from many more layers of each network."""
    for report in networks(path):
        made = Explainer(report)
        every = 1 + len(made.flat.nodes) // 60
        for i, (node, row) in enumerate(zip(made.flat.nodes, report.layers(), strict=True)):
            if i % every == 0:
                check_steps(made.layer(node), row)


@pytest.mark.parametrize("seed", range(6))
def test_random_networks(seed: int) -> None:
    """Every layer and block of networks that nobody would draw; a unit of each layer."""
    state = compile_spec("-", source=Source("net.arch", random_net(seed).text))
    for network in state.networks:
        assert network.report is not None
        made = Explainer(network.report)
        for node, row in zip(made.flat.nodes, network.report.layers(), strict=True):
            explained = made.layer(node)
            check_sums(explained, row)
            assert (explained.seen and explained.seen.field) == row.receptive_field
            with contextlib.suppress(CellError):
                made.cell(node.path, Asked((0,) * max(1, len(row.shape) - 1)))
        for scope, around in zip(made.flat.scopes, network.report.scopes(), strict=True):
            if scope.first < scope.last:
                found = made.block(scope, field=False)
                assert (found.params.value, found.macs.value) == (around.params, around.macs)


@pytest.mark.parametrize("name", ["googlenet", "mask_rcnn", "lenet5_1998", "seresnet", "hrnet"])
def test_blocks_are_the_sums_of_their_parts(name: str) -> None:
    report = networks(SPECS / f"{name}.arch")[0]
    made = Explainer(report)
    rows = list(report.scopes())
    seen = dict.fromkeys(row.path for row in rows)
    assert [scope.path for scope in made.flat.scopes if scope.last > scope.first]
    for path in list(seen)[:40]:
        row = next(r for r in rows if r.path == path)
        found = made.explain(path)
        if isinstance(found, LayerExplained):  # a block of one stage is that stage
            assert found.work.params.value == row.params
            continue
        assert isinstance(found, BlockExplained)
        got = [s.value for s in (found.params, found.frozen, found.buffered, found.macs)]
        assert got == [row.params, row.frozen, row.buffers, row.macs]
        assert found.neurons.value == row.neurons
        for sum_ in (found.params, found.frozen, found.buffered, found.macs, found.neurons):
            assert holds(sum_)
        assert found.shapes[0] == row.shape
        assert (found.seen and found.seen.field) == row.receptive_field


def test_every_scope_of_a_network_with_shared_blocks() -> None:
    """Its sums are the report's, also where its weights are counted at an earlier use."""
    report = networks(SPECS / "mask_rcnn.arch")[0]
    made = Explainer(report)
    for scope, row in zip(made.flat.scopes, report.scopes(), strict=True):
        assert scope.path == row.path
        if not scope.owned:
            assert row.params == 0
        if scope.last - scope.first > 1:
            found = made.block(scope, field=False)
            assert (found.params.value, found.macs.value) == (row.params, row.macs)
            assert (found.buffered.value, found.neurons.value) == (row.buffers, row.neurons)


def test_the_network_is_the_sum_of_its_parts() -> None:
    for name in ("googlenet", "resnet", "mask_rcnn", "lenet5_1998"):
        report = networks(SPECS / f"{name}.arch")[0]
        whole = block(Explainer(report))
        assert whole.params.value == report.params + report.auxiliary_params
        assert whole.macs.value == report.macs + report.auxiliary_macs
        assert whole.frozen.value == report.frozen


# ---------------------------------------------------------------------------- one unit, by torch


CELLS = [
    ("conv(4, 3)", (2, 6, 7)),
    ("conv(4, 3, stride=2, pad=1)", (2, 6, 7)),
    ("conv(6, [3, 5], stride=[1, 2], pad=[[0, 2], [1, 3]], dilation=[2, 1], groups=2)", (4, 9, 8)),
    ("conv(2, 3, pad=same, stride=2)", (1, 7, 8)),
    ("conv(3, 4, pad=same)", (2, 7, 8)),
    ("conv(2, 3, pad=2, pad_mode=reflect)", (2, 5, 5)),
    ("conv(2, 3, pad=2, pad_mode=replicate, bias=false)", (2, 5, 5)),
    ("conv(2, 3, pad=2, pad_mode=circular)", (2, 5, 5)),
    ("conv(3, 3, groups=3)", (3, 5, 5)),
    ("conv(3, 5, stride=2)", (2, 13)),
    ("conv(2, 2, pad=1)", (2, 3, 4, 5)),
    ("conv(1, 3, weight=[[[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]]], bias=[0.5])", (1, 5, 6)),
    ("conv(2, 3, init=dirac, bias_init=2)", (2, 5, 5)),
    ("conv_transpose(2, 4, stride=2, init=bilinear, groups=2)", (2, 4, 4)),
    ("conv_transpose(4, 3, stride=2, pad=1, output_pad=1)", (3, 4, 5)),
    ("conv_transpose(4, 2, stride=3, groups=2)", (2, 4, 4)),
    ("conv_transpose(2, 3, stride=2, dilation=2, pad=same)", (2, 4, 4)),
    ("conv_transpose(2, 3, stride=2)", (2, 5)),
    ("locally_connected(2, 3, stride=2, pad=1)", (2, 5, 6)),
    ("linear(5)", (7,)),
    ("linear(3, over=channels, bias=false)", (4, 3, 2)),
    ("pool(2)", (2, 5, 5)),
    ("pool(3, stride=2, pad=1)", (2, 6, 6)),
    ("pool(3, stride=2, ceil=true)", (2, 6, 6)),
    ("pool(3, stride=2, pad=1, dilation=2)", (2, 9, 9)),
    ("pool(3, stride=2, pad=1, by=avg, ceil=true)", (2, 6, 6)),
    ("pool(3, stride=2, pad=1, by=avg, count_pad=false)", (2, 6, 6)),
    ("pool(3, stride=2, pad=1, by=avg, count_pad=false, ceil=true)", (2, 6, 6)),
    ("pool(3, stride=2, pad=same, by=avg)", (2, 6, 6)),
    ("pool(3, stride=2, pad=same, by=avg, count_pad=true)", (2, 6, 6)),
    ("pool(3, stride=2, pad=same)", (2, 6, 7)),
    ("pool(2, by=sum)", (2, 4, 4)),
    ("pool(2, pad=1, by=sum)", (2, 6)),
    ("pool(2, by=avg)", (2, 4, 4, 4)),
    ("pool(global, by=avg)", (2, 3, 4)),
    ("pool(global)", (2, 3, 4)),
    ("pool(global, by=sum)", (2, 3, 4)),
    ("pool(to=[3, 2], by=avg)", (2, 7, 5)),
    ("pool(to=[3, 2])", (2, 7, 5)),
    *[(name, (2, 3, 3)) for name in (
        "relu", "relu6", "leaky_relu(0.2)", "elu(0.5)", "gelu", "gelu(approximate=tanh)", "silu",
        "hardswish", "hardsigmoid", "sigmoid", "tanh", "scaled_tanh", "softplus", "exp",
        "identity", "prelu", "prelu(per=channel, init=0.5)", "batchnorm",
        "batchnorm(init=2, bias_init=1)", "scale", "scale(init=0.5)", "dropout", "softmax",
        "softmax(over=places)", "softplus(beta=2, threshold=3)", "layernorm",
        "layernorm(over=channels, init=2, bias_init=1)", "layernorm(affine=false, eps=0.1)",
        "groupnorm(2)", "groupnorm(1, init=3)", "instancenorm", "instancenorm(affine=true)",
        "instancenorm(track_stats=true)", "lrn(3, alpha=0.5)", "lrn(2)",
    )],
    ("rbf(3)", (5,)),
    ("layernorm", (6,)),
    ("maxout(2)", (4, 3, 3)),
    ("flatten", (2, 3, 4)),
    ("unflatten([2, 3, 4])", (24,)),
    ("channel_shuffle(2)", (6, 2, 2)),
    ("pixel_shuffle(2)", (8, 2, 3)),
    ("upsample(2)", (2, 3, 3)),
    ("upsample(1.5)", (2, 4, 4)),
    ("upsample(0.5)", (2, 6, 6)),
    ("upsample(to=[5, 7])", (2, 3, 4)),
    ("upsample(2, by=bilinear)", (2, 3, 4)),
    ("upsample(1.5, by=bilinear, align_corners=true)", (2, 4, 6)),
    ("upsample(to=[5, 3], by=bilinear)", (2, 3, 4)),
    ("upsample(to=[1, 8], by=bilinear, align_corners=true)", (2, 3, 4)),
    ("upsample(2, by=linear)", (2, 5)),
    ("upsample(2, by=trilinear)", (1, 2, 3, 2)),
    ("pad(2, by=reflect)", (2, 4, 4)),
    ("pad(2, by=circular)", (2, 4, 4)),
    ("pad([2, 1], by=replicate)", (2, 4, 4)),
    ("pad(to=[6, 7])", (2, 3, 3)),
    ("crop(to=[2, 3])", (2, 5, 5)),
    ("crop(to=[2, 3], at=[0, 1])", (2, 5, 5)),
    ("pad([[1, 2], [0, 1]], value=7)", (2, 3, 3)),
    ("pad([1, 2], over=channels)", (2, 3, 3)),
    ("crop(1)", (2, 4, 5)),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "shape"), CELLS, ids=lambda value: str(value))
def test_cells_agree_with_torch(stage: str, shape: tuple[int, ...]) -> None:
    """Every unit, with the numbers that the board shows put into the emitted module."""
    import torch

    import archc

    net = archc.loads(f"network N {{ input x{list(shape)} output y = x -> it: {stage} }}")["N"]
    made = Explainer(net.report)
    node = made.flat.nodes[-1]
    op, x = made.operator(node)
    module = net.module().double().eval()
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            numbers = weight_of(op, x, name.rpartition(".")[2])
            if isinstance(op, (Conv, ConvTranspose, LocallyConnected, Linear, Rbf)):
                for index in itertools.product(*map(range, tensor.shape)):
                    tensor[index] = numbers[index]
        picture = counting(x)
        image = torch.empty(x, dtype=torch.float64)
        for index in itertools.product(*map(range, x)):
            image[index] = picture[index] - OFFSET
        result = module(image.unsqueeze(0))[0]

    def lower(shape: tuple[int, ...]) -> Tensor:
        return Tensor(shape, lambda index: counting(shape)[index] - OFFSET, "counts from below 0")

    for index in itertools.product(*map(range, result.shape)):
        at, channel = (index, None) if len(index) == 1 else (index[1:], index[0])
        cell = made.cell("it", Asked(at, channel, lower))
        assert cell.result == pytest.approx(float(result[index]), rel=1e-9, abs=1e-9), index


def test_several_inputs_and_a_learned_slope() -> None:
    net = """
    network N {
      input a[2, 3, 3]
      input b[2, 3, 3]
      output s = fuse(a, b)
      output p = fuse(a, b, by=product)
      output d = fuse(a, b, by=difference)
      output m = fuse(a, b, by=max)
      output n = fuse(a, b, by=mean)
      output c = fuse(a, b, by=concat)
    }
    """
    made = explainer(net)
    # At (0, 1) of channel 0 there is 2 in the first input and 3 in the second.
    got = [made.cell(f"fuse{i}", Asked((0, 1))).result for i in range(1, 7)]
    assert got == [5, 6, -1, 3, 2.5, 2]
    assert made.cell("fuse6", Asked((0, 1), 3)).result == 4


# ---------------------------------------------------------------------------- labels


LABELS = """
block Unit(width: int) { input x[C, ...]
  output x -> conv1: conv(width, 3, pad=half) -> relu -> conv2: conv(width, 3, pad=half) }
network Net {
  input image[3, 16, 16]
  features = image -> stem: conv(8, 3) -> stage: repeat 4 { Unit(8) } -> taps[0][1]: pool(2)
  output y = features -> flatten -> fc: linear(10)
}
"""


@pytest.mark.parametrize(
    ("label", "path"),
    [
        ("stem", "stem"),
        ("stage.2.conv1", "stage.2.conv1"),
        ("stage[2].conv1", "stage.2.conv1"),
        (" taps[0][1] ", "taps.0.1"),
        ("features", "taps.0.1"),
        ("image", "image"),
        ("stage", "stage"),
        ("stage.1", "stage.1"),
        ("stage.1 … 3", "stage.1 … stage.3"),
        ("stage.1 … 3  ×3", "stage.1 … stage.3"),
        ("stage.1..3", "stage.1 … stage.3"),
        ("stage[1]...stage[3]", "stage.1 … stage.3"),
        (".0.conv2", "stage.0.conv2"),
        ("", ""),
    ],
)
def test_labels(label: str, path: str) -> None:
    assert explainer(LABELS).explain(label).path == path


@pytest.mark.parametrize(
    ("label", "meant"),
    [("stam", "stem"), ("stage.2.conv7", "stage.2.conv1"), ("stage.1 … 9", None), ("zz", None)],
)
def test_unknown_labels(label: str, meant: str | None) -> None:
    with pytest.raises(UnknownLabel) as caught:
        explainer(LABELS).explain(label)
    if meant is not None:
        assert caught.value.meant == meant
    assert caught.value.top == ["image", "stage", "stem", "taps", "flatten1", "fc"]


def test_every_path_of_the_table_is_a_label(capsys: pytest.CaptureFixture[str]) -> None:
    """What stands in the first column of `check`, ranges and short names included."""
    spec = str(SPECS / "resnet.arch")
    made = Explainer(networks(SPECS / "resnet.arch")[0])
    assert main(["check", spec, "--network", "ResNet50", "--color", "never"]) == 0
    lines = capsys.readouterr().out.split("\n\n")[1].splitlines()[1:]
    inside = ""
    for line in lines:
        name = re.split(r"\s{2,}", line.strip())[0]
        if name.startswith("."):
            name = inside + name
        else:
            inside = name
        made.explain(name)
    assert len(lines) > 12


def test_a_range_is_its_sum() -> None:
    found = block(explainer(LABELS), "stage.1 … 3")
    assert [part.path for part in found.parts] == ["stage.1", "stage.2", "stage.3"]
    assert found.params.value == 3 * 2 * (8 * 8 * 9 + 8)
    assert holds(found.params)
    assert [end.path for end in found.reads] == ["stage.0.conv2"]
    assert found.read_by == ("taps.0.1",)


def test_ends_and_inputs() -> None:
    made = explainer(LABELS)
    image = made.explain("image")
    assert isinstance(image, InputExplained)
    assert image.shape == (3, 16, 16)
    assert image.read_by == ("stem",)
    assert layer(made, "fc").read_by == ("output y",)
    assert layer(made, "stage.0.relu1").reads[0].path == "stage.0.conv1"


# ---------------------------------------------------------------------------- words


def sums(made: LayerExplained) -> list[str]:
    return [f"{size.axis}: {size.sum}" for size in made.sizes]


@pytest.mark.parametrize(
    ("stage", "shape", "said", "note"),
    [
        ("conv(96, 11, stride=4)", (3, 227, 227), "(227 - 11 + 2·0) / 4 + 1 = 55", ""),
        ("conv(9, 7, stride=2, pad=3)", (3, 224, 224), "⌊(224 - 7 + 2·3) / 2⌋ + 1 = 112",
         "1 unit of the padding at the end is in no window"),
        ("conv(9, 1, stride=2)", (3, 8, 8), "⌊(8 - 1 + 2·0) / 2⌋ + 1 = 4",
         "the last unit is in no window"),
        ("conv(9, 3, dilation=2, pad=half)", (3, 28, 28), "(28 - 5 + 2·2) / 1 + 1 = 28",
         "2·(3 - 1) + 1 = 5"),
        ("conv(9, 3, stride=2, pad=same)", (3, 28, 28), "28 / 2 = 14", "0 before and 1 after"),
        ("conv(9, 3, stride=2, pad=same)", (3, 27, 27), "⌈27 / 2⌉ = 14", "1 before and 1 after"),
        ("conv(9, 1, stride=2, pad=same)", (3, 28, 28), "28 / 2 = 14", "so none"),
        ("pool(3, stride=2, ceil=true)", (3, 112, 112), "⌈(112 - 3 + 2·0) / 2⌉ + 1 = 56",
         "hangs over by 1"),
        ("pool(2, stride=3, ceil=true)", (3, 30, 30), "⌈(30 - 2 + 2·0) / 3⌉ + 1 - 1 = 10",
         "left out"),
        ("conv_transpose(9, 4, stride=2, pad=1)", (3, 14, 14), "(14 - 1)·2 + 4 - 2·1 = 28", ""),
        ("conv_transpose(9, 3, stride=2, pad=1, output_pad=1)", (3, 14, 14),
         "(14 - 1)·2 + 3 - 2·1 + 1 = 28", ""),
        ("conv_transpose(9, 2, stride=3, pad=same)", (3, 14, 14), "14 · 3 = 42", "1 added"),
        ("upsample(2)", (3, 14, 14), "14 · 2 = 28", ""),
        ("upsample(1.5)", (3, 15, 15), "⌊(15 · 3) / 2⌋ = 22", ""),
        ("pad([1, 2])", (3, 9, 9), "9 + 1 + 1 = 11", ""),
        ("crop(to=[4, 4])", (3, 9, 9), "9 - 2 - 3 = 4", ""),
    ],
)  # fmt: skip
def test_sizes_in_numbers(stage: str, shape: tuple[int, ...], said: str, note: str) -> None:
    made = explainer(f"network N {{ input x{list(shape)} output y = x -> it: {stage} }}")
    found = layer(made, "it")
    assert f"height: {said}" in sums(found)
    if note:
        assert note in " ".join(found.sizes[1].notes)


def test_weights_in_numbers() -> None:
    def tensors(stage: str) -> list[str]:
        made = explainer(f"network N {{ input x[8, 9, 9] output y = x -> it: {stage} }}")
        return [f"{t.name}: {t.sum}" for t in layer(made, "it").work.tensors]

    assert tensors("conv(96, 11, pad=5)") == ["weight: 96 · (8 · 11 · 11) = 92,928", "bias: 96"]
    assert tensors("conv(4, 3, groups=2, bias=false)") == ["weight: 4 · (8 / 2 · 3 · 3) = 144"]
    assert tensors("conv_transpose(4, 2, bias=false)") == ["weight: 8 · (4 · 2 · 2) = 128"]
    assert tensors("batchnorm") == ["weight: 8", "bias: 8"]


def test_shared_weights_are_counted_once() -> None:
    made = explainer(
        "network N { input x[4, 8, 8] share head = (conv(4, 3, pad=half))\n"
        "output a = x -> head output b = x -> relu -> head }"
    )
    first, second = (node for node in made.flat.nodes if node.path.startswith("head"))
    assert made.layer(first).work.params.value == 4 * 4 * 9 + 4
    again = made.layer(second)
    assert again.work.params.value == 0
    assert again.work.tensors[0].sum.value == 4 * 4 * 9
    assert "shared" in " ".join(again.notes)


def test_the_way_back_follows_the_arm_that_sees_most() -> None:
    made = explainer(
        "network N { input x[4, 32, 32]\n"
        "output y = x -> skip { a: conv(4, 3, pad=half) -> b: conv(4, 5, pad=half) } -> relu }"
    )
    found = layer(made, "relu1").seen
    assert found is not None
    (join,) = [step for step in found.steps if step.arms]
    assert {(arm.path, arm.field.size) for arm in join.arms} == {("x", (1, 1)), ("b", (7, 7))}
    assert join.taken == "b"
    assert [step.path for step in found.steps] == ["skip1", "b", "a"]
    assert [str(step.sums[0]) for step in found.steps[1:]] == [
        "(1 - 1)·1 + 5 = 5", "(5 - 1)·1 + 3 = 7",
    ]  # fmt: skip


# ---------------------------------------------------------------------------- claims


def claim(text: str, line: int, capsys: pytest.CaptureFixture[str], path: Path) -> str:
    path.write_text(text, encoding="utf-8")
    assert main(["explain", str(path), "--claim", str(line)]) == 0
    return capsys.readouterr().out


NET = """network Net {
  input image[3, 32, 32]
  x = image -> c1: conv(16, 3) -> bn: batchnorm -> relu -> c2: conv(32, 3, bias=false) -> relu
  output y = x -> pool(global, by=avg) -> flatten -> fc: linear(10)
  output aux = x -> head: conv(8, 3) when training
  expect CLAIM
}
"""


@pytest.mark.parametrize(
    ("claimed", "said"),
    [
        ("params == 5_418", "holds: 5,418"),
        ("params == 5_392", "the claim leaves out the biases: 16 + 10 = 26"),
        ("params == 5_386", "the claim leaves out the normalisation layers: 32"),
        ("params == 5_360", "the claim leaves out the biases and the normalisation layers"),
        ("params == 5_450", "the claim counts the running averages of normalisation layers, too"),
        ("params == 5_451", "the claim counts the buffers of normalisation layers, too: 33"),
        ("params == 7_730", "the claim counts the auxiliary heads for training, too: 2,312"),
        ("params == 5_056", "the claim leaves out the `batchnorm` layers and the `linear` layers"),
        ("params == 7_762", "the claim counts the auxiliary heads for training and the running "),
        ("params == 5_088", "the claim leaves out `fc`: 330"),
        ("params == 5_748", "the claim counts as much as `fc` once more: 330"),
        ("params(c2) == 4_640", "biases that layers with bias=false do not have, too: 32"),
        ("macs == 8_003_584", "the claim counts FLOPs, two for each MAC"),
        ("flops ~= 4.002M", "the claim counts MACs, each of which is two FLOPs"),
        ("params == 5_417", "the difference is +1\nneither a layer"),
        ("params <= 5_000", "the difference is +418\n\n"),
        ("params ~= 1K", "5,418, not 1,000"),
        ("shape(c2) == [32, 28, 28]", "(30 - 3 + 2·0) / 1 + 1 = 28"),
        ("receptive_field(c2) == 5", "(3 - 1)·1 + 3 = 5"),
        ("depth == 3", "  c1\n  c2\n  fc"),
        ("memory > 10K", "live activations at most"),
        ("params > 10 and macs > 10", "macs of the network"),
    ],
)
def test_claims(
    claimed: str, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert said in claim(NET.replace("CLAIM", claimed), 6, capsys, tmp_path / "net.arch")


@pytest.mark.parametrize(
    ("name", "exact", "printed", "reason"),
    [
        (
            "hrnet",
            "[params, macs] == [21_299_004, 4_283_537_072]",
            "macs ~= 3.99G",
            "in units of 2^30, not 10^9",
        ),
        (
            "simplebaseline",
            "macs == 5_426_380_800",
            "macs ~= 8.99G",
            "as the convention `simplebaseline` does",
        ),
    ],
)
def test_published_conventions_are_recognized(
    name: str, exact: str, printed: str, reason: str, capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    text = (SPECS / f"{name}.arch").read_text(encoding="utf-8")
    assert exact in text
    line = text[: text.index(exact)].count("\n") + 1
    shutil.copy(SPECS / "resnet.arch", tmp_path)  # which the other uses
    assert reason in claim(text.replace(exact, printed, 1), line, capsys, tmp_path / "net.arch")


def test_terms_of_every_claim_add_up() -> None:
    """Of every claim of the shorter specs: the terms' sum is the measure's figure."""
    from archc.analysis.explain.claims import explain_claim
    from archc.analysis.explain.model import Place

    seen = set()
    for name in ("lenet5", "lenet5_1998", "alexnet", "googlenet", "kernels", "unet", "densenet"):
        for network in compile_spec(str(SPECS / f"{name}.arch")).networks:
            assert network.report is not None
            made = Explainer(network.report)
            for one in network.claims:
                found = explain_claim(made, one, Place("x", one.line), 0)
                assert found.reasons == ()
                for measured in found.measures:
                    seen.add(measured.measure)
                    if measured.sum is not None:
                        assert measured.sum.value == measured.figure
                        assert holds(measured.sum)
    assert {"params", "macs", "depth", "shape", "receptive_field", "neurons"} <= seen


# ---------------------------------------------------------------------------- the command


def said(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> tuple[str, str]:
    assert main(["explain", *args]) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


LENET = str(SPECS / "lenet5.arch")


PAGE = SPECS.parent / "docs" / "explain.md"
SHOWN = re.compile(r"```sh\narchc explain (.*)\n```\n\n```text\n((?:.|\n)*?)```")


def test_the_page_shows_what_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, update_golden: bool
) -> None:
    monkeypatch.chdir(SPECS.parent)
    page = PAGE.read_text(encoding="utf-8")
    if update_golden:

        def filled(match: re.Match[str]) -> str:
            printed = said(capsys, *match[1].split())[0]
            return f"```sh\narchc explain {match[1]}\n```\n\n```text\n{printed}```"

        page = SHOWN.sub(filled, page)
        PAGE.write_text(page, encoding="utf-8")
    pairs = SHOWN.findall(page)
    assert len(pairs) == 3
    for command, printed in pairs:
        assert said(capsys, *command.split())[0] == printed


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("C33",), "E0208", "did you mean `C3`?"),
        (("nothing_like_it",), "E0208", "its labels: image, C1"),
        (("\x1b[31m" + "x" * 5000,), "E0208", "no layer or block `\\x1b[31mxxx"),
        (("C1", "--at", "28,0"), "E1001", "there is no unit 28"),
        (("C1", "--at", "2"), "E1001", "--at takes 2 numbers"),
        (("C1", "--at", "2,2", "--channel", "6"), "E1001", "there is no channel 6"),
        (("out", "--at", "10"), "E1001", "there is no feature 10"),
        (("out", "--at", "1", "--channel", "1"), "E1001", "features have no channels"),
        (("--at", "1,1"), "E1001", "say which"),
        (("image", "--at", "1,1"), "E1001", "is an input"),
        (("C1", "--at", "1,1", "--weight", ""), "E1001", "5 rows of 5 numbers"),
        (("C1", "--at", "1,1", "--weight", "1 x"), "E1001", "`x` is not a number"),
        (("C1", "--at", "1,1", "--weight", "nan"), "E1001", "not a finite number"),
        (("S2", "--at", "1,1", "--weight", "1"), "E1001", "has no kernel"),
        (("C1", "--at", "1,1", "--input", "no/such.csv"), "E0701", "cannot be read"),
        (("--claim", "1"), "E1002", "stand on these lines: 15, 16"),
        (("--claim", "21", "--set", "classes=3"), "E1002", "leave out --set"),
        (("C1", "--network", "LeNet"), "E0207", "did you mean `LeNet5`?"),
    ],
)
def test_refusals(
    args: tuple[str, ...], code: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = said(capsys, LENET, *args, code=1)
    assert out == ""
    assert err.startswith(f"error[{code}]")
    assert words in err
    assert err.endswith("\n1 error\n")


@pytest.mark.parametrize(
    "args",
    [
        (LENET, "C1", "--weight", "1"),
        (LENET, "C1", "--claim", "21"),
        (LENET, "C1", "--at", "H=32"),
        (LENET, "C1", "--at", "-1,1"),
        ("E0401", "--format", "json"),
    ],
)
def test_usage(args: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    out, err = said(capsys, *args, code=2)
    assert out == ""
    assert "error:" in err


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("1,2\n3\n", "unequal lengths"),
        ("1,2,x\n", "`x` is not a number"),
        ("1,2\n3,4\n", "larger than its padded input"),
        ("", "has 0 pictures"),
        ('"1\n2,3\n', "is not a number"),
        ("1" * 200_000, "no table of numbers"),
        ("1e300\n", "too large"),
        ("1\n\n2\n\n3\n", "has 3 pictures, but 1 channels come in"),
    ],
)
def test_pictures_that_do_not_fit(
    rows: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "picture.csv"
    path.write_text(rows, encoding="utf-8")
    _, err = said(capsys, LENET, "C1", "--at", "0,0", "--input", str(path), code=1)
    assert err.startswith("error[E1001]")
    assert words in err


def test_a_picture_and_a_kernel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The vertical edge of lectures: 10s beside 0s give 30 where they meet, 0 elsewhere."""
    path = tmp_path / "edge.csv"
    path.write_text("\n".join(["10,10,10,0,0,0"] * 6), encoding="utf-8")
    spec = tmp_path / "net.arch"
    spec.write_text("network N { input x[1, 9, 9] output y = x -> k: conv(1, 3) }")
    results = []
    for column in range(4):
        out, _ = said(
            capsys, str(spec), "k", "--at", f"2,{column}", "--input", str(path),
            "--weight", "1 0 -1; 1 0 -1; 1 0 -1", "--format", "json",
        )  # fmt: skip
        made = json.loads(out)
        assert made["kind"] == "cell"
        assert made["output"] == [1, 4, 4]
        results.append(made["result"])
    assert results == [0, 30, 30, 0]


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads(said(capsys, LENET, "C3", "--format", "json")[0])
    assert (made["schema"], made["kind"], made["path"]) == ("archc-explain-1", "layer", "C3")
    assert made["work"]["params"] == {
        "text": "16 · (6 · 5 · 5) + 16", "value": 2416, "about": "",
    }  # fmt: skip
    assert made["seen"]["steps"][-1]["field"]["size"] == [14, 14]
    assert json.loads(said(capsys, LENET, "--format", "json")[0])["kind"] == "block"
    assert json.loads(said(capsys, LENET, "image", "--format", "json")[0])["kind"] == "input"
    assert json.loads(said(capsys, LENET, "--claim", "21", "--format", "json")[0])["holds"] is True


def test_free_sizes_from_outside(capsys: pytest.CaptureFixture[str]) -> None:
    spec = str(SPECS / "resnet.arch")
    out, _ = said(capsys, spec, "conv1", "--network", "ResNet18", "--at-size", "H=512,W=256")
    assert "⌊(512 - 7 + 2·3) / 2⌋ + 1 = 256" in out
    assert "⌊(256 - 7 + 2·3) / 2⌋ + 1 = 128" in out


def test_other_networks_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    _, err = said(capsys, str(SPECS / "resnet.arch"), "conv1")
    assert "so have ResNet18, ResNet34" in err


def test_a_spec_with_mistakes_is_not_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "net.arch"
    spec.write_text("network N { input x[1, 9, 9] output y = x -> k: conv(1, 11) }")
    out, err = said(capsys, str(spec), "k", code=1)
    assert out == ""
    assert "E0403" in err


def test_it_needs_no_torch() -> None:
    import subprocess
    import sys

    program = (
        "import sys; from archc.cli import main; "
        f"main(['explain', {LENET!r}, 'C1', '--at', '1,1']); "
        "sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'networkx')))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0
