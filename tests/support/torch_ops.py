"""Operators run in PyTorch: values of `archc.ops.call` evaluated, and which units read what."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from archc.ops import Op
from archc.ops.call import (
    Call,
    Infix,
    Input,
    Method,
    Module,
    SizeOf,
    Torch,
    Weight,
)


class Running:
    """One operator in PyTorch: its module, if it has one, and how it is applied."""

    def __init__(self, form: Torch) -> None:
        self.form = form
        self.names: dict[str, Any] = {"torch": torch, "nn": nn, "F": F, "Tensor": Tensor}
        self.names["float"] = float
        for helper in form.helpers:
            exec(compile(helper.source, helper.name, "exec"), self.names)
        self.module: nn.Module | None = None
        if form.module is not None:
            self.module = self._value(form.module, ())
        for statement in form.setup:
            self._value(statement, ())

    def by_module(self, *xs: Tensor) -> Any:
        """As a layer of `nn.Sequential` does it."""
        assert self.module is not None
        return self.module(*xs)

    def by_function(self, *xs: Tensor) -> Any:
        """As a line of `forward` does it."""
        return self._value(self.form.function, xs)

    def __call__(self, *xs: Tensor) -> Any:
        return self.by_module(*xs) if self.form.function is None else self.by_function(*xs)

    def _value(self, e: Any, xs: tuple[Tensor, ...]) -> Any:
        def of(part: Any) -> Any:
            return self._value(part, xs)

        match e:
            case Input(index):
                return xs[index]
            case Module():
                return self.module
            case Weight(name):
                return dict(self.module.named_parameters())[name]
            case SizeOf(index):
                return xs[index].shape[2:]
            case Call(func, args, kwargs):
                called = of(func) if isinstance(func, Module) else self._name(func)
                return called(*map(of, args), **{k: of(v) for k, v in kwargs.items()})
            case Method(on, name, args, kwargs):
                called = getattr(of(on), name)
                return called(*map(of, args), **{k: of(v) for k, v in kwargs.items()})
            case Infix(op, args):
                result = of(args[0])
                for arg in args[1:]:
                    other = of(arg)
                    if op == "+":
                        result = result + other
                    elif op == "-":
                        result = result - other
                    elif op == "*":
                        result = result * other
                    else:
                        assert op == "/"
                        result = result / other
                return result
            case tuple() | list():
                return type(e)(map(of, e))
        return e

    def _name(self, dotted: str) -> Any:
        first, *rest = dotted.split(".")
        value = self.names[first]
        for part in rest:
            value = getattr(value, part)
        return value


def macs(running: Running, *xs: Tensor) -> int:
    """Multiply-accumulates of one application."""
    with FlopCounterMode(display=False) as counter:
        running(*xs)
    total = counter.get_total_flops()
    assert total % 2 == 0
    return int(total // 2)


def positive(module: nn.Module | None) -> None:
    """Random positive weights: what is read cannot cancel out."""
    if module is not None:
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.uniform_(0.5, 1.5)


def inputs(op: Op, shapes: list[tuple[int, ...]], batch: int) -> list[Tensor]:
    """Random positive inputs; for `unpool`, the second are positions of a real max pool."""
    xs = [torch.rand(batch, *shape) + 0.1 for shape in shapes]
    if op.op == "unpool":
        xs[1] = _positions(op, shapes[0], batch)
    return xs


def _positions(op: Op, shape: tuple[int, ...], batch: int) -> Tensor:
    from archc.ops import operator

    args = {"kernel": op.kernel, "stride": op.stride, "pad": op.pad}  # type: ignore[attr-defined]
    pool = operator("pool").make({k: v for k, v in args.items() if v is not None})
    source = (shape[0], *op.size)  # type: ignore[attr-defined]
    form = pool.torch_positions(source)  # type: ignore[attr-defined]
    maxima, positions = Running(form)(torch.rand(batch, *source))
    assert tuple(maxima.shape[1:]) == shape
    return positions  # type: ignore[no-any-return]


def seen(op: Op, running: Running, shapes: list[tuple[int, ...]], which: int, axis: int) -> Tensor:
    """Which units depend on which rows: a table of (row of the input, unit of the result).

    One sample per row of input `which` along the axis has that row raised; what then differs from
    the unchanged sample depends on it: maxima too. A change by less than 1e-5 is rounding.
    """
    rows = shapes[which][axis + 1]
    xs = [x.expand(rows + 1, *x.shape[1:]).clone() for x in inputs(op, shapes, 1)]
    for row in range(rows):
        slab = xs[which][row].select(axis + 1, row)
        slab.add_(1 + 3 * torch.rand(slab.shape))  # no constant: norms and softmax ignore that
    with torch.no_grad():
        ys = running(*xs)
    y = (ys[0] if isinstance(ys, (tuple, list)) else ys).double()
    changed = (y[:rows] - y[rows]).abs() > 1e-5 * torch.maximum(y[:rows].abs(), y[rows].abs())
    if y.dim() == 2:
        return changed.any(dim=1, keepdim=True)
    changed = changed.movedim(axis + 2, 1)
    return changed.flatten(2).any(dim=2)
