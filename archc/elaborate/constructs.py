"""Stages that hold stages: groups, loops, conditions and skips."""

from __future__ import annotations

from typing import Any

from ..source import Span
from ..syntax import tree
from . import operators
from .arguments import operator_arguments
from .bodies import target_names
from .body import poisoned
from .foresight import foresee
from .pyexpr import pyexpr
from .stages import Place, Stages
from .values import POISON, Tensor, kind_of


class Constructs(Stages):
    """Applies groups, loops, conditions and skips. `Frame` adds statements."""

    def group(self, node: tree.Group, value: Any, place: Place) -> Any:
        if place.label is None and not self.builder.names.here.positional:
            self.session.report(
                "E0108",
                "a group here needs a label",
                (node.span, "its layers would have no name"),
                help="label it (`name: ( ... )`), or make it a block of one stage",
            )
            place = Place("group", node.span)
        path, labelled = self.path(place, "group")
        return self.scoped(
            node, "group", path or "", labelled, value, lambda v: self.chain(node.stages, v), place
        )

    def scoped(
        self,
        node: Any,
        kind: str,
        path: str,
        labelled: bool,
        value: Any,
        run: Any,
        place: Place,
        exprs: dict[str, tree.Expr] | None = None,
    ) -> Any:
        """Run stages in a positional scope of their own."""
        builder = self.builder
        before = builder.enter(path, kind, self.site(node, exprs), True, labelled, value)
        from .naming import Context

        builder.names.contexts.append(Context(path, True))
        try:
            result = run(value)
        finally:
            builder.names.contexts.pop()
        builder.leave(before, result)
        if labelled:
            builder.label(path, result)
        return result

    def transparent(
        self, node: Any, kind: str, value: Any, run: Any, exprs: dict[str, tree.Expr] | None = None
    ) -> Any:
        """Run stages in the naming scope around, remembering that they belong together."""
        builder = self.builder
        before = builder.enter(
            builder.names.here.path,
            kind,
            self.site(node, exprs),
            builder.names.here.positional,
            False,
            value,
        )
        result = run(value)
        builder.leave(before, result)
        return result

    def looped(
        self, node: Any, kind: str, value: Any, run: Any, place: Place, exprs: dict[str, tree.Expr]
    ) -> Any:
        if place.label is None:
            return self.transparent(node, kind, value, run, exprs)
        path, labelled = self.path(place, kind)
        return self.scoped(node, kind, path or "", labelled, value, run, place, exprs)

    def repeat(self, node: tree.Repeat, value: Any, place: Place) -> Any:
        count = self.count(node.count, "a count")
        if count < 1:
            self.session.fail(
                "E0305",
                f"`repeat` needs a count of at least 1, not {count}",
                node.count.span,
                help="`if n > 0 then ...` leaves a stage out",
            )
        # self is a part of Frame, which is all that it is ever mixed into
        foresee(self, node, count, node.count.span)  # type: ignore[arg-type]

        def run(value: Any) -> Any:
            outer, scope = self.builder.iters, self.builder.body.scopes[self.builder.scope]
            scope.count = count
            names = [node.var] if node.var else []
            with_loop = LoopVariables(self, [n.name for n in names])
            with with_loop:
                for i in range(count):
                    self.session.step(node.span)
                    self.builder.iters = (*outer, i)
                    if node.var:
                        self.env[node.var.name] = i
                    before = self.session.mistakes
                    value = self.chain(node.stages, value)
                    if self.session.mistakes > before:
                        break  # each round would make the same mistakes again
            self.builder.iters = outer
            if node.var:
                self.session.sites[scope.site].loop = (node.var.name,)
            return value

        return self.looped(node, "repeat", value, run, place, {"count": node.count})

    def for_stage(self, node: tree.ForStage, value: Any, place: Place) -> Any:
        rounds = self.loop(node, node.targets, node.over)

        def run(value: Any) -> Any:
            outer, scope = self.builder.iters, self.builder.body.scopes[self.builder.scope]
            scope.count = 0
            with LoopVariables(self, target_names(node.targets)):
                for i in rounds:
                    self.builder.iters = (*outer, i)
                    scope.count = i + 1
                    before = self.session.mistakes
                    value = self.chain(node.stages, value)
                    if self.session.mistakes > before:
                        break
            self.builder.iters = outer
            self.session.sites[scope.site].loop = tuple(target_names(node.targets))
            return value

        return self.looped(node, "for", value, run, place, {"over": node.over})

    def if_stage(self, node: tree.IfStage, value: Any, place: Place) -> Any:
        taken = self.test(node.test)
        self.builder.choose(
            self.site(node), pyexpr(node.test, self.params, self.unit.constant), taken
        )
        chosen = node.yes if taken else node.no
        if chosen is None:
            return value
        if place.label is not None:
            return self.stage(chosen, value, Place(place.label, place.span, place.kind, place.at))
        return self.stage(chosen, value)

    # ------------------------------------------------------------------ skip

    def skip(self, node: tree.Skip, value: Any, place: Place) -> Any:
        given = operator_arguments(self, "fuse", node.args.items if node.args else (), node.span)

        def run(value: Any) -> Any:
            body = self.chain(node.stages, value)
            shortcut = self.stage(node.via, value) if node.via else value
            if poisoned(body) or poisoned(shortcut) or given.broken:
                self.excuse([body, shortcut])
                return POISON
            if not isinstance(body, Tensor) or not isinstance(shortcut, Tensor):
                self.session.fail(
                    "E0506", f"`skip` joins one value with one, not {kind_of(value)}", node.span
                )
            start = node.label.span.end if node.label else node.span.start
            at = node.span.source.text.find("skip", start)
            keyword = Span(node.span.source, at, at + 4)
            return operators.apply(
                self,
                self.operator("fuse"),
                given,
                [shortcut, body],
                None,
                False,
                Place(None, keyword, "skip"),
                self.site(node, given.nodes),
                keyword,
                [node.via.span if node.via else keyword, node.stages[-1].span],
                role="skip",
                skip=node,
            )

        if value is not POISON and not poisoned(value) and not isinstance(value, Tensor):
            self.session.fail("E0506", f"`skip` takes one value, not {kind_of(value)}", node.span)
        if place.label is None:
            return self.transparent(node, "skip", value, run)
        path, labelled = self.path(place, "skip")
        return self.scoped(node, "skip", path or "", labelled, value, run, place)


class LoopVariables:
    """Loop variables: known to emitted expressions inside, unbound (or as before) after."""

    def __init__(self, frame: Stages, names: list[str]) -> None:
        self.frame = frame
        self.names = names

    def __enter__(self) -> None:
        env = self.frame.env
        self.before = {n: env[n] for n in self.names if n in env}
        self.params = self.frame.params
        self.frame.params = self.params | set(self.names)

    def __exit__(self, *_: object) -> None:
        for name in self.names:
            self.frame.env.pop(name, None)
        self.frame.env.update(self.before)
        self.frame.params = self.params
