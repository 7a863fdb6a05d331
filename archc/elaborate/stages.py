"""Stages: what `->` passes a value through."""

from __future__ import annotations

from typing import Any

from ..diagnostics import Edit, Fix
from ..source import Span
from ..syntax import tree
from . import operators
from .arguments import operator_arguments
from .body import Builder, poisoned, tensors
from .calls import call_block
from .expressions import Expressions
from .naming import LABEL, RESERVED
from .pyexpr import pyexpr
from .values import POISON, Callable, Fail, Tensor, kind_of

MAX_INDICES = 64
"""Of one label; no deeper than calls of blocks nest."""


class Place:
    """Where a stage stands: its label (or that of the call that it is), and a kind to count by."""

    __slots__ = ("at", "kind", "label", "span")

    def __init__(
        self, label: str | None, span: Span, kind: str | None = None, at: Span | None = None
    ) -> None:
        self.label = label
        self.span = span
        self.kind = kind
        self.at = at or span
        """Where the label itself is written."""


class Stages(Expressions):
    """Applies operators, blocks and networks to values. `Constructs` adds what holds stages."""

    builder: Builder
    defaults: dict[str, dict[str, Any]]
    params: frozenset[str]
    """Names that emitted code may use: parameters, pattern names, loop variables."""

    # ------------------------------------------------------------------ dispatch

    def stage(self, node: tree.Stage, value: Any, place: Place | None = None) -> Any:
        """The value after a stage. A mistake gives POISON, so that later stages are still read."""
        try:
            if place is None:
                at = node.label.span if node.label is not None else None
                place = Place(self.label_text(node.label), node.span, at=at)
            return getattr(self, _METHODS[type(node)])(node, value, place)
        except Fail:
            self.excuse(value)
            return POISON

    def chain(self, stages: tuple[tree.Stage, ...], value: Any) -> Any:
        for stage in stages:
            value = self.stage(stage, value)
        return value

    def pipeline(self, node: tree.Pipeline) -> Any:
        try:
            value = self.eval(node.start)
        except Fail:
            value = POISON
        return self.chain(node.stages, value)

    def excuse(self, value: Any) -> None:
        """A mistake took this value: it is not to be reported as lost."""
        self.builder.excused.update(t.id for t in tensors(value))

    def miss(self, meant: str | None) -> None:
        """The value that a wrong name meant (any, where none is near) is not reported as lost."""
        if getattr(self, "builder", None) is None:
            return
        if meant is not None and meant in self.env:
            self.excuse(self.env[meant])
        else:
            self.builder.excuse_all = True

    # ------------------------------------------------------------------ names

    def label_text(self, label: tree.StageLabel | None) -> str | None:
        """A label with its indices and interpolations worked out: `hg.0.1`."""
        if label is None:
            return None
        base = label.base
        text = base.name if isinstance(base, tree.Ident) else self.string(base)
        if not LABEL.match(text):
            self.session.fail(
                "E0206",
                f"a label cannot be `{text[:60]}`" if text else "a label cannot be empty",
                (base.span, "letters, digits, `_` and `-` only"),
                help="a label is one name; its path comes from the scopes around it",
            )
        if text in RESERVED:
            self.session.fail(
                "E0206",
                f"a label cannot be `{text}`",
                (base.span, "every PyTorch module has an attribute of this name"),
                help=f"another name, such as `{text}_` or `{text}1`",
                fixes=[Fix(f"write `{text}_`", (Edit(base.span, f"{text}_"),))],
            )
        if len(label.indices) > MAX_INDICES:
            self.session.fail(
                "E0206",
                f"a label cannot have {len(label.indices):,} indices",
                (label.span, f"{MAX_INDICES} are the limit"),
                help="each is a list within a list of modules",
            )
        parts = [text]
        for index in label.indices:
            number = self.count(index, "an index")
            if number < 0:
                self.session.fail("E0309", f"a label's index cannot be {number}", index.span)
            parts.append(str(int(number)))
        return ".".join(parts)

    def path(self, place: Place, construct: str) -> tuple[str | None, bool]:
        """Take the name of a stage: its path (None: counted later) and whether it was written."""
        path, other = self.builder.names.take(place.label, place.at)
        if path is not None:
            self.session.name(path, place.at)
        if other == place.at:
            self.session.report(
                "E0204",
                f"label `{path}` comes again in each round of a loop",
                place.at,
                help="put the loop's variable into it, such as "
                f'`"{place.label}{{i}}"` or `{place.label}[i]`',
            )
        elif other is not None and path not in self.builder.names.taken:
            self.session.report(
                "E0204",
                f"labels such as `a` and `a[0]` cannot stand side by side: here `{path}`",
                (place.at, "one of the two"),
                (other, "the other"),
                help="what holds others is no layer itself: give one of them another name",
            )
        elif other is not None:
            self.session.report(
                "E0204",
                f"label `{path}` is used twice",
                (place.at, "again"),
                (other, "first used here"),
                help="give one of them another name",
            )
        return path, place.label is not None

    def site(
        self, node: Any, exprs: dict[str, tree.Expr] | None = None, span: Span | None = None
    ) -> int:
        index, new = self.session.site(node, self.builder.block, span)
        if new and exprs:
            found = self.session.sites[index].exprs
            for name, expr in exprs.items():
                text = pyexpr(expr, self.params, self.unit.constant)
                if text is not None:
                    found[name] = text
        return index

    # ------------------------------------------------------------------ operators and blocks

    def apply(self, node: tree.Apply, value: Any, place: Place) -> Any:
        target = self.resolve(node)
        if target is POISON:
            self.path(place, "x")
            self.eval_args(node.args)
            raise Fail
        return self.invoke(target, node, value, place)

    def invoke(self, target: Callable, node: tree.Apply, value: Any, place: Place) -> Any:
        if target.kind == "op":
            return self.operate(target, node, value, place)
        if target.kind == "share":
            return target.decl.use(self, value, place)  # type: ignore[union-attr]
        return call_block(self, target, node, value, place)  # type: ignore[arg-type]

    def resolve(self, node: tree.Apply) -> Any:
        """What a stage's name means: a value of type block, a declaration, an operator."""
        first = node.name[0]
        if len(node.name) == 1:
            if first.name in self.env:
                found = self.env[first.name]
                if found is POISON or isinstance(found, Callable):
                    return found
                hint = f"`fuse(..., {first.name})` joins values" if tensors(found) else None
                self.session.report(
                    "E0507",
                    f"`{first.name}` is {kind_of(found)}, not a stage",
                    first.span,
                    help=hint,
                )
                return POISON
            declared = self.unit.lookup(first.name, first.span, self.session)
            if isinstance(declared, Callable):
                declared.defaults = dict(self.default_args(first.name))
                return declared
            if first.name in self.unit.broken:
                return POISON
            if declared is None and operators.is_known(first.name):
                return self.operator(first.name)
            if declared is not None and declared is not POISON:
                self.session.report(
                    "E0507", f"`{first.name}` is {kind_of(declared)}, not a stage", first.span
                )
                return POISON
            if declared is POISON or self.unit.may_declare(first.name):
                return POISON
        try:
            if len(node.name) > 1:
                found = self.unit.dotted(node.name, self.session)
                if found is POISON or isinstance(found, Callable):
                    return found
                self.session.report("E0507", f"`{node.span.text}` is not a stage", node.span)
                return POISON
            from . import foreign

            known = foreign.counterpart(first.name)
            if known is not None:
                self.session.fail(
                    "E0202",
                    f"unknown operator or block `{first.name}`",
                    first.span,
                    help=f"here it is {known}",
                )
            what = "unknown operator or block"
            self.unknown("E0202", what, first.name, first.span, self.stage_names)
        except Fail:
            pass
        return POISON

    def stage_names(self) -> list[str]:
        """The operators, and the blocks and networks that have a name here."""
        blocks = [n for n in self.unit.names() if self.unit.find(n) is not None]
        callables = [n for n, v in self.env.items() if isinstance(v, Callable)]
        return [*operators.all_names(), *blocks, *callables]

    def operate(self, target: Callable, node: tree.Apply, value: Any, place: Place) -> Any:
        """Apply an operator."""
        path, labelled = self.path(place, target.name)
        if target.name == "fuse":
            self.session.fail(
                "E0507",
                "`fuse` is not a stage: it takes several values",
                node.name[0].span,
                help="write `y = fuse(a, b, by=sum)`",
            )
        args = node.args.items if node.args else ()
        given = operator_arguments(self, target.name, args, node.span)
        if given.broken or value is POISON:
            if not given.broken:
                operators.validate(self, target, given, node.span)
            self.excuse(value)
            self.excuse(list(given.values.values()))
            return POISON
        if not isinstance(value, Tensor):
            if poisoned(value):
                self.excuse(value)
                return POISON
            self.session.fail(
                "E0506",
                f"`{target.name}` takes one value, not {kind_of(value)}",
                node.span,
                help="`fuse(...)` joins a list into one value; `xs[0]` is one of its elements",
            )
        site = self.site(node, given.nodes)
        return operators.apply(self, target, given, [value], path, labelled, place, site, node.span)

    def fuse(self, node: tree.Call) -> Any:
        """`fuse(a, b, ..., by=sum)` or `fuse(list, by=sum)`."""
        values: list[Any] = []
        spans: list[Span] = []
        listed = False
        named: list[tree.Arg] = []
        for arg in node.args.items:
            if arg.name is not None:
                named.append(arg)
                continue
            try:
                found = self.eval(arg.value)
            except Fail:
                found = POISON
            listed = listed or isinstance(found, (list, tuple))
            parts = list(found) if isinstance(found, (list, tuple)) else [found]
            values.extend(parts)
            spans.extend([arg.value.span] * len(parts))
        target = self.operator("fuse")
        given = operator_arguments(self, "fuse", tuple(named), node.span)
        bad = next(
            (i for i, v in enumerate(values) if v is not POISON and not isinstance(v, Tensor)), None
        )
        if bad is not None:
            self.excuse(values)
            self.session.fail(
                "E0506",
                f"`fuse` takes values of the network, not {kind_of(values[bad])}",
                spans[bad],
            )
        if given.broken or any(v is POISON for v in values):
            self.excuse(values)
            return POISON
        if len(values) < 2 and not listed:
            self.excuse(values)
            self.session.fail(
                "E0505",
                f"`fuse` of {len(values)} value{'s'[: len(values) != 1]}",
                node.span,
                help="it joins two or more",
            )
        if not values:
            self.session.fail("E0505", "`fuse` of an empty list", node.span)
        site = self.site(node, given.nodes)
        place = Place(None, node.func.span)
        return operators.apply(
            self, target, given, values, None, False, place, site, node.func.span, spans
        )

    def partial(self, value: Callable, args: tree.Args) -> Any:
        """`leaky_relu(0.1)` or `Bottleneck(groups=2)` as a value."""
        return operators.partial(self, value, args)


_METHODS: dict[type, str] = {
    tree.Apply: "apply",
    tree.Group: "group",
    tree.Repeat: "repeat",
    tree.ForStage: "for_stage",
    tree.Skip: "skip",
    tree.IfStage: "if_stage",
}
