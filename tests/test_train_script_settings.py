"""Every setting of a recipe, and every argument of what it may be: a script obeys it."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import archc
from archc.driver import compile_spec
from archc.train.settings.choices import CHOICES, Choice
from archc.train.settings.recipe import SETTINGS, Recipe
from archc.train.standalone.script import ABSENT
from tests.support.scripts import Both, both, prepare, tidy

torch.set_num_threads(1)

CASES: dict[str, tuple[str, str]] = {
    # optimizers
    "sgd": ("classes", "optimizer = sgd(lr=0.1)  epochs = 3"),
    "nesterov": (
        "classes",
        "optimizer = sgd(lr=0.05, momentum=0.9, nesterov=true, weight_decay=0.01)  seed = 3",
    ),
    "adam": ("classes", "optimizer = adam(lr=0.01, betas=[0.8, 0.9], eps=0.001, weight_decay=0.1)"),
    "adamw": ("classes", "optimizer = adamw(0.01, [0.8, 0.9], 0.001, 0.1)  no_decay = true"),
    "adamw without decay": ("classes", "optimizer = adamw(lr=0.01, weight_decay=0)"),
    "rmsprop": ("one", "optimizer = rmsprop(0.02, 0.9, 0.01, 0.5, 0.1)  loss = bce()"),
    "adagrad": ("classes", "optimizer = adagrad(0.02, 0.001, 0.1)"),
    "adadelta": ("classes", "optimizer = adadelta(0.5, 0.8, 0.001, 0.1)  no_decay = true"),
    "nadam": ("classes", "optimizer = nadam(0.01, [0.8, 0.9], 0.001, 0.1)"),
    "radam": ("classes", "optimizer = radam(0.01, [0.8, 0.9], 0.001, 0.1)  epochs = 4"),
    # schedules
    "warmup": ("classes", "optimizer = sgd(lr=0.1)  schedule = constant(warmup=0.5)"),
    "one_cycle": ("classes", "optimizer = sgd(lr=0.1)  schedule = one_cycle(0.4, 0.1, 0.01)"),
    "cosine": ("classes", "optimizer = sgd(lr=0.1)  schedule = cosine(warmup=0.2, end=0.1)"),
    "step": (
        "classes",
        "optimizer = sgd(lr=0.1)  epochs = 4  schedule = step(every=1, factor=0.5, warmup=0.3)",
    ),
    "steps": ("classes", "optimizer = sgd(lr=0.1)  epochs = 3  schedule = step(at=[1, 2])"),
    # the loop
    "parts": ("classes", "accumulate = 2  clip = 0.5  ema = 0.9  patience = 1  epochs = 5"),
    "parts of classes with weights": (
        "classes",
        "accumulate = 3  loss = cross_entropy(label_smoothing=0.1, weights=[1, 2, 0.5])",
    ),
    "parts of masks": (
        "masks",
        "accumulate = 3  augment = [shift(3)]  loss = cross_entropy(weights=[1, 2, 3])",
    ),
    "parts of keypoints": ("points", "accumulate = 3  batch = 6"),
    "parts of outputs": (
        "two",
        """accumulate = 3  augment = [shift(3)]  loss = dice()
           loss.other = [0.5, cross_entropy()]""",
    ),
    "parts of blends": (
        "auxiliary",
        "accumulate = 2  augment = [mixup()]  ignore = 2  loss.aux = [0.3, dice()]",
    ),
    "more parts than samples": ("classes", "accumulate = 20  batch = 7"),
    "a batch of everything": ("classes", "batch = 1000  epochs = 6"),
    "without validation": ("classes", "validation = 0  epochs = 3"),
    # what learns
    "transfer": (
        "classes",
        """init = "w.safetensors"  fresh = ["fc"]  freeze = ["features.0"]
           layer_lr = [["features.1", 0.1]]  no_decay = true
           optimizer = adam(lr=0.01, weight_decay=0.1)""",
    ),
    "one rate for each layer": (
        "classes",
        'layer_lr = [["features", 0.1], ["fc.bias", 2]]  schedule = cosine()',
    ),
    "frozen": ("classes", 'freeze = ["features"]'),
    # losses
    "dice": ("masks", "loss = dice(smooth=0.5)"),
    "dice and cross entropy": ("masks", "loss = dice(cross_entropy=0.5)  augment = [shift(2)]"),
    "dice of one channel": ("foreground", "loss = dice(cross_entropy=0.5)"),
    "dice of classes": ("classes", "loss = dice(cross_entropy=1)"),
    "dice of ignored classes": ("classes", "loss = dice(cross_entropy=1)  ignore = 2"),
    "bce": ("classes", "loss = bce()"),
    "bce of masks": ("masks", "loss = bce()  augment = [shift(2)]"),
    "bce of one channel": ("foreground", "loss = bce()  augment = [shift(2)]"),
    "mse": ("classes", "loss = mse()"),
    "huber": ("values", "loss = huber(delta=0.1)"),
    "heatmaps": ("points", "loss = heatmaps(sigma=0.7)"),
    "a stack of one": ("stack of one", "loss.maps = [0.5, heatmaps()]"),
    "several outputs": ("two", "loss.other = [0.5, bce()]"),
    "two of each": (
        "two",
        """loss = cross_entropy(weights=[1, 2, 3])  accumulate = 2
           loss.other = [0.5, cross_entropy(weights=[3, 2, 1])]""",
    ),
    "means over different things": (
        "two",
        "loss = dice()  loss.other = [0.5, cross_entropy(weights=[1, 2, 3])]  ignore = 1",
    ),
    "a weight alone": ("classes", "loss.logits = [0.5, bce()]"),
    "a weight alone in parts": ("classes", "loss.logits = [0.3, cross_entropy()]  accumulate = 2"),
    "many classes": ("classes", f"loss = cross_entropy(weights={[i / 7 for i in range(1, 26)]})"),
    "blends for one output beside four": (
        "auxiliary",
        "loss = dice(cross_entropy=1)  loss.aux = [0.3, bce()]  augment = [mixup()]  ignore = 2",
    ),
    "a list and another output": (
        "list and another",
        "loss.maps = dice()  loss.other = [0.5, bce()]  accumulate = 2",
    ),
    "a list in training": (
        "list in training",
        "loss.early = [0.3, cross_entropy(weights=[1, 2, 3])]  augment = [shift(1)]",
    ),
    "shared weights": ("shared", "ema = 0.9  no_decay = true  clip = 0.1"),
    "two kinds of dice": ("two", "loss = dice(smooth=2)  loss.other = [0.5, dice()]"),
    "an auxiliary output": ("auxiliary", "loss.aux = [0.3, bce()]  loss = cross_entropy(0.1)"),
    # data
    "classes": ("classes", "classes = [2, 0]  samples = 30"),
    "ignored classes": ("classes", "ignore = 1  loss = cross_entropy(weights=[1, 2, 3])"),
    "ignored in masks": ("masks", "ignore = 1"),
    "permute": ("classes", "permute = true"),
    "not normalised": ("classes", "normalize = none"),
    "given": ("values", "normalize = given([0.5], [0.25])  validation = 0.3"),
    "grey in three channels": ("classes", "augment = [colour()]"),
    "channels last": ("classes", "epochs = 3"),
    "resized": ("classes", "fit = resize"),
    "padded": ("classes", "fit = pad"),
    "padded in three channels": ("classes", "fit = pad"),
    "padded masks": ("masks", "fit = pad"),
    "padded keypoints": ("points", "fit = pad"),
    "cropped": ("classes", "fit = crop"),
    "cropped masks": ("masks", "fit = crop  augment = [flip()]"),
    "rows": ("one", "loss = bce()  epochs = 3"),
    "idx": ("classes", 'data = idx("tiny")'),
    "images": ("classes", 'data = images("pets", size=8, channels=1, test=0.3, seed=1)'),
    "masks": ("masks", 'data = masks("cells", size=8, channels=1, test=0.3, seed=1)'),
    "pair": (
        "picture",
        'data = pair("a.png", "b.png", channels=1)  batch = 1  epochs = 4  validation = 0',
    ),
    "colour pair": (
        "picture",
        'data = pair("a.png", "b.png", channels=3)  batch = 1  epochs = 4  validation = 0',
    ),
    "digits": ("classes", "data = digits()  batch = 200"),
    "scenes": ("masks", "data = scenes(count=30, size=8, seed=2, test=9)"),
    "figures": ("points", "data = keypoints(count=30, size=8, seed=2, test=9)"),
    "filtered": (
        "picture",
        """data = filtered(kernel="box", contrast=1.5, brightness=0.1, count=20, size=8,
                           seed=2, test=9)""",
    ),
    # augmentation
    "whole pixels": ("classes", "augment = [shift(2), flip(0.3), cutout(3)]"),
    "resampling": ("classes", "augment = [scale(0.5, 1.5), rotate(30), flip(), crop(0.5, 2)]"),
    "colour": ("classes", "augment = [colour(0.3, 0.4, 0.5)]"),
    "colour of grey": ("classes", "augment = [colour(0.3, 0.4), crop(), colour()]"),
    "moved masks": ("masks", "augment = [shift(2), rotate(30), flip(), crop(), cutout(2)]"),
    "moved keypoints": ("points", "augment = [shift(1), flip(), rotate(30), scale(), cutout(3)]"),
    "left and right": (
        "points",
        "data = keypoints(count=30, size=8, test=9)  augment = [flip(), crop(), shift(1)]",
    ),
    "moved pictures": ("picture", "augment = [shift(2), flip(), rotate(30), scale()]"),
    "mixup": ("classes", "augment = [shift(2), mixup(0.4)]"),
    "mixup first": ("classes", "augment = [mixup(), flip()]  loss = cross_entropy(0.1)"),
    "mixup by bce": ("classes", "augment = [mixup(1)]  loss = bce()  ignore = 2"),
    "mixup of two": ("one", "augment = [mixup(1)]  loss = bce()"),
    "mixup by dice": ("classes", "augment = [mixup(1)]  loss = dice(cross_entropy=1)"),
    "mixup of ignored": ("classes", "augment = [mixup(1)]  loss = dice(cross_entropy=1)  ignore=2"),
    "mixup of pictures": ("picture", "augment = [flip(), mixup(0.4), shift(1)]"),
    "mixup of values": ("values", "augment = [mixup()]"),
    "cutmix": ("classes", "augment = [flip(), cutmix(0.7), cutout(2)]"),
    "cutmix of masks": ("masks", "augment = [rotate(20), cutmix(), shift(1)]"),
    "blends for two sizes": ("auxiliary", "augment = [cutmix()]  loss.aux = [0.3, bce()]"),
    "blends for larger ones": (
        "auxiliary",
        "augment = [cutmix()]  loss.aux = [0.3, cross_entropy()]  ignore = 0",
    ),
    # the device
    "bf16": ("masks", "precision = bf16"),
    "fp32": ("masks", "precision = fp32  channels_last = true"),
    "rows in memory": ("masks", "channels_last = false"),
    "compile": ("classes", "compile = true"),
    "deterministic": ("masks", "deterministic = true  loss = dice(cross_entropy=1)"),
    "deterministic with borders": (
        "masks",
        "deterministic = true  augment = [shift(1)]  loss = cross_entropy(weights=[1, 2, 3])",
    ),
}
"""What is trained, and by which settings."""
ROUNDED = {
    "bf16",
    "parts of keypoints",
    "parts of outputs",
    "two of each",
    "a weight alone",
    "a weight alone in parts",
}
"""Cases whose losses agree to rounding only."""
JOINTS = {"takes": 3, "change": ("conv(2, ", "conv(11, ")}
MADE: dict[str, dict[str, Any]] = {
    "colour": {"channels": 3},
    "colour pair": {"takes": 3, "change": ("conv(1, ", "conv(3, ")},
    "digits": {"change": ("linear(3)", "linear(10)")},
    "many classes": {"change": ("linear(3)", "linear(25)")},
    "blends for one output beside four": {"change": ("linear(3)", "linear(1)")},
    "scenes": {"takes": 3, "change": ("conv(3, ", "conv(6, ")},
    "figures": JOINTS,
    "left and right": JOINTS,
    "grey in three channels": {"takes": 3},
    "channels last": {"channels": 3, "last": True},
    "resized": {"side": 5},
    "padded": {"side": 5},
    "padded in three channels": {"side": 5, "takes": 3},
    "padded masks": {"side": 5},
    "padded keypoints": {"side": 5},
    "cropped": {"side": 11},
    "cropped masks": {"side": 11},
    "rows": {"change": ("image[1, 8, 8]", "image[64]")},
}
"""How the data of a case are made, and its network changed; see `prepare`."""
MAIN = {"mean_iou": "mean IoU", "accuracy": "accuracy", "error": "error", "pck@0.1": "PCK@0.1"}


def files(text: str) -> None:
    """The files that the data of a case lie in."""
    draw = np.random.default_rng(1)

    def picture(path: Path, most: int = 256) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, most, (8, 8), dtype=np.uint8)).save(path)

    if 'idx("' in text:
        Path("tiny").mkdir()
        for part, count in (("train", 40), ("t10k", 15)):
            images = draw.integers(0, 256, (count, 8, 8), dtype=np.uint8)
            header = bytes([0, 0, 8, 3]) + np.array([count, 8, 8], ">u4").tobytes()
            path = Path("tiny") / f"{part}-images-idx3-ubyte.gz"
            path.write_bytes(gzip.compress(header + images.tobytes()))
            labels = (np.arange(count) % 3).astype(np.uint8)
            header = bytes([0, 0, 8, 1]) + np.array([count], ">u4").tobytes()
            path = Path("tiny") / f"{part}-labels-idx1-ubyte"
            path.write_bytes(header + labels.tobytes())
    for i in range(36):
        if "images(" in text:
            picture(Path("pets") / "abc"[i % 3] / f"{i}.png")
        if " masks(" in text:
            picture(Path("cells") / "images" / f"{i}.png")
            picture(Path("cells") / "masks" / f"{i}.png", 3)
    if "pair(" in text:
        picture(Path("a.png"))
        picture(Path("b.png"))


def spec_of(name: str) -> Path:
    """The case as a spec in the current folder, with all that it names."""
    net, text = CASES[name]
    files(text)
    spec = prepare(net, text, **MADE.get(name, {}))
    if "w.safetensors" in text:
        torch.manual_seed(3)
        save_file(archc.load(spec)["Net"].module().state_dict(), "w.safetensors")
    return spec


def check(done: Both, rounded: bool) -> None:
    """Losses of the steps, and what was measured after each epoch and at the end."""
    if rounded:
        assert done.ours == pytest.approx(done.losses, rel=1e-6)
    else:
        assert done.ours == done.losses
    test = done.result["test"]
    key = next(key for key in MAIN if key in test)
    assert f"test {MAIN[key]} " in done.last
    logged = [
        (float(row["validation_loss"]), float(row[f"validation_{key}"]))
        for row in done.rows
        if row["validation_loss"]
    ]
    for ours, theirs in zip(done.measured, [*logged, (test["loss"], test[key])], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-9)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for all scripts, which are looked over together at the end."""
    folder = tmp_path_factory.mktemp("scripts")
    yield folder
    tidy(folder)


