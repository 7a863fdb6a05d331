"""What an operator is: one frozen pydantic class that states its parameters, geometry and weights.

Shape, parameter count, receptive field and state_dict entries are derived here from what it states,
so they cannot disagree. Operators know nothing of source text: they raise `OpError`, and whoever
called them knows the place.
"""

from __future__ import annotations

from math import prod
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from .call import Torch
from .windows import POINT, Geometry

Shape = tuple[int, ...]
"""Without the batch: (C, H, W), (C, L), (C, D, H, W) or (F,)."""

REF = "<value>"
"""Stands in a parameter (`to=`, `from=`) that was given a value of the graph: the next input."""


class OpError(Exception):
    """An operator refuses its arguments or inputs. `parameter` names the argument at fault, if one.

    `notes` carry the arithmetic (`(32 + 2·1 - 3) / 2 + 1 = 16`), `help` a way out.
    """

    def __init__(
        self,
        code: str,
        message: str,
        parameter: str | None = None,
        notes: tuple[str, ...] = (),
        help: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.parameter = parameter
        self.notes = notes
        self.help = help


class Op(BaseModel):
    """Base of all operators. The order of the fields is the order of positional arguments.

    A field whose name is a Python keyword carries a trailing underscore and an alias (`from_`).
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", defer_build=True, populate_by_name=True
    )

    op: ClassVar[str]
    """As spelled in .arch."""
    family: ClassVar[str]
    """Groups operators in `archc ops` and gives the colour in diagrams."""
    arity: ClassVar[int | None] = 1
    """Values it takes besides those given as parameters; None: any number."""
    weighty: ClassVar[bool] = False
    """Counts as a weight layer in `depth` and `neurons` (conv, conv_transpose, linear, ...)."""

    # ------------------------------------------------------------------ stated by each operator

    def channels_out(self, x: Shape) -> int:
        """Channels (or features) of the result."""
        return x[0]

    def axes(self, x: Shape) -> tuple[Geometry, ...]:
        """Geometry of each spatial axis of the first input."""
        return (POINT,) * (len(x) - 1)

    def weights(self, x: Shape) -> dict[str, Shape]:
        """Learned tensors by state_dict name, in PyTorch's order; frozen ones too."""
        return {}

    def buffers(self, x: Shape) -> dict[str, Shape]:
        """Persistent buffers by state_dict name."""
        return {}

    def macs(self, *xs: Shape) -> int:
        """Multiply-accumulates per sample, bias ignored."""
        return 0

    def check(self, *xs: Shape) -> None:
        """Raise `OpError` where the inputs cannot be taken."""

    def torch(self, *xs: Shape) -> Torch:
        """How it is written in PyTorch for these inputs."""
        raise NotImplementedError  # every registered class overrides this; tests see to it

    # ------------------------------------------------------------------ derived

    def shape(self, *xs: Shape) -> Shape:
        """Shape of the (only) result. The first input decides."""
        x = xs[0]
        sizes = [g.size(n) for g, n in zip(self.axes(x), x[1:], strict=True)]
        return (self.channels_out(x), *sizes)

    def outputs(self, *xs: Shape) -> tuple[Shape, ...]:
        """Shapes of all results; `split` has several."""
        return (self.shape(*xs),)

    def reads(self, *xs: Shape) -> tuple[tuple[Geometry, ...] | None, ...]:
        """For each input, how its spatial axes are read; None: its values are not (only its size)."""
        return (self.axes(xs[0]), *(None for _ in xs[1:]))

    @property
    def is_frozen(self) -> bool:
        """Weights are there but not trained."""
        return bool(getattr(self, "frozen", False))

    def count_weights(self, x: Shape) -> int:
        """Scalars in all weights, frozen or not."""
        return sum(prod(s) for s in self.weights(x).values())

    def count_buffers(self, x: Shape) -> int:
        """Scalars in all persistent buffers."""
        return sum(prod(s) for s in self.buffers(x).values())

    def given(self) -> dict[str, Any]:
        """Arguments that differ from the defaults, by their names in .arch."""
        fields = type(self).model_fields
        found: dict[str, Any] = {}
        for name, info in fields.items():
            value = getattr(self, name)
            if value != info.default or info.is_required():
                found[info.alias or name] = value
        return found
