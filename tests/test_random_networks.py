"""Random networks against PyTorch: shapes, state, counts, MACs, what units see, and the code.

Each seed is a network. `ARCHC_RANDOM=10000` runs so many (`make random`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings

from archc.driver import Options, compile_spec
from archc.emit.pytorch import source
from archc.graph import Graph
from archc.ops import names
from archc.source import Source
from tests.strategies import specs
from tests.support.against_torch import check_field, compare, shows_all
from tests.support.random_nets import RandomNet, random_net

torch.set_num_threads(1)

COUNT = int(os.environ.get("ARCHC_RANDOM", "2000"))
PARTS = 20
FOUND = Path(__file__).parent / "found"
STYLED = 40  # files that are put before ruff and mypy

seen: Counter[str] = Counter()
"""How often each operator occurred, and what came of the networks."""


@pytest.fixture(autouse=True, scope="module")
def _double() -> Iterator[None]:
    """Double precision: what a unit does not see has a gradient of exactly 0."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def emitted(net: RandomNet) -> tuple[Graph, str]:
    """The graph and the code of a network, once all that is said of it was held to PyTorch."""
    state = compile_spec("-", Options(network=net.name), source=Source("random.arch", net.text))
    wrong = [(d.code, d.message) for d in state.diagnostics if d.code.startswith("E")]
    assert wrong == []
    made = state.networks[-1]
    assert made.report is not None
    code = source(made.graph, made.report, made.doc)
    module = compare(made.graph, made.report, code)
    found = check_field(made.graph, made.report, module)
    seen["fields"] += found
    seen["exact fields"] += found and shows_all(made.graph)
    return made.graph, code


@pytest.mark.parametrize("part", range(PARTS))
def test_random_networks_agree_with_pytorch(part: int) -> None:
    failed = []
    for seed in range(part, COUNT, PARTS):
        torch.manual_seed(seed)
        net = random_net(seed)
        try:
            graph, _ = emitted(net)
        except Exception as error:  # whatever it is: every seed is looked at
            failed.append(f"seed {seed}: {type(error).__name__}: {str(error)[:500]}\n{net.text}")
            continue
        seen.update({op.op for op in graph.ops})
        seen["networks"] += 1
    assert not failed, f"{len(failed)} differ\n\n" + "\n".join(failed[:3])


def test_they_have_every_operator_and_enough_to_compare() -> None:
    if seen["networks"] < 1000:
        pytest.skip("other tests of this file were not run")
    assert {name for name in names() if name not in seen} <= RARE
    assert seen["fields"] > 0.9 * seen["networks"]
    assert seen["exact fields"] > 0.3 * seen["networks"]


RARE = {"rbf", "scaled_tanh", "unflatten", "roi_align"}
"""Operators of single networks, which random ones leave out; `tests/test_ops.py` has them."""


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.arch")), ids=lambda path: path.stem)
def test_what_was_once_wrong(path: Path) -> None:
    """Small networks that were once emitted or analysed wrongly; each says how."""
    torch.manual_seed(0)
    emitted(RandomNet(path.read_text(), "Net", True, 0))


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # shrinking takes minutes: for a person who looks into a failure
    suppress_health_check=[*HealthCheck],
)
@given(net=specs())
def test_small_networks_agree_too(net: RandomNet) -> None:
    """The same by Hypothesis, which prefers what is small and odd."""
    torch.manual_seed(0)
    emitted(net)


def test_random_files_are_formatted_and_typed(tmp_path: Path) -> None:
    """As `ruff format` and `ruff check` leave them, and `mypy` takes them."""
    for seed in range(STYLED):
        torch.manual_seed(seed)
        (tmp_path / f"net_{seed}.py").write_text(emitted(random_net(seed))[1])
    bare = ["--isolated", "--line-length", "88", "."]
    for tool in (["ruff", "format", "--diff"], ["ruff", "check", "--quiet"]):
        done = _run([*tool, *bare], tmp_path)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-500:]
    done = _run(
        ["mypy", "--config-file=", "--cache-dir=.cache", "--no-error-summary", "."], tmp_path
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-500:]


def _run(tool: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *tool], cwd=folder, capture_output=True, text=True, check=False
    )
