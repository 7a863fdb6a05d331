"""Does a value fit the type of a parameter, and how does the parameter have it then?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..source import Span
from ..syntax import tree
from .values import Callable, kind_of, show

if TYPE_CHECKING:
    from .expressions import Expressions


WHOLE = frozenset(("int", "size", "float", "any"))
"""Types that take a whole number as it is."""


def typed(self: Expressions, value: Any, param: tree.Param, span: Span) -> Any:
    """The value as the parameter's type has it; E0304 or E0307 where it does not fit."""
    if param.type is None:
        return value
    made = convert(value, param.type)
    if made is None:
        name = param.name.name
        if isinstance(value, float) and param.type.name in ("int", "size"):
            self.session.fail(
                "E0307",
                f"`{name}` is a count, {show(value)} is a fraction",
                span,
                help="`/` gives a fraction; `//` divides to a whole number",
            )
        self.session.fail(
            "E0304",
            f"`{name}` is {_type_text(param.type)}, not {kind_of(value)}",
            (span, show(value)[:60]),
            notes=[f"declared as `{param.span.text}`"],
            help=f"give {_type_text(param.type)}",
        )
    return made[0]


def convert(value: Any, type: tree.Type | None) -> tuple[Any] | None:
    """A value as a type has it, in a tuple; None where it does not fit."""
    if type is None:
        return (value,)
    name = type.name
    if value.__class__ is int and name in WHOLE:  # nearly all of them
        return (value,)
    if name == "list":
        if not isinstance(value, (list, tuple, range)) or type.of is None:
            return None
        parts = [convert(v, type.of) for v in value]
        return None if any(p is None for p in parts) else ([p[0] for p in parts if p],)
    if name == "any":
        return (value,)
    if name == "block":
        return (value,) if isinstance(value, Callable) else None
    if name == "bool":
        return (value,) if isinstance(value, bool) else None
    if name == "string":
        return (value,) if isinstance(value, str) else None
    if isinstance(value, bool):
        return None
    if name == "int":
        return (value,) if isinstance(value, int) else None
    if name == "float":
        return (value,) if isinstance(value, (int, float)) else None
    if isinstance(value, int):  # size
        return (value,)
    if isinstance(value, (list, tuple, range)) and all(
        isinstance(v, int) and not isinstance(v, bool) for v in value
    ):
        return (list(value),)
    return None


def _type_text(type: tree.Type) -> str:
    if type.name == "list" and type.of is not None:
        return f"a list ([{type.of.name if type.of.name != 'list' else '[...]'}])"
    return {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "string": "text",
        "size": "a size (a whole number, or a list of one per axis)",
        "block": "an operator or block",
        "any": "anything",
    }.get(type.name, type.name)
