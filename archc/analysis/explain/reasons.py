"""What a difference between two counts may be: one layer, a kind of layers, a kind of weights.

Every candidate is a sum that somebody leaves out, or counts besides; only those that make up the
whole difference are named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import prod

from ..conventions import CONVENTIONS, GIBI, GIGA, Conventions
from .explainer import Explainer
from .flat import FlatNode
from .model import Sum, total

MOST = 3
"""Reasons that are given at most: the same number may be several things by chance."""


@dataclass(frozen=True, slots=True)
class Reason:
    """`text` says what makes up the difference; `sum` is that part, term by term."""

    text: str
    sum: Sum


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Scalars or operations of some layers. `counted`: they are part of the figure. `joins`: it may
    make up a difference together with another of the same kind, of which no part is its own."""

    what: str
    values: tuple[int, ...]
    counted: bool = True
    joins: str = ""

    @property
    def value(self) -> int:
        return sum(self.values)


def reasons(
    explainer: Explainer,
    measure: str,
    target: str | int | None,
    figure: int,
    claimed: float,
    tolerance: float,
) -> Iterator[Reason]:
    """Why `figure` is not `claimed`, the most telling first."""
    found: list[Reason] = []
    if measure in ("macs", "flops"):
        found += _factor(measure, figure, claimed, tolerance)
        if target is None:
            found += _conventions(explainer, claimed, tolerance)
    difference = figure - claimed
    candidates = list(_candidates(explainer, measure, target, exact=tolerance < 1))
    for one in candidates:
        if one.value and abs(abs(difference) - one.value) <= tolerance:
            text = _text(one, difference)
            if text is not None:
                found.append(Reason(text, total(list(one.values))))
    if not found:
        found += _pairs(candidates, difference, tolerance)
    known: dict[str, Reason] = {}
    for reason in found:
        known.setdefault(reason.text, reason)
    yield from list(known.values())[:MOST]


def _text(one: _Candidate, difference: float) -> str | None:
    """The sentence: left out by the claim, counted besides, or counted once more."""
    if one.counted:
        if difference > 0:
            return f"the claim leaves out {one.what}"
        return f"the claim counts as much as {one.what} once more"
    return f"the claim counts {one.what}, too" if difference < 0 else None


