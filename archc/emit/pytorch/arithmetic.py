"""Expressions of the source as text: their names, their normal form, their value."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

_WORDS = {"and", "or", "not", "if", "else", "True", "False", "None", "len"}


def names_in(text: str) -> list[str]:
    """Identifiers of an expression, in order."""
    plain = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", "", text)
    return [w for w in re.findall(r"(?<![\w.])[A-Za-z_]\w*", plain) if w not in _WORDS]


def renamed(text: str, names: Mapping[str, str]) -> str:
    """An expression of the source over Python's names."""
    return re.sub(
        r"(?<![\w.])[A-Za-z_]\w*",
        lambda m: m[0] if m[0] in _WORDS else names.get(m[0], m[0]),
        text,
    )


def normal(text: str) -> str:
    """The expression without needless parentheses, as a formatter leaves it."""
    try:
        return _unparse(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, RecursionError):
        return text


def negated(text: str) -> str:
    """`not (...)`, carried inwards."""
    return _unparse(_negate(ast.parse(text, mode="eval").body))


_INVERSE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
}


def _negate(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return node.operand
    if isinstance(node, ast.BoolOp):
        turned = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return ast.BoolOp(turned, [_negate(v) for v in node.values])
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _INVERSE:
        return ast.Compare(node.left, [_INVERSE[type(node.ops[0])]()], node.comparators)
    return ast.UnaryOp(ast.Not(), node)


def _unparse(node: ast.expr) -> str:
    """`ast.unparse`, with a power of simple operands written tight and double quotes."""
    text = ast.unparse(node)
    text = re.sub(r"(?<=[\w\]]) \*\* (?=-?[A-Za-z_0-9.]+(?![\w.(\[]))", "**", text)
    return re.sub(r"'([^'\"\\]*)'", r'"\1"', text)


class _Fold(ast.NodeTransformer):
    """Puts values for names, and works out what is constant then."""

    def __init__(self, fixed: Mapping[str, Any]) -> None:
        self.fixed = fixed

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(self.fixed[node.id]) if node.id in self.fixed else node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        made = super().generic_visit(node)
        if isinstance(made, ast.BoolOp):
            every = isinstance(made.op, ast.And)
            kept = [
                v for v in made.values if not (isinstance(v, ast.Constant) and v.value is every)
            ]
            if not kept:
                return ast.Constant(every)
            if len(kept) == 1:
                return kept[0]
            return ast.BoolOp(made.op, kept)
        if isinstance(made, ast.IfExp) and isinstance(made.test, ast.Constant):
            return made.body if made.test.value else made.orelse
        if isinstance(made, (ast.BinOp, ast.UnaryOp, ast.Compare)):
            try:
                return ast.Constant(evaluate(made, {}))
            except (ArithmeticError, LookupError, TypeError, ValueError):
                return made
        return made


def fold(node: ast.expr, fixed: Mapping[str, Any]) -> str:
    """The text of an expression with values for some names."""
    made = _Fold(fixed).visit(node)
    assert isinstance(made, ast.expr)
    return _unparse(made)


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Div: lambda a, b: a / b,
    ast.Mod: lambda a, b: a % b,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
}


def evaluate(node: ast.expr, env: Mapping[str, Any]) -> Any:
    """The value of an expression of arithmetic; TypeError for anything else."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return env[node.id]
    if isinstance(node, ast.BinOp):
        left, right = evaluate(node.left, env), evaluate(node.right, env)
        if isinstance(node.op, ast.Pow):
            if not (isinstance(right, int) and abs(right) <= 64):
                raise ValueError(right)
            return left**right
        if not all(isinstance(v, (int, float)) for v in (left, right)):
            raise TypeError(node)
        return _BINARY[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp):
        value = evaluate(node.operand, env)
        return not value if isinstance(node.op, ast.Not) else -value
    if isinstance(node, ast.BoolOp):
        every = isinstance(node.op, ast.And)
        for part in node.values:
            value = evaluate(part, env)
            if bool(value) != every:
                return value
        return value
    if isinstance(node, ast.Compare):
        left = evaluate(node.left, env)
        for op, part in zip(node.ops, node.comparators, strict=True):
            right = evaluate(part, env)
            if not _COMPARE[type(op)](left, right):
                return False
            left = right
        return True
    if isinstance(node, ast.IfExp):
        return evaluate(node.body if evaluate(node.test, env) else node.orelse, env)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
        (of,) = node.args
        return len(evaluate(of, env))
    if isinstance(node, ast.Subscript):
        return evaluate(node.value, env)[evaluate(node.slice, env)]
    raise TypeError(type(node).__name__)
