"""Free sizes, decided exactly: what a network needs of them, why, and what is lost at odd sizes.

Every condition is an exact one (`free_needs`), and sets of sizes are exact (`free_sets`): nothing
is sampled. A condition that joins several symbols, or is beyond the budget, is named as undecided.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import NamedTuple

from ..conditions import Atom, Condition, atoms, decide, renamed
from ..graph import Graph
from .free_needs import Need, Needs, both, strongest
from .free_reasons import Reason, Reasons
from .free_sets import Grid, TooLarge, only_symbol
from .free_text import has_or, set_text

_WITNESSES = 4096


class Answer(NamedTuple):
    """Sizes that satisfy some needs.

    `text` is the exact condition in the words of .arch: "" if all do, "false" if none does, None if
    it is not decided. `smallest` are the sizes with the fewest units. `undecided` says what each
    condition that could not be decided would be.
    """

    text: str | None
    smallest: dict[str, int] | None
    reasons: tuple[Reason, ...]
    undecided: tuple[Reason, ...]


class Verdict(NamedTuple):
    """A `where` beside the needs.

    `allows`: sizes that it allows and that cannot be (None: there are none, or none is known).
    `exact`: what it would have to be, as text, where it is too weak. `forbids`: sizes that it
    forbids although nothing is lost at them.
    """

    allows: dict[str, int] | None
    exact: str | None
    forbids: dict[str, int] | None
    reasons: tuple[Reason, ...]
    undecided: bool


class FreeSizes:
    """The free sizes of a network. Everything is worked out when first asked for.

    `wheres` are the requirements that its inputs state, `demands` those of patterns and
    requirements inside of blocks.
    """

    def __init__(
        self, graph: Graph, wheres: Sequence[Condition] = (), demands: Sequence[Need] = ()
    ) -> None:
        self.symbols = dict(graph.main.rows)
        """The free sizes and their values at hand."""
        needs = Needs(graph)
        main = graph.sites[graph.main.site].file if graph.main.site >= 0 else ""
        self._why = Reasons(needs.steps, main)
        where: Condition = True
        for part in wheres:
            where = both(where, part)
        self._names = equal_symbols(where, list(self.symbols))
        self._build = strongest(self._own([*needs.build, *demands]))
        self._weights = self._own(needs.weights)
        self._whole = self._own(needs.whole)
        self._where = renamed(where, self._names)
        self._stateless = where is True
        self._needs = needs

    def _own(self, needs: Iterable[Need]) -> list[Need]:
        """Each condition once (at its last place), over the symbols that are told apart."""
        found: dict[object, Need] = {}
        for need in needs:
            condition = renamed(need.condition, self._names)
            if condition is not True:
                key = (need.file, need.line) if condition is None else condition
                found.pop(key, None)
                found[key] = need._replace(condition=condition)
        return list(found.values())

    @property
    def has_weights(self) -> bool:
        """Do the shapes of weights depend on the sizes?"""
        return bool(self._weights)

    @property
    def loses(self) -> bool:
        """Are there sizes at which a window leaves units unread?"""
        return bool(self._whole)

    def lost(self) -> tuple[Reason, ...]:
        """For each layer that leaves units at an end unread at some sizes, when it leaves none."""
        if self.grid is None:
            return ()
        grid = self.grid
        masks = [(need, grid.masks(need.condition)[0]) for need in self._whole]
        return self._why.each(grid, masks)

    # ------------------------------------------------------------------ answers

    @cached_property
    def grid(self) -> Grid | None:
        """The classes of sizes that matter; None where there are too many."""
        return self._grid([*self._build, *self._weights, *self._whole])

    def _grid(self, needs: Iterable[Need]) -> Grid | None:
        known: set[Atom] = set(atoms(self._where))
        for need in needs:
            known |= atoms(need.condition)
        try:
            return Grid(self.apart, sorted(known, key=lambda a: (a.relation, str(a.form))))
        except TooLarge:
            return None

    @cached_property
    def build(self) -> Answer:
        """Sizes at which the network can be built."""
        return self._answer(self._grid(self._build), self._build)

    @cached_property
    def weights(self) -> Answer:
        """Sizes at which it has the weights that it has at the sizes at hand."""
        return self._answer(self.grid, self._weights, self._build)

    @cached_property
    def whole(self) -> Answer:
        """Sizes at which it can be built and no window leaves units at an end unread."""
        return self._answer(self.grid, self._whole, self._build)

    def _answer(self, grid: Grid | None, needs: list[Need], given: Sequence[Need] = ()) -> Answer:
        if grid is None:
            unknown = tuple(self._why.reason("", need) for need in [*given, *needs])
            return Answer(None, None, (), unknown)
        sure = possible = base = grid.everything
        for need in given:
            holds, maybe = grid.masks(need.condition)
            base &= holds | maybe
        open_ = []
        for need in [*given, *needs]:
            holds, maybe = grid.masks(need.condition)
            sure &= holds
            possible &= holds | maybe
            if maybe and not _settled(need, grid):
                open_.append(need)
        open_ = [n for n in open_ if grid.masks(n.condition)[1] & possible]
        text = set_text(grid, possible)
        return Answer(
            None if open_ else self._with_equal(text),
            self._sizes(grid.smallest(sure)),
            self._why.necessary(grid, needs, base),
            tuple(self._why.reason("", need) for need in open_),
        )

    def _sizes(self, sizes: dict[str, int] | None) -> dict[str, int] | None:
        """Sizes of all symbols, from those that are told apart."""
        if sizes is None:
            return None
        return {name: sizes[self._names.get(name, name)] for name in self.symbols}

    @property
    def apart(self) -> list[str]:
        """The symbols that are told apart: a `where` may require others to equal them."""
        return [name for name in self.symbols if name not in self._names]

    def at(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Sizes of all symbols: those given, those that must equal one of them, else at hand."""
        known = {**self.symbols, **sizes}
        return {name: known[self._names.get(name, name)] for name in self.symbols}

    @cached_property
    def _running(self) -> list[Need]:
        needs = self._needs
        return [*strongest(self._own(needs.build)), *self._own(needs.weights)]

    def runs(self, sizes: dict[str, int]) -> bool | None:
        """Does every layer, with the weights that it has, take what arrives at these sizes?

        Whatever patterns and `where` ask for; None where that is not known.
        """
        truths = [_true_at(need.condition, sizes) for need in self._running]
        return False if False in truths else None if None in truths else True

    # ------------------------------------------------------------------ where

    def verdict(self) -> Verdict:
        """The `where` beside what the network needs."""
        grid = self.grid
        if self._stateless:
            return Verdict(None, None, None, (), False)
        if grid is None:
            return Verdict(None, None, None, (), True)
        stated, maybe = grid.masks(self._where)
        silent = self._silent(grid)
        possible = sure = grid.everything
        whole = grid.everything
        for need in self._build:
            holds, unknown = grid.masks(need.condition)
            possible &= holds | unknown
            sure &= holds
        for need in [*self._weights, *self._whole]:
            whole &= grid.masks(need.condition)[0]
        reasons = self._why.necessary(grid, self._build, stated | maybe)
        possible, sure = grid.some(possible, silent), grid.some(sure, silent)
        wrong = stated & ~possible
        if wrong:
            return Verdict(
                self._sizes(grid.smallest(wrong)), self._exact(grid, possible), None, reasons, False
            )
        doubt = (stated | maybe) & ~sure
        if doubt:
            witness = self._witness(grid, doubt)
            return Verdict(self._sizes(witness), None, None, reasons, witness is None)
        forbidden = _needless(grid, sure & whole, sure & whole & ~(stated | maybe))
        return Verdict(None, None, self._sizes(forbidden), (), False)

    def _silent(self, grid: Grid) -> list[int]:
        """Axes that the `where` does not speak of: what they need is no fault of it."""
        named = {name for atom in atoms(self._where) for name in atom.form.symbols()}
        return [i for i, axis in enumerate(grid.axes) if axis.name not in named]

    def _exact(self, grid: Grid, possible: int) -> str | None:
        """What `where` would have to be, so that it allows what it allows now and can be."""
        stated, maybe = grid.masks(self._where)
        if maybe or self.build.undecided:
            return None
        text = set_text(grid, stated & possible)
        return None if text == "false" else self._with_equal(text)

    def _with_equal(self, text: str) -> str:
        """A condition with the symbols that the `where` requires to be equal."""
        equal = [f"{name} == {other}" for name, other in self._names.items()]
        rest = f"({text})" if equal and has_or(text) else text
        return rest if rest == "false" else " and ".join(filter(None, [*equal, rest]))

    def _witness(self, grid: Grid, mask: int) -> dict[str, int] | None:
        """Sizes that the `where` allows and that cannot be, looked for among the smallest."""
        needs = [need.condition for need in self._build]
        for point in grid.members(mask)[:_WITNESSES]:
            sizes = grid.sizes(point)
            if _true_at(self._where, sizes) and any(_true_at(n, sizes) is False for n in needs):
                return sizes
        return None


