"""How figures, shapes and operators are written in tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..ops import REF, operator
from .outline import Line
from .receptive import AxisField, ReceptiveField
from .rows import LayerRow, ScopeRow

WHOLE = "all"
"""Stands for a receptive field that is the whole axis."""

_BARE = re.compile(r"[A-Za-z_][\w.]*(\(.*\))?\Z", re.ASCII)
_UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "K"))


def short(number: int) -> str:
    """A count in four digits: `118.0M`, `4.089G`; exact below a thousand."""
    for unit, letter in _UNITS:
        if number >= unit:
            whole = number // unit
            digits = max(0, 4 - len(str(whole)))
            # Exact rounding, half up: floats would lose digits of large counts.
            scaled = (number * 10**digits * 2 + unit) // (2 * unit)
            text = str(scaled)
            if len(text) > 4 and unit < _UNITS[0][0]:
                return short(1000 * unit)  # it was rounded up to the next unit
            if not digits:
                return f"{text}{letter}"
            return f"{text[:-digits]}.{text[-digits:]}{letter}"
    return str(number)


def commas(number: int) -> str:
    """`25,557,032`."""
    return f"{number:,}"


def size(shape: Iterable[int]) -> str:
    """`64 x 56 x 56`."""
    return " x ".join(map(str, shape))


def ratio(stride: tuple[int, int]) -> str:
    """A reduced fraction: `4`, `1/2`."""
    above, below = stride
    return str(above) if below == 1 else f"{above}/{below}"


def receptive(seen: ReceptiveField | None) -> str:
    """`427 / 32` (size / stride), `188-204 / 1` where it varies, `7 x 9 / 2 x 1` by axis, `all`."""
    if seen is None:
        return ""
    if seen.whole:
        return WHOLE
    sizes = [WHOLE if axis is None else _extent(axis) for axis in seen.axes]
    strides = ["-" if axis is None else ratio(axis.stride) for axis in seen.axes]
    text = f"{_joined(sizes)} / {_joined(strides)}"
    return f"{text} + {WHOLE}" if seen.gated else text


def _extent(axis: AxisField) -> str:
    return str(axis.size) if axis.size == axis.smallest else f"{axis.smallest}-{axis.size}"


def _joined(parts: list[str]) -> str:
    return parts[0] if len(set(parts)) == 1 else " x ".join(parts)


def described(line: Line) -> tuple[str, str, str, str, str, str]:
    """A row of a table: path, operator, output, parameters, MACs, receptive field."""
    last = line.last
    shape = size(last.shape)
    if isinstance(last, ScopeRow) and len(last.shapes) > 1:
        shape += f" +{len(last.shapes) - 1}"
    name, doing = clean(line.row.path), applied(line.row)
    if line.times > 1 or line.above:
        name = f"{name} … {_until(clean(line.row.path), clean(last.path))}"
    if line.above:
        doing = f"the {line.above} lines above, ×{line.times}"
    elif line.times > 1:
        name += f"  ×{line.times}"
    if line.row.training:
        doing += " when training"
    params = commas(line.params) if line.params else ""
    macs = short(line.macs) if line.macs else ""
    return name, doing, shape, params, macs, receptive(last.receptive_field)


def _until(first: str, last: str) -> str:
    """The end of a range of names, without the scope that both stand in."""
    scope, _, name = last.rpartition(".")
    return name if first.rpartition(".")[0] == scope else last


def applied(row: LayerRow | ScopeRow) -> str:
    """The stage as in .arch: `conv(64, 7, stride=2)`, `Bottleneck(64, stride=2)`."""
    if isinstance(row, ScopeRow):
        if not row.calls:
            return f"{row.block} {row.iterations}" if row.block == "repeat" else ""
        return row.block + _arguments(list(row.args.items()), 1)
    given = list(row.args.items())
    refs = sum(1 for _, value in given if value == REF)
    names = iter(row.inputs[len(row.inputs) - refs :])
    given = [(k, _Raw(next(names)) if v == REF else v) for k, v in given]
    return row.op + _arguments(given, _leading(row))


class _Raw(str):
    """Text that is shown as it is: the path of a value."""


def _leading(row: LayerRow) -> int:
    """How many of the arguments are written without their names: the first, and required ones."""
    found = operator(row.op)
    required = sum(1 for info in found.model_fields.values() if info.is_required())
    count = 0
    for name, given in zip(found.parameters(), row.args, strict=False):
        if name != given or count >= max(required, 1):
            break
        count += 1
    return count


def _arguments(given: list[tuple[str, Any]], leading: int) -> str:
    if not given:
        return ""
    parts = [
        written(value) if i < leading else f"{name}={written(value)}"
        for i, (name, value) in enumerate(given)
    ]
    return f"({', '.join(parts)})"


def written(value: Any) -> str:
    """A value as in .arch."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Raw):
        return clean(value)
    if isinstance(value, str):
        return clean(value) if _BARE.match(value) else '"' + clean(value) + '"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(written, value)) + "]"
    return clean(str(value))


def clean(text: str) -> str:
    """Text from a spec with everything that a terminal would obey made visible."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
