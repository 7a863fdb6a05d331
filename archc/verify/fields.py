"""Receptive fields against the support of gradients: what a unit's gradient reaches, it sees.

With positive weights nothing cancels, so the gradient of a unit reaches exactly what the unit sees,
where there are no holes and nothing selects (a maximum passes the gradient to one of its inputs).
The computed field must contain the gradient's support always, and equal it otherwise.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..analysis import Report
from ..analysis.axis import Axis
from ..analysis.measures import MAIN, SKIP
from ..graph import Graph
from ..train.build import instantiate
from . import Proof
from .modules import ends, inputs, quiet, tensors, watched

MOST = 4
"""Labelled values whose fields are proven, evenly chosen, besides the output."""

SELECTS = frozenset(
    [
        "relu6",
        "hardsigmoid",
        "hardswish",
        "softmax",
        "exp",
        "maxout",
        "rbf",
        "unpool",
        "pixel_shuffle",
    ]
)
"""Operators after which a gradient need not show all that a unit sees: some pick, some saturate."""
MIXES = frozenset({"layernorm", "groupnorm", "instancenorm", "split", "channel_shuffle"})
"""Others: some depend on nothing where there is but one unit, some part what was joined."""


class Spot(NamedTuple):
    """A value of the network: its name, its number in the body, and PyTorch's tensor."""

    path: str
    value: int
    result: Tensor


def prove_fields(graph: Graph, report: Report, source: str) -> list[Proof]:
    """The fields of the first spatial output and of labelled layers of the network's own body."""
    shapes = inputs(graph)
    first = next((i for i, shape in enumerate(shapes) if len(shape) > 1), None)
    if first is None:
        return []
    torch.manual_seed(0)
    module = instantiate(source, graph.name).double().eval().requires_grad_(False)
    steady(module)
    batch = 2 if _needs_two(graph) else 1
    xs = [torch.rand(batch, *shape, dtype=torch.float64) + 0.1 for shape in shapes]
    xs[first].requires_grad_(True)
    spots = _run(graph, report, module, xs)
    main, walker = report.walker.main_place(), report.walker
    exact, wraps = not selective(graph), _wraps(graph)
    proofs = []
    for spot in spots:
        field = walker.field(main, spot.value)
        if field is None or all(axis is None for axis in field):
            continue
        proofs.append(_prove(spot, xs[first], field, exact, wraps))
    return proofs


def steady(module: nn.Module) -> None:
    """Positive weights that keep units small, so that nothing cancels, saturates or overflows."""
    with torch.no_grad():
        for p in module.parameters():
            p.uniform_(0.1, 0.6).div_(prod(p.shape[1:]) if p.dim() > 1 else 1)


def _needs_two(graph: Graph) -> bool:
    """Evaluation, too, takes statistics of the batch, which need more than one number."""
    return any(op.op == "batchnorm" and not getattr(op, "track_stats", True) for op in graph.ops)


def _wraps(graph: Graph) -> bool:
    """A border is filled from the other side of the input."""
    return any(
        "circular" in (getattr(op, "pad_mode", ""), getattr(op, "by", "")) for op in graph.ops
    )


def selective(graph: Graph) -> bool:
    """Something passes the gradient to a part of what it sees."""
    for op in graph.ops:
        by = getattr(op, "by", None)
        if op.op in SELECTS or op.op in MIXES or (op.op == "pool" and by == "max"):
            return True
        if by == "bicubic" or (op.op == "fuse" and by in ("max", "difference", "product")):
            return True
    return False


