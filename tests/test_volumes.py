"""Figures as in papers: nothing covers anything, lengths are to scale, files are whole."""

from __future__ import annotations

import io
import math
import re
import sys
import xml.etree.ElementTree as ET
import zlib
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import pytest

from archc.api import SpecError, load
from archc.cli import main
from archc.driver import Compiled, compile_spec
from archc.emit import volumes
from archc.emit.volumes.bodies import colors, shade
from archc.emit.volumes.drawing import Drawing, Text, bounds, text_width
from archc.emit.volumes.figure import figure
from archc.emit.volumes.layout import arrange
from archc.emit.volumes.scale import Scale
from archc.emit.volumes.spots import Layout
from archc.source import Source

ROOT = Path(__file__).resolve().parent.parent
SPECS = sorted((ROOT / "specs").glob("*.arch"))
MAP = shade(colors("conv")[0], 1.25)
"""Of a map that is drawn by itself."""

SLACK = 0.3
"""Points that bounds of letters may share: they are those of the font's tallest."""


@lru_cache
def networks(file: Path) -> tuple[Compiled, ...]:
    return tuple(compile_spec(str(file)).networks)


def network(file: str, name: str) -> Compiled:
    return next(n for n in networks(ROOT / "specs" / f"{file}.arch") if n.name == name)


def drawn(made: Compiled, unfold: bool = False) -> Drawing:
    return volumes.drawn(made.graph, made.report, unfold)


def placed(made: Compiled) -> Layout:
    shown = figure(made.graph, False)
    return arrange(shown, Scale(shown))


def compiled(text: str) -> Compiled:
    state = compile_spec("-", source=Source("t.arch", text))
    assert not state.failed, [d.message for d in state.diagnostics]
    return state.networks[-1]


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return (
        a[0] < b[2] - SLACK and b[0] < a[2] - SLACK and a[1] < b[3] - SLACK and b[1] < a[3] - SLACK
    )


@pytest.mark.parametrize("file", SPECS, ids=lambda p: p.stem)
def test_every_network_is_drawn_and_nothing_covers_words(file: Path) -> None:
    for made in networks(file):
        drawing = drawn(made)
        words = [(bounds(m), m.text) for m in drawing.marks if isinstance(m, Text)]
        assert made.name in [text for _, text in words]
        for (a, one), (b, other) in combinations(words, 2):
            assert not overlap(a, b), (made.name, one, other)
        for mark in drawing.marks:
            left, top, right, bottom = bounds(mark)
            inside = min(left, top) >= 0 and right <= drawing.width and bottom <= drawing.height
            assert inside, (made.name, mark)


@pytest.mark.parametrize("file", SPECS, ids=lambda p: p.stem)
def test_bodies_are_apart_and_off_the_labels(file: Path) -> None:
    for made in networks(file):
        layout = placed(made)
        bodies = [(s.left, s.top, s.right, s.bottom) for s in layout.spots]
        for a, b in combinations(bodies, 2):
            assert not overlap(a, b), made.name
        for spot in layout.spots:
            if spot.label and spot.item.kind == "volume":
                half = spot.size.wide / 2 if spot.shared >= 0 else spot.label_width / 2
                bottom = spot.label_y + 9.5 * (len(spot.label) - 1)
                area = (spot.x - half, spot.label_y - 7, spot.x + half, bottom)
                assert not any(overlap(area, body) for body in bodies), (made.name, spot.label)


@pytest.mark.parametrize("file", SPECS, ids=lambda p: p.stem)
def test_ways_lead_to_the_right(file: Path) -> None:
    for made in networks(file):
        shown = figure(made.graph, False)
        layout = arrange(shown, Scale(shown))
        for way, route in zip(shown.ways, layout.routes, strict=True):
            if route != "broken" and way.kind != "size":
                tail, head = layout.spots[way.tail], layout.spots[way.head]
                assert tail.right < head.left, (made.name, tail.item.name, head.item.name)


def test_lengths_are_to_scale() -> None:
    spots = placed(network("vgg", "VGG16")).spots
    convs = {s.item.shape: s.size for s in spots if s.item.family == "conv"}
    for one, other in combinations(convs, 2):
        ratio = math.sqrt(one[1] / other[1])
        assert convs[one].height / convs[other].height == pytest.approx(ratio)
        assert convs[one].dx / convs[other].dx == pytest.approx(ratio)
        ratio = math.sqrt(one[0] / other[0])
        assert convs[one].width / convs[other].width == pytest.approx(ratio)


def test_a_few_channels_and_units_are_drawn_one_by_one() -> None:
    spots = {s.item.name: s for s in placed(network("lenet5", "LeNet5")).spots}
    drawing = drawn(network("lenet5", "LeNet5"))
    sheets = [m for m in drawing.marks if getattr(m, "fill", "") == MAP]
    assert spots["C1"].item.shape == (6, 28, 28)
    assert len([m for m in drawing.marks if type(m).__name__ == "Circle"]) == 10
    assert len(sheets) == 6 + 16, "the maps of C1 and C3"


