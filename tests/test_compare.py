"""`archc compare`: rows, sweeps, plots with the Pareto front; tables as LaTeX."""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archc
from archc.analysis.compare import MEASURES, front, totals
from archc.analysis.memory_budget import budget
from archc.cli import arguments, latex, main
from archc.cli.compare_draw import HEIGHT, WIDTH, Mark, Stroke, Text, png, shapes, svg
from archc.cli.compare_plot import panels
from archc.cli.sweep import MOST_POINTS, Sweep, file_and_network, grid, split, sweep

ROOT = Path(__file__).resolve().parent.parent
SPECS = ROOT / "specs"

NET = """
network Net(width: int = 8, depth: int = 2, groups: int = 1, act: block = relu) {
  input image[3, H=16, W=16]
  output logits = image -> stem: conv(width, 3, pad=half)
    -> body: repeat depth { conv(width, 3, pad=half, groups=groups) -> act }
    -> pool(global, by=avg) -> flatten -> fc: linear(10)
}
network Wide = Net(width=16)
"""


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "net.arch"
    path.write_text(NET)
    return str(path)


def records(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, str]]:
    """The records of `archc compare ... --format csv`."""
    main(["compare", *arguments, "--format", "csv"])
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


# ---------------------------------------------------------------------- figures


@pytest.mark.parametrize("name", ["lenet5", "unet", "googlenet", "perceptron", "fcn8s"])
def test_figures_are_those_of_check(name: str) -> None:
    for net in archc.load(SPECS / f"{name}.arch").values():
        report = net.report
        found = totals(report, 4, "adam")
        assert found.params == report.measure("params")
        assert found.macs == report.measure("macs")
        assert found.depth == report.measure("depth")
        assert found.neurons == report.measure("neurons")
        assert totals(report).inference == report.measure("memory")
        memory = budget(net.graph)
        assert found.training == memory.training(4, "adam")
        assert found.inference == memory.inference(4) == memory.inference(0) + found.activations
        whole = report.receptive_field is not None and report.receptive_field.whole
        assert bool(found.field_at) == (whole and report.local_field is not None)


def test_names_of_figures_are_those_of_the_arguments() -> None:
    assert tuple(MEASURES) == arguments.MEASURED


# ---------------------------------------------------------------------- sweeps


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("n=1..4", ["1", "2", "3", "4"]),
        ("width=32..128:32", ["32", "64", "96", "128"]),
        ("width=32..100:32", ["32", "64", "96"]),
        ("w=0.25..1.0:0.25", ["0.25", "0.50", "0.75", "1.00"]),
        ("n=-2..2:2", ["-2", "0", "2"]),
        ("n=5..5", ["5"]),
        ("act=relu, leaky_relu(0.1) ,gelu", ["relu", "leaky_relu(0.1)", "gelu"]),
        ("d=[2,2],[3,4]", ["[2,2]", "[3,4]"]),
        ('s="a,b","c"', ['"a,b"', '"c"']),
        ("n=1,2,1", ["1", "2"]),
    ],
)
def test_values_of_a_sweep(text: str, values: list[str]) -> None:
    assert list(sweep(text).values) == values


@pytest.mark.parametrize(
    "text", ["n", "n=", "=1,2", "n=1,,2", "n=4..1", "n=1..4:0", "n=1..9:-1", "n=1..1e9", "a b=1,2",
             "n=1..99999999", "n=,"]
)  # fmt: skip
def test_sweeps_that_are_none(text: str) -> None:
    if text == "n=1..1e9":
        assert sweep(text).values == ("1..1e9",)  # a value; whether it is one, .arch decides
        return
    with pytest.raises(argparse.ArgumentTypeError):
        sweep(text)


@given(st.lists(st.sampled_from(["1", "[1,2]", "f(1,[2,3])", '"x,]"', "a"]), min_size=1))
def test_splitting_undoes_joining(parts: list[str]) -> None:
    assert split(",".join(parts)) == parts


def test_a_grid_has_every_combination_in_order() -> None:
    found = list(grid([Sweep("a", ("1", "2")), Sweep("b", ("x", "y", "z"))]))
    assert [tuple(point.values()) for point in found] == [
        ("1", "x"), ("1", "y"), ("1", "z"), ("2", "x"), ("2", "y"), ("2", "z")
    ]  # fmt: skip
    assert list(grid([])) == [{}]


def test_files_and_networks(tmp_path: Path) -> None:
    assert file_and_network("a.arch") == ("a.arch", None)
    assert file_and_network("a.arch:Net") == ("a.arch", "Net")
    assert file_and_network(r"C:\nets\a.arch") == (r"C:\nets\a.arch", None)
    there = tmp_path / "a:b"
    there.write_text("")
    assert file_and_network(str(there)) == (str(there), None)


