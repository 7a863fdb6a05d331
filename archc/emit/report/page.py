"""The page as a whole."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ... import __version__
from ...analysis import LayerRow
from ...analysis.cells import described
from ...analysis.outline import Line, outline
from ...diagnostics import Diagnostic
from ...ops import operator
from ..dot.write import GREY, LINE
from .diagram import diagrams
from .figures import Figures
from .html import Html, join, tag
from .listing import listing
from .plots import Bar, Dot, bars, curve

if TYPE_CHECKING:
    from . import Claim, Sheet

HEAD = ("layer", "operator", "output", "params", "MACs", "receptive field")
MOST_ROWS = 4000
_HERE = Path(__file__).parent


def page(sheet: Sheet) -> str:
    """The page as text, the same for the same network and version of archc."""
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=f"archc {__version__}"),
        tag("title", f"{sheet.report.name} · archc"),
        tag("style", Html(style)),
    )
    body = tag("body", _content(sheet), tag("script", Html(script)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _content(sheet: Sheet) -> Html:
    figures = Figures(sheet.report, sheet.sources)
    views = diagrams(sheet.graph, figures)
    marked = {a for d in sheet.diagnostics if (a := _anchor(sheet, d)) is not None}
    toggles = [
        join(
            tag("input", type="radio", name="view", id=f"view-{name}", checked=not i),
            tag("label", name, for_=f"view-{name}"),
        )
        for i, (name, _) in enumerate(views)
    ]
    drawings = [tag("div", view, class_=f"canvas only-{name}") for name, view in views]
    buttons = [
        tag("button", sign, type="button", data_zoom=what, title=title)
        for sign, what, title in (
            ("+", "in", "closer"),
            ("−", "out", "farther"),
            ("fit", "fit", "the whole diagram"),
        )
    ]
    return tag(
        "main",
        tag(
            "section",
            tag("div", *(toggles if len(views) > 1 else []), *buttons, class_="tools"),
            *drawings,
            class_="diagram",
        ),
        tag("div", *_sections(sheet, figures, marked, len(views) > 1), class_="facts"),
    )


def _sections(sheet: Sheet, figures: Figures, marked: set[str], foldable: bool) -> Iterable[Html]:
    """The right side of the page, from the totals to the source."""
    yield tag("h1", sheet.report.name)
    if sheet.doc:
        yield tag("p", sheet.doc, class_="doc")
    rows = [tag("div", tag("dt", name), tag("dd", text)) for name, text in sheet.totals]
    yield tag("dl", *rows)
    if sheet.diagnostics:
        items = [_diagnostic(sheet, d) for d in sheet.diagnostics]
        yield join(tag("h2", "Diagnostics"), tag("ul", *items, class_="diagnostics"))
    if sheet.claims:
        claims = [_claim(claim) for claim in sheet.claims]
        yield join(tag("h2", "Claims"), tag("ul", *claims, class_="claims"))
    if sheet.sources:
        yield join(tag("h2", "Source"), listing(figures, sheet.sources, marked))
    yield join(tag("h2", "Plots"), *_plots(figures))
    yield join(tag("h2", "Layers"), *_tables(figures, foldable))


def _anchor(sheet: Sheet, diagnostic: Diagnostic) -> str | None:
    """The line that a diagnostic is about, if it is on the page."""
    if not diagnostic.labels:
        return None
    span = diagnostic.labels[0].span
    for number, source in enumerate(sheet.sources):
        if source.name == span.source.name:
            return f"f{number}-{span.line}"
    return None


def _diagnostic(sheet: Sheet, diagnostic: Diagnostic) -> Html:
    head = f"{diagnostic.severity} {diagnostic.code}"
    anchor = _anchor(sheet, diagnostic)
    where = tag("a", head, href=f"#{anchor}") if anchor else tag("b", head)
    notes = [*diagnostic.notes, *([diagnostic.help] if diagnostic.help else [])]
    said = [tag("span", note, class_="note") for note in notes]
    return tag("li", where, " ", diagnostic.message, *said, class_=diagnostic.severity)


def _claim(claim: Claim) -> Html:
    mark = "✓" if claim.holds else "✗"
    parts = [f"{mark} ", tag("a", tag("code", claim.text), href=f"#f0-{claim.line}")]
    if not claim.holds:
        parts.append(" cannot be evaluated" if claim.holds is None else f" is {claim.actual}")
    if claim.source:
        parts.append(tag("span", f" {claim.source}", class_="note"))
    return tag("li", *parts, class_="holds" if claim.holds else "fails")


# ---------------------------------------------------------------------- plots


def _plots(figures: Figures) -> Iterable[Html]:
    weights = [row for row in figures.layers if row.params]
    if weights:
        yield bars("Parameters by layer", [_bar(figures, r, r.params) for r in weights], sum)
    work = [row for row in figures.layers if row.macs]
    if work:
        yield bars("MACs by layer", [_bar(figures, r, r.macs) for r in work], sum)
    seen = list(_fields(figures))
    if seen:
        yield curve(
            "Receptive field (pixels) against depth; dashed: the input",
            seen,
            _extent(figures),
            "weight layers on the longest path",
        )
    values = [_bar(figures, row, _count(row.shape)) for row in figures.layers]
    yield bars("Activations (values per layer, one sample)", values, max)


def _bar(figures: Figures, row: LayerRow, value: int) -> Bar:
    colour = LINE.get(operator(row.op).family, GREY)
    anchor = figures.anchor(row.site)
    return Bar(row.path, value, figures.tip(row), anchor, colour, row.training)


def _fields(figures: Figures) -> Iterable[Dot]:
    """Points of the layers that do not see everything; equal ones once."""
    done: set[tuple[int, int]] = set()
    for row in figures.layers:
        seen = row.receptive_field
        sizes = [n for n in seen.size if n is not None] if seen is not None else []
        if not sizes or row.training:
            continue
        at = figures.depths[row.path], max(sizes)
        if at not in done:
            done.add(at)
            yield Dot(*at, figures.tip(row), figures.anchor(row.site))


def _extent(figures: Figures) -> int | None:
    """The longest axis of the input that fields are over."""
    for name, shape in figures.report.inputs:
        if name == figures.report.receptive_source:
            return max(shape[1:], default=None)
    return None


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


# ---------------------------------------------------------------------- table


def _tables(figures: Figures, foldable: bool) -> Iterable[Html]:
    yield _table(figures, list(outline(figures.report)), "only-folded" if foldable else None)
    if foldable:
        yield _table(figures, figures.lines, "only-unfolded")


def _table(figures: Figures, lines: list[Line], view: str | None) -> Html:
    head = tag("tr", *(tag("th", name) for name in HEAD))
    rows = [_row(figures, line) for line in lines[:MOST_ROWS]]
    if len(lines) > MOST_ROWS:
        text = f"{len(lines) - MOST_ROWS:,} more rows: archc check --format csv has them all"
        rows.append(tag("tr", tag("td", text, colspan=len(HEAD))))
    return tag("table", tag("thead", head), tag("tbody", *rows), class_=view)


def _row(figures: Figures, line: Line) -> Html:
    name, *texts = described(line)
    anchor = figures.anchor(line.row.site)
    label = tag("a", name, href=f"#{anchor}", data_line=anchor) if anchor else name
    cells = [tag("td", label, class_=f"level{min(line.level, 8)}")]
    cells += [tag("td", text, class_="right" if i > 1 else None) for i, text in enumerate(texts)]
    return tag("tr", *cells, class_="training" if line.row.training else None)
