"""The measurements of training run anywhere, with small sizes: no figure, no dead code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


def run(script: str, *options: str) -> str:
    command = [sys.executable, script, "--device", "cpu", *options]
    ran = subprocess.run(command, cwd=BENCH, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.slow
def test_resnet50_on_a_gpu_in_small() -> None:
    said = run("train_gpu.py", "--batch=2", "--size=64", "--steps=1", "--runs=1", "--eager")
    assert "archc train to emitted" in said
    assert "GiB expected" in said


@pytest.mark.slow
def test_the_sprint_in_small() -> None:
    data = 'data=idx("fashion-mnist-mini")'
    small = ["--runs=1", "--width=4", "--target=0.01", "--set=epochs=1", "--set=batch=200"]
    said = run("train_sprint.py", *small, "--set", data)
    assert "archc to by hand, seconds to 1.0%" in said


@pytest.mark.slow
def test_throughput_is_measured() -> None:
    said = run("train_throughput.py", "--runs=1", "--limit=0", "--network=LeNet5")
    assert "LeNet5" in said
    assert "share" in said


@pytest.mark.slow
def test_layouts_are_compared() -> None:
    said = run("layouts.py", "--seconds=0", "--network=LeNet5")
    assert re.search(r"^LeNet5 1x32x32 +contiguous to channels_last \d+\.\d\d$", said, re.M)
