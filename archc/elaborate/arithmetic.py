"""Expressions of numbers: signs, sums, products, and comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..syntax import tree
from . import builtins
from .values import POISON, Fail, Tensor, kind_of, show

if TYPE_CHECKING:
    from .expressions import Expressions


def unary(self: Expressions, node: tree.Unary) -> Any:
    if node.op == "not":
        return not self.test(node.operand)
    value = self.eval(node.operand)
    if value is POISON:
        return POISON
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        self.session.fail("E0308", f"`-` takes a number, not {kind_of(value)}", node.operand.span)
    return -value


def binary(self: Expressions, node: tree.Binary) -> Any:
    ops, operands = node.ops, node.operands
    if ops[0] in ("and", "or"):
        stop = ops[0] == "or"
        for operand in operands:
            if self.test(operand) is stop:
                return stop
        return not stop
    value = self.eval(operands[0])
    for op, operand in zip(ops, operands[1:], strict=True):
        right = self.eval(operand)
        if value is POISON or right is POISON:
            value = POISON
            continue
        value = calculate(self, op, value, right, node)
    return value


def calculate(self: Expressions, op: str, a: Any, b: Any, node: tree.Binary) -> Any:
    if isinstance(a, (list, range)) and isinstance(b, (list, range)) and op == "+":
        return self.session.weigh([*a, *b], node.span)
    if isinstance(a, str) and isinstance(b, str) and op == "+":
        return self.text(a + b, node.span)
    for value in (a, b):
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            hint = None
            if isinstance(value, Tensor):
                names = {"+": "sum", "*": "product", "-": "difference"}
                hint = f"values meet in `fuse(a, b, by={names.get(op, 'sum')})`"
            self.session.fail(
                "E0308", f"`{op}` takes numbers, not {kind_of(value)}", node.span, help=hint
            )
    try:
        return builtins.arithmetic(op, a, b, self.session.limits.bits)
    except ZeroDivisionError:
        self.session.fail("E0310", "division by zero", (node.span, f"{show(a)} {op} {show(b)}"))
    except (OverflowError, ValueError) as error:
        digits = int(self.session.limits.bits * 0.30103)
        large = f"whole numbers may have {digits:,} digits, others go up to 1e308"
        help = large if isinstance(error, OverflowError) else None
        self.session.fail("E0310", f"the result is {error}", node.span, help=help)


def compare(self: Expressions, node: tree.Compare) -> Any:
    values = [self.eval(operand) for operand in node.operands]
    if any(v is POISON for v in values):
        raise Fail
    for op, left, right, at in zip(node.ops, values, values[1:], node.operands[1:], strict=False):
        if not compare_pair(self, op, left, right, node, at):
            return False
    return True


def compare_pair(
    self: Expressions, op: str, a: Any, b: Any, node: tree.Compare, at: tree.Expr
) -> bool:
    if op == "~=":
        return builtins.about(a, b, node, at, self.session)
    if op in ("==", "!="):
        self.session.handle(self.session.weight(a), node.span)
        same = builtins.equal(a, b)
        return same if op == "==" else not same
    ordered = isinstance(a, (int, float)) and isinstance(b, (int, float))
    if not ordered or isinstance(a, bool) or isinstance(b, bool):
        other = b if isinstance(a, (int, float)) and not isinstance(a, bool) else a
        self.session.fail("E0308", f"`{op}` compares numbers, not {kind_of(other)}", node.span)
    return bool({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op])
