"""A whole network against PyTorch: the graph and its report on one side, on the other the emitted
module, run."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from archc.analysis import Report
from archc.graph import Graph, Shape, join, leaves
from tests.support.random_operators import HIDING
from tests.support.reach import Reach, reach_of

Shapes = dict[str, tuple[int, ...]]


def module_of(source: str, name: str) -> nn.Module:
    """An instance of the class in an emitted file."""
    names: dict[str, Any] = {"__name__": name}
    exec(compile(source, f"{name}.py", "exec"), names)
    made = names[name]()
    assert isinstance(made, nn.Module)
    return made


# ---------------------------------------------------------------------- what the graph says


def state_of(graph: Graph) -> Shapes:
    """state_dict keys and shapes, by walking the graph from call to call."""
    found: Shapes = {}

    def walk(index: int, prefix: str) -> None:
        body = graph.bodies[index]
        for node in body.nodes:
            path = join(prefix, node.module or node.name)
            if node.op < 0:
                walk(node.body, path)
                continue
            x = body.values[node.inputs[0]].shape
            op = graph.ops[node.op]
            for name, shape in {**op.weights(x), **op.buffers(x)}.items():
                found[join(path, name)] = tuple(int(n) for n in shape)

    walk(len(graph.bodies) - 1, "")
    return found


def input_shapes(graph: Graph) -> list[Shape]:
    body = graph.main
    return [body.values[v].shape for end in body.inputs for v in leaves(end.value)]


def output_shapes(graph: Graph, training: bool) -> list[Shape]:
    body = graph.main
    ends = [end for end in body.outputs if training or not end.training]
    return [tuple(body.values[v].shape) for end in ends for v in leaves(end.value)]


# ---------------------------------------------------------------------- what PyTorch says


def tensors(result: Any) -> list[Tensor]:
    """The outputs of a module, lists taken apart."""
    if isinstance(result, Tensor):
        return [result]
    parts = result.values() if isinstance(result, dict) else result
    return [tensor for part in parts for tensor in tensors(part)]


def inputs_for(graph: Graph, batch: int) -> list[Tensor]:
    return [torch.rand(batch, *shape) + 0.1 for shape in input_shapes(graph)]


def counted(module: nn.Module, xs: list[Tensor]) -> tuple[list[Tensor], int]:
    """The outputs, and FLOPs by PyTorch's own counter."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        ys = tensors(module(*xs))
    return ys, counter.get_total_flops()


class Flops(TorchDispatchMode):
    """PyTorch's formulas without its bookkeeping by module, which takes most of the time of a
    network of a thousand layers."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func._overloadpacket
        if packet not in flop_registry and func is not torch.ops.prim.device.default:
            with self:
                inner = func.decompose(*args, **kwargs)
            if inner is not NotImplemented:
                return inner
        out = func(*args, **kwargs)
        if packet in flop_registry:
            self.total += flop_registry[packet](*args, **kwargs, out_val=out)
        return out


def counted_quickly(module: nn.Module, xs: list[Tensor]) -> tuple[list[Tensor], int]:
    """As `counted`, for large networks."""
    with Flops() as counter, torch.no_grad():
        ys = tensors(module(*xs))
    return ys, counter.total


# ---------------------------------------------------------------------- held against each other


def compare(graph: Graph, report: Report, source: str, large: bool = False) -> nn.Module:
    """Everything but receptive fields; AssertionError where the two differ. The module, in
    evaluation mode. `large`: training is run only where it has outputs of its own."""
    module = module_of(source, graph.name)
    check_state(graph, report, module)
    count = counted_quickly if large else counted
    apart = any(end.training for end in graph.main.outputs)
    for training in (True, False):
        if training and large and not apart:
            continue
        module.train(training)
        ys, flops = count(module, inputs_for(graph, 2))
        assert [tuple(y.shape[1:]) for y in ys] == output_shapes(graph, training)
        assert all(y.shape[0] % 2 == 0 for y in ys)  # regions of interest make a batch of their own
        expected = report.macs + (report.auxiliary_macs if training else 0)
        assert flops == 2 * 2 * expected, (flops / 4, expected)
    return module


def check_state(graph: Graph, report: Report, module: nn.Module) -> None:
    """Keys and shapes of the state, and the report's counts of it."""
    state = {k: tuple(v.shape) for k, v in module.state_dict().items()}
    assert state == state_of(graph)
    parameters = list(module.parameters())
    extra = report.auxiliary
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    assert trained == report.params + extra.params
    frozen = sum(p.numel() for p in parameters if not p.requires_grad)
    assert frozen == report.frozen + extra.frozen
    assert sum(b.numel() for b in module.buffers()) == report.buffers + extra.buffers


