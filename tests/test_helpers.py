"""The classes that emitted files bring along: formatted, typed, and fit for compilation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archc.ops import operator
from archc.ops.call import Helper
from tests.support.op_cases import CASES, Case
from tests.support.torch_ops import Running, inputs

torch.set_num_threads(1)
_HEAD = """import torch
import torch.nn.functional as F
from torch import Tensor, nn

"""


def _helpers() -> dict[str, tuple[Helper, ...]]:
    """Every helper that some case needs, with those that it stands on, by name."""
    found: dict[str, tuple[Helper, ...]] = {}
    for name, args, shapes in CASES:
        op = operator(name).make(args)
        for helper in op.torch(*shapes).helpers:
            found.setdefault(helper.name, op.torch(*shapes).helpers)
    return found


def _cases() -> list[Case]:
    """One case for each helper, with a module where one calls it, too."""
    wanted = set(_helpers())
    chosen = []
    for modules in (True, False):
        for name, args, shapes in CASES:
            form = operator(name).make(args).torch(*shapes)
            names = {h.name for h in form.helpers}
            if names & wanted and (form.module is not None) >= modules:
                chosen.append((name, args, shapes))
                wanted -= names
    return chosen


class _Function(nn.Module):
    """An operator that has no layer, as one."""

    def __init__(self, running: Running) -> None:
        super().__init__()
        self.running = running

    def forward(self, *xs: Tensor) -> Any:
        return self.running.by_function(*xs)


def _file(folder: Path) -> Path:
    sources: dict[str, str] = {}
    for helpers in _helpers().values():
        sources |= {h.name: h.source for h in helpers}
    path = folder / "helpers.py"
    path.write_text(_HEAD + "\n\n".join(["", *sources.values()])[1:])
    return path


def test_every_helper_has_a_case() -> None:
    from archc.ops import helpers, window_helpers

    known = [*vars(helpers).values(), *vars(window_helpers).values()]
    fixed = {h.name for h in known if isinstance(h, Helper)}
    assert fixed <= set(_helpers())


def test_sources_are_formatted_and_clean(tmp_path: Path) -> None:
    path = _file(tmp_path)
    for command in (
        ["ruff", "format", "--isolated", "--line-length=88", "--diff"],
        ["ruff", "check", "--isolated", "--line-length=88", "--extend-select=E501,F,I"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command, str(path)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_sources_are_typed(tmp_path: Path) -> None:
    path = _file(tmp_path)
    command = [sys.executable, "-m", "mypy", "--strict", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("case", _cases(), ids=lambda c: f"{c[0]}-{len(c[2][0]) - 1}d")
@pytest.mark.parametrize("training", [False, True])
def test_compiles_and_exports(case: Case, training: bool) -> None:
    name, args, shapes = case
    op = operator(name).make(args)
    running = Running(op.torch(*shapes))
    layer = (running.module or _Function(running)).train(training)
    xs = inputs(op, shapes, batch=2)
    torch._dynamo.reset()
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    exported = torch.export.export(layer, tuple(xs)).module()
    for other in (compiled, exported):
        torch.manual_seed(0)
        expected = layer(*xs)
        torch.manual_seed(0)
        torch.testing.assert_close(other(*xs), expected)
