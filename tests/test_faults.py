"""Injected faults: the harness itself, and that a mistake is one message at the right place.

`make faults` does it for all of `specs/`; here is a small sample.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from archc.diagnostics import Diagnostic
from archc.driver import Compilation, compile_spec
from archc.source import Source

torch = pytest.importorskip("torch")

from bench.faults.__main__ import run  # noqa: E402 - needs torch
from bench.faults.judge import Judge  # noqa: E402
from bench.faults.meaning import Keys, network, read  # noqa: E402
from bench.faults.mutants import KINDS, Mutant, mutants  # noqa: E402
from bench.faults.record import load, save  # noqa: E402
from bench.faults.report import page  # noqa: E402
from bench.faults.table import Scores, summary  # noqa: E402

ROOT = Path(__file__).parent.parent
SMALL = ["specs/lenet5.arch", "specs/sppnet.arch", "specs/fully_connected.arch"]


def check(text: str, name: str = "<text>") -> Compilation:
    return compile_spec("-", source=Source(name, text))


def errors(text: str) -> list[Diagnostic]:
    return [d for d in check(text).diagnostics.items if d.severity == "error"]


# ---------------------------------------------------------------------------- the judge


@pytest.mark.parametrize("spec", ["lenet5", "shufflenet", "unet", "mask_rcnn", "segnet"])
def test_the_judge_reads_specs_as_archc_does(spec: str) -> None:
    path = ROOT / "specs" / f"{spec}.arch"
    state = compile_spec(str(path))
    unit = read(path.read_text(), str(path), path.parent)
    for name in unit.networks():
        meaning = network(unit, name, Keys())
        report = state[name].report
        assert meaning is not None and report is not None
        assert meaning.weights == report.params + report.frozen


def changed(spec: str, before: str, after: str, kind: str = "kernel") -> Mutant:
    text = (ROOT / "specs" / spec).read_text()
    assert text.count(before) == 1
    start = text.index(before)
    edit = (start, start + len(before), after)
    return Mutant(f"specs/{spec}", kind, text, text.replace(before, after), (edit,))


@pytest.mark.parametrize(
    ("before", "after", "group"),
    [
        ("C1: conv(6, 5)", "C1: conv(6, 3)", "legal"),
        ("C5: conv(120, 5)", "C5: conv(120, 7)", "wrong"),
        ("flatten -> F6", "F6", "wrong"),
        ("C3: conv(16, 5)  ->", "C3: conv(16, [5, 5]) ->", "left out"),
    ],
)
def test_the_judge_asks_pytorch(
    before: str, after: str, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    mutant = changed("lenet5.arch", before, after)
    assert Judge(mutant.spec, mutant.before)(mutant).group == group


# ---------------------------------------------------------------------------- the run


def test_mutants_are_the_same_for_a_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = Path("specs/unet.arch").read_text()
    one, again = (mutants("specs/unet.arch", text, 5, 2) for _ in range(2))
    assert [m.text for m in one] == [m.text for m in again]
    assert [m.text for m in one] != [m.text for m in mutants("specs/unet.arch", text, 6, 2)]
    assert len({m.text for m in one} | {text}) == len(one) + 1
    for mutant in one:
        old, new = text.splitlines(), mutant.text.splitlines()
        same = [a for a, b in zip(old, new, strict=False) if a == b]
        assert mutant.lines and len(same) < len(old)


def test_a_sample_is_found_and_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    rows = run(SMALL, seed=11, each=1, to=tmp_path / "rows.jsonl")
    assert load(tmp_path / "rows.jsonl") == rows
    s = Scores(rows)
    assert s.made == len(rows) > 25
    assert s.wrong > 15 and s.legal > 5
    assert s.reported == s.wrong
    assert s.on_line + s.on_lines == s.wrong
    assert s.errors <= 1.1 * s.wrong
    assert s.mended >= 0.9 * s.offered > 0
    assert s.legal_reported >= 0.9 * s.legal
    assert {r.kind for r in rows} <= set(KINDS)
    text = page(rows, 11, 1)
    assert f"{s.made:,} mutants" in text and "seed 11" in text
    assert summary(rows).count("\n") > len(KINDS)


def test_the_report_lists_what_was_missed(tmp_path: Path) -> None:
    from dataclasses import replace

    from bench.faults.record import Row

    row = Row("specs/a.arch", "kernel", "`3` became `5`", (7,), "wrong", "conv: no", (9,),
              0, "", "", 0, "", False, False, False)  # fmt: skip
    elsewhere = replace(row, errors=1, code="E0401", message="unequal", line=3)
    rows = [row, elsewhere, replace(row, group="legal"), replace(row, group="left out")]
    text = page(rows, 1, 1)
    assert "### Wrong and not reported: 1" in text
    assert "- `specs/a.arch:7`, kernel, `3` became `5`: E0401 at line 3, unequal" in text
    assert "| wrong mutants found | 99% | 50.0% |" in text
    save(rows, tmp_path / "rows")
    assert load(tmp_path / "rows") == rows


# ---------------------------------------------------------------------------- one message

BLOCK = """
block Unit({parameter}: int) {{
  input x
  output x -> conv(width, 3, pad=half) -> conv(width, 1)
}}
network Net {{
  input image[3, 32, 32]
  output image -> Unit(8) -> Unit(width=4)
  expect params == 1
}}
"""


def test_a_parameter_misspelt_where_it_is_declared() -> None:
    (error,) = errors(BLOCK.format(parameter="widht"))
    assert error.code == "E0201" and [label.span.line for label in error.labels] == [4, 2]
    (edit,) = error.fixes[0].edits
    assert (edit.span.line, edit.text) == (2, "width")


def test_a_claim_waits_for_what_it_rests_on() -> None:
    (error,) = errors(BLOCK.format(parameter="width"))
    assert error.code == "E0601"
    broken = BLOCK.format(parameter="width").replace("pad=half", "pda=half")
    assert [e.code for e in errors(broken)] == ["E0301"]


@pytest.mark.parametrize(
    ("before", "after", "code", "line"),
    [
        ("conv(8, 3, pad=half)", "conv(8, 3 pad=half)", "E0101", 5),
        ("conv(8, 3, pad=half)", "conv(8, 3, pad=half", "E0102", 5),
        ("{ relu }", "{ relu", "E0102", 6),
        ("[[8, 3], [9, 5]]", "[[8, 3], [9]]", "E0311", 3),
        ("pad=half, bias=false", "pad=false, bias=half", "E0304", 1),
        ("by=avg", "by=3", "E0304", 7),
        ("elu else", "elux else", "E0202", 8),
    ],
)
def test_one_mistake_is_one_error(before: str, after: str, code: str, line: int) -> None:
    text = """default conv(pad=half, bias=false)
