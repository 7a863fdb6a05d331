"""Evaluation of expressions: numbers, text, lists, comprehensions, functions and conditions."""

from __future__ import annotations

from collections import abc
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..dims import Size
from ..source import Span
from ..syntax import tree
from . import arithmetic, builtins, free
from .foresight import foresee
from .quick import Slow, forget, quick
from .values import POISON, Callable, Fail, Record, Tensor, kind_of, show

if TYPE_CHECKING:
    from .modules import Unit
    from .session import Session


class Expressions:
    """Evaluates expressions in an environment. `Frame` adds stages and statements to it."""

    session: Session
    unit: Unit
    env: dict[str, Any]
    assigned: frozenset[str]
    """Names that some statement of the body assigns, whether it has run or not."""
    plain_names = True
    """A name in the environment is what the environment says."""
    lenient = False
    """Conditions may depend on free sizes."""

    # ------------------------------------------------------------------ dispatch

    def eval(self, node: tree.Expr) -> Any:
        """The value of an expression; `Fail` after a reported mistake, POISON where one spreads."""
        kind = type(node)
        if kind in _QUICK and self.plain_names:
            made = quick(node)
            if made is not None:
                try:
                    return made(self.env)
                except Slow:
                    forget(node)
        return _EVAL[kind](self, node)

    def number(self, node: tree.Number) -> Any:
        return node.value

    def boolean(self, node: tree.Bool) -> Any:
        return node.value

    def string(self, node: tree.String) -> str:
        parts = []
        for part in node.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            value = self.eval(part)
            if value is POISON:
                raise Fail
            if not isinstance(value, (int, float, str)) or isinstance(value, bool):
                self.session.fail(
                    "E0308",
                    f"a number or text can stand in a string, not {kind_of(value)}",
                    part.span,
                )
            parts.append(str(value) if not isinstance(value, Size) else str(int(value)))
        return self.text("".join(parts), node.span)

    def text(self, text: str, span: Span) -> str:
        """A text that was put together, refused where it is endless."""
        limit = max(self.session.limits.text, span.end - span.start)
        if len(text) > limit:
            self.session.exhausted(
                f"a text of more than {limit:,} characters", span, "texts are labels and paths here"
            )
        return text

    # ------------------------------------------------------------------ names

    def name(self, node: tree.Name) -> Any:
        env = self.env
        if node.name in env:
            return env[node.name]
        return self.outer(node.name, node.span)

    def outer(self, name: str, span: Span) -> Any:
        """A name that is not in the body: of the file, of what it uses, or of an operator."""
        if name in self.assigned:
            self.miss(None)
            self.session.fail(
                "E0205",
                f"`{name}` has no value here",
                (span, "used before it is assigned, or assigned only in an `if` not taken"),
                help=f"give `{name}` a value on every path before this place",
            )
        found = self.unit.lookup(name, span, self.session)
        if found is not None:
            return found
        if builtins.is_operator(name):
            return self.operator(name)
        if name in builtins.FUNCTIONS or name == "fuse":
            self.session.fail(
                "E0308", f"`{name}` is a function", span, help=f"call it: `{name}(...)`"
            )
        if self.unit.may_declare(name):
            return POISON
        self.unknown("E0201", "unknown name", name, span, self.visible)
        return POISON

    def operator(self, name: str) -> Callable:
        return Callable("op", name, defaults=dict(self.default_args(name)))

    def default_args(self, name: str) -> dict[str, Any]:
        """What `default` statements in force here give an operator or block."""
        return self.unit.defaults.get(name, {})

    def visible(self) -> list[str]:
        return [*self.env, *self.unit.names(), *builtins.FUNCTIONS, *builtins.operators()]

    def miss(self, meant: str | None) -> None:
        """A value was asked for in vain. `Frame` excuses what was surely meant from being lost."""

    def unknown(
        self, code: str, what: str, name: str, span: Span, known: abc.Callable[[], list[str]]
    ) -> None:
        """Report a name that means nothing, and what was meant. Raises Fail.

        `known` gives the names that there are; it is not asked again for a name that was reported.
        """
        from .misspelt import report

        report(self, code, what, name, span, known)

    # ------------------------------------------------------------------ lists

    def list(self, node: tree.ListExpr) -> Any:
        return self.session.weigh([self.eval(item) for item in node.items], node.span)

    def comprehension(self, node: tree.Comprehension) -> Any:
        items = [
            self.eval(node.item)
            for _ in self.loop(node, node.targets, node.over)
            if node.where is None or self.test(node.where)
        ]
        return self.session.weigh(items, node.span)

    def loop(self, node: Any, targets: tree.Targets, over: tree.Expr) -> Iterator[int]:
        """Bind the targets for each element in turn; unbind them at the end.

        The list is made at once, by the caller's scope: layers in it are not the loop's.
        """
        elements = self.elements(over)
        if getattr(self, "builder", None) is not None:
            # what has a builder is a Frame
            foresee(self, node, len(elements), over.span)  # type: ignore[arg-type]
        return self._rounds(targets, elements, over)

    def _rounds(
        self, targets: tree.Targets, elements: Sequence[Any], over: tree.Expr
    ) -> Iterator[int]:
        names = [t.name for t in targets.names] + ([targets.index.name] if targets.index else [])
        before = {n: self.env[n] for n in names if n in self.env}
        try:
            for i, element in enumerate(elements):
                self.session.step(targets.span)
                self.bind(targets, i, element, over)
                yield i
        finally:
            for n in names:
                self.env.pop(n, None)
            self.env.update(before)

    def elements(self, over: tree.Expr) -> Any:
        value = self.eval(over)
        if value is POISON:
            raise Fail
        if not isinstance(value, (list, tuple, range)):
            self.session.fail(
                "E0308",
                f"a loop runs over a list, not {kind_of(value)}",
                over.span,
                help=f"`0..{over.span.text}` runs over 0, 1, ..."
                if isinstance(value, int)
                else None,
            )
        return value

    def bind(self, targets: tree.Targets, i: int, element: Any, over: tree.Expr) -> None:
        if targets.index is not None:
            self.env[targets.index.name] = i
        if not targets.unpack:
            self.env[targets.names[0].name] = element
            return
        if element is POISON:
            for name in targets.names:
                self.env[name.name] = POISON
            return
        if not isinstance(element, (list, tuple)) or len(element) != len(targets.names):
            from .rows import unequal

            unequal(self, targets, i, element, over)
        for name, part in zip(targets.names, element, strict=True):
            self.env[name.name] = part

    def index(self, node: tree.Index) -> Any:
        base = self.eval(node.base)
        if isinstance(node.index, tree.Range):
            start, stop = self.count(node.index.start), self.count(node.index.stop)
            if base is POISON:
                return POISON
            if not isinstance(base, (list, tuple, range)):
                self.session.fail("E0308", f"{kind_of(base)} has no elements", node.base.span)
            if not 0 <= start <= stop <= len(base):
                self.session.fail(
                    "E0309",
                    f"no elements {start}..{stop} in a list of {len(base)}",
                    (node.index.span, f"at most 0..{len(base)}"),
                )
            self.session.handle(stop - start, node.span)
            return list(base[start:stop])
        i = self.count(node.index)
        if base is POISON:
            return POISON
        if not isinstance(base, (list, tuple, range)):
            self.session.fail(
                "E0506" if isinstance(base, Tensor) else "E0308",
                f"{kind_of(base)} has no elements",
                node.base.span,
            )
        if not -len(base) <= i < len(base):
            last = f"its elements are 0 to {len(base) - 1}" if len(base) else "the list is empty"
            self.session.fail(
                "E0309", f"no element {i} in a list of {len(base)}", (node.index.span, last)
            )
        return base[i]

    def range(self, node: tree.Range) -> Any:
        start, stop = self.count(node.start), self.count(node.stop)
        if stop - start > self.session.limits.steps:
            most = self.session.limits.steps
            self.session.exhausted(
                f"a range of more than {most:,} numbers",
                (node.span, f"{stop - start:,} of them"),
            )
        return range(start, stop)

    def attr(self, node: tree.Attr) -> Any:
        module = self.unit.module_of(node)
        if module is not None:
            return module.lookup_public(node.name, self.session)
        base = self.eval(node.base)
        if base is POISON:
            return POISON
        if isinstance(base, Record):
            fields, name = base.fields, node.name
            if name.name not in fields:
                self.unknown("E0201", "no output", name.name, name.span, lambda: list(fields))
            return fields[name.name]
        self.session.fail(
            "E0308", f"{kind_of(base)} has no part `{node.name.name}`", node.name.span
        )

    # ------------------------------------------------------------------ arithmetic

    def count(self, node: tree.Expr, what: str = "a whole number") -> int:
        """A whole number; a fraction is an error that suggests `//`."""
        value = self.eval(node)
        if value is POISON:
            raise Fail
        if isinstance(value, float):
            suggestion = node.span.text.replace("/", "//") if "/" in node.span.text else None
            self.session.fail(
                "E0307",
                f"{show(value)} is a fraction where {what} is due",
                node.span,
                help=f"`/` gives a fraction; `//` divides to a whole number: {suggestion}"
                if suggestion
                else "`round(...)` or `int(...)` makes a whole number",
            )
        if not isinstance(value, int) or isinstance(value, bool):
            self.session.fail("E0308", f"{what} is due here, not {kind_of(value)}", node.span)
        return value

    def test(self, node: tree.Expr) -> bool:
        """A condition that decides structure: it may depend on a free size only if `where`
        decides it."""
        value = self.eval(node)
        if value is POISON:
            raise Fail
        if not isinstance(value, bool):
            self.session.fail(
                "E0308", f"a condition is true or false, not {kind_of(value)}", node.span
            )
        if not self.lenient:
            free.require_decided(self, node)
        return value

    def holds(self, node: tree.Expr) -> Any:
        """A requirement at the sizes at hand: it decides no structure, so it may depend on them."""
        before, self.lenient = self.lenient, True
        try:
            return self.eval(node)
        finally:
            self.lenient = before

    def ternary(self, node: tree.Ternary) -> Any:
        return self.eval(node.yes if self.test(node.test) else node.no)

    # ------------------------------------------------------------------ calls

    def call(self, node: tree.Call) -> Any:
        """`fuse(a, b)`, a built-in or `const` function, or a block with arguments as a value."""
        func = node.func
        if isinstance(func, tree.Name) and func.name not in self.env:
            if func.name == "fuse":
                return self.fuse(node)
            if func.name in builtins.FUNCTIONS and self.unit.find(func.name) is None:
                return builtins.call(self, func.name, node)
            const = self.unit.find(func.name)
            if isinstance(const, tree.Const):
                return self.unit.call_const(const, node, self)
        value = self.eval(func)
        if value is POISON:
            self.eval_args(node.args)
            return POISON
        if isinstance(value, Callable):
            return self.partial(value, node.args)
        self.session.fail("E0308", f"{kind_of(value)} cannot be called", func.span)

    def eval_args(self, args: tree.Args | None) -> None:
        """Evaluate for the sake of the mistakes in them."""
        for arg in args.items if args else ():
            if isinstance(arg.value, tree.Name) and arg.value.name not in self.env:
                continue  # may be a bare word
            with suppress(Fail):
                self.eval(arg.value)

    def fuse(self, node: tree.Call) -> Any:
        self.session.fail("E0507", "layers cannot stand in a constant expression", node.span)

    def partial(self, value: Callable, args: tree.Args) -> Any:
        self.session.fail("E0507", "layers cannot stand in a constant expression", args.span)

    def pipeline(self, node: tree.Pipeline) -> Any:
        self.session.fail("E0507", "layers cannot stand in a constant expression", node.span)


_QUICK = frozenset([tree.Unary, tree.Binary, tree.Compare, tree.Ternary])
_EVAL: dict[type, Any] = {
    tree.Number: Expressions.number,
    tree.String: Expressions.string,
    tree.Bool: Expressions.boolean,
    tree.Name: lambda self, node: self.name(node),
    tree.ListExpr: Expressions.list,
    tree.Comprehension: lambda self, node: self.comprehension(node),
    tree.Index: lambda self, node: self.index(node),
    tree.Range: Expressions.range,
    tree.Attr: lambda self, node: self.attr(node),
    tree.Unary: arithmetic.unary,
    tree.Binary: arithmetic.binary,
    tree.Compare: arithmetic.compare,
    tree.Ternary: lambda self, node: self.ternary(node),
    tree.Call: lambda self, node: self.call(node),
    tree.Pipeline: lambda self, node: self.pipeline(node),
}
