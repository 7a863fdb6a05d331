"""What the emitter sees of a graph: units, their steps, and the layers that these call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

from ...graph import Choice, Input, Output, Tree, Value
from ...ops.call import Torch


@dataclass(slots=True)
class Leaf:
    """An operator, for given input shapes. `ports`: two for a max pool that gives positions."""

    op: str
    torch: Torch
    site: int
    family: str
    stateful: bool
    ports: int = 1


@dataclass(slots=True)
class Part:
    """An instance of a unit."""

    unit: int
    site: int


@dataclass(slots=True)
class Chain:
    """An `nn.Sequential` of keyed layers."""

    items: list[tuple[str, Layer]]


@dataclass(slots=True)
class Loop:
    """Iterations of a `for` or `repeat`, each with its steps."""

    site: int
    depth: int
    """Which entry of `Step.iters` counts its iterations."""
    iterations: list[list[Step]]


Layer = Union[Leaf, Part, Chain, Loop]


@dataclass(slots=True)
class Step:
    """One line of a unit's forward: a layer applied to values (ids into `Unit.values`)."""

    layer: Layer
    path: str
    """Where its module stands in the unit, if it needs one."""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    takes: tuple[Tree, ...]
    """`inputs` as trees, one per argument."""
    gives: tuple[Tree, ...]
    """`outputs` as trees, one per result."""
    site: int
    iters: tuple[int, ...]
    skip: bool = False
    labelled: bool = False
    """Its name was given by the user."""

    @property
    def is_identity(self) -> bool:
        return isinstance(self.layer, Leaf) and self.layer.op == "identity"

    @property
    def is_function(self) -> bool:
        """Called without a module: `F.relu(x)`."""
        return isinstance(self.layer, Leaf) and self.layer.torch.function is not None


@dataclass(slots=True)
class Unit:
    """What an instance of a class is: inputs, steps and outputs."""

    name: str
    kind: str
    group: tuple[object, ...]
    """Units of one group are tried as one class."""
    doc: str
    args: dict[str, object]
    inputs: list[Input]
    outputs: list[Output]
    values: list[Value]
    steps: list[Step]
    choices: list[Choice]
    positional: bool
    loops: list[Loop] = field(default_factory=list)
    """The loops that its steps stand in, outer ones first."""
    base: int = 0
    """Leading entries of `Step.iters` that say nothing: they are the same in all steps."""
    chain: Chain | None = None
    """The unit is itself an `nn.Sequential`."""
    sizes: frozenset[int] = frozenset()
    """Values that are no tensors but spatial sizes."""
    aliases: list[Input] = field(default_factory=list)
    """The inputs of the body around an extracted group: their patterns name sizes."""
