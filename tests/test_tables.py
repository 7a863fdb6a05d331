"""Reports as people and programs read them: the table, Markdown, CSV, JSON."""

from __future__ import annotations

import csv as csv_reader
import io
import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from archc.analysis import Report, analyze, cells
from archc.cli import jsonout, tables
from archc.graph import Graph
from tests.support import nets
from tests.support.graphs import GraphBuilder


@dataclass
class Claim:
    text: str
    holds: bool | None
    expected: Any = 0
    actual: Any = 0
    source: str | None = None
    line: int = 1


def lines_of(report: Report, **options: Any) -> list[str]:
    return tables.table(report, **options).splitlines()


def starting(lines: list[str], name: str) -> str:
    found = [line for line in lines if line.split() and line.split()[0] == name]
    assert len(found) == 1, (name, found)
    return found[0]


# ---------------------------------------------------------------------- cells


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.000K"),
        (61_706, "61.71K"),
        (118_013_952, "118.0M"),
        (4_089_184_256, "4.089G"),
        (999_950_000, "1.000G"),
        (10**18, "1000000T"),
    ],
)
def test_short_counts(number: int, text: str) -> None:
    assert cells.short(number) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        ("half", "half"),
        ("trunc_normal(0.02)", "trunc_normal(0.02)"),
        ("two words", '"two words"'),
        ((1, (2, 3)), "[1, [2, 3]]"),
        (0.5, "0.5"),
        ("\x1b[31m", '"\\x1b[31m"'),
    ],
)
def test_values_as_in_a_spec(value: Any, text: str) -> None:
    assert cells.written(value) == text


# ---------------------------------------------------------------------- table


def test_blocks_are_folded_and_repeats_said_once() -> None:
    lines = lines_of(analyze(nets.resnet50()), width=120)
    conv1 = "conv1 conv(64, 7, stride=2, pad=half, bias=false) 64 x 112 x 112 9,408 118.0M 7 / 2"
    assert " ".join(starting(lines, "conv1").split()) == conv1
    layer1 = lines.index(starting(lines, "layer1"))
    assert [line.split("  ")[1] for line in lines[layer1 + 1 : layer1 + 3]] == [
        "layer1.0",
        "layer1.1 … 2",
    ]
    assert "×2" in lines[layer1 + 2] and lines[layer1 + 2].rstrip().endswith("35 / 4")
    assert "140,800" in lines[layer1 + 2]


def test_totals_say_what_they_mean() -> None:
    text = tables.table(analyze(nets.resnet50()))
    assert "25,557,032 trainable; buffers 53,173" in text
    assert "4.089G = 4,089,184,256 per sample" in text
    assert "= 2 x MACs" in text
    assert "427 / 32 (size / stride) at layer4.2, padding 213" in text
    assert "an output unit sees the whole input" in text


def test_the_training_part_is_said_apart() -> None:
    lines = lines_of(analyze(nets.googlenet()), width=120)
    assert "when training" in starting(lines, "aux1")
    assert starting(lines, "training").startswith("training")
    assert "6,379,984 params, 8.372M MACs for aux1, aux2" in starting(lines, "training")


@pytest.mark.parametrize("make", [nets.resnet50, nets.googlenet, nets.unet, nets.hourglass])
def test_unfolded_every_layer_has_its_line(make: Any) -> None:
    report = analyze(make())
    names = [line.split()[0] for line in lines_of(report, unfold=True, width=400) if line]
    for row in report.layers():
        assert row.path in names


@pytest.mark.parametrize("make", [nets.resnet50, nets.googlenet, nets.unet, nets.lenet5])
def test_lines_keep_to_the_width(make: Any) -> None:
    for line in lines_of(analyze(make()), width=100):
        assert len(line) <= 100


def test_a_network_of_one_block_is_opened() -> None:
    lines = lines_of(analyze(nets.unet()), width=200)
    assert any("level.inner" in line for line in lines)


def test_long_patterns_are_folded() -> None:
    g = GraphBuilder()
    m = g.body("Chain", "network")
    x = m.input("image", 4, 8, 8)
    for i in range(1, 1001):
        x = m.add(f"conv{i}", "conv", x, channels=4, kernel=3, pad=1)
        x = m.add(f"relu{i}", "relu", x)
    m.output(x, "y")
    m.done()
    lines = lines_of(analyze(g.graph()))
    assert len(lines) < 20
    more = starting(lines, "conv2")
    assert "… relu1000" in more and "the 2 lines above, ×999" in more
    assert f"{999 * 148:,}" in more and more.endswith("2001 / 1")


def test_names_of_their_own_are_never_folded() -> None:
    g = GraphBuilder()
    m = g.body("Net", "network")
    x = m.input("image", 4, 8, 8)
    for name in ("left", "right"):
        x = m.add(name, "conv", x, channels=4, kernel=3, pad=1)
    m.output(x, "y")
    m.done()
    lines = lines_of(analyze(g.graph()))
    assert starting(lines, "left") and starting(lines, "right")


