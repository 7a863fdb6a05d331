"""Sizes that may be free: an integer (the size at hand) that remembers how it came about.

`Size` is an `int`, so shape arithmetic need not know of it. Its expression is kept in a normal
form: `const + sum(coefficient * atom)`, where an atom is a symbol `H`, `floor(linear / k)` or a
product of such sums (units of a map, multiply-accumulates). Nested floors fold
(`floor((floor(x / a) + b) / c) = floor((x + a*b) / (a*c))`, x whole), so a chain of windows is one
floor, whatever its length.
"""

from __future__ import annotations

from collections.abc import Callable
from math import gcd, lcm, prod
from typing import NamedTuple, Union


class Floor(NamedTuple):
    """floor(inner / divisor)."""

    inner: Linear
    divisor: int


class Product(NamedTuple):
    """Two factors or more, none a product or a multiple of anything, in the order of their text."""

    factors: tuple[Linear, ...]


class Opaque(NamedTuple):
    """Something without such a form: nothing can be decided about it beyond its value at hand."""

    text: str


Atom = Union[str, Floor, Product, Opaque]
"""A symbol's name, a floor, a product, or something opaque."""


class Linear:
    """const + sum of coefficient * atom; hashable."""

    __slots__ = ("const", "terms")

    def __init__(self, terms: tuple[tuple[Atom, int], ...], const: int) -> None:
        self.terms = terms
        self.const = const

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Linear) and (self.terms, self.const) == (other.terms, other.const)

    def __hash__(self) -> int:
        return hash((self.terms, self.const))

    def plus(self, other: Linear, sign: int = 1) -> Linear:
        terms = dict(self.terms)
        for atom, k in other.terms:
            terms[atom] = terms.get(atom, 0) + sign * k
        return _linear(terms, self.const + sign * other.const)

    def times(self, k: int) -> Linear:
        return _linear({a: c * k for a, c in self.terms}, self.const * k)

    def floordiv(self, k: int) -> Linear:
        """floor(self / k) for k > 0."""
        whole = {a: c // k for a, c in self.terms if c % k == 0}
        rest = {a: c for a, c in self.terms if c % k}
        if not rest:
            return _linear(whole, self.const // k)
        shift, const = divmod(self.const, k)
        common = gcd(k, const, *rest.values())
        inner, divisor = (
            _linear({a: c // common for a, c in rest.items()}, const // common),
            k // common,
        )
        if len(inner.terms) == 1:
            atom, c = inner.terms[0]
            if c == 1 and isinstance(atom, Floor):
                below = atom.inner.plus(_linear({}, inner.const * atom.divisor))
                return below.floordiv(atom.divisor * divisor).plus(_linear(whole, shift))
        floor = Floor(inner, divisor)
        return _linear({**whole, floor: whole.get(floor, 0) + 1}, shift)

    def at(self, values: dict[str, int]) -> int:
        """The value for given symbols; LookupError where an opaque part has none."""
        total = self.const
        for atom, k in self.terms:
            if isinstance(atom, str):
                total += k * values[atom]
            elif isinstance(atom, Floor):
                total += k * (atom.inner.at(values) // atom.divisor)
            elif isinstance(atom, Product):
                total += k * prod(factor.at(values) for factor in atom.factors)
            else:
                raise LookupError(atom.text)
        return total

    def by(self, other: Linear) -> Linear:
        """The product, its factors kept apart and free of common divisors."""
        if not self.terms or not other.terms:
            return self.times(other.const) if not other.terms else other.times(self.const)
        (k, left), (m, right) = self.factors(), other.factors()
        atom = Product(tuple(sorted([*left, *right], key=str)))
        return Linear(((atom, k * m),), 0)

    def factors(self) -> tuple[int, tuple[Linear, ...]]:
        """(k, factors) with k * product(factors) = self; one factor where it is no product."""
        if len(self.terms) == 1 and not self.const:
            atom, k = self.terms[0]
            if isinstance(atom, Product):
                return k, atom.factors
        common = gcd(self.const, *(k for _, k in self.terms))
        return common, (
            Linear(tuple((a, k // common) for a, k in self.terms), self.const // common),
        )

    def renamed(self, names: dict[str, str]) -> Linear:
        """The same with other symbols."""
        made = Linear((), self.const)
        for atom, k in self.terms:
            if isinstance(atom, str):
                part = Linear(((names.get(atom, atom), k),), 0)
            elif isinstance(atom, Floor):
                part = atom.inner.renamed(names).floordiv(atom.divisor).times(k)
            elif isinstance(atom, Product):
                part = Linear((), k)
                for factor in atom.factors:
                    part = part.by(factor.renamed(names))
            else:
                part = Linear(((atom, k),), 0)
            made = made.plus(part)
        return made

    def symbols(self) -> set[str]:
        """Names of the symbols; `?` stands for something opaque, `*` for a product."""
        found: set[str] = set()
        for atom, _ in self.terms:
            if isinstance(atom, str):
                found.add(atom)
            elif isinstance(atom, Floor):
                found |= atom.inner.symbols()
            elif isinstance(atom, Product):
                found.add("*")
                found.update(*(factor.symbols() for factor in atom.factors))
            else:
                found.add("?")
        return found

    def period(self) -> int:
        """Smallest convenient M with f(H + M) = f(H) + constant, for every symbol. (Of a product, a
        period of its factors.)"""
        result = 1
        for atom, _ in self.terms:
            if isinstance(atom, Floor):
                result = lcm(result, atom.divisor * atom.inner.period())
            elif isinstance(atom, Product):
                result = lcm(result, *(factor.period() for factor in atom.factors))
        return result

    def __str__(self) -> str:
        parts: list[str] = []
        for atom, k in self.terms:
            name = _atom_text(atom)
            if abs(k) == 1:
                text = name
            else:
                text = f"{abs(k)}*({name})" if isinstance(atom, Floor) else f"{abs(k)}*{name}"
            parts.append(("- " if k < 0 else "+ ") + text)
        if self.const or not parts:
            parts.append(f"{'-' if self.const < 0 else '+'} {abs(self.const)}")
        text = " ".join(parts)
        return text[2:] if text.startswith("+ ") else "-" + text[2:]


def _atom_text(atom: Atom) -> str:
    if isinstance(atom, str):
        return atom
    if isinstance(atom, Opaque):
        return atom.text
    if isinstance(atom, Product):
        texts = [str(factor) for factor in atom.factors]
        return "*".join(text if text.isidentifier() else f"({text})" for text in texts)
    inner = str(atom.inner)
    return f"{inner}//{atom.divisor}" if inner.isidentifier() else f"({inner})//{atom.divisor}"


def _linear(terms: dict[Atom, int], const: int) -> Linear:
    kept = [(a, k) for a, k in terms.items() if k]
    kept.sort(key=lambda term: (not isinstance(term[0], str), _atom_text(term[0])))
    return Linear(tuple(kept), const)


class Size(int):
    """A whole number that depends on free symbols; `.form` says how."""

    form: Linear

    def __new__(cls, value: int, form: Linear) -> Size:
        made = int.__new__(cls, value)
        made.form = form
        return made

    def __add__(self, other: int) -> int:
        if not isinstance(other, int):
            return NotImplemented
        return _make(int.__add__(self, other), self.form.plus(form_of(other)))

    __radd__ = __add__

    def __sub__(self, other: int) -> int:
        if not isinstance(other, int):
            return NotImplemented
        return _make(int.__sub__(self, other), self.form.plus(form_of(other), -1))

    def __rsub__(self, other: int) -> int:
        if not isinstance(other, int):
            return NotImplemented
        return _make(int.__rsub__(self, other), form_of(other).plus(self.form, -1))

    def __neg__(self) -> int:
        return _make(int.__neg__(self), self.form.times(-1))

    def __mul__(self, other: int) -> int:
        if not isinstance(other, int):
            return NotImplemented
        value = int.__mul__(self, other)
        if isinstance(other, Size):
            return _make(value, self.form.by(other.form))
        return _make(value, self.form.times(other))

    __rmul__ = __mul__

    def __floordiv__(self, other: int) -> int:
        if not isinstance(other, int):
            return NotImplemented
        value = int.__floordiv__(self, other)
        if isinstance(other, Size) or other < 0:
            return _make(value, opaque(f"({self.form})//({form_text(other)})"))
        return _make(value, self.form.floordiv(other))

    def __mod__(self, other: int) -> int:
        if not isinstance(other, int):
            return NotImplemented
        value = int.__mod__(self, other)
        if isinstance(other, Size) or other < 0:
            return _make(value, opaque(f"({self.form})%({form_text(other)})"))
        return _make(value, self.form.plus(self.form.floordiv(other).times(other), -1))

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)


def _make(value: int, form: Linear) -> int:
    """A plain int where nothing is free any more."""
    return Size(value, form) if form.terms else value


def form_text(value: int) -> str:
    """A size as an expression in the symbols."""
    return str(form_of(value))


def opaque(text: str) -> Linear:
    return Linear(((Opaque(text), 1),), 0)


def symbol(name: str, value: int) -> Size:
    """A free size with its default."""
    return Size(value, Linear(((name, 1),), 0))


def form_of(value: int) -> Linear:
    """How a size depends on the symbols; of any other number, that number."""
    return value.form if isinstance(value, Size) else Linear((), int(value))


def at_hand(value: int) -> int:
    """The plain number, for what decides neither a shape nor whether there is one."""
    return int.__index__(value)


def is_free(value: object) -> bool:
    return isinstance(value, Size)


def blur(value: int, text: str) -> int:
    """The value with a form about which nothing can be decided (if it was free at all)."""
    return Size(int(value), opaque(text))


def always(
    holds: Callable[[dict[str, int]], bool | None],
    names: list[str],
    period: int,
    start: int,
    given: Callable[[dict[str, int]], bool],
    budget: int = 1 << 16,
) -> bool | None:
    """Is a condition over symbols true (or false) wherever `given` holds? None where it depends.

    Sound for conditions whose truth repeats with `period` from `start` on; the caller sees to that.
    Also None when deciding would take more than `budget` evaluations.
    """
    count = start + 2 * period
    if count ** len(names) > budget:
        return None
    seen: set[bool] = set()
    values = [1] * len(names)
    while True:
        env = dict(zip(names, values, strict=True))
        if given(env):
            truth = holds(env)
            if truth is None:
                return None
            seen.add(truth)
            if len(seen) == 2:
                return None
        i = 0
        while i < len(values) and values[i] == count:
            values[i] = 1
            i += 1
        if i == len(values):
            break
        values[i] += 1
    return seen.pop() if seen else None