def test_a_long_figure_breaks_into_lines_of_like_length() -> None:
    layout = placed(network("resnet", "ResNet50"))
    assert len(layout.strips) > 1
    ends = [max(s.right for s in layout.spots if s.strip == k) for k in range(len(layout.strips))]
    assert min(ends) > 0.5 * max(ends) and max(ends) < 1600


def test_a_u_net_is_a_u_and_its_shortcuts_lead_over_it() -> None:
    made = network("unet", "UNet")
    shown = figure(made.graph, False)
    layout = arrange(shown, Scale(shown))
    rows = {s.item.shape[1]: s.y for s in layout.spots}
    assert [rows[n] for n in sorted(rows, reverse=True)] == sorted(rows.values())
    over = [w for w, r in zip(shown.ways, layout.routes, strict=True) if r == "over"]
    assert len(over) == 4
    assert all(layout.spots[w.tail].y == layout.spots[w.head].y for w in over)


@pytest.mark.parametrize("file", SPECS, ids=lambda p: p.stem)
def test_what_stands_for_several_says_so(file: Path) -> None:
    for made in networks(file):
        shown = figure(made.graph, False)
        text = " ".join(m.text for m in drawn(made).marks if isinstance(m, Text)) + " "
        for _, _, title in shown.clusters:
            count = re.search(r" ×\d+$", title)
            assert count is None or count[0] + " " in text, (made.name, title)
        for item in shown.items:
            assert item.count == 1 or f"×{item.count} " in text, (made.name, item.name)


def test_free_sizes_are_said() -> None:
    words = [m.text for m in drawn(network("unet", "UNetAnySize")).marks if type(m) is Text]
    assert any(re.fullmatch(r"Drawn for H = \d+, W = \d+\.", text) for text in words)


@pytest.mark.parametrize("format", volumes.FORMATS)
def test_the_same_graph_gives_the_same_bytes(format: str) -> None:
    made = network("googlenet", "GoogLeNet")
    assert volumes.render(drawn(made), format) == volumes.render(drawn(made), format)


# ---------------------------------------------------------------------------- files


def test_svg_parses_and_is_nothing_but_shapes() -> None:
    for file in SPECS:
        for made in networks(file)[:2]:
            root = ET.fromstring(volumes.render(drawn(made), "svg"))
            tags = {element.tag.rpartition("}")[2] for element in root.iter()}
            assert tags <= {"svg", "title", "rect", "polygon", "circle", "path", "text"}
            assert not any("href" in k for e in root.iter() for k in e.attrib)


def test_numbers_in_svg_are_finite() -> None:
    text = volumes.render(drawn(network("hrnet", "HRNetW32")), "svg").decode()
    assert "nan" not in text and "inf" not in text.replace("info", "")


NAMES = ["<script>x</script>", "a&b]]>\"'", "é∑", ") Tj ET (", "\\", "\x00\x1b"]


def named(name: str) -> Drawing:
    drawing = Drawing(name)
    drawing.marks = [Text((0.0, 0.0), name, 8.0), Text((0.0, 20.0), name, 8.0, "end", True)]
    drawing.fit(5.0)
    return drawing


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_are_text_only(name: str) -> None:
    root = ET.fromstring(volumes.render(named(name), "svg"))
    texts = [e.text for e in root.iter() if e.tag.endswith("}text")]
    assert texts == ["".join(c if c.isprintable() else "\ufffd" for c in name)] * 2
    page, strings = pdf_parts(volumes.render(named(name), "pdf"))
    assert page.count(" Tj") == 2 == len(strings)
    assert volumes.render(named(name), "png").startswith(b"\x89PNG")


def pdf_parts(data: bytes) -> tuple[str, list[str]]:
    """The page's operators and the strings on it; offsets are checked on the way."""
    assert data.startswith(b"%PDF-1.4\n") and data.endswith(b"%%EOF\n")
    start = int(data.rsplit(b"startxref\n", 1)[1].split()[0])
    table = data[start:].split(b"\n")
    assert table[0] == b"xref"
    count = int(table[1].split()[1])
    entries = table[2 : 2 + count]
    assert all(len(entry) == 19 for entry in entries), "with its line's end, 20 bytes"
    for number, entry in enumerate(entries[1:], 1):
        assert data[int(entry.split()[0]) :].startswith(b"%d 0 obj\n" % number)
    (found,) = re.findall(rb"/Length (\d+) /Filter /FlateDecode >>\nstream\n", data)
    begin = data.index(b"stream\n") + 7
    stream = data[begin : begin + int(found)]
    assert data[begin + int(found) :].startswith(b"\nendstream")
    page = zlib.decompress(stream).decode("ascii")
    return page, re.findall(r"^<([0-9a-f]*)> Tj$", page, re.M)