@pytest.mark.parametrize("name", CASES)
def test_a_script_obeys(
    name: str,
    written: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with torch._dynamo.config.patch(disable=True):  # compiling takes half a minute
        done = both(spec_of(name), monkeypatch, capsys)
    assert len(done.losses) >= 2
    check(done, rounded=name in ROUNDED)
    shutil.copy(done.folder / "train.py", written / f"{name.replace(' ', '_')}.py")


# --------------------------------------------------------------------------- nothing is left out


@pytest.fixture(scope="module")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> list[Recipe]:
    """The recipe of every case."""
    every = ['data = npz("d.npz", keypoints=true)'] + [text for _, text in CASES.values()]
    path = tmp_path_factory.mktemp("cases") / "cases.arch"
    path.write_text(
        "\n".join(
            f"recipe r{i} {{ {text if 'data =' in text else f'data = digits()  {text}'} }}"
            for i, text in enumerate(every)
        )
    )
    state = compile_spec(str(path))
    assert state.program is not None
    return [Recipe.read(spec, {}) for spec in state.program.recipes()]


def chosen(recipe: Recipe) -> list[Any]:
    """What a recipe chooses of all that settings may be."""
    found = [getattr(recipe, name) for name in CHOICES if name != "augment"]
    return [*found, *recipe.augment, *(weighted.loss for weighted in recipe.losses.values())]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_a_case(name: str, recipes: list[Recipe]) -> None:
    default = Recipe.model_fields[name].get_default()
    differ = [recipe for recipe in recipes if getattr(recipe, name) != default]
    assert bool(differ) == (name not in {*ABSENT, "pictures"})


@pytest.mark.parametrize(
    "choice", [c for name, cs in CHOICES.items() if name not in ABSENT for c in cs]
)
def test_every_argument_has_a_case(choice: type[Choice], recipes: list[Recipe]) -> None:
    found = [made for recipe in recipes for made in chosen(recipe) if type(made) is choice]
    assert found
    for name, field in choice.model_fields.items():
        assert field.is_required() or any(getattr(x, name) != field.default for x in found), name
