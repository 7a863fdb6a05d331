"""State, shapes, counts, MACs and depth, on PyTorch's meta device: shapes flow, no data does."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..analysis import Report
from ..graph import Graph, Shape, join, leaves
from ..train.build import instantiate
from . import Proof

BATCH = 2


def prove_counts(graph: Graph, report: Report, source: str) -> list[Proof]:
    """Everything but receptive fields."""
    with torch.device("meta"):
        module = instantiate(source, graph.name)
    module.eval()
    shapes: dict[str, list[Shape]] = {}
    layers: list[int] = []
    hooks = list(_watch(module, shapes, layers))
    xs = [torch.empty(BATCH, *shape, device="meta") for shape in inputs(graph)]
    with warnings.catch_warnings(), FlopCounterMode(display=False) as counter:
        warnings.simplefilter("ignore")
        result = module(*xs)
    for hook in hooks:
        hook.remove()
    return [
        *_state(graph, report, module),
        _outputs(graph, tensors(result)),
        _labels(graph, shapes),
        _equal("MACs", report.macs, counter.get_total_flops() / (2 * BATCH)),
        _equal("FLOPs", report.flops, counter.get_total_flops() / BATCH),
        _equal("neurons", report.neurons, sum(layers)),
        _equal("depth", report.depth, depth(tensors(result))),
    ]


def inputs(graph: Graph) -> list[Shape]:
    """Shapes of the network's inputs."""
    body = graph.main
    return [_plain(body.values[v].shape) for end in body.inputs for v in leaves(end.value)]


def tensors(result: Any) -> list[Tensor]:
    """The outputs of a module, lists taken apart."""
    if isinstance(result, Tensor):
        return [result]
    return [tensor for part in result for tensor in tensors(part)]


def _plain(shape: Shape) -> Shape:
    return tuple(int(n) for n in shape)


def _equal(figure: str, computed: int, found: float) -> Proof:
    shown = f"{found:,.0f}" if float(found).is_integer() else f"{found:,}"
    return Proof(figure, f"{computed:,}", shown, computed == found)


# ---------------------------------------------------------------------------- state


def state(graph: Graph) -> dict[str, Shape]:
    """state_dict keys and shapes, by walking the graph from call to call."""
    found: dict[str, Shape] = {}
    pending = [(len(graph.bodies) - 1, "")]
    while pending:
        index, prefix = pending.pop()
        body = graph.bodies[index]
        for node in body.nodes:
            path = join(prefix, node.module or node.name)
            if node.op < 0:
                pending.append((node.body, path))
                continue
            x, op = body.values[node.inputs[0]].shape, graph.ops[node.op]
            for name, shape in {**op.weights(x), **op.buffers(x)}.items():
                found[join(path, name)] = _plain(shape)
    return found


def _state(graph: Graph, report: Report, module: nn.Module) -> list[Proof]:
    expected = state(graph)
    found = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    wrong = sorted(k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k))
    extra = report.auxiliary
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in module.parameters() if not p.requires_grad)
    buffers = sum(b.numel() for b in module.buffers())
    return [
        Proof(
            "state_dict",
            f"{len(expected)} tensors",
            f"{len(found)} tensors",
            not wrong,
            f"first difference: {wrong[0]}" if wrong else "keys and shapes",
        ),
        _equal("parameters", report.params + extra.params, trained),
        _equal("frozen", report.frozen + extra.frozen, frozen),
        _equal("buffers", report.buffers + extra.buffers, buffers),
    ]


# ---------------------------------------------------------------------------- shapes


def _watch(
    module: nn.Module, shapes: dict[str, list[Shape]], layers: list[int]
) -> Iterator[Any]:
    """Hooks that note the shapes that leave every module, and the units of weight layers."""
    weighty = (nn.modules.conv._ConvNd, nn.Linear)

    def note(path: str, found: nn.Module) -> Any:
        def hook(_: nn.Module, __: Any, result: Any) -> None:
            made = [tuple(t.shape[1:]) for t in tensors(result)]
            shapes.setdefault(path, made)
            if isinstance(found, weighty) or type(found).__name__.startswith("LocallyConnected"):
                layers.append(sum(t.numel() // BATCH for t in tensors(result)))

        return hook

    for path, found in module.named_modules():
        if path:
            yield found.register_forward_hook(note(path, found))


def _outputs(graph: Graph, found: list[Tensor]) -> Proof:
    body = graph.main
    ends = [end for end in body.outputs if not end.training]
    expected = [_plain(body.values[v].shape) for end in ends for v in leaves(end.value)]
    given = [tuple(y.shape[1:]) for y in found]
    return Proof("output shapes", _text(expected), _text(given), expected == given)


def _text(shapes: list[Shape]) -> str:
    shown = ", ".join("x".join(map(str, s)) for s in shapes[:3])
    return shown + (f", ... ({len(shapes)})" if len(shapes) > 3 else "")


def _labels(graph: Graph, found: dict[str, list[Shape]]) -> Proof:
    """Shapes that leave the modules of layers, calls and labelled groups."""
    compared, wrong = 0, ""
    for path, expected in _shapes(graph):
        given = found.get(path)
        if given is None:
            continue  # a function in the emitted code, or a branch for training only
        compared += 1
        # a block may give positions along with what it pools
        if given[: len(expected)] != expected:
            wrong = wrong or f"{path}: {_text(expected)}, not {_text(given)}"
    return Proof("shapes of modules", f"{compared} modules", f"{compared} modules", not wrong, wrong)


def _shapes(graph: Graph) -> Iterator[tuple[str, list[Shape]]]:
    pending = [(len(graph.bodies) - 1, "")]
    while pending:
        index, prefix = pending.pop()
        body = graph.bodies[index]
        for node in body.nodes:
            if node.module is not None:
                continue
            path = join(prefix, node.name)
            yield path, [_plain(body.values[i].shape) for i in node.outputs]
            if node.body >= 0:
                pending.append((node.body, path))
        for scope in body.scopes:
            if scope.labelled and scope.path and isinstance(scope.output, int):
                yield join(prefix, scope.path), [_plain(body.values[scope.output].shape)]


# ---------------------------------------------------------------------------- depth

WEIGHT_STEPS = ("ConvolutionBackward0", "AddmmBackward0", "BmmBackward0", "MmBackward0")
"""Steps of autograd that stand for a weight layer (a linear layer without bias is `Mm`)."""


def depth(outputs: list[Tensor]) -> int:
    """Weight layers on the longest way from the outputs to a leaf of autograd's graph.

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
            own = int(step.name() in WEIGHT_STEPS)
            best[step] = own + max((best[b] for b in below), default=0)
        else:
            pending.append((step, True))
            pending.extend((b, False) for b in below if b not in best)
    return max((best[root] for root in roots), default=0)
