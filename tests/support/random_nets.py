"""Random networks as text: every construct of the language and every operator, drawn by a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from archc.ops import OpError, Shape
from tests.support.random_bodies import (
    ACTIVATIONS,
    Block,
    Call,
    Given,
    Let,
    Parameter,
    Statement,
    Values,
)
from tests.support.random_operators import Dice
from tests.support.random_stages import (
    Apply,
    Choose,
    Env,
    Group,
    Loop,
    Place,
    Skip,
    Stage,
    evaluate,
    fused,
)
from tests.support.random_statements import MAKERS

TRIES = 12
DEFAULTS = ("default conv(bias=false)\n", "default batchnorm(eps=1e-3, momentum=0.01)\n")


@dataclass
class RandomNet:
    """A spec: its text, the network to look at, and how many draws were not legal."""

    text: str
    name: str
    smooth: bool
    redrawn: int


def random_net(seed: int, rng: Random | None = None) -> RandomNet:
    """The spec of a seed. `rng` takes the place of the seed's own generator."""
    return Writer(rng or Random(seed)).spec()


@dataclass
class Writer:
    rng: Random
    blocks: list[Block] = field(default_factory=list)
    redrawn: int = 0
    count: int = 0

    def __post_init__(self) -> None:
        self.dice = Dice(self.rng, smooth=self.rng.random() < 0.5)

    # ------------------------------------------------------------------ names

    def fresh(self, word: str) -> str:
        self.count += 1
        return f"{word}{self.count}"

    def label(self, place: Place, must: bool = False) -> str:
        """A label that no other stage has, or none."""
        if not must and self.dice.chance(0.7):
            return ""
        name = self.fresh(self.dice.one("stem", "mix", "conv", "Up", "layer", "lateral_"))
        indices = "".join(f"[{v}]" for v in place.loops)
        if self.dice.chance(0.2):
            if place.loops and self.dice.chance(0.5):
                return '"' + name + "".join(f"_{{{v} + 1}}" for v in place.loops) + '": '
            return f'"{name}-{self.count}"{indices}: '
        return f"{name}{indices}: "

    # ------------------------------------------------------------------ stages

    def chain(self, x: Shape, n: int, place: Place) -> tuple[list[Stage], Shape]:
        """About n stages that can be applied to the shape, and what they make of it."""
        stages: list[Stage] = []
        for _ in range(n):
            stage, x = self.stage(x, place)
            stages.append(stage)
        return stages, x

    def stage(self, x: Shape, place: Place) -> tuple[Stage, Shape]:
        for _ in range(TRIES):
            stage = self.draw(x, place)
            try:
                return stage, stage.run(x, place.env)
            except OpError:
                self.redrawn += 1
        stage = Apply("relu", label=self.label(place, must=True))
        return stage, x

    def draw(self, x: Shape, place: Place) -> Stage:
        makers: list[tuple[float, Callable[[Shape, Place], Stage]]] = [(16, self.apply)]
        if place.depth < 3:
            makers += [(2, self.skip), (1, self.group), (2, self.loop), (1, self.choose)]
        if place.blocks < 3:
            makers.append((4, self.call))
        if any(isinstance(v, Apply) for v in place.env.values()):
            makers.append((3, self.given))
        return self.rng.choices([m for _, m in makers], [w for w, _ in makers])[0](x, place)

    def apply(self, x: Shape, place: Place) -> Stage:
        made = self.dice.draw(x, place.env)
        made.label = "" if made.op == "identity" else self.label(place)
        return made

    def given(self, x: Shape, place: Place) -> Stage:
        return Given(self.dice.one(*[k for k, v in place.env.items() if isinstance(v, Apply)]))

    def group(self, x: Shape, place: Place) -> Stage:
        label = self.label(place, must=not place.positional)
        inside = place.inside(positional=True, loops=() if label else place.loops)
        stages, _ = self.chain(x, self.rng.randint(1, 3), inside)
        return Group(stages, label)

    def loop(self, x: Shape, place: Place) -> Stage:
        label = self.label(place)
        var, values, index = self.fresh("j"), "", ""
        env: Env = {**place.env, var: 0}
        if self.dice.chance(0.4):
            values = "ws" if "ws" in env else str([self.rng.randint(2, 6) for _ in range(2)])
            index = self.fresh("i")
            env |= {var: evaluate(values, place.env)[0], index: 0}
            env["w"] = env[var] if var == "w" else env.get("w")
        count = self.rng.randint(1, 3)
        positional = place.positional or bool(label)
        loops = (*(() if label else place.loops), index or var)
        inside = place.inside(env=env, positional=positional, loops=loops)
        stages, _ = self.chain(x, self.rng.randint(1, 2), inside)
        return Loop(stages, var, count, values, index, label)

    def choose(self, x: Shape, place: Place) -> Stage:
        known = [k for k, v in place.env.items() if isinstance(v, int)]
        test = f"{self.dice.one(*known)} > {self.rng.randint(0, 4)}" if known else "1 > 0"
        if self.dice.chance(0.3):
            test = f"not {test}" if self.dice.chance(0.5) else f"{test} and true"
        inside = place.inside()
        # the arm before `else` is closed: an operator
        first = self.apply(x, inside)
        second = self.apply(x, inside) if self.dice.chance(0.6) else None
        return Choose(test.replace("true", "2 > 1"), first, second)

    def skip(self, x: Shape, place: Place) -> Stage:
        label = self.label(place) if self.dice.chance(0.3) else ""
        inside = place.inside(
            positional=place.positional or bool(label), loops=() if label else place.loops
        )
        body, out = self.chain(x, self.rng.randint(1, 3), inside)
        by = self.dice.one("sum", "sum", "concat", "product")
        if len(out) == len(x) and (out == x or (by == "concat" and out[1:] == x[1:])):
            return Skip(by, body, None, label)
        return Skip(by, body, self.bring(x, out, inside, by), label)

    def bring(self, x: Shape, out: Shape, place: Place, by: str) -> Stage:
        """A shortcut from one shape to another (for `product`, perhaps of size 1)."""
        stages: list[Stage] = []
        if len(x) > len(out):
            stages.append(Apply("flatten"))
        if len(out) == 1:
            stages.append(Apply("linear", (str(out[0]),)))
        else:
            if self.dice.chance(0.5):
                stages.append(Apply("conv", (str(out[0]), "1")))
            else:
                stages.append(Apply("linear", (str(out[0]),), {"over": "channels"}))
            if by == "product" and self.dice.chance(0.5):
                stages.append(Apply("pool", ("global",), {"by": "avg"}))
            elif x[1:] != out[1:]:
                to = str(list(out[1:]))
                how = Apply("pool", (), {"to": to, "by": "avg"})
                if self.dice.chance(0.4):
                    how = Apply("upsample", (), {"to": to})
                stages.insert(self.rng.randint(0, 1), how)
        label = "" if place.positional else self.label(place, must=True)
        return Group(stages, label)

    def call(self, x: Shape, place: Place) -> Stage:
        usual = ("stage", "one", "deep")
        known = [b for b in self.blocks if b.kind in usual and len(b.inputs) == 1]
        if not known or (len(self.blocks) < 5 and self.dice.chance(0.5)):
            block = self.block(x, place, self.dice.one("stage", "one", "one", "deep"))
        else:
            block = self.dice.one(*known)
        return self.calling(block, place)

    def calling(self, block: Block, place: Place) -> Call:
        args: dict[str, str] = {}
        for p in block.parameters:
            if not p.default or self.dice.chance(0.6):
                args[p.name] = self.argument(p, place)
        positional = 0
        for p, name in zip(block.parameters, args, strict=False):
            if p.name != name:
                break
            positional += 1
        return Call(block, args, self.label(place), self.rng.randint(0, positional))

    def argument(self, p: Parameter, place: Place) -> str:
        known = [k for k, v in place.env.items() if isinstance(v, int) and k not in place.loops]
        if p.type == "block":
            passed = [k for k, v in place.env.items() if isinstance(v, Apply)]
            return str(self.dice.one(*passed, *ACTIVATIONS))
        if p.type == "[int]":
            return str([self.rng.randint(2, 6) for _ in range(self.rng.randint(1, 3))])
        if p.name == "c":
            text = str(self.dice.one(2, 4, 4, 6, 8))
            return str(self.dice.one(text, *known)) if known else text
        return str(self.rng.randint(1, 2) if p.name in "sn" else self.rng.randint(1, 3))

    # ------------------------------------------------------------------ blocks

    def block(self, x: Shape, place: Place, kind: str) -> Block:
        """A new block that can be applied to the shape with the arguments that it is made for."""
        parameters = self.parameters(kind)
        env: Env = {}
        for p in parameters:
            text = p.default or self.argument(p, Place({}))
            env[p.name] = Apply(text.split("(")[0]) if p.type == "block" else evaluate(text, {})
        pattern = self.dice.one("", "[C, ...]") if kind != "stage" else ""
        if pattern:
            env["C"] = x[0]
        inside = Place(env, blocks=place.blocks + 1)
        block = Block(
            self.fresh(self.dice.one("Unit", "ConvBn", "Stage_")), kind, parameters, pattern=pattern
        )
        if kind == "stage":
            inside.positional = True
            stages, _ = self.chain(x, self.rng.randint(1, 3), inside)
            body: Stage = Group(stages)
            block.outputs = [("", Let("", ("x",), [body]))]
        elif kind == "deep":
            stages, y = self.chain(x, self.rng.randint(1, 2), inside)
            block.statements = [Let("y", ("x",), stages)]
            block.inner, _ = self.chain(y, self.rng.randint(0, 1), inside)
        else:
            self.fill(block, x, inside)
        self.blocks.append(block)
        return block

    def parameters(self, kind: str) -> list[Parameter]:
        if kind == "deep":
            return [Parameter("c", "int"), Parameter("n", "int")]
        options = [
            Parameter("c", "int", self.dice.one("", "", "4")),
            Parameter("k", self.dice.one("int", "size"), "3"),
            Parameter("s", "int", "1"),
            Parameter("act", "block", self.dice.one("relu", "leaky_relu(0.1)")),
            Parameter("ws", "[int]", "[4, 2]"),
        ]
        return [p for p in options if self.dice.chance(0.5)]

    def fill(self, block: Block, x: Shape, place: Place) -> None:
        """Statements and outputs of a block."""
        values: Values = dict.fromkeys(block.inputs, x)
        trunk = block.inputs[0]
        if len(block.inputs) > 1:
            by = self.dice.one("sum", "concat")
            block.statements.append(Let("y", block.inputs, [], by))
            values["y"], trunk = fused(by, [x] * len(block.inputs)), "y"
        for _ in range(self.rng.randint(0, 2)):
            trunk = self.statement(block.statements, values, trunk, place)
        if block.kind == "one":
            stages, _ = self.chain(
                values[trunk], self.rng.randint(0 if block.statements else 1, 2), place
            )
            block.outputs = [("", Let("", (trunk,), stages))]
            return
        for name in ("a", "b", "c")[: self.rng.randint(2, 3)]:
            stages, _ = self.chain(values[trunk], self.rng.randint(1, 2), place)
            block.outputs.append((name, Let("", (trunk,), stages)))

    # ------------------------------------------------------------------ statements

    def statement(self, found: list[Statement], values: Values, trunk: str, place: Place) -> str:
        """Add statements that take `trunk` on; the name of the value that is then the trunk."""
        for _ in range(TRIES):
            maker = self.dice.one(*MAKERS)
            tried, blocks = dict(values), list(self.blocks)
            added: list[Statement] = []
            try:
                trunk_now: str = maker(self, added, tried, trunk, place)
            except OpError:
                self.redrawn += 1
                self.blocks = blocks
                continue
            found += added
            values.update(tried)
            return trunk_now
        return trunk

    # ------------------------------------------------------------------ networks

    def spec(self) -> RandomNet:
        x = self.dice.one(
            (3, self.rng.randint(8, 40)),
            *[(self.rng.randint(1, 4), self.rng.randint(5, 20), self.rng.randint(5, 20))] * 4,
            (2, *(self.rng.randint(4, 9) for _ in range(3))),
        )
        parameters = [p for p in self.parameters("network") if p.type != "block"]
        env: Env = {}
        for p in parameters:
            p.default = p.default or self.argument(p, Place({}))
            env[p.name] = evaluate(p.default, {})
        statements: list[Statement] = []
        values: Values = {"image": x}
        trunk = "image"
        sides = 0
        place = Place(env)
        for _ in range(self.rng.randint(1, 4)):
            trunk = self.statement(statements, values, trunk, place)
            if self.dice.chance(0.15):
                stages, _ = self.chain(values[trunk], self.rng.randint(1, 2), place)
                training = " when training" if self.dice.chance(0.5) else ""
                side = Let(f"output {self.fresh('side')}", (trunk,), stages, after=training)
                statements.append(side)
                sides += 1
        stages, _ = self.chain(values[trunk], self.rng.randint(1, 3), place)
        last = Let("", (trunk,), stages)
        text = self._network(x, parameters, statements, sides, last)
        return RandomNet(text, "Net", self.dice.smooth, self.redrawn)

    def _network(
        self, x: Shape, parameters: list[Parameter], statements: list[Statement],
        sides: int, last: Let,
    ) -> str:  # fmt: skip
        listed = ", ".join(p.text() for p in parameters)
        variant = bool(listed) and self.dice.chance(0.4)
        name = "Base" if variant else "Net"
        lines = [f"input image{list(x)}"]
        lines += [line for s in statements for line in s.lines()]
        plain = not sides and self.dice.chance(0.6)
        lines.append(f"output {last.pipeline()}" if plain else f"output y = {last.pipeline()}")
        head = f"network {name}({listed})" if listed else f"network {name}"
        body = "".join(f"  {line}\n" for line in lines)
        text = "\n".join(block.text() for block in self.blocks) + f"\n{head} {{\n{body}}}\n"
        if variant:
            given = ", ".join(f"{p.name}={p.default}" for p in parameters[:1])
            text += f"\nnetwork Net = Base({given})\n"
        if not sides and self.dice.chance(0.15):
            text = text.replace("network Net", "network Backbone")
            text += (
                f"\nnetwork Net {{\n  input photo{list(x)}\n  output photo -> body: Backbone\n}}\n"
            )
        default: str = self.dice.one("", "", *DEFAULTS)
        return default + text