def _run(graph: Graph, report: Report, module: nn.Module, xs: list[Tensor]) -> list[Spot]:
    """One inference: the values that were chosen, first to last."""
    paths = {path for path, _ in module.named_modules()}
    places = {path: v for path, v in _places(graph, report).items() if path in paths}
    step = -(-len(places) // MOST) if places else 1
    # counted from the end: the last layers see most
    chosen = dict(list(places.items())[::-1][::step][::-1])
    seen: dict[str, Tensor] = {}

    def see(path: str, _: nn.Module, result: Any) -> None:
        if isinstance(result, Tensor):
            seen.setdefault(path, result)

    with quiet(), watched(module, see, set(chosen)):
        outputs = tensors(module(*xs))
    spots = [Spot(path, v, seen[path]) for path, v in chosen.items() if path in seen]
    values = graph.main.values
    found = ends(graph, training=False)
    spatial = next((i for i, v in enumerate(found) if len(values[v].shape) > 1), None)
    if spatial is not None and all(spot.value != found[spatial] for spot in spots):
        spots.append(Spot("output", found[spatial], outputs[spatial]))
    return spots


def _places(graph: Graph, report: Report) -> dict[str, int]:
    """Values of the network's body that leave a layer, call or labelled group at inference, and
    have axes."""
    body = graph.main
    parts = report.walker.measures.parts(len(graph.bodies) - 1, MAIN)
    found = {n.name: n.outputs[0] for n in body.nodes if len(n.outputs) == 1 and not n.module}
    for scope in body.scopes:
        if scope.labelled and scope.path and isinstance(scope.output, int):
            found[scope.path] = scope.output
    made = {path: body.values[v].node for path, v in found.items()}
    found = {path: v for path, v in found.items() if made[path] < 0 or parts[made[path]] != SKIP}
    spatial = {p: v for p, v in found.items() if len(body.values[v].shape) > 1}
    return dict(sorted(spatial.items(), key=lambda item: item[1]))


# ---------------------------------------------------------------------------- one value


def _prove(spot: Spot, x: Tensor, field: Any, exact: bool, wraps: bool) -> Proof:
    """Three units: the first along all axes, one in the middle, the last. One backward pass shows
    what a unit sees along every axis."""
    figure = f"receptive field of {spot.path}"
    if not torch.isfinite(spot.result).all():
        return Proof(figure, "-", "-", None, "no finite values")
    computed: list[str] = []
    found: list[str] = []
    inside = equal = True
    spans = [range(n) for n in spot.result.shape[2:]] or [range(1)]
    for which in range(3):
        unit = [(0, len(r) // 2, len(r) - 1)[which] for r in spans]
        grad = _gradient(spot.result, unit, x)
        for number, axis in enumerate(field):
            if axis is None:
                continue
            u = unit[number] if len(unit) == len(field) else 0
            low, high = max(axis.low(u), 0), min(axis.high(u), x.shape[number + 2] - 1)
            rows = _rows(grad, number)
            a, b = (rows[0], rows[-1]) if rows else (0, -1)
            inside = inside and (not rows or axis.gated or (low <= a and b <= high))
            equal = equal and (a, b) == (low, high)
            if which == 1:
                computed.append(f"{low}..{high}")
                found.append(f"{a}..{b}" if rows else "nothing")
    odd = any(axis is not None and (axis.gated or _holes(axis)) for axis in field)
    holds: bool | None = inside and (equal or not exact or odd)
    note = "equal" if equal else "contained" if inside else "not contained"
    if holds and not equal:
        note += ": the rest is seen through a gate" if not inside else " (see docs/verify.md)"
    if wraps and not equal:
        holds, note = None, "a border is filled from the other side"
    return Proof(figure, " x ".join(computed), " x ".join(found), holds, note)


def _gradient(y: Tensor, unit: list[int], x: Tensor) -> Tensor:
    """Of all channels of one unit, over the input."""
    at: tuple[slice | int, ...] = (slice(None), slice(None), *unit)
    if y.dim() == 2:
        at = at[:1]
    (grad,) = torch.autograd.grad(
        y[at].sum(), x, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    return grad


def _rows(grad: Tensor, axis: int) -> list[int]:
    """Rows of the input, along an axis, that a gradient reaches."""
    seen = grad.ne(0).movedim(axis + 2, 0).flatten(1).any(dim=1)
    return [int(i) for i in seen.nonzero().flatten()]


def _holes(axis: Axis) -> bool:
    """Some rows inside of the interval may not be seen."""
    return axis.step > 1 or axis.blind is not None
