"""Source expressions as Python expressions, for the emitter: only arithmetic over known names."""

from __future__ import annotations

from collections.abc import Callable, Container

from ..syntax import tree

_OPS = {"and", "or", "+", "-", "*", "//", "/", "%", "**"}


def pyexpr(
    node: tree.Expr, names: Container[str], constant: Callable[[str], int | float | None]
) -> str | None:
    """The expression in Python over `names`; None where it says more than arithmetic.

    Parenthesised wherever a reader might doubt; `constant` gives the values of `const` names.
    """
    text = _text(node, names, constant)
    if (
        text is not None
        and text.startswith("(")
        and text.endswith(")")
        and isinstance(node, (tree.Binary, tree.Compare, tree.Ternary))
    ):
        return text[1:-1]
    return text


def _text(
    node: tree.Expr, names: Container[str], constant: Callable[[str], int | float | None]
) -> str | None:
    if isinstance(node, tree.Number):
        return repr(node.value)
    if isinstance(node, tree.Bool):
        return repr(node.value)
    if isinstance(node, tree.Name):
        if node.name in names:
            return node.name
        value = constant(node.name)
        return None if value is None else repr(value)
    if isinstance(node, tree.Unary):
        inner = _text(node.operand, names, constant)
        return None if inner is None else f"{'not ' if node.op == 'not' else '-'}{inner}"
    if isinstance(node, (tree.Binary, tree.Compare)):
        if len(node.operands) > 8 or "~=" in node.ops:
            return None
        parts = [_text(operand, names, constant) for operand in node.operands]
        if any(part is None for part in parts):
            return None
        text = parts[0] or ""
        for op, part in zip(node.ops, parts[1:], strict=True):
            text += f"{op}{part}" if op == "**" else f" {op} {part}"
        return f"({text})"
    if isinstance(node, tree.Index) and not isinstance(node.index, tree.Range):
        base, index = _text(node.base, names, constant), _text(node.index, names, constant)
        return None if base is None or index is None else f"{base}[{index.strip('()')}]"
    if isinstance(node, tree.Ternary):
        parts = [_text(part, names, constant) for part in (node.yes, node.test, node.no)]
        return None if None in parts else "({} if {} else {})".format(*parts)
    return None
