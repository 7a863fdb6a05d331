"""Operators of random networks, each with random arguments."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from archc.ops import Shape
from archc.ops.kinds import PAD_MODES
from tests.support.random_stages import Apply, Env


class Dice:
    """Random choices. `smooth`: no operator that hides what a unit sees from its gradient."""

    def __init__(self, rng: Random, smooth: bool) -> None:
        self.rng = rng
        self.smooth = smooth

    def one(self, *options: Any) -> Any:
        return self.rng.choice(options)

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def axes(self, rank: int, low: int, high: int, even: float = 0.75) -> str:
        """A number, or a list of one per axis."""
        if self.chance(even):
            return str(self.rng.randint(low, high))
        return f"[{', '.join(str(self.rng.randint(low, high)) for _ in range(rank))}]"

    def sides(self, rank: int, high: int) -> str:
        pairs = [[self.rng.randint(0, high), self.rng.randint(0, high)] for _ in range(rank)]
        return str(pairs)

    def number(self, env: Env, *names: str, otherwise: str) -> str:
        """An expression over the parameters at hand, or a plain number."""
        known = [n for n in names if isinstance(env.get(n), int)]
        if known and self.chance(0.7):
            name = self.one(*known)
            return str(self.one(name, name, name, f"2 * {name}", f"{name} + 1"))
        return otherwise

    def channels(self, env: Env) -> str:
        return self.number(env, "c", "C", "w", otherwise=str(self.one(2, 3, 4, 4, 6, 8)))

    def kernel(self, rank: int, env: Env) -> str:
        if "k" in env and self.chance(0.6):
            return "k"
        return self.axes(rank, 1, 4) if rank < 3 else self.axes(rank, 1, 3)

    def stride(self, rank: int, env: Env) -> str:
        if "s" in env and self.chance(0.6):
            return "s"
        return self.axes(rank, 1, 3) if self.chance(0.4) else "1"

    def pad(self, rank: int) -> str:
        if self.chance(0.6):
            return str(self.one("half", "half", "same", "full", "valid"))
        return self.axes(rank, 0, 2) if self.chance(0.6) else self.sides(rank, 2)

    def draw(self, x: Shape, env: Env) -> Apply:
        """An operator with random arguments, perhaps not legal here."""
        rank = len(x) - 1
        makers = FLAT if rank == 0 else SPATIAL
        names = [n for n in makers if not (self.smooth and n in HIDING and n != "flatten")]
        name = self.rng.choices(names, [makers[n][0] for n in names])[0]
        args, kwargs = makers[name][1](self, x, env)
        return Apply(name, args, {k: v for k, v in kwargs.items() if v})


Made = tuple[tuple[str, ...], dict[str, str]]
Maker = Callable[[Dice, Shape, Env], Made]


def _learned(d: Dice) -> dict[str, str]:
    """How weights start and whether they are trained."""
    return {
        "bias": d.one("", "", "", "false", "0.5"),
        "frozen": d.one(*[""] * 9, "true"),
        "init": d.one(*[""] * 7, "trunc_normal(0.02)", "kaiming_normal(mode=fan_out)", "normal"),
    }


def _conv(d: Dice, x: Shape, env: Env) -> Made:
    rank = len(x) - 1
    kwargs = {"stride": d.stride(rank, env), "pad": d.pad(rank), **_learned(d)}
    if d.chance(0.25):
        kwargs["dilation"] = d.axes(rank, 1, 3)
    if d.chance(0.3):
        kwargs["groups"] = str(d.one(2, 2, x[0]))
    if d.chance(0.12):
        kwargs["pad_mode"] = d.one(*PAD_MODES)
    channels = str(x[0]) if kwargs.get("groups") == str(x[0]) else d.channels(env)
    return (channels, d.kernel(rank, env)), kwargs


def _conv_transpose(d: Dice, x: Shape, env: Env) -> Made:
    rank = len(x) - 1
    kwargs = {"stride": d.axes(rank, 1, 3), "pad": d.pad(rank), **_learned(d)}
    if d.chance(0.2):
        kwargs["output_pad"] = d.axes(rank, 0, 1)
    if d.chance(0.2):
        kwargs["dilation"] = d.axes(rank, 1, 2)
    if d.chance(0.2):
        kwargs["groups"] = "2"
    return (d.channels(env), d.kernel(rank, env)), kwargs


def _local(d: Dice, x: Shape, env: Env) -> Made:
    rank = len(x) - 1
    kwargs = {"stride": d.stride(rank, env), "pad": d.pad(rank), "bias": d.one("", "false")}
    return (str(d.one(1, 2, 3)), d.kernel(rank, env)), kwargs


def _pool(d: Dice, x: Shape, env: Env) -> Made:
    rank = len(x) - 1
    by = str(d.one("avg", "avg", "") if d.smooth else d.one("", "", "max", "avg", "sum"))
    by = "avg" if d.smooth else by
    kind = d.rng.random()
    if kind < 0.06:
        return ("global",), {"by": by}
    if kind < 0.2:
        return (), {"to": str([d.rng.randint(1, 7) for _ in range(rank)]), "by": by}
    kwargs = {"by": by, "pad": d.one("", "", "0", "1", "half", "same", d.sides(rank, 1))}
    if d.chance(0.6):
        kwargs["stride"] = d.stride(rank, env)
    if d.chance(0.3):
        kwargs["ceil"] = "true"
    if by in ("", "max") and d.chance(0.2):
        kwargs["dilation"] = d.axes(rank, 1, 2)
    if by == "avg" and d.chance(0.25):
        kwargs["count_pad"] = d.one("true", "false")
    return (d.kernel(rank, env) if d.chance(0.3) else d.axes(rank, 1, 3),), kwargs


def _upsample(d: Dice, x: Shape, env: Env) -> Made:
    rank = len(x) - 1
    smooth = {1: "linear", 2: "bilinear", 3: "trilinear"}[rank]
    by = str(d.one("", "nearest", smooth, "bicubic" if rank == 2 and not d.smooth else smooth))
    kwargs = {"by": by, "align_corners": d.one("", "true") if by in (smooth, "bicubic") else ""}
    if d.chance(0.3):
        kwargs["to"] = str([d.rng.randint(1, 12) for _ in range(rank)])
        return (), kwargs
    return (str(d.one("2", "2", "3", "1.5", "0.5", "2.25", d.axes(rank, 1, 3))),), kwargs


def _pad(d: Dice, x: Shape, env: Env) -> Made:
    rank = len(x) - 1
    if d.chance(0.15):
        return (str(d.one("1", "[2, 0]", "[0, 3]")),), {"over": "channels"}
    by = str(d.one("", "", *PAD_MODES))
    kwargs = {"by": by, "value": d.one("", "0.5") if by in ("", "zeros") else ""}
    if d.chance(0.2):
        return (), {**kwargs, "to": str([n + d.rng.randint(0, 3) for n in x[1:]])}
    return (d.axes(rank, 0, 2) if d.chance(0.5) else d.sides(rank, 2),), kwargs


def _crop(d: Dice, x: Shape, env: Env) -> Made:
    rank = len(x) - 1
    if d.chance(0.4):
        to = [max(1, n - d.rng.randint(0, 3)) for n in x[1:]]
        return (), {"to": str(to), "at": d.one("", "0", d.axes(rank, 0, 1))}
    return (d.axes(rank, 0, 2) if d.chance(0.5) else d.sides(rank, 2),), {}


def _divisor(d: Dice, n: int) -> str:
    return str(d.one(*[k for k in (1, 2, 3, 4, n) if n % k == 0]))


def _affine(d: Dice) -> str:
    return str(d.one("", "", "", "true", "false"))


def _none(d: Dice, x: Shape, env: Env) -> Made:
    return (), {}


def _batchnorm(d: Dice, x: Shape, env: Env) -> Made:
    momentum = d.one("", "", "", "0.03", "cumulative")
    stats = d.one(*[""] * 7, "false") if not d.smooth else ""
    return (), {"eps": d.one("", "", "1e-3"), "momentum": momentum, "affine": _affine(d),
                "track_stats": stats}  # fmt: skip


_POINTWISE: dict[str, tuple[float, Maker]] = {
    "relu": (6, _none),
    "leaky_relu": (1, lambda d, x, e: ((d.one("0.1", "0.2"),), {})),
    "prelu": (
        1,
        lambda d, x, e: ((), {"per": d.one("", "channel", "layer"), "start": d.one("", "0.1")}),
    ),
    "elu": (1, lambda d, x, e: ((), {"alpha": d.one("", "0.5")})),
    "gelu": (1, lambda d, x, e: ((), {"approximate": d.one("", "tanh")})),
    "silu": (1, _none),
    "hardswish": (1, _none),
    "sigmoid": (1, _none),
    "tanh": (1, _none),
    "softplus": (1, lambda d, x, e: ((), {"beta": d.one("", "2"), "threshold": d.one("", "10")})),
    "relu6": (1, _none),
    "hardsigmoid": (1, _none),
    "softmax": (1, _none),
    "exp": (0.5, _none),
    "maxout": (1, lambda d, x, e: (() if d.chance(0.5) else (_divisor(d, x[0]),), {})),
    "identity": (0.5, _none),
    "dropout": (1, lambda d, x, e: (() if d.chance(0.5) else ("0.2",), {})),
    "drop_path": (0.5, lambda d, x, e: (("0.1",), {})),
    "scale": (
        1,
        lambda d, x, e: ((), {"init": d.one("", "1e-6"), "frozen": d.one("", "", "true")}),
    ),
    "layernorm": (1, lambda d, x, e: ((), {"affine": _affine(d), "eps": d.one("", "1e-6")})),
    "batchnorm": (4, _batchnorm),
    "groupnorm": (1, lambda d, x, e: ((_divisor(d, x[0]),), {"affine": _affine(d)})),
}

SPATIAL: dict[str, tuple[float, Maker]] = {
    "conv": (22, _conv),
    "conv_transpose": (6, _conv_transpose),
    "locally_connected": (2, _local),
    "pool": (9, _pool),
    "upsample": (5, _upsample),
    "pixel_shuffle": (1.5, lambda d, x, e: ((d.one("1", "2", "2"),), {})),
    "pad": (4, _pad),
    "crop": (3, _crop),
    "channel_shuffle": (1.5, lambda d, x, e: ((_divisor(d, x[0]),), {})),
    "linear": (2, lambda d, x, e: ((d.channels(e),), {"over": "channels", **_learned(d)})),
    **_POINTWISE,
    "instancenorm": (
        1,
        lambda d, x, e: ((), {"affine": _affine(d), "track_stats": d.one("", "", "true")}),
    ),
    "lrn": (
        1,
        lambda d, x, e: ((d.one("3", "5"),), {"k": d.one("", "2"), "beta": d.one("", "0.5")}),
    ),
    "softmax": (1, lambda d, x, e: ((), {"over": d.one("", "places")})),
    "layernorm": (
        1.5,
        lambda d, x, e: ((), {"over": d.one("", "channels"), "affine": _affine(d)}),
    ),
    "dropout": (1, lambda d, x, e: ((d.one("0.2", "0.5"),), {"by": d.one("", "channel")})),
    "flatten": (1, _none),
}

FLAT: dict[str, tuple[float, Maker]] = {
    "linear": (15, lambda d, x, e: ((d.channels(e),), _learned(d))),
    **_POINTWISE,
}

HIDING = {
    "relu6", "hardsigmoid", "softmax", "exp", "maxout", "layernorm", "groupnorm", "instancenorm",
    "pixel_shuffle", "unpool", "split", "flatten",
}  # fmt: skip
"""Operators after which a gradient need not show all that a unit sees: some pick or saturate, some
depend on nothing where there is but one unit, and some part what a concatenation has joined."""
