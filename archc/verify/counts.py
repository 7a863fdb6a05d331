"""State, shapes, counts, MACs, depth and memory, on PyTorch's meta device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..analysis import Report
from ..analysis.measures import MAIN, SKIP
from ..analysis.memory import SCALAR
from ..graph import Graph, Shape, join
from ..train.build import instantiate
from . import Proof
from .depth import depth, marked
from .memory import peak
from .modules import BATCH, ends, on_meta, plain, quiet, tensors, watched, weighty
from .order import in_order, steps


class Seen:
    """What one run of the module shows. Shapes have no batch."""

    def __init__(self, module: nn.Module, xs: list[Tensor]) -> None:
        self.shapes: dict[str, list[Shape]] = {}
        self.units = 0

        def see(path: str, found: nn.Module, result: Any) -> Any:
            made = tensors(result)
            self.shapes.setdefault(path, [tuple(t.shape[1:]) for t in made])
            if not weighty(found):
                return None
            self.units += sum(t[0].numel() for t in made)
            return marked(made[0])

        with quiet(), watched(module, see), FlopCounterMode(display=False) as counter:
            outputs = tensors(module(*xs))
        self.macs = counter.get_total_flops() / (2 * len(xs[0]))
        self.outputs: list[Shape] = [tuple(y.shape[1:]) for y in outputs]
        self.depth = depth(outputs)


def prove_counts(graph: Graph, report: Report, source: str) -> list[Proof]:
    """Everything but receptive fields."""
    with torch.device("meta"):
        module = instantiate(source, graph.name)
    module.eval()
    xs = on_meta(graph)
    # so that autograd follows also what has no trained weight
    seen = Seen(module, [x.requires_grad_() for x in on_meta(graph)])
    proofs = [
        *_state(graph, report, module),
        _outputs("output shapes", graph, False, seen),
        _modules(graph, seen),
        _layers(graph, report, module, xs),
        _equal("MACs", report.macs, seen.macs),
        _equal("FLOPs", report.flops, 2 * seen.macs),
        _equal("neurons", report.neurons, seen.units),
        _equal("depth", report.depth, seen.depth),
        *_memory(graph, report, module),
    ]
    if any(end.training for end in graph.main.outputs):
        proofs += _training(graph, report, module.train(), xs)
    from .saved import prove_saved

    # a fresh module: hooks and gradients of the proofs above are not in the way
    with torch.device("meta"):
        fresh = instantiate(source, graph.name).train()
    proofs.append(prove_saved(graph, fresh, [torch.empty_like(x) for x in on_meta(graph)]))
    return proofs


def _equal(figure: str, computed: int, found: float, note: str = "") -> Proof:
    shown = f"{found:,.0f}" if float(found).is_integer() else f"{found:,}"
    return Proof(figure, f"{computed:,}", shown, computed == found, note)


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
                found[join(path, name)] = plain(shape)
    return found


def _state(graph: Graph, report: Report, module: nn.Module) -> list[Proof]:
    expected = state(graph)
    found = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    wrong = sorted(k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k))
    note = "keys and shapes"
    if wrong:
        key = wrong[0]
        note = f"{key}: {_one(expected.get(key))}, in PyTorch {_one(found.get(key))}"
    extra = report.auxiliary
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    frozen = sum(p.numel() for p in module.parameters() if not p.requires_grad)
    buffers = sum(b.numel() for b in module.buffers())
    heads = f"{extra.params:,} in auxiliary heads" if extra.params else ""
    return [
        Proof("state_dict", f"{len(expected)} tensors", f"{len(found)} tensors", not wrong, note),
        _equal("parameters", report.params + extra.params, trained, heads),
        _equal("frozen", report.frozen + extra.frozen, frozen),
        _equal("buffers", report.buffers + extra.buffers, buffers),
    ]


def _one(shape: Shape | None) -> str:
    return "nothing" if shape is None else str(list(shape))


# ---------------------------------------------------------------------------- shapes


def _outputs(figure: str, graph: Graph, training: bool, seen: Seen) -> Proof:
    values = graph.main.values
    expected = [plain(values[v].shape) for v in ends(graph, training)]
    return Proof(figure, _text(expected), _text(seen.outputs), expected == seen.outputs)


def _text(shapes: list[Shape]) -> str:
    shown = ", ".join("x".join(map(str, s)) for s in shapes[:3])
    return shown + (f", ... ({len(shapes)})" if len(shapes) > 3 else "")


def _modules(graph: Graph, seen: Seen) -> Proof:
    """Shapes that leave the modules of layers, calls and labelled groups."""
    compared, wrong = 0, ""
    for path, expected in _shapes(graph):
        given = seen.shapes.get(path)
        if given is None:
            continue  # a function in the emitted code, or a branch for training only
        compared += 1
        # a block may give positions along with what it pools
        if given[: len(expected)] != expected:
            wrong = wrong or f"{path}: {_text(expected)}, in PyTorch {_text(given)}"
    shown = f"{compared} modules"
    return Proof("shapes of modules", shown, shown, not wrong, wrong or "by name")


def _shapes(graph: Graph) -> Iterator[tuple[str, list[Shape]]]:
    pending = [(len(graph.bodies) - 1, "")]
    while pending:
        index, prefix = pending.pop()
        body = graph.bodies[index]
        for node in body.nodes:
            if node.module is not None:
                continue
            path = join(prefix, node.name)
            yield path, [plain(body.values[i].shape) for i in node.outputs]
            if node.body >= 0:
                pending.append((node.body, path))
        for scope in body.scopes:
            if scope.labelled and scope.path and isinstance(scope.output, int):
                yield join(prefix, scope.path), [plain(body.values[scope.output].shape)]


def _layers(graph: Graph, report: Report, module: nn.Module, xs: list[Tensor]) -> Proof:
    """Shapes of all layers, in the order in which they run."""
    parts = report.walker.measures.parts(len(graph.bodies) - 1, MAIN)
    with quiet():
        found, missing = in_order(graph, [part != SKIP for part in parts], steps(module, xs))
    total = f"{found + bool(missing):,} layers"
    return Proof("shapes of layers", total, f"{found:,} layers", not missing, missing or "in order")


# ---------------------------------------------------------------------------- memory, training


def _memory(graph: Graph, report: Report, module: nn.Module) -> Iterator[Proof]:
    """Bytes of what stays, and of the peak of what comes and goes, in float32 at batch 1."""
    counts, extra = report.counts, report.auxiliary
    scalars = counts.params + counts.frozen + counts.buffers
    heads = extra.params + extra.frozen + extra.buffers
    kept = sum(t.numel() for t in (*module.parameters(), *module.buffers()))
    yield _equal("memory: state", SCALAR * (scalars + heads), SCALAR * kept)
    most = report.memory - SCALAR * scalars
    with quiet():
        found = SCALAR * peak(module, [x[:1].clone() for x in on_meta(graph)])
    if found == most:
        yield _equal("memory: activations", most, found)
    else:
        note = "scratch room of PyTorch's, or freed later" if found > most else "freed earlier"
        yield Proof("memory: activations", f"{most:,}", f"{found:,}", None, note)


def _training(graph: Graph, report: Report, module: nn.Module, xs: list[Tensor]) -> Iterator[Proof]:
    """Outputs that are there in training only."""
    seen = Seen(module, xs)
    yield _outputs("output shapes in training", graph, True, seen)
    yield _equal("MACs in training", report.macs + report.auxiliary_macs, seen.macs)


__all__ = ["BATCH", "Seen", "prove_counts", "state"]
