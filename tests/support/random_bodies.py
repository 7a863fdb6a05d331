"""Statements and blocks of random networks, which can be run on shapes as stages can."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from archc.ops import OpError, Shape, operator
from tests.support.random_stages import (
    Apply,
    Env,
    Stage,
    Unpool,
    evaluate,
    fused,
    run_all,
    written,
)

Values = dict[str, Shape]

ACTIVATIONS = ("relu", "leaky_relu(0.2)", "prelu", "tanh", "silu", "batchnorm", "elu(alpha=0.5)")
"""What a parameter of type `block` is given."""


def activation(text: str) -> Apply:
    """The stage that such an argument stands for."""
    return Apply(text.split("(")[0])


@dataclass
class Parameter:
    name: str
    type: str
    default: str = ""

    def text(self) -> str:
        return f"{self.name}: {self.type}" + (f" = {self.default}" if self.default else "")


def bind(parameters: Iterable[Parameter], args: dict[str, str], outer: Env) -> Env:
    """Values of a block's parameters in a call."""
    inner: Env = {}
    for p in parameters:
        text, env = (args[p.name], outer) if p.name in args else (p.default, {})
        if p.type == "block":
            inner[p.name] = env.get(text) if text in env else activation(text)
        else:
            inner[p.name] = evaluate(text, env)
    return inner


@dataclass
class Given:
    """A stage that is a parameter of type `block`."""

    name: str

    def text(self) -> str:
        return self.name

    def run(self, x: Shape, env: Env) -> Shape:
        given: Stage = env[self.name]
        return given.run(x, env)


def referred(stage: Stage) -> list[tuple[str, Shape]]:
    """Values that a stage is given besides the one that it is applied to, and their shapes."""
    if isinstance(stage, Unpool):
        return [(stage.pooled, stage.shape)]
    return [(name, shape) for _, name, shape in getattr(stage, "others", ())]


# ---------------------------------------------------------------------- statements


class Statement(Protocol):
    def lines(self) -> list[str]: ...

    def run(self, values: Values, env: Env) -> None: ...


@dataclass
class Let:
    """`name = source -> stages`. The source is a value, or several that are fused."""

    target: str
    sources: tuple[str, ...]
    stages: list[Stage]
    by: str = ""
    listed: bool = False
    after: str = ""

    def source(self) -> str:
        if not self.by:
            return self.sources[0]
        names = ", ".join(self.sources)
        names = f"[{names}]" if self.listed else names
        return f"fuse({names})" if self.by == "sum" else f"fuse({names}, by={self.by})"

    def pipeline(self) -> str:
        return " -> ".join(filter(None, [self.source(), written(self.stages)]))

    def lines(self) -> list[str]:
        return [f"{self.target} = {self.pipeline()}{self.after}"]

    def result(self, values: Values, env: Env) -> Shape:
        for stage in self.stages:
            for name, shape in referred(stage):
                if values[name] != shape:
                    raise OpError("E0408", "another shape than the stage was drawn for")
        shapes = [values[name] for name in self.sources]
        return run_all(self.stages, fused(self.by, shapes) if self.by else shapes[0], env)

    def run(self, values: Values, env: Env) -> None:
        values[self.target] = self.result(values, env)


@dataclass
class Split:
    """`a, b = x -> split(parts)`."""

    targets: tuple[str, ...]
    source: str
    parts: str

    def lines(self) -> list[str]:
        return [f"{', '.join(self.targets)} = {self.source} -> split({self.parts})"]

    def run(self, values: Values, env: Env) -> None:
        made = operator("split").make({"parts": evaluate(self.parts, env)})
        x = values[self.source]
        made.check(x)
        shapes = made.outputs(x)
        if len(shapes) != len(self.targets):
            raise OpError("E0311", "another number of parts")
        values.update(zip(self.targets, shapes, strict=True))


@dataclass
class Comprehension:
    """`target = fuse([source -> stages for i, w in values], by=...)`."""

    target: str
    source: str
    stages: list[Stage]
    values: str
    by: str
    named: str = ""

    def lines(self) -> list[str]:
        chain = " -> ".join([self.source, written(self.stages)])
        made = f"[{chain} for i, w in {self.values}]"
        by = "" if self.by == "sum" else f", by={self.by}"
        if self.named:
            return [f"{self.named} = {made}", f"{self.target} = fuse({self.named}{by})"]
        return [f"{self.target} = fuse({made}{by})"]

    def run(self, values: Values, env: Env) -> None:
        x = values[self.source]
        given = enumerate(evaluate(self.values, env))
        values[self.target] = fused(
            self.by, [run_all(self.stages, x, {**env, "i": i, "w": w}) for i, w in given]
        )


@dataclass
class For:
    """`for i, w in values { target = target -> stages }`."""

    target: str
    stages: list[Stage]
    values: str

    def lines(self) -> list[str]:
        inner = f"{self.target} = {self.target} -> {written(self.stages)}"
        return [f"for i, w in {self.values} {{", f"  {inner}", "}"]

    def run(self, values: Values, env: Env) -> None:
        for i, w in enumerate(evaluate(self.values, env)):
            values[self.target] = run_all(self.stages, values[self.target], {**env, "i": i, "w": w})


