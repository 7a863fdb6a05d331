"""What can be said of the statements of a body before they run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..syntax import tree

if TYPE_CHECKING:
    from ..diagnostics import Diagnostics
    from .modules import Unit
    from .session import Session


def mistaken_before(session: Session, decl: tree.Block | tree.Network) -> bool:
    """Was a mistake in it found when another network was worked out?"""
    source, start, end = decl.span
    return any(
        d.severity == "error"
        and d.labels
        and d.labels[0].span.source is source
        and start <= d.labels[0].span.start <= end
        for d in session.diagnostics.items[: session.known]
    )


def chooses(decl: tree.Block | tree.Network) -> bool:
    """Has it layers that are there on a condition only?"""
    return any(isinstance(part, (tree.If, tree.IfStage)) for part in tree.nodes_in(decl))


def misread(session: Session, decl: tree.Block | tree.Network | tree.Recipe) -> bool:
    """Was there a syntax error in it? Then statements may be missing, or stand in another body."""
    source, start, end = decl.span
    return getattr(decl, "incomplete", False) or any(
        d.code < "E0107"
        and d.labels[0].span.source is source
        and start <= d.labels[0].span.start <= end
        for d in session.diagnostics.items
        if d.labels
    )


def lost_default(unit: Unit, diagnostics: Diagnostics) -> bool:
    """Is there a mistake in the file's own defaults? Then all its layers may be others."""
    if unit.lacks_default:
        return True
    for item in diagnostics.items:
        if item.code < "E0107" and item.labels and item.labels[0].span.source is unit.source:
            before = unit.source.text[: item.labels[0].span.start]
            heads = _HEADS.findall(before)
            if not heads or heads[-1] in ("default", "use"):
                return True
    return False


_HEADS = re.compile(r"^(?:default|use|const|block|network|recipe)\b", re.MULTILINE)


def input_statements(body: tuple[tree.Stmt, ...]) -> list[tree.Input]:
    return [s for s in body if isinstance(s, tree.Input)]


def assigned_names(decl: Any) -> frozenset[str]:
    return frozenset(assigned_in(getattr(decl, "body", ()) or ()))


def assigned_in(body: Any) -> set[str]:
    """Names that statements give a value."""
    found: set[str] = set()
    for s in body:
        if isinstance(s, tree.Assign):
            found.update(t.name for t in s.targets)
        elif isinstance(s, (tree.Input, tree.Share, tree.Output)):
            if s.name is not None:
                found.add(s.name.name)
        elif isinstance(s, tree.For):
            found |= assigned_in(s.body) | set(target_names(s.targets))
        elif isinstance(s, tree.If):
            found |= assigned_in(s.yes) | assigned_in(s.no)
    return found


def target_names(targets: tree.Targets) -> list[str]:
    index = [targets.index.name] if targets.index else []
    return index + [n.name for n in targets.names]
