"""Diagnostics as SARIF 2.1.0 (OASIS standard), for code hosts and editors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from ..source import Span
from .catalogue import CODES
from .model import Diagnostic, Edit, Fix, Label

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"error": "error", "warning": "warning", "note": "note"}


def to_sarif(diagnostics: Iterable[Diagnostic], version: str | None = None) -> dict[str, Any]:
    """A SARIF log of one run. Columns are in code points; rules are the codes that occur."""
    if version is None:
        from .. import __version__ as version
    items = list(diagnostics)
    codes = sorted({item.code for item in items})
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "archc",
                        "version": version,
                        "rules": [_rule(code) for code in codes],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(item, codes.index(item.code)) for item in items],
            }
        ],
    }


def _rule(code: str) -> dict[str, Any]:
    entry = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": entry.title},
        "help": {"text": f"archc explain {code}"},
        "defaultConfiguration": {"level": LEVELS[entry.severity]},
    }


def _result(item: Diagnostic, rule: int) -> dict[str, Any]:
    text = [item.message, *(f"note: {note}" for note in item.notes)]
    if item.help is not None:
        text.append(f"help: {item.help}")
    result: dict[str, Any] = {
        "ruleId": item.code,
        "ruleIndex": rule,
        "level": LEVELS[item.severity],
        "message": {"text": "\n".join(text)},
    }
    if item.labels:
        result["locations"] = [_location(item.labels[0])]
    if len(item.labels) > 1:
        result["relatedLocations"] = [
            {"id": number, **_location(label)} for number, label in enumerate(item.labels[1:], 1)
        ]
    if item.fixes:
        result["fixes"] = [_fix(fix) for fix in item.fixes]
    return result


def _location(label: Label) -> dict[str, Any]:
    place = {
        "physicalLocation": {
            "artifactLocation": _artifact(label.span),
            "region": _region(label.span),
        }
    }
    return {**place, "message": {"text": label.text}} if label.text else place


def _artifact(span: Span) -> dict[str, str]:
    # A relative reference: backslashes of Windows and signs that URIs reserve must not stand in it.
    return {"uri": quote(span.source.name.replace("\\", "/"), safe="/")}


def _region(span: Span) -> dict[str, int]:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    return {
        "startLine": line,
        "startColumn": column,
        "endLine": end_line,
        "endColumn": end_column,
    }


def _fix(fix: Fix) -> dict[str, Any]:
    changes: dict[str, list[Edit]] = {}
    for edit in fix.edits:
        changes.setdefault(edit.span.source.name, []).append(edit)
    return {
        "description": {"text": fix.title},
        "artifactChanges": [
            {
                "artifactLocation": _artifact(edits[0].span),
                "replacements": [
                    {"deletedRegion": _region(e.span), "insertedContent": {"text": e.text}}
                    for e in edits
                ],
            }
            for edits in changes.values()
        ],
    }
