"""`archc build --with-train`: the script's losses are those of `archc train`, step by step."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from archc import cli
from archc.train import loop

torch.set_num_threads(1)

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Both:
    """One recipe, carried out twice."""

    losses: list[float]
    """Of each step of `archc train`."""
    ours: list[float]
    """Of each step of the script."""
    result: dict[str, Any]
    last: str
    """The script's last line."""
    folder: Path


Run = Callable[..., Both]


@pytest.fixture
def both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    monkeypatch.chdir(tmp_path)
    seen: list[Tensor] = []
    step = loop.Trainer._step

    def watched(self: loop.Trainer, *args: Any) -> Tensor:
        seen.append(step(self, *args))
        return seen[-1]

    def run(spec: Path, recipe: str = "", epochs: int | None = None) -> Both:
        flag = [f"--with-train={recipe}"] if recipe else ["--with-train"]
        assert cli.main(["build", str(spec), "--emit", "model", "-o", "out", *flag]) == 0
        chosen = ["--recipe", recipe] if recipe else []
        count = ["--set", f"epochs={epochs}"] if epochs else []
        monkeypatch.setattr(loop.Trainer, "_step", watched)
        more = [*chosen, *count, "--set", "pictures=false", "--device", "cpu", "-o", "run"]
        assert cli.main(["train", str(spec), *more]) == 0
        capsys.readouterr()
        count = ["--epochs", str(epochs)] if epochs else []
        script(tmp_path / "out" / "train.py", [*count, "--log", "losses.txt", "--device", "cpu"])
        return Both(
            [float(loss) for loss in seen],
            [float(line) for line in Path("losses.txt").read_text().splitlines()],
            json.loads(Path("run/result.json").read_text()),
            capsys.readouterr().out.splitlines()[-1],
            tmp_path / "out",
        )

    def script(path: Path, argv: list[str]) -> None:
        """Run a script here: another process would first import torch again."""
        monkeypatch.syspath_prepend(str(path.parent))
        monkeypatch.setattr(sys, "argv", [str(path), *argv])
        found = importlib.util.spec_from_file_location(f"script_{tmp_path.name}", path)
        assert found is not None
        assert found.loader is not None
        module = importlib.util.module_from_spec(found)
        before = set(sys.modules)
        with torch.random.fork_rng([]):
            found.loader.exec_module(module)
            module.main()
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(path.parent)):
                del sys.modules[name]

    return run


def test_a_hundred_steps_of_lenet(both: Run) -> None:
    done = both(ROOT / "specs" / "lenet5.arch", "demo", epochs=4)
    assert len(done.losses) == 112
    assert done.ours == done.losses
    test = done.result["test"]
    assert done.last.startswith(f"test accuracy {test['accuracy']:.1%}, loss {test['loss']:.4f}")


