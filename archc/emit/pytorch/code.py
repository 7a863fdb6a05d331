"""Python expressions as small values, and their layout: as `ruff format` would break the lines.

Text is written here only. An expression that fits is one line; otherwise it is broken at its
outermost brackets, first with all arguments on one indented line, then one argument per line with a
trailing comma.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any, Union

WIDTH = 88
STEP = 4


@dataclass(frozen=True, slots=True)
class Raw:
    """Text that is an atom, or is simple enough never to be broken."""

    text: str


@dataclass(frozen=True, slots=True)
class Lit:
    """A constant of Python: number, string, bool, None."""

    value: Any


@dataclass(frozen=True, slots=True)
class Apply:
    """`func(args, key=value)`; `func` is text or an expression (`x.flatten`)."""

    func: Union[str, Expr]
    args: tuple[Expr, ...] = ()
    kwargs: tuple[tuple[str, Expr], ...] = ()


@dataclass(frozen=True, slots=True)
class Attr:
    """`on.name`."""

    on: Expr
    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """`on[index]`."""

    on: Expr
    index: Expr


@dataclass(frozen=True, slots=True)
class Seq:
    """A list (`brackets` "[]") or tuple ("()")."""

    items: tuple[Expr, ...]
    brackets: str = "[]"


@dataclass(frozen=True, slots=True)
class Star:
    """`*value`."""

    value: Expr


@dataclass(frozen=True, slots=True)
class Gen:
    """`item for target in over`, between brackets: "()" or "[]"."""

    item: Expr
    target: str
    over: Expr
    brackets: str = "[]"


@dataclass(frozen=True, slots=True)
class Infix:
    """`a + b + c`."""

    op: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Arg:
    """Placeholder: the i-th input of an operator."""

    index: int


@dataclass(frozen=True, slots=True)
class Me:
    """Placeholder: the layer itself (`self.conv1`)."""


@dataclass(frozen=True, slots=True)
class Make:
    """Placeholder: an instance of a unit, made at a site."""

    unit: int
    site: int


@dataclass(frozen=True, slots=True)
class Run:
    """Placeholder: an item of a list, so many times."""

    item: Expr
    count: Expr


@dataclass(frozen=True, slots=True)
class Use:
    """Placeholder: a value of a forward, before it has a name."""

    ref: Any


Expr = Union[Raw, Lit, Apply, Attr, Item, Seq, Star, Gen, Infix, Arg, Me, Make, Run, Use]


def flat(e: Expr) -> str:
    """On one line."""
    if isinstance(e, Raw):
        return e.text
    if isinstance(e, Lit):
        return literal(e.value)
    if isinstance(e, Apply):
        return f"{_func(e)}({', '.join(flat_args(e))})"
    if isinstance(e, Attr):
        return f"{_tight(e.on)}.{e.name}"
    if isinstance(e, Item):
        return f"{_tight(e.on)}[{flat(e.index)}]"
    if isinstance(e, Seq):
        inner = ", ".join(map(flat, e.items))
        comma = "," if e.brackets == "()" and len(e.items) == 1 else ""
        return f"{e.brackets[0]}{inner}{comma}{e.brackets[1]}"
    if isinstance(e, Star):
        return f"*{flat(e.value)}"
    if isinstance(e, Gen):
        return f"{e.brackets[0]}{flat(e.item)} for {e.target} in {flat(e.over)}{e.brackets[1]}"
    if not isinstance(e, Infix):
        raise TypeError(f"{type(e).__name__} is a placeholder")
    return f" {e.op} ".join(_operand(a, e.op, n) for n, a in enumerate(e.args))


def _grouped(e: Expr, op: str, index: int) -> bool:
    """Does an operand that is itself an operation need parentheses?"""
    if not isinstance(e, Infix):
        return False
    return op in "*/" or (op == "-" and index > 0 and e.op in "+-")


def _operand(e: Expr, op: str, index: int) -> str:
    return f"({flat(e)})" if _grouped(e, op, index) else flat(e)


def _tight(e: Expr) -> str:
    text = flat(e)
    if isinstance(e, Infix) or (isinstance(e, Lit) and text[:1].isdigit()):
        return f"({text})"
    return text


def _func(e: Apply) -> str:
    return e.func if isinstance(e.func, str) else flat(e.func)


def flat_args(e: Apply) -> list[str]:
    """Arguments of a call, each on one line."""
    if len(e.args) == 1 and not e.kwargs and _is_bare(e.args[0]):
        return [flat(e.args[0])[1:-1]]
    return [*map(flat, e.args), *(f"{k}={flat(v)}" for k, v in e.kwargs)]


def _is_bare(e: Expr) -> bool:
    """A generator that is the only argument needs no parentheses of its own."""
    return isinstance(e, Gen) and e.brackets == "()"


def literal(value: Any) -> str:
    """A constant, as ruff writes it: double quotes, no `inf`."""
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return f'float("{value}")'
        return repr(value)
    if isinstance(value, str):
        return quoted(value)
    return repr(value)


def quoted(text: str) -> str:
    """A string in double quotes where that needs no more escapes than single ones."""
    made = ascii(text)
    if made[0] == '"':
        return made
    inner = made[1:-1]
    if '"' in inner:
        return (
            made
            if "\\'" not in inner
            else '"' + inner.replace("\\'", "'").replace('"', '\\"') + '"'
        )
    return '"' + inner.replace("\\'", "'") + '"'


def layout(e: Expr, indent: int, prefix: str = "", suffix: str = "") -> list[str]:
    """Lines of `prefix` + expression + `suffix`, at an indentation of so many columns."""
    pad = " " * indent
    line = f"{pad}{prefix}{flat(e)}{suffix}"
    if len(line) <= WIDTH:
        return [line]
    if prefix.endswith(" = ") and ", " in prefix:
        head = f"{pad}{prefix}{_func(e)}(" if isinstance(e, Apply) else f"{pad}{prefix}"
        if len(head) > WIDTH:  # the names alone are too long
            names = [f"{pad}{' ' * STEP}{name}," for name in prefix[:-3].split(", ")]
            return [f"{pad}(", *names, *layout(e, indent, ") = ", suffix)]
    if isinstance(e, Apply):
        method = e.func if isinstance(e.func, Attr) else None
        if method and isinstance(method.on, Apply) and len(f"{pad}{prefix}{_func(e)}(") > WIDTH:
            call = f".{method.name}({', '.join(flat_args(e))})"  # after what it is called on
            return layout(method.on, indent, prefix, call + suffix)
        return _brackets(pad, indent, f"{prefix}{_func(e)}(", _parts(e), ")" + suffix, e)
    if is_table(e):
        assert isinstance(e, Seq)
        inner = " " * (indent + STEP)
        text = ", ".join(map(flat, e.items)) + ","
        rows = textwrap.wrap(text, WIDTH, initial_indent=inner, subsequent_indent=inner)
        return [f"{pad}{prefix}{e.brackets[0]}", *rows, f"{pad}{e.brackets[1]}{suffix}"]
    if isinstance(e, Seq) and e.items:
        head = f"{prefix}{e.brackets[0]}"
        return _brackets(pad, indent, head, [("", i) for i in e.items], e.brackets[1] + suffix, e)
    if isinstance(e, Star):
        return layout(e.value, indent, f"{prefix}*", suffix)
    if isinstance(e, Gen):
        return [
            f"{pad}{prefix}{e.brackets[0]}",
            *layout(e.item, indent + STEP),
            *layout(e.over, indent + STEP, f"for {e.target} in "),
            f"{pad}{e.brackets[1]}{suffix}",
        ]
    if isinstance(e, Infix):
        return _infix(e, indent, prefix, suffix)
    return [line]


def is_table(e: Expr) -> bool:
    """Numbers of which a formatter would make a line each, and a person rows."""
    return isinstance(e, Seq) and len(e.items) > 24 and all(isinstance(i, Lit) for i in e.items)


def _parts(e: Apply) -> list[tuple[str, Expr]]:
    return [*(("", a) for a in e.args), *((f"{k}=", v) for k, v in e.kwargs)]


def _brackets(
    pad: str, indent: int, head: str, parts: list[tuple[str, Expr]], tail: str, e: Apply | Seq
) -> list[str]:
    if not parts:
        return [f"{pad}{head}{tail}"]
    inner = " " * (indent + STEP)
    joined = ", ".join(flat_args(e) if isinstance(e, Apply) else map(flat, e.items))
    if isinstance(e, Apply) and len(inner + joined) <= WIDTH:
        return [f"{pad}{head}", inner + joined, f"{pad}{tail}"]
    if (
        isinstance(e, Apply)
        and len(parts) == 1
        and isinstance(gen := parts[0][1], Gen)
        and _is_bare(gen)
    ):
        lines = [
            *layout(gen.item, indent + STEP),
            *layout(gen.over, indent + STEP, f"for {gen.target} in "),
        ]
        return [f"{pad}{head}", *lines, f"{pad}{tail}"]
    lines = [line for name, value in parts for line in layout(value, indent + STEP, name, ",")]
    return [f"{pad}{head}", *lines, f"{pad}{tail}"]


def _infix(e: Infix, indent: int, prefix: str, suffix: str) -> list[str]:
    """A long sum: in parentheses on the right of `=` or `return`, bare as an argument."""
    pad = " " * indent
    bare = prefix == "" and suffix in ("", ",")
    whole = " " * (indent + STEP) + flat(e)
    if not bare and len(whole) <= WIDTH:
        return [f"{pad}{prefix}(", whole, f"{pad}){suffix}"]
    if not bare and len(e.args) == 2 and _grouped(e.args[0], e.op, 0):
        tail = f"{pad}) {e.op} {_operand(e.args[1], e.op, 1)}{suffix}"
        if len(tail) <= WIDTH:
            return [f"{pad}{prefix}(", *layout(e.args[0], indent + STEP), tail]
    inner = indent if bare else indent + STEP
    lines: list[str] = []
    for n, arg in enumerate(e.args):
        before = f"{e.op} " if n else ""
        line = " " * inner + before + _operand(arg, e.op, n)
        if len(line) <= WIDTH:
            lines.append(line)
        elif _grouped(arg, e.op, n):
            lines += [f"{' ' * inner}{before}(", *layout(arg, inner + STEP), " " * inner + ")"]
        else:
            lines += layout(arg, inner, before)
    if bare:
        lines[-1] += suffix
        return lines
    return [f"{pad}{prefix}(", *lines, f"{pad}){suffix}"]
