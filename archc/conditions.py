"""Conditions on free sizes, found by running a check on sizes that notice their comparisons.

`explore` runs a function on `Probe`s. Each comparison of a probe is an `Atom`, and the function is
run again for every other answer, so what comes out is its exact decision tree over atoms: the
function itself stays the only place where the condition is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Union

from .dims import Linear, Size, form_of


class Atom(NamedTuple):
    """`form == 0` ("eq") or `form >= 0` ("ge")."""

    relation: Literal["eq", "ge"]
    form: Linear

    def at(self, values: dict[str, int]) -> bool:
        """Does it hold? LookupError where the form has no value."""
        value = self.form.at(values)
        return value == 0 if self.relation == "eq" else value >= 0


def _atom(relation: Literal["eq", "ge"], form: Linear) -> Atom:
    """An equality has no side: its first term counts positive."""
    turned = relation == "eq" and form.terms and form.terms[0][1] < 0
    return Atom(relation, form.times(-1) if turned else form)


class Branch(NamedTuple):
    """What holds if the atom does, and what if it does not."""

    atom: Atom
    yes: Condition
    no: Condition


Condition = Union[bool, None, Branch]
"""Always, never, or as an atom decides; None: it cannot be said."""


class TooManyPaths(Exception):
    """A check has more ways through it than are looked at."""


class _Run:
    """One run of a check: the answers that it is given, and those that it found for itself."""

    def __init__(self, forced: list[tuple[Atom, bool]]) -> None:
        self.known = dict(forced)
        self.path = list(forced)
        self.lost = False

    def ask(self, atom: Atom, here: bool) -> bool:
        """The answer for an atom: as forced, or as it is at the sizes at hand."""
        if not atom.form.terms:
            return atom.at({})
        if any(not n.isidentifier() for n in atom.form.symbols() - {"*"}):
            self.lost = True
            return here
        found = self.known.get(atom)
        if found is None:
            found = self.known[atom] = here
            self.path.append((atom, here))
        return found


_run: _Run | None = None


def explore(check: Callable[[], bool], refuses: bool = False, most: int = 256) -> Condition:
    """When `check` is true, over the sizes of the probes that it compares.

    It is run once per path through its comparisons, at most `most` times (TooManyPaths). Where a
    size is turned into a number unseen, the condition is unknown; with `refuses`, only where the
    check passes: one that fails turns sizes into numbers for its message.
    """
    left = [most]

    def follow(forced: list[tuple[Atom, bool]]) -> Condition:
        global _run
        left[0] -= 1
        if left[0] < 0:
            raise TooManyPaths
        outer, _run = _run, _Run(forced)
        try:
            truth = check()
            run = _run
        finally:
            _run = outer
        made: Condition = None if run.lost and (truth or not refuses) else truth
        for i in range(len(run.path) - 1, len(forced) - 1, -1):
            atom, answer = run.path[i]
            other = follow([*run.path[:i], (atom, not answer)])
            made = branch(atom, made, other) if answer else branch(atom, other, made)
        return made

    return follow([])


def branch(atom: Atom, yes: Condition, no: Condition) -> Condition:
    """A branch, or what is the same on both sides."""
    return yes if yes is no or yes == no else Branch(atom, yes, no)


def equals(form: Linear, value: int) -> Condition:
    """`form == value`; a product of positive factors is split over the divisors of the value."""
    k, factors = form.factors()
    if form.const or len(factors) == 1:
        atom = _atom("eq", form.plus(Linear((), -value)))
        return branch(atom, True, False) if atom.form.terms else atom.at({})
    if value % k:
        return False
    return _product(list(factors), value // k)


def _product(factors: list[Linear], value: int) -> Condition:
    """The factors, each at least 1, multiply to the value."""
    first, *rest = factors
    if not rest:
        return equals(first, value)
    made: Condition = False
    divisors = [d for d in range(1, int(value**0.5) + 1) if value % d == 0]
    for d in sorted({*divisors, *(value // d for d in divisors)}, reverse=True):
        made = branch(_atom("eq", first.plus(Linear((), -d))), _product(rest, value // d), made)
    return made


def atoms(condition: Condition) -> set[Atom]:
    """Every atom of a condition."""
    found: set[Atom] = set()
    todo = [condition]
    while todo:
        part = todo.pop()
        if isinstance(part, Branch):
            found.add(part.atom)
            todo += [part.yes, part.no]
    return found


def renamed(condition: Condition, names: dict[str, str]) -> Condition:
    """The same over other symbols."""
    if not isinstance(condition, Branch):
        return condition
    atom = _atom(condition.atom.relation, condition.atom.form.renamed(names))
    yes, no = renamed(condition.yes, names), renamed(condition.no, names)
    if not atom.form.terms:
        return yes if atom.at({}) else no
    return branch(atom, yes, no)


def decide(condition: Condition, truth: Callable[[Atom], bool | None]) -> bool | None:
    """The condition for given truths of atoms; None where an unknown one matters."""
    while isinstance(condition, Branch):
        answer = truth(condition.atom)
        if answer is None:
            yes, no = decide(condition.yes, truth), decide(condition.no, truth)
            return yes if yes is no else None
        condition = condition.yes if answer else condition.no
    return condition


class Probe(Size):
    """A size whose comparisons are noticed by `explore`. It is made by `probe`."""

    __slots__ = ()

    def __add__(self, other: int) -> int:
        return _probe(super().__add__(_seen(other)))

    __radd__ = __add__

    def __sub__(self, other: int) -> int:
        return _probe(super().__sub__(_seen(other)))

    def __rsub__(self, other: int) -> int:
        return _probe(super().__rsub__(_seen(other)))

    def __mul__(self, other: int) -> int:
        return _probe(super().__mul__(_seen(other)))

    __rmul__ = __mul__

    def __floordiv__(self, other: int) -> int:
        return _probe(super().__floordiv__(_seen(other)))

    def __mod__(self, other: int) -> int:
        return _probe(super().__mod__(_seen(other)))

    def __neg__(self) -> int:
        return _probe(super().__neg__())

    # ------------------------------------------------------------------ comparisons

    def _ask(self, relation: Literal["eq", "ge"], a: Any, b: Any, here: bool) -> bool:
        if _run is None:
            return here
        if not isinstance(a, int) or not isinstance(b, int):
            _run.lost = True
            return here
        return _run.ask(_atom(relation, form_of(a).plus(form_of(b), -1)), here)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (int, float)):
            return False
        return self._ask("eq", self, other, int.__index__(self) == _number(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __ge__(self, other: Any) -> bool:
        return self._ask("ge", self, other, int.__index__(self) >= _number(other))

    def __le__(self, other: Any) -> bool:
        return self._ask("ge", other, self, int.__index__(self) <= _number(other))

    def __lt__(self, other: Any) -> bool:
        return not self >= other

    def __gt__(self, other: Any) -> bool:
        return not self <= other

    def __bool__(self) -> bool:
        return self != 0

    def __abs__(self) -> int:
        return self if self >= 0 else -self

    # ------------------------------------------------------------------ ways out of sight

    # Arithmetic that no form follows takes the value at hand, and says so.

    def __hash__(self) -> int:
        return int.__hash__(self.__int__())

    def __int__(self) -> int:
        if _run is not None:
            _run.lost = True
        return int.__index__(self)

    def __float__(self) -> float:
        return float(self.__int__())

    def __truediv__(self, other: Any) -> Any:
        return self.__int__() / other

    def __rtruediv__(self, other: Any) -> Any:
        return other / self.__int__()

    def __rfloordiv__(self, other: Any) -> Any:
        return other // self.__int__()

    def __rmod__(self, other: Any) -> Any:
        return other % self.__int__()

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __pow__(self, other: Any, mod: Any = None) -> Any:
        return self * self if other == 2 and mod is None else pow(self.__int__(), other, mod)

    def __rpow__(self, other: Any, mod: Any = None) -> Any:
        return pow(other, self.__int__(), mod)


def _seen(other: Any) -> Any:
    """What a form is combined with; no form follows fractions."""
    if _run is not None and not isinstance(other, int):
        _run.lost = True
    return other


def _number(value: Any) -> Any:
    return int.__index__(value) if isinstance(value, int) else value


def _probe(value: int) -> int:
    """A result of arithmetic; NotImplemented is handed on."""
    return Probe(int.__index__(value), value.form) if isinstance(value, Size) else value


def probe(value: Any) -> Any:
    """A size, shape or list of them with probes for what is free in it."""
    if isinstance(value, Size):
        return Probe(int.__index__(value), value.form)
    if isinstance(value, (tuple, list)):
        return type(value)(probe(v) for v in value)
    return value
