"""The body of a block or network being worked out: its statements, inputs and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..graph import Output
from ..source import Span
from ..syntax import tree
from . import shared
from .arguments import operator_arguments
from .bodies import assigned_in, misread, target_names
from .body import Builder, poisoned, tensors, tree_of
from .inputs import Inputs
from .operators import is_known
from .values import POISON, Callable, Fail, Record, Shape, Tensor, kind_of

if TYPE_CHECKING:
    from .modules import Unit
    from .session import Session


class Frame(Inputs):
    """One block or network, with the names of its scope. `for` and `if` open none."""

    builder: Builder

    def __init__(self, session: Session, unit: Unit, decl: Any) -> None:
        self.session = session
        self.unit = unit
        self.decl = decl
        self.env: dict[str, Any] = {}
        self.defaults: dict[str, dict[str, Any]] = {}
        self.assigned = session.assigned(decl)
        self.params = frozenset(p.name.name for p in getattr(decl, "params", ()) or ())
        self.outputs: list[tuple[str | None, Any, bool, Span]] = []
        """(name, value, training only, place)."""
        self.claims: list[tuple[tree.Expect, dict[str, Any]]] = []
        self.shares: list[shared.Shared] = []
        self.loops = 0

    def default_args(self, name: str) -> dict[str, Any]:
        return {**self.unit.defaults.get(name, {}), **self.defaults.get(name, {})}

    # ------------------------------------------------------------------ statements

    def run(self, statements: tuple[tree.Stmt, ...]) -> None:
        for statement in statements:
            made = len(self.builder.body.values)
            try:
                _RUN[type(statement)](self, statement)
            except Fail:
                self.mistaken(statement, made)

    def mistaken(self, node: tree.Node, made: int) -> None:
        """A statement failed: what it names and made (from value `made` on) is not lost."""
        builder = self.builder
        builder.excused.update(range(made, len(builder.body.values)))
        for name in tree.names_in(node):
            found = self.env.get(name)
            self.excuse(found)
            if isinstance(found, Callable) and isinstance(found.decl, shared.Shared):
                found.decl.broken = True

    def assign(self, node: tree.Assign) -> None:
        names = [t.name for t in node.targets]
        for target in node.targets:
            self.check_name(target)
        made = len(self.builder.body.values)
        try:
            value = self.eval(node.value)
        except Fail:
            value = POISON
        if poisoned(value):
            self.mistaken(node.value, made)
        if len(names) == 1:
            self.env[names[0]] = value
            self.entitle(names[0], value)
            return
        parts = list(value.fields.values()) if isinstance(value, Record) else value
        if value is POISON:
            parts = [POISON] * len(names)
        elif not isinstance(parts, (list, tuple)):
            self.env.update(dict.fromkeys(names, POISON))
            self.session.fail(
                "E0311",
                f"{len(names)} names for {kind_of(value)}",
                node.targets[0].span.to(node.targets[-1].span),
            )
        elif len(parts) != len(names):
            self.excuse(parts)
            self.env.update(dict.fromkeys(names, POISON))
            self.session.fail(
                "E0311",
                f"{len(names)} names for {len(parts)} values",
                (node.targets[0].span.to(node.targets[-1].span), f"{len(parts)} values come"),
                help="give as many names as there are values",
            )
        for name, part in zip(names, parts, strict=True):
            self.env[name] = part
            self.entitle(name, part)

    def check_name(self, name: tree.Ident) -> None:
        """A value may not take the name of a parameter's type word or of a block in use here."""
        if name.name in self.unit.declared and not is_known(name.name):
            self.session.fail(
                "E0203",
                f"`{name.name}` is declared in this file already",
                name.span,
                (self.unit.declared[name.name].name.span, "first declared here"),
                help="give the value another name",
            )

    def entitle(self, name: str, value: Any) -> None:
        """Remember the source's name for a value (the first one stays)."""
        if isinstance(value, Tensor):
            made = self.builder.body.values[value.id]
            if made.name is None:
                made.name = name

    def for_statement(self, node: tree.For) -> None:
        builder = self.builder
        rounds = self.loop(node, node.targets, node.over)
        outer = builder.iters
        before = builder.enter(
            builder.names.here.path,
            "for",
            self.site(node, {"over": node.over}, node.targets.span),
            builder.names.here.positional,
            False,
            None,
        )
        scope = builder.body.scopes[builder.scope]
        scope.count = 0
        params = self.params
        self.params = params | set(target_names(node.targets))
        self.session.sites[scope.site].loop = tuple(target_names(node.targets))
        try:
            for i in rounds:
                builder.iters = (*outer, i)
                scope.count = i + 1
                mistakes, made = self.session.mistakes, len(builder.body.values)
                self.run(node.body)
                if self.session.mistakes > mistakes:
                    # Each round would make the same mistakes again.
                    self.mistaken(node, made)
                    self.env.update(dict.fromkeys(assigned_in(node.body), POISON))
                    break
        except Fail:
            self.env.update(dict.fromkeys(assigned_in(node.body), POISON))
            raise
        finally:
            self.params = params
            builder.iters = outer
            builder.leave(before, None)

    def comprehension(self, node: tree.Comprehension) -> Any:
        """Comprehensions that make layers are loops of the body, too."""
        builder = getattr(self, "builder", None)
        if builder is None:
            return super().comprehension(node)
        rounds = self.loop(node, node.targets, node.over)
        outer = builder.iters
        before = builder.enter(
            builder.names.here.path,
            "for",
            self.site(node, {"over": node.over}),
            builder.names.here.positional,
            False,
            None,
        )
        scope = builder.body.scopes[builder.scope]
        params = self.params
        self.params = params | set(target_names(node.targets))
        self.session.sites[scope.site].loop = tuple(target_names(node.targets))
        items: list[Any] = []
        try:
            for i in rounds:
                builder.iters = (*outer, i)
                scope.count = i + 1
                if node.where is None or self.test(node.where):
                    items.append(self.eval(node.item))
                    self.session.step(node.span)
        finally:
            self.params = params
            builder.iters = outer
            builder.leave(before, None)
            if len(builder.body.nodes) == scope.first:
                builder.body.scopes.pop()  # only numbers: no loop of the network
        return self.session.weigh(items, node.span)

    def if_statement(self, node: tree.If) -> None:
        from .pyexpr import pyexpr

        try:
            taken = self.test(node.test)
        except Fail:
            for name in assigned_in(node.yes) | assigned_in(node.no):
                self.env.setdefault(name, POISON)
            self.outputs.append((None, POISON, False, node.span))
            raise
        site = self.site(node, None, node.test.span)
        self.builder.choose(site, pyexpr(node.test, self.params, self.unit.constant), taken)
        self.run(node.yes if taken else node.no)

    def output(self, node: tree.Output) -> None:
        made = len(self.builder.body.values)
        try:
            value = self.eval(node.value)
        except Fail:
            value = POISON
        if poisoned(value):
            self.mistaken(node.value, made)
        if not poisoned(value) and tree_of(value) is None:
            self.outputs.append(
                (node.name.name if node.name else None, POISON, node.training, node.span)
            )
            self.builder.excuse_all = True
            self.session.fail(
                "E0308",
                f"an output is a value of the network, not {kind_of(value)}",
                node.value.span,
            )
        if node.name is not None:
            for name, _, _, span in self.outputs:
                if name == node.name.name:
                    self.session.fail(
                        "E0203",
                        f"output `{name}` is declared twice",
                        node.name.span,
                        (span, "first here"),
                    )
            self.env[node.name.name] = value
            self.entitle(node.name.name, value)
        self.outputs.append(
            (node.name.name if node.name else None, value, node.training, node.span)
        )

    def share(self, node: tree.Share) -> None:
        self.env[node.name.name] = shared.declare(self, node)

    def default(self, node: tree.Default) -> None:
        mistakes = self.session.mistakes
        try:
            given = default_values(self, node)
            self.defaults.setdefault(node.name.name, {}).update(given)
        finally:
            # Layers that lack a default are others than were meant.
            self.session.doubtful = self.session.doubtful or self.session.mistakes > mistakes

    def expect(self, node: tree.Expect) -> None:
        if len(self.claims) >= self.session.limits.claims:
            self.session.exhausted(
                f"more than {self.session.limits.claims:,} claims",
                node.span,
                "claim less in a loop",
            )
        self.claims.append((node, dict(self.env)))

    def input(self, node: tree.Input) -> None:
        """Inputs are bound before the body runs."""

    # ------------------------------------------------------------------ outputs

    def taps(self, arg: tree.Arg) -> list[tuple[str | None, Any, bool, Span]]:
        """The labelled values that `outputs=[...]` asks for."""
        node = arg.value
        if not isinstance(node, tree.ListExpr):
            self.session.fail(
                "E0304", "`outputs` is a list of labels", node.span, help="outputs=[layer3, layer4]"
            )
        found: list[tuple[str | None, Any, bool, Span]] = []
        for item in node.items:
            path = self.label_path(item)
            if path not in self.builder.labels and self.session.mistakes:
                raise Fail  # a mistake in the network may have kept it from being there
            if path not in self.builder.labels:
                self.unknown(
                    "E0208",
                    f"`{self.decl.name.name}` has no label",
                    path,
                    item.span,
                    lambda: list(self.builder.labels),
                )
            found.append((path.replace(".", "_"), self.builder.labels[path], False, item.span))
        return found

    def label_path(self, node: tree.Expr) -> str:
        """`layer2`, `hg[0]`, `layer1.conv` or text as a path."""
        if isinstance(node, tree.Name):
            return node.name
        if isinstance(node, tree.String):
            return self.string(node)
        if isinstance(node, tree.Attr):
            return f"{self.label_path(node.base)}.{node.name.name}"
        if isinstance(node, tree.Index):
            return f"{self.label_path(node.base)}.{self.count(node.index)}"
        self.session.fail("E0208", "a label is due here", node.span)
        raise AssertionError

    def close(self, decl: Any, pruned: bool) -> list[Shape | None] | None:
        """Declare the outputs and finish the body; None where a mistake makes it unusable."""
        builder = self.builder
        if not self.outputs:
            if not misread(self.session, decl):
                self.session.report(
                    "E0502",
                    f"`{decl.name.name}` has no output",
                    decl.name.span,
                    help="end it with `output x`",
                )
            return None
        self.outputs.sort(key=lambda o: o[2])
        main = [o for o in self.outputs if not o[2]]
        nameless = [o[3] for o in main if o[0] is None]
        excused = misread(self.session, decl) or any(poisoned(o[1]) for o in main)
        if len(main) > 1 and nameless and not excused:
            looped = len(set(nameless)) < len(nameless)
            self.session.report(
                "E0508",
                "an output in a loop is declared again and again"
                if looped
                else "several outputs need names",
                (nameless[0], "" if looped else "this one has none"),
                help="collect them in a list: `output [... for x in list]`"
                if looped
                else "name each: `output mask = ...`",
            )
        bad = any(poisoned(value) for _, value, _, _ in self.outputs)
        pooled: list[Shape | None] = []
        for name, value, training, _ in self.outputs:
            if poisoned(value):
                self.excuse(value)
                continue
            self.flatten_output(name, value, training, pooled)
        for tensor in [t for _, v, _, _ in self.outputs if not poisoned(v) for t in tensors(v)]:
            if tensor.pooled is not None and not bad:
                builder.body.outputs.append(Output(None, builder.positions(tensor.id), hidden=True))
        if misread(self.session, decl):
            builder.excuse_all = True
        if not builder.excuse_all:
            shared.report_unused(self)
        builder.finish(pruned)
        return None if bad else pooled

    def flatten_output(
        self, name: str | None, value: Any, training: bool, pooled: list[Any]
    ) -> None:
        if isinstance(value, Record):
            for field, part in value.fields.items():
                self.flatten_output(
                    field if name is None else f"{name}_{field}", part, training, pooled
                )
            return
        self.builder.body.outputs.append(Output(name, tree_of(value), training))
        self.builder.body.listed = self.builder.body.listed or isinstance(value, list)
        pooled.extend(t.pooled for t in tensors(value))


def default_values(self: Any, node: tree.Default) -> dict[str, Any]:
    """The arguments of a `default` statement, as its operator or block takes them."""
    from .arguments import block_arguments

    name = node.name.name
    if is_known(name):
        given = operator_arguments(self, name, node.args.items, node.span)
    else:
        decl = self.unit.find(name)
        if not isinstance(decl, (tree.Block, tree.Network)):
            self.unknown(
                "E0202",
                "unknown operator or block",
                name,
                node.name.span,
                lambda: [*self.unit.names(), *self.visible()],
            )
        given = block_arguments(self, name, decl.params, node.args.items, node.span)
    return given.values


_RUN: dict[type, Any] = {
    tree.Assign: Frame.assign,
    tree.For: Frame.for_statement,
    tree.If: Frame.if_statement,
    tree.Output: Frame.output,
    tree.Share: Frame.share,
    tree.Default: Frame.default,
    tree.Expect: Frame.expect,
    tree.Input: Frame.input,
}
