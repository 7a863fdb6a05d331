"""What operators with weights have in common: bias, given values, initialisers, freezing."""

from typing import Any, ClassVar

from pydantic import Field

from .base import Op, OpError, Shape, show
from .call import Call, Helper, Method, Module, Weight
from .init import Initializer
from .kinds import Biases, Bool, Start, Weights, shape_of


class Frozen(Op):
    """Has weights that can be kept from training."""

    frozen: Bool = Field(False, description="keep the weights as they start: they are not trained")

    def setup(self, x: Shape) -> tuple[tuple[Any, ...], tuple[Helper, ...]]:
        """Statements to run once after construction, and the helpers that they name."""
        return (Method(Module(), "requires_grad_", (False,)),) if self.frozen else (), ()


class Initialized(Frozen):
    """Has a weight, and perhaps a bias, that start from an initialiser or from given numbers."""

    starts: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("weight", "weight", "init"),
        ("bias", "bias", "bias_init"),
    )
    """(tensor, parameter that gives its numbers or "", parameter that gives its initialiser)."""

    bias: Biases = Field(
        True, description="add a learned number per channel; a number or a list is where it starts"
    )
    weight: Weights = Field(
        None, description="the weight's numbers: a nested list of its shape, or one for all"
    )
    init: Start = Field(None, description="how the weight starts; otherwise as in PyTorch")
    bias_init: Start = Field(None, description="how the bias starts; otherwise as in PyTorch")
    frozen: Bool = Field(False, description="keep the weights as they start: they are not trained")

    def coherent(self) -> None:
        for _, numbers, init in self.starts:
            given = getattr(self, numbers) if numbers else None
            if getattr(self, init, None) is None:
                continue
            if given is False:
                raise OpError("E0312", f"`{init}` is given, but there is no bias", init)
            if given is not None and given is not True:
                text = f"`{numbers}` and `{init}` both say how the {numbers} starts"
                raise OpError("E0312", text, init)

    def check_starts(self, x: Shape) -> None:
        """E0408 where given numbers have another shape than the tensor, E0312 where an initialiser
        needs more axes than it has."""
        for tensor, shape in self.weights(x).items():
            for name, numbers, init in self.starts:
                if name != tensor:
                    continue
                given = getattr(self, numbers) if numbers else None
                if isinstance(given, tuple) and shape_of(given) != tuple(shape):
                    text = f"`{numbers}` is given as {show(shape_of(given))}"
                    text += f", but the {tensor} is {show(shape)}"
                    raise OpError("E0408", text, numbers)
                start = getattr(self, init)
                if isinstance(start, Initializer) and start.axes > len(shape):
                    text = f"`{start.name}` needs {start.axes} axes, but the {tensor} is"
                    raise OpError("E0312", f"{text} {show(shape)}", init)

    def setup(self, x: Shape) -> tuple[tuple[Any, ...], tuple[Helper, ...]]:
        calls: list[Any] = []
        helpers: list[Helper] = []
        for tensor in self.weights(x):
            for name, numbers, init in self.starts:
                if name != tensor:
                    continue
                given = getattr(self, numbers) if numbers else None
                start = given if isinstance(given, Initializer) else getattr(self, init)
                if isinstance(given, tuple):
                    table = Call("torch.tensor", (_lists(given),))
                    raw = Method(Weight(tensor), "detach")
                    calls.append(Method(raw, "copy_", (table,)))
                elif start is not None:
                    call, needed = start.call(Weight(tensor))
                    calls.append(call)
                    helpers.extend(needed)
        frozen, _ = super().setup(x)
        return (*calls, *frozen), tuple(helpers)

    @property
    def has_bias(self) -> bool:
        return self.bias is not False


def _lists(table: Any) -> Any:
    """Nested tuples as nested lists of numbers, as one writes a tensor."""
    return [_lists(row) for row in table] if isinstance(table, tuple) else table
