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


class Started(Frozen):
    """Has weights whose start can be chosen, by initialisers or (`numbers`) outright."""

    inits: ClassVar[dict[str, str]] = {"weight": "init"}
    """Tensor -> the parameter that gives its initialiser."""
    numbers: ClassVar[dict[str, str]] = {}
    """Tensor -> the parameter that gives its numbers."""

    init: Start = Field(None, description="how the weight starts; otherwise as in PyTorch")

    def start(self, tensor: str) -> Any:
        """How a tensor starts: an `Initializer`, a nested tuple, or None (as in PyTorch)."""
        given = getattr(self, self.numbers[tensor]) if tensor in self.numbers else None
        return getattr(self, self.inits[tensor]) if given is None or given is True else given

    def coherent(self) -> None:
        for tensor, init in self.inits.items():
            given = getattr(self, self.numbers[tensor]) if tensor in self.numbers else None
            if getattr(self, init) is None or given is None or given is True:
                continue
            if given is False:
                raise OpError("E0312", f"`{init}` is given, but there is no {tensor}", init)
            text = f"`{self.numbers[tensor]}` and `{init}` both say how the {tensor} starts"
            raise OpError("E0312", text, init)

    def check(self, *xs: Shape) -> None:
        super().check(*xs)
        self.check_starts(xs[0])

    def check_starts(self, x: Shape) -> None:
        """E0408 where given numbers have another shape than the tensor, E0312 where an initialiser
        needs more axes than it has."""
        for tensor, shape in self.weights(x).items():
            start = self.start(tensor)
            if isinstance(start, tuple) and shape_of(start) != tuple(shape):
                name = self.numbers[tensor]
                text = f"`{name}` is given as {show(shape_of(start))}, but the {tensor} is"
                raise OpError("E0408", f"{text} {show(shape)}", name)
            if isinstance(start, Initializer) and start.axes > len(shape):
                text = f"`{start.name}` needs {start.axes} axes, but the {tensor} is {show(shape)}"
                raise OpError("E0312", text, self.inits[tensor])

    def setup(self, x: Shape) -> tuple[tuple[Any, ...], tuple[Helper, ...]]:
        calls: list[Any] = []
        helpers: list[Helper] = []
        for tensor in self.weights(x):
            start = self.start(tensor)
            # PyTorch types `bias` as perhaps None; `get_parameter` is sure.
            bias = Method(Module(), "get_parameter", (tensor,))
            filled = bias if tensor == "bias" else Weight(tensor)
            if isinstance(start, tuple):
                table = Call("torch.tensor", (_lists(start),))
                calls.append(Method(Method(filled, "detach"), "copy_", (table,)))
            elif start is not None:
                call, needed = start.call(filled)
                calls.append(call)
                helpers.extend(needed)
        frozen, _ = super().setup(x)
        return (*calls, *frozen), tuple(helpers)


class Initialized(Started):
    """Has a weight, and perhaps a bias, that start from an initialiser or from given numbers."""

    inits = {"weight": "init", "bias": "bias_init"}
    numbers = {"weight": "weight", "bias": "bias"}

    bias: Biases = Field(
        True, description="add a learned number per channel; a number or a list is where it starts"
    )
    weight: Weights = Field(
        None, description="the weight's numbers: a nested list of its shape, or one for all"
    )
    init: Start = Field(None, description="how the weight starts; otherwise as in PyTorch")
    bias_init: Start = Field(None, description="how the bias starts; otherwise as in PyTorch")

    @property
    def has_bias(self) -> bool:
        return self.bias is not False


def _lists(table: Any) -> Any:
    """Nested tuples as nested lists of numbers, as one writes a tensor."""
    return [_lists(row) for row in table] if isinstance(table, tuple) else table