def test_points_are_networks_with_these_settings(
    spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = records(capsys, spec, "--sweep", "width=8..24:8", "--sweep", "act=relu,gelu")
    assert [(r["network"], r["width"], r["act"]) for r in rows] == [
        (net, w, act)
        for net in ("Net", "Wide")
        for w in ("8", "16", "24")
        for act in ("relu", "gelu")
    ]
    for row in rows:
        settings = {"width": int(row["width"]), "act": row["act"]}
        report = archc.load(spec, settings=settings)["Net"].report
        assert int(row["params"]) == report.params and int(row["macs"]) == report.macs


def test_free_sizes_are_swept_too(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = records(capsys, f"{spec}:Net", "--sweep", "H=8,32", "--sweep", "width=4,8")
    assert [(r["H"], r["width"]) for r in rows] == [
        ("8", "4"),
        ("8", "8"),
        ("32", "4"),
        ("32", "8"),
    ]
    for row in rows:
        made = archc.load(spec, settings={"width": int(row["width"])}, sizes={"H": int(row["H"])})
        assert int(row["macs"]) == made["Net"].report.macs


def test_a_parameter_that_is_named_like_a_figure(
    spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = records(capsys, spec, "--network", "Net", "--sweep", "depth=1,3")
    assert [(r["depth (set)"], r["depth"]) for r in rows] == [("1", "3"), ("3", "5")]
    main(["compare", spec, "--sweep", "depth=1,3"])
    assert "network  depth (set)  params" in capsys.readouterr().out


def test_a_required_parameter_may_be_swept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "need.arch"
    path.write_text("network N(w: int) { input x[3, H=8, W=8]  output x -> conv(w, 3) }")
    rows = records(capsys, str(path), "--sweep", "w=1,2", "--sweep", "H=9,10")
    assert [r["params"] for r in rows] == ["28", "28", "56", "56"]


def test_points_that_do_not_check_are_rows(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    sweeps = ["--network", "Net", "--sweep", "width=6,8", "--sweep", "groups=1,4"]
    assert main(["compare", spec, *sweeps]) == 0
    out, err = capsys.readouterr()
    assert not err
    assert re.search(r"^Net +6 +4 +E0404$", out, re.M)
    assert "E0404 at width=6, groups=4: 6 arriving channels do not divide into 4 groups" in out
    rows = records(capsys, spec, *sweeps)
    assert [r["error"] for r in rows] == ["", "E0404", "", ""]
    assert rows[1]["params"] == ""


def test_no_point_that_checks(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", spec, "--sweep", "width=6,10", "--set", "groups=4"]) == 1
    out, err = capsys.readouterr()
    assert not out and err.count("error[E0404]") == 2 and "2 errors" in err
    assert main(["compare", spec, "--sweep", "width=0,-1", "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert all(r["figures"] is None and r["diagnostics"] for r in document["rows"])


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--sweep", "wdth=1,2"], 1, "did you mean `width`?"),
        (["--sweep", "width=1,2", "--sweep", "h=1,2"], 1, "no network here has a parameter `h`"),
        (["--sweep", "width=1,2", "--set", "depht=1"], 1, "did you mean `depth`?"),
        (["--sweep", "width=1,2", "--set", "width=1"], 2, "by --set and by --sweep"),
        (["--sweep", "width=1,2", "--sweep", "width=3"], 2, "given twice"),
        (["--sweep", "width=1..100", "--sweep", "depth=1..100"], 2, "10,000 networks"),
        (["--sweep", "H=8,x"], 2, "whole numbers above 0"),
        (["--sweep", "width"], 2, "NAME=FIRST..LAST:STEP"),
        (["--x", "params"], 2, "--plot FILE says where"),
        (["--plot", "a.pdf"], 2, "FILE.svg or FILE.png"),
        (["--x", "speed", "--plot", "a.svg"], 2, "invalid choice"),
        (["--network", "Nett"], 1, "did you mean `Net`?"),
    ],
)
def test_mistakes(
    arguments: list[str], code: int, text: str, spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", spec, *arguments]) == code
    out, err = capsys.readouterr()
    assert not out and text in err and "Traceback" not in err
    assert err.count("error") <= 2


def test_names_that_no_network_has_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "two.arch"
    one = "network {}({}: int = 3) {{ input x[3, 8, 8]  output x -> conv({}, 3) }}\n"
    path.write_text(one.format("A", "a", "a") + one.format("B", "b", "b"))
    assert main(["compare", str(path), "--sweep", "a=1,2", "--sweep", "b=1,2"]) == 1
    out, err = capsys.readouterr()
    assert not out and "no network here has all of `a` and `b`" in err


def test_bounds_of_a_sweep() -> None:
    assert len(sweep(f"n=1..{MOST_POINTS}").values) == MOST_POINTS
    with pytest.raises(argparse.ArgumentTypeError, match="are most"):
        sweep(f"n=0..{MOST_POINTS}")


def test_one_wrong_spec_does_not_hide_the_others(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.arch"
    bad.write_text("network B { input x[3, 8, 8]  output x -> cnv(3) }")
    assert main(["compare", str(bad), spec]) == 1
    out, err = capsys.readouterr()
    assert "E0202" in err and re.search(r"^Wide +\d", out, re.M)


# ---------------------------------------------------------------------- formats


def test_all_formats_have_the_same_rows(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    found: dict[str, str] = {}
    for form in ("table", "markdown", "latex", "json", "csv"):
        assert main(["compare", spec, "--format", form, "--batch", "8", "--optimizer", "adam"]) == 0
        found[form] = capsys.readouterr().out
    document = json.loads(found["json"])
    assert (document["schema"], document["batch"]) == ("archc-compare-1", 8)
    by_row = list(csv.DictReader(io.StringIO(found["csv"])))
    for row, other in zip(document["rows"], by_row, strict=True):
        figures = row["figures"]
        assert {k: "" if v is None else str(v) for k, v in figures.items()} == {
            k: other[k] for k in figures
        }
        for form in ("table", "markdown", "latex"):
            line = next(t for t in found[form].splitlines() if f"{figures['params']:,}" in t)
            assert row["network"] in line
        assert (
            figures["training"]
            == totals(archc.load(spec)[row["network"]].report, 8, "adam").training
        )
    assert "batch 8; training with adam" in found["table"]


def test_networks_of_one_name_are_told_apart(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.arch"
    other.write_text(NET)
    assert main(["compare", spec, str(other)]) == 0
    out = capsys.readouterr().out
    assert "Net (net.arch)" in out and "Net (other.arch)" in out


# ---------------------------------------------------------------------- plots


POINTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12)


@given(POINTS, st.booleans(), st.booleans())
def test_the_front_is_what_nothing_beats(
    points: list[tuple[int, int]], low_x: bool, low_y: bool
) -> None:
    def value(p: tuple[int, int]) -> tuple[int, int]:
        return (-p[0] if low_x else p[0]), (-p[1] if low_y else p[1])

    def beaten(p: tuple[int, int]) -> bool:
        mine = value(p)
        return any(
            other != mine and other[0] >= mine[0] and other[1] >= mine[1]
            for other in map(value, points)
        )

    found = front([(float(x), float(y)) for x, y in points], low_x, low_y)
    assert sorted(found) == [n for n, p in enumerate(points) if not beaten(p)]
    assert [points[n] for n in found] == sorted(points[n] for n in found)


@pytest.fixture(scope="module")
def networks() -> list[tuple[str, Any]]:
    specs = [archc.load(SPECS / f"{n}.arch") for n in ("resnet", "vgg", "mobilenet", "lenet5")]
    return [(net.name, totals(net.report)) for spec in specs for net in spec.values()]


@pytest.mark.parametrize("x", ["params", "macs", "training"])
@pytest.mark.parametrize("y", ["receptive_field", "depth", "inference", "flops"])
def test_plots_are_legible(x: str, y: str, networks: list[tuple[str, Any]]) -> None:
    """Points where their figures say, between ticks; labels that cover nothing."""
    (panel,) = panels(networks, x, [y])
    drawn = list(shapes(panel))
    marks = [shape for shape in drawn if isinstance(shape, Mark)]
    texts = [shape for shape in drawn if isinstance(shape, Text)]
    assert len(marks) == len(networks)
    for one, name in ((panel.x, x), (panel.y, y)):
        assert len(one.ticks) >= 3 and len({text for _, text in one.ticks}) == len(one.ticks)
        assert all(one.low <= value <= one.high for value, _ in one.ticks)
        assert MEASURES[name].title in one.title
        assert one.title in [t.text for t in texts]
        assert ("iB" in one.title) == (MEASURES[name].unit == "bytes")
    order = [n for n in range(len(networks)) if n not in panel.front] + panel.front
    places = [(panel.points[n], mark) for n, mark in zip(order, marks, strict=True)]
    for (p, m), (q, n) in combinations(places, 2):
        assert (p[0] < q[0]) == (m.x < n.x) and (p[1] < q[1]) == (m.y > n.y)
    labels = [t for t in texts if t.text in panel.labels]
    assert {panel.labels[n] for n in panel.front} & {t.text for t in labels}
    boxes = [_box(t) for t in labels]
    for a, b in combinations(boxes, 2):
        assert not (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3])
    for t, box in zip(labels, boxes, strict=True):
        assert min(box) >= 0 and box[2] <= WIDTH and box[3] <= HEIGHT, t
        inside = [m for m in marks if box[0] < m.x < box[2] and box[1] < m.y < box[3]]
        assert not inside, (t.text, inside)
    lines = [s for s in drawn if isinstance(s, Stroke) and len(s.points) == len(panel.front)]
    assert len(panel.front) < 2 or lines


def _box(text: Text) -> tuple[float, float, float, float]:
    """Where a label lies, its characters as narrow as they can be."""
    width = 5.5 * len(text.text)
    left = text.x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[text.anchor]
    return left, text.y - 9, left + width, text.y + 1


def test_what_is_plotted_if_nothing_is_said(
    spec: str, tmp_path: Path, networks: list[tuple[str, Any]]
) -> None:
    assert panels(networks, None, None)[0].title == "receptive field against parameters"
    by_width = [(str(w), totals(archc.load(spec, settings={"width": w})["Net"].report))
                for w in (4, 8)]  # fmt: skip
    assert panels(by_width, None, None)[0].title == "memory of inference against parameters"
    by_size = [(str(n), totals(archc.load(spec, sizes={"H": n})["Net"].report)) for n in (16, 32)]
    assert panels(by_size, None, None)[0].title.endswith("against multiply-accumulates")


def test_svg_is_a_file_of_its_own(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "plot.svg"
    assert main(
        ["compare", spec, "--sweep", "width=4..16:4", "--y", "macs,depth", "--plot", str(path)]
    ) == 0  # fmt: skip
    out, err = capsys.readouterr()
    assert "network" in out and err == f"{path}\n"
    text = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(text)
    assert root.get("height") == str(2 * HEIGHT)
    assert "href" not in text and "<script" not in text and "url(" not in text
    said = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "depth (weight layers)" in said and "Net width=4" in said


def test_names_are_text_in_plots() -> None:
    net = archc.loads("network A { input x[3, 8, 8]  output x -> conv(3, 3) }")["A"]
    rows = [("<script>alert('&')</script>", totals(net.report)), ("$a_b$", totals(net.report))]
    drawn = panels(rows, "params", ["macs"])
    root = ElementTree.fromstring(svg(drawn))
    assert not list(root.iter("{http://www.w3.org/2000/svg}script"))
    assert "<script>alert('&')</script>" in [e.text for e in root.iter() if e.text]
    assert png(drawn).startswith(b"\x89PNG")


def test_png(spec: str, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "plot.png"
    assert main(["compare", spec, "--sweep", "width=4..16:4", "--plot", str(path)]) == 0
    with Image.open(path) as image:
        assert image.size == (2 * WIDTH, 2 * HEIGHT)
        assert len(image.convert("RGB").getcolors(1 << 20) or []) > 20


def test_png_without_matplotlib(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    path = tmp_path / "plot.png"
    assert main(["compare", spec, "--plot", str(path)]) == 1
    assert "E0809" in capsys.readouterr().err and not path.exists()


def test_a_plot_that_cannot_be_written(
    spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "plot.svg"
    folder.mkdir()
    assert main(["compare", spec, "--plot", str(folder)]) == 1
    assert "E0708" in capsys.readouterr().err and not list(folder.iterdir())


def test_networks_that_see_everything_are_counted(tmp_path: Path) -> None:
    net = archc.loads("network A { input x[8]  output x -> linear(3) }")["A"]
    (panel,) = panels([("A", totals(net.report))], "params", ["receptive_field"])
    assert panel.points == [] and "1 not shown" in panel.note
    ElementTree.fromstring(svg([panel]))


def test_the_picture_of_the_page_is_what_its_command_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
    command = re.findall(r"^archc (compare .* --plot) docs/images/compare\.svg$", page, re.M)
    monkeypatch.chdir(ROOT)
    made = tmp_path / "compare.svg"
    assert main([*command[0].split(), str(made)]) == 0
    assert made.read_text() == (ROOT / "docs" / "images" / "compare.svg").read_text()


# ---------------------------------------------------------------------- LaTeX


def rows_of(text: str) -> list[list[str]]:
    """The rows of all tables, each a list of cells; whatever else there is must be balanced.

    Raises AssertionError where LaTeX would stop: braces or environments that do not match, a
    special character that is not escaped, a row with more cells than columns.
    """
    open_: list[str] = []
    found: list[list[str]] = []
    columns = 0
    for line in text.splitlines():
        depth = 0
        for token in re.findall(r"\\[a-zA-Z]+|\\.|.", line):
            assert token.isascii() or "À" <= token <= "ÿ", token
            assert token not in ("_", "^", "#", "~", '"'), line
            depth += {"{": 1, "}": -1}.get(token, 0)
            assert depth >= 0, line
        assert depth == 0, line
        assert re.sub(r"\\.", "", line).count("$") % 2 == 0, line
        assert "%" not in re.sub(r"\\.", "", line)
        for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", line):
            if kind == "begin":
                open_.append(name)
            else:
                assert open_.pop() == name
        if re.match(r"\\begin\{(tabular|longtable)\}", line):
            shape = re.sub(r"p\{[^}]*\}", "p", line[line.index("@{}") + 3 : line.rindex("@{}")])
            columns = len(shape)
        elif line.endswith(r"\\") and open_ and open_[-1] in ("tabular", "longtable"):
            if line.startswith(r"\caption"):
                continue
            cells = [cell.strip() for cell in re.split(r"(?<!\\)&", line[:-2])]
            assert len(cells) == columns, line
            found.append(cells)
        else:
            assert "&" not in re.sub(r"\\.", "", line), line
    assert not open_
    return found


NAMES = ["lenet5", "resnet", "unet", "inception_v3", "kernels", "perceptron", "mask_rcnn"]


@pytest.mark.parametrize("name", NAMES)
def test_latex_of_specs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(SPECS / f"{name}.arch")
    assert main(["check", path, "--format", "latex"]) == 0
    rows = rows_of(capsys.readouterr().out)
    for net in archc.load(path).values():
        total = [row for row in rows if row[0] == "total" and row[3] == f"{net.report.params:,}"]
        assert total and len(total[0]) == 6
    first = next(iter(archc.load(path).values()))
    sizes = r" $\times$ ".join(map(str, first.report.inputs[0][1]))
    assert [first.report.inputs[0][0], "", sizes, "", "", ""] in rows


def test_latex_folds_as_the_table_does(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", str(SPECS / "resnet.arch"), "--network", "ResNet50", "--format", "latex"]
    assert main(arguments) == 0
    folded = capsys.readouterr().out
    assert r"\quad layer3.1 \ldots{} 5" in folded and "longtable" not in folded
    assert main([*arguments, "--unfold"]) == 0
    unfolded = capsys.readouterr().out
    assert r"\begin{longtable}" in unfolded and r"\endhead" in unfolded
    assert len(rows_of(unfolded)) > 200
    assert main([*arguments, "--device", "h100", "--convention", "all"]) == 0
    costs = rows_of(capsys.readouterr().out)
    assert [
        "layer",
        "operator",
        "FLOPs",
        "bytes",
        "FLOPs/byte",
        "time",
        "share",
        "bound by",
    ] in costs


def test_latex_of_free_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", str(SPECS / "fcn8s.arch"), "--format", "latex", "--symbolic"]
    assert main(arguments) == 0
    assert any("H" in row[2] for row in rows_of(capsys.readouterr().out))


@given(st.text())
def test_any_text_is_escaped(text: str) -> None:
    body = [[latex.escaped(text.replace("\n", " ")), "", ""]]
    made = latex.tabular(("a_b", "50%", "&"), "lll", body, latex.escaped(text), text)
    assert rows_of(made)[0] == [r"a\_b", r"50\%", r"\&"]
    assert len(rows_of(made)) == 2


def test_escapes() -> None:
    assert latex.escaped(r"a_b & 50% \x {y}") == (
        r"a\_b \& 50\% \textbackslash{}x \{y\}"
    )  # fmt: skip
    assert latex.escaped("--") == "-{}-" and latex.escaped("---") == "-{}--"
    assert latex.escaped("é 中 \x1b") == r"é \texttt{U+4E2D} \textbackslash{}x1b"
    assert latex.sizes("3 x 8 x 8") == r"3 $\times$ 8 $\times$ 8"


def test_a_row_cannot_begin_with_an_argument_of_the_line_before() -> None:
    r"""`\\[` and `\\*` take what follows."""
    made = latex.tabular(("n",), "l", [[latex.escaped("[2cm]")], [latex.escaped("*")]], "c", "c")
    assert "\n{[}2cm{]}" in made and "\n{*}" in made
