"""Diagnostics as plain dictionaries, for programs."""

from __future__ import annotations

from typing import Any

from ..source import Span
from .model import Diagnostic


def to_dict(item: Diagnostic) -> dict[str, Any]:
    """The public form of a diagnostic.

    Lines and columns count from 1, columns in code points; an end is the place just behind the last
    character. Without a place, `file` is None and so are the numbers.
    """
    place: dict[str, Any] = dict.fromkeys(("file", "line", "column", "end_line", "end_column"))
    if item.labels:
        place = _place(item.labels[0].span)
    return {
        "code": item.code,
        "severity": item.severity,
        "message": item.message,
        **place,
        "notes": [*item.notes, *_said_elsewhere(item)],
        "help": item.help,
        "fixes": [
            {
                "title": fix.title,
                "safe": fix.safe,
                "edits": [{**_place(edit.span), "text": edit.text} for edit in fix.edits],
            }
            for fix in item.fixes
        ],
    }


def _place(span: Span) -> dict[str, Any]:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    return {
        "file": span.source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }


def _said_elsewhere(item: Diagnostic) -> list[str]:
    """Texts of the labels: the first alone, the others with their places."""
    said = [item.labels[0].text] if item.labels and item.labels[0].text else []
    for label in item.labels[1:]:
        if label.text:
            line, column = label.span.source.position(label.span.start)
            said.append(f"{label.span.source.name}:{line}:{column}: {label.text}")
    return said
