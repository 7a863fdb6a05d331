"""Experiments: their specs check, the runner names what exists, the page says their figures."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import pytest

from archc.driver import Options, compile_spec
from bench.experiments import EXPERIMENTS, FIGURES, PAGE, ROOT, Experiment, table

SPECS = sorted((ROOT / "specs" / "experiments").glob("*.arch"))


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_specs_have_no_warning(path: Path) -> None:
    state = compile_spec(str(path))
    assert not [d.message for d in state.diagnostics]
    assert state.networks
    assert state.recipes


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: f"{e.table}-{e.name}")
def test_every_experiment_is_there(experiment: Experiment) -> None:
    state = compile_spec(str(ROOT / experiment.spec))
    recipe = next(r for r in state.recipes if r.name == experiment.recipe)
    assert recipe.network
    parameters = {key.partition("=")[0]: key.partition("=")[2] for key in experiment.settings}
    known = {"freeze", "fresh", "layer_lr"}
    settings = {k: v for k, v in parameters.items() if k not in known}
    options = Options(network=recipe.network, settings=settings)
    assert not compile_spec(str(ROOT / experiment.spec), options).failed


def test_the_page_says_the_figures() -> None:
    """The tables are those of experiments.json, and its means are those of its values."""
    figures = json.loads(FIGURES.read_text())
    page = PAGE.read_text()
    assert set(figures) == {e.table for e in EXPERIMENTS}
    for name, rows in figures.items():
        assert f"<!-- {name} -->\n{table(rows)}\n<!-- end {name} -->" in page
        for row in rows.values():
            assert row["mean"] == pytest.approx(fmean(row["values"]))


def test_figures_that_were_promised() -> None:
    figures = json.loads(FIGURES.read_text())
    assert figures["fashion"]["LeNet-5"]["mean"] >= 0.903
    assert figures["fashion"]["small ResNet"]["mean"] >= 0.93
    assert figures["scenes"]["U-Net"]["mean"] >= 0.9
