"""What a network needs of its free sizes: the module runs where it says so, and nowhere else.

The module is the one of the sizes at hand. On PyTorch's meta device it is run at sizes on both
sides of every place where the answer changes, and at some in between.

archc refuses two things that PyTorch lets pass: a sum that broadcasts by accident, and a pooling
window that is larger than its padded input (with `ceil_mode`). Both are seen in what PyTorch runs.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..analysis.free import FreeSizes
from ..dims import form_of
from ..graph import Graph, Shape, leaves
from ..train.build import instantiate
from . import Proof
from .modules import BATCH, ends, quiet, tensors

LARGEST = 512
"""Sizes up to this are asked about; the sizes at hand may be larger, and are added."""
EACH = 6
"""Per free size, so many that it can be and so many that it cannot, at least if there are any."""


def prove_sizes(graph: Graph, free: FreeSizes, source: str) -> list[Proof]:
    """One proof for every free size, the others as at hand (or as they must follow it)."""
    with torch.device("meta"):
        module = instantiate(source, graph.name)
    # what trains along needs its sizes, too
    module.train(_trains(graph))
    return [_prove(graph, free, module, name) for name in free.apart]


def _prove(graph: Graph, free: FreeSizes, module: nn.Module, name: str) -> Proof:
    expected, found = Counter[bool](), Counter[bool]()
    wrong = ""
    loose = 0
    usual = _run(graph, module, free.symbols)[1].joins
    for size in _chosen(free, name):
        sizes = free.at({name: size})
        runs = free.runs(sizes)
        if runs is None:
            continue
        shapes, seen = _run(graph, module, sizes)
        if not isinstance(shapes, str) and not runs and (seen.clipped or seen.broadcasts(usual)):
            shapes = "only because PyTorch broadcasts, or clips a window"
            loose += 1
        expected[runs] += 1
        found[not isinstance(shapes, str)] += 1
        if fault := _difference(graph, sizes, runs, shapes):
            wrong = wrong or ", ".join(f"{n} = {sizes[n]}" for n in sizes) + f": {fault}"
    if not expected:
        return Proof(f"needs of {name}", "not decided", "", None, "several sizes are joined")
    computed, shown = (f"runs at {c[True]}, not at {c[False]}" for c in (expected, found))
    note = f"at {loose} only by broadcasting, or with a clipped window" if loose else "sizes tried"
    return Proof(f"needs of {name}", computed, shown, not wrong, wrong or note)


def _difference(
    graph: Graph, sizes: Mapping[str, int], runs: bool, found: list[Shape] | str
) -> str:
    if isinstance(found, str):
        return found if runs else ""
    if not runs:
        return "PyTorch runs it"
    shapes = [_at(graph.main.values[v].shape, sizes) for v in ends(graph, _trains(graph))]
    return "" if shapes == found else f"{shapes}, in PyTorch {found}"


class _Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """What PyTorch runs: whether the tensors of each join are of one shape, and clipped windows."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.joins: list[bool] = []
        self.clipped = False

    def broadcasts(self, usual: list[bool]) -> bool:
        """Is a join of equal shapes (at the sizes at hand, `usual`) one of unequal shapes here?"""
        pairs = zip(usual, self.joins, strict=True) if len(usual) == len(self.joins) else ()
        return any(before and not now for before, now in pairs)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.removeprefix("aten::")
        if name in ("add", "add_", "sub", "mul", "maximum"):
            shapes = [x.shape for x in args if isinstance(x, Tensor)]
            self.joins.append(shapes.count(shapes[0]) == len(shapes))
        elif "_pool" in name and len(args) > 1 and "adaptive" not in name:
            self.clipped = self.clipped or _clipped(func, args)
        return func(*args, **(kwargs or {}))


def _clipped(func: Any, args: Any) -> bool:
    """Is a pooling window larger than the input with its padding?"""
    given = dict(zip((a.name for a in func._schema.arguments), args, strict=False))
    kernel = given["kernel_size"]
    padding = given.get("padding") or [0]
    dilation = given.get("dilation") or [1]
    x = next(iter(args))
    axes = zip(x.shape[-len(kernel) :], kernel, strict=True)
    return any(
        dilation[i % len(dilation)] * (k - 1) + 1 > n + 2 * padding[i % len(padding)]
        for i, (n, k) in enumerate(axes)
    )


def _chosen(free: FreeSizes, name: str) -> Iterator[int]:
    """Sizes on both sides of changes, the smallest first, then others, the same in every run."""
    answers = {n: free.runs(free.at({name: n})) for n in range(1, LARGEST + 1)}
    rng = random.Random(name)
    chosen = {free.symbols[name]}
    for answer in (True, False):
        beside = [
            n
            for pair in pairwise(answers)
            if answers[pair[0]] is not answers[pair[1]]
            for n in pair
            if answers[n] is answer
        ]
        others = [n for n in answers if answers[n] is answer and n not in beside]
        chosen.update(beside[:EACH])
        chosen.update(rng.sample(others, min(EACH // 2, len(others))))
    return iter(sorted(chosen))


def _trains(graph: Graph) -> bool:
    return any(end.training for end in graph.main.outputs)


def _run(
    graph: Graph, module: nn.Module, sizes: Mapping[str, int]
) -> tuple[list[Shape] | str, _Seen]:
    """Shapes of the outputs without the batch, or why PyTorch refuses; and what it ran."""
    body = graph.main
    shapes = [body.values[v].shape for end in body.inputs for v in leaves(end.value)]
    xs = [torch.empty(BATCH, *_at(shape, sizes), device="meta") for shape in shapes]
    seen = _Seen()
    try:
        with torch.no_grad(), quiet(), seen:
            return [tuple(t.shape[1:]) for t in tensors(module(*xs))], seen
    except (RuntimeError, ValueError) as error:
        return str(error).partition("\n")[0], seen


def _at(shape: Shape, sizes: Mapping[str, int]) -> Shape:
    """A shape of expressions, at given sizes."""
    return tuple(form_of(n).at(dict(sizes)) for n in shape)
