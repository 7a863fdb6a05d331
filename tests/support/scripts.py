"""One recipe carried out twice: by `archc train`, and by the script that is made of it."""

from __future__ import annotations

import csv
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from archc import cli
from archc.train import loop
from archc.train.record import Record


@dataclass(frozen=True)
class Both:
    """What the two did."""

    losses: list[float]
    """Of each step of `archc train`."""
    ours: list[float]
    """Of each step of the script."""
    rows: list[dict[str, str]]
    """Of `archc train`'s log: one for each epoch."""
    result: dict[str, Any]
    measured: list[tuple[float, float]]
    """Loss and metric of each split that the script measured, the test set's last."""
    printed: list[str]
    """The script's lines."""
    folder: Path
    """Where the script lies."""

    @property
    def last(self) -> str:
        return self.printed[-1]


def both(
    spec: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    recipe: str = "",
    epochs: int | None = None,
) -> Both:
    """Build, train and run the script in the current folder; `epochs`: other than the recipe's."""
    flag = [f"--with-train={recipe}"] if recipe else ["--with-train"]
    capsys.readouterr()
    assert cli.main(["build", str(spec), "--emit", "model", "-o", "out", *flag]) == 0
    seen: list[Tensor] = []
    step = loop.Trainer._step

    def watched(self: loop.Trainer, *args: Any) -> Tensor:
        seen.append(step(self, *args))
        return seen[-1]

    more = ["--recipe", recipe] if recipe else []
    more += ["--set", f"epochs={epochs}"] if epochs else []
    with monkeypatch.context() as patch:
        patch.setattr(loop.Trainer, "_step", watched)
        patch.setattr(
            Record, "picture", lambda self, metric: None
        )  # of the curve: it takes longest
        more += ["--set", "pictures=false", "--device", "cpu", "-o", "run"]
        assert cli.main(["train", str(spec), *more]) == 0
    capsys.readouterr()
    count = ["--epochs", str(epochs)] if epochs else []
    folder = Path("out").resolve()
    options = [*count, "--log", "losses.txt", "--device", "cpu"]
    measured = run(folder / "train.py", options, monkeypatch)
    with open("run/log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return Both(
        [float(loss) for loss in seen],
        [float(line) for line in Path("losses.txt").read_text().splitlines()],
        rows,
        json.loads(Path("run/result.json").read_text()),
        measured,
        capsys.readouterr().out.splitlines(),
        folder,
    )


