"""Layers as expressions, and the union of several: equal parts stay, numbers become rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...ops import call
from .code import (
    Apply,
    Arg,
    Attr,
    Expr,
    Gen,
    Infix,
    Item,
    Lit,
    Make,
    Me,
    Raw,
    Run,
    Seq,
    Star,
)
from .errors import EmitError, Mismatch
from .layers import Chain, Layer, Leaf, Loop, Part
from .names import child_key
from .solve import ABSENT, same

# PyTorch's defaults, for arguments that only some instances give.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "Conv": {
        "stride": 1,
        "padding": 0,
        "output_padding": 0,
        "dilation": 1,
        "groups": 1,
        "bias": True,
        "padding_mode": "zeros",
    },
    "Linear": {"bias": True},
    "Norm": {"eps": 1e-5, "momentum": 0.1, "affine": True, "bias": True},
    "pool": {"padding": 0, "dilation": 1, "ceil_mode": False, "count_include_pad": True},
    "Pool": {"padding": 0, "dilation": 1, "ceil_mode": False, "count_include_pad": True},
    "unpool": {"output_size": None, "padding": 0},
    "Drop": {"p": 0.5},
    "LeakyReLU": {"negative_slope": 0.01},
    "leaky_relu": {"negative_slope": 0.01},
}


_ORDER = ("kernel_size", "stride", "padding", "output_padding", "dilation", "groups", "bias")


def expression(value: Any) -> Expr:
    """An expression of `archc.ops.call` with placeholders for the inputs and the layer."""
    if isinstance(value, call.Input):
        return Arg(value.index)
    if isinstance(value, call.Module):
        return Me()
    if isinstance(value, call.Weight):
        return Attr(Me(), value.name)
    if isinstance(value, call.SizeOf):
        return Item(Attr(Arg(value.index), "shape"), Raw("2:"))
    if isinstance(value, call.Call):
        func: str | Expr = value.func if isinstance(value.func, str) else Me()
        return Apply(func, tuple(map(expression, value.args)), _kwargs(value.kwargs))
    if isinstance(value, call.Method):
        on = Attr(expression(value.on), value.name)
        return Apply(on, tuple(map(expression, value.args)), _kwargs(value.kwargs))
    if isinstance(value, call.Infix):
        return Infix(value.op, tuple(map(expression, value.args)))
    if isinstance(value, list):
        return Seq(tuple(map(expression, value)), "[]")
    if isinstance(value, tuple):
        return Seq(tuple(map(expression, value)), "()")
    if isinstance(value, bool) or value is None or isinstance(value, (str, float)):
        return Lit(value)
    if isinstance(value, int):
        return Lit(int(value))
    raise EmitError(f"a {type(value).__name__} has no form in Python")


def _kwargs(kwargs: Mapping[str, Any]) -> tuple[tuple[str, Expr], ...]:
    return tuple((key, expression(value)) for key, value in kwargs.items())


@dataclass(slots=True)
class Local:
    """A layer that is made before the container that holds it, because statements follow it."""

    name: str
    made: Expr
    setup: tuple[Expr, ...]


class Hoist:
    """Names the locals of one constructor."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.locals: list[Local] = []

    def take(self) -> list[Local]:
        """What was hoisted since the last time."""
        made, self.locals = self.locals, []
        return made


def constructor(layer: Layer, hoist: Hoist, inner: bool = False) -> Expr:
    """The expression that makes a layer; inside a container, one with `setup` is hoisted."""
    if isinstance(layer, Leaf):
        made = layer.torch.module
        if made is None:
            raise Mismatch
        if inner and layer.torch.setup:
            number = hoist.counts[layer.op] = hoist.counts.get(layer.op, 0) + 1
            name = f"{layer.op}{number}"
            setup = tuple(map(expression, layer.torch.setup))
            hoist.locals.append(Local(name, expression(made), setup))
            return Raw(name)
        return expression(made)
    if isinstance(layer, Part):
        return Make(layer.unit, layer.site)
    if isinstance(layer, Loop):
        raise Mismatch
    return Apply("nn.Sequential", members(layer, hoist))


def members(layer: Chain, hoist: Hoist) -> tuple[Expr, ...]:
    """The arguments of `nn.Sequential`."""
    items = [(key, constructor(part, hoist, inner=True)) for key, part in layer.items]
    if all(key == str(n) for n, (key, _) in enumerate(items)):
        return tuple(runs([e for _, e in items]))
    pairs = tuple(Seq((Lit(child_key(key)), e), "()") for key, e in items)
    return (Apply("OrderedDict", (Seq(pairs),)),)


