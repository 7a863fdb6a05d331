"""Arithmetic of whole numbers, compiled to closures: what a loop evaluates again in each round.

A closure gives what the interpreter would give, or raises `Slow` where anything is out of the
ordinary (an unknown name, a free size, a fraction, a division by zero): the interpreter then
evaluates the expression again, and finds the words for it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from ..syntax import tree

Env = dict[str, Any]
Quick = Callable[[Env], Any]
BITS = 256  # numbers beyond are left to the interpreter, which counts their bits
_PLAIN = frozenset([int, bool])
_SIGNS: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
}
_ORDERS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Slow(Exception):
    """Nothing for a closure."""


def quick(node: tree.Node) -> Quick | None:
    """The closure of an expression, made once; None where it has none."""
    kept = node.__dict__
    if "quick" not in kept:
        kept["quick"] = _compiled(node)
    found: Quick | None = kept["quick"]
    return found


def forget(node: tree.Node) -> None:
    """The closure of an expression was of no use."""
    node.__dict__["quick"] = None


def _compiled(node: Any) -> Quick | None:
    make = _MAKE.get(type(node))
    return None if make is None else make(node)


def _number(node: tree.Number) -> Quick | None:
    value = node.value
    return (lambda env: value) if type(value) is int and value.bit_length() < BITS else None


def _name(node: tree.Name) -> Quick:
    name = node.name

    def run(env: Env) -> Any:
        value = env.get(name)
        if type(value) in _PLAIN:
            return value
        raise Slow

    return run


def _unary(node: tree.Unary) -> Quick | None:
    inner = quick(node.operand)
    if inner is None:
        return None

    def negate(env: Env) -> int:
        value = inner(env)
        if type(value) is int:
            return -value
        raise Slow

    def invert(env: Env) -> bool:
        value = inner(env)
        if type(value) is bool:
            return not value
        raise Slow

    return negate if node.op == "-" else invert


def _binary(node: tree.Binary) -> Quick | None:
    if len(node.operands) > 8:
        return None
    inner = [part for part in map(quick, node.operands) if part is not None]
    if len(inner) < len(node.operands):
        return None
    if node.ops[0] in ("and", "or"):
        return _logical(inner, node.ops[0] == "or")
    made = inner[0]
    for sign, right in zip(node.ops, inner[1:], strict=True):
        if sign == "/":
            return None
        made = _power(made, right) if sign == "**" else _step(_SIGNS[sign], made, right)
    return made


def _logical(parts: list[Quick], stop: bool) -> Quick:
    def run(env: Env) -> bool:
        for part in parts:
            value = part(env)
            if type(value) is not bool:
                raise Slow
            if value is stop:
                return stop
        return not stop

    return run


def _step(sign: Callable[[int, int], int], left: Quick, right: Quick) -> Quick:
    divides = sign in (operator.floordiv, operator.mod)

    def run(env: Env) -> int:
        a, b = left(env), right(env)
        if type(a) is not int or type(b) is not int or (divides and b == 0):
            raise Slow
        value = sign(a, b)
        if value.bit_length() > BITS:
            raise Slow
        return value

    return run


def _power(left: Quick, right: Quick) -> Quick:
    def run(env: Env) -> int:
        a, b = left(env), right(env)
        if type(a) is not int or type(b) is not int or not 0 <= b <= BITS // (a.bit_length() or 1):
            raise Slow
        value = a**b
        if type(value) is not int:
            raise Slow
        return value

    return run


def _compare(node: tree.Compare) -> Quick | None:
    if len(node.ops) != 1 or node.ops[0] not in _ORDERS:
        return None
    left, right = (quick(operand) for operand in node.operands)
    if left is None or right is None:
        return None
    order, first, second = _ORDERS[node.ops[0]], left, right

    def run(env: Env) -> bool:
        a, b = first(env), second(env)
        if type(a) is not int or type(b) is not int:
            raise Slow
        return order(a, b)

    return run


def _ternary(node: tree.Ternary) -> Quick | None:
    test, yes, no = quick(node.test), quick(node.yes), quick(node.no)
    if test is None or yes is None or no is None:
        return None
    asked, then, other = test, yes, no

    def run(env: Env) -> Any:
        value = asked(env)
        if type(value) is not bool:
            raise Slow
        return then(env) if value else other(env)

    return run


_MAKE: dict[type, Callable[[Any], Quick | None]] = {
    tree.Number: _number,
    tree.Bool: lambda node: lambda env: node.value,
    tree.Name: _name,
    tree.Unary: _unary,
    tree.Binary: _binary,
    tree.Compare: _compare,
    tree.Ternary: _ternary,
}
