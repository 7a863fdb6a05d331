"""Receptive fields against the support of gradients: what a unit's gradient reaches, it sees.

With positive weights nothing cancels, so the gradient of a unit reaches exactly what the unit sees,
where there are no holes and nothing selects (a maximum passes the gradient to one of its inputs).
The computed field must contain the gradient's support always, and equal it otherwise.
"""

from __future__ import annotations

import warnings
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from ..analysis import Report
from ..analysis.axis import Axis
from ..graph import Graph, Shape, leaves
from ..train.build import instantiate
from . import Proof
from .counts import inputs, tensors

MOST = 8
"""Labelled values whose fields are proven, evenly chosen, besides the output."""


def prove_fields(graph: Graph, report: Report, source: str) -> list[Proof]:
    """The fields of the first spatial output and of labelled layers of the network's own body."""
    shapes = inputs(graph)
    first = next((i for i, shape in enumerate(shapes) if len(shape) > 1), None)
    if first is None:
        return []
    torch.manual_seed(0)
    module = instantiate(source, graph.name).double().eval()
    steady(module)
    seen: dict[str, Tensor] = {}
    hooks = [
        found.register_forward_hook(_keep(seen, path))
        for path, found in module.named_modules()
        if path in _places(graph)
    ]
    # two samples: statistics of a batch need more than one number
    xs = [torch.rand(2, *shape, dtype=torch.float64) + 0.1 for shape in shapes]
    xs[first].requires_grad_(True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = tensors(module(*xs))
    for hook in hooks:
        hook.remove()
    return _compare(graph, report, xs[first], seen, result)


def steady(module: nn.Module) -> None:
    """Positive weights that keep units near 1, so that nothing cancels, saturates or overflows."""
    with torch.no_grad():
        for p in module.parameters():
            p.uniform_(0.5, 1.5).div_(prod(p.shape[1:]) if p.dim() > 1 else 1)


def _keep(seen: dict[str, Tensor], path: str) -> Any:
    def hook(_: nn.Module, __: Any, result: Any) -> None:
        if isinstance(result, Tensor):
            seen.setdefault(path, result)

    return hook


def _places(graph: Graph) -> dict[str, int]:
    """Values of the network's body that leave a labelled layer, call or group."""
    body = graph.main
    found = {n.name: n.outputs[0] for n in body.nodes if len(n.outputs) == 1 and not n.module}
    for scope in body.scopes:
        if scope.labelled and scope.path and isinstance(scope.output, int):
            found[scope.path] = scope.output
    return {path: v for path, v in found.items() if len(body.values[v].shape) > 1}


def selective(graph: Graph) -> bool:
    """Something passes the gradient to a part of what it sees."""
    for op in graph.ops:
        by = getattr(op, "by", None)
        if op.op in ("maxout", "unpool") or (op.op == "pool" and by == "max"):
            return True
        if op.op == "fuse" and by in ("max", "difference", "product"):
            return True
    return False


def _compare(
    graph: Graph, report: Report, x: Tensor, seen: dict[str, Tensor], result: list[Tensor]
) -> list[Proof]:
    body, exact = graph.main, not selective(graph)
    places = [(path, v) for path, v in _places(graph).items() if path in seen]
    step = -(-len(places) // MOST) if places else 1
    chosen = [(path, seen[path], v) for path, v in places[::step]]
    ends = [v for end in body.outputs if not end.training for v in leaves(end.value)]
    spatial = next((i for i, v in enumerate(ends) if len(body.values[v].shape) > 1), None)
    if spatial is not None:
        chosen.append(("output", result[spatial], ends[spatial]))
    walker = report.walker
    main = walker.main_place()
    proofs = []
    for path, y, value in chosen:
        field = walker.field(main, value)
        if field is None or all(axis is None for axis in field):
            continue
        if not torch.isfinite(y).all():
            proofs.append(Proof(f"receptive field of {path}", "-", "-", None, "no finite values"))
            continue
        proofs.append(_prove(path, y, x, field, exact))
    return proofs


def _prove(path: str, y: Tensor, x: Tensor, field: Any, exact: bool) -> Proof:
    """Three units along each axis: the first, one in the middle, the last."""
    computed, found, holds, equal = [], [], True, True
    for number, axis in enumerate(field):
        if axis is None:
            continue
        size, units = x.shape[number + 2], y.shape[number + 2]
        for u in dict.fromkeys((0, units // 2, units - 1)):
            low, high = max(axis.low(u), 0), min(axis.high(u), size - 1)
            rows = support(y, x, number, u)
            a, b = (rows[0], rows[-1]) if rows else (0, -1)
            if u == units // 2:
                computed.append(f"{low}..{high}")
                found.append(f"{a}..{b}" if rows else "nothing")
            inside = not rows or _sees_all(axis) or (low <= a and b <= high)
            holds = holds and inside
            equal = equal and (a, b) == (low, high)
    whole = any(axis is not None and axis.gated for axis in field)
    must_equal = exact and not whole and not any(a is not None and _holes(a) for a in field)
    note = "equal" if equal else "contained (a maximum or holes)" if not must_equal else "not equal"
    return Proof(
        f"receptive field of {path}",
        " x ".join(computed),
        " x ".join(found),
        holds and (equal or not must_equal),
        note,
    )


def _sees_all(axis: Axis) -> bool:
    """Besides its local field, everything is seen through a gate."""
    return axis.gated


def _holes(axis: Axis) -> bool:
    """Some rows inside of the interval may not be seen."""
    return axis.step > 1 or axis.blind is not None


def support(y: Tensor, x: Tensor, axis: int, unit: int) -> list[int]:
    """Rows of x, along an axis, that a row of y depends on."""
    chosen = y.select(axis + 2, unit)
    (grad,) = torch.autograd.grad(
        chosen.sum(), x, retain_graph=True, allow_unused=True, materialize_grads=True
    )
    rows = grad.ne(0).movedim(axis + 2, 0).flatten(1).any(dim=1)
    return [i for i, reached in enumerate(rows.tolist()) if reached]


__all__ = ["Shape", "prove_fields", "steady", "support"]
