"""What a class is told when it is made: the rows of its parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...graph import Graph, leaves
from .layers import Unit
from .names import variable
from .solve import ABSENT


@dataclass(slots=True)
class Param:
    """A constructor parameter: its value in every instance, and its default (ABSENT: none)."""

    name: str
    row: list[Any]
    own: bool = True
    """The block's own, or the channels that come in."""
    default: Any = ABSENT


@dataclass(slots=True)
class Made:
    """A finished class."""

    name: str
    units: list[int]
    params: list[Param]
    text: list[str]
    helpers: dict[str, str]
    """Source of what PyTorch lacks, by name."""


@dataclass(slots=True)
class Context:
    """What the classes of one file share."""

    graph: Graph
    units: list[Unit]
    calls: Counter[int]
    """How often each unit is instantiated."""
    home: dict[int, tuple[Made, int]] = field(default_factory=dict)
    """The class of a unit, and its column there."""


def kind(value: Any) -> str:
    if isinstance(value, list):
        inner = " | ".join(sorted({kind(v) for v in value})) or "int"
        return f"list[{inner}]"
    if isinstance(value, tuple):
        return f"tuple[{', '.join(map(kind, value))}]"
    return "None" if value is None else type(value).__name__


def source_names(unit: Unit) -> dict[str, str]:
    """The source's names as Python's: parameters, and what input patterns bind."""
    names = {name: variable(name) for name in unit.args}
    for n, declared in enumerate([*unit.aliases, *unit.inputs] if unit.aliases else unit.inputs):
        for name, axis in declared.dims.items():
            if axis == 0:
                names.setdefault(name, "in_channels" if not n else f"{declared.name}_channels")
    return names


def known(units: Sequence[Unit], names: dict[str, str]) -> dict[str, list[Any]]:
    """Rows of what a constructor may be told: parameters, channels of the inputs."""
    known: dict[str, list[Any]] = {}
    for name in units[0].args:
        row = [plain(u.args.get(name)) for u in units]
        if all(v is not ABSENT for v in row):
            known[variable(name)] = row
    for n, declared in enumerate(units[0].inputs):
        if declared.hidden:
            continue
        name = "in_channels" if not n else f"{variable(declared.name)}_channels"
        row = []
        for unit in units:
            value = unit.inputs[n].value
            sizes = [int(unit.values[i].shape[0]) for i in leaves(value)]
            row.append(sizes[0] if isinstance(value, int) else sizes)
        known.setdefault(name, row)
    return known


def plain(value: Any) -> Any:
    """An argument as a constant; ABSENT where it is none."""
    if isinstance(value, (list, tuple)):
        items = [plain(v) for v in value]
        return ABSENT if any(v is ABSENT for v in items) else items
    if isinstance(value, bool) or value is None or isinstance(value, (float, str)):
        return value
    return int(value) if isinstance(value, int) else ABSENT
