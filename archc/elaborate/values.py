"""What expressions evaluate to, beside numbers, text and lists: tensors, records, callables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..dims import Size

if TYPE_CHECKING:
    from ..syntax import tree
    from .modules import Unit

Shape = tuple[int, ...]


class Fail(Exception):
    """Raised after a mistake was reported: what depends on it is unknown, and silent."""


class Exhausted(Exception):
    """Raised after a budget was used up and that was reported: elaboration ends, all of it."""


class _Poison:
    """A value that is unknown because of a mistake that was reported. It spreads without a word."""

    def __repr__(self) -> str:
        return "<unknown>"


POISON = _Poison()


class Tensor:
    """A value of the body at hand. `pooled` is the spatial size that a max pool made it from."""

    __slots__ = ("id", "pooled", "shape")

    def __init__(self, id: int, shape: Shape, pooled: Shape | None = None) -> None:
        self.id = id
        self.shape = shape
        self.pooled = pooled


class Record:
    """Several named outputs."""

    __slots__ = ("fields",)

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields


class Callable:
    """An operator, block or network as a value, with the arguments given so far.

    `defaults` are those of `default` statements where its name was written; they give way to
    any argument.
    """

    __slots__ = ("args", "decl", "defaults", "kind", "name", "unit")

    def __init__(
        self,
        kind: str,
        name: str,
        decl: tree.Block | tree.Network | tree.Variant | None = None,
        unit: Unit | None = None,
        args: dict[str, Any] | None = None,
        defaults: dict[str, Any] | None = None,
    ) -> None:
        self.kind = kind
        """op, block, network, share."""
        self.name = name
        self.decl = decl
        self.unit = unit
        self.args = args or {}
        self.defaults = defaults or {}

    def key(self) -> tuple[Any, ...]:
        return (self.kind, self.name, id(self.decl), freeze(self.args), freeze(self.defaults))

    def text(self) -> str:
        if not self.args:
            return self.name
        return f"{self.name}({', '.join(f'{k}={show(v)}' for k, v in self.args.items())})"


PLAIN = {kind: kind.__name__ for kind in (int, bool, float, str)}


def freeze(value: Any) -> Any:
    """A hashable key: equal for equal static values, with types told apart (1, 1.0 and true)."""
    plain = PLAIN.get(type(value))
    if plain is not None:  # nearly all of them
        return (plain, value)
    if isinstance(value, (list, tuple)):
        return ("list", *map(freeze, value))
    if isinstance(value, dict):
        return tuple(sorted((k, freeze(v)) for k, v in value.items()))
    if isinstance(value, Callable):
        return value.key()
    if type(value) is Size:  # equal here, yet not at other sizes
        return ("Size", int(value), value.form)
    return (type(value).__name__, value)


def show(value: Any) -> str:
    """A value as .arch writes it."""
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, (list, tuple, range)):
        return "[" + ", ".join(show(v) for v in value) + "]"
    if isinstance(value, Callable):
        return value.text()
    if isinstance(value, Tensor):
        return "a value"
    if isinstance(value, float):
        return repr(value)
    return str(value)


def kind_of(value: Any) -> str:
    """What people call it, with an article."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int):
        return "a whole number"
    if isinstance(value, float):
        return "a fraction"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (list, tuple, range)):
        return "a list"
    if isinstance(value, Tensor):
        return "a value of the network"
    if isinstance(value, Record):
        return "several outputs"
    if isinstance(value, Callable):
        return "an operator" if value.kind == "op" else "a block"
    return "nothing"


def plain(value: Any) -> Any:
    """For `Body.args` and reports: numbers, text, lists; callables as text, sizes as numbers."""
    if isinstance(value, bool | float | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (list, tuple, range)):
        return [plain(v) for v in value]
    return show(value)
