"""Initialisers: how a weight starts (`init=trunc_normal(0.02)`), by PyTorch's names."""

from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from ..diagnostics.model import closest
from .call import Call, Helper
from .error import OpError

Setting = float | int | str


class Known(NamedTuple):
    """An initialiser: its parameters in order, with defaults (None: must be given); the number of
    axes that a weight needs for it; and what it does."""

    parameters: dict[str, Setting | None]
    axes: int
    doc: str


_FAN: dict[str, Setting | None] = {"a": 0, "mode": "fan_in", "nonlinearity": "leaky_relu"}
WORDS = {
    "mode": ("fan_in", "fan_out"),
    "nonlinearity": ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"),
}
"""Parameters of initialisers that take bare words, and which."""

KNOWN: dict[str, Known] = {
    "zeros": Known({}, 0, "all zero"),
    "ones": Known({}, 0, "all one"),
    "constant": Known({"value": None}, 0, "one value everywhere"),
    "normal": Known({"std": 1, "mean": 0}, 0, "normally distributed"),
    "trunc_normal": Known({"std": 1, "mean": 0, "a": -2, "b": 2}, 0, "normal, cut off at a and b"),
    "uniform": Known({"a": 0, "b": 1}, 0, "uniform between a and b"),
    "xavier_uniform": Known({"gain": 1}, 2, "uniform by fan in and out. Glorot, Bengio 2010"),
    "xavier_normal": Known({"gain": 1}, 2, "normal by fan in and out. Glorot, Bengio 2010"),
    "kaiming_uniform": Known(_FAN, 2, "uniform by fan. He et al. 2015"),
    "kaiming_normal": Known(_FAN, 2, "normal by fan. He et al. 2015"),
    "orthogonal": Known({"gain": 1}, 2, "orthogonal. Saxe et al. 2013"),
    "dirac": Known({"groups": 1}, 3, "the identity, for convolutions"),
    "bilinear": Known({}, 3, "bilinear interpolation, for conv_transpose. Long et al. 2015"),
}


class Initializer(BaseModel):
    """A named way to fill a weight; arguments are complete except for defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    args: tuple[Setting, ...] = ()
    kwargs: tuple[tuple[str, Setting], ...] = ()

    def __str__(self) -> str:
        parts = [str(a) for a in self.args] + [f"{k}={v}" for k, v in self.kwargs]
        return f"{self.name}({', '.join(parts)})" if parts else self.name

    @property
    def axes(self) -> int:
        """Axes that a weight must have."""
        return KNOWN[self.name].axes

    @property
    def settings(self) -> dict[str, Setting]:
        """Every argument that differs from the initialiser's default, by name."""
        known = KNOWN[self.name].parameters
        found = dict(zip(known, self.args, strict=False)) | dict(self.kwargs)
        return {k: v for k, v in found.items() if v != known[k]}

    def call(self, weight: Any) -> tuple[Call, tuple[Helper, ...]]:
        """The statement that fills `weight` (an expression of `call.py`), and what it needs."""
        if self.name == "bilinear":
            from .helpers import BILINEAR

            return Call(BILINEAR.name, (weight,)), (BILINEAR,)
        settings: dict[str, Any] = self.settings
        positional: tuple[Any, ...] = (weight,)
        if self.name == "constant":
            positional, settings = (weight, settings["value"]), {}
        return Call(f"nn.init.{self.name}_", positional, settings), ()


def constant(value: float) -> Initializer:
    """A number given where an initialiser may stand."""
    return Initializer(name="constant", args=(value,))


def make(
    name: str, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
) -> Initializer:
    """Check an initialiser's name and arguments.

    Raises `OpError`: E0305 (no such initialiser), E0301, E0302, E0303, E0304, E0305, E0306.
    """
    known = KNOWN.get(name)
    if known is None:
        near = closest(name, KNOWN)
        raise OpError(
            "E0305",
            f"`{name}` is not an initialiser",
            help=f"did you mean `{near}`?" if near else "there are: " + ", ".join(KNOWN),
        )
    names = tuple(known.parameters)
    if len(args) > len(names):
        raise OpError("E0303", f"`{name}` takes {len(names)} arguments, not {len(args)}")
    kwargs = kwargs or {}
    for key in kwargs:
        if key not in names:
            near = closest(key, names)
            listed = ", ".join(f"`{n}`" for n in names) or "none"
            raise OpError(
                "E0301",
                f"`{name}` has no parameter `{key}`",
                help=f"did you mean `{near}`?" if near else f"its parameters: {listed}",
            )
        if key in names[: len(args)]:
            raise OpError("E0306", f"`{name}` is given `{key}` twice")
    given = dict(zip(names, args, strict=False)) | kwargs
    for key, default in known.parameters.items():
        if key in given:
            _check(name, key, given[key])
        elif default is None:
            raise OpError("E0302", f"`{name}` needs `{key}`")
    low, high = given.get("a", known.parameters.get("a")), given.get("b", known.parameters.get("b"))
    if isinstance(high, (int, float)) and isinstance(low, (int, float)) and low >= high:
        raise OpError("E0305", f"`{name}` needs `a` below `b`, not {low} and {high}")
    return Initializer(name=name, args=args, kwargs=tuple(kwargs.items()))


def _check(name: str, key: str, value: Any) -> None:
    words = WORDS.get(key)
    if words is not None:
        if value not in words:
            shown = f"`{value}`" if isinstance(value, str) else "what is given"
            text = f"`{key}` of `{name}` must be one of {', '.join(words)}, not {shown}"
            near = closest(value, words) if isinstance(value, str) else None
            raise OpError("E0305", text, help=f"did you mean `{near}`?" if near else None)
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise OpError("E0304", f"`{key}` of `{name}` must be a number")
    if value != value or value in (float("inf"), float("-inf")):
        raise OpError("E0305", f"`{key}` of `{name}` must be finite")
    if key == "std" and value < 0:
        raise OpError("E0305", f"`{key}` of `{name}` must be at least 0, not {value}")
    if key == "groups" and (not isinstance(value, int) or value < 1):
        raise OpError("E0305", f"`{key}` of `{name}` must be a whole number from 1, not {value}")