DATA = 'data = npz("d.npz")  batch = 16'
NETS = {
    "classes": """
      features = image -> features: (
        conv(4, 3, pad=half, bias=false) -> batchnorm -> relu -> dropout(0.2) -> pool(2)
      )
      output logits = features -> flatten -> fc: linear(3)""",
    "auxiliary": """
      a = image -> a: (conv(4, 3, pad=half) -> relu)
      output logits = a -> flatten -> linear(3)
      output aux = a -> pool(global, by=avg) -> flatten -> linear(3) when training""",
    "one": "output image -> flatten -> linear(1)",
    "masks": "output image -> conv(4, 3, pad=half) -> relu -> conv(3, 1)",
    "two": """
      a = image -> a: (conv(4, 3, pad=half) -> relu)
      output mask = a -> conv(3, 1)
      output other = a -> conv(3, 3, pad=half)""",
    "values": "output image -> flatten -> linear(2)",
}
RECIPES: dict[str, tuple[str, str, int, str]] = {
    "everything": (
        "classes",
        """epochs = 3  optimizer = adamw(lr=0.01)  schedule = cosine(warmup=0.2, end=0.1)
           augment = [shift(2), flip()]  accumulate = 2  clip = 0.5  ema = 0.9  no_decay = true
           patience = 2  loss = cross_entropy(label_smoothing=0.1, weights=[1, 2, 0.5])""",
        8,
        "accuracy {accuracy:.1%}",
    ),
    "augmented": (
        "classes",
        """epochs = 2  classes = [2, 0, 1]  samples = 60
           augment = [scale(), rotate(30), colour(saturation=0), cutout(3), crop()]""",
        8,
        "accuracy {accuracy:.1%}",
    ),
    "augmented masks": (
        "masks",
        "epochs = 2  augment = [rotate(30), flip(), shift(2), crop(), cutout(2)]",
        8,
        "mean IoU {mean_iou:.3f}",
    ),
    "transfer": (
        "classes",
        """epochs = 2  optimizer = adam(lr=0.01)  schedule = step(at=[1], factor=0.5)
           init = "w.safetensors"  fresh = ["fc"]  layer_lr = [["features.1", 0.1]]
           freeze = ["features.0"]  seed = 7""",
        8,
        "accuracy {accuracy:.1%}",
    ),
    "still": (
        "classes",
        """epochs = 2  optimizer = sgd(lr=0.1)  freeze = ["features"]  validation = 0
           precision = fp32  channels_last = true""",
        8,
        "accuracy {accuracy:.1%}",
    ),
    "auxiliary": (
        "auxiliary",
        "epochs = 2  loss.aux = [0.3, bce()]  schedule = constant(warmup=0.5)",
        8,
        "accuracy {accuracy:.1%}",
    ),
    "one": (
        "one",
        "epochs = 2  loss = bce()  normalize = none  optimizer = rmsprop(lr=0.01)",
        8,
        "accuracy {accuracy:.1%}",
    ),
    "dice": ("masks", "epochs = 2  loss = dice(cross_entropy=0.5)", 6, "mean IoU {mean_iou:.3f}"),
    "masks": (
        "masks",
        "epochs = 2  loss = cross_entropy(weights=[1, 2, 3])",
        6,
        "mean IoU {mean_iou:.3f}",
    ),
    "huber": ("masks", "epochs = 2  loss = huber(delta=0.5)", 6, "mean IoU {mean_iou:.3f}"),
    "two": ("two", "epochs = 2  loss.other = [0.5, bce()]", 8, "mean IoU {mean_iou:.3f}"),
    "values": (
        "values",
        "epochs = 2  optimizer = sgd(lr=0.01, momentum=0.9)  normalize = given([0.5], [0.25])",
        8,
        "error {error:.4g}",
    ),
}


def targets(kind: str, count: int, side: int, draw: np.random.Generator) -> Any:
    if kind in ("masks", "two"):
        return draw.integers(0, 3, (count, side, side))
    if kind == "values":
        return draw.random((count, 2))
    return np.arange(count) % (2 if kind == "one" else 3)


def prepare(kind: str, side: int, text: str) -> Path:
    """A spec and its data here: images of `side`, for a network that takes 8x8."""
    draw = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 70), ("test", 21)):
        pixels = draw.integers(0, 256, (count, side, side), dtype=np.uint8)
        arrays[f"x_{part}"] = pixels / 255 if kind == "values" else pixels
        arrays[f"y_{part}"] = targets(kind, count, side, draw)
    np.savez("d.npz", **arrays)
    network = f"network Net {{ input image[1, 8, 8]\n{NETS[kind]}\n}}\n"
    spec = Path("net.arch").resolve()
    spec.write_text(f"{network}recipe r for Net {{ {DATA}  {text} }}\n")
    return spec


@pytest.mark.parametrize("name", RECIPES)
def test_every_setting_is_written_out(name: str, both: Run) -> None:
    kind, text, side, words = RECIPES[name]
    spec = prepare(kind, side, text)
    if "init" in text:
        import archc

        torch.manual_seed(3)
        save_file(archc.load(spec)["Net"].module().state_dict(), "w.safetensors")
    done = both(spec)
    assert len(done.losses) >= 6
    assert done.ours == pytest.approx(done.losses, rel=1e-6)
    test = done.result["test"]
    assert done.last.startswith(f"test {words.format(**test)}, loss {test['loss']:.4f}")
    tidy(done.folder / "train.py")


