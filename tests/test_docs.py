"""What the documentation says is what archc does: every `arch` example on a page checks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from archc.diagnostics.terminal import render
from archc.driver import compile_spec
from archc.source import Source

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLE = re.compile(r"^```arch\n(.*?)^```", re.M | re.S)


def examples() -> list[tuple[str, int, str]]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found += [
            (page.name, text.count("\n", 0, match.start()) + 1, match[1])
            for match in EXAMPLE.finditer(text)
        ]
    return found


def test_there_are_examples() -> None:
    assert {name for name, _, _ in examples()} >= {"README.md", "language.md"}


@pytest.mark.parametrize(("page", "line", "text"), examples(), ids=lambda v: str(v)[:20])
def test_examples_check(page: str, line: int, text: str) -> None:
    state = compile_spec("-", source=Source(f"{page}:{line}", text))
    assert [(d.code, d.message) for d in state.diagnostics] == []
    assert state.networks, "an example has a network"
    for network in state.networks:
        assert all(claim.holds for claim in network.claims)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def slug(heading: str) -> str:
    """As GitHub makes anchors of headings."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_into_pages_find_their_heading(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
        there = page.parent / target if target else page
        headings = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.M)
        assert anchor in {slug(heading) for heading in headings}, f"{target}#{anchor}"


def test_commands_are_as_documented() -> None:
    """docs/commands.md has every command and option: `make gallery` rewrites it."""
    program = [sys.executable, str(ROOT / "docs" / "commands.py"), "--text"]
    made = subprocess.run(program, capture_output=True, check=True, text=True).stdout
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == made


@pytest.mark.parametrize("command", ["train", "eval", "predict", "export", "verify", "diff"])
def test_commands_have_a_page_that_explains_them(command: str) -> None:
    """Beyond the list of arguments: pages say when to use them, with an example."""
    pages = [p for p in PAGES if p.name not in ("README.md", "commands.md")]
    uses = sum(p.read_text(encoding="utf-8").count(f"archc {command} ") for p in pages)
    assert uses >= 2


def test_the_standard_library_is_listed() -> None:
    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `std\.(\w+)` \| (.*) \|$", page, re.M))
    files = sorted((ROOT / "archc" / "std").glob("*.arch"))
    assert sorted(listed) == [file.stem for file in files]
    for file in files:
        for name in re.findall(r"^block (\w+)", file.read_text(encoding="utf-8"), re.M):
            assert f"`{name}`" in listed[file.stem]


def test_the_gallery_is_as_generated() -> None:
    """docs/systems.md says what the specs say today: `make gallery` rewrites it."""
    program = [sys.executable, str(ROOT / "docs" / "gallery.py"), "--text"]
    made = subprocess.run(program, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert (ROOT / "docs" / "systems.md").read_text(encoding="utf-8") == made
    specs = {path.stem for path in (ROOT / "specs").glob("*.arch")}
    shown = {path.stem for path in (ROOT / "docs" / "images" / "systems").glob("*.svg")}
    assert specs == shown


def test_the_screen_in_the_readme_is_what_check_prints() -> None:
    text = (
        "network Unequal { input image[3, 32, 32]\n"
        "  x = image -> conv(32, 3, pad=half)\n"
        "  a = x -> conv(32, 3, stride=2, pad=1)\n"
        "  output fuse(a, x, by=sum)\n"
        "}\n"
    )
    state = compile_spec("-", source=Source("unequal.arch", text))
    screen = render(list(state.diagnostics), color=False, width=100)
    assert screen.split("\n\n1 error")[0].strip() in PAGES[0].read_text(encoding="utf-8")
