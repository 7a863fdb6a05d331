"""Conditions on free sizes: structure may depend on one only where a `where` decides it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import lcm
from typing import TYPE_CHECKING, Any

from ..diagnostics import Diagnostics
from ..dims import Linear, always, form_of, is_free
from ..syntax import tree
from .session import Demand
from .values import Callable as Block
from .values import Fail, Tensor

if TYPE_CHECKING:
    from ..conditions import Condition
    from ..source import Span
    from .expressions import Expressions
    from .inputs import Inputs
    from .session import Session, Test


def require_decided(self: Expressions, node: tree.Expr) -> None:
    """Report E0410 if the truth of a condition changes with a free size."""
    names = self.session.compared.get(id(node))
    if names is None:
        names = self.session.compared[id(node)] = _compared(node)
    env = self.env
    if "" not in names and all(type(env.get(n)) in _FIXED for n in names):
        return
    for test in _comparisons(node):
        values = [self.eval(operand) for operand in test.operands]
        for op, a, b in zip(test.ops, values, values[1:], strict=False):
            if not (is_free(a) or is_free(b)) or isinstance(a, (list, str)):
                continue
            truth = _decide(self, op, a, b)
            if truth is not None:
                test_here = partial(_comes_out, op, a, b, truth)
                self.session.demands.append(Demand("condition", test.span, test_here))
            else:
                free = sorted(
                    form_of(a).symbols() | form_of(b).symbols() if _whole(a, b) else {"?"}
                )
                words = " and ".join(f"`{n}`" for n in free if n not in ("?", "*")) or "a free size"
                self.session.fail(
                    "E0410",
                    f"the structure depends on {words}, which is free",
                    (test.span, f"{_text(a)} {op} {_text(b)}: true for some sizes only"),
                    help="state in the input's `where` what decides it, "
                    "or give the input a fixed size",
                )


_FIXED = frozenset([int, float, bool, str, Block, type(None)])
"""Types of what is the same at all sizes."""


def _compared(node: tree.Expr) -> frozenset[str]:
    """The names that a condition is made of; with "" if there is more than names and numbers."""
    names: set[str] = set()
    pending: list[object] = [node]
    while pending:
        part = pending.pop()
        if isinstance(part, tuple):
            pending.extend(part)
        elif isinstance(part, tree.Name):
            names.add(part.name)
        elif isinstance(part, (tree.Binary, tree.Compare)):
            pending.append(part.operands)
        elif isinstance(part, tree.Unary):
            pending.append(part.operand)
        elif not isinstance(part, (tree.Number, tree.Bool, tree.String)):
            names.add("")
    return frozenset(names)


def _comes_out(op: str, a: int, b: int, truth: bool, probe: Callable[[Any], Any]) -> bool:
    """Does a comparison that decides structure come out as it does here?"""
    return _holds(op, probe(a) - probe(b)) is truth


def _whole(a: Any, b: Any) -> bool:
    return isinstance(a, int) and isinstance(b, int)


def _text(value: Any) -> str:
    return str(form_of(value)) if is_free(value) else str(value)


def _comparisons(node: tree.Expr) -> list[tree.Compare]:
    """The comparisons of a condition, outside of nested conditionals (tested themselves)."""
    if isinstance(node, tree.Compare):
        return [node]
    if isinstance(node, tree.Binary) and node.ops[0] in ("and", "or"):
        return [c for operand in node.operands for c in _comparisons(operand)]
    if isinstance(node, tree.Unary) and node.op == "not":
        return _comparisons(node.operand)
    return []


def _decide(self: Expressions, op: str, a: Any, b: Any) -> bool | None:
    """The truth of `a op b` wherever the requirements hold, if it is one; else None."""
    if not _whole(a, b):
        return None
    difference = form_of(a).plus(form_of(b), -1)
    names = sorted(difference.symbols())
    if "?" in names or "*" in names:
        return None
    if not names:
        return _holds(op, difference.const)
    session = self.session
    wheres = session.wheres
    period, start = _repeats(difference, names), 0
    if period is None:
        return None
    for name in names:
        start = max(start, _settles(difference, name, names, period))
    start = max(start, *(_largest(w) for _, w in wheres), 0) if wheres else start
    for _, where in wheres:
        period = lcm(period, _where_period(where))

    def given(env: dict[str, int]) -> bool:
        for frame, where in wheres:
            before = dict(frame.env)
            try:
                frame.env.update(env)
                if frame.holds(where) is False:
                    return False
            except Fail:
                return True
            finally:
                frame.env.clear()
                frame.env.update(before)
        return True

    return always(lambda env: _holds(op, difference.at(env)), names, period, start, given)


def _holds(op: str, d: int) -> bool:
    """`d op 0`. Only the comparison that is asked for is made: sizes may be probes."""
    if op in ("==", "!="):
        return (d == 0) is (op == "==")
    if op in (">=", "<"):
        return (d >= 0) is (op == ">=")
    return (d <= 0) is (op == "<=")


def _repeats(form: Linear, names: list[str]) -> int | None:
    period = form.period()
    return period if period < 1 << 14 else None


def _settles(form: Linear, name: str, names: list[str], period: int) -> int:
    """From which size of one symbol on the sign of the form no longer changes (others at 1)."""
    base = dict.fromkeys(names, period)
    slope = form.at({**base, name: 2 * period}) - form.at(base)
    if slope == 0:
        return 0
    values = [abs(form.at({**base, name: r})) for r in range(1, period + 1)]
    return period * (max(values) // abs(slope) + 2)


def _largest(node: Any) -> int:
    """The largest number written in an expression."""
    if isinstance(node, tree.Number):
        return int(node.value)
    parts = [*getattr(node, "operands", ()), *filter(None, [getattr(node, "operand", None)])]
    return max((_largest(p) for p in parts), default=0)


def _where_period(node: Any) -> int:
    """A period of a requirement: the product of the divisors in it."""
    period = 1
    if isinstance(node, tree.Binary):
        for op, operand in zip(node.ops, node.operands[1:], strict=True):
            if op in ("%", "//") and isinstance(operand, tree.Number) and operand.value:
                period = lcm(period, abs(int(operand.value)))
    for part in [*getattr(node, "operands", ()), *filter(None, [getattr(node, "operand", None)])]:
        period = lcm(period, _where_period(part))
    return period


# ---------------------------------------------------------------------------- for other sizes


def demand_equal(session: Session, text: str, span: Span, a: int, b: int) -> None:
    """Note that a pattern wants two sizes to be equal, as they are at the sizes at hand."""
    if form_of(a) != form_of(b):
        session.demands.append(Demand(text, span, lambda probe: bool(probe(a) == probe(b))))


def demand_where(self: Inputs, statement: tree.Input) -> None:
    """Note the `where` of a block's input, if free sizes come in."""
    where = statement.where
    assert where is not None
    env = {name: value for name, value in self.env.items() if _varies(value)}
    if env:
        text = f"input {statement.name.name}"
        self.session.demands.append(Demand(text, where.span, _tester(self, where, env)))


