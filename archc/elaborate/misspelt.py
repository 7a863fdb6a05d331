"""Unknown names: what was meant, and where the text must change.

A name that is used several times and introduced nowhere is one mistake, not several: it is reported
at its first use, and the fix changes all of them, or the one place that introduces it otherwise.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn

from ..diagnostics import Edit, Fix, closest
from ..source import Span
from ..syntax import tree
from .values import Fail

if TYPE_CHECKING:
    from .expressions import Expressions
    from .modules import Unit
    from .session import Session


def report(
    self: Expressions, code: str, what: str, name: str, span: Span, known: list[str]
) -> NoReturn:
    """E0201 or E0202 for a name, once in a declaration (or file, where that introduces it)."""
    decl: Any = getattr(self, "decl", None)
    if not what.startswith("unknown") or not isinstance(decl, tree.Node):
        decl = None  # a part of a value, a label: only this place is meant
    meant, idle, scope = _meant(self, name, known, decl)
    at = scope[0].span.start if len(scope) == 1 else -1
    if scope and not self.session.diagnostics.once((name, at), span):
        self.session.mistakes += 1
        self.miss(None)
        raise Fail
    if code == "E0201":
        self.miss(meant)
    uses = [use for part in scope for use in _uses(part, name)] or [span]
    labels: list[Any] = [span]
    if meant is None:
        fixes = []
        help = _known_here(self, code, known)
    elif idle is not None and len(uses) + _words(self.unit)[1][name] > 1:
        _introduced_otherwise(self.session, code, what, name, span, idle)
        raise Fail
    else:
        help = f"did you mean `{meant}`?"
        fixes = [Fix(help, tuple(Edit(at, meant) for at in uses))]
    self.session.fail(code, f"{what} `{name}`", *labels, help=help, fixes=fixes)


def _introduced_otherwise(
    session: Session, code: str, what: str, name: str, span: Span, idle: Span
) -> None:
    """Report a name that the text uses, and introduces by another name that it does not use."""
    session.report(
        code,
        f"{what} `{name}`",
        span,
        (idle, "introduced here and never used"),
        help=f"was `{idle.text}` meant to be `{name}`?",
        fixes=[Fix(f"write `{name}` there", (Edit(idle, name),))],
    )


def parameter(self: Expressions, param: tree.Param, name: str) -> bool:
    """Is a parameter that a call asks for by name misspelt where it is declared? That is reported,
    or was, at the first place where the block uses the name."""
    for decl in self.unit.declared.values():
        if param in (getattr(decl, "params", None) or ()) and param.name.name in _idle(decl):
            uses = [n for n in _parts(decl) if isinstance(n, (tree.Name, tree.Apply))]
            first = next((n for n in uses if _name_of(n) == name), None)
            if first is None:
                return False
            named = isinstance(first, tree.Name)
            span = first.span if isinstance(first, tree.Name) else first.name[0].span
            code, what = (
                ("E0201", "unknown name") if named else ("E0202", "unknown operator or block")
            )
            if self.session.diagnostics.once((name, decl.span.start), span):
                _introduced_otherwise(self.session, code, what, name, span, param.name.span)
            return True
    return False


def _name_of(part: tree.Name | tree.Apply) -> str:
    return part.name if isinstance(part, tree.Name) else part.name[0].name


def no_network(unit: Unit, name: tree.Ident, session: Session) -> NoReturn:
    """E0207 for the base of a variant, once in a file."""
    if not session.diagnostics.once((f"network {name.name}", -1), name.span):
        session.mistakes += 1
        raise Fail
    networks = {
        n: unit.find(n)
        for n in unit.names()
        if isinstance(unit.find(n), (tree.Network, tree.Variant))
    }
    variants = [d for d in networks.values() if isinstance(d, tree.Variant)]
    bases = [d.base[-1] for d in variants]
    uses = [base.span for base in bases if base.name == name.name]
    meant = closest(name.name, networks)
    known = ", ".join(networks)
    labels: list[Any] = [name.span]
    edits: tuple[Edit, ...] = ()
    help = f"did you mean `{meant}`?" if meant else f"networks here: {known or 'none'}"
    if meant is not None:
        edits = tuple(Edit(at, meant) for at in uses or [name.span])
        declared = networks[meant].name.span
        if (
            len(uses) > 1
            and declared.source is unit.source
            and meant not in {b.name for b in bases}
        ):
            labels.append((declared, "no network is made of this one"))
            edits = (Edit(declared, name.name),)
            help = f"was `{meant}` meant to be `{name.name}`?"
    found = unit.find(name.name) is not None
    message = f"`{name.name}` is no network" if found else f"unknown network `{name.name}`"
    fixes = [Fix(help, edits)] if edits else []
    session.fail("E0207", message, *labels, help=help, fixes=fixes)


def _meant(
    self: Expressions, name: str, known: list[str], decl: Any
) -> tuple[str | None, Span | None, tuple[tree.Node, ...]]:
    """The name that was meant; where it is introduced, if nothing uses it; the declarations in
    which the wrong name is one mistake."""
    meant = closest(name, known)
    if decl is None:
        return meant, None, ()
    idle = _idle(decl)
    near = closest(name, idle)
    if near is None and len(name) == 1:
        short = [other for other in idle if len(other) == 1]
        near = short[0] if len(short) == 1 else None
    if near is not None and (meant is None or meant not in idle):
        meant = near
    if meant in idle:
        return meant, idle[meant or ""], (decl,)
    declared = self.unit.declared.get(meant or "")
    if isinstance(declared, (tree.Block, tree.Const)) and meant not in _words(self.unit)[0]:
        return meant, declared.name.span, self.unit.file.declarations
    return meant, None, (decl,)


def _words(unit: Unit) -> tuple[set[str], Counter[str]]:
    """The names that a file uses, and how often arguments are given by each name; found once."""
    if unit.words is None:
        parts = _parts(unit.file.declarations)
        used = {_name_of(part) for part in parts if isinstance(part, (tree.Name, tree.Apply))}
        arguments = [part.name for part in parts if isinstance(part, tree.Arg)]
        unit.words = used, Counter(ident.name for ident in arguments if ident is not None)
    return unit.words


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
