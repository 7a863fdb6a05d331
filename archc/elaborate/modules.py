"""Files: what each declares, and what names stand for in it."""

from __future__ import annotations

from typing import Any

from ..diagnostics import closest
from ..source import Span
from ..syntax import tree
from .arguments import block_arguments
from .body import poisoned
from .expressions import Expressions
from .fitting import typed
from .session import Session
from .spoken import Spoken
from .values import POISON, Callable, Exhausted, Fail

_MISSING = object()
_WORKING = object()


class Unit:
    """One file: its declarations, what it brings in from others, its defaults."""

    def __init__(self, file: tree.File) -> None:
        self.file = file
        self.source = file.source
        self.declared: dict[str, Any] = {}
        self.imported: dict[str, tuple[Unit, Any]] = {}
        self.aliases: dict[str, Unit] = {}
        self.defaults: dict[str, dict[str, Any]] = {}
        self.broken: set[str] = set(getattr(file, "broken", ()))
        self.lacks_default = False
        """There is a mistake in a `default` of the file."""
        self._spoken: dict[int, Spoken] = {}
        """The names in its declarations, by id; made for what is misspelt."""
        self._consts: dict[str, Any] = {}

    def spoken(self, decl: tree.Node) -> Spoken:
        """The names in a declaration."""
        found = self._spoken.get(id(decl))
        if found is None:
            found = self._spoken[id(decl)] = Spoken(decl)
        return found

    def names(self) -> list[str]:
        return [*self.declared, *self.imported, *self.aliases]

    def may_declare(self, name: str) -> bool:
        """Would the file declare this name if a mistake in it, already reported, were mended?"""
        return name in self.broken or "*" in self.broken

    def find(self, name: str) -> Any:
        """The declaration that a name stands for in this file, or None."""
        found = self.declared.get(name)
        if found is None and name in self.imported:
            return self.imported[name][1]
        return found

    def home(self, name: str) -> Unit:
        """The file that declares a name."""
        return (
            self.imported[name][0].home(name)
            if name in self.imported and name not in self.declared
            else self
        )

    def lookup(self, name: str, span: Span, session: Session) -> Any:
        """The value of a declared name: a number, or a callable; None where there is none."""
        decl = self.find(name)
        if decl is None:
            return None
        if isinstance(decl, tree.Const):
            return self.home(name).const(decl, span, session)
        if isinstance(decl, tree.Recipe):
            session.fail("E0308", f"`{name}` is a recipe, not a block", span)
        kind = "block" if isinstance(decl, tree.Block) else "network"
        return Callable(
            kind, name, decl, self.home(name), defaults=dict(self.defaults.get(name, {}))
        )

    # ------------------------------------------------------------------ constants

    def const(self, decl: tree.Const, span: Span, session: Session) -> Any:
        name = decl.name.name
        if decl.params is not None:
            session.fail("E0308", f"`{name}` is a function", span, help=f"call it: `{name}(...)`")
        value = self._consts.get(name, _MISSING)
        if value is _MISSING:
            self._consts[name] = _WORKING
            try:
                value = Constants(session, self).eval(decl.value)
                value = POISON if poisoned(value) else value
            except (Fail, Exhausted):
                value = POISON
            self._consts[name] = value
        elif value is _WORKING:
            session.fail(
                "E0205", f"`{name}` is defined by itself", span, (decl.name.span, "declared here")
            )
        return value

    def constant(self, name: str) -> int | float | None:
        """The value of a `const` that is a number and worked out, for emitted expressions."""
        decl = self.find(name)
        if not isinstance(decl, tree.Const):
            return None
        value = self.home(name)._consts.get(name)
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    def call_const(self, decl: tree.Const, node: tree.Call, caller: Expressions) -> Any:
        """`round8(v)`: evaluated in the file that declares it; not recursive."""
        name, session = decl.name.name, caller.session
        if decl.params is None:
            session.fail("E0308", f"`{name}` is a number, not a function", node.func.span)
        given = block_arguments(caller, name, decl.params or (), node.args.items, node.span)
        if given.broken:
            raise Fail
        frame = Constants(session, self.home(name))
        for param in decl.params or ():
            key = param.name.name
            if key in given.values:
                frame.env[key] = given.values[key]
            elif param.default is not None:
                frame.env[key] = typed(frame, frame.eval(param.default), param, param.default.span)
            else:
                session.fail(
                    "E0302", f"`{name}` needs `{key}`", node.span, (param.span, "declared here")
                )
        if name in session.consts:
            session.fail(
                "E0705",
                f"`{name}` calls itself",
                node.span,
                (decl.name.span, "declared here"),
                help="a `const` is not recursive; a block may be",
            )
        session.consts.append(name)
        try:
            return frame.eval(decl.value)
        finally:
            session.consts.pop()

    # ------------------------------------------------------------------ other files

    def module_of(self, node: tree.Attr) -> Unit | None:
        """`mine` in `mine.Bottleneck`."""
        if isinstance(node.base, tree.Name):
            return self.aliases.get(node.base.name)
        return None

    def lookup_public(self, name: tree.Ident, session: Session) -> Any:
        """A name of this file, asked for from another."""
        if name.name not in self.declared:
            if self.may_declare(name.name):
                return POISON
            meant = closest(name.name, self.declared)
            session.fail(
                "E0201",
                f"`{self.source.name}` declares no `{name.name}`",
                name.span,
                help=f"did you mean `{meant}`?"
                if meant
                else f"it declares {', '.join(self.declared)}",
            )
        return self.lookup(name.name, name.span, session)

    def dotted(self, path: tuple[tree.Ident, ...], session: Session) -> Any:
        """`mine.Bottleneck` as a stage."""
        first = path[0]
        if first.name not in self.aliases and self.may_declare(first.name):
            return POISON
        if first.name not in self.aliases or len(path) != 2:
            meant = closest(first.name, self.aliases)
            session.fail(
                "E0201",
                f"unknown module `{first.name}`",
                first.span,
                help=f"did you mean `{meant}`?"
                if meant
                else 'bring it in: `use "file.arch" as name`',
            )
        return self.aliases[first.name].lookup_public(path[1], session)

    def base(self, decl: tree.Variant, session: Session) -> tuple[Any, Unit, dict[str, Any]]:
        """The network that a variant is made of, and the arguments that it fixes."""
        chain = self.variants(decl, session)
        bound: dict[str, Any] = {}
        for variant, at in chain[:-1]:
            params = chain[-1][0].params
            name = variant.base[-1].name
            args = variant.args.items if variant.args else ()
            given = block_arguments(Constants(session, at), name, params, args, variant.span)
            if given.broken:
                raise Fail
            bound = {**given.values, **bound}
        return chain[-1][0], chain[-1][1], bound

    def variants(self, decl: Any, session: Session) -> list[tuple[Any, Unit]]:
        """A variant, what it is made of, and so on to the network itself, each with its file."""
        chain: list[tuple[Any, Unit]] = [(decl, self)]
        while isinstance(chain[-1][0], tree.Variant):
            variant, unit = chain[-1]
            if len(chain) > session.limits.depth:
                session.fail(
                    "E0705",
                    f"`{decl.name.name}` is a variant of a variant, more than "
                    f"{session.limits.depth} times",
                    decl.name.span,
                    help="make it of the network itself",
                )
            name, owner = variant.base[0], unit
            if len(variant.base) == 2 and name.name in unit.aliases:
                owner, name = unit.aliases[name.name], variant.base[1]
            base = owner.find(name.name)
            if not isinstance(base, (tree.Network, tree.Variant)):
                owner.no_network(name, session)
            if any(base is seen for seen, _ in chain):
                start = next(i for i, (seen, _) in enumerate(chain) if seen is base)
                circle = [seen for seen, _ in chain[start:]]
                first = min(circle, key=lambda v: (v.span.source.name, v.span.start))
                at = circle.index(first)
                path = " -> ".join(v.name.name for v in (*circle[at:], *circle[:at], first))
                session.fail(
                    "E0703",
                    f"variant `{first.name.name}` is made of itself",
                    (first.name.span, path if len(circle) > 1 else ""),
                    help="one of them must be a network with a body of its own",
                )
            chain.append((base, owner.home(name.name)))
        return chain

    def no_network(self, name: tree.Ident, session: Session) -> None:
        """Say that a name is none of a network, unless a reported mistake explains it."""
        found = self.find(name.name)
        if found is None and self.may_declare(name.name):
            raise Fail
        from .misspelt import no_network

        no_network(self, name, session)


class Constants(Expressions):
    """Expressions outside of any body: constants, arguments of variants, defaults of parameters."""

    def __init__(self, session: Session, unit: Unit) -> None:
        self.session = session
        self.unit = unit
        self.env: dict[str, Any] = {}
        self.assigned = frozenset()

    def partial(self, value: Callable, args: tree.Args) -> Any:
        from .operators import partial

        return partial(self, value, args)  # type: ignore[arg-type]