def where_conditions(session: Session) -> list[tuple[Span, Condition]]:
    """The `where` of each input of the network, as a condition on its free sizes."""
    found: list[tuple[Span, Condition]] = []
    for frame, where in session.wheres:
        env = {name: value for name, value in frame.env.items() if _varies(value)}
        found.append((where.span, _explored(session, _tester(frame, where, env))))
    return found


def demanded(session: Session) -> list[tuple[str, Span, Condition]]:
    """What blocks demand of free sizes: the words for it, its place, the condition."""
    return [(d.text, d.span, _explored(session, d.test)) for d in session.demands]


def _tester(frame: Expressions, where: tree.Expr, env: dict[str, Any]) -> Test:
    """A requirement as a test for probes in the place of the sizes in `env`."""

    def test(probe: Callable[[Any], Any]) -> bool:
        before = dict(frame.env)
        try:
            frame.env.update({name: _probed(value, probe) for name, value in env.items()})
            return frame.holds(where) is True
        finally:
            frame.env.clear()
            frame.env.update(before)

    return test


def _varies(value: Any) -> bool:
    """Is there a free size in it?"""
    if isinstance(value, Tensor):
        return any(map(is_free, value.shape))
    return any(map(_varies, value)) if isinstance(value, (list, tuple)) else is_free(value)


def _probed(value: Any, probe: Callable[[Any], Any]) -> Any:
    if isinstance(value, Tensor):
        return Tensor(value.id, probe(value.shape), value.pooled)
    return [_probed(v, probe) for v in value] if isinstance(value, (list, tuple)) else probe(value)


def _explored(session: Session, test: Test) -> Condition:
    """A test as a condition; unknown where it has no answer for some sizes."""
    from ..conditions import TooManyPaths, explore, probe

    before, session.diagnostics = session.diagnostics, Diagnostics()
    mistakes = session.mistakes
    try:
        return explore(lambda: test(probe))
    except (Fail, TooManyPaths):
        return None
    finally:
        session.diagnostics, session.mistakes = before, mistakes