@dataclass
class If:
    """`if test { target = target -> first } else { target = target -> second }`."""

    target: str
    test: str
    first: list[Stage]
    second: list[Stage]

    def lines(self) -> list[str]:
        t = self.target
        found = [f"if {self.test} {{", f"  {t} = {t} -> {written(self.first)}", "}"]
        if self.second:
            found[-1] = "} else {"
            found += [f"  {t} = {t} -> {written(self.second)}", "}"]
        return found

    def run(self, values: Values, env: Env) -> None:
        taken = self.first if evaluate(self.test, env) else self.second
        values[self.target] = run_all(taken, values[self.target], env)


@dataclass
class Share:
    """`share name = stages`; a use is a stage."""

    name: str
    stage: Stage

    def lines(self) -> list[str]:
        return [f"share {self.name} = {self.stage.text()}"]

    def run(self, values: Values, env: Env) -> None:
        """Nothing: its uses run it."""


@dataclass
class Use:
    """A stage that is a shared module; it takes as many channels as at its first use."""

    share: Share
    channels: int

    def text(self) -> str:
        return self.share.name

    def run(self, x: Shape, env: Env) -> Shape:
        if x[0] != self.channels:
            raise OpError("E0406", "other weights")
        return self.share.stage.run(x, env)


@dataclass
class Many:
    """A call of a block with several outputs (a record, or a list that is taken apart)."""

    target: str
    source: str
    call: Call
    label: str = ""

    def names(self) -> list[str]:
        """How the values are called."""
        if self.call.block.kind == "list":
            return [f"{self.target}{k}" for k in range(len(self.call.block.outputs))]
        return [f"{self.target}.{name}" for name, _ in self.call.block.outputs]

    def lines(self) -> list[str]:
        targets = ", ".join(self.names()) if self.call.block.kind == "list" else self.target
        return [f"{targets} = {self.source} -> {self.call.text()}"]

    def run(self, values: Values, env: Env) -> None:
        shapes = self.call.block.results([values[self.source]], self.call.bound(env))
        values.update(zip(self.names(), shapes, strict=True))


@dataclass
class Merge:
    """A call of a block with two inputs."""

    target: str
    sources: tuple[str, str]
    call: Call

    def lines(self) -> list[str]:
        return [f"{self.target} = [{', '.join(self.sources)}] -> {self.call.text()}"]

    def run(self, values: Values, env: Env) -> None:
        xs = [values[name] for name in self.sources]
        values[self.target] = self.call.block.results(xs, self.call.bound(env))[0]


# ---------------------------------------------------------------------- blocks


@dataclass
class Block:
    """A block. `kind`: "stage" (its body is the one stage of `outputs`), "one", "record", "list",
    or "deep" (it calls itself between its statements and its output, n - 1 times)."""

    name: str
    kind: str
    parameters: list[Parameter]
    inputs: tuple[str, ...] = ("x",)
    pattern: str = ""
    statements: list[Statement] = field(default_factory=list)
    outputs: list[tuple[str, Let]] = field(default_factory=list)
    inner: list[Stage] = field(default_factory=list)

    def text(self) -> str:
        listed = ", ".join(p.text() for p in self.parameters)
        head = f"block {self.name}" + (f"({listed})" if listed else "")
        if self.kind == "stage":
            return f"{head} = {written(self.outputs[0][1].stages)}\n"
        lines = [f"input {name}{self.pattern}" for name in self.inputs]
        lines += [line for statement in self.statements for line in statement.lines()]
        if self.kind == "deep":
            there = f"{self.name}({self.parameters[0].name}, n - 1)"
            first = " -> ".join(filter(None, [written(self.inner), f"inner: {there}"]))
            lines += [f"if n > 0 {{ output y -> {first} }} else {{ output y }}"]
        elif self.kind == "list":
            lines.append(f"output [{', '.join(let.pipeline() for _, let in self.outputs)}]")
        else:
            for name, let in self.outputs:
                lines.append(
                    f"output {name} = {let.pipeline()}" if name else f"output {let.pipeline()}"
                )
        return f"{head} {{\n" + "".join(f"  {line}\n" for line in lines) + "}\n"

    def results(self, xs: list[Shape], env: Env) -> list[Shape]:
        values: Values = dict(zip(self.inputs, xs, strict=True))
        if self.pattern:
            env = {**env, "C": xs[0][0]}
            if any(x[0] != xs[0][0] for x in xs):
                raise OpError("E0405", "other channels")
        for statement in self.statements:
            statement.run(values, env)
        if self.kind == "deep":
            y = values["y"]
            if env["n"] == 0:
                return [y]
            return self.results([run_all(self.inner, y, env)], {**env, "n": env["n"] - 1})
        return [let.result(values, env) for _, let in self.outputs]


@dataclass
class Call:
    """A stage that calls a block."""

    block: Block
    args: dict[str, str]
    label: str = ""
    positional: int = 0

    def text(self) -> str:
        args = [
            v if i < self.positional else f"{k}={v}" for i, (k, v) in enumerate(self.args.items())
        ]
        listed = f"({', '.join(args)})" if args else ""
        return f"{self.label}{self.block.name}{listed}"

    def bound(self, env: Env) -> dict[str, Any]:
        return bind(self.block.parameters, self.args, env)

    def run(self, x: Shape, env: Env) -> Shape:
        return self.block.results([x], self.bound(env))[0]
