"""Conditions on free sizes: structure may depend on one only where the input's `where` decides it."""

from __future__ import annotations

from math import lcm
from typing import TYPE_CHECKING, Any

from ..dims import Linear, always, form_of, is_free
from ..syntax import tree
from .values import Fail

if TYPE_CHECKING:
    from .expressions import Expressions


def require_decided(self: Expressions, node: tree.Expr) -> None:
    """Report E0410 if the truth of a condition changes with a free size."""
    for test in _comparisons(node):
        values = [self.eval(operand) for operand in test.operands]
        for op, a, b in zip(test.ops, values, values[1:], strict=False):
            if not (is_free(a) or is_free(b)) or isinstance(a, (list, str)):
                continue
            if _decide(self, op, a, b) is None:
                free = sorted(
                    form_of(a).symbols() | form_of(b).symbols() if _whole(a, b) else {"?"}
                )
                names = " and ".join(f"`{n}`" for n in free if n != "?") or "a free size"
                self.session.fail(
                    "E0410",
                    f"the structure depends on {names}, which is free",
                    (test.span, f"{_text(a)} {op} {_text(b)}: true for some sizes only"),
                    help="state in the input's `where` what decides it, or give the input a fixed size",
                )


def _whole(a: Any, b: Any) -> bool:
    return isinstance(a, int) and isinstance(b, int)


def _text(value: Any) -> str:
    return str(form_of(value)) if is_free(value) else str(value)


def _comparisons(node: tree.Expr) -> list[tree.Compare]:
    """The comparisons of a condition, outside of nested conditionals (those are tested themselves)."""
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
    if "?" in names:
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
    return {"==": d == 0, "!=": d != 0, "<": d < 0, "<=": d <= 0, ">": d > 0, ">=": d >= 0}[op]


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
