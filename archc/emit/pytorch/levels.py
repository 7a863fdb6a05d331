"""Where a number stands: in the class itself, or in a loop, whose variable it may depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .arithmetic import names_in, normal
from .code import Expr, Lit, Raw, flat
from .errors import Mismatch
from .solve import ABSENT, Row, Solver, constant, fits


class LoopSolver(Solver):
    """Rows with a column for each iteration of each column of the level around."""

    def __init__(
        self, outer: Solver, columns: Sequence[int], variable: str, values: Sequence[int]
    ) -> None:
        known = {name: [row[k] for k in columns] for name, row in outer.known.items()}
        known[variable] = list(values)
        super().__init__(len(columns), known)
        self.outer = outer
        self.columns = list(columns)
        self.variable = variable
        self.depends = False
        """An expression uses the variable."""

    def solve(self, row: Row, hints: Mapping[str, str], role: str) -> Expr:
        said = normal(hints.get(role, ""))
        if self.variable in names_in(said):
            found = self.row(said)
            if found is not None and fits(row, found):
                return self.accept(said, found)
        flat_row = self._collapsed(row)
        if flat_row is not None:
            return self.outer.solve(flat_row, hints, role)
        return super().solve(row, hints, role)

    def accept(self, text: str, row: list[Any]) -> Raw:
        self._note(text)
        return Raw(text)

    def condition(self, row: Sequence[bool], tests: Sequence[str]) -> str:
        text = super().condition(row, tests)
        self._note(text)
        return text

    def _note(self, text: str) -> None:
        for name in names_in(text):
            if name == self.variable:
                self.depends = True
            elif isinstance(self.outer, LoopSolver):
                self.outer._note(name)
            elif name in self.outer.known:
                self.outer.used.setdefault(name)

    def _collapsed(self, row: Row) -> list[Any] | None:
        """The row by column of the level around, if it is the same in all iterations of each."""
        made: list[Any] = [ABSENT] * self.outer.width
        for k in range(self.outer.width):
            same, value = constant([v for v, c in zip(row, self.columns, strict=True) if c == k])
            if not same:
                return None
            made[k] = ABSENT if value is None else value
        return made

    def _candidates(self, row: Row, hints: Mapping[str, str], role: str) -> Iterator[str]:
        yield from self._affine(row)
        yield from super()._candidates(row, hints, role)
        yield from self._ends(row)

    def _by_column(self, row: Row) -> Iterator[list[tuple[int, Any]]]:
        """(variable, value) of the iterations of each column of the level around."""
        values = self.known[self.variable]
        for k in range(self.outer.width):
            yield sorted(
                (values[n], v)
                for n, (v, c) in enumerate(zip(row, self.columns, strict=True))
                if c == k and v is not ABSENT
            )

    def _affine(self, row: Row) -> Iterator[str]:
        """base + step * variable, where base and step belong to the level around."""
        if not all(v is ABSENT or (isinstance(v, int) and not isinstance(v, bool)) for v in row):
            return
        bases: list[Any] = []
        steps: list[Any] = []
        for pairs in self._by_column(row):
            slopes = {(b[1] - a[1], b[0] - a[0]) for a, b in pairwise(pairs)}
            whole = {v // d for v, d in slopes if v % d == 0}
            if len(whole) > 1 or any(v % d for v, d in slopes):
                return
            slope = whole.pop() if whole else 0
            steps.append(slope if slopes else ABSENT)
            bases.append(pairs[0][1] - pairs[0][0] * slope if pairs else ABSENT)
        if all(step is ABSENT for step in steps):
            return
        try:
            base, step = self._outside(bases), self._outside(steps)
        except Mismatch:
            return
        j = self.variable
        if step == "1":
            yield j if base == "0" else f"{j} + {base}" if base.isdigit() else f"{base} + {j}"
            if base.startswith("-"):
                yield f"{j} - {base[1:]}"
        elif step == "-1":
            yield f"{base} - {j}"
        else:
            yield f"{step} * {j}" if base == "0" else f"{base} + {step} * {j}"

    def _outside(self, row: list[Any]) -> str:
        """An expression of the level around, without a parameter of its own."""
        flat_row, value = constant(row)
        if flat_row:
            return str(value)
        for text in self.outer._candidates(row, {}, ""):
            found = self.outer.row(text)
            if found is not None and fits(row, found):
                return text
        raise Mismatch

    def _ends(self, row: Row) -> Iterator[str]:
        """One value in the first (or last) iteration, another in the rest."""
        columns = list(self._by_column(row))
        for at, test in ((0, f"{self.variable} == 0"), (-1, None)):
            special = [p[at][1] if p else ABSENT for p in columns]
            rest: list[Any] = []
            for pairs in columns:
                others = pairs[1:] if at == 0 else pairs[:-1]
                same, value = constant([v for _, v in others])
                if not same:
                    break
                rest.append(ABSENT if value is None else value)
            else:
                try:
                    if test is None:
                        last = self._outside([p[-1][0] if p else ABSENT for p in columns])
                        test = f"{self.variable} == {last}"
                    yield f"{self._outside(special)} if {test} else {self._outside(rest)}"
                except Mismatch:
                    continue

    def _parameter(self, row: Row, role: str) -> str:
        raise Mismatch  # a parameter cannot depend on the iteration


@dataclass(slots=True)
class Level:
    """The class itself (no variable), or a loop in it."""

    solver: Solver
    roots: list[int]
    """The instance that each column belongs to."""
    indices: list[tuple[int, ...]]
    """Which iteration of each loop around a column is."""
    site: int = -1

    @property
    def variable(self) -> str:
        return self.solver.variable if isinstance(self.solver, LoopSolver) else ""

    def text(self, row: Row, hints: Mapping[str, str], role: str) -> str:
        """A whole number as text."""
        made = self.solver.solve(list(row), hints, role)
        return flat(made) if isinstance(made, (Lit, Raw)) else ""
