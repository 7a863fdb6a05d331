"""How much a loop makes, at least, worked out before any of it is made.

Budgets hold without this, too; but a loop of 10^12 rounds should be refused at once, not after the
million that fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..diagnostics import Diagnostics
from ..ops import known
from ..source import Span
from ..syntax import tree
from .session import Session
from .values import POISON, Fail

if TYPE_CHECKING:
    from .frame import Frame

_ENOUGH = 1000
"""Loops without inner loops and of fewer rounds than this are not worth the look."""

Names = frozenset[str]


class Least(NamedTuple):
    """Layers that are made, and rounds of loops that are run, at least."""

    layers: int = 0
    rounds: int = 0

    def plus(self, other: Least) -> Least:
        return Least(self.layers + other.layers, self.rounds + other.rounds)

    def times(self, count: int) -> Least:
        return Least(self.layers * count, self.rounds * count)


NOTHING = Least()


def foresee(self: Frame, node: tree.Node, count: int, span: Span) -> None:
    """E0704 (and the end of elaboration) where a loop of `count` rounds cannot fit the budgets."""
    session = self.session
    nested = session.nested.get(id(node))
    if nested is None:
        nested = session.nested[id(node)] = has_loop(node)
    if count < _ENOUGH and not nested:
        return
    least = _Foresight(self).body(node, frozenset()).times(count).plus(Least(0, count))
    if session.nodes + least.layers > session.limits.nodes:
        session.exhausted_layers((span, f"at least {least.layers:,} layers here"))
    if session.steps + least.rounds > session.limits.steps:
        session.exhausted_steps((span, f"at least {least.rounds:,} rounds here"))


def has_loop(node: tree.Node) -> bool:
    """Is there a loop inside of a loop?"""
    pending: list[object] = [getattr(node, name) for name in node.fields[1:]]
    while pending:
        part = pending.pop()
        if isinstance(part, (tree.For, tree.ForStage, tree.Repeat, tree.Comprehension)):
            return True
        if isinstance(part, tuple) and not isinstance(part, Span):
            pending.extend(part)
        elif isinstance(part, tree.Node):
            pending.extend(getattr(part, name) for name in part.fields[1:])
    return False


class _Foresight:
    """Counts over the syntax tree. `changing` are names whose values differ from round to round:
    what depends on them counts as nothing."""

    def __init__(self, frame: Frame) -> None:
        from .modules import Constants

        self.frame = frame
        self.quiet = Constants(Session(Diagnostics(), frame.session.limits), frame.unit)
        self.quiet.env = frame.env
        self.quiet.lenient = True

    # ------------------------------------------------------------------ the tree

    def body(self, node: Any, changing: Names) -> Least:
        """One round of a loop."""
        if isinstance(node, tree.For):
            return self.statements(node.body, changing | _assigned(node))
        if isinstance(node, tree.Comprehension):
            inner = changing | _targets(node.targets)
            return NOTHING if node.where is not None else self.expression(node.item, inner)
        if isinstance(node, tree.ForStage):
            return self.stages(node.stages, changing | _targets(node.targets))
        inner = changing | {node.var.name} if node.var is not None else changing
        return self.stages(node.stages, inner)

    def statements(self, body: tuple[tree.Stmt, ...], changing: Names) -> Least:
        total = NOTHING
        for statement in body:
            if isinstance(statement, tree.For):
                total = total.plus(self.loop(statement, statement.over, changing))
            elif isinstance(statement, tree.If):
                taken = self.value(statement.test, changing)
                if isinstance(taken, bool):
                    chosen = statement.yes if taken else statement.no
                    total = total.plus(self.statements(chosen, changing))
            elif isinstance(statement, (tree.Assign, tree.Output)):
                total = total.plus(self.expression(statement.value, changing))
        return total

    def expression(self, node: tree.Expr, changing: Names) -> Least:
        if isinstance(node, tree.Pipeline):
            return self.stages(node.stages, changing)
        if isinstance(node, tree.Comprehension):
            return self.loop(node, node.over, changing)
        return NOTHING

    def stages(self, stages: tuple[tree.Stage, ...], changing: Names) -> Least:
        total = NOTHING
        for stage in stages:
            total = total.plus(self.stage(stage, changing))
        return total

    def stage(self, stage: Any, changing: Names) -> Least:
        if isinstance(stage, tree.Apply):
            name = stage.name[0].name
            layer = known(name) and name != "identity" and name not in self.frame.env
            return Least(int(layer), 0)
        if isinstance(stage, tree.ForStage):
            return self.loop(stage, stage.over, changing)
        if isinstance(stage, tree.Repeat):
            return self.loop(stage, stage.count, changing)
        if isinstance(stage, tree.IfStage):
            taken = self.value(stage.test, changing)
            chosen = stage.yes if taken else stage.no
            if not isinstance(taken, bool) or chosen is None:
                return NOTHING
            return self.stage(chosen, changing)
        return self.stages(stage.stages, changing)

    def loop(self, node: Any, over: tree.Expr, changing: Names) -> Least:
        rounds = self.value(over, changing)
        if isinstance(rounds, (list, tuple, range)):
            rounds = len(rounds)
        if not isinstance(rounds, int) or isinstance(rounds, bool) or rounds < 1:
            return NOTHING
        return self.body(node, changing).times(rounds).plus(Least(0, rounds))

    # ------------------------------------------------------------------ values

    def value(self, node: tree.Expr, changing: Names) -> Any:
        """The value of an expression that is the same in every round; POISON for others."""
        names = tree.names_in(node)
        if not changing.isdisjoint(names) or not all(map(self.settled, names)):
            return POISON
        try:
            return self.quiet.eval(node)
        except Fail:
            return POISON

    def settled(self, name: str) -> bool:
        """Can a name be evaluated here without a mistake that would go unreported?"""
        return (
            name in self.frame.env
            or self.frame.unit.find(name) is None
            or (self.frame.unit.constant(name) is not None)
        )


def _targets(targets: tree.Targets) -> Names:
    index = {targets.index.name} if targets.index is not None else set()
    return frozenset(index | {n.name for n in targets.names})


def _assigned(node: tree.For) -> Names:
    from .bodies import assigned_in

    return frozenset(assigned_in((node,)))
