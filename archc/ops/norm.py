"""Normalisation: units are brought to mean 0 and variance 1 over one set or another."""

from typing import Annotated, Any

from pydantic import Field

from .base import Op, OpError, Shape, undivided
from .call import Call, Input, Torch
from .kinds import Bool, Count, Momentum, NotNegative, Number, OneOf, Start
from .weights import Started
from .windows import GATE, POINT, Geometry


class Norm(Started):
    """Common to all with a learned scale and shift."""

    family = "norm"
    inits = {"weight": "init", "bias": "bias_init"}

    init: Start = Field(None, description="how the scale starts; otherwise at 1")
    bias_init: Start = Field(None, description="how the shift starts; otherwise at 0")

    def learns(self) -> bool:
        """Has it a scale and a shift?"""
        return bool(getattr(self, "affine", True))

    def coherent(self) -> None:
        for name in ("init", "bias_init", "frozen"):
            if not self.learns() and getattr(self, name):
                text = f"`{name}` is given, but `affine=false` leaves nothing to learn"
                raise OpError("E0312", text, name)

    def affine_shape(self, x: Shape) -> Shape:
        return (x[0],)

    def weights(self, x: Shape) -> dict[str, Shape]:
        if not self.learns():
            return {}
        return {"weight": self.affine_shape(x), "bias": self.affine_shape(x)}

    def _module(self, x: Shape, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Torch:
        setup, helpers = self.setup(x)
        return Torch(Call(name, args, kwargs), setup=setup, helpers=helpers)


class _Running(Norm):
    """Keeps, or can keep, running averages of mean and variance."""

    affine: Bool
    eps: NotNegative
    momentum: Annotated[float | str, Momentum()]
    track_stats: Bool

    def buffers(self, x: Shape) -> dict[str, Shape]:
        if not self.track_stats:
            return {}
        return {"running_mean": (x[0],), "running_var": (x[0],), "num_batches_tracked": ()}

    def _settings(self, affine: bool, track: bool) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.eps != 1e-5:
            found["eps"] = self.eps
        if self.momentum != 0.1:
            found["momentum"] = None if self.momentum == "cumulative" else self.momentum
        if self.affine != affine:
            found["affine"] = self.affine
        if self.track_stats != track:
            found["track_running_stats"] = self.track_stats
        return found


class BatchNorm(_Running):
    """Normalises each channel over the batch and all places. Ioffe, Szegedy 2015."""

    op = "batchnorm"
    formulas = {"params": "2·C if affine", "buffers": "2·C + 1 if track_stats"}

    eps: NotNegative = Field(1e-5, description="added to the variance")
    momentum: Annotated[float | str, Momentum()] = Field(
        0.1, description="weight of a new batch in the running averages"
    )
    affine: Bool = Field(True, description="learn a scale and a shift per channel")
    track_stats: Bool = Field(True, description="keep running averages, used in evaluation")

    def axes(self, x: Shape) -> tuple[Geometry, ...]:
        # Without averages, evaluation too takes mean and variance of what arrives.
        return ((POINT if self.track_stats else GATE),) * (len(x) - 1)

    def torch(self, *xs: Shape) -> Torch:
        x = xs[0]
        name = f"nn.BatchNorm{max(1, len(x) - 1)}d"
        return self._module(x, name, (x[0],), self._settings(True, True))


class InstanceNorm(_Running):
    """Normalises each channel of each sample over its places. Ulyanov et al. 2016."""

    op = "instancenorm"
    formulas = {"params": "2·C if affine", "buffers": "2·C + 1 if track_stats"}
    ranks = (1, 2, 3)

    eps: NotNegative = Field(1e-5, description="added to the variance")
    momentum: Annotated[float | str, Momentum()] = Field(
        0.1, description="weight of a new batch in the running averages"
    )
    affine: Bool = Field(False, description="learn a scale and a shift per channel")
    track_stats: Bool = Field(False, description="keep running averages, used in evaluation")

    def axes(self, x: Shape) -> tuple[Geometry, ...]:
        return (GATE,) * (len(x) - 1)

    def check(self, *xs: Shape) -> None:
        super().check(*xs)
        if all(n == 1 for n in xs[0][1:]):
            text = "`instancenorm` of one place per channel has no variance"
            raise OpError("E0408", text, help="use `layernorm` or `groupnorm` there")

    def torch(self, *xs: Shape) -> Torch:
        x = xs[0]
        settings = self._settings(False, False)
        return self._module(x, f"nn.InstanceNorm{len(x) - 1}d", (x[0],), settings)


class LayerNorm(Norm):
    """Normalises each sample over all its units, or each place over its channels.
    Ba et al. 2016."""

    op = "layernorm"
    example = ({"over": "channels"}, ((64, 32, 32),))
    formulas = {"params": "2 · all units, or 2·C if over=channels"}

    over: Annotated[str, OneOf("all", "channels")] = Field(
        "all", description="all axes together (fixes their sizes), or the channels of each place"
    )
    eps: NotNegative = Field(1e-5, description="added to the variance")
    affine: Bool = Field(True, description="learn a scale and a shift")

    def axes(self, x: Shape) -> tuple[Geometry, ...]:
        return (POINT if self.over == "channels" else GATE,) * (len(x) - 1)

    def affine_shape(self, x: Shape) -> Shape:
        return x if self.over == "all" else (x[0],)

    def torch(self, *xs: Shape) -> Torch:
        x = xs[0]
        kwargs: dict[str, Any] = {} if self.eps == 1e-5 else {"eps": self.eps}
        if not self.affine:
            kwargs["elementwise_affine"] = False
        if self.over == "all" or len(x) == 1:
            shape: Any = x[0] if len(x) == 1 else tuple(int(n) for n in x)
            return self._module(x, "nn.LayerNorm", (shape,), kwargs)
        from .helpers import CHANNEL_NORM

        setup, helpers = self.setup(x)
        module = Call(CHANNEL_NORM.name, (x[0],), kwargs)
        return Torch(module, setup=setup, helpers=(CHANNEL_NORM, *helpers))


class GroupNorm(Norm):
    """Normalises groups of channels of each sample over their places. Wu, He 2018."""

    op = "groupnorm"
    example = ({"groups": 32}, ((64, 32, 32),))
    formulas = {"params": "2·C if affine"}

    groups: Count = Field(description="groups that the channels are divided into")
    eps: NotNegative = Field(1e-5, description="added to the variance")
    affine: Bool = Field(True, description="learn a scale and a shift per channel")

    def axes(self, x: Shape) -> tuple[Geometry, ...]:
        return (GATE,) * (len(x) - 1)

    def check(self, *xs: Shape) -> None:
        super().check(*xs)
        channels = xs[0][0]
        if channels % self.groups:
            text = f"{int(channels)} channels do not divide into {self.groups} groups"
            raise undivided("groups", text, channels, self.groups)
        if channels == self.groups and all(n == 1 for n in xs[0][1:]):
            text = "`groupnorm` of one unit per group has no variance"
            raise OpError("E0408", text, "groups", help="use `layernorm` or fewer groups there")

    def torch(self, *xs: Shape) -> Torch:
        x = xs[0]
        kwargs: dict[str, Any] = {} if self.eps == 1e-5 else {"eps": self.eps}
        if not self.affine:
            kwargs["affine"] = False
        return self._module(x, "nn.GroupNorm", (self.groups, x[0]), kwargs)


class Lrn(Op):
    """Local response normalisation: divides by the energy of the nearest channels.
    Krizhevsky et al. 2012."""

    op = "lrn"
    family = "norm"
    ranks = (1, 2, 3)
    example = ({"size": 5}, ((96, 55, 55),))

    size: Count = Field(description="channels that are looked at")
    alpha: Number = Field(1e-4, description="factor of their mean square")
    beta: Number = Field(0.75, description="exponent")
    k: Number = Field(1.0, description="added before the exponent")

    def torch(self, *xs: Shape) -> Torch:
        defaults = {"alpha": 1e-4, "beta": 0.75, "k": 1.0}
        kwargs = {n: v for n, d in defaults.items() if (v := getattr(self, n)) != d}
        function = Call("F.local_response_norm", (Input(), self.size), kwargs)
        return Torch(Call("nn.LocalResponseNorm", (self.size,), kwargs), function)
