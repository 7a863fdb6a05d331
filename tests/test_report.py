"""`archc build --emit report`: the page as text, as a tree of elements, and in a real browser."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archc.cli import main
from archc.cli.report import report_page
from archc.driver import Compiled, Options, compile_spec
from archc.emit.report.figures import Figures
from archc.emit.report.html import escaped, tag
from archc.emit.report.page import MOST_ROWS
from archc.emit.report.plots import MOST_BARS, Bar, bars, ticks_to
from tests.support.browser import Browser, executable

ROOT = Path(__file__).parent.parent
VOID = {"meta", "input", "br"}


class Page(HTMLParser):
    """The elements of a page; every one must be closed by its own name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.found if found == name]


def compiled(path: Path, network: str | None = None) -> tuple[str, Compiled]:
    state = compile_spec(str(path), Options(network=network))
    assert not state.failed, [d.message for d in state.diagnostics]
    return report_page(state, state.networks[0]), state.networks[0]


@pytest.fixture(scope="module")
def resnet() -> tuple[str, Compiled]:
    return compiled(ROOT / "specs/resnet.arch", "ResNet18")


@pytest.fixture(scope="module")
def googlenet() -> tuple[str, Compiled]:
    return compiled(ROOT / "specs/googlenet.arch")


# ---------------------------------------------------------------------- what is on the page


def test_links_lead_to_elements_of_the_page(resnet: tuple[str, Compiled]) -> None:
    page = Page(resnet[0])
    ids = [a["id"] for _, a in page.found if "id" in a]
    assert len(ids) == len(set(ids))
    links = [a["href"] for a in page.all("a")]
    assert len(links) > 100
    assert {str(link)[1:] for link in links} <= set(ids)
    assert all(str(link).startswith("#") for link in links)


def test_both_views_the_sources_and_the_plots(resnet: tuple[str, Compiled]) -> None:
    text, network = resnet
    page = Page(text)
    classes = [a.get("class") for a in page.all("div")]
    assert classes.count("canvas only-folded") == 1
    assert classes.count("canvas only-unfolded") == 1
    assert [Path(name).name for name in page.texts["h3"]] == ["resnet.arch", "residual.arch"]
    assert page.texts["figcaption"] == [
        "Parameters by layer",
        "MACs by layer",
        "Receptive field (pixels) against depth; dashed: the input",
        "Activations (values per layer, one sample)",
    ]
    assert network.report is not None
    assert f"{network.report.params:,} trainable" in text
    assert text.count('class="holds"') == len(network.claims)


def test_shapes_stand_beside_their_lines(resnet: tuple[str, Compiled]) -> None:
    spec = (ROOT / "specs/resnet.arch").read_text().splitlines()
    number = next(i for i, line in enumerate(spec, 1) if "conv1: conv(width, 7" in line)
    line = re.search(f'<div id="f0-{number}".*?</div>', resnet[0], re.DOTALL)
    assert line is not None
    assert "64×112×112 → 64×56×56" in line.group()
    assert "9,536 parameters" in line.group()


def test_boxes_say_what_their_layers_cost(resnet: tuple[str, Compiled]) -> None:
    text, network = resnet
    assert network.report is not None
    boxes = [a for a in Page(text).all("g") if a.get("class") == "node"]
    tips = [str(a["data-tip"]) for a in boxes]
    layer = next(row for row in network.report.scopes() if row.path == "layer2")
    tip = next(t for t in tips if t.startswith("layer2.0: Basic") and "layer2.1" in t)
    assert f"{layer.params:,} parameters" in tip
    assert "output 128 x 28 x 28" in tip


def test_depths_are_those_of_the_report(googlenet: tuple[str, Compiled]) -> None:
    report = googlenet[1].report
    assert report is not None
    figures = Figures(report, [])
    usual = [figures.depths[row.path] for row in figures.layers if not row.training]
    assert max(usual) == report.depth == 22


def test_a_network_that_cannot_be_folded_has_one_view(tmp_path: Path) -> None:
    spec = tmp_path / "a.arch"
    spec.write_text("network A {\n  input x[3, 9, 9]\n  output x -> conv(3, 3)\n}\n")
    text, _ = compiled(spec)
    page = Page(text)
    assert page.all("input") == []
    assert [a.get("class") for a in page.all("div")].count("canvas only-folded") == 1
    assert len(page.all("table")) == 1


def test_large_networks_are_cut_to_what_a_page_holds(tmp_path: Path) -> None:
    spec = tmp_path / "a.arch"
    layers = "for i in 0..2500 { linear(3 + i % 2) -> relu }"
    spec.write_text(f"network A {{\n  input x[3]\n  output x -> {layers}\n}}\n")
    text, _ = compiled(spec)
    assert "boxes are too many for a page" in text
    assert len(Page(text).all("tr")) < 2 * MOST_ROWS
    assert len(text) < 3_000_000


# ---------------------------------------------------------------------- safety


HOSTILE = """\
# </title></script><script>alert(1)</script><img src=x onerror=alert(2)>
network A {
  input x[3, 9, 9]  # "><svg onload=alert(3)>
  output x -> a: conv(3, 3)
  expect params == 84 "</style><script>alert(4)</script> &amp; <b>"
}
"""


def test_nothing_from_a_spec_is_markup(tmp_path: Path) -> None:
    folder = tmp_path / "<img src=x onerror=alert(5)>"
    folder.mkdir()
    (folder / "a.arch").write_text(HOSTILE)
    text, _ = compiled(folder / "a.arch")
    page = Page(text)
    assert len(page.all("script")) == len(page.all("style")) == 1
    assert not {"img", "iframe", "object", "link", "form", "b"} & {name for name, _ in page.found}
    for _, attributes in page.found:
        assert not any(name.startswith("on") or name in ("src", "style") for name in attributes)
    assert escaped("<script>alert(4)</script> &amp; <b>") in text


