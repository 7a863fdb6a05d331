"""Every code has a page with examples that hold, and screens that are what users see."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archc.cli import main
from archc.diagnostics.catalogue import CODES
from archc.driver import compile_spec
from archc.source import Source

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "errors"
SCREENS = ROOT / "specs" / "errors"

# Codes that no single text can give: they need a file, a command, data or another package.
OUTSIDE = {
    "E0706", "E0707", "E0708", "E0803", "E0804", "E0805", "E0806", "E0807", "E0808", "E0809",
    "E0810", "E0811", "E0812", "E0813", "E0901", "E0902", "E0903", "E0905",
    "E1001", "E1002", "W113",
}  # fmt: skip


def sections(code: str) -> dict[str, str]:
    """The page of a code: what stands under each heading, "" for what is above the first."""
    text = (PAGES / f"{code}.md").read_text(encoding="utf-8")
    title, _, rest = text.partition("\n")
    found = {"title": title}
    parts = re.split(r"^## (.+)$", rest, flags=re.M)
    found[""] = parts[0]
    found.update(zip(parts[1::2], parts[2::2], strict=True))
    return found


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.M | re.S)


def codes_of(text: str) -> list[str]:
    """The codes that a text gives."""
    return [d.code for d in compile_spec("-", source=Source("example.arch", text)).diagnostics]


def codes_of_file(spec: Path) -> list[str]:
    return [d.code for d in compile_spec(str(spec)).diagnostics]


@pytest.mark.parametrize("code", CODES)
def test_page(code: str) -> None:
    page = sections(code)
    assert page["title"] == f"# {code}: {CODES[code].title}"
    assert len(page[""].split()) >= 15, "what it is, and why"
    assert set(page) == {"title", "", "Example", "Instead"}
    if code in OUTSIDE:
        assert fenced(page["Example"], "sh"), "the command that gives it"
        return
    (bad,) = fenced(page["Example"], "arch")
    (good,) = fenced(page["Instead"], "arch")
    assert codes_of(bad) == [code]
    assert codes_of(good) == []


def test_pages_are_those_of_the_catalogue() -> None:
    assert {p.stem for p in PAGES.glob("*.md")} == set(CODES)


def test_catalogue_is_what_the_program_can_say() -> None:
    said: set[str] = set()
    for file in (ROOT / "archc").rglob("*.py"):
        if file.name != "catalogue.py":
            # in code, not where a docstring speaks of it
            said.update(re.findall(r"\"(E\d{4}|W\d{3})\"", file.read_text(encoding="utf-8")))
    assert said == set(CODES)


@pytest.mark.parametrize("code", ["E0401", "e0401"])
def test_explain_prints_the_page(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", code]) == 0
    page = (PAGES / "E0401.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == page


def test_explain_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(CODES)


def test_explain_suggests(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "E9401"]) == 1
    assert "E0401" in capsys.readouterr().err


# ---------------------------------------------------------------------------- screens


@pytest.mark.parametrize("spec", sorted(SCREENS.glob("*.arch")), ids=lambda p: p.stem)
def test_screen(
    spec: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`archc check` of a spec with mistakes: exit code, then standard output, then errors."""
    monkeypatch.chdir(ROOT)
    code = main(["check", "--color=never", spec.relative_to(ROOT).as_posix()])
    out, err = capsys.readouterr()
    screen = f"exit code {code}\n{out}{err}"
    expected = spec.with_suffix(".expect")
    if request.config.getoption("--update-golden", default=False):
        expected.write_text(screen, encoding="utf-8")
    assert screen == expected.read_text(encoding="utf-8")
    assert code == (0 if spec.stem.startswith("W") else 1)


@pytest.mark.parametrize("spec", sorted(SCREENS.glob("[EW]*.arch")), ids=lambda p: p.stem)
def test_screen_shows_the_mistakes_of_its_name(spec: Path) -> None:
    """`E0401-skip.arch` gives E0401, once. `multi-*.arch` says in its first line what it gives."""
    assert codes_of_file(spec) == [spec.stem.partition("-")[0]]


@pytest.mark.parametrize("spec", sorted(SCREENS.glob("multi-*.arch")), ids=lambda p: p.stem)
def test_independent_mistakes_are_counted_exactly(spec: Path) -> None:
    first = spec.read_text(encoding="utf-8").partition("\n")[0]
    assert first.startswith("# gives ")
    assert sorted(codes_of_file(spec)) == sorted(first.removeprefix("# gives ").split())


def test_every_code_that_check_can_give_has_a_screen() -> None:
    shown = {p.stem.partition("-")[0] for p in SCREENS.glob("[EW]*.arch")}
    assert shown == set(CODES) - OUTSIDE