# ---------------------------------------------------------------------- receptive fields


def steady(module: nn.Module) -> None:
    """Positive weights that keep units small, so that nothing cancels out or saturates."""
    with torch.no_grad():
        for p in module.parameters():
            fan = prod(p.shape[1:]) if p.dim() > 1 else 1
            p.uniform_(0.1, 0.6).div_(fan)


def shows_all(graph: Graph) -> bool:
    """Does the gradient of a unit show everything that it sees?"""
    for op in graph.ops:
        by = getattr(op, "by", None)
        if op.op in HIDING or (op.op == "pool" and by in ("max", "sum")):
            return False
        if op.op == "conv_transpose" and _gaps(op):
            return False
        if (op.op == "fuse" and by in ("max", "difference")) or by == "bicubic":
            return False
    return True


def _gaps(op: Any) -> bool:
    """Are there units that see nothing? Then what is seen along an axis depends on the other."""
    stride = op.stride if isinstance(op.stride, tuple) else (op.stride,)
    kernel = op.kernel if isinstance(op.kernel, tuple) else (op.kernel,)
    return max(stride) > min(kernel)


def check_field(graph: Graph, report: Report, module: nn.Module) -> bool:
    """What some units of the first spatial output see of the input, three times: by the gradient,
    unit by unit through the graph, and by the report. False where there is nothing to compare."""
    module.eval()
    steady(module)
    # two samples: batch statistics need more than one number
    xs = inputs_for(graph, 1 + any(op.op == "batchnorm" for op in graph.ops))
    first = next((i for i, x in enumerate(xs) if x.dim() > 2), None)
    if first is None:
        return False
    body, walker = graph.main, report.walker
    ends = [v for end in body.outputs if not end.training for v in leaves(end.value)]
    which = next((i for i, v in enumerate(ends) if len(body.values[v].shape) > 1), 0)
    reached = reach_of(graph, first)[ends[which]]
    field = walker.field(walker.main_place(), ends[which])
    assert (reached is None) == (field is None)
    if reached is None or field is None:
        return False
    xs[first].requires_grad_(True)
    y = tensors(module(*xs))[which]
    if not torch.isfinite(y).all():
        return False
    exact = shows_all(graph)
    # a border of zeros makes a product zero
    gated = any(op.op == "fuse" and getattr(op, "by", "") == "product" for op in graph.ops)
    for axis, units in enumerate(reached):
        if field[axis] is None:
            assert not any(unit.local for unit in units)
        for u in _some(len(units)):
            seen = _gradient(y, xs[first], axis, u if y.dim() > 2 else None)
            unit = units[u]
            if seen is None:
                continue
            assert seen & ~unit.all == 0, ("more than is reached", axis, u, seen, unit)
            if exact and not unit.holes and not _hollow(reached) and not (gated and unit.cut):
                assert seen == unit.all, ("less than is reached", axis, u, seen, unit)
            _against_report(field[axis], unit, u, xs[first].shape[axis + 2])
    return True


def _hollow(reached: list[list[Reach]]) -> bool:
    """Some unit sees nothing along some axis, thus nothing at all."""
    return any(unit.all == 0 for units in reached for unit in units)


def _some(n: int) -> Iterator[int]:
    """The first unit, one in the middle and the last."""
    yield from dict.fromkeys((0, n // 2, n - 1))


def _gradient(y: Tensor, x: Tensor, axis: int, unit: int | None) -> int | None:
    """Bit mask of the rows of x on which a row of y depends; None where numbers ran over."""
    chosen = y if unit is None else y.select(axis + 2, unit)
    (grad,) = torch.autograd.grad(
        (chosen * torch.rand_like(chosen)).sum(), x, retain_graph=True, allow_unused=True,
        materialize_grads=True,
    )  # fmt: skip
    if not torch.isfinite(grad).all():
        return None
    rows = grad.ne(0).movedim(axis + 2, 0).flatten(1).any(dim=1)
    return sum(1 << i for i, seen in enumerate(rows.tolist()) if seen)


def _against_report(axis: Any, unit: Reach, u: int, n: int) -> None:
    """The report's interval of a unit: it holds what is reached, and is no larger than that where
    no border is in the way."""
    if axis is None or unit.wrapped or not unit.local:
        return
    low, high = axis.low(u), axis.high(u)
    bits = [i for i in range(n) if unit.local >> i & 1]
    assert low <= bits[0] and bits[-1] <= high, ("report", u, (low, high), bits)
    if not unit.cut:
        assert (low, high) == (bits[0], bits[-1]), ("report", u, (low, high), bits)
