"""Statements of random networks: each takes the trunk of a body on, in a way of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archc.ops import OpError, Shape, operator
from tests.support.random_bodies import (
    Block,
    Comprehension,
    For,
    If,
    Let,
    Many,
    Merge,
    Share,
    Split,
    Statement,
    Use,
    Values,
)
from tests.support.random_stages import (
    Apply,
    Env,
    Group,
    Place,
    Stage,
    Unpool,
    evaluate,
    run_all,
)

if TYPE_CHECKING:
    from tests.support.random_nets import Writer


def add(w: Writer, found: list[Statement], values: Values, made: Statement, env: Env) -> None:
    """Run a statement, and keep it."""
    made.run(values, env)
    found.append(made)


def plain(w: Writer, found: list[Statement], values: Values, trunk: str, place: Place) -> str:
    """A pipeline."""
    stages, _ = w.chain(values[trunk], w.rng.randint(1, 3), place)
    target = w.dice.one("x", w.fresh("v"))
    add(w, found, values, Let(target, (trunk,), stages), place.env)
    return str(target)


def branches(w: Writer, found: list[Statement], values: Values, trunk: str, place: Place) -> str:
    """Paths from one value, fused."""
    names: list[str] = []
    shapes: list[Shape] = []
    by = w.dice.one(
        "sum", "concat", "product", "mean", *([] if w.dice.smooth else ["max", "difference"])
    )
    for k in range(w.rng.randint(2, 3)):
        stages, out = w.chain(values[trunk], w.rng.randint(0 if k else 1, 2), place)
        name = w.fresh("b")
        if shapes and (
            len(out) != len(shapes[0])
            or out[1:] != shapes[0][1:]
            or (by != "concat" and out != shapes[0])
        ):
            stages += fitting(w, out, names[0], shapes[0], by, place)
            out = run_all(stages, values[trunk], place.env)
        if not stages:
            name = trunk
        else:
            add(w, found, values, Let(name, (trunk,), stages), place.env)
        names.append(name)
        shapes.append(out)
    target = w.dice.one("x", w.fresh("v"))
    listed = w.dice.chance(0.3)
    add(w, found, values, Let(target, tuple(names), [], by, listed), place.env)
    return str(target)


def fitting(w: Writer, x: Shape, name: str, like: Shape, by: str, place: Place) -> list[Stage]:
    """Stages that bring a value to another's shape."""
    if len(x) == 1 or len(like) == 1:
        if len(x) > 1:
            return [Apply("flatten"), Apply("linear", (str(like[0]),))]
        if len(like) > 1:
            raise OpError("E0402", "no way back from features")
        return [Apply("linear", (str(like[0]),))]
    stages: list[Stage] = []
    if x[0] != like[0] and by != "concat":
        stages.append(Apply("conv", (str(like[0]), "1"), label=w.label(place)))
    if x[1:] != like[1:]:
        ways = ["upsample"]
        if all(a <= b for a, b in zip(x[1:], like[1:], strict=True)):
            ways.append("pad")
        if all(a >= b for a, b in zip(x[1:], like[1:], strict=True)):
            ways.append("crop")
        stages.append(Apply(w.dice.one(*ways), others=(("to", name, like),)))
    return stages


def comprehension(
    w: Writer, found: list[Statement], values: Values, trunk: str, place: Place
) -> str:
    """A list by a comprehension, fused."""
    listed = (
        "ws"
        if "ws" in place.env
        else str([w.rng.randint(2, 6) for _ in range(w.rng.randint(1, 3))])
    )
    inside = place.inside(
        env={**place.env, "i": 0, "w": evaluate(listed, place.env)[0]}, loops=("i",)
    )
    stages, _ = w.chain(values[trunk], w.rng.randint(1, 2), inside)
    target = w.fresh("v")
    by = w.dice.one("concat", "sum")
    named = w.fresh("xs") if w.dice.chance(0.5) else ""
    add(w, found, values, Comprehension(target, trunk, stages, listed, by, named), place.env)
    return target


def for_loop(w: Writer, found: list[Statement], values: Values, trunk: str, place: Place) -> str:
    """A loop that takes a value on."""
    listed = str([w.rng.randint(2, 6) for _ in range(w.rng.randint(1, 3))])
    inside = place.inside(env={**place.env, "i": 0, "w": evaluate(listed, {})[0]}, loops=("i",))
    target = w.fresh("v")
    first, x = w.chain(values[trunk], 1, place)
    stages, _ = w.chain(x, w.rng.randint(1, 2), inside)
    add(w, found, values, Let(target, (trunk,), first), place.env)
    add(w, found, values, For(target, stages, listed), place.env)
    return target


def if_else(w: Writer, found: list[Statement], values: Values, trunk: str, place: Place) -> str:
    """A condition that takes a value on."""
    known = [k for k, v in place.env.items() if isinstance(v, int)]
    target = w.fresh("v")
    first, x = w.chain(values[trunk], 1, place)
    left, _ = w.chain(x, 1, place)
    right, _ = w.chain(x, 1, place) if w.dice.chance(0.5) else ([], x)
    test = f"{w.dice.one(*known) if known else 2} > {w.rng.randint(0, 4)}"
    add(w, found, values, Let(target, (trunk,), first), place.env)
    add(w, found, values, If(target, test, left, right), place.env)
    return target


