"""What a claimed figure is made of, and what makes up the difference where the claim fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..memory import SCALAR
from ..report import SUMS, Report
from .explainer import Explainer
from .find import UnknownLabel
from .model import Explained, Place, Sum, total
from .reasons import Reason, reasons
from .way import longest

NEGLIGIBLE = 20
"""A difference has reasons if it is so many times what the claim's rounding leaves open."""


class Claim(Protocol):
    """What is asked of a claim; `archc.elaborate.Claim` has it."""

    @property
    def text(self) -> str: ...
    @property
    def holds(self) -> bool | None: ...
    @property
    def expected(self) -> Any: ...
    @property
    def actual(self) -> Any: ...
    @property
    def source(self) -> str | None: ...
    @property
    def targets(self) -> tuple[tuple[str, str | int | None], ...]: ...


@dataclass(frozen=True, slots=True)
class Term:
    """A layer (or a kind of memory) and what it adds to a figure."""

    path: str
    value: int


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure in a claim: of what, its figure, and what that is made of.

    `terms`, biggest first, are of sums, of memory (in bytes) and of depth (the weight layers on the
    longest path); `explained` is the layer or block that a shape or a field is of.
    """

    measure: str
    of: str
    figure: Any
    terms: tuple[Term, ...] = ()
    sum: Sum | None = None
    explained: Explained | None = None


@dataclass(frozen=True, slots=True)
class ClaimExplained:
    """A claim: both figures, what its measures are made of, and what makes up the difference."""

    network: str
    text: str
    place: Place
    source: str | None
    holds: bool | None
    actual: Any
    expected: Any
    difference: int | None
    measures: tuple[Measured, ...]
    reasons: tuple[Reason, ...]
    unexplained: bool
    """A reason was looked for, and none makes up the whole difference."""


def explain_claim(
    explainer: Explainer, claim: Claim, place: Place, tolerance: float | None
) -> ClaimExplained:
    """Explain a claim that was evaluated.

    `tolerance`: how far a figure may be from the claimed one to be the same (0 for `==`); None
    where the claim is no equation, and its difference needs no reason.
    """
    measures = tuple(_measured(explainer, name, target) for name, target in claim.targets)
    difference = None
    if _count(claim.actual) and _number(claim.expected):
        difference = round(claim.actual - claim.expected)
    found = _reasons(explainer, claim, difference, measures, tolerance)
    return ClaimExplained(
        network=explainer.report.name,
        text=claim.text,
        place=place,
        source=claim.source,
        holds=claim.holds,
        actual=claim.actual,
        expected=claim.expected,
        difference=difference,
        measures=measures,
        reasons=found or (),
        unexplained=found == (),
    )


def _reasons(
    explainer: Explainer,
    claim: Claim,
    difference: int | None,
    measures: tuple[Measured, ...],
    tolerance: float | None,
) -> tuple[Reason, ...] | None:
    """What makes up the difference of an equation of one sum; None where there is none such."""
    if claim.holds is not False or not difference or tolerance is None or len(measures) != 1:
        return None
    measure, target = claim.targets[0]
    if measure not in SUMS or NEGLIGIBLE * tolerance > abs(difference):
        return None
    figure, claimed = claim.actual, claim.expected
    if measures[0].figure != figure:
        figure, claimed = claimed, figure  # written the other way round
    if measures[0].figure != figure:
        return None
    return tuple(reasons(explainer, measure, target, figure, claimed, tolerance))


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# ---------------------------------------------------------------------------- measures


def _measured(explainer: Explainer, measure: str, target: str | int | None) -> Measured:
    report = explainer.report
    figure, of = report.measure(measure, target), _named(explainer, target)
    if measure in SUMS:
        return _of_terms(measure, of, figure, report.breakdown(measure, target))
    if measure == "memory":
        return _of_terms(measure, of, figure, _memory(report, target, figure))
    if measure == "depth":
        terms = tuple(Term(path, 1) for path in longest(explainer.flat, target))
        return Measured(measure, of, figure, terms, total([1] * len(terms)))
    return Measured(measure, of, figure, explained=_explained(explainer, target))


def _of_terms(measure: str, of: str, figure: Any, rows: Sequence[tuple[str, int]]) -> Measured:
    ordered = sorted(rows, key=lambda row: -row[1])
    terms = tuple(Term(path, value) for path, value in ordered)
    return Measured(measure, of, figure, terms, total([t.value for t in terms]))


def _memory(report: Report, target: str | int | None, figure: Any) -> list[tuple[str, int]]:
    """Bytes of the weights by kind, and of the activations that live at once at most."""
    parts = [(name, SCALAR * _whole(report.measure(name, target)))
             for name in ("params", "frozen", "buffers")]  # fmt: skip
    rest = _whole(figure) - sum(value for _, value in parts)
    return [(n, v) for n, v in (*parts, ("live activations at most", rest)) if v]


def _whole(value: Any) -> int:
    assert isinstance(value, int)  # these measures are counts
    return value


def _named(explainer: Explainer, target: str | int | None) -> str:
    if target is None:
        return "the network"
    if isinstance(target, str):
        return target
    return f"all that {explainer.flat.maker(explainer.flat.main[target])} depends on"


def _explained(explainer: Explainer, target: str | int | None) -> Explained | None:
    """The layer or block whose shape or field is claimed; of the network, that of its output."""
    try:
        if isinstance(target, str):
            return explainer.explain(target)
        flat = explainer.flat
        if target is None:
            made = [name for name in _outputs(explainer) if name]
            return explainer.explain(made[0]) if len(made) == 1 else None
        return explainer.explain(flat.maker(flat.main[target]))
    except UnknownLabel:
        return None  # a label of values, such as an input of a block, is no layer


def _outputs(explainer: Explainer) -> Iterator[str]:
    """The layers that make the outputs that are there at inference."""
    from ...graph import leaves

    for end in explainer.report.graph.main.outputs:
        if not end.training and not end.hidden:
            for v in leaves(end.value):
                yield explainer.flat.maker(explainer.flat.main[v])