def test_pdf_holds_the_page_and_its_words() -> None:
    drawing = drawn(network("alexnet", "AlexNet"))
    data = volumes.render(drawing, "pdf")
    page, strings = pdf_parts(data)
    words = [bytes.fromhex(text).decode("cp1252") for text in strings]
    assert words == [mark.text for mark in drawing.marks if isinstance(mark, Text)]
    assert "conv 11×11 /4" in words
    width, height = re.search(rb"/MediaBox \[0 0 (\S+) (\S+)\]", data).groups()  # type: ignore[union-attr]
    assert float(width) == pytest.approx(drawing.width, abs=0.01)
    assert float(height) == pytest.approx(drawing.height, abs=0.01)
    operators = {line.rsplit(" ", 1)[-1] for line in page.splitlines()}
    known = {"cm", "j", "d", "w", "m", "l", "c", "h", "S", "B", "f", "n", "rg", "RG"}
    assert operators <= known | {"BT", "ET", "Tf", "Tm", "Tj"}


def test_png_shows_the_same_at_two_pixels_a_point() -> None:
    from PIL import Image, ImageColor

    drawing = drawn(network("lenet5", "LeNet5"))
    image = Image.open(io.BytesIO(volumes.render(drawing, "png")))
    assert image.size == (round(2 * drawing.width), round(2 * drawing.height))
    colors = {color for _, color in image.getcolors(1 << 20)}
    assert {(255, 255, 255), ImageColor.getrgb(MAP)} <= colors, "paper, and the maps of C1"
    assert image.getpixel((1, 1)) == (255, 255, 255)


def test_letters_beyond_ascii_are_letters_in_png() -> None:
    blank = volumes.render(named(" "), "png")
    boxes = {volumes.render(named(text), "png") for text in ("α", "β", "é")}
    assert len(boxes) == 3 and blank not in boxes


def test_text_is_as_wide_as_in_helvetica() -> None:
    assert text_width("conv", 1000.0) == 500 + 556 + 556 + 500
    assert text_width("", 8.0) == 0.0


# ---------------------------------------------------------------------------- command and API


def test_build_writes_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = str(ROOT / "specs" / "lenet5.arch")
    chosen = ["--network", "LeNet5", "-o", str(tmp_path), "--style", "volumes"]
    assert main(["build", spec, *chosen, "--emit", "svg,pdf,png"]) == 0
    kinds = {p.suffix: p.read_bytes()[:5] for p in tmp_path.iterdir()}
    assert kinds == {".svg": b"<?xml", ".pdf": b"%PDF-", ".png": b"\x89PNG\r"}
    assert len(capsys.readouterr().out.split()) == 3


@pytest.mark.parametrize("emit", ["dot", "svg,dot", "model", "json,report"])
def test_a_style_without_such_a_file_is_a_mistake(
    emit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = str(ROOT / "specs" / "lenet5.arch")
    assert main(["build", spec, "--style", "volumes", "--emit", emit, "-o", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert err.count("error[") == 1 and "error[E0905]" in err
    assert not list(tmp_path.iterdir())


def test_png_without_pillow_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    spec = str(ROOT / "specs" / "lenet5.arch")
    out = ["-o", str(tmp_path)]
    assert main(["build", spec, "--style", "volumes", "--emit", "svg,png", *out]) == 1
    err = capsys.readouterr().err
    assert "error[E0809]" in err and "PIL" in err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("file", "name"), [("lenet5", "LeNet5"), ("alexnet", "AlexNet"), ("unet", "UNet")]
)
def test_the_figures_of_the_page_are_those_that_are_drawn(file: str, name: str) -> None:
    """`archc build SPEC --network NAME --style volumes --emit svg -o docs/images/volumes`"""
    shown = ROOT / "docs" / "images" / "volumes" / f"{file}.svg"
    assert shown.read_bytes() == volumes.render(drawn(network(file, name)), "svg")


def test_what_is_too_large_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volumes, "LARGEST", 5)
    spec = str(ROOT / "specs" / "lenet5.arch")
    out = ["--network", "LeNet5", "-o", str(tmp_path)]
    assert main(["build", spec, "--style", "volumes", "--emit", "svg", *out]) == 1
    err = capsys.readouterr().err
    assert "error[E0905]" in err and "8 volumes" in err and not list(tmp_path.iterdir())


def test_api() -> None:
    net = load(ROOT / "specs" / "lenet5.arch")["LeNet5"]
    figure_text = net.diagram(style="volumes")
    assert "<polygon" in figure_text and figure_text != net.diagram()
    with pytest.raises(SpecError) as caught:
        net.diagram("dot", style="volumes")
    assert [d.code for d in caught.value.diagnostics] == ["E0905"]


def test_a_notebook_shows_the_table_where_there_is_no_diagram(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("archc.emit.dot.LARGEST", 5)
    shown = load(ROOT / "specs" / "lenet5.arch")["LeNet5"]._repr_html_()
    assert "has 9 boxes" in shown and "<pre>" in shown and "<svg" not in shown
