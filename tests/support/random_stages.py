"""Stages of random networks: text of the language, and the shape that each of them gives.

A stage knows how it is written and, for the values of the parameters around it, what it makes of a
shape (`run`, which raises OpError where it cannot be applied). So only few of the networks that are
put together from them are refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import prod
from typing import Any, Protocol

from archc.ops import REF, OpError, Shape, operator
from archc.ops.kinds import PAD_MODES, PADDING_WORDS

Env = dict[str, Any]
"""Values of parameters, loop variables and names bound by patterns."""

LARGEST = 3000  # units of a value: 2,000 networks are run on one core

_WORDS = (
    *PADDING_WORDS, *PAD_MODES, "global", "max", "avg", "sum", "nearest", "linear", "bilinear",
    "trilinear", "bicubic", "channels", "places", "channel", "element", "layer", "tanh", "none",
    "cumulative", "all",
)  # fmt: skip
_CONSTANTS = {**{word: word for word in _WORDS}, "true": True, "false": False}
_LATER = ("init", "bias_init")  # of no consequence for shapes


def evaluate(text: str, env: Env) -> Any:
    """The value of an expression that reads alike in .arch and in Python; lists as tuples."""

    def tuples(value: Any) -> Any:
        return tuple(map(tuples, value)) if isinstance(value, (list, tuple)) else value

    if text in _CONSTANTS:
        return _CONSTANTS[text]  # `global` is no expression of Python
    return tuples(eval(text, {"__builtins__": {}}, {**_CONSTANTS, **env}))


@dataclass
class Place:
    """Where stages are drawn: parameters at hand, loops around, how deep, how stages are named."""

    env: Env
    loops: tuple[str, ...] = ()
    positional: bool = False
    depth: int = 0
    blocks: int = 0
    """How deep blocks call each other here."""

    def inside(self, **changes: object) -> Place:
        given = {**self.__dict__, "depth": self.depth + 1, **changes}
        return Place(**given)


class Stage(Protocol):
    """A stage: how it is written, and what it does to a shape."""

    def text(self) -> str: ...

    def run(self, x: Shape, env: Env) -> Shape: ...


def written(stages: Iterable[Stage]) -> str:
    return " -> ".join(stage.text() for stage in stages)


def run_all(stages: Iterable[Stage], x: Shape, env: Env) -> Shape:
    for stage in stages:
        x = stage.run(x, env)
    return x


def bounded(x: Shape) -> Shape:
    """The shape itself; OpError where running it would take long, or nothing is left."""
    if prod(x) > LARGEST or min(x) < 1:
        raise OpError("E0408", "too large for a test")
    return x


@dataclass
class Apply:
    """An operator with its arguments as text. `others`: shapes of values given as parameters."""

    op: str
    args: tuple[str, ...] = ()
    kwargs: dict[str, str] = field(default_factory=dict)
    label: str = ""
    others: tuple[tuple[str, str, Shape], ...] = ()

    def text(self) -> str:
        named = [f"{k}={v}" for k, v in self.kwargs.items()]
        named += [f"{key}={name}" for key, name, _ in self.others]
        listed = ", ".join([*self.args, *named])
        return f"{self.label}{self.op}({listed})" if listed else f"{self.label}{self.op}"

    def given(self, env: Env) -> dict[str, Any]:
        """Values of the arguments, by the names of the parameters."""
        names = operator(self.op).parameters()
        found = {k: evaluate(v, env) for k, v in self.kwargs.items() if k not in _LATER}
        found |= {k: evaluate(v, env) for k, v in zip(names, self.args, strict=False)}
        return found | {key: REF for key, _, _ in self.others}

    def run(self, x: Shape, env: Env) -> Shape:
        made = operator(self.op).make(self.given(env))
        shapes = (x, *(shape for _, _, shape in self.others))
        made.check(*shapes)
        return bounded(made.shape(*shapes))


@dataclass
class Unpool:
    """The way back through a max pool: value `pooled` was made of `size` by `pool`."""

    pool: Apply
    pooled: str
    size: Shape
    shape: Shape
    label: str = ""

    def text(self) -> str:
        given = {k: v for k, v in self.pool.kwargs.items() if k in ("stride", "pad")}
        listed = [*self.pool.args, *(f"{k}={v}" for k, v in given.items()), f"from={self.pooled}"]
        return f"{self.label}unpool({', '.join(listed)})"

    def run(self, x: Shape, env: Env) -> Shape:
        if x != self.shape:
            raise OpError("E0408", "not the shape that was pooled")
        return self.size


@dataclass
class Group:
    """Stages in parentheses."""

    stages: list[Stage]
    label: str = ""

    def text(self) -> str:
        return f"{self.label}({written(self.stages)})"

    def run(self, x: Shape, env: Env) -> Shape:
        return run_all(self.stages, x, env)


@dataclass
class Loop:
    """`repeat n as v { }` or `for i, v in list { }`."""

    stages: list[Stage]
    var: str
    count: int
    values: str = ""
    index: str = ""
    label: str = ""

    def text(self) -> str:
        if not self.values:
            return f"{self.label}repeat {self.count} as {self.var} {{ {written(self.stages)} }}"
        targets = f"{self.index}, {self.var}" if self.index else self.var
        return f"{self.label}for {targets} in {self.values} {{ {written(self.stages)} }}"

    def run(self, x: Shape, env: Env) -> Shape:
        values = evaluate(self.values, env) if self.values else range(self.count)
        for i, value in enumerate(values):
            x = run_all(self.stages, x, {**env, self.var: value, self.index: i})
        return x


@dataclass
class Choose:
    """`if c then a else b`; without b, perhaps no stage at all."""

    test: str
    first: Stage
    second: Stage | None

    def text(self) -> str:
        other = f" else {self.second.text()}" if self.second is not None else ""
        return f"if {self.test} then {self.first.text()}{other}"

    def run(self, x: Shape, env: Env) -> Shape:
        taken = self.first if evaluate(self.test, env) else self.second
        return x if taken is None else taken.run(x, env)


@dataclass
class Skip:
    """`skip(by=...) { body } via shortcut`."""

    by: str
    body: list[Stage]
    via: Stage | None
    label: str = ""

    def text(self) -> str:
        by = "" if self.by == "sum" else f"(by={self.by})"
        via = "" if self.via is None else f" via {self.via.text()}"
        return f"{self.label}skip{by} {{ {written(self.body)} }}{via}"

    def run(self, x: Shape, env: Env) -> Shape:
        short = x if self.via is None else self.via.run(x, env)
        return fused(self.by, [short, run_all(self.body, x, env)])


def fused(by: str, shapes: list[Shape]) -> Shape:
    made = operator("fuse").make({"by": by})
    made.check(*shapes)
    return bounded(made.shape(*shapes))
