"""Claims: `expect` lines, evaluated with the measures of an analysis."""

from __future__ import annotations

from collections.abc import Callable as Function
from dataclasses import dataclass
from typing import Any

from ..diagnostics import closest
from ..graph import MEASURES
from ..source import Span
from ..syntax import tree
from .arithmetic import compare_pair
from .expressions import Expressions
from .frame import Frame
from .values import POISON, Fail, Tensor, show

Measure = Function[[str, "str | int | None"], Any]
"""(measure, label path or value of the network's body or None for all of it) -> figure."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim and what came of it. `holds` is None where it could not be evaluated."""

    text: str
    holds: bool | None
    expected: Any
    actual: Any
    source: str | None
    span: Span
    targets: tuple[tuple[str, str | int | None], ...] = ()
    """(measure, target) of every measure in it: what to break down when it fails."""

    @property
    def line(self) -> int:
        return self.span.line


class Claims(Expressions):
    """Evaluates claims: measures come first, then labels (as their targets), then names."""

    plain_names = False

    def __init__(self, frame: Frame, env: dict[str, Any], measure: Measure) -> None:
        self.session = frame.session
        self.unit = frame.unit
        self.frame = frame
        self.env = env
        self.assigned = frame.assigned
        self.measure = measure
        self.targets: list[tuple[str, str | int | None]] = []

    def test(self, node: tree.Expr) -> bool:
        value = self.eval(node)
        if not isinstance(value, bool):
            self.session.fail(
                "E0602",
                "a claim is true or false",
                (node.span, f"this is {show(value)}"),
                help=f"compare it: `expect {node.span.text} == {show(value)}`",
            )
        return value

    def name(self, node: tree.Name) -> Any:
        if node.name in MEASURES:
            return self.figure(node.name, None, node.span)
        return super().name(node)

    def call(self, node: tree.Call) -> Any:
        func = node.func
        if isinstance(func, tree.Name) and func.name in MEASURES:
            args = node.args.items
            if len(args) != 1 or args[0].name is not None:
                self.session.fail(
                    "E0602", f"`{func.name}(...)` takes one label or value", node.span
                )
            return self.figure(func.name, self.target(args[0].value), node.span)
        return super().call(node)

    def visible(self) -> list[str]:
        return [*MEASURES, *super().visible()]

    def figure(self, name: str, target: str | int | None, span: Span) -> Any:
        self.targets.append((name, target))
        value = self.measure(name, target)
        if value is None:
            self.session.fail(
                "E0602",
                f"`{span.text}` has no single figure",
                span,
                help="its units see the whole input, or it has no spatial axes"
                if name in ("receptive_field", "stride")
                else "measure a label or a value with one result",
            )
        return value

    def target(self, node: tree.Expr) -> str | int:
        """What is measured: a label if there is one, else a value."""
        path = self.path(node)
        if path is not None and self.has_label(path):
            return path
        if isinstance(node, (tree.Name, tree.Attr, tree.Index)):
            if isinstance(node, tree.Name) and node.name not in self.env:
                meant = closest(node.name, [*self.known_labels(), *self.env])
                self.session.fail(
                    "E0208",
                    f"no label or value `{node.name}`",
                    node.span,
                    help=f"did you mean `{meant}`?" if meant else "label the stage that is meant",
                )
            value = self.eval(node)
            if value is POISON:
                raise Fail
            if isinstance(value, Tensor):
                return value.id
        self.session.fail(
            "E0208",
            f"`{node.span.text}` is no label and no value",
            node.span,
            help='a path with dots goes in quotes: `params("layer1.0")`',
        )
        raise AssertionError

    def path(self, node: tree.Expr) -> str | None:
        if isinstance(node, tree.Name):
            return node.name
        if isinstance(node, tree.String):
            return self.string(node)
        if isinstance(node, tree.Attr):
            base = self.path(node.base)
            return None if base is None else f"{base}.{node.name.name}"
        if isinstance(node, tree.Index) and not isinstance(node.index, tree.Range):
            base = self.path(node.base)
            return None if base is None else f"{base}.{self.count(node.index)}"
        return None

    def known_labels(self) -> list[str]:
        body = self.frame.builder.body
        return [
            *(n.name for n in body.nodes),
            *(s.path for s in body.scopes if s.labelled and s.path),
        ]

    def has_label(self, path: str) -> bool:
        """Is there a node or scope of this path, here or inside of a call?"""
        body = self.frame.builder.body
        while True:
            inner = None
            for node in body.nodes:
                if node.name == path:
                    return True
                if node.body >= 0 and path.startswith(node.name + "."):
                    inner = node
            if any(s.path == path or s.path.startswith(path + ".") for s in body.scopes if s.path):
                return True
            if any(n.name.startswith(path + ".") for n in body.nodes):
                return True
            if inner is None:
                return False
            path = path[len(inner.name) + 1 :]
            body = self.session.bodies[inner.body]


def evaluate(frame: Frame, node: tree.Expect, env: dict[str, Any], measure: Measure) -> Claim:
    """One claim; E0602 is reported where it cannot be evaluated."""
    claims = Claims(frame, env, measure)
    expr = node.claim
    expected = actual = None
    try:
        if isinstance(expr, tree.Compare) and len(expr.ops) == 1:
            actual, expected = (claims.eval(operand) for operand in expr.operands)
            if actual is POISON or expected is POISON:
                raise Fail
            holds = compare_pair(claims, expr.ops[0], actual, expected, expr, expr.operands[1])
        else:
            holds = claims.test(expr)
            actual, expected = holds, True
    except Fail:
        return Claim(expr.span.text, None, None, None, node.source, expr.span)
    return Claim(
        expr.span.text, bool(holds), expected, actual, node.source, expr.span, tuple(claims.targets)
    )
