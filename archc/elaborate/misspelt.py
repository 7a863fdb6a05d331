"""Unknown names: what was meant, and where the text must change.

A name that is used several times and introduced nowhere is one mistake, not several: it is reported
at its first use, and the fix changes all of them, or the one place that introduces it otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..diagnostics import Edit, Fix, closest
from ..source import Span
from ..syntax import tree
from .values import Fail

if TYPE_CHECKING:
    from .expressions import Expressions


def report(
    self: Expressions, code: str, what: str, name: str, span: Span, known: list[str]
) -> None:
    """E0201 or E0202 for a name, once in a declaration. Always raises Fail."""
    decl: Any = getattr(self, "decl", None)
    everywhere = what.startswith("unknown") and isinstance(decl, tree.Node)
    if everywhere and not self.session.diagnostics.once((name, decl.span.start), span):
        self.session.mistakes += 1
        self.miss(None)
        raise Fail
    meant, idle = _meant(name, known, _idle(decl) if everywhere else {})
    if code == "E0201":
        self.miss(meant)
    uses = _uses(decl, name) if everywhere else []
    labels: list[Any] = [span]
    if idle is not None and meant is not None and len(uses) > 1:
        labels.append((idle, "introduced here and never used"))
        fixes = [Fix(f"did you mean `{name}` here?", (Edit(idle, name),))]
        help: str | None = f"was `{meant}` meant to be `{name}`?"
    elif meant is not None:
        fixes = [Fix(f"did you mean `{meant}`?", tuple(Edit(at, meant) for at in uses or [span]))]
        help = f"did you mean `{meant}`?"
    else:
        fixes = []
        help = _known_here(self, code, known)
    self.session.fail(code, f"{what} `{name}`", *labels, help=help, fixes=fixes)


def _meant(name: str, known: list[str], idle: dict[str, Span]) -> tuple[str | None, Span | None]:
    """The name that was meant, and where it is introduced if nothing uses it."""
    near = closest(name, idle)
    if near is None and len(name) == 1:
        short = [other for other in idle if len(other) == 1]
        near = short[0] if len(short) == 1 else None
    meant = closest(name, known)
    if near is not None and (meant is None or meant not in idle):
        return near, idle[near]
    return meant, idle.get(meant or "")


def _known_here(self: Expressions, code: str, known: list[str]) -> str:
    if code == "E0202":
        return "`archc ops` lists the operators; blocks of other files come in by `use`"
    consts = [n for n in known if isinstance(self.unit.find(n), tree.Const)]
    here = list(dict.fromkeys([n for n in known if n in self.env] + consts))[:8]
    return f"names here: {', '.join(here)}" if here else "nothing has a name here"


def _parts(node: Any) -> list[Any]:
    """All nodes within a node, itself included, in the order of the text; without recursion."""
    found: list[Any] = []
    pending: list[Any] = [node]
    while pending:
        part = pending.pop()
        if isinstance(part, Span):
            continue
        if isinstance(part, tuple):
            pending.extend(reversed(part))
        elif isinstance(part, tree.Node):
            found.append(part)
            pending.extend(getattr(part, name) for name in reversed(part.fields[1:]))
    return found


def _uses(decl: Any, name: str) -> list[Span]:
    """The places where a declaration uses a name that it does not introduce."""
    found = []
    for part in _parts(decl):
        if isinstance(part, tree.Name) and part.name == name:
            found.append(part.span)
        elif isinstance(part, tree.Apply) and part.name[0].name == name:
            found.append(part.name[0].span)
        elif any(ident.name == name for ident in _introduced(part)):
            return []
    return found


def _introduced(part: Any) -> list[tree.Ident]:
    """The names that a node gives a value."""
    if isinstance(part, tree.Assign):
        return list(part.targets)
    if isinstance(part, tree.Targets):
        return [*part.names, *([part.index] if part.index else [])]
    if isinstance(part, tree.Repeat):
        return [part.var] if part.var else []
    if isinstance(part, (tree.Param, tree.Input, tree.Share)):
        return [part.name]
    return []


def _idle(decl: Any) -> dict[str, Span]:
    """Names that a declaration introduces once and never uses, and where."""
    places: dict[str, list[Span]] = {}
    used: set[str] = set()
    for part in _parts(decl):
        if isinstance(part, tree.Name):
            used.add(part.name)
        elif isinstance(part, tree.Apply):
            used.add(part.name[0].name)
        for ident in _introduced(part):
            places.setdefault(ident.name, []).append(ident.span)
    return {n: spans[0] for n, spans in places.items() if len(spans) == 1 and n not in used}
