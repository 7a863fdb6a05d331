"""Built-in functions and the arithmetic of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..dims import Size
from ..ops import known, names
from ..syntax import tree
from .values import POISON, Callable, Fail, Tensor, freeze, kind_of, show

if TYPE_CHECKING:
    from .expressions import Expressions
    from .session import Session

FUNCTIONS = frozenset(
    ["len", "zip", "reversed", "sum", "min", "max", "int", "round", "log", "shape"]
)


def is_operator(name: str) -> bool:
    return known(name)


def operators() -> tuple[str, ...]:
    return names()


def arithmetic(op: str, a: Any, b: Any, bits: int) -> Any:
    """a op b, exactly; OverflowError or ValueError where the result is no usable number."""
    if op == "+":
        result = a + b
    elif op == "-":
        result = a - b
    elif op == "*":
        result = a * b
    elif op == "/":
        result = a / b
    elif op == "//":
        result = a // b
    elif op == "%":
        result = a % b
    else:
        if isinstance(a, int) and isinstance(b, int) and b > 0 and a.bit_length() * b > bits:
            raise OverflowError("too large")
        result = a**b
    if isinstance(result, complex):
        raise ValueError("not a real number")
    if isinstance(result, int) and result.bit_length() > bits:
        raise OverflowError("too large")
    if isinstance(result, float) and (result != result or result in (float("inf"), float("-inf"))):
        raise OverflowError("too large")
    return result


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple, range)) and isinstance(b, (list, tuple, range)):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b
    if isinstance(a, Callable) and isinstance(b, Callable):
        return bool(freeze(a) == freeze(b))
    return type(a) is type(b) and bool(a == b)


def about(a: Any, b: Any, node: tree.Compare, at: tree.Expr, session: Session) -> bool:
    """`a ~= figure`: equal at the precision that the figure was written with."""
    if not isinstance(at, tree.Number):
        session.fail(
            "E0308",
            "`~=` compares with a figure as it is written, such as `25.6M`",
            at.span,
            help="compare with `==`, or write the figure as a number",
        )
    if not isinstance(a, (int, float)) or isinstance(a, bool):
        session.fail("E0308", f"`~=` compares numbers, not {kind_of(a)}", node.span)
    return bool(abs(a - b) <= precision(at.text) / 2)


def precision(text: str) -> float:
    """The unit of the last digit of a figure as written: 0.1M for `25.6M`, 1 for `61_706`."""
    scale = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.get(text[-1], 1.0)
    digits = text.rstrip("KMGT").replace("_", "").lower()
    mantissa, _, exponent = digits.partition("e")
    decimals = len(mantissa.partition(".")[2])
    return scale * 10.0 ** (int(exponent or 0) - decimals)


def call(self: Expressions, name: str, node: tree.Call) -> Any:
    """A built-in function by name."""
    args: list[Any] = []
    for arg in node.args.items:
        if arg.name is not None:
            self.session.fail("E0301", f"`{name}` takes no named arguments", arg.name.span)
        args.append(self.eval(arg.value))
    low, high = _ARITY.get(name, (1, 1))
    if not low <= len(args) <= high:
        many = f"{low}" if low == high else f"at least {low}"
        code = "E0302" if len(args) < low else "E0303"
        self.session.fail(code, f"`{name}` takes {many} argument{'s'[: low != 1]}", node.span)
    if any(a is POISON for a in args):
        return POISON
    if name != "len":
        self.session.handle(sum(map(self.session.weight, args)), node.span)
    try:
        return _CALL[name](self, args, node)
    except (TypeError, ValueError, OverflowError):
        self.session.fail(
            "E0308", f"`{name}` cannot take {', '.join(map(kind_of, args))}", node.span
        )


def _items(self: Expressions, value: Any, name: str, node: tree.Call) -> Sequence[Any]:
    if not isinstance(value, (list, tuple, range)):
        self.session.fail("E0308", f"`{name}` takes a list, not {kind_of(value)}", node.span)
    return value


def _numbers(self: Expressions, args: list[Any], name: str, node: tree.Call) -> list[Any]:
    found = list(_items(self, args[0], name, node)) if len(args) == 1 else args
    for value in found:
        if value is POISON:
            raise Fail
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.session.fail("E0308", f"`{name}` takes numbers, not {kind_of(value)}", node.span)
    return found


def _extreme(self: Expressions, args: list[Any], node: tree.Call, name: str) -> Any:
    numbers = _numbers(self, args, name, node)
    if not numbers:
        self.session.fail("E0310", f"`{name}` of an empty list", node.span)
    best = min(numbers) if name == "min" else max(numbers)
    if isinstance(best, Size) or any(isinstance(n, Size) for n in numbers):
        from ..dims import blur

        return blur(int(best), f"{name}({', '.join(map(show, numbers))})")
    return best


def _zip(self: Expressions, args: list[Any], node: tree.Call) -> Any:
    lists = [_items(self, a, "zip", node) for a in args]
    if len({len(x) for x in lists}) > 1:
        sizes = " and ".join(str(len(x)) for x in lists)
        self.session.fail("E0311", f"`zip` of lists of {sizes} elements", node.span)
    return [list(row) for row in zip(*lists, strict=True)]


def _sum(self: Expressions, args: list[Any], node: tree.Call) -> Any:
    return sum(_numbers(self, [_items(self, args[0], "sum", node)], "sum", node))


def _int(self: Expressions, args: list[Any], node: tree.Call) -> Any:
    if isinstance(args[0], (str, bool)):
        raise TypeError
    return args[0] if isinstance(args[0], int) else int(args[0])


def _round(self: Expressions, args: list[Any], node: tree.Call) -> Any:
    if isinstance(args[0], (str, bool)):
        raise TypeError
    return args[0] if isinstance(args[0], int) else round(args[0])


def _log(self: Expressions, args: list[Any], node: tree.Call) -> Any:
    from math import log

    return log(*_numbers(self, [args], "log", node))


def _shape(self: Expressions, args: list[Any], node: tree.Call) -> Any:
    if not isinstance(args[0], Tensor):
        self.session.fail("E0308", f"`shape` takes a value, not {kind_of(args[0])}", node.span)
    return list(args[0].shape)


_ARITY = {"zip": (2, 64), "min": (1, 1024), "max": (1, 1024), "log": (1, 2)}
_CALL: dict[str, Any] = {
    "len": lambda s, a, n: len(_items(s, a[0], "len", n)),
    "zip": _zip,
    "reversed": lambda s, a, n: list(reversed(_items(s, a[0], "reversed", n))),
    "sum": _sum,
    "min": lambda s, a, n: _extreme(s, a, n, "min"),
    "max": lambda s, a, n: _extreme(s, a, n, "max"),
    "int": _int,
    "round": _round,
    "log": _log,
    "shape": _shape,
}
