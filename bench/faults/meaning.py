"""What a spec means to PyTorch: networks run layer by layer on tensors without numbers.

A second reading of the language for the sake of judging mutants: syntax trees come from archc's
parser (of texts that are grammatical by construction), all else is in this folder and in PyTorch. A
network's meaning is a number that is equal for networks of the same layers in the same wiring.
"""

from __future__ import annotations

from typing import Any

from archc.syntax import tree

from .stages import Frame, World, enter
from .units import Unit, base, read
from .values import Keys, UndecidedError, Value, WrongError, freeze, place

USUAL = 224  # a free size without a default


class Meaning:
    """What one network is to PyTorch."""

    def __init__(self, key: Any, weights: int, outputs: list[Any]) -> None:
        self.key = key
        self.weights = weights
        self.outputs = outputs


def network(unit: Unit, name: str, keys: Keys) -> Meaning | None:
    """Run a network; None where a parameter has no value. Raises WrongError, UndecidedError."""
    function = unit.find(name)
    world = World(keys)
    try:
        decl, _, bound = base(function)
        if any(p.default is None and p.name.name not in bound for p in decl.params):
            return None
        frame = enter(function, {}, world, unit.declared[name])
        if not isinstance(decl, tree.Network):
            raise WrongError("no network", place(unit.declared[name]))
        for one in [s for s in decl.body if isinstance(s, tree.Input)]:
            _feed(frame, one)
        frame.run(decl.body)
        frame.result(decl)
    except RecursionError:
        raise UndecidedError("nested too deeply") from None
    values = [freeze(value) for _, value, _ in frame.outputs]
    return Meaning(
        (world.keys(tuple(values)), tuple(t for _, _, t in frame.outputs)),
        _weights(world, [value for _, value, training in frame.outputs if not training]),
        [value for _, value, _ in frame.outputs],
    )


def _weights(world: World, values: list[Any]) -> int:
    """Weights of the layers that values depend on, shared ones once."""
    pending = [v.layer for value in values for v in (value if isinstance(value, list) else [value])]
    seen: set[int] = set()
    found: dict[Any, int] = {}
    while pending:
        layer = pending.pop()
        if layer not in seen:
            seen.add(layer)
            owner, weights, before = world.owners[layer]
            found[owner] = weights
            pending += before
    return sum(found.values())


def _feed(frame: Frame, one: tree.Input) -> None:
    """A network's own input."""
    dims = one.dims or ()
    if not dims or one.rest:
        raise WrongError("an input without a shape", place(one))
    free = [frame._free(dim) for dim in dims]
    open_ = [n for n, d in zip(free, dims, strict=True) if n is not None and d.name is None]
    for size in range(USUAL, USUAL + 4096) if open_ else (USUAL,):
        shape = []
        for name, dim in zip(free, dims, strict=True):
            due = size if name in open_ else frame.count(dim.value)
            if name is not None:
                frame.env[name] = due
            elif dim.name is not None:
                due = frame.env[dim.name.name]
            shape.append(due)
        if one.where is None or frame.test(one.where):
            break
        if open_:
            for name in open_:
                frame.env.pop(name, None)
    else:
        raise WrongError("`where` does not hold", place(one.where or one))
    if min(shape) < 1:
        raise WrongError("a size of nothing", place(one))
    key = frame.world.keys(("input", one.name.name, tuple(shape)))
    frame.env[one.name.name] = Value(key, tuple(shape), place(one))


__all__ = ["Keys", "Meaning", "Unit", "network", "read"]
