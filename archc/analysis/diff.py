"""What differs between two networks: layers added, removed and changed, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from ..graph import Shape
from ..ops import Op, OpError
from .cells import applied, clean, size, written
from .compare import Totals, totals
from .diff_align import align
from .diff_layers import Flat, Layer, Numbers, Source, flat
from .diff_same import correspondence
from .diff_state import Checkpoints, checkpoints
from .report import Report

Kind = Literal["added", "removed", "changed", "renamed", "follows"]
_LONGEST = 48
"""Characters of an argument that are shown."""


class Detail(NamedTuple):
    """One thing that changed about a layer: `kernel`, 3, 5."""

    what: str
    before: str
    after: str


class Change(NamedTuple):
    """What happened to a layer.

    changed: it computes something else (`details`). renamed: it does the same under another name.
    follows: it is written as before, but other shapes reach it. A changed layer may have another
    name as well; a renamed one has no details.
    """

    kind: Kind
    before: Layer | None
    after: Layer | None
    details: tuple[Detail, ...] = ()

    @property
    def params(self) -> int:
        """Parameters that it adds."""
        return _of(self.after, "params") - _of(self.before, "params")

    @property
    def macs(self) -> int:
        """Multiply-accumulates that it adds."""
        return _of(self.after, "macs") - _of(self.before, "macs")

    @property
    def new_name(self) -> bool:
        both = self.before is not None and self.after is not None
        return both and _path(self.before) != _path(self.after)


class Difference(NamedTuple):
    """Two networks, compared. `same`: they compute the same, whatever the parts are called.

    `ends`: what differs in inputs and outputs. `pairs`: layers of a to the layers of b that they
    are. `changes` are in the order of execution, and empty where nothing but the text differs.
    """

    a: Flat
    b: Flat
    same: bool
    pairs: Mapping[int, int]
    ends: list[Detail]
    changes: list[Change]
    before: Totals
    after: Totals
    checkpoints: Checkpoints


def compare(a: Report, b: Report) -> Difference:
    """Compare two networks; a is the one before."""
    numbers = Numbers()
    ours, theirs = flat(a, numbers), flat(b, numbers)
    pairs = correspondence(ours, theirs, numbers)
    same = pairs is not None
    if pairs is None:
        pairs = align(ours, theirs, numbers)
    return Difference(
        ours,
        theirs,
        same,
        pairs,
        list(_ends(ours, theirs)),
        list(_Changes(ours, theirs, pairs, same, numbers).found()),
        totals(a),
        totals(b),
        checkpoints(ours, theirs, pairs),
    )


class _Changes:
    """What happened to each layer, in the order of B; what was removed stands where it was."""

    def __init__(
        self, a: Flat, b: Flat, pairs: Mapping[int, int], same: bool, numbers: Numbers
    ) -> None:
        self.a = a.layers
        self.b = b.layers
        self.pairs = pairs
        self.same = same
        self.numbers = numbers
        self.back = {y: x for x, y in pairs.items()}
        self._owner = _owners(self.a), _owners(self.b)

    def found(self) -> Iterator[Change]:
        gone = [x for x in self.a if x.index not in self.pairs and not silent(x)]
        at = 0
        for after in self.b:
            n = self.back.get(after.index)
            if n is None:
                if not silent(after):
                    yield Change("added", None, after)
                continue
            while at < len(gone) and gone[at].index < n:
                yield Change("removed", gone[at], None)
                at += 1
            change = self._changed(self.a[n], after)
            if change is not None:
                yield change
        for layer in gone[at:]:
            yield Change("removed", layer, None)

    def _changed(self, x: Layer, y: Layer) -> Change | None:
        if self.same:
            # It computes the same, however it is written.
            return Change("renamed", x, y) if _named_anew(x, y) else None
        details = tuple(self._details(x, y))
        if details:
            return Change("changed", x, y, details)
        if _named_anew(x, y):
            return Change("renamed", x, y)
        return Change("follows", x, y) if x.form != y.form else None

    def _details(self, x: Layer, y: Layer) -> Iterator[Detail]:
        if x.op.op != y.op.op:
            yield Detail("operator", clean(applied(x.row)), clean(applied(y.row)))
        elif x.text != y.text and not self._as_good(x, y):
            yield from _arguments(x.op, y.op)
        if x.row.training != y.row.training:
            words = {True: "training", False: "always"}
            yield Detail("runs", words[x.row.training], words[y.row.training])
        if self._rewired(x, y):
            yield Detail("inputs", _listed(x.row.inputs), _listed(y.row.inputs))
        if x.weighty or y.weighty:
            yield from self._shares(x, y)

    def _as_good(self, x: Layer, y: Layer) -> bool:
        """Two ways of writing the same, for the shapes that now arrive."""
        try:
            return self.numbers.form(x.op, y.xs) == y.form
        except (OpError, ValueError, ZeroDivisionError, IndexError):
            return False  # the old arguments do not fit the new shapes

    def _shares(self, x: Layer, y: Layer) -> Iterator[Detail]:
        """Does it share its weights with another layer than before?"""
        ours, theirs = self._owner[0][x.module], self._owner[1][y.module]
        before = "its own" if ours is x else clean(ours.path)
        after = "its own" if theirs is y else clean(theirs.path)
        known = self.pairs.get(ours.index)
        others = ours is not x and known is not None and known != theirs.index
        if (ours is x) != (theirs is y) or others:
            yield Detail("weights", before, after)

    # ------------------------------------------------------------------ what feeds a layer

    def _rewired(self, x: Layer, y: Layer) -> bool:
        """Is it fed by others than before, other than by layers put in or taken out between?"""
        left = [self._match(source) for source in x.inputs]
        if left == list(y.inputs):
            return False
        ours = [self._kept_of_a(source) for source in x.inputs]
        theirs = [self._kept_of_b(source) for source in y.inputs]
        if len(ours) == len(theirs):
            return not all(u <= v or v <= u for u, v in zip(ours, theirs, strict=True))
        every, now = set().union(*ours), set().union(*theirs)
        new = any(s.layer >= 0 and s.layer not in self.back for s in y.inputs)
        lost = any(s.layer >= 0 and s.layer not in self.pairs for s in x.inputs)
        return not (new or lost) or not (every <= now or now <= every)

    def _match(self, source: Source) -> Source:
        if source.layer < 0:
            return source
        return Source(self.pairs.get(source.layer, -2), source.port)

    def _kept_of_a(self, source: Source) -> set[Source]:
        """The matched layers (as those of B) from which a value of A comes."""
        return {self._match(s) for s in _kept(source, self.a, self.pairs)}

    def _kept_of_b(self, source: Source) -> set[Source]:
        return _kept(source, self.b, self.back)


def _owners(layers: list[Layer]) -> dict[str, Layer]:
    """The first layer that uses each module: its weights count there."""
    found: dict[str, Layer] = {}
    for layer in layers:
        found.setdefault(layer.module, layer)
    return found


def _kept(source: Source, layers: list[Layer], matched: Mapping[int, int]) -> set[Source]:
    """The nearest sources of a value that have a match: layers without one are passed through."""
    found: set[Source] = set()
    seen: set[int] = set()
    todo = [source]
    while todo:
        at = todo.pop()
        if at.layer < 0 or at.layer in matched:
            found.add(at)
        elif at.layer not in seen:
            seen.add(at.layer)
            todo += layers[at.layer].inputs
    return found


def silent(layer: Layer) -> bool:
    """It does nothing, so nothing is lost or gained with it."""
    return layer.op.op == "identity"


def _named_anew(x: Layer, y: Layer) -> bool:
    """Is its name another one, and does the name matter? Counted names of layers without state are
    nobody's."""
    if x.path == y.path:
        return False
    return bool(x.tensors()) or x.strong[-1] or y.strong[-1]