def runs(items: Sequence[Expr]) -> list[Expr]:
    """Equal neighbours as one `Run`."""
    result: list[Expr] = []
    counts: list[int] = []
    for item in items:
        if result and result[-1] == item:
            counts[-1] += 1
        else:
            result.append(item)
            counts.append(1)
    return [Run(e, Lit(n)) if n > 1 else e for e, n in zip(result, counts, strict=True)]


def value_of(e: Expr) -> Any:
    """The constant that an expression is; ABSENT where it is none."""
    if isinstance(e, Lit):
        return e.value
    if isinstance(e, Seq):
        items = [value_of(i) for i in e.items]
        if any(i is ABSENT for i in items):
            return ABSENT
        return items if e.brackets == "[]" else tuple(items)
    return ABSENT


def of_value(value: Any) -> Expr:
    """A constant as an expression."""
    if isinstance(value, list):
        return Seq(tuple(map(of_value, value)), "[]")
    if isinstance(value, tuple):
        return Seq(tuple(map(of_value, value)), "()")
    return Lit(value)


class Joiner:
    """Joins the expressions of several columns into one.

    `hole(row, role)` gives the expression of constants that differ; `make(units, sites)` that of
    instances. A column without the expression has None.
    """

    def __init__(
        self,
        hole: Callable[[list[Any], str], Expr],
        make: Callable[[list[int | None], list[int]], Expr],
    ) -> None:
        self.hole = hole
        self.make = make

    def join(self, es: Sequence[Expr | None], role: str = "") -> Expr:
        """One expression for all columns; Mismatch where they differ by more than constants."""
        there = [e for e in es if e is not None]
        first = there[0]
        values = [ABSENT if e is None else value_of(e) for e in es]
        if all(v is not ABSENT for v, e in zip(values, es, strict=True) if e is not None):
            known = [v for v in values if v is not ABSENT]
            if all(same(v, known[0]) for v in known[1:]):
                partial = len(known) < len(es) and isinstance(first, Lit)
                return self.hole(values, role) if partial else first
            return self.hole(values, role)
        if any(isinstance(e, Run) for e in there):
            items = [
                e if not isinstance(e, Run) else e.item if e.count != Lit(0) else None for e in es
            ]
            counts = [None if e is None else e.count if isinstance(e, Run) else Lit(1) for e in es]
            return repeated(self.join(items), self.join(counts, "count"))
        if isinstance(first, Make):
            units = [e.unit if isinstance(e, Make) else None for e in es]
            if any(e is not None and u is None for e, u in zip(es, units, strict=True)):
                raise Mismatch
            return self.make(units, [e.site for e in there if isinstance(e, Make)])
        if any(type(e) is not type(first) for e in there):
            raise Mismatch
        return self._same_kind(first, es)

    def _same_kind(self, first: Expr, es: Sequence[Expr | None]) -> Expr:
        if isinstance(first, Apply):
            return self._apply(first, es)
        if isinstance(first, Attr):
            if any(isinstance(e, Attr) and e.name != first.name for e in es):
                raise Mismatch
            return Attr(self.join([e.on if isinstance(e, Attr) else None for e in es]), first.name)
        if isinstance(first, Item):
            return Item(
                self.join([e.on if isinstance(e, Item) else None for e in es]),
                self.join([e.index if isinstance(e, Item) else None for e in es]),
            )
        if isinstance(first, (Seq, Infix)):
            parts = [
                e.items if isinstance(e, Seq) else e.args if isinstance(e, Infix) else None
                for e in es
            ]
            marks = {
                e.brackets if isinstance(e, Seq) else e.op
                for e in es
                if isinstance(e, (Seq, Infix))
            }
            if len(marks) > 1:
                raise Mismatch
            joined = self._all(parts)
            return (
                Seq(joined, first.brackets) if isinstance(first, Seq) else Infix(first.op, joined)
            )
        if any(e is not None and e != first for e in es):
            raise Mismatch
        return first

    def _all(
        self, parts: Sequence[tuple[Expr, ...] | None], roles: Sequence[str] = ()
    ) -> tuple[Expr, ...]:
        size = {len(p) for p in parts if p is not None}
        if len(size) > 1:
            raise Mismatch
        return tuple(
            self.join(
                [None if p is None else p[i] for p in parts], roles[i] if i < len(roles) else ""
            )
            for i in range(size.pop())
        )

    def _apply(self, first: Apply, es: Sequence[Expr | None]) -> Expr:
        calls = [e if isinstance(e, Apply) else None for e in es]
        funcs = [c.func for c in calls if c is not None]
        func: str | Expr = first.func
        if all(isinstance(f, str) for f in funcs):
            if any(f != func for f in funcs):
                raise Mismatch
        elif any(isinstance(f, str) for f in funcs):
            raise Mismatch
        else:
            func = self.join([c.func if c and not isinstance(c.func, str) else None for c in calls])
        name = func if isinstance(func, str) else ""
        rows = [None if c is None else c.args for c in calls]
        if name == _CHAIN:
            rows = aligned(rows)
        args = self._all(rows, _roles(name))
        keys = list(dict.fromkeys(k for c in calls if c for k, _ in c.kwargs))
        keys.sort(key=lambda k: _ORDER.index(k) if k in _ORDER else len(_ORDER))
        kwargs = []
        for key in keys:
            row = [
                None if c is None else dict(c.kwargs).get(key) or _default(name, key) for c in calls
            ]
            kwargs.append((key, self.join(row, key)))
        if func == "nn.Sequential":
            args = tuple(_regrouped(args))
        return Apply(func, args, tuple(kwargs))


