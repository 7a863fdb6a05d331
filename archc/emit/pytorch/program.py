"""A forward of several units: steps with where they are, and values by where they come from.

A column is a unit. A value that comes from different steps in different columns is a `Phi`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

from .layers import Step, Unit
from .loops import Plan


@dataclass(frozen=True, slots=True)
class Val:
    """A tensor: result `result` of step `step` (-1: of the inputs), element `path` of its list."""

    step: int
    result: int
    path: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Phi:
    """A tensor that comes from different places, by column."""

    columns: tuple[Val | None, ...]


Ref = Union[Val, Phi]
Key = tuple[int, int, int]
"""A value in a forward: (frame, step, result); see `frames`."""
RefTree = Union[Val, Phi, list["RefTree"]]


@dataclass(slots=True)
class Merged:
    """A step of several units; `steps[k]` is None where unit k lacks it."""

    steps: list[Step | None]
    takes: list[RefTree] = field(default_factory=list)
    optional: bool = False
    """A module in its columns and the identity in the others: it is called in all of them."""
    rolled: Rolled | None = None
    """It is a loop."""
    listed: bool = False
    """It joins as many values as there are: its only argument is their list."""

    @property
    def first(self) -> Step:
        return next(s for s in self.steps if s is not None)

    @property
    def present(self) -> tuple[bool, ...]:
        return tuple(s is not None for s in self.steps)


@dataclass(slots=True)
class Rolled:
    """A loop: the program of its iterations, and what that takes from the program around it.

    A column of `program` is an iteration of a column. `taken[n]` says for its input n, by column of
    the program around, where it comes from (before the first iteration, if it is handed on); for
    elements of a list, by iteration.
    """

    plan: Plan
    program: Program
    taken: list[Ref | list[Ref]]
    results: int
    """Outputs of `program` from here on are results of the loop; those before are handed on."""


@dataclass(slots=True)
class End:
    """An output: its value, and whether it is there in training only."""

    name: str | None
    value: RefTree
    training: bool


@dataclass(slots=True)
class Program:
    """One forward for several units."""

    units: list[Unit]
    steps: list[Merged]
    outputs: list[End]

    def length(self, element: Val, column: int) -> int:
        """Of the list that a value is an element of; 0 where it is of none."""
        if element.step < 0:
            tree = self.units[column].inputs[element.result].value
        else:
            step = self.steps[element.step].steps[column]
            tree = 0 if step is None else step.gives[element.result]
        return len(tree) if isinstance(tree, list) else 0
