"""How an operator is written in PyTorch, as small values. Only `archc.emit` makes text of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Union

from ..record import Record

_NONE: Mapping[str, Any] = MappingProxyType({})


class Input(Record):
    """The i-th value that comes in."""

    index: int = 0


class Module(Record):
    """The layer itself, called or read: `self.conv1`."""


class Weight(Record):
    """A parameter or buffer of the layer: `self.conv1.weight`."""

    name: str


class SizeOf(Record):
    """The spatial size of the i-th input: `x.shape[2:]`."""

    index: int


class Call(Record):
    """`func(*args, **kwargs)`. `func` is a dotted name that archc wrote, or the layer itself.

    Arguments are expressions of this file, numbers, strings, None, tuples or lists of those.
    """

    func: Union[str, Module]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = _NONE


class Method(Record):
    """`on.name(*args, **kwargs)`: `x.flatten(1)`."""

    on: Any
    name: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = _NONE


class Infix(Record):
    """`a + b + c`; the operator is one of + - * /."""

    op: str
    args: tuple[Any, ...]


class Helper(Record):
    """A class or function that PyTorch lacks: its name and its source, without imports.

    It may use `torch`, `nn`, `F` and `Tensor`. It is written once into a file that needs it.
    """

    name: str
    source: str


class Torch(Record):
    """An operator in PyTorch.

    `module`: the layer's constructor (`nn.Conv2d(...)`). Every operator with one input has it, so
    that it can take a position in `nn.Sequential`; operators with several inputs have it only if
    they have weights or state.
    `function`: the expression to prefer in a `forward` when the layer has no state (`F.relu(x)`);
    None where the module is to be called.
    `setup`: statements to run once after construction, over `Module()` and `Weight(...)`.
    `helpers`: what `module`, `function` or `setup` name and PyTorch lacks.
    """

    module: Call | None = None
    function: Any = None
    setup: tuple[Any, ...] = ()
    helpers: tuple[Helper, ...] = ()
