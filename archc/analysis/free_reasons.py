"""Why free sizes must be as they must: the layers that need it, and how sizes came to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import NamedTuple

from ..dims import Floor, Linear
from .free_needs import Need, floors, shape_text
from .free_sets import Grid
from .free_text import set_text


class Reason(NamedTuple):
    """A part of the answer: the condition as text, and the layer that is why."""

    text: str
    because: str
    file: str
    line: int


class Reasons:
    """Words for the needs of one network."""

    def __init__(self, steps: Mapping[Floor, tuple[int, str, Linear]], main: str) -> None:
        """`steps`: where sizes were divided (line, file, the size before); `main`: the spec."""
        self._steps = steps
        self._main = main

    def necessary(self, grid: Grid, needs: list[Need], given: int) -> tuple[Reason, ...]:
        """The needs without which other sizes were possible, latest first to be kept."""
        masks = [(need, grid.masks(need.condition)) for need in needs]
        sets = [(need, holds | unknown) for need, (holds, unknown) in masks]
        total = given
        for _, mask in sets:
            total &= mask
        # Each is dropped that the earlier ones kept and the later ones imply together.
        after = [given] * (len(sets) + 1)
        for i in range(len(sets) - 1, -1, -1):
            after[i] = after[i + 1] & sets[i][1]
        kept, before = [], given
        for i, (need, mask) in enumerate(sets):
            if before & after[i + 1] != total:
                kept.append((need, mask))
                before &= mask
        return self.each(grid, kept)

    def each(self, grid: Grid, needs: list[tuple[Need, int]]) -> tuple[Reason, ...]:
        """A reason for each line that needs something of the sizes of a mask."""
        return tuple(self.reason(set_text(grid, mask), need) for need, mask in _by_line(needs))

    def reason(self, text: str, need: Need) -> Reason:
        arrives = dict.fromkeys(map(shape_text, need.arrives))
        because = f"{need.what} ({self._place(need.file, need.line)})"
        if arrives:
            because += f" {'joins' if len(arrives) > 1 else 'gets'} {' and '.join(arrives)}"
        steps = self._chain(need.forms())
        return Reason(text, f"{because}; {steps}" if steps else because, need.file, need.line)

    def _place(self, file: str, line: int) -> str:
        return f"line {line}" if file == self._main else f"{file}:{line}"

    def _chain(self, forms: Iterable[Linear]) -> str:
        """How the most divided of some sizes came to be: `halved 4 times (lines 5, 8)`."""
        atom = max(
            (atom for form in forms for atom in _floors_within(form)),
            key=lambda a: a.divisor,
            default=None,
        )
        ratios: list[int] = []
        places: list[str] = []
        while atom is not None and atom in self._steps:
            line, file, before = self._steps[atom]
            coarser = atom.divisor
            smaller = [a for a in floors(before) if a.divisor < coarser]
            inner = max(smaller, key=lambda a: a.divisor, default=None)
            ratios.append(atom.divisor // (inner.divisor if inner is not None else 1))
            places.append(str(line) if file == self._main else f"{file}:{line}")
            atom = inner
        if not ratios:
            return ""
        times = f"{len(ratios)} times" if len(ratios) > 1 else "once"
        how = f"halved {times}" if set(ratios) == {2} else f"divided by {prod(ratios)} in all"
        lines = list(dict.fromkeys(reversed(places)))
        return f"{how} ({'line' if len(lines) == 1 else 'lines'} {', '.join(lines)})"


def _by_line(kept: list[tuple[Need, int]]) -> list[tuple[Need, int]]:
    """What one line needs, together: in the words of where the most was divided."""
    found: dict[tuple[str, int, str], tuple[Need, int]] = {}
    for need, mask in kept:
        key = need.file, need.line, need.what
        if key in found:
            other, before = found[key]
            need, mask = max(need, other, key=lambda n: _most(n.forms())), mask & before
        found[key] = need, mask
    return list(found.values())


def _most(forms: Iterable[Linear]) -> int:
    """The largest divisor in some sizes."""
    return max((a.divisor for form in forms for a in _floors_within(form)), default=1)


def _floors_within(form: Linear) -> list[Floor]:
    """The floors of a sum, also those in its products."""
    _, factors = form.factors()
    return [atom for factor in factors for atom in floors(factor)]
