"""Diagnostics as values and as people and programs see them."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.diagnostics import (
    Diagnostic,
    Diagnostics,
    Edit,
    Fix,
    Label,
    TooManyErrors,
    closest,
)
from archc.diagnostics.catalogue import CODES, Code
from archc.diagnostics.json import to_dict
from archc.diagnostics.sarif import to_sarif
from archc.diagnostics.terminal import render
from archc.source import Source, Span

UNET = Source(
    "specs/unet.arch",
    "\n" * 11 + "  a = x -> conv(32, 3, stride=2)\n\n  y = fuse(a, x, by=sum)\n",
)


def span(source: Source, text: str, nth: int = 0) -> Span:
    start = -1
    for _ in range(nth + 1):
        start = source.text.index(text, start + 1)
    return Span(source, start, start + len(text))


UNEQUAL = Diagnostic(
    "E0401",
    "`fuse(by=sum)` needs equal shapes",
    (
        Label(span(UNET, "fuse"), "[32, 16, 16] and [64, 32, 32]"),
        Label(span(UNET, "conv(32, 3, stride=2)"), "[32, 16, 16]:  (32 + 2·1 - 3) / 2 + 1 = 16"),
    ),
    ("in UNet\nin Level",),
    "bring the second path to the same shape: x -> conv(32, 1, stride=2)",
)


def screen(*items: Diagnostic, width: int = 100) -> str:
    return render(items, color=False, width=width)


# ---------------------------------------------------------------------------- the screen


def test_two_places_and_the_arithmetic() -> None:
    assert screen(UNEQUAL) == (
        "error[E0401]: `fuse(by=sum)` needs equal shapes\n"
        "  --> specs/unet.arch:14:7\n"
        "   |\n"
        "12 |   a = x -> conv(32, 3, stride=2)\n"
        "   |            --------------------- [32, 16, 16]:  (32 + 2·1 - 3) / 2 + 1 = 16\n"
        "13 |\n"
        "14 |   y = fuse(a, x, by=sum)\n"
        "   |       ^^^^ [32, 16, 16] and [64, 32, 32]\n"
        "   |\n"
        "   = note: in UNet\n"
        "           in Level\n"
        "help: bring the second path to the same shape: x -> conv(32, 1, stride=2)\n"
        "\n"
        "1 error"
    )


def test_labels_on_one_line_hang_below_each_other() -> None:
    item = Diagnostic(
        "E0505",
        "three",
        (
            Label(span(UNET, "fuse"), "here"),
            Label(span(UNET, "a,"), "first"),
            Label(span(UNET, "sum"), "last"),
        ),
    )
    assert screen(item).split("\n")[3:9] == [
        "14 |   y = fuse(a, x, by=sum)",
        "   |       ^^^^ --       --- last",
        "   |       |    |",
        "   |       |    first",
        "   |       here",
        "   |",
    ]


def test_a_gap_between_lines_is_shown() -> None:
    source = Source("a", "one\ntwo\nthree\nfour\nfive\n")
    item = Diagnostic("E0203", "x", (Label(span(source, "one")), Label(span(source, "five"))))
    rows = screen(item).split("\n")[3:8]
    assert rows == ["1 | one", "  | ^^^", "...", "5 | five", "  | ----"]


def test_a_span_over_lines_shows_its_first_and_last() -> None:
    source = Source("a", "x = (\n  1 +\n  2 +\n  3\n)\n")
    item = Diagnostic("E0308", "x", (Label(Span(source, 4, 23), "all of it"),))
    assert screen(item).split("\n")[3:8] == [
        "1 | x = (",
        "  |     ^",
        "...",
        "5 | )",
        "  | ^ all of it",
    ]


def test_other_files_are_named() -> None:
    other = Source("archc/std/residual.arch", "block Basic {\n}\n")
    item = Diagnostic(
        "E0203", "twice", (Label(span(UNET, "fuse"), "again"), Label(span(other, "Basic"), "first"))
    )
    text = screen(item)
    assert "  --> specs/unet.arch:14:7\n" in text
    assert "  ::: archc/std/residual.arch:1:7\n" in text
    assert " 1 | block Basic {\n" in text


def test_tabs_and_wide_characters_keep_marks_in_place() -> None:
    source = Source("a", '\tx = "図é" bad\n')
    item = Diagnostic("E0101", "x", (Label(span(source, "bad"), "here"),))
    line, marks = screen(item).split("\n")[3:5]
    assert line == '1 |     x = "図é" bad'
    # The wide character takes two columns of the terminal and one of the string.
    assert marks.index("^") == line.index("bad") + 1


def test_long_lines_are_cut_around_their_marks() -> None:
    source = Source("a", "x" * 5000 + " bad " + "y" * 5000)
    text = screen(Diagnostic("E0101", "x", (Label(span(source, "bad"), "here"),)), width=80)
    line, marks = text.split("\n")[3:5]
    assert len(line) <= 80 and line.startswith("1 | ...x") and line.endswith("y...")
    assert line[marks.index("^") :].startswith("bad ")


def test_two_marks_far_apart_on_one_line_are_both_seen() -> None:
    source = Source("a", "one" + " " * 3000 + "two")
    labels = (Label(span(source, "two"), "here"), Label(span(source, "one"), "there"))
    text = screen(Diagnostic("E0203", "x", labels), width=80)
    assert "one" in text and "two" in text and "^^^ here" in text and "--- there" in text


def test_nothing_steers_the_terminal() -> None:
    source = Source("a\x1b[2J.arch", "x = \x1b[31m \u202e \x07 \u2066 bad\r\n")
    item = Diagnostic("E0103", "has \x1b[0m", (Label(span(source, "bad"), "\x9b31m"),), ("\x08",))
    text = screen(item)
    assert all(c == "\n" or c.isprintable() for c in text)
    assert "<U+001B>[31m <U+202E> <U+0007>" in text
    line, marks = text.split("\n")[3:5]
    assert line.index("bad") == marks.index("^")


def test_a_fix_shows_the_line_as_it_would_read() -> None:
    place = span(UNET, "fuse")
    fixes = (Fix("write `join`", (Edit(place, "join"),)),)
    text = screen(Diagnostic("E0202", "x", (Label(place),), (), None, fixes))
    assert text.endswith("fix: write `join`\n14 +   y = join(a, x, by=sum)\n\n1 error")
    same = Diagnostic("E0202", "x", (Label(place),), (), "write `join`", fixes)
    assert "fix:" not in screen(same) and "14 +   y = join(a, x, by=sum)" in screen(same)


def test_the_end_of_a_text_has_a_caret() -> None:
    source = Source("a", "const a")
    text = screen(Diagnostic("E0101", "x", (Label(Span(source, 7, 7), "here"),)))
    assert text.split("\n")[3:5] == ["1 | const a", "  |        ^ here"]


def test_without_a_place_there_is_only_the_message() -> None:
    assert screen(Diagnostic("E0701", "no file", help="look")) == (
        "error[E0701]: no file\nhelp: look\n\n1 error"
    )
    assert screen() == ""


def test_the_last_line_counts_by_severity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CODES, "W199", Code("careful", "warning"))
    items = [UNEQUAL, UNEQUAL, Diagnostic("W199", "careful")]
    assert screen(*items).startswith("error") and "warning[W199]: careful" in screen(*items)
    assert screen(*items).split("\n")[-1] == "2 errors, 1 warning"


def test_colour_changes_nothing_but_colour() -> None:
    coloured = render([UNEQUAL], color=True)
    assert "\x1b[1;31merror[E0401]\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == screen(UNEQUAL)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.data())
def test_any_place_in_any_text_can_be_shown(text: str, data: st.DataObject) -> None:
    source = Source("any", text)
    labels = []
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text)))
        labels.append(Label(Span(source, start, end), data.draw(st.sampled_from(["", "here"]))))
    item = Diagnostic("E0101", "x", tuple(labels))
    shown = screen(item, width=60)
    assert "^" in shown
    assert all(c == "\n" or c.isprintable() or c == "\u3000" for c in shown if c.isascii())
    assert to_dict(item)["line"] == labels[0].span.line


# ---------------------------------------------------------------------------- for programs


def test_json_has_places_and_edits() -> None:
    place = span(UNET, "fuse")
    fix = Fix("write", (Edit(place, "join"),), safe=True)
    item = Diagnostic("E0202", "m", UNEQUAL.labels, ("n",), "h", (fix,))
    entry = json.loads(json.dumps(to_dict(item)))
    where = {"file": UNET.name, "line": 14, "column": 7, "end_line": 14, "end_column": 11}
    assert {k: entry[k] for k in where} == where
    assert (entry["code"], entry["severity"], entry["message"]) == ("E0202", "error", "m")
    assert entry["help"] == "h" and entry["notes"][0] == "n"
    assert "specs/unet.arch:12:12: [32, 16, 16]" in entry["notes"][2]
    assert entry["fixes"] == [
        {"title": "write", "safe": True, "edits": [{**where, "text": "join"}]}
    ]
    assert to_dict(Diagnostic("E0701", "m"))["file"] is None


def test_sarif_is_what_the_standard_asks_for() -> None:
    place = span(UNET, "fuse")
    fix = Fix("write", (Edit(place, "join"), Edit(span(UNET, "conv"), "c")))
    odd = Source("a b\\ü.arch", "x")
    items = [
        Diagnostic("E0401", "m", UNEQUAL.labels, ("n",), "h", (fix,)),
        Diagnostic("E0101", "no", (Label(Span(odd, 0, 1)),)),
        Diagnostic("E0701", "none"),
    ]
    log = json.loads(json.dumps(to_sarif(items)))
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    [run] = log["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    driver = run["tool"]["driver"]
    assert driver["name"] == "archc" and driver["version"]
    rules = driver["rules"]
    assert [rule["id"] for rule in rules] == ["E0101", "E0401", "E0701"]
    for rule in rules:
        assert rule["shortDescription"]["text"] == CODES[rule["id"]].title
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
    first, second, third = run["results"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"] and result["level"] == "error"
    region = first["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 14, "startColumn": 7, "endLine": 14, "endColumn": 11}
    assert first["relatedLocations"][0]["id"] == 1
    [change] = first["fixes"][0]["artifactChanges"]
    assert [r["insertedContent"]["text"] for r in change["replacements"]] == ["join", "c"]
    location = second["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location["uri"] == "a%20b/%C3%BC.arch"
    assert "locations" not in third and "fixes" not in third


# ---------------------------------------------------------------------------- the collection


def test_the_same_mistake_counts_once() -> None:
    diagnostics = Diagnostics()
    for _ in range(2):
        diagnostics.error("E0401", "m", span(UNET, "fuse"))
    diagnostics.error("E0402", "m", (span(UNET, "fuse"), "text"))
    assert [d.code for d in diagnostics] == ["E0401", "E0402"] and diagnostics.failed


def test_a_wall_of_errors_ends() -> None:
    diagnostics = Diagnostics(limit=3)
    with pytest.raises(TooManyErrors):
        for at in range(10):
            diagnostics.error("E0101", "m", Span(UNET, at, at + 1))
    assert len(diagnostics) == 3


@pytest.mark.parametrize(
    ("name", "meant"),
    [("ouput", "output"), ("stirde", "stride"), ("Relu", "relu"), ("xyz", None), ("ot", None)],
)
def test_did_you_mean(name: str, meant: str | None) -> None:
    assert closest(name, ["output", "stride", "relu", "conv"]) == meant


def test_every_code_is_in_its_band() -> None:
    for code, entry in CODES.items():
        assert re.fullmatch(r"E(0[1-9]|10)\d\d|W1\d\d\d?\d?", code), code
        assert entry.severity == ("error" if code[0] == "E" else entry.severity)
        assert entry.title and not entry.title.endswith(".")