def _needless(grid: Grid, good: int, spare: int) -> dict[str, int] | None:
    """The smallest sizes of `spare` that people would give, None if there are none.

    People give multiples: with padding, 63 may do as well as 64, and nobody misses it. What they
    would give are multiples of the smallest number all of whose multiples are good in the end.
    """
    points = grid.members(good)
    steps = []
    for i, axis in enumerate(grid.axes):
        cells = [c for at in {p[i] for p in points} for c in axis.classes[at] if c.last is None]
        residues = {cell.first % axis.period for cell in cells}
        divisors = (d for d in range(1, axis.period + 1) if axis.period % d == 0)
        even = (d for d in divisors if residues.issuperset(range(0, axis.period, d)))
        steps.append(next(even, None))
    best: tuple[int, dict[str, int]] | None = None
    for point in grid.members(spare):
        sizes: dict[str, int] = {}
        for axis, at, step in zip(grid.axes, point, steps, strict=True):
            given = [c.first for c in axis.classes[at] if step and c.first % step == 0]
            if given:
                sizes[axis.name] = min(given)
        units = prod(sizes.values())
        if len(sizes) == len(grid.axes) and (best is None or units < best[0]):
            best = units, sizes
    return best[1] if best else None


def _settled(need: Need, grid: Grid) -> bool:
    """Has the condition no part that could not be decided?"""
    return need.condition is not None and all(
        only_symbol(atom) is not None for atom in atoms(need.condition)
    ) and not grid.masks(need.condition)[1]  # fmt: skip


def _true_at(condition: Condition, sizes: dict[str, int]) -> bool | None:
    """The condition for given sizes; None where a form has no value."""

    def truth(atom: Atom) -> bool | None:
        try:
            return atom.at(sizes)
        except LookupError:
            return None

    return decide(condition, truth)


def equal_symbols(condition: Condition, names: Sequence[str]) -> dict[str, str]:
    """Symbols that a condition requires to equal another: `W == H` gives {W: H}."""
    found: dict[str, str] = {}
    for atom in atoms(condition):
        form = atom.form
        pair = [a for a, _ in form.terms]
        if atom.relation != "eq" or form.const or len(pair) != 2 or sum(k for _, k in form.terms):
            continue
        if not all(isinstance(a, str) and a in names for a in pair):
            continue
        # mypy cannot infer a lambda that binds the loop's variable by a default
        if decide(condition, lambda a, atom=atom: False if a == atom else None) is False:  # type: ignore[misc]
            first, second = sorted(map(str, pair), key=list(names).index)
            while first in found:
                first = found[first]
            if second not in found and second != first:
                found[second] = first
    return found


__all__ = ["Answer", "FreeSizes", "Need", "Reason", "Verdict"]
