"""Do two networks compute the same? Decided on the layers as they feed each other, from the inputs
to the outputs; what layers, blocks and values are called does not matter, nor the order in which
independent layers stand.

Equal: layers with the same form in PyTorch (`Numbers.form`), fed alike, with weights shared alike.
What is joined by a commutative `fuse` may stand in any order. Layers that are no module and pass on
what they get (`identity`) are left out.
"""

from __future__ import annotations

from .diff_layers import Flat, Layer, Numbers, Source

_COMMUTATIVE = ("sum", "product", "max", "mean")


def correspondence(a: Flat, b: Flat, numbers: Numbers) -> dict[int, int] | None:
    """Layers of a to layers of b, where both networks are the same, else None.

    Layers that no output depends on are compared, too: they are part of the module.
    """
    if [shape for _, shape in a.inputs] != [shape for _, shape in b.inputs]:
        return None
    first, second = _Hashed(a, numbers), _Hashed(b, numbers)
    if len(first.kept) != len(second.kept) or len(a.outputs) != len(b.outputs):
        return None
    found = _Matching(first, second)
    for (_, x, training), (_, y, other) in zip(a.outputs, b.outputs, strict=True):
        if training != other or not found.match(x, y):
            return None
    if not found.match_rest():
        return None
    return found.layers


class _Hashed:
    """Numbers for the values of a network: equal for those that are worked out alike."""

    def __init__(self, flat: Flat, numbers: Numbers) -> None:
        self.layers = flat.layers
        self.numbers = numbers
        self.alias: dict[Source, Source] = {}
        self.value: dict[int, int] = {}
        self.kept: list[int] = []
        for layer in flat.layers:
            if layer.op.op == "identity":
                self.alias[Source(layer.index, 0)] = self.source(layer.inputs[0])
                continue
            self.kept.append(layer.index)
            fed = tuple([self.sign(source) for source in self.ordered(layer)])
            self.value[layer.index] = numbers.of(("value", layer.form, fed))

    def source(self, source: Source) -> Source:
        """Where a value comes from, identities left out."""
        return self.alias.get(source, source)

    def sign(self, source: Source) -> int:
        layer, port = self.source(source)
        made = self.value[layer] if layer >= 0 else -1
        return self.numbers.of(("port", made, port))

    def ordered(self, layer: Layer) -> list[Source]:
        """What feeds a layer, in an order that is the same for all that compute the same."""
        sources = [self.source(source) for source in layer.inputs]
        if layer.op.op == "fuse" and getattr(layer.op, "by", "") in _COMMUTATIVE:
            sources.sort(key=self.sign)
        return sources


class _Matching:
    """Layers of two networks that stand at the same place of their computations."""

    def __init__(self, a: _Hashed, b: _Hashed) -> None:
        self.a = a
        self.b = b
        self.layers: dict[int, int] = {}
        self._back: dict[int, int] = {}
        self._modules: dict[str, str] = {}
        self._owners: dict[str, str] = {}

    def match(self, x: Source, y: Source) -> bool:
        """Match all that two values depend on."""
        todo = [(self.a.source(x), self.b.source(y))]
        while todo:
            left, right = todo.pop()
            if left.port != right.port or (left.layer < 0) != (right.layer < 0):
                return False
            if left.layer < 0:
                continue
            known = self.layers.get(left.layer)
            if known is not None or right.layer in self._back:
                if known != right.layer:
                    return False
                continue
            if self.a.value[left.layer] != self.b.value[right.layer]:
                return False
            here, there = self.a.layers[left.layer], self.b.layers[right.layer]
            if not self._pair(here, there):
                return False
            todo += zip(self.a.ordered(here), self.b.ordered(there), strict=True)
        return True

    def match_rest(self) -> bool:
        """Match what no output depends on: by what it computes, in order."""
        waiting: dict[int, list[int]] = {}
        for n in reversed(self.b.kept):
            if n not in self._back:
                waiting.setdefault(self.b.value[n], []).append(n)
        for n in self.a.kept:
            if n not in self.layers:
                others = waiting.get(self.a.value[n])
                if not others or not self._pair(self.a.layers[n], self.b.layers[others.pop()]):
                    return False
        return True

    def _pair(self, x: Layer, y: Layer) -> bool:
        """Note that two layers are one; False where their weights are not shared alike."""
        if x.tensors():
            if self._modules.setdefault(x.module, y.module) != y.module:
                return False
            if self._owners.setdefault(y.module, x.module) != x.module:
                return False
        self.layers[x.index] = y.index
        self._back[y.index] = x.index
        return True
