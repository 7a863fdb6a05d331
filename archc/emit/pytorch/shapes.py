"""Shapes in a block that is used at several sizes: `[4 * width, H // stride, W // stride]`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .layers import Unit
from .solve import ABSENT, Row, Solver, constant, fits

_AXES = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}


class Symbols:
    """Sizes as expressions over what the class knows, and the sizes of its first input."""

    def __init__(self, solver: Solver, units: Sequence[Unit]) -> None:
        self.solver = solver
        self.axes: tuple[str, ...] = ()
        known = {name: solver.known[name] for name in solver.used}
        value = units[0].inputs[0].value if units[0].inputs else None
        if isinstance(value, int):
            shapes = [unit.values[_first(unit)].shape for unit in units]
            ranks = {len(shape) - 1 for shape in shapes}
            self.axes = _AXES.get(ranks.pop(), ()) if len(ranks) == 1 else ()
            for n, axis in enumerate(self.axes):
                if axis in known:
                    self.axes = ()
                    break
                known[axis] = [int(shape[n + 1]) for shape in shapes]
        self.table = Solver(len(units), known)

    def shape(self, row: list[tuple[int, ...] | None]) -> tuple[str, ...] | None:
        """The shape as text; None where there is no simple way to say it."""
        ranks = {len(shape) for shape in row if shape is not None}
        if len(ranks) != 1:
            return None
        texts: list[str] = []
        for n in range(ranks.pop()):
            sizes = [ABSENT if shape is None else shape[n] for shape in row]
            flat, value = constant(sizes)
            text = str(value) if flat else self._size(sizes, n)
            if text is None:
                return None
            texts.append(text)
        return tuple(texts)

    def _size(self, sizes: Row, axis: int) -> str | None:
        options = self._channels() if axis == 0 else self._spatial(axis)
        for text in options:
            found = self.table.row(text)
            if found is not None and fits(sizes, found):
                return text
        return None

    def _channels(self) -> Iterator[str]:
        yield from (name for name in self.table.known if name not in self.axes)
        yield from self.solver.texts()
        for name in self.table.known:
            if name not in self.axes:
                yield from (f"{k} * {name}" for k in range(2, 9))
                yield f"{name} // 2"

    def _spatial(self, axis: int) -> Iterator[str]:
        if axis > len(self.axes):
            return
        name = self.axes[axis - 1]
        yield name
        if "stride" in self.table.known:
            yield f"{name} // stride"
        yield from (f"{name} // {k}" for k in (2, 4, 8, 16, 32))
        yield from (f"{k} * {name}" for k in (2, 4, 8, 16, 32))
        yield from (f"{name} - {k}" for k in range(1, 13))
        yield from (f"{name} + {k}" for k in range(1, 13))


def _first(unit: Unit) -> int:
    value = unit.inputs[0].value
    assert isinstance(value, int)
    return value
