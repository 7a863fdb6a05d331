"""Expressions of a spec: numbers, lists, loops and functions, by the language's reference."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from archc.syntax import tree

from .values import Function, Record, UndecidedError, Value, WrongError, fits, place

FUNCTIONS = frozenset(
    ["len", "zip", "reversed", "sum", "min", "max", "int", "round", "log", "shape"]
)
MEASURES = frozenset(
    [
        "params",
        "frozen",
        "buffers",
        "macs",
        "flops",
        "neurons",
        "operators",
        "depth",
        "shape",
        "receptive_field",
        "stride",
        "memory",
    ]
)


class Expressions:
    """Evaluates expressions in an environment. Raises WrongError."""

    unit: Any
    env: dict[str, Any]

    def eval(self, node: Any) -> Any:
        return getattr(self, f"_{type(node).__name__.lower()}")(node)

    def wrong(self, node: Any, message: str) -> Any:
        raise WrongError(message, place(node))

    # ------------------------------------------------------------------ literals and names

    def _number(self, node: tree.Number) -> Any:
        return node.value

    def _bool(self, node: tree.Bool) -> Any:
        return node.value

    def _string(self, node: tree.String) -> str:
        return "".join(
            part if isinstance(part, str) else str(self.eval(part)) for part in node.parts
        )

    def _name(self, node: tree.Name) -> Any:
        if node.name in self.env:
            return self.env[node.name]
        found = self.unit.find(node.name)
        if found is None:
            found = self.operator(node.name)
        if found is None:
            self.wrong(node, f"no name {node.name}")
        return self.with_defaults(found)

    def operator(self, name: str) -> Function | None:
        from .layers import OPERATORS

        return Function("op", name) if name in OPERATORS else None

    def with_defaults(self, found: Any) -> Any:
        """`default` statements in force where a function is named."""
        return found

    def _listexpr(self, node: tree.ListExpr) -> list[Any]:
        return [self.eval(item) for item in node.items]

    def _range(self, node: tree.Range) -> range:
        return range(self.count(node.start), self.count(node.stop))

    def _comprehension(self, node: tree.Comprehension) -> list[Any]:
        return [
            self.eval(node.item)
            for _ in self.rounds(node.targets, node.over)
            if node.where is None or self.test(node.where)
        ]

    def rounds(self, targets: tree.Targets, over: tree.Expr) -> Iterator[int]:
        """Bind loop variables to each element; they are gone, or as before, in the end."""
        elements = self.eval(over)
        if not isinstance(elements, (list, tuple, range)):
            self.wrong(over, "a loop over no list")
        names = [t.name for t in targets.names] + ([targets.index.name] if targets.index else [])
        before = {name: self.env[name] for name in names if name in self.env}
        for i, element in enumerate(elements):
            if targets.index is not None:
                self.env[targets.index.name] = i
            if not targets.unpack:
                self.env[targets.names[0].name] = element
            elif not isinstance(element, (list, tuple)) or len(element) != len(targets.names):
                raise WrongError("elements do not fit names", place(targets), place(over))
            else:
                self.env.update(zip((t.name for t in targets.names), element, strict=True))
            yield i
        for name in names:
            self.env.pop(name, None)
        self.env.update(before)

    def _index(self, node: tree.Index) -> Any:
        base = self.eval(node.base)
        if not isinstance(base, (list, tuple, range)):
            self.wrong(node, "no list")
        if isinstance(node.index, tree.Range):
            start, stop = self.count(node.index.start), self.count(node.index.stop)
            if not 0 <= start <= stop <= len(base):
                self.wrong(node, "no such elements")
            return list(base[start:stop])
        i = self.count(node.index)
        if not -len(base) <= i < len(base):
            self.wrong(node, "no such element")
        return base[i]

    def _attr(self, node: tree.Attr) -> Any:
        if isinstance(node.base, tree.Name) and node.base.name not in self.env:
            module = self.unit.module(node.base.name)
            if module is not None:
                found = module.find(node.name.name)
                return found if found is not None else self.wrong(node, "no such name")
        base = self.eval(node.base)
        if not isinstance(base, Record) or node.name.name not in base:
            self.wrong(node.name, f"no part {node.name.name}")
        return base[node.name.name]

    # ------------------------------------------------------------------ arithmetic

    def count(self, node: tree.Expr) -> int:
        value = self.eval(node)
        if not isinstance(value, int) or isinstance(value, bool):
            self.wrong(node, "a whole number is due")
        return int(value)

    def test(self, node: tree.Expr) -> bool:
        value = self.eval(node)
        if not isinstance(value, bool):
            self.wrong(node, "true or false is due")
        return bool(value)

    def _unary(self, node: tree.Unary) -> Any:
        return (not self.test(node.operand)) if node.op == "not" else -self.eval(node.operand)

    def _binary(self, node: tree.Binary) -> Any:
        if node.ops[0] in ("and", "or"):
            for operand in node.operands:
                if self.test(operand) is (node.ops[0] == "or"):
                    return node.ops[0] == "or"
            return node.ops[0] == "and"
        value = self.eval(node.operands[0])
        for op, operand in zip(node.ops, node.operands[1:], strict=True):
            value = self._calculated(node, op, value, self.eval(operand))
        return value

    def _calculated(self, node: tree.Node, op: str, a: Any, b: Any) -> Any:
        if op == "+" and isinstance(a, (list, range)) and isinstance(b, (list, range)):
            return [*a, *b]
        if any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in (a, b)):
            self.wrong(node, f"{op} of what are no numbers")
        if op == "**" and abs(b) > 64:
            self.wrong(node, "too large")
        try:
            return {
                "+": lambda: a + b,
                "-": lambda: a - b,
                "*": lambda: a * b,
                "/": lambda: a / b,
                "//": lambda: a // b,
                "%": lambda: a % b,
                "**": lambda: a**b,
            }[op]()
        except (ZeroDivisionError, OverflowError) as error:
            self.wrong(node, str(error))

    def _compare(self, node: tree.Compare) -> bool:
        values = [self.eval(operand) for operand in node.operands]
        for op, a, b in zip(node.ops, values, values[1:], strict=False):
            try:
                if not {
                    "==": lambda: _plain(a) == _plain(b),  # noqa: B023 - called at once
                    "!=": lambda: _plain(a) != _plain(b),  # noqa: B023
                    "<=": lambda: a <= b,  # noqa: B023
                    ">=": lambda: a >= b,  # noqa: B023
                    "<": lambda: a < b,  # noqa: B023
                    ">": lambda: a > b,  # noqa: B023
                }[op]():
                    return False
            except TypeError:
                self.wrong(node, f"{op} of what cannot be compared")
        return True

    def _ternary(self, node: tree.Ternary) -> Any:
        return self.eval(node.yes if self.test(node.test) else node.no)

    # ------------------------------------------------------------------ calls

    def _call(self, node: tree.Call) -> Any:
        if isinstance(node.func, tree.Name) and node.func.name not in self.env:
            name = node.func.name
            if name == "fuse":
                return self.fuse(node)
            const = self.unit.find(name)
            if isinstance(const, tree.Const):
                return self.const(const, node)
            if name in FUNCTIONS and const is None:
                return self.function(name, node)
        value = self.eval(node.func)
        if not isinstance(value, Function):
            self.wrong(node, "no function")
        return self.partial(value, node)

    def function(self, name: str, node: tree.Call) -> Any:
        args = [self.eval(arg.value) for arg in node.args.items]
        try:
            if name == "shape":
                return list(args[0].shape)
            if name == "zip":
                return [list(row) for row in zip(*args, strict=True)]
            if name == "reversed":
                return list(reversed(args[0]))
            if name == "log":
                return math.log(*args)
            found: Any = {
                "len": len,
                "sum": sum,
                "min": min,
                "max": max,
                "int": int,
                "round": round,
            }
            return found[name](*args)
        except (TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
            self.wrong(node, f"{name}: {error}")

    def const(self, const: tree.Const, node: tree.Call) -> Any:
        """A function of numbers."""
        inner = Expressions()
        inner.unit, inner.env = self.unit.owner(const.name.name), {}
        args = [arg.value for arg in node.args.items]
        params = const.params or ()
        if len(args) > len(params) or any(arg.name for arg in node.args.items):
            self.wrong(node, "arguments do not fit")
        for param, arg in zip(params, args, strict=False):
            inner.env[param.name.name] = self.eval(arg)
        for param in params[len(args) :]:
            if param.default is None:
                self.wrong(node, f"needs {param.name.name}")
            inner.env[param.name.name] = inner.eval(param.default)
        for param in params:
            if not fits(inner.env[param.name.name], param.type):
                self.wrong(node, f"{param.name.name} of another type")
        return inner.eval(const.value)

    def fuse(self, node: tree.Call) -> Any:
        return self.wrong(node, "layers in a constant")

    def partial(self, value: Function, node: tree.Call) -> Any:
        return self.wrong(node, "layers in a constant")

    def _pipeline(self, node: tree.Pipeline) -> Any:
        return self.wrong(node, "layers in a constant")


def _plain(value: Any) -> Any:
    """Lists and ranges compare by their elements."""
    return [_plain(v) for v in value] if isinstance(value, (list, tuple, range)) else value


__all__ = ["Expressions", "UndecidedError", "Value"]
