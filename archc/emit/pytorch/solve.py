"""Numbers that differ between the instances of a class: which expression gives them all?

A class is seen as a table with one column per instance. Every quantity is a row of that table: the
block's parameters, the channels that come in, each number in a constructor. A row that is constant
is written as a number; another is written as an expression over known rows that is right in every
column, so no expression is ever trusted, only checked; if there is none, it is a parameter.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .arithmetic import evaluate, fold, names_in, negated, normal
from .code import Expr, Lit, Raw
from .names import variable

Row = Sequence[Any]


class _Absent:
    """Stands in a row where the instance has no such number."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


def same(a: Any, b: Any) -> bool:
    """Equal in value and kind: True is not 1, and 1.0 is not 1."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, bool) or isinstance(b, bool) or isinstance(a, float) != isinstance(b, float):
        return a is b or (type(a) is type(b) and a == b)
    return bool(a == b)


def fits(row: Row, found: Row) -> bool:
    """Does a row give another wherever that is there?"""
    return all(want is ABSENT or same(want, got) for want, got in zip(row, found, strict=True))


def constant(row: Row) -> tuple[bool, Any]:
    """(is it the same in all columns, its value)."""
    values = [v for v in row if v is not ABSENT]
    return all(same(v, values[0]) for v in values[1:]), values[0] if values else None


class Solver:
    """The rows of one class, and the parameters that its constructor turns out to need."""

    def __init__(self, width: int, known: Mapping[str, Row]) -> None:
        self.width = width
        self.known = {name: list(row) for name, row in known.items()}
        self.used: dict[str, None] = {}
        """Names of `known` that appear in an expression."""
        self._pool: list[tuple[str, list[Any]]] = []
        self._solved: dict[tuple[str, ...], str] = {}

    def solve(self, row: Row, hints: Mapping[str, str], role: str) -> Expr:
        """An expression for a row; `hints` are the source's own by argument; `role` names it."""
        flat, value = constant(row)
        if flat:
            return self._partial(row, hints, role) or Lit(value)
        for text in self._candidates(row, hints, role):
            found = self.row(text)
            if found is not None and fits(row, found):
                return self.accept(text, found)
        return self.accept(self._parameter(row, role), list(row))

    def _partial(self, row: Row, hints: Mapping[str, str], role: str) -> Expr | None:
        """A number that only some instances have: it is constant by chance, perhaps."""
        if not any(v is ABSENT for v in row) or isinstance(constant(row)[1], bool):
            return None
        for text in self._likely(hints, role):
            found = self.row(text)
            if found is not None and fits(row, found):
                return self.accept(text, found)
        return None

    def _likely(self, hints: Mapping[str, str], role: str) -> Iterator[str]:
        """What a number surely means where it fits: the source's word, the channels."""
        for key in (role, _ALIASES.get(role, role)):
            if key in hints and names_in(text := self.folded(hints[key])):
                yield text
        yield from self.elements()
        arriving = self.known.get("in_channels")
        if role in ("in_channels", "num_features") and arriving and not constant(arriving)[0]:
            yield "in_channels"
        if role == "num_features":
            yield from (text for text, _ in self._pool)

    def accept(self, text: str, row: list[Any]) -> Raw:
        """Note the names that an expression uses."""
        for name in names_in(text):
            if name in self.known:
                self.used.setdefault(name)
        if all(text != known for known, _ in self._pool):
            self._pool.append((text, row))
        return Raw(text)

    def texts(self) -> list[str]:
        """The expressions accepted so far."""
        return [text for text, _ in self._pool]

    def row(self, text: str) -> list[Any] | None:
        """An expression's value in every column (absent where it has none); None if nowhere."""
        try:
            code = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError):
            return None
        if any(name not in self.known for name in names_in(text)):
            return None
        result: list[Any] = []
        for column in range(self.width):
            try:
                result.append(evaluate(code, {n: r[column] for n, r in self.known.items()}))
            except (ArithmeticError, LookupError, TypeError, ValueError):
                result.append(ABSENT)
        return None if all(v is ABSENT for v in result) else result

    def condition(self, row: Sequence[bool], tests: Sequence[str]) -> str:
        """An expression that is true in just these columns."""
        for text in (*map(self.folded, tests), *self._comparisons(row)):
            found = self.row(text)
            if found is not None and all(v is not ABSENT for v in found):
                if [bool(v) for v in found] == list(row):
                    return self._condition(text)
                if [not v for v in found] == list(row):
                    return self._condition(negated(text))
        return self._condition(self._parameter(list(row), "extended"))

    def _condition(self, text: str) -> str:
        text = normal(text)
        for name in names_in(text):
            if name in self.known:
                self.used.setdefault(name)
        return text

    def _comparisons(self, row: Sequence[bool]) -> Iterator[str]:
        for name, values in self.known.items():
            if all(isinstance(v, int) and not isinstance(v, bool) for v in values):
                yes = {v for v, keep in zip(values, row, strict=True) if keep}
                no = {v for v, keep in zip(values, row, strict=True) if not keep}
                if len(no) == 1:
                    only = next(iter(no))
                    yield f"{name} > {only}" if all(v > only for v in yes) else f"{name} != {only}"
                elif len(yes) == 1:
                    yield f"{name} == {next(iter(yes))}"
                elif yes and no and min(yes) > max(no):
                    yield f"{name} > {max(no)}"
                elif yes and no and max(yes) < min(no):
                    yield f"{name} < {min(no)}"
            elif all(isinstance(v, bool) for v in values):
                yield name
        numbers = self._numbers()
        for i, a in enumerate(numbers):
            for b in numbers[i + 1 :]:
                yield from (
                    f"{a} {sign} {b}"
                    for sign, op in _SIGNS.items()
                    if [op(m, n) for m, n in zip(self.known[a], self.known[b], strict=True)]
                    == list(row)
                )

    def _lists(self) -> Iterator[tuple[str, list[list[Any]]]]:
        """Lists, and what they are in each column."""
        for name, values in self.known.items():
            if all(isinstance(v, list) for v in values):
                yield name, values

    def elements(self) -> Iterator[str]:
        """Elements of lists whose number is known: `widths[to]`."""
        for name, _ in self._lists():
            yield from (f"{name}[{i}]" for i in self._numbers())

    def _numbers(self) -> list[str]:
        """Names of whole numbers."""
        return [
            name
            for name, values in self.known.items()
            if all(isinstance(v, int) and not isinstance(v, bool) for v in values)
        ]

    def folded(self, text: str) -> str:
        """The expression with names that are the same in every instance as their values."""
        try:
            code = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError):
            return text
        fixed = {}
        for name in names_in(text):
            flat, value = constant(self.known[name]) if name in self.known else (False, None)
            if flat and self.width > 1 and isinstance(value, (bool, int, float)):
                fixed[name] = value
        return fold(code, fixed) if fixed else normal(text)

    # ------------------------------------------------------------------ candidates

    def _candidates(self, row: Row, hints: Mapping[str, str], role: str) -> Iterator[str]:
        if any(v is ABSENT for v in row):
            yield from self._likely(hints, role)
        alias = _ALIASES.get(role, role)
        for key in (role, alias):
            if key in hints:
                yield self.folded(hints[key])
        yield from self.known
        yield from (text for text, _ in self._pool)
        yield from (self.folded(text) for text in hints.values())
        yield from self.elements()
        for name, values in self._lists():
            yield from (f"{name}[{i}]" for i in range(min(max(map(len, values)), 16)))
            yield f"len({name})"
        if all(v is ABSENT or (isinstance(v, int) and not isinstance(v, bool)) for v in row):
            yield from self._arithmetic(row)

    def _arithmetic(self, row: Row) -> Iterator[str]:
        """Simple arithmetic on one or two known integers."""
        first = next(i for i, v in enumerate(row) if v is not ABSENT)
        want = row[first]
        numbers = self._numbers()
        for name in numbers:
            have = self.known[name][first]
            if have > 0 and want > 0 and want % have == 0:
                yield f"{want // have} * {name}"
            if want > 0 and have > want:
                yield from (f"{name} // {k}" for k in {have // want, have // want + 1} if k > 1)
            if want == have // 2:
                yield f"{name} // 2"
            if want > have:
                yield f"{name} + {want - have}"
            if have > want:
                yield f"{name} - {have - want}"
        for i, a in enumerate(numbers):
            for b in numbers[i:]:
                yield f"{a} + {b}"
                yield f"{a} * {b}"
        for a in numbers:
            for b in numbers:
                rest = self.known[a][first] - self.known[b][first] - want
                if a != b and abs(rest) < 4:
                    yield f"{a} - {b}" + (
                        f" - {rest}" if rest > 0 else f" + {-rest}" if rest else ""
                    )

    def _parameter(self, row: Row, role: str) -> str:
        """A new parameter with this row; filled up in the columns where it is not needed."""
        base = variable(re.sub(r"\W", "_", role) or "n")
        filler = next((v for v in row if v is not ABSENT), None)
        name, number = base, 1
        while name in self.known:
            number += 1
            name = f"{base}{number}"
        self.known[name] = [filler if v is ABSENT else v for v in row]
        return name


_ALIASES = {
    "kernel_size": "kernel",
    "padding": "pad",
    "out_channels": "channels",
    "out_features": "features",
    "p": "rate",
    "scale_factor": "factor",
    "count": "count",
}

_SIGNS = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt}
