"""Published figures, reproduced by the conventions that they were counted by."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

from archc.analysis import Report
from archc.analysis.conventions import CONVENTIONS, Conventions, Counted
from archc.cli import arguments, main
from archc.cli.costs_json import CostDocument
from archc.driver import Options, compile_spec
from archc.graph import Graph
from archc.source import Source

SPECS = Path(__file__).parent.parent / "specs"


@lru_cache(maxsize=8)
def graph_at(spec: str, network: str) -> Graph:
    return compile_spec(str(SPECS / f"{spec}.arch"), Options(network=network))[network].graph


def graph_of(text: str) -> Graph:
    state = compile_spec("-", source=Source("net.arch", text))
    assert [d.message for d in state.diagnostics if d.severity == "error"] == []
    return state.networks[-1].graph


def counted(graph: Graph, name: str) -> Counted:
    return Conventions(graph).counted(CONVENTIONS[name])


PUBLISHED = [
    # Wang et al. 2019, ImageNet classification; printed to three digits in their code's tables
    ("hrnet", "HRNetW18", "hrnet", "3.99", 21_299_004),
    ("hrnet", "HRNetW32", "hrnet", "8.31", 41_232_680),
    ("hrnet", "HRNetW48", "hrnet", "16.09", 77_469_864),
    # Xiao et al. 2018, table 2 prints 8.9 (cut off)
    ("simplebaseline", "SimpleBaseline50", "simplebaseline", "8.99", 33_999_697),
    # He et al. 2015, table 1 prints 3.8 x 10^9 (cut off)
    ("resnet", "ResNet50v1", "resnet", "3.86", 25_557_032),
    ("resnet", "ResNet50", "resnet", "4.09", 25_557_032),
    # torchvision's documentation
    ("resnet", "ResNet18", "torchvision", "1.81", 11_689_512),
    ("resnet", "ResNet34", "torchvision", "3.66", 21_797_672),
    ("resnet", "ResNet50", "torchvision", "4.09", 25_557_032),
    ("resnet", "ResNet101", "torchvision", "7.80", 44_549_160),
    ("resnet", "ResNet152", "torchvision", "11.51", 60_192_808),
    ("alexnet", "TorchvisionAlexNet", "torchvision", "0.71", 61_100_840),
    ("vgg", "VGG11", "torchvision", "7.61", 132_863_336),
    ("vgg", "VGG13", "torchvision", "11.31", 133_047_848),
    ("vgg", "VGG16", "torchvision", "15.47", 138_357_544),
    ("vgg", "VGG19", "torchvision", "19.63", 143_667_240),
    ("densenet", "DenseNet121", "torchvision", "2.83", 7_978_856),
    ("densenet", "DenseNet161", "torchvision", "7.73", 28_681_000),
    ("googlenet", "GoogLeNet", "torchvision", "1.50", 6_624_904),
    ("inception_v3", "InceptionV3", "torchvision-aux", "5.71", 27_161_264),
]


@pytest.mark.parametrize(("spec", "network", "name", "figure", "params"), PUBLISHED)
def test_published_figures(spec: str, network: str, name: str, figure: str, params: int) -> None:
    found = counted(graph_at(spec, network), name)
    assert f"{found.figure:.2f}" == figure
    assert found.params == params


def test_which_convention_matters() -> None:
    """None of the others gives the published figure of SimpleBaseline."""
    graph = graph_at("simplebaseline", "SimpleBaseline50")
    others = {name for name in CONVENTIONS if f"{counted(graph, name).figure:.2f}" == "8.99"}
    assert others == {"simplebaseline"}
    assert f"{counted(graph, 'macs').figure:.2f}" == "5.43"


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolution_at_both_ends(groups: int) -> None:
    graph = graph_of(
        "network Up { input x[8, 5, 7]\n"
        f" output y = x -> conv_transpose(6, 4, stride=2, pad=1, groups={groups}) }}"
    )
    at_input = 8 * 5 * 7 * (6 // groups) * 16
    at_output = 6 * 10 * 14 * (8 // groups) * 16
    assert counted(graph, "macs").operations == at_input
    assert counted(graph, "simplebaseline").operations == at_output
    assert counted(graph, "simplebaseline").figure == at_output / 2**30


def test_auxiliary_heads_in_and_out() -> None:
    graph = graph_at("googlenet", "GoogLeNet")
    report = Report(graph)
    assert counted(graph, "flops").operations == 2 * report.macs == report.flops
    assert counted(graph, "training").operations == 2 * (report.macs + report.auxiliary_macs)
    assert counted(graph, "training").params == report.params + report.auxiliary_params
    apart = counted(graph, "torchvision-aux")
    assert apart.operations == report.macs
    assert apart.params == report.params + report.auxiliary_params


ELEMENTWISE = [
    ("relu", 4 * 36),
    ("relu6", 2 * 4 * 36),
    ("sigmoid", 4 * 36),
    ("softmax", 3 * 4 * 36),
    ("batchnorm", 2 * 4 * 36),
    ("layernorm", 7 * 4 * 36),
    ("groupnorm(2, affine=false)", 5 * 4 * 36),
    ("lrn(5)", 10 * 4 * 36),
    ("pool(2)", 4 * 4 * 9),
    ("pool(2, by=avg)", 5 * 4 * 9),
    ("pool(global, by=avg)", 4 * 36 + 4),
    ("upsample(2)", 0),
    ("upsample(2, by=bilinear)", 8 * 4 * 144),
    ("conv(5, 1)", 5 * 36),
    ("conv(5, 1, bias=false)", 0),
    ("maxout(2)", 4 * 36),
    ("flatten", 0),
    ("dropout(0.5)", 0),
    ("skip { identity }", 4 * 36),
    ("skip(by=concat) { identity }", 0),
    ("skip(by=mean) { identity }", 2 * 4 * 36),
]


@pytest.mark.parametrize(("stage", "operations"), ELEMENTWISE)
def test_elementwise_work(stage: str, operations: int) -> None:
    """By the definition in `archc.analysis.flops`, of 4 channels of 6 x 6."""
    graph = graph_of(f"network Net {{ input x[4, 6, 6]\n output y = x -> {stage} }}")
    extra = counted(graph, "all-flops").operations - counted(graph, "flops").operations
    assert extra == operations == sum(Conventions(graph).elementwise().values())


@pytest.mark.parametrize("network", ["ResNet20", "ResNet56"])
def test_elementwise_work_of_blocks_adds_up(network: str) -> None:
    graph = graph_at("resnet_cifar", network)
    extra = counted(graph, "all-flops").operations - counted(graph, "flops").operations
    assert 0 < extra == sum(Conventions(graph).elementwise().values())


# ---------------------------------------------------------------------- the command line


def test_names_on_the_command_line() -> None:
    assert tuple(CONVENTIONS) == arguments.CONVENTIONS


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--convention", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(CONVENTIONS)


def run(capsys: pytest.CaptureFixture[str], *given: str) -> str:
    spec = str(SPECS / "simplebaseline.arch")
    assert main(["check", spec, "--network", "SimpleBaseline50", *given]) == 0
    return capsys.readouterr().out


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "--convention", "simplebaseline", "--all-flops")
    assert "8.99 GiMACs, 33,999,697 params" in out
    assert "as all-flops" in out and "elementwise" in out
    assert "8.99" not in run(capsys)


def test_device(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "--device", "h100", "--batch", "256")
    assert "training, batch 256" in out and "training fits" in out
    assert "FLOPs/byte" in out and "NVIDIA H100 SXM" in out
    assert "faster ones" in out
    assert "faster ones" not in run(capsys, "--device", "h100", "--unfold")
    assert "training, batch 8" in run(capsys, "--batch", "8")


def test_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "--device", "t4", "--format", "markdown")
    assert "| layer | operator | FLOPs |" in out and "- t4, 14.9 GiB: " in out


def test_csv(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "--device", "a100", "--format", "csv")
    head, first, *_ = out.splitlines()
    assert head.endswith("flops,bytes,intensity,seconds,bound")
    assert first.endswith(("memory", "compute"))


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--device", "a100", "--batch", "4", "--convention", "all", "--format", "json")
    made = json.loads(run(capsys, *given))
    CostDocument.model_validate(made)
    (cost,) = made["costs"]
    assert cost["name"] == "SimpleBaseline50" and cost["batch"] == 4
    assert [one["name"] for one in cost["conventions"]] == list(CONVENTIONS)
    device = cost["device"]
    assert len(device["layers"]) == len(made["networks"][0]["layers"])
    assert math.isclose(device["seconds"], sum(x["seconds"] for x in device["layers"]))
    assert cost["memory"]["largest_training_batch"] > 0
    plain = json.loads(run(capsys, "--format", "json"))
    assert "costs" not in plain
    CostDocument.model_validate(plain)


def test_a_device_that_cannot(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["check", str(SPECS / "lenet5.arch"), "--device", "v100", "--precision", "tf32"]
    assert main(given) == 2
    assert "v100 has no tf32; it has fp32, bf16" in capsys.readouterr().err


def test_a_plain_check_loads_none_of_it() -> None:
    code = (
        "import sys; from archc.cli import main; main(['check', sys.argv[1]]);"
        "print([m for m in sys.modules if m.startswith('archc.analysis.')])"
    )
    spec = str(SPECS / "lenet5.arch")
    done = subprocess.run([sys.executable, "-c", code, spec], capture_output=True, text=True)
    loaded = done.stdout.splitlines()[-1]
    assert "archc.analysis.report" in loaded
    for name in ("conventions", "devices", "flops", "memory_budget", "roofline", "training_memory"):
        assert f"archc.analysis.{name}'" not in loaded


def test_the_page_names_all() -> None:
    page = (SPECS.parent / "docs" / "figures.md").read_text(encoding="utf-8")
    for name in (*arguments.CONVENTIONS, *arguments.DEVICES):
        assert f"| `{name}`" in page
