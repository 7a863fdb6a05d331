"""Published networks in `specs/`, against figures measured on the published code.

`figures.json`: parameters, multiply-accumulates, output shapes, and what units of the module `at`
see (largest and smallest phase, stride, effective padding), by the name of the model.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from archc.analysis import Report
from archc.analysis.receptive import AxisField, ReceptiveField
from archc.driver import Compiled, Options, compile_spec
from archc.graph import leaves

HERE = Path(__file__).parent
SPECS = HERE.parent / "specs"
FIGURES: dict[str, dict[str, Any]] = json.loads((HERE / "figures.json").read_text())

AUXILIARY = {"googlenet_aux"}
"""Figures with the auxiliary heads in; the others leave them out."""


@lru_cache(maxsize=4)
def compiled(spec: str, network: str) -> Compiled:
    state = compile_spec(str(SPECS / f"{spec}.arch"), Options(network=network))
    assert [d.message for d in state.diagnostics if d.code.startswith("E")] == []
    return state[network]


def report_of(figures: dict[str, Any]) -> Report:
    report = compiled(figures["spec"], figures["network"]).report
    assert report is not None
    return report


def field_at(report: Report, label: str | None) -> ReceptiveField | None:
    """What the units that leave a label see; `output`: the last output of inference; None: the last
    layer whose units do not see everything."""
    body = report.graph.main
    if label is None:
        return report.local_field[1] if report.local_field else None
    if label == "output":
        end = [out for out in body.outputs if not out.training][-1]
        value = leaves(end.value)[-1]
    else:
        value = leaves(body.labels[label])[-1]
    return report.walker.figures(report.walker.main_place(), value)


@pytest.mark.parametrize("name", FIGURES)
def test_shapes_and_sums(name: str) -> None:
    figures = FIGURES[name]
    report = report_of(figures)
    assert [list(shape) for _, shape in report.inputs] == [figures["input"]]
    wanted = name in AUXILIARY
    ends = [shape for end, shape in report.outputs if wanted or end not in report.training_outputs]
    assert [list(shape) for shape in ends] == figures["output"]
    extra = report.auxiliary if wanted else None
    assert report.params + report.frozen + (extra.params if extra else 0) == figures["params"]
    assert report.macs + (extra.macs if extra else 0) == figures["macs"]


@pytest.mark.parametrize("name", FIGURES)
def test_receptive_field(name: str) -> None:
    figures = FIGURES[name]
    seen = field_at(report_of(figures), figures["at"])
    assert seen is not None
    for axis in seen.axes:
        assert axis is not None
        assert plain(axis) == {
            key: figures[key]
            for key in ("receptive_field", "smallest", "stride", "padding", "gated")
        }


def plain(axis: AxisField) -> dict[str, Any]:
    above, below = axis.stride
    return {
        "receptive_field": axis.size,
        "smallest": axis.smallest,
        "stride": f"{above}" if below == 1 else f"{above}/{below}",
        "padding": axis.padding,
        "gated": axis.gated,
    }
