"""`archc explain`: every sum that it shows is worked out anew and held against the report."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from archc.analysis import LayerRow, Report
from archc.analysis.explain import (
    BlockExplained,
    Explainer,
    LayerExplained,
)
from archc.analysis.explain.model import Sum
from archc.driver import compile_spec
from archc.source import Source

SPECS = Path(__file__).resolve().parent.parent / "specs"
MOST_FIELDS = 10


def worked_out(text: str) -> float:
    """The value of a sum as it is written on the board."""
    assert re.fullmatch(r"[\d,.\s()+/·⌊⌋⌈⌉-]+", text), text
    for sign, python in (
        (",", ""), ("·", "*"), ("⌊", "math.floor("), ("⌈", "math.ceil("), ("⌋", ")"), ("⌉", ")"),
    ):  # fmt: skip
        text = text.replace(sign, python)
    return float(eval(text, {"math": math}))


def holds(sum_: Sum) -> bool:
    return worked_out(sum_.text) == sum_.value


def networks(path: Path) -> list[Report]:
    reports = [n.report for n in compile_spec(str(path), stop_after="analysis").networks]
    return [report for report in reports if report is not None]


def explainer(text: str) -> Explainer:
    state = compile_spec("-", source=Source("net.arch", text))
    assert [d for d in state.diagnostics if d.severity == "error"] == []
    report = state.networks[-1].report
    assert report is not None
    return Explainer(report)


def layer(made: Explainer, label: str) -> LayerExplained:
    found = made.explain(label)
    assert isinstance(found, LayerExplained)
    return found


def block(made: Explainer, label: str = "") -> BlockExplained:
    found = made.explain(label)
    assert isinstance(found, BlockExplained)
    return found


# ---------------------------------------------------------------------------- against the report


def check_sums(made: LayerExplained, row: LayerRow) -> None:
    """All that is said of a layer but its receptive field."""
    work = made.work
    assert made.path == row.path
    assert made.shape == row.shape
    assert tuple(size.sum.value for size in made.sizes) == row.shape
    assert work.params.value == row.params
    assert work.frozen.value == row.frozen
    assert work.buffered.value == row.buffers
    assert work.macs.value == row.macs
    assert work.neurons.value == row.neurons
    assert [end.path for end in made.reads] == row.inputs
    sums = [size.sum for size in made.sizes]
    sums += [tensor.sum for tensor in (*work.tensors, *work.buffers)]
    for sum_ in (*sums, work.params, work.frozen, work.buffered, work.macs, work.neurons):
        assert holds(sum_), f"{made.path}: {sum_}"


def check_steps(made: LayerExplained, row: LayerRow) -> None:
    """The steps back end at the report's figure, and each sum gives the size beside it."""
    if made.seen is None:
        assert row.receptive_field is None
        return
    assert made.seen.field == row.receptive_field
    if made.seen.steps:
        assert made.seen.steps[-1].field == row.receptive_field
    for step in made.seen.steps:
        for sum_, axis in zip(step.sums, step.field.axes, strict=True):
            if sum_ is not None:
                assert axis is not None
                assert holds(sum_)
                assert sum_.value == axis.size
        if step.arms:
            assert step.taken in [arm.path for arm in step.arms]


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.arch")), ids=lambda path: path.stem)
def test_every_layer_of_every_spec(path: Path) -> None:
    """Each distinct layer's sums; the receptive fields of some layers of each network."""
    known: set[str] = set()
    for report in networks(path):
        made = Explainer(report)
        rows = list(report.layers())
        assert [node.path for node in made.flat.nodes] == [row.path for row in rows]
        every = max(1, len(rows) // MOST_FIELDS)
        for i, (node, row) in enumerate(zip(made.flat.nodes, rows, strict=True)):
            key = f"{row.op} {row.args} {[made.flat.shape(v) for v in node.inputs]} {node.owned}"
            if key in known and i % every:
                continue
            known.add(key)
            explained = made.layer(node, field=i % every == 0)
            check_sums(explained, row)
            if i % every == 0:
                check_steps(explained, row)


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(SPECS.glob("*.arch")), ids=lambda path: path.stem)
def test_every_field_of_every_spec(path: Path) -> None:
    for report in networks(path):
        made = Explainer(report)
        if len(made.flat.nodes) > 1500:
            continue
        for node, row in zip(made.flat.nodes, report.layers(), strict=True):
            explained = made.layer(node)
            check_sums(explained, row)
            check_steps(explained, row)


@pytest.mark.parametrize("name", ["googlenet", "mask_rcnn", "lenet5_1998", "seresnet", "hrnet"])
def test_blocks_are_the_sums_of_their_parts(name: str) -> None:
    report = networks(SPECS / f"{name}.arch")[0]
    made = Explainer(report)
    rows = list(report.scopes())
    seen = dict.fromkeys(row.path for row in rows)
    assert [scope.path for scope in made.flat.scopes if scope.last > scope.first]
    for path in list(seen)[:40]:
        row = next(r for r in rows if r.path == path)
        found = made.explain(path)
        if isinstance(found, LayerExplained):  # a block of one stage is that stage
            assert found.work.params.value == row.params
            continue
        assert isinstance(found, BlockExplained)
        got = [s.value for s in (found.params, found.frozen, found.buffered, found.macs)]
        assert got == [row.params, row.frozen, row.buffers, row.macs]
        assert found.neurons.value == row.neurons
        for sum_ in (found.params, found.frozen, found.buffered, found.macs, found.neurons):
            assert holds(sum_)
        assert found.shapes[0] == row.shape
        assert (found.seen and found.seen.field) == row.receptive_field


def test_the_network_is_the_sum_of_its_parts() -> None:
    for name in ("googlenet", "resnet", "mask_rcnn", "lenet5_1998"):
        report = networks(SPECS / f"{name}.arch")[0]
        whole = block(Explainer(report))
        assert whole.params.value == report.params + report.auxiliary_params
        assert whole.macs.value == report.macs + report.auxiliary_macs
        assert whole.frozen.value == report.frozen
