"""One network as one HTML page: diagram, figures, plots, table, claims, diagnostics, source.

The page needs nothing from anywhere: styles, script and pictures are in it, and its content
security policy lets run only what has the hash of our own script. Text from a spec is escaped
where elements are made (`html.tag`), never pasted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ...analysis import Report
from ...diagnostics import Diagnostic
from ...graph import Graph
from ...source import Source
from .page import page

__all__ = ["Claim", "Sheet", "page"]


class Claim(Protocol):
    """What is shown of a claim; `holds` is None where it cannot be evaluated."""

    @property
    def text(self) -> str: ...
    @property
    def holds(self) -> bool | None: ...
    @property
    def actual(self) -> object: ...
    @property
    def source(self) -> str | None: ...
    @property
    def line(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a page is made of. The spec is the first of `sources`; `totals` are (name, text)."""

    graph: Graph
    report: Report
    doc: str = ""
    sources: Sequence[Source] = ()
    totals: Sequence[tuple[str, str]] = ()
    claims: Sequence[Claim] = ()
    diagnostics: Sequence[Diagnostic] = field(default=())
