"""Activations: functions of each unit, or of the channels at each place."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from .base import Op, OpError, Shape, spatial
from .call import Call, Input, Method, Torch
from .kinds import Count, Number, OneOf, Positive, Start
from .weights import Started
from .windows import GATE, Geometry


class Pointwise(Op):
    """A function of each unit. `settings` are the arguments that PyTorch is given, if not its own
    defaults; both forms, `nn.X(...)` and `F.x(...)`, take them by the same names."""

    family = "activation"
    layer: ClassVar[str]
    function: ClassVar[str]

    def settings(self) -> dict[str, Any]:
        return {}

    def torch(self, *xs: Shape) -> Torch:
        settings = self.settings()
        module = Call(f"nn.{self.layer}", (), settings)
        return Torch(module, Call(self.function, (Input(),), settings))


class Relu(Pointwise):
    """max(x, 0)."""

    op = "relu"
    layer, function = "ReLU", "F.relu"


class Relu6(Pointwise):
    """min(max(x, 0), 6)."""

    op = "relu6"
    layer, function = "ReLU6", "F.relu6"


class LeakyRelu(Pointwise):
    """x where positive, slope * x elsewhere."""

    op = "leaky_relu"
    layer, function = "LeakyReLU", "F.leaky_relu"

    slope: Number = Field(0.01, description="factor of negative values")

    def settings(self) -> dict[str, Any]:
        return {} if self.slope == 0.01 else {"negative_slope": self.slope}


class Prelu(Started):
    """Leaky ReLU whose slope is learned. He et al. 2015."""

    op = "prelu"
    family = "activation"
    formulas = {"params": "1, or C if per=channel"}

    per: Annotated[str, OneOf("layer", "channel")] = Field(
        "layer", description="one slope for all channels, or one for each"
    )
    init: Start = Field(None, description="how the slopes start; otherwise at 0.25")

    def weights(self, x: Shape) -> dict[str, Shape]:
        return {"weight": (x[0] if self.per == "channel" else 1,)}

    def torch(self, *xs: Shape) -> Torch:
        setup, helpers = self.setup(xs[0])
        args = (xs[0][0],) if self.per == "channel" else ()
        return Torch(Call("nn.PReLU", args), setup=setup, helpers=helpers)


class Elu(Pointwise):
    """x where positive, alpha * (exp(x) - 1) elsewhere. Clevert et al. 2015."""

    op = "elu"
    layer, function = "ELU", "F.elu"

    alpha: Number = Field(1.0, description="minus the limit at minus infinity")

    def settings(self) -> dict[str, Any]:
        return {} if self.alpha == 1 else {"alpha": self.alpha}


class Gelu(Pointwise):
    """x times the normal distribution function of x. Hendrycks, Gimpel 2016."""

    op = "gelu"
    layer, function = "GELU", "F.gelu"

    approximate: Annotated[str, OneOf("none", "tanh")] = Field(
        "none", description="`tanh`: the faster approximation"
    )

    def settings(self) -> dict[str, Any]:
        return {} if self.approximate == "none" else {"approximate": self.approximate}


class Silu(Pointwise):
    """x * sigmoid(x), also known as swish."""

    op = "silu"
    layer, function = "SiLU", "F.silu"


class Hardswish(Pointwise):
    """x * min(max(x + 3, 0), 6) / 6. Howard et al. 2019."""

    op = "hardswish"
    layer, function = "Hardswish", "F.hardswish"


class Hardsigmoid(Pointwise):
    """min(max(x + 3, 0), 6) / 6."""

    op = "hardsigmoid"
    layer, function = "Hardsigmoid", "F.hardsigmoid"


class Sigmoid(Pointwise):
    """1 / (1 + exp(-x))."""

    op = "sigmoid"
    layer, function = "Sigmoid", "torch.sigmoid"


class Tanh(Pointwise):
    """Hyperbolic tangent."""

    op = "tanh"
    layer, function = "Tanh", "torch.tanh"


class ScaledTanh(Op):
    """amplitude * tanh(slope * x), which is near 1 at 1 and -1 at -1. LeCun et al. 1998."""

    op = "scaled_tanh"
    family = "activation"

    amplitude: Number = Field(1.7159, description="limit at infinity")
    slope: Number = Field(2 / 3, description="factor of x")

    def torch(self, *xs: Shape) -> Torch:
        from .helpers import SCALED_TANH

        module = Call(SCALED_TANH.name, (self.amplitude, self.slope))
        return Torch(module, helpers=(SCALED_TANH,))


class Softplus(Pointwise):
    """log(1 + exp(beta x)) / beta, linear above the threshold."""

    op = "softplus"
    layer, function = "Softplus", "F.softplus"

    beta: Positive = Field(1.0, description="sharpness of the bend")
    threshold: Number = Field(20.0, description="beta * x above which it is linear")

    def settings(self) -> dict[str, Any]:
        found: dict[str, Any] = {} if self.beta == 1 else {"beta": self.beta}
        return found if self.threshold == 20 else {**found, "threshold": self.threshold}


class Softmax(Op):
    """exp(x) divided by the sum of exp(x): probabilities."""

    op = "softmax"
    family = "activation"

    over: Annotated[str, OneOf("channels", "places")] = Field(
        "channels", description="sums to 1 over the channels of each place, or over all places"
    )

    def axes(self, x: Shape) -> tuple[Geometry, ...]:
        return super().axes(x) if self.over == "channels" else (GATE,) * (len(x) - 1)

    def check(self, *xs: Shape) -> None:
        if spatial(self, xs[0]) == 0 and self.over == "places":
            raise OpError("E0402", "`softmax(over=places)` needs spatial axes", "over")

    def torch(self, *xs: Shape) -> Torch:
        if self.over == "places":
            from .helpers import PLACE_SOFTMAX

            return Torch(Call(PLACE_SOFTMAX.name), helpers=(PLACE_SOFTMAX,))
        settings = {"dim": 1}
        return Torch(Call("nn.Softmax", (), settings), Call("F.softmax", (Input(),), settings))


class Exp(Op):
    """Exponential function."""

    op = "exp"
    family = "activation"

    def torch(self, *xs: Shape) -> Torch:
        from .helpers import EXP

        return Torch(Call(EXP.name), Call("torch.exp", (Input(),)), helpers=(EXP,))


class Maxout(Op):
    """The largest of each group of adjacent channels. Goodfellow et al. 2013."""

    op = "maxout"
    family = "activation"
    example = ({"pieces": 2}, ((64, 16, 16),))
    formulas = {"channels": "C / pieces"}

    pieces: Count = Field(2, description="channels in a group; there are so many times fewer after")

    def channels_out(self, x: Shape) -> int:
        return x[0] // self.pieces

    def check(self, *xs: Shape) -> None:
        spatial(self, xs[0])
        if xs[0][0] % self.pieces:
            text = f"{int(xs[0][0])} channels do not divide into groups of {self.pieces}"
            raise OpError("E0404", text, "pieces")

    def torch(self, *xs: Shape) -> Torch:
        from .helpers import MAXOUT

        grouped = Method(Input(), "unflatten", (1, (-1, self.pieces)))
        function = Method(grouped, "amax", (), {"dim": 2})
        return Torch(Call(MAXOUT.name, (self.pieces,)), function, helpers=(MAXOUT,))


class Identity(Op):
    """What comes in."""

    op = "identity"
    family = "activation"

    def torch(self, *xs: Shape) -> Torch:
        return Torch(Call("nn.Identity"), Input())