_CHAIN = "super().__init__"


def alike(es: Sequence[Expr]) -> bool:
    """Do expressions differ by no more than constants (or a repeat's count)?"""
    anything = Raw("")
    try:
        Joiner(lambda row, role: anything, lambda units, sites: anything).join(es)
    except Mismatch:
        return False
    return True


def clustered(rows: Sequence[Apply]) -> list[list[int]]:
    """The columns of expressions that are alike."""
    clusters: list[list[int]] = []
    # A chain that repeats first: others may do so no times.
    for k in sorted(range(len(rows)), key=lambda k: -_members(rows[k])):
        home = next((c for c in clusters if alike([rows[n] for n in (*c, k)])), None)
        if home is None:
            clusters.append([k])
        else:
            home.append(k)
    return sorted(sorted(cluster) for cluster in clusters)


def _members(chain: Apply) -> int:
    return sum(
        e.count.value if isinstance(e, Run) and isinstance(e.count, Lit) else 1 for e in chain.args
    )


def aligned(rows: Sequence[tuple[Expr, ...] | None]) -> list[tuple[Expr, ...] | None]:
    """Members of chains, those that a shorter chain lacks put in as zero times: a repeat may have
    no iterations."""
    longest = max((row for row in rows if row is not None), key=len)
    many = [
        any(isinstance(e, Run) and alike([e, item]) for row in rows for e in row or ())
        for item in longest
    ]
    made: list[tuple[Expr, ...] | None] = []
    for row in rows:
        if row is None or len(row) == len(longest):
            made.append(row)
            continue
        rest = list(row)
        members = []
        for n, item in enumerate(longest):
            if len(rest) == len(longest) - n or not many[n] or (rest and alike([rest[0], item])):
                if not rest:
                    raise Mismatch
                members.append(rest.pop(0))
            else:
                once = item.item if isinstance(item, Run) else item
                members.append(Run(once, Lit(0)))
        made.append(tuple(members))
    return made


def _regrouped(args: Sequence[Expr]) -> list[Expr]:
    """Neighbours that turned out to be equal, as one."""
    result: list[Expr] = []
    counts: list[int] = []
    for arg in args:
        item, count = _counted(arg)
        if count and result and counts[-1] and result[-1] == item:
            counts[-1] += count
        else:
            result.append(item if count else arg)
            counts.append(count)
    return [repeated(e, Lit(n)) if n > 1 else e for e, n in zip(result, counts, strict=True)]


def _counted(arg: Expr) -> tuple[Expr, int]:
    """An argument and how often it stands there; 0 where that is not known."""
    if not isinstance(arg, Star):
        return arg, 1
    if isinstance(arg.value, Gen) and arg.value.target == "_" and isinstance(arg.value.over, Apply):
        (count,) = arg.value.over.args
        if isinstance(count, Lit):
            return arg.value.item, int(count.value)
    return arg, 0


def _roles(func: str) -> tuple[str, ...]:
    """Names of the positional arguments of PyTorch's layers."""
    if "Conv" in func:
        return ("in_channels", "out_channels", "kernel_size")
    if func.endswith("Linear"):
        return ("in_features", "out_features")
    if "Norm" in func:
        return ("num_features",)
    if "ool" in func:
        return ("kernel_size", "kernel_size") if func.startswith("F.") else ("kernel_size",)
    if "Drop" in func:
        return ("p",)
    return ()


def _default(func: str, key: str) -> Expr:
    for part, defaults in _DEFAULTS.items():
        if part in func and key in defaults:
            return Lit(defaults[key])
    raise Mismatch


def repeated(item: Expr, count: Expr) -> Expr:
    """`*(item for _ in range(count))`."""
    return Star(Gen(item, "_", Apply("range", (count,)), "()"))
