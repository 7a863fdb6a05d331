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
from .bodies import assigned_in, target_names
from .session import Session
from .values import POISON, Fail

if TYPE_CHECKING:
    from .frame import Frame

_ENOUGH = 1000
"""Loops without inner loops and of fewer rounds than this are not worth the look."""

MOST_LOOKS = 50_000
"""Rounds that are looked at one by one for a network, all loops together."""
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
    over = node.count if isinstance(node, tree.Repeat) else getattr(node, "over", None)
    seen = _Foresight(self)
    least = seen.loop(node, over, frozenset()) if over is not None else NOTHING
    if least.rounds < count:  # its list has another value here than it had for the loop
        least = seen.body(node, frozenset()).times(count).plus(Least(0, count))
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
        self.session = frame.session
        self.quiet = Constants(Session(Diagnostics(), frame.session.limits), frame.unit)
        self.quiet.env = dict(frame.env)
        self.quiet.lenient = True

    # ------------------------------------------------------------------ the tree

    def body(self, node: Any, changing: Names, known: Names = frozenset()) -> Least:
        """One round of a loop, whose own variables are `known` or change."""
        inner = (changing | _variables(node)) - known
        if isinstance(node, tree.For):
            before = dict(self.quiet.env)
            least = self.statements(node.body, (inner | _assigned(node)) - known)
            self.quiet.env.clear()
            self.quiet.env.update(before)
            return least
        if isinstance(node, tree.Comprehension):
            return NOTHING if node.where is not None else self.expression(node.item, inner)
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
                if isinstance(statement, tree.Assign):
                    changing = self.assign(statement, changing)
        return total

    def assign(self, node: tree.Assign, changing: Names) -> Names:
        """Remember a number that is assigned; the names that change from here on."""
        names = frozenset(t.name for t in node.targets)
        plain = isinstance(node.value, (tree.Number, tree.Binary, tree.Ternary, tree.Call))
        value = self.value(node.value, changing) if plain and len(names) == 1 else POISON
        if not isinstance(value, int):
            return changing | names
        self.quiet.env[node.targets[0].name] = value
        return changing - names

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
        found = self.value(over, changing)
        if isinstance(found, (list, tuple, range)):
            count = len(found)
        elif isinstance(found, int) and not isinstance(found, bool):
            count, found = max(0, found), range(max(0, found))
        else:
            return NOTHING
        if count and _bounds_vary(node):
            return self.rounds(node, found, count, changing)
        return self.body(node, changing).times(count).plus(Least(0, count))

    def rounds(self, node: Any, elements: Any, count: int, changing: Names) -> Least:
        """A loop on whose variables the bounds of inner loops depend: round by round, as far as
        the look may go, and what is in every round for the rest."""
        every = self.body(node, changing)
        total = Least(0, count)
        limits = self.session.limits
        env = self.quiet.env
        before = dict(env)
        for i, element in enumerate(elements):
            self.session.looks += 1
            if self.session.looks > MOST_LOOKS:
                total = total.plus(every.times(count - i))
                break
            known = _bind(env, node, i, element)
            total = total.plus(self.body(node, changing, known))
            if total.layers > limits.nodes or total.rounds > limits.steps:
                break
        env.clear()
        env.update(before)
        return total

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


def _variables(node: Any) -> Names:
    """The variables of a loop."""
    if isinstance(node, tree.Repeat):
        return frozenset() if node.var is None else frozenset([node.var.name])
    return frozenset(target_names(node.targets))


def _assigned(node: tree.For) -> Names:
    """What differs from round to round: the variables, and what the statements assign."""
    return frozenset(assigned_in((node,)))


def _bind(env: dict[str, Any], node: Any, i: int, element: Any) -> Names:
    """Give the variables of a loop their values in a round; the names that have one."""
    if isinstance(node, tree.Repeat):
        values = {node.var.name: element} if node.var is not None else {}
    else:
        names = [n.name for n in node.targets.names]
        index = node.targets.index
        values = {index.name: i} if index is not None else {}
        if not node.targets.unpack:
            values[names[0]] = element
        elif isinstance(element, (list, tuple)) and len(element) == len(names):
            values.update(zip(names, element, strict=True))
    env.update(values)
    # What the loop itself assigns anew is its variable no longer.
    again = assigned_in(node.body) if isinstance(node, tree.For) else set()
    return frozenset(values) - again


def _bounds_vary(node: Any) -> bool:
    """Do the bounds of loops inside of a loop depend on its variables?"""
    own = _variables(node)
    if isinstance(node, tree.For):
        own |= assigned_in(node.body)
    pending: list[object] = [getattr(node, name) for name in node.fields[1:]] if own else []
    while pending:
        part = pending.pop()
        over = part.count if isinstance(part, tree.Repeat) else getattr(part, "over", None)
        if isinstance(over, tree.Node) and not own.isdisjoint(tree.names_in(over)):
            return True
        if isinstance(part, tuple) and not isinstance(part, Span):
            pending.extend(part)
        elif isinstance(part, tree.Node):
            pending.extend(getattr(part, name) for name in part.fields[1:])
    return False
