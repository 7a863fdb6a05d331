"""Sets of sizes, exactly: where each atom of a condition holds, for sizes of one symbol from 1 on.

An atom over one symbol is a sum of floors, so its truth repeats with a period between a few
breakpoints. Between the breakpoints of all atoms, sizes of equal residue are one *cell*: what holds
for its smallest member holds for all. Cells in which the same atoms hold are one *class*, and a
condition over several symbols is decided by one look at each combination of classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from math import lcm, prod
from typing import NamedTuple

from ..conditions import Atom, Condition
from ..dims import Floor, Linear

MOST_CELLS = 1 << 14
MOST_POINTS = 1 << 16


class Cell(NamedTuple):
    """Sizes first, first + period, ... up to last (None: without end)."""

    first: int
    last: int | None
    period: int


class TooLarge(Exception):
    """Deciding would take more than the budget."""


class Axis:
    """The sizes of one symbol, in classes that no atom tells apart."""

    def __init__(self, name: str, atoms: Iterable[Atom]) -> None:
        self.name = name
        self.atoms = list(atoms)
        ends, period = {1}, 1
        between: list[tuple[int, Atom]] = []  # atoms that change at breakpoints
        among: list[tuple[int, Atom]] = []  # atoms that repeat
        for bit, atom in enumerate(self.atoms):
            repeats, breaks = _settle(atom, name)
            (between if repeats == 1 else among).append((1 << bit, atom))
            period = lcm(period, repeats)
            ends.update(n for n in breaks if n > 1)
            if period * len(ends) > MOST_CELLS:
                raise TooLarge
        self.period = period
        self.starts = sorted(ends)
        by_segment = [_signature(between, name, start) for start in self.starts]
        by_residue = [_signature(among, name, r or period) for r in range(period)]
        self.classes: list[list[Cell]] = []
        self.signatures: list[int] = []
        known: dict[int, int] = {}
        for segment, cell in self._cells():
            signature = by_segment[segment] | by_residue[cell.first % period]
            at = known.setdefault(signature, len(self.classes))
            if at == len(self.classes):
                self.classes.append([])
                self.signatures.append(signature)
            self.classes[at].append(cell)

    def _cells(self) -> Iterable[tuple[int, Cell]]:
        """All cells that have a member, each with the number of its segment."""
        for i, start in enumerate(self.starts):
            last = self.starts[i + 1] - 1 if i + 1 < len(self.starts) else None
            for first in range(start, start + self.period):
                if last is None or first <= last:
                    yield i, Cell(first, last, self.period)

    def smallest(self, index: int) -> int:
        """The smallest size of a class."""
        return min(cell.first for cell in self.classes[index])


def _signature(atoms: Iterable[tuple[int, Atom]], name: str, size: int) -> int:
    """The bits of the atoms that hold for a size."""
    return sum(bit for bit, atom in atoms if atom.at({name: size}))


def _settle(atom: Atom, name: str) -> tuple[int, list[int]]:
    """(period, breakpoints): between two of the latter, the truth repeats with the period."""
    form = atom.form
    if atom.relation == "ge" and len(form.terms) == 1:
        edge = _edge(form, name)
        if edge is not None:
            return 1, [edge]
    period = form.period()
    if period > MOST_CELLS:
        raise TooLarge
    values = [form.at({name: n}) for n in range(1, period + 1)]
    rise = form.at({name: period + 1}) - values[0]
    if rise == 0:
        return period, []
    if atom.relation == "eq":
        roots = [n - v // rise * period for n, v in enumerate(values, 1) if v % rise == 0]
        return 1, [edge for root in roots for edge in (root, root + 1)]
    # Each residue turns once, at its own size: before the first and after the last, all agree.
    turns = (
        sorted({n + max(-(v // rise), 0) * period for n, v in enumerate(values, 1)})
        if (rise > 0)
        else sorted({n + max(v // -rise + 1, 0) * period for n, v in enumerate(values, 1)})
    )
    if turns[-1] - turns[0] > MOST_CELLS:
        raise TooLarge
    return 1, _runs(atom, name, turns[0], turns[-1])


def threshold(atom: Atom) -> tuple[str, int] | None:
    """(symbol, size) if an atom just holds from a size of a symbol on."""
    name = only_symbol(atom)
    if name is None or atom.relation != "ge" or len(atom.form.terms) != 1:
        return None
    edge = _edge(atom.form, name) if atom.form.terms[0][1] > 0 else None
    return None if edge is None else (name, edge)


def _runs(atom: Atom, name: str, first: int, last: int) -> list[int]:
    """Where the truth changes between two sizes."""
    found, before = [], atom.at({name: max(first - 1, 1)})
    for n in range(max(first, 1), last + 1):
        now = atom.at({name: n})
        if now != before:
            found.append(n)
            before = now
    return found


def _edge(form: Linear, name: str) -> int | None:
    """Where `k * atom + const >= 0` turns, for a symbol or a floor of one; None for other forms."""
    atom, k = form.terms[0]
    if atom == name:
        slope, shift, divisor = 1, 0, 1
    elif isinstance(atom, Floor) and len(atom.inner.terms) == 1:
        inner, slope = atom.inner.terms[0]
        if inner != name or slope < 0:
            return None
        shift, divisor = atom.inner.const, atom.divisor
    else:
        return None
    # floor((slope n + shift) / divisor) reaches `level` at the edge.
    level = -(form.const // k) if k > 0 else form.const // -k + 1
    return -((shift - level * divisor) // slope)


class Grid:
    """Combinations of classes of several symbols, numbered; a set of them is a bit mask."""

    def __init__(self, names: Sequence[str], atoms: Iterable[Atom]) -> None:
        by_name: dict[str, list[Atom]] = {name: [] for name in names}
        for atom in atoms:
            name = only_symbol(atom)
            if name is not None:
                by_name[name].append(atom)
        self.axes = [Axis(name, own) for name, own in by_name.items()]
        count = prod(len(axis.classes) for axis in self.axes)
        if count > MOST_POINTS:
            raise TooLarge
        self.points = list(product(*(range(len(axis.classes)) for axis in self.axes)))
        self.everything = (1 << count) - 1
        self._atoms = {atom: self._where(i, bit) for i, axis in enumerate(self.axes)
                       for bit, atom in enumerate(axis.atoms)}  # fmt: skip
        self._known: dict[int, tuple[Condition, tuple[int, int]]] = {}

    def _where(self, axis: int, bit: int) -> int:
        """The combinations in which an atom of a symbol holds."""
        below = prod(len(a.classes) for a in self.axes[axis + 1 :])
        above = prod(len(a.classes) for a in self.axes[:axis])
        signatures = self.axes[axis].signatures
        block = sum(
            ((1 << below) - 1) << (i * below)
            for i, signature in enumerate(signatures)
            if signature >> bit & 1
        )
        size = below * len(signatures)
        return sum(block << (i * size) for i in range(above))

    def masks(self, condition: Condition) -> tuple[int, int]:
        """Where a condition holds, and where that cannot be said."""
        if condition is None:
            return 0, self.everything
        if isinstance(condition, bool):
            return (self.everything if condition else 0), 0
        known = self._known.get(id(condition))
        if known is not None:
            return known[1]
        (yes, maybe_yes), (no, maybe_no) = self.masks(condition.yes), self.masks(condition.no)
        true = self._atoms.get(condition.atom)
        if true is None:
            # Whatever the atom is, where both ways agree it does not matter.
            holds = yes & no
            fails = self.everything & ~(yes | maybe_yes | no | maybe_no)
            found = holds, self.everything & ~holds & ~fails
        else:
            false = self.everything & ~true
            found = true & yes | false & no, true & maybe_yes | false & maybe_no
        self._known[id(condition)] = condition, found
        return found

    def members(self, mask: int) -> list[tuple[int, ...]]:
        """The combinations of a set."""
        bits = bin(mask)[:1:-1]  # the lowest first
        return [point for point, bit in zip(self.points, bits, strict=False) if bit == "1"]

    def some(self, mask: int, axes: Sequence[int]) -> int:
        """The combinations that are in a set for some sizes of the given axes."""
        for axis in axes:
            below = prod(len(a.classes) for a in self.axes[axis + 1 :])
            count = len(self.axes[axis].classes)
            first = self._where_class(axis, 0)
            any_ = 0
            for i in range(count):
                any_ |= mask >> (i * below) & first
            mask = sum(any_ << (i * below) for i in range(count))
        return mask

    def _where_class(self, axis: int, index: int) -> int:
        """The combinations with one class of an axis."""
        below = prod(len(a.classes) for a in self.axes[axis + 1 :])
        above = prod(len(a.classes) for a in self.axes[:axis])
        size = below * len(self.axes[axis].classes)
        block = ((1 << below) - 1) << (index * below)
        return sum(block << (i * size) for i in range(above))

    def sizes(self, point: tuple[int, ...]) -> dict[str, int]:
        """The smallest sizes of a combination."""
        return {a.name: a.smallest(i) for a, i in zip(self.axes, point, strict=True)}

    def smallest(self, mask: int) -> dict[str, int] | None:
        """The member of a set with the fewest units, None if there is none."""
        least = [[axis.smallest(i) for i in range(len(axis.classes))] for axis in self.axes]

        def units(point: tuple[int, ...]) -> tuple[int, ...]:
            sizes = [column[i] for column, i in zip(least, point, strict=True)]
            return prod(sizes), *sizes

        found = min(self.members(mask), key=units, default=None)
        return None if found is None else self.sizes(found)


def only_symbol(atom: Atom) -> str | None:
    """The one symbol that an atom is about; None for several, and for products."""
    symbols = atom.form.symbols()
    return next(iter(symbols)) if len(symbols) == 1 else None