def run(path: Path, argv: list[str], monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Run a script here: another process would first import torch again. Gives what it measured."""
    measured = []
    threads = torch.get_num_threads()
    before = set(sys.modules)
    with monkeypatch.context() as patch, torch.random.fork_rng([]):
        patch.syspath_prepend(str(path.parent))
        patch.setattr(sys, "argv", [str(path), *argv])
        found = importlib.util.spec_from_file_location("script_of_a_test", path)
        assert found is not None
        assert found.loader is not None
        module = importlib.util.module_from_spec(found)
        try:
            found.loader.exec_module(module)
            evaluate = module.evaluate

            def watched(*args: Any) -> tuple[float, float]:
                measured.append(evaluate(*args))
                return measured[-1]

            module.evaluate = watched
            module.main()
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(False)
            for name in set(sys.modules) - before:
                if str(getattr(sys.modules[name], "__file__", "")).startswith(str(path.parent)):
                    del sys.modules[name]
    return measured


def tidy(*paths: Path) -> None:
    """As a careful person leaves it: nothing unused, one style, within its columns."""
    ruff = [sys.executable, "-m", "ruff"]
    rules = "--select=E,F,I,W,B,SIM,RET,PIE,UP,C4"
    config = [
        "--isolated",
        '--config=lint.isort.known-first-party=["net", "lenet5"]',
        "--line-length=100",
        "--target-version=py311",
    ]
    for command in (["check", rules, "--ignore=E402"], ["format", "--check", "--diff"]):
        done = subprocess.run(
            [*ruff, *command, *config, *map(str, paths)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


# --------------------------------------------------------------------------- networks and data

NETS = {
    "classes": """
      features = image -> features: (
        conv(4, 3, pad=half, bias=false) -> batchnorm -> relu -> dropout(0.2) -> pool(2)
      )
      output logits = features -> flatten -> fc: linear(3)""",
    "auxiliary": """
      a = image -> a: (conv(4, 3, pad=half) -> relu)
      output logits = a -> flatten -> linear(3)
      output aux = a -> pool(global, by=avg) -> flatten -> linear(4) when training""",
    "one": "output image -> flatten -> linear(1)",
    "masks": "output image -> conv(4, 3, pad=half) -> relu -> conv(3, 1)",
    "foreground": "output image -> conv(4, 3, pad=half) -> relu -> conv(1, 1)",
    "two": """
      a = image -> a: (conv(4, 3, pad=half) -> relu)
      output mask = a -> conv(3, 1)
      output other = a -> conv(3, 3, pad=half)""",
    "list and another": """
      x = image -> stem: (conv(6, 3, pad=half) -> relu)
      output maps = [x -> a: conv(3, 1), x -> b: conv(3, 3, pad=half)]
      output other = x -> c: conv(3, 1)""",
    "list in training": """
      x = image -> stem: (conv(6, 3, pad=half) -> relu)
      output early = [x -> a: conv(3, 1), x -> b: conv(3, 3, pad=half)] when training
      output mask = x -> c: conv(3, 1)""",
    "shared": """
      share head = (conv(6, 3, pad=half) -> batchnorm -> relu -> conv(3, 1))
      output mask = image -> head
      output other = image -> pool(3, by=avg, stride=1, pad=1) -> head""",
    "values": "output image -> flatten -> linear(2)",
    "picture": "output image -> conv(1, 3, pad=half)",
    "points": """
      x = image -> stem: (conv(6, 3, stride=2, pad=half) -> relu)
      output maps = [x -> a: conv(2, 1), x -> b: conv(2, 3, pad=half)]""",
    "stack of one": """
      output maps = [image -> stem: (conv(6, 3, stride=2, pad=half) -> relu -> conv(2, 1))]""",
}
"""Networks by what they learn, for images of 8x8."""


def targets(net: str, count: int, side: int, draw: np.random.Generator) -> Any:
    """Targets for `count` images."""
    if net in ("masks", "two", "list and another", "list in training", "shared"):
        return draw.integers(0, 3, (count, side, side))
    if net == "foreground":
        return draw.integers(0, 2, (count, side, side))
    if net == "values":
        return draw.random((count, 2))
    if net == "picture":
        return draw.random((count, 1, side, side))
    if net in ("points", "stack of one"):
        return np.concatenate(
            [draw.uniform(0, side - 1, (count, 2, 2)), draw.integers(0, 2, (count, 2, 1))], 2
        )
    return np.arange(count) % (2 if net == "one" else 3)


def prepare(
    net: str,
    text: str,
    *,
    side: int = 8,
    channels: int = 1,
    takes: int | None = None,
    last: bool = False,
    change: tuple[str, str] = ("", ""),
) -> Path:
    """A spec and its data in the current folder.

    `side`, `channels`: of the images, for a network that takes 8x8 and as many channels, or `takes`
    others. `last`: they lie on the last axis. `change`: a text of the network and what stands there
    instead.
    """
    draw = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 70), ("test", 21)):
        pixels = draw.integers(0, 256, (count, channels, side, side), dtype=np.uint8)
        pixels = np.moveaxis(pixels, 1, -1) if last else pixels
        arrays[f"x_{part}"] = pixels / 255 if net in ("values", "picture") else pixels
        arrays[f"y_{part}"] = targets(net, count, side, draw)
    np.savez("d.npz", **arrays)
    network = f"network Net {{ input image[{takes or channels}, 8, 8]\n{NETS[net]}\n}}\n"
    if change[0]:
        assert change[0] in network
        network = network.replace(*change)
    if "data =" not in text:
        keypoints = ", keypoints=true" if net in ("points", "stack of one") else ""
        text = f'data = npz("d.npz"{keypoints})  {text}'
    batch = "" if "batch =" in text else "batch = 16"
    count = "" if "epochs =" in text else "epochs = 2"
    spec = Path("net.arch").resolve()
    spec.write_text(f"{network}recipe r for Net {{ {batch}  {count}  {text} }}\n")
    return spec
