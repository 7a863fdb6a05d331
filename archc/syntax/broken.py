"""What `parse` gives of texts with mistakes: what could be read of them, and their reports."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..diagnostics import Diagnostic, Diagnostics, Label, TooManyErrors
from ..source import Source, Span
from . import tree
from .brackets import arrange
from .docs import Docs
from .lost import lost_names
from .parser import Rejected
from .recover import Recovery, explain_expression
from .tokens import MAX_REPORTS, Tokens


def parse_broken(
    source: Source, tokens: Tokens, diagnostics: Diagnostics, rejected: Rejected
) -> tree.File:
    """The tree of a text with mistakes, from where it was rejected; see `archc.syntax.parse`."""
    reports = list(tokens.reports)
    declarations: Any = ()
    broken: frozenset[str] = frozenset()
    begun = rejected.driver
    docs = Docs(source, tokens.comments) if begun is None else begun.builder.docs
    stopped: int | None = None
    if len(tokens):
        layout = arrange(tokens, rejected.token)
        reports += layout.reports
        recovery = Recovery(layout, reports)
        recovery.builder.docs = docs
        declarations = recovery.run("start", 0, len(layout.tokens), rejected)
        recovery.run_skipped()
        recovery.without_consequences()
        broken = lost_names(tokens, recovery.skipped)
        if len(reports) >= MAX_REPORTS or layout.stopped is not None:
            broken |= {"*"}
        stopped = layout.stopped
    elif not reports:
        end = Span(source, len(source.text), len(source.text))
        help = "`archc new` starts a file with a network that checks"
        reports.append(Diagnostic("E0107", "the file declares nothing", (Label(end),), (), help))
    _hand_over(reports, diagnostics, stopped)
    before = tokens.starts[0] if len(tokens) else len(source.text)
    return tree.File(source, docs.of_file(before), declarations, docs.all(), broken)


def broken_expression(source: Source, tokens: Tokens, diagnostics: Diagnostics) -> None:
    """Report what is wrong with a text that is no expression."""
    reports: list[Diagnostic] = []
    explain_expression(tokens, reports)
    _hand_over(reports, diagnostics)


def _hand_over(
    reports: list[Diagnostic], diagnostics: Diagnostics, stopped: int | None = None
) -> None:
    """Reports in the order of the text, the last with a note if the text from an offset on was not
    looked at. A full collection is the next reporter's to find out."""
    reports.sort(key=lambda report: report.labels[0].span.start)
    if stopped is not None and reports:
        last = reports[-1]
        line, column = last.labels[0].span.source.position(stopped)
        note = f"the text from {line}:{column} on was not looked at"
        reports[-1] = replace(last, notes=(*last.notes, note))
    try:
        for report in reports:
            diagnostics.add(report)
    except TooManyErrors:
        return