def _factor(measure: str, figure: int, claimed: float, tolerance: float) -> Iterator[Reason]:
    if measure == "macs" and abs(2 * figure - claimed) <= tolerance:
        yield Reason("the claim counts FLOPs, two for each MAC", Sum(f"2 · {figure:,}", 2 * figure))
    if measure == "flops" and abs(figure / 2 - claimed) <= tolerance:
        yield Reason("the claim counts MACs, each of which is two FLOPs",
                     Sum(f"{figure:,} / 2", figure // 2))  # fmt: skip
    if abs(figure / GIBI * GIGA - claimed) <= tolerance and figure > GIGA:
        yield Reason("the claim is in units of 2^30, not 10^9", _gibi(figure))


def _gibi(figure: int) -> Sum:
    """A figure that is printed in units of 2^30 as if they were 10^9."""
    return Sum(f"⌊{figure:,} · {GIGA:,} / {GIBI:,}⌋", figure * GIGA // GIBI)


def _conventions(explainer: Explainer, claimed: float, tolerance: float) -> Iterator[Reason]:
    """Ways of counting that publications have, and that come to the claim."""
    counts = Conventions(explainer.report.graph)
    for name, convention in CONVENTIONS.items():
        one = counts.counted(convention)
        if abs(one.figure * GIGA - claimed) <= tolerance:
            scaled = convention.scale == GIBI
            sum_ = _gibi(one.operations) if scaled else total([one.operations])
            yield Reason(f"the claim counts as the convention `{name}` does", sum_)


def _pairs(candidates: list[_Candidate], difference: float, tolerance: float) -> Iterator[Reason]:
    """Two kinds together, where no single thing explains it."""
    kinds = [one for one in candidates if one.value and one.joins]
    for a, b in combinations(kinds, 2):
        if a.joins != b.joins or (difference > 0) != a.counted:
            continue
        if abs(abs(difference) - a.value - b.value) <= tolerance:
            said = f"leaves out {a.what} and {b.what}"
            if not a.counted:
                said = f"counts {a.what} and {b.what}, too"
            yield Reason(f"the claim {said}", total([a.value, b.value]))


# ---------------------------------------------------------------------------- candidates


def _candidates(
    explainer: Explainer, measure: str, target: str | int | None, exact: bool
) -> Iterator[_Candidate]:
    """Kinds of weights first, then kinds of layers, blocks, and single layers.

    Blocks and layers only where the figures are exact: of many, one is always near a rough one.
    """
    nodes = _nodes(explainer, measure, target)
    if measure == "params":
        yield from _tensors(explainer, nodes)
    yield from _not_counted(explainer, measure, target)
    rows = explainer.report.breakdown(measure, target)
    yield from _kinds(explainer, rows)
    if exact:
        for path, figure in rows:
            yield _Candidate(f"`{path}`", (figure,))
        yield from _blocks(rows)


def _nodes(explainer: Explainer, measure: str, target: str | int | None) -> list[FlatNode]:
    """The layers that are measured, with weights that are counted there."""
    flat = explainer.flat
    counted = {path for path, _ in explainer.report.breakdown(measure, target)}
    return [node for node in flat.nodes if node.path in counted and node.owned]


def _tensors(explainer: Explainer, nodes: list[FlatNode]) -> Iterator[_Candidate]:
    """Biases of weight layers, scales and shifts of norms."""
    biases: list[int] = []
    norms: list[int] = []
    for node in nodes:
        op, x = explainer.operator(node)
        weights = {name: prod(shape) for name, shape in op.weights(x).items()}
        if op.family == "norm":
            norms.append(sum(weights.values()))
        elif "bias" in weights:
            biases.append(weights["bias"])
    yield _Candidate("the biases", tuple(biases))
    yield _Candidate("the normalisation layers", tuple(norms))
    yield _Candidate("the biases and the normalisation layers", (*biases, *norms))


def _not_counted(
    explainer: Explainer, measure: str, target: str | int | None
) -> Iterator[_Candidate]:
    """What the figure does not have, and others count."""
    report = explainer.report
    if target is None and measure in ("params", "macs", "flops"):
        apart = report.auxiliary
        value = apart.params if measure == "params" else apart.macs
        factor = 2 if measure == "flops" else 1
        yield _Candidate("the auxiliary heads for training", (factor * value,), False, "apart")
    if measure != "params":
        return
    for name, what, joins in (
        ("frozen", "the frozen weights", "apart"),
        ("buffers", "the buffers of normalisation layers", ""),
    ):
        scalars = report.measure(name, target)
        if isinstance(scalars, int):
            yield _Candidate(what, (scalars,), False, joins)
    yield from _running(explainer, target)
    yield from _missing(explainer, target)


def _running(explainer: Explainer, target: str | int | None) -> Iterator[_Candidate]:
    """Running averages without the step counters, as tables of other programs count them."""
    rows = explainer.report.breakdown("buffers", target)
    averages = [value - 1 for _, value in rows if value % 2]
    what = "the running averages of normalisation layers"
    yield _Candidate(what, tuple(averages), False, "apart")


def _missing(explainer: Explainer, target: str | int | None) -> Iterator[_Candidate]:
    """Biases that layers with bias=false would have."""
    values: list[int] = []
    for node in _nodes(explainer, "params", target):
        op, _ = explainer.operator(node)
        if op.weighty and getattr(op, "bias", None) is False:
            out = explainer.flat.shape(node.outputs[0])
            values.append(prod(out) if op.op == "locally_connected" else out[0])
    what = "the biases that layers with bias=false do not have"
    yield _Candidate(what, tuple(values), False, "apart")


def _kinds(explainer: Explainer, rows: list[tuple[str, int]]) -> Iterator[_Candidate]:
    """All layers of one operator."""
    ops = {node.path: explainer.operator(node)[0].op for node in explainer.flat.nodes}
    by_op: dict[str, list[int]] = {}
    for path, figure in rows:
        by_op.setdefault(ops[path], []).append(figure)
    if len(by_op) > 1:
        for op, figures in by_op.items():
            yield _Candidate(f"the `{op}` layers", tuple(figures), joins="operators")


def _blocks(rows: list[tuple[str, int]]) -> Iterator[_Candidate]:
    """All that stands below one path."""
    blocks: dict[str, list[int]] = {}
    for path, figure in rows:
        parts = path.split(".")
        for i in range(1, len(parts)):
            blocks.setdefault(".".join(parts[:i]), []).append(figure)
    for path, figures in blocks.items():
        if len(figures) > 1:
            yield _Candidate(f"`{path}`", tuple(figures))
