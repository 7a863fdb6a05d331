"""Depth: the weight layers on the longest way through autograd's graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Mark(torch.autograd.Function):
    """The identity, which leaves a step in autograd's graph: here a weight layer was passed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0]


def marked(x: Tensor) -> Tensor:
    """The same tensor, as the result of a weight layer."""
    result: Tensor = Mark.apply(x)  # type: ignore[no-untyped-call]
    return result


def depth(outputs: list[Tensor]) -> int:
    """Marks on the longest way from the outputs to a leaf of autograd's graph.

    Iterative: networks may be thousands of layers deep.
    """
    best: dict[Any, int] = {}
    roots = [y.grad_fn for y in outputs if y.grad_fn is not None]
    pending: list[tuple[Any, bool]] = [(root, False) for root in roots]
    while pending:
        step, ready = pending.pop()
        if step in best:
            continue
        below = [following for following, _ in step.next_functions if following is not None]
        if ready:
            own = int(step.name() == "MarkBackward")
            best[step] = own + max((best[b] for b in below), default=0)
        else:
            pending.append((step, True))
            pending.extend((b, False) for b in below if b not in best)
    return max((best[root] for root in roots), default=0)
