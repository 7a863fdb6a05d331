"""Unknown names: what was meant, and where the text must change.

A name that is used several times and introduced nowhere is one mistake, not several: it is reported
at its first use, and the fix changes all of them, or the one place that introduces it otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from ..diagnostics import Edit, Fix, closest
from ..source import Span
from ..syntax import tree
from .spoken import place
from .values import Fail

if TYPE_CHECKING:
    from .expressions import Expressions
    from .modules import Unit
    from .session import Session


def report(
    self: Expressions, code: str, what: str, name: str, span: Span, names: Callable[[], list[str]]
) -> NoReturn:
    """E0201 or E0202 for a name, once in a declaration (or file, where that introduces it).

    `names` gives those that are known here.
    """
    decl: Any = getattr(self, "decl", None)
    if not what.startswith("unknown") or not isinstance(decl, tree.Node):
        decl = None  # a part of a value, a label: only this place is meant
    _again(self, code, name, span, decl)
    known = names()
    meant, idle, scope = _meant(self, name, known, decl)
    if decl is not None:
        self.session.misspelt[name, id(decl)] = (span, meant)
    at = scope[0].span.start if len(scope) == 1 else -1
    if scope and not self.session.diagnostics.once((name, at), span):
        self.session.mistakes += 1
        self.miss(None)
        raise Fail
    if code == "E0201":
        self.miss(meant)
    uses = [use for part in scope for use in self.unit.spoken(part).uses(name)] or [span]
    labels: list[Any] = [span]
    if meant is None:
        fixes = []
        help = _known_here(self, code, known)
    elif idle is not None and len(uses) + _arguments(self.unit, name) > 1:
        _introduced_otherwise(self.session, code, what, name, span, idle)
        raise Fail
    else:
        help = f"did you mean `{meant}`?"
        fixes = [Fix(help, tuple(Edit(at, meant) for at in uses))]
    self.session.fail(code, f"{what} `{name}`", *labels, help=help, fixes=fixes)


def _again(self: Expressions, code: str, name: str, span: Span, decl: tree.Node | None) -> None:
    """Raise Fail for a name that was reported in this declaration: there may be a hundred thousand
    uses of it, and rounds of a loop around each."""
    first = None if decl is None else self.session.misspelt.get((name, id(decl)))
    if first is not None:
        self.session.mistakes += 1
        if first[0] != span:
            self.miss(None)
        elif code == "E0201":
            self.miss(first[1])
        raise Fail


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
        if param not in (getattr(decl, "params", None) or ()):
            continue
        spoken = self.unit.spoken(decl)
        if param.name.name in spoken.idle:
            first = next(iter(spoken.used.get(name, ())), None)
            if first is None:
                return False
            named = isinstance(first, tree.Name)
            span = place(first)
            code, what = (
                ("E0201", "unknown name") if named else ("E0202", "unknown operator or block")
            )
            if self.session.diagnostics.once((name, decl.span.start), span):
                _introduced_otherwise(self.session, code, what, name, span, param.name.span)
            return True
    return False


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
    idle = self.unit.spoken(decl).idle
    near = closest(name, idle)
    if near is None and len(name) == 1:
        short = [other for other in idle if len(other) == 1]
        near = short[0] if len(short) == 1 else None
    if near is not None and (meant is None or meant not in idle):
        meant = near
    if meant in idle:
        return meant, idle[meant or ""], (decl,)
    declared = self.unit.declared.get(meant or "")
    if isinstance(declared, (tree.Block, tree.Const)):
        declarations = self.unit.file.declarations
        if not any(meant in self.unit.spoken(each).used for each in declarations):
            return meant, declared.name.span, declarations
    return meant, None, (decl,)


def _arguments(unit: Unit, name: str) -> int:
    """How many arguments of a file are given by a name."""
    return sum(unit.spoken(each).arguments[name] for each in unit.file.declarations)


def _known_here(self: Expressions, code: str, known: list[str]) -> str:
    if code == "E0202":
        return "`archc ops` lists the operators; blocks of other files come in by `use`"
    consts = [n for n in known if isinstance(self.unit.find(n), tree.Const)]
    here = list(dict.fromkeys([n for n in known if n in self.env] + consts))[:8]
    return f"names here: {', '.join(here)}" if here else "nothing has a name here"
