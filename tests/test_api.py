"""The Python API."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import archc
from archc.graph import Graph

SPECS = Path(__file__).resolve().parent.parent / "specs"


@pytest.fixture(scope="module")
def resnet() -> archc.Network:
    return archc.load(SPECS / "resnet.arch")["ResNet50"]


def test_a_network_has_report_graph_source_and_diagram(resnet: archc.Network) -> None:
    assert resnet.report.params == 25_557_032
    assert "class ResNet50(nn.Module):" in resnet.source()
    assert resnet.diagram().startswith("<?xml")
    assert resnet.diagram("dot").startswith("digraph")
    assert all(claim.holds for claim in resnet.claims)
    assert "layer1" in resnet.table()


def test_the_graph_survives_json(resnet: archc.Network) -> None:
    text = resnet.graph.model_dump_json()
    again = Graph.model_validate_json(text)
    assert again == resnet.graph
    assert again.model_dump_json() == text


def test_every_graph_of_the_specs_survives_json() -> None:
    for path in sorted(SPECS.glob("*.arch")):
        network = list(archc.load(path).values())[-1]
        again = Graph.model_validate_json(network.graph.model_dump_json())
        assert again == network.graph, path.name


def test_a_module_is_a_module(resnet: archc.Network) -> None:
    torch = pytest.importorskip("torch")
    with torch.device("meta"):
        module = resnet.module()
        assert type(module).__name__ == "ResNet50"
        assert module.eval()(torch.empty(2, 3, 224, 224)).shape == (2, 1000)


def test_notebooks_show_diagram_and_table(resnet: archc.Network) -> None:
    shown = resnet._repr_html_()
    assert "<svg" in shown and "25,557,032" in shown and "<?xml" not in shown


def test_networkx(resnet: archc.Network) -> None:
    networkx = pytest.importorskip("networkx")
    made = resnet.networkx()
    assert networkx.is_directed_acyclic_graph(made)
    assert sum(data["params"] for _, data in made.nodes(data=True)) == 25_557_032
    assert networkx.has_path(made, "image", "fc")


def test_settings_and_sizes() -> None:
    spec = archc.load(SPECS / "resnet.arch", settings={"depths": [1, 1, 1, 1]}, sizes={"H": 64})
    assert spec["ResNet50"].report.inputs[0][1] == (3, 64, 224)
    assert spec["ResNet50"].report.depth == 14


def test_mistakes_are_all_in_the_error() -> None:
    with pytest.raises(archc.SpecError) as error:
        archc.loads(
            "network N { input image[3, 8, 8]\n output image -> rleu -> conv(4, kernal=3) }"
        )
    assert [d.code for d in error.value.diagnostics] == ["E0202", "E0301"]
    assert "did you mean `relu`?" in str(error.value)


def test_unknown_networks_are_named() -> None:
    with pytest.raises(KeyError, match="did you mean 'ResNet50'"):
        archc.load(SPECS / "resnet.arch")["Resnet50"]


def test_importing_archc_imports_nothing_heavy() -> None:
    program = (
        "import sys, archc; from archc.cli import main;"
        "main(['check', 'specs/lenet5.arch']);"
        "heavy = {'torch', 'numpy', 'networkx', 'sympy', 'pygraphviz', 'matplotlib'};"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=SPECS.parent, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