network Net(deep: bool = false) {
  rows = [[8, 3], [9, 5]]
  input image[3, 32, 32]
  x = image -> stem: (conv(8, 3, pad=half) -> batchnorm)
  for i, [w, k] in rows { x = x -> unit[i]: (conv(w, k) -> repeat 2 { relu }) }
  y = x -> pool(2, by=avg)
  output y -> if deep then elu else relu
  expect params == 2_608
}
"""
    assert not errors(text)
    (error,) = errors(text.replace(before, after, 1))
    assert error.code == code
    assert line in [label.span.line for label in error.labels]


def test_arguments_that_were_swapped() -> None:
    text = "block U(act: block, n: int) = (linear(n) -> act)\nnetwork N {\n  input x[3]\n"
    (error,) = errors(text + "  output y = x -> U(5, relu)\n}\n")
    assert "swapped" in error.message
    assert [edit.text for edit in error.fixes[0].edits] == ["relu", "5"]


@pytest.mark.parametrize(
    "loops",
    [
        "for i in 0..2000 { for j in 0..i { y = y -> relu } }",
        "for i in 0..200 { for j in 0..i { for k in 0..j { y = y -> relu } } }",
        "for i in 0..2000 {\n n = 2 * i\n for j in 0..n { y = y -> relu }\n}",
        "y = y -> for i in 0..1500 { repeat i * i + 1 { relu } }",
    ],
)
def test_loops_whose_bounds_vary_are_counted_first(loops: str) -> None:
    start = time.process_time()
    found = errors(f"network N {{\n  input x[3, 8, 8]\n  y = x\n  {loops}\n  output y\n}}\n")
    assert [e.code for e in found] == ["E0704"]
    assert time.process_time() - start < 2


def test_loops_whose_bounds_vary_and_fit() -> None:
    loops = "for i in 0..20 { for j in 0..i { y = y -> relu } }"
    state = check(f"network N {{\n  input x[3, 8, 8]\n  y = x\n  {loops}\n  output y\n}}\n")
    assert not state.diagnostics.failed
    report = state["N"].report
    assert report is not None and len(list(report.layers())) == 190