def split(w: Writer, found: list[Statement], values: Values, trunk: str, place: Place) -> str:
    """A value in parts, some taken on, and together again."""
    if w.dice.smooth:
        raise OpError("E0402", "parts what a concatenation joined")
    channels = values[trunk][0]
    parts = w.dice.one("2", "2", "3", f"[1, {channels - 1}]")
    names = tuple(w.fresh("p") for _ in range(3 if parts == "3" else 2))
    add(w, found, values, Split(names, trunk, parts), place.env)
    stages, out = w.chain(values[names[0]], w.rng.randint(0, 2), place)
    by = w.dice.one("concat", "sum")
    if out[1:] != values[names[1]][1:]:
        raise OpError("E0401", "another size")
    first = names[0]
    if stages:
        first = w.fresh("v")
        add(w, found, values, Let(first, names[:1], stages), place.env)
    target = w.fresh("v")
    add(w, found, values, Let(target, (first, *names[1:]), [], by), place.env)
    return target


def there_and_back(
    w: Writer, found: list[Statement], values: Values, trunk: str, place: Place
) -> str:
    """A max pool, something that keeps its shape, and the way back."""
    x = values[trunk]
    if w.dice.smooth or len(x) == 1:
        raise OpError("E0402", "nothing to pool")
    rank = len(x) - 1
    kwargs = {
        "pad": w.dice.one("", "", "1"),
        "stride": w.dice.one("", "", "2", w.dice.axes(rank, 1, 3)),
    }
    pool = Apply(
        "pool",
        (w.dice.one("2", "2", "3", w.dice.axes(rank, 1, 3)),),
        {k: v for k, v in kwargs.items() if v},
    )
    if not operator("pool").make(pool.given({})).remembers(x):
        raise OpError("E0407", "no positions")
    pooled = w.fresh("q")
    add(w, found, values, Let(pooled, (trunk,), [pool]), place.env)
    back = Unpool(pool, pooled, x, values[pooled], w.label(place))
    shape = values[pooled]
    middle: list[Stage] = []
    if w.dice.chance(0.7):
        middle, out = w.chain(shape, 1, place)
        if out != shape:
            middle = [Apply("conv", (str(shape[0]), "3"), {"pad": "half"})]
    target = w.fresh("v")
    add(w, found, values, Let(target, (pooled,), [*middle, back]), place.env)
    return target


def many(w: Writer, found: list[Statement], values: Values, trunk: str, place: Place) -> str:
    """A block with several outputs, all of them used."""
    if place.blocks > 1:
        raise OpError("E0402", "deep enough")
    block = w.block(values[trunk], place, w.dice.one("record", "list"))
    made = Many(w.fresh("r"), trunk, w.calling(block, place))
    add(w, found, values, made, place.env)
    names = made.names()
    stages: list[Stage] = []
    first = names[0]
    for other in names[1:]:
        if values[other] != values[first]:
            stages = fitting(w, values[other], first, values[first], "sum", place)
        target = w.fresh("v")
        fitted = w.fresh("f")
        if stages:
            add(w, found, values, Let(fitted, (other,), stages), place.env)
            other = fitted
        add(w, found, values, Let(target, (first, other), [], "sum"), place.env)
        first, stages = target, []
    return first


def merge(w: Writer, found: list[Statement], values: Values, trunk: str, place: Place) -> str:
    """A block of two inputs."""
    if place.blocks > 1:
        raise OpError("E0402", "deep enough")
    x = values[trunk]
    block = Block(w.fresh("Merge"), "one", [], inputs=("x", "z"))
    w.fill(block, x, Place({}, blocks=place.blocks + 1))
    w.blocks.append(block)
    stages, out = w.chain(x, 1, place)
    if out != x:
        stages += fitting(w, out, trunk, x, "sum", place)
    other = w.fresh("b")
    add(w, found, values, Let(other, (trunk,), stages), place.env)
    target = w.fresh("v")
    made = Merge(target, (trunk, other), w.calling(block, place))
    add(w, found, values, made, place.env)
    return target


def shared(w: Writer, found: list[Statement], values: Values, trunk: str, place: Place) -> str:
    """One module at two places."""
    x = values[trunk]
    if len(x) == 1 or place.depth:
        raise OpError("E0402", "no second size")
    bias = {"bias": "false"} if w.dice.chance(0.5) else {}
    kernel = w.dice.one("1", "3")
    stages: list[Stage] = [Apply("conv", (str(x[0]), kernel), {"pad": "half", **bias})]
    stages += [Apply(op) for op in w.dice.one([], ["relu"], ["batchnorm", "prelu"])]
    whole: Stage = Group(stages) if len(stages) > 1 else stages[0]
    share = Share(w.fresh("head"), whole)
    found.append(share)
    use = Use(share, x[0])
    near, far, target = w.fresh("v"), w.fresh("v"), w.fresh("v")
    add(w, found, values, Let(near, (trunk,), [use]), place.env)
    smaller = Let(far, (trunk,), [Apply("pool", ("2",), {"by": "avg"}), use])
    add(w, found, values, smaller, place.env)
    back = [Apply("upsample", (), others=(("to", near, values[near]),))]
    again = w.fresh("v")
    add(w, found, values, Let(again, (far,), list(back)), place.env)
    add(w, found, values, Let(target, (near, again), [], "sum"), place.env)
    return target


MAKERS = (
    plain,
    plain,
    branches,
    branches,
    comprehension,
    for_loop,
    if_else,
    split,
    there_and_back,
    many,
    merge,
    shared,
)
"""What `Writer.statement` chooses from."""
