"""Claims that do not hold: both figures, and the layers that make up the difference."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..diagnostics import Diagnostics
    from ..elaborate import Claim
    from .report import Report

SUMS = ("params", "frozen", "buffers", "macs", "flops", "neurons", "operators")
"""Measures that are sums over layers."""

_PLAIN = re.compile(r"[\w./+-]+\Z")
"""Names of files that no shell takes for anything else."""


def explain_failure(claim: Claim, network: str, report: Report, diagnostics: Diagnostics) -> None:
    """Report E0601 for a claim that is false."""
    label = f"{_text(claim.actual)}, not {_text(claim.expected)}"
    if isinstance(claim.actual, bool):
        label = "false"
    notes = list(_difference(claim, report))
    if claim.source:
        notes.insert(0, f"the claim's source: {claim.source}")
    diagnostics.error(
        "E0601",
        f"a claim about `{network}` does not hold: {claim.text}",
        (claim.span, label),
        notes=notes,
        help="correct the architecture, or the figure if it is the one that is wrong; "
        f"`archc explain {_spec(claim)} --claim {claim.line}` breaks it down",
    )


def _spec(claim: Claim) -> str:
    """The claim's file as a command takes it."""
    name = claim.span.source.name
    return name if _PLAIN.match(name) else "SPEC"


def _difference(claim: Claim, report: Report) -> list[str]:
    """What makes up the difference between two counts."""
    actual, expected = claim.actual, claim.expected
    if not (_count(actual) and _count(expected)) or len(claim.targets) != 1:
        return []
    measure, target = claim.targets[0]
    delta = actual - expected
    lines = [f"the difference is {delta:+,}"]
    if measure not in SUMS:
        return lines
    rows = report.breakdown(measure, target)
    exact = [name for name, figure in rows if figure == abs(delta)]
    if exact:
        lines.append(f"{measure} of `{exact[0]}` alone: {abs(delta):,}")
        return lines
    largest = sorted(rows, key=lambda row: -row[1])[:3]
    if largest:
        listed = ", ".join(f"`{name}` {figure:,}" for name, figure in largest)
        lines.append(f"the largest {measure}: {listed}")
    return lines


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if _count(value):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value)