def tidy(path: Path) -> None:
    """As a careful person leaves it: nothing unused, one style, within its columns."""
    ruff = [sys.executable, "-m", "ruff"]
    rules = "--select=E,F,I,W,B,SIM,RET,PIE,UP,C4"
    config = [
        "--isolated",
        '--config=lint.isort.known-first-party=["net"]',
        "--line-length=100",
        "--target-version=py311",
    ]
    for command in (["check", rules, "--ignore=E402"], ["format", "--check", "--diff"]):
        done = subprocess.run(
            [*ruff, *command, *config, str(path)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_data_without_files_of_their_own_come_along(both: Run) -> None:
    """Data that no few lines can read are written beside the script."""
    spec = prepare("classes", 8, "epochs = 2")
    text = spec.read_text().replace('npz("d.npz")', "digits()")
    spec.write_text(text.replace("linear(3)", "linear(10)"))
    done = both(spec)
    assert {path.name for path in done.folder.glob("*.*")} == {
        "net.py", "train.py", "train_data.npz",
    }  # fmt: skip
    assert len(done.losses) > 100
    assert done.ours == done.losses


STACK = """
network Net {
  input image[3, 32, 32]
  x = image -> stem: (conv(8, 3, stride=4, pad=half) -> relu)
  a = x -> first: conv(11, 1)
  output maps = [a, fuse(x, a -> back: conv(8, 1)) -> second: conv(11, 1)]
}
recipe r for Net {
  data = keypoints(count=60, size=32, test=12)  batch = 10  epochs = 2  loss = heatmaps(sigma=0.7)
}
"""


def test_stacked_heatmaps_of_made_figures(both: Run) -> None:
    spec = Path("net.arch").resolve()
    spec.write_text(STACK)
    done = both(spec)
    assert done.ours == pytest.approx(done.losses, rel=1e-6)
    assert done.last.startswith(f"test PCK@0.1 {done.result['test']['pck@0.1']:.1%}, loss")
    tidy(done.folder / "train.py")


def build(spec: Path, *args: str) -> int:
    return cli.main(["build", str(spec), "--emit", "model", "-o", "out", *args])


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return prepare("classes", 8, "epochs = 2")


def test_several_recipes(spec: Path) -> None:
    first = spec.read_text()
    other = first.replace("Net", "Other").replace("recipe r", "recipe s")
    spec.write_text(
        f"{first}{other}{first[first.index('recipe') :].replace('recipe r', 'recipe q')}"
    )
    assert build(spec, "--with-train") == 0
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "net.py", "other.py", "train_net.py", "train_other.py",
    ]  # fmt: skip
    assert "the recipe `r` of" in Path("out/train_net.py").read_text()
    assert build(spec, "--network", "Net", "--with-train", "q") == 0
    assert "the recipe `q` of" in Path("out/train.py").read_text()


def test_what_cannot_be_written_leaves_nothing(
    spec: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(code: str, *args: str) -> None:
        capsys.readouterr()
        assert build(spec, *args) == 1
        assert f"error[{code}]" in capsys.readouterr().err
        assert not Path("out").exists()

    refused("E0803", "--with-train", "q")
    text = spec.read_text()
    for wrong in (
        'freeze = ["nothing"]',
        'layer_lr = [["nothing", 0.1]]',
        "patience = 1  validation = 0",
        "augment = [mixup(), cutmix()]",
    ):
        spec.write_text(text.replace("epochs = 2", f"epochs = 2  {wrong}"))
        refused("E0802", "--with-train")
    spec.write_text(text.replace("d.npz", "absent.npz"))
    refused("E0804", "--with-train")
    spec.write_text(text.replace("epochs = 2", 'epochs = 2  fresh = ["fc"]'))
    refused("E0802", "--with-train")
    spec.write_text(text[: text.index("recipe")])
    refused("E0803", "--with-train")
