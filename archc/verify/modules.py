"""The emitted module under observation: what goes in, what comes out, what each layer gives."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..graph import Graph, Shape, join, leaves

BATCH = 2
"""Samples on the meta device, where they cost nothing; statistics of a batch need two."""

WEIGHTY = ("LocallyConnected", "Rbf")
"""Classes of weight layers that PyTorch lacks; the others are its convolutions and `nn.Linear`."""


def inputs(graph: Graph) -> list[Shape]:
    """Shapes of the network's inputs."""
    body = graph.main
    return [plain(body.values[v].shape) for end in body.inputs for v in leaves(end.value)]


def ends(graph: Graph, training: bool) -> list[int]:
    """Values of the network's body that its module returns, in order."""
    outputs = [end for end in graph.main.outputs if training or not end.training]
    return [v for end in outputs for v in leaves(end.value)]


def tensors(result: Any) -> list[Tensor]:
    """The tensors that a module gives, lists taken apart; sizes among them are left out."""
    if isinstance(result, Tensor):
        return [result]
    if not isinstance(result, (tuple, list)):
        return []
    return [tensor for part in result for tensor in tensors(part)]


def plain(shape: Shape) -> Shape:
    """A shape of plain integers."""
    return tuple(int(n) for n in shape)


def weighty(module: nn.Module) -> bool:
    """A weight layer: a convolution, a linear layer or one of the kind."""
    known = isinstance(module, (nn.modules.conv._ConvNd, nn.Linear))
    return known or type(module).__name__.startswith(WEIGHTY)


@contextmanager
def watched(
    module: nn.Module, see: Callable[[str, nn.Module, Any], Any], only: set[str] | None = None
) -> Iterator[None]:
    """While it lasts, `see(path, module, result)` is called after each module that has a path
    (or is among `only`); what it returns, if anything, takes the place of the result."""

    def hook(path: str) -> Any:
        return lambda found, given, result: see(path, found, result)

    hooks = [
        found.register_forward_hook(hook(path))
        for path, found in module.named_modules(remove_duplicate=False)
        if path and (only is None or path in only)
    ]
    try:
        yield
    finally:
        for each in hooks:
            each.remove()


@contextmanager
def quiet() -> Iterator[None]:
    """PyTorch's own warnings are not the reader's concern."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def on_meta(graph: Graph) -> list[Tensor]:
    """Inputs without numbers."""
    return [torch.empty(BATCH, *shape, device="meta") for shape in inputs(graph)]


def walk(graph: Graph) -> Iterator[tuple[str, int, int]]:
    """Every node of the network, calls too, in the order of execution: path, body, node."""
    stack: list[tuple[str, int, int]] = [("", len(graph.bodies) - 1, 0)]
    while stack:
        prefix, index, n = stack.pop()
        nodes = graph.bodies[index].nodes
        if n == len(nodes):
            continue
        stack.append((prefix, index, n + 1))
        node = nodes[n]
        path = join(prefix, node.module or node.name)
        yield path, index, n
        if node.body >= 0:
            stack.append((path, node.body, 0))