def test_growing_blocks_are_one_pattern() -> None:
    """As in a dense block: the same stage again and again, though its input grows."""
    g = GraphBuilder()
    bodies = []
    for i in range(6):
        b = g.body("Grow", channels=2)
        x = b.input("x", 4 + 2 * i, 8, 8)
        b.output(b.add("conv", "conv", x, channels=2, kernel=3, pad=1))
        bodies.append(b.done())
    m = g.body("Dense", "network")
    x = m.input("image", 4, 8, 8)
    for name in ("first", "second", "third"):
        x = m.add(name, "relu", x)
    for i, body in enumerate(bodies):
        x = m.add(f"join{i}", "fuse", x, m.call(f"grow{i}", body, x)[0], by="concat")
    m.output(x, "y")
    m.done()
    text = tables.table(analyze(g.graph()))
    assert "grow1 … join5" in text and "the 2 lines above, ×5" in text


def test_claims_have_their_mark() -> None:
    claims = [
        Claim("params == 61_706", True, source="LeCun et al. 1998"),
        Claim("macs ~= 500K", False, actual=416_520),
        Claim("depth > x", None),
    ]
    lines = lines_of(analyze(nets.lenet5()), claims=claims)[-3:]
    assert lines[0] == "✓ params == 61_706   LeCun et al. 1998"
    assert lines[1] == "✗ macs ~= 500K   is 416,520"
    assert lines[2] == "✗ depth > x   cannot be evaluated"


def test_colour_only_where_asked_and_no_codes_from_a_spec() -> None:
    report = analyze(nets.lenet5())
    claims = [Claim("shape == \x1b]0;title\x07", True)]
    plain = tables.table(report, claims=claims)
    assert "\x1b" not in plain and "\x07" not in plain
    colored = tables.table(report, color=True, claims=claims)
    assert re.sub(r"\x1b\[\d*m", "", colored) == plain


# ---------------------------------------------------------------------- Markdown, CSV


def test_markdown_is_one_table() -> None:
    text = tables.markdown(analyze(nets.resnet50()), claims=[Claim("a | b", True)])
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7}
    assert "a \\| b" in text


def test_csv_has_every_layer() -> None:
    report = analyze(nets.googlenet())
    records = list(csv_reader.DictReader(io.StringIO(tables.csv([report]))))
    usual = [r for r in records if not r["training"]]
    assert sum(int(r["params"]) for r in usual) == report.params
    assert sum(int(r["macs"]) for r in usual) == report.macs
    assert {r["network"] for r in records} == {"GoogLeNet"}
    by_path = {r["path"]: r for r in records}
    assert by_path["pool3"]["receptive_field"] == "75x75"
    assert by_path["fc"]["receptive_field"] == "allxall"


# ---------------------------------------------------------------------- JSON


def entry(graph: Graph) -> dict[str, Any]:
    made = jsonout.document("hand.arch", [(analyze(graph), [Claim("params > 0", True)])])
    text = jsonout.text(made)
    assert jsonout.Document.model_validate_json(text) == made
    data: dict[str, Any] = json.loads(text)
    assert set(data) == {"archc", "schema", "spec", "networks", "diagnostics"}
    found: dict[str, Any] = data["networks"][0]
    return found


def test_json_of_a_network() -> None:
    net = entry(nets.resnet50())
    assert net["inputs"] == [{"name": "image", "shape": [3, 224, 224]}]
    assert net["outputs"][0]["name"] == "logits" and net["outputs"][0]["shape"] == [1000]
    assert (net["params"], net["frozen"], net["buffers"]) == (25_557_032, 0, 53_173)
    assert (net["macs"], net["flops"]) == (4_089_184_256, 8_178_368_512)
    assert (net["depth"], net["receptive_field"]) == (50, None)
    assert net["claims"] == [
        {"text": "params > 0", "holds": True, "expected": 0, "actual": 0, "source": None, "line": 1}
    ]
    scope = {s["path"]: s for s in net["scopes"]}["layer4"]
    assert scope["shape"] == [2048, 7, 7]
    field = scope["receptive_field"]
    assert (field["size"], field["stride"]) == ([427, 427], ["32", "32"])
    assert (field["smallest"], field["padding"]) == ([427, 427], [213, 213])
    layers = {row["path"]: row for row in net["layers"]}
    assert layers["fc"]["receptive_field"] is None
    assert layers["layer1.0.downsample.0"]["inputs"] == ["pool1"]
    assert layers["layer1.0.sum"]["inputs"] == ["layer1.0.downsample.1", "layer1.0.c.bn"]


def test_json_of_an_axis_that_is_whole_and_of_fractions() -> None:
    g = GraphBuilder()
    m = g.body("Net", "network")
    x = m.input("signal", 1, 9)
    m.output(m.add("up", "upsample", x, factor=2), "y")
    m.done()
    net = entry(g.graph())
    assert net["receptive_field"]["stride"] == ["1/2"]


def test_schema_names_what_is_printed() -> None:
    schema = jsonout.schema()
    printed = {"archc", "schema", "spec", "networks", "diagnostics"}
    assert set(schema["properties"]) == printed | {"costs"}  # costs: only where asked for
    layer = set(schema["$defs"]["Layer"]["properties"])
    assert layer >= {
        "path", "op", "args", "inputs", "shape", "params", "macs", "neurons",
        "receptive_field", "file", "line", "column",
    }  # fmt: skip
