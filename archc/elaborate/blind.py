"""Blocks that no network reaches: checked without knowing what arrives.

Every value is unknown, so shapes are not looked at; names, parameters and arguments are. Both sides
of a condition are read, and loops once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..graph import Body
from ..syntax import tree
from .bodies import input_statements
from .body import Builder
from .fitting import typed
from .frame import Frame
from .modules import Unit
from .session import Session
from .stages import Place
from .values import POISON, Exhausted, Fail


def check_blindly(session: Session, unit: Unit, decl: tree.Block | tree.Network) -> None:
    """Report the mistakes in a block that can be seen without its input."""
    site, _ = session.site(decl, decl, decl.name.span)
    frame = Blind(session, unit, decl)
    body = Body(decl.name.name, "block", {}, decl.doc, site)
    stage = decl.stage if isinstance(decl, tree.Block) else None
    frame.builder = Builder(session, body, decl, positional=stage is not None)
    frame.builder.excuse_all = True
    with suppress(Exhausted, Fail):
        frame.open()
        if stage is not None:
            frame.stage(stage, POISON)
        else:
            frame.run(decl.body)
            frame.close(decl, pruned=False)


class Blind(Frame):
    """A body whose parameters and inputs are unknown."""

    hidden_labels = 0

    def open(self) -> None:
        """Parameters and inputs by name, all unknown; defaults are evaluated for their mistakes."""
        for param in self.decl.params:
            if param.default is not None:
                with suppress(Fail):
                    value = self.eval(param.default)
                    if value is not POISON:
                        typed(self, value, param, param.default.span)
            self.env[param.name.name] = POISON
        inputs = input_statements(self.decl.body)
        if not inputs and getattr(self.decl, "stage", None) is None and not self.decl.incomplete:
            self.session.report(
                "E0503",
                f"`{self.decl.name.name}` has no input",
                self.decl.name.span,
                help="a block starts with `input x`",
            )
        for statement in inputs:
            self.env[statement.name.name] = POISON
            for dim in statement.dims or ():
                name = dim.name.name if dim.name is not None else getattr(dim.value, "name", None)
                if name is not None and self.unit.find(name) is None:
                    self.env[name] = POISON

    # ------------------------------------------------------------------ both sides, one round

    def run(self, statements: tuple[tree.Stmt, ...]) -> None:
        for statement in statements:
            if isinstance(statement, tree.If):
                self.quietly(statement.test)
                for side in (statement.yes, statement.no):
                    with self.apart():
                        self.run(side)
            elif isinstance(statement, tree.For):
                self.quietly(statement.over)
                with self.bound(statement.targets):
                    self.run(statement.body)
            else:
                super().run((statement,))

    def stage(self, node: tree.Stage, value: Any, place: Place | None = None) -> Any:
        if isinstance(node, tree.IfStage):
            self.quietly(node.test)
            for side in (node.yes, node.no):
                if side is not None:
                    with self.apart():
                        self.stage(side, value, place or self.place(node))
            return POISON
        if isinstance(node, tree.Repeat):
            self.quietly(node.count)
            names = [node.var.name] if node.var is not None else []
            return self.loop_once(node, names, node.stages, place)
        if isinstance(node, tree.ForStage):
            self.quietly(node.over)
            index = [node.targets.index.name] if node.targets.index is not None else []
            names = index + [n.name for n in node.targets.names]
            return self.loop_once(node, names, node.stages, place)
        return super().stage(node, value, place)

    def loop_once(
        self, node: Any, names: list[str], stages: tuple[tree.Stage, ...], place: Place | None
    ) -> Any:
        """The stages of a loop, in a scope of their own if it has a label."""
        before = dict(self.env)
        self.env.update(dict.fromkeys(names, POISON))
        place = place or self.place(node)

        def run(value: Any) -> Any:
            return self.chain(stages, value)

        try:
            with suppress(Fail):
                self.looped(node, "for", POISON, run, place, {})
        finally:
            self.env.clear()
            self.env.update(before)
        return POISON

    def comprehension(self, node: tree.Comprehension) -> Any:
        self.quietly(node.over)
        with self.bound(node.targets):
            if node.where is not None:
                self.quietly(node.where)
            self.quietly(node.item)
        return POISON

    def ternary(self, node: tree.Ternary) -> Any:
        for part in (node.test, node.yes, node.no):
            self.quietly(part)
        return POISON

    # ------------------------------------------------------------------ helpers

    def quietly(self, node: tree.Expr) -> None:
        """Evaluate for the sake of the mistakes in it."""
        with suppress(Fail):
            self.eval(node)

    def place(self, node: Any) -> Place:
        with suppress(Fail):
            return Place(self.label_text(node.label), node.span)
        return Place(None, node.span)

    def label_text(self, label: tree.StageLabel | None) -> str | None:
        """A label that depends on what is unknown stands for any."""
        before = self.session.mistakes
        try:
            return super().label_text(label)
        except Fail:
            if self.session.mistakes > before:
                raise
            self.hidden_labels += 1
            return f"label-{self.hidden_labels}"

    @contextmanager
    def apart(self) -> Iterator[None]:
        """One side of a condition: labels of the other are free here."""
        names = self.builder.names
        before = dict(names.taken)
        try:
            yield
        finally:
            names.taken = before

    @contextmanager
    def bound(self, targets: tree.Targets) -> Iterator[None]:
        """Loop variables, unknown."""
        index = [targets.index.name] if targets.index is not None else []
        names = index + [n.name for n in targets.names]
        before = {n: self.env[n] for n in names if n in self.env}
        self.env.update(dict.fromkeys(names, POISON))
        try:
            yield
        finally:
            for name in names:
                self.env.pop(name, None)
            self.env.update(before)
