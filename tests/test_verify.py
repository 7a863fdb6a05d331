"""`archc verify`: right reports are proven, wrong ones are caught."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from archc.analysis import analyze
from archc.analysis.receptive import Fields
from archc.driver import Compiled, Options, compile_spec
from archc.emit.pytorch import source
from archc.ops.conv import Conv
from archc.ops.dense import Linear
from archc.ops.norm import BatchNorm
from archc.source import Source
from archc.verify import Mode, Proofs, verify

torch.set_num_threads(1)

SPECS = Path(__file__).parent.parent / "specs"
PATHS = sorted(SPECS.glob("*.arch"))
ALL = bool(os.environ.get("ARCHC_ALL"))

NET = """
network Net {
  input image[3, 24, 24]
  a = image -> c1: conv(8, 3, pad=1, bias=false) -> bn: batchnorm -> relu
  b = a -> pool(2, by=avg) -> c2: conv(8, 3, pad=1) -> c3: conv(8, 3, pad=1) -> upsample(2)
  output mask = fuse(a, b) -> head: conv(2, 1)
  output scores = b -> pool(global, by=avg) -> flatten -> fc: linear(5)
  output extra = a -> aux: (conv(4, 5) -> relu) when training
}
"""


def compiled(text: str) -> Compiled:
    state = compile_spec("-", source=Source("net", text))
    assert not state.failed, [d.message for d in state.diagnostics]
    return state.networks[-1]


def prove(network: Compiled, mode: Mode = "auto") -> Proofs:
    assert network.report is not None
    code = source(network.graph, network.report, network.doc)
    return verify(network.graph, network.report, code, mode, network.free_sizes())


def wrong(proofs: Proofs) -> set[str]:
    return {proof.figure for proof in proofs.wrong}


# ---------------------------------------------------------------------------- right reports

SMALL: list[tuple[str, str, dict[str, int]]] = [
    ("lenet5", "LeNet5", {}),
    ("lenet5_1998", "LeNet5Original", {}),
    ("kernels", "Sobel", {"H": 24, "W": 32}),
    ("resnet_cifar", "ResNet20", {}),
    ("dilated", "ContextModule", {"H": 24, "W": 24}),
    ("hourglass", "Hg2", {"H": 64, "W": 64}),
    ("unet", "UNet", {"H": 64, "W": 64}),
    ("mobilenet", "MobileNetV1_50", {"H": 64, "W": 64}),
    ("fully_connected", "", {}),
    ("perceptron", "", {}),
    ("maxout", "", {}),
]
"""Spec, network (all, if empty) and sizes that are quick with numbers."""


@pytest.mark.parametrize(("spec", "name", "sizes"), SMALL, ids=[f"{s}-{n}" for s, n, _ in SMALL])
def test_figures_of_small_networks(spec: str, name: str, sizes: dict[str, int]) -> None:
    state = compile_spec(str(SPECS / f"{spec}.arch"), Options(network=name or None, sizes=sizes))
    assert state.networks
    for network in state.networks:
        proofs = prove(network)
        assert proofs.data
        assert proofs.wrong == []
        assert all(proof.holds is not None or "memory" in proof.figure for proof in proofs.proofs)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_figures_of_all_systems(path: Path) -> None:
    """Without numbers; of a family, the first in `make test` and all in `make verify-all`."""
    networks = compile_spec(str(path)).networks
    for network in networks if ALL else networks[:1]:
        proofs = prove(network, "meta")
        assert proofs.wrong == [], network.name
        assert not proofs.data and proofs.why


def test_every_figure_is_there() -> None:
    proofs = prove(compiled(NET))
    assert proofs.wrong == []
    assert [proof.figure for proof in proofs.proofs] == [
        "state_dict",
        "parameters",
        "frozen",
        "buffers",
        "output shapes",
        "shapes of modules",
        "shapes of layers",
        "MACs",
        "FLOPs",
        "neurons",
        "depth",
        "memory: state",
        "memory: activations",
        "output shapes in training",
        "MACs in training",
        "saved for backward",
        "receptive field of c1",
        "receptive field of c2",
        "receptive field of head",
    ]


def test_large_networks_are_proven_without_numbers_and_say_so() -> None:
    text = "network Net { input x[64, 512, 512] output x -> c: conv(256, 3, pad=1) }"
    proofs = prove(compiled(text))
    assert not proofs.data
    assert proofs.why == "38.7G MACs, more than 8.5G"
    text = "network Net { input x[4, 8, 8] output x -> flatten -> a: linear(400_000) }"
    assert prove(compiled(text)).why == "103M parameters, more than 100M"


# ---------------------------------------------------------------------------- wrong reports

MISTAKES: list[tuple[str, str, set[str]]] = [
    # the report is of a network with this change
    ("c2: conv(8, 3, pad=1)", "c2: conv(8, 3, pad=2) -> crop(1)", {"shapes of modules"}),
    ("c2: conv(8, 3, pad=1)", "c2: conv(8, 5, pad=2)", {"state_dict", "MACs"}),
    ("c2: conv(8, 3, pad=1)", "c2: conv(8, 3, pad=2, dilation=2)", {"receptive field of c2"}),
    ("c2: conv(8, 3, pad=1)", "c2: conv(8, 3, pad=[[0, 2], [0, 2]])", {"receptive field of c2"}),
    (" -> c3: conv(8, 3, pad=1)", "", {"state_dict", "depth", "neurons"}),
    ("batchnorm -> relu", "batchnorm", {"shapes of layers"}),
    ("c3: conv(8, 3, pad=1)", "c3: conv(8, 3, pad=1) -> relu", {"shapes of layers"}),
    ("linear(5)", "linear(6)", {"output shapes", "parameters", "MACs"}),
    ("conv(8, 3, pad=1, bias=false)", "conv(8, 3, pad=1)", {"parameters", "memory: state"}),
    ("conv(2, 1)", "conv(2, 1, frozen=true)", {"frozen", "parameters"}),
    ("batchnorm", "batchnorm(track_stats=false)", {"buffers"}),
    ("fuse(a, b) -> head", "b -> head", {"shapes of layers"}),
    ("conv(4, 5)", "conv(4, 3)", {"output shapes in training", "MACs in training"}),
]


@pytest.mark.parametrize(("there", "instead", "figures"), MISTAKES, ids=[m[1] for m in MISTAKES])
def test_a_report_of_another_network_is_caught(there: str, instead: str, figures: set[str]) -> None:
    """The report and the graph have a mistake that the emitted module has not."""
    right = compiled(NET)
    assert NET.count(there) == 1
    mistaken = compiled(NET.replace(there, instead))
    assert right.report is not None and mistaken.report is not None
    code = source(right.graph, right.report, right.doc)
    proofs = verify(mistaken.graph, mistaken.report, code)
    assert wrong(proofs) >= figures, [p for p in proofs.proofs if p.holds is False]


def more(method: Callable[..., Any], by: int) -> Callable[..., Any]:
    return lambda *args: method(*args) + by


FAULTS: list[tuple[type, str, Callable[[Any], Any], set[str]]] = [
    # archc itself would be wrong: a method, and what it would be instead
    (Conv, "macs", lambda old: more(old, 1), {"MACs", "FLOPs"}),
    (Linear, "macs", lambda old: lambda op, *xs: 2 * old(op, *xs), {"MACs"}),
    (Linear, "count_weights", lambda old: more(old, -1), {"parameters", "memory: state"}),
    (BatchNorm, "count_buffers", lambda old: more(old, -1), {"buffers"}),
    (Fields, "inside", lambda old: lambda *args: shrunk(old(*args)), {"receptive field of c2"}),
]


def shrunk(field: Any) -> Any:
    """A field that leaves out the first row that is seen."""
    from archc.analysis.axis import Axis

    if not field or field[0] is None:
        return field
    axis = field[0]
    low = [n + 1 for n in axis.lo]
    return (Axis(axis.p, axis.q, low, axis.hi, axis.step), *field[1:])


@pytest.mark.parametrize(
    ("owner", "name", "fault", "figures"), FAULTS, ids=[f"{f[0].__name__}.{f[1]}" for f in FAULTS]
)
def test_a_fault_of_the_analysis_is_caught(
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    name: str,
    fault: Callable[[Any], Any],
    figures: set[str],
) -> None:
    right = compiled(NET)
    code = source(right.graph, right.report, right.doc)
    monkeypatch.setattr(owner, name, fault(getattr(owner, name)))
    assert wrong(verify(right.graph, analyze(right.graph), code)) >= figures


def test_a_wrong_depth_and_neurons_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = compiled(NET)
    code = source(right.graph, right.report, right.doc)
    monkeypatch.setattr(Conv, "weighty", False)
    assert wrong(verify(right.graph, analyze(right.graph), code)) >= {"depth", "neurons"}


# ---------------------------------------------------------------------------- command line


def run(*args: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "archc", "verify", *args],
        input=text, capture_output=True, text=True,
    )  # fmt: skip


def test_the_table() -> None:
    done = run(str(SPECS / "lenet5.arch"), "--network", "LeNet5")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "LeNet5"
    assert lines[2].split() == ["figure", "computed", "PyTorch"]
    assert any(line.split() == ["parameters", "61,706", "61,706", "✓"] for line in lines)
    assert "receptive field of C5" in done.stdout
    assert lines[-2].endswith("figures agree")


def test_json_and_settings() -> None:
    done = run(
        str(SPECS / "resnet.arch"), "--network", "ResNet18", "--format", "json", "--meta",
        "--set", "classes=7", "--at", "H=64,W=96",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (document,) = json.loads(done.stdout)
    assert document["network"] == "ResNet18"
    assert document["inputs"] == {"image": [3, 64, 96]}
    assert document["agrees"] is True
    assert (document["data"], document["why_no_data"]) == (False, "as asked")
    by_name = {proof["figure"]: proof for proof in document["proofs"]}
    assert by_name["output shapes"]["pytorch"] == "7"
    assert set(by_name["MACs"]) == {"figure", "computed", "pytorch", "holds", "note"}


def test_a_difference_fails_the_command(tmp_path: Path) -> None:
    """Run with an operator whose multiply-accumulates are wrong."""
    code = (
        "import sys\n"
        "from archc.cli import main\n"
        "from archc.ops.conv import Conv\n"
        "macs = Conv.macs\n"
        "Conv.macs = lambda op, *xs: macs(op, *xs) + 1\n"
        "sys.exit(main(['verify', sys.argv[1], '--network', 'LeNet5', '--meta']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(SPECS / "lenet5.arch")], capture_output=True, text=True
    )
    # the claim in the spec fails first; without it, the proof does
    assert done.returncode == 1
    spec = tmp_path / "net.arch"
    spec.write_text(NET.replace("Net", "LeNet5"))
    done = subprocess.run([sys.executable, "-c", code, str(spec)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "✗" in done.stdout and "figures differ" in done.stdout


def test_mistakes_in_the_spec_come_first() -> None:
    done = run("-", text="network Net { input x[3, 8, 8] output x -> conv(4, 9) }")
    assert done.returncode == 1
    assert "E0403" in done.stderr and done.stdout == ""


# ---------------------------------------------------------------------------- needs of free sizes

JOINED = """
network Net {
  input image[3, H=34, W=34]
  a = image -> conv(4, 3) -> pool(POOL)
  output y = fuse(a, a -> conv(4, 3, stride=2, pad=1) -> upsample(2))
}
"""


def test_needs_of_free_sizes_are_run() -> None:
    network = compiled(JOINED.replace("POOL", "2"))
    proofs = {p.figure: p for p in prove(network, "meta").proofs}
    assert proofs["needs of H"].holds
    assert proofs["needs of W"].holds
    runs, refuses = (int(n) for n in re.findall(r"\d+", proofs["needs of H"].pytorch))
    assert runs > 3
    assert refuses > 3


def test_wrong_needs_are_caught() -> None:
    right, other = (compiled(JOINED.replace("POOL", n)) for n in "23")
    assert right.report is not None
    code = source(right.graph, right.report, right.doc)
    proofs = verify(right.graph, right.report, code, "meta", other.free_sizes())
    assert wrong(proofs) == {"needs of H", "needs of W"}


def test_equal_sizes_are_tried_together() -> None:
    text = JOINED.replace("POOL", "2").replace("W=34]", "W=34] where W == H")
    figures = [p.figure for p in prove(compiled(text), "meta").proofs if p.holds]
    assert "needs of H" in figures
    assert "needs of W" not in figures
