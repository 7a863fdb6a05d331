"""Diagrams: what is folded, what is said, and that no text of a spec becomes more than text."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from archc.cli import main
from archc.driver import compile_spec
from archc.emit import dot
from archc.emit.dot.build import draw
from archc.emit.dot.write import html, quoted
from archc.graph import Graph
from archc.source import Source

ROOT = Path(__file__).resolve().parent.parent


def graph(text: str) -> Graph:
    state = compile_spec("-", source=Source("t.arch", text))
    assert not state.failed, [d.message for d in state.diagnostics]
    return state.networks[-1].graph


def spec(file: str, name: str) -> Graph:
    state = compile_spec(str(ROOT / "specs" / f"{file}.arch"))
    return state[name].graph


def words(g: Graph, unfold: bool = False) -> list[str]:
    return [" | ".join([b.title, *b.lines]).strip(" |") for b in draw(g, unfold).boxes]


def test_lenet_is_a_chain_of_boxes_as_in_the_paper() -> None:
    assert words(spec("lenet5", "LeNet5")) == [
        "image",
        "C1 | conv 6@5×5 → tanh",
        "S2 | avg pool 2×2",
        "C3 | conv 16@5×5 → tanh",
        "S4 | avg pool 2×2",
        "C5 | conv 120@5×5 → tanh",
        "F6 | linear 84 → tanh",
        "out | linear 10",
        "digits",
    ]


def test_repeats_are_one_box_with_their_number() -> None:
    text = words(spec("resnet", "ResNet50"))
    assert [t for t in text if "×" in t and "layer" in t] == [
        "layer1 | Bottleneck ×3",
        "layer2 | Bottleneck ×4",
        "layer3 | Bottleneck ×6",
        "layer4 | Bottleneck ×3",
    ]
    assert len(text) < 16


def test_unfolded_blocks_are_nested_clusters_with_their_skips() -> None:
    picture = draw(spec("resnet", "ResNet50"), unfold=True)
    titles = [c.title for c in picture.clusters]
    assert "layer1" in titles
    assert any("layer1.0" in t and "Bottleneck" in t for t in titles)
    assert any("×2" in t for t in titles), "equal units in a row stand once"
    assert sum(e.kind == "skip" for e in picture.edges) == 8


def test_the_same_resolution_stands_on_one_level() -> None:
    text = dot.source(spec("unet", "UNet"))
    ranks = re.findall(r"rank=same; ([^}]*)", text)
    assert len(ranks) == 5
    assert "rank=same" not in dot.source(spec("resnet", "ResNet18"))


def test_shapes_stand_where_they_change() -> None:
    text = dot.source(spec("lenet5", "LeNet5"))
    assert [m.strip() for m in re.findall(r'-> n\d+ \[label="([^"]*)"', text)] == [
        "6×28×28",
        "6×14×14",
        "16×10×10",
        "16×5×5",
        "120",
        "84",
    ]


def test_what_only_training_needs_is_dashed() -> None:
    picture = draw(spec("googlenet", "GoogLeNet"), False)
    assert {b.title for b in picture.boxes if b.training} >= {"aux1", "aux2"}


HOSTILE = ['"', "\\", "a\\", "<b>", "</script>", "n:9", "a\nb", "\x1b[31m", "&amp;", "javascript:x"]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_stays_text(text: str) -> None:
    inner = quoted(text)[1:-1]
    assert not re.search(r'(?<!\\)(?:\\\\)*"', inner)
    assert "<" not in html(text) and "\x1b" not in html(text)
    made = f"digraph g {{ n0 [label={quoted(text)}]; n1 [label=<<B>{html(text)}</B>>]; }}"
    svg = dot.render(made, "svg").decode()
    assert "<script" not in svg and "href" not in svg.replace("xmlns:xlink", "")


@pytest.mark.parametrize("format", ["svg", "png", "pdf"])
def test_rendering_needs_no_system_dot(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    start = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}[format]
    assert dot.render(dot.source(spec("lenet5", "LeNet5")), format).startswith(start)


def test_the_text_is_the_same_every_time() -> None:
    program = (
        "from archc.driver import compile_spec; from archc.emit import dot;"
        "print(dot.source(compile_spec('specs/googlenet.arch').networks[0].graph))"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert len(made) == 1


def test_every_spec_draws_folded_and_open() -> None:
    for path in sorted((ROOT / "specs").glob("*.arch")):
        for network in compile_spec(str(path)).networks[-1:]:
            for unfold in (False, True):
                assert dot.source(network.graph, network.report, unfold).endswith("}\n")


def test_lists_streams_and_multiple_inputs() -> None:
    g = graph(
        "block Two { input a\n input b\n output [a -> pool(2), b -> relu] }\n"
        "network N { input x[3, 16, 16]\n input y[3, 16, 16]\n ab = [x, y] -> both: Two\n"
        " output small = ab[0] -> conv(4, 1)\n output large = ab[1] -> conv(4, 1) }"
    )
    picture = draw(g, False)
    assert [b.title for b in picture.boxes if b.family == "input"] == ["x", "y"]
    assert sum(b.title == "both" for b in picture.boxes) == 2
    assert len({(e.tail, e.head) for e in picture.edges}) == len(picture.edges)


def dense(layers: int) -> str:
    """Every layer reads all before: far more arrows than boxes."""
    lines = ["  x0 = image -> conv(4, 1)", "  x1 = x0 -> conv(4, 1)"]
    for i in range(2, layers):
        before = ", ".join(f"x{j}" for j in range(i))
        lines.append(f"  x{i} = fuse({before}, by=concat) -> conv(4, 1)")
    body = "\n".join(lines)
    return f"network N {{\n  input image[3, 8, 8]\n{body}\n  output y = x{layers - 1}\n}}\n"


def test_what_ends_graphviz_is_drawn_in_a_simpler_way() -> None:
    text = dot.source(spec("hrnet", "HRNetW48"), unfold=True)
    assert dot.render(text, "svg").count(b'class="node"') > 100


def test_what_graphviz_takes_hours_for_is_drawn_in_a_simpler_way() -> None:
    made = dot.render(dot.source(graph(dense(30))), "svg", patience=1.5)
    assert made.count(b'class="edge"') > 400


def test_what_cannot_be_laid_out_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(dot.LayoutError):
        dot.render("no dot text", "svg")
    with pytest.raises(dot.LayoutError):
        dot.render(dot.source(graph(dense(5))), "svg", patience=0.001)
    monkeypatch.setattr(dot, "LARGEST", 5)
    file = str(ROOT / "specs" / "lenet5.arch")
    out = ["-o", str(tmp_path)]
    assert main(["build", file, "--network", "LeNet5", "--emit", "model,svg", *out]) == 1
    err = capsys.readouterr().err
    assert "error[E0905]" in err and "9 boxes" in err and not list(tmp_path.iterdir())
    assert main(["build", file, "--network", "LeNet5", "--emit", "dot", *out]) == 0