def _arguments(before: Op, after: Op) -> Iterator[Detail]:
    """The arguments of an operator that differ."""
    old, new = before.given(), after.given()
    for name in dict.fromkeys([*before.parameters(), *old, *new]):
        if old.get(name, _UNSET) != new.get(name, _UNSET):
            yield Detail(name, _value(before, name, old), _value(after, name, new))


_UNSET = object()


def _value(op: Op, name: str, given: dict[str, Any]) -> str:
    """An argument as in .arch; a default that is worked out elsewhere is called so."""
    value = given[name] if name in given else getattr(op, name, getattr(op, f"{name}_", None))
    text = "default" if value is None else written(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _ends(a: Flat, b: Flat) -> Iterator[Detail]:
    """Inputs and outputs, by number; names alone do not count where there are as many."""
    for i in range(max(len(a.inputs), len(b.inputs))):
        before, after = _end(a.inputs, i), _end(b.inputs, i)
        if before != after:
            yield Detail("input", before, after)
    ours, theirs = (
        [(name, _shape_of(f, source), training) for name, source, training in f.outputs]
        for f in (a, b)
    )
    for i in range(max(len(ours), len(theirs))):
        one, other = (f[i] if i < len(f) else None for f in (ours, theirs))
        if one is None or other is None or one[1:] != other[1:]:
            yield Detail("output", _output(one), _output(other))


def _end(ends: list[tuple[str, Shape]], i: int) -> str:
    return size(ends[i][1]) if i < len(ends) else "none"


def _output(end: tuple[str, Shape, bool] | None) -> str:
    if end is None:
        return "none"
    name, shape, training = end
    text = f"{clean(name)} {size(shape)}".strip()
    return f"{text} when training" if training else text


def _shape_of(flat: Flat, source: Source) -> Shape:
    if source.layer < 0:
        return flat.inputs[source.port][1]
    return flat.layers[source.layer].results[source.port]


def _listed(names: list[str]) -> str:
    shown = [clean(name) for name in names]
    return ", ".join(shown if len(shown) <= 4 else [*shown[:3], f"… {shown[-1]}"])


def _of(layer: Layer | None, figure: Literal["params", "macs"]) -> int:
    if layer is None:
        return 0
    return layer.row.params if figure == "params" else layer.row.macs


def _path(layer: Layer | None) -> str | None:
    return None if layer is None else layer.path


__all__ = ["Change", "Detail", "Difference", "compare", "silent"]