def test_the_policy_lets_only_our_script_and_style_run(resnet: tuple[str, Compiled]) -> None:
    page = Page(resnet[0])
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert policy is not None
    for name in ("script", "style"):
        text = "".join(page.texts[name])
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert not re.findall(r"https?://(?!www\.w3\.org/)", resnet[0])


@given(st.text())
def test_text_comes_back_from_elements(text: str) -> None:
    page = Page(tag("p", text, title=text))
    shown = "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    assert page.all("p") == [{"title": shown}]
    assert "".join(page.texts.get("p", [])) == shown


# ---------------------------------------------------------------------- plots


@given(st.integers(1, 10**15))
def test_ticks_are_round_and_reach_the_top(top: int) -> None:
    ticks = ticks_to(top)
    step = ticks[1]
    assert ticks[0] == 0
    assert ticks[-2] < top <= ticks[-1] * (1 + 1e-9)
    assert 3 <= len(ticks) <= 7
    assert re.fullmatch(r"[125]e[+-]\d+", f"{step:.0e}")


def test_too_many_bars_are_taken_together() -> None:
    items = [Bar(f"c{i}", 1, "", None, "#000") for i in range(10 * MOST_BARS)]
    page = Page(bars("t", items, sum))
    rects = page.all("rect")
    assert len(rects) == MOST_BARS
    assert {str(r["data-tip"]).splitlines()[-1] for r in rects} == {"10"}


# ---------------------------------------------------------------------- the command


def test_build_writes_the_same_page_twice(tmp_path: Path) -> None:
    spec = str(ROOT / "specs/lenet5.arch")
    for folder in ("one", "two"):
        out = str(tmp_path / folder)
        assert main(["build", spec, "--network", "LeNet5", "--emit", "report", "-o", out]) == 0
    one, two = tmp_path / "one/lenet5.html", tmp_path / "two/lenet5.html"
    assert one.read_bytes() == two.read_bytes()


# ---------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if executable() is None:
        pytest.skip("no browser on this machine")
    opened = Browser()
    yield opened
    opened.close()


@pytest.fixture
def shown(browser: Browser, googlenet: tuple[str, Compiled], tmp_path: Path) -> Browser:
    path = tmp_path / "page.html"
    path.write_text(googlenet[0], encoding="utf-8")
    browser.open(path)
    assert browser.requests() == [path.resolve().as_uri()]
    return browser


BOX = ".only-folded a[data-line] g.node"


def test_browser_tips_and_lines(shown: Browser) -> None:
    """Resting on a box shows its figures and lights up its line; a click goes to the line."""
    assert shown.run("document.querySelector('#tip').hidden") is True
    shown.mouse("mouseMoved", *shown.middle(BOX))
    tip = shown.run("document.querySelector('#tip').textContent")
    assert tip.startswith("conv1: ConvBn(64, kernel=7, stride=2)\noutput 64 x 112 x 112\n")
    anchor = shown.run(f"document.querySelector('{BOX}').parentNode.dataset.line")
    assert shown.run(f"document.getElementById('{anchor}').classList.contains('hot')") is True
    shown.click(BOX)
    assert shown.run("location.hash") == f"#{anchor}"
    top = shown.run(f"document.getElementById('{anchor}').getBoundingClientRect().top")
    assert 0 <= top < 900
    assert shown.complaints() == []


def test_browser_views_are_switched(shown: Browser) -> None:
    def visible() -> list[bool]:
        return [
            shown.run(f"document.querySelector('{part}.only-{view}').getClientRects().length > 0")
            for view in ("folded", "unfolded")
            for part in (".canvas", "table")
        ]

    assert visible() == [True, True, False, False]
    shown.click("label[for=view-unfolded]")
    assert visible() == [False, False, True, True]
    assert shown.complaints() == []


def test_browser_pan_and_zoom(shown: Browser) -> None:
    def view() -> list[float]:
        text = shown.run("document.querySelector('.only-folded svg').getAttribute('viewBox')")
        return [float(n) for n in text.split()]

    whole = view()
    x, y = shown.middle(BOX)
    shown.mouse("mouseWheel", x, y, deltaX=0, deltaY=-100)
    closer = view()
    assert closer[2] < whole[2] and closer[3] < whole[3]
    # What is below the pointer stays there.
    assert shown.middle(BOX) == pytest.approx((x, y), abs=1)
    shown.drag(x, y, 80, 40)
    assert shown.middle(BOX) == pytest.approx((x + 80, y + 40), abs=2)
    assert view()[2:] == closer[2:]
    assert shown.run("location.hash") == ""  # a drag is no click
    shown.click("[data-zoom=fit]")
    assert view() == whole
    shown.click("[data-zoom=in]")
    assert view()[2] == pytest.approx(whole[2] * 0.7)
    assert shown.complaints() == []


def test_browser_runs_nothing_of_a_hostile_spec(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "a.arch").write_text(HOSTILE)
    path = tmp_path / "page.html"
    path.write_text(compiled(tmp_path / "a.arch")[0], encoding="utf-8")
    browser.open(path)
    assert browser.run("document.scripts.length") == 1
    assert browser.complaints() == []
    # The policy itself: a script that gets in all the same is not run.
    browser.run(
        "(() => { const s = document.createElement('script');"
        " s.textContent = 'window.broken = 1'; document.body.append(s); })()"
    )
    assert browser.run("typeof window.broken") == "undefined"
    assert any("Content Security Policy" in text for text in browser.complaints())
