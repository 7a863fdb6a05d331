"""Pictures of what was learned: what is on them, read back from the pixels."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from archc import cli
from archc.train import TrainError
from archc.train.data.samples import IGNORED
from archc.train.settings.choices import Bce, ByTask, CrossEntropy, Mse
from archc.train.showing import board, curve
from archc.train.showing import pictures as draw
from archc.train.showing.watching import probabilities

torch.set_num_threads(1)

DARKEST = (8, 48, 107)
"""Of a confusion matrix: all samples of a class."""


def pixels(data: bytes) -> Tensor:
    """[H, W, 3] bytes of a PNG."""
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG"
        return torch.from_numpy(np.array(image.convert("RGB")))


def share(data: bytes, colour: tuple[int, int, int], far: int = 2) -> float:
    """Share of the picture that is of about this colour."""
    apart = (pixels(data).int() - torch.tensor(colour)).abs().amax(2)
    return float((apart <= far).float().mean())


def test_kernels_are_scaled_each_by_its_own_largest_weight() -> None:
    weight = torch.zeros(2, 1, 3, 3)
    weight[0, 0, 1, 1], weight[0, 0, 0, 0] = 0.01, -0.01
    weight[1, 0, 1, 1], weight[1, 0, 0, 0] = 100.0, -100.0
    made = draw.kernels("Net: first layer", weight)
    assert share(made, (127, 127, 127)) > 0.05
    sheet = draw._sheet(list(weight / weight.abs().amax((1, 2, 3), keepdim=True) / 2 + 0.5), 2)
    # the same picture twice, one beside the other, and a frame around both
    side = 24
    first = sheet[:, draw.GAP : draw.GAP + side, draw.GAP : draw.GAP + side]
    left = 2 * draw.GAP + side
    assert torch.equal(first, sheet[:, draw.GAP : draw.GAP + side, left : left + side])
    assert first[:, 0, 0].tolist() == [0, 0, 0]
    assert first[:, 12, 12].tolist() == [1, 1, 1]
    assert sheet[:, 0, 0].tolist() == pytest.approx(draw.GROUND)


@pytest.mark.parametrize("shape", [(64, 3, 7, 7), (20, 5, 3, 3), (10, 1, 28, 28), (1, 1, 3, 5)])
def test_kernels_of_any_shape(shape: tuple[int, ...]) -> None:
    assert pixels(draw.kernels("$x", torch.randn(shape))).shape[1] > 200


def test_masks_have_a_colour_for_each_class_over_the_image() -> None:
    colours = draw.palette(4)
    assert len({tuple(c) for c in colours.tolist()}) == 4
    image = torch.full((1, 2, 2), 0.5)
    mask = torch.tensor([[0, 1], [2, IGNORED]])
    painted = draw.over(image, mask, colours)
    assert painted[:, 0, 0].tolist() == pytest.approx([0.65] * 3)
    assert torch.allclose(painted[:, 0, 1], 0.175 + 0.65 * colours[1])
    assert torch.allclose(painted[:, 1, 0], 0.175 + 0.65 * colours[2])
    assert painted[:, 1, 1].tolist() == pytest.approx([0.125] * 3)


@pytest.mark.parametrize("classes", [2, 15, 40])
def test_palettes_tell_classes_apart(classes: int) -> None:
    assert len({tuple(c) for c in draw.palette(classes).tolist()}) == classes


def test_images_beyond_0_to_1_are_stretched_each_by_itself() -> None:
    x = torch.tensor([[0.0, 255.0], [0.0, 51.0]]).reshape(2, 1, 1, 2)
    assert draw.viewable(x, 1 / 255)[1].flatten().tolist() == pytest.approx([0, 0.2])
    x = torch.tensor([[-1.0, 1.0], [4.0, 6.0]]).reshape(2, 1, 1, 2)
    assert draw.viewable(x, 1.0).flatten().tolist() == [0, 1, 0, 1]


def test_probabilities_follow_the_loss() -> None:
    out = torch.tensor([[0.0, 0.0, 100.0]])
    assert probabilities(ByTask(), out)[0].tolist() == pytest.approx([0, 0, 1])
    assert probabilities(CrossEntropy(), torch.zeros(1, 4)).tolist() == [[0.25] * 4]
    assert probabilities(Bce(), torch.zeros(1, 3)).tolist() == [[0.5] * 3]
    assert probabilities(Mse(), torch.tensor([[1.2, -1.0, 0.5]])).tolist() == [[1, 0, 0.5]]
    assert probabilities(Bce(), torch.zeros(2, 1)).tolist() == [[0.5, 0.5]] * 2


# --------------------------------------------------------------------------- whole runs

HEAD = "epochs = 1  batch = 16  validation = 0  optimizer = sgd(lr=0.1)"
SPECS = {
    "classes": (
        "network Net { input image[1, 8, 8]  output image -> conv(4, 3) -> flatten -> linear(3) }",
        ("kernels.png", "confusion.png", "predictions.png"),
    ),
    "pixels": (
        "network Net { input image[1, 8, 8]  output image -> flatten -> linear(3) }",
        ("kernels.png", "confusion.png", "predictions.png"),
    ),
    "masks": (
        "network Net { input image[1, 8, 8]  output image -> conv(3, 3, pad=half) }",
        ("kernels.png", "confusion.png", "predictions.png"),
    ),
    "images": (
        "network Net { input image[1, 8, 8]  output image -> conv(1, 1) }",
        ("predictions.png",),
    ),
    "numbers": (
        "network Net { input image[1, 8, 8]  output image -> flatten -> linear(1) }",
        ("kernels.png", "predictions.png"),
    ),
}


def targets(kind: str, count: int, draw: np.random.Generator) -> Any:
    if kind == "masks":
        return draw.integers(0, 3, (count, 8, 8))
    if kind == "images":
        return draw.random((count, 1, 8, 8), dtype=np.float32)
    if kind == "numbers":
        return draw.random((count, 1), dtype=np.float32)
    return np.arange(count) % 3


@pytest.mark.parametrize("kind", SPECS)
def test_a_run_ends_with_pictures(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text, wanted = SPECS[kind]
    Path("net.arch").write_text(f'{text}\nrecipe r for Net {{ data = npz("d.npz")  {HEAD} }}\n')
    made = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 32), ("test", 12)):
        arrays[f"x_{part}"] = made.integers(0, 256, (count, 1, 8, 8), dtype=np.uint8)
        arrays[f"y_{part}"] = targets(kind, count, made)
    np.savez("d.npz", **arrays)
    assert cli.main(["train", "net.arch", "--device", "cpu", "-o", "run"]) == 0
    pngs = {path.name for path in Path("run").glob("*.png")}
    assert pngs == {"curve.png", *wanted}
    for name in pngs:
        assert min(pixels((Path("run") / name).read_bytes()).shape[:2]) > 100
    assert cli.main(["train", "net.arch", "--set", "pictures=false", "-o", "other"]) == 0
    assert {path.name for path in Path("other").glob("*.png")} == {"curve.png"}


# --------------------------------------------------------------------------- TensorBoard


def test_rows_of_the_log_have_plots_in_common() -> None:
    names = ["lr", "train_loss", "validation_loss", "train_pck@0.1", "seconds"]
    assert [board._plot(name) for name in names] == [
        "lr", "loss/train", "loss/validation", "pck@0.1/train", "speed/seconds",
    ]  # fmt: skip


def test_tensorboard_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    monkeypatch.chdir(tmp_path)
    made = np.random.default_rng(0)
    arrays = {
        f"{name}_{part}": made.integers(0, 3, (24, 1, 8, 8) if name == "x" else 24)
        for name in "xy"
        for part in ("train", "test")
    }
    np.savez("d.npz", **arrays)
    text, _ = SPECS["classes"]
    recipe = 'recipe r for Net { data = npz("d.npz")  epochs = 2  validation = 0.25 }'
    Path("net.arch").write_text(f"{text}\n{recipe}\n")
    args = ["train", "net.arch", "--device", "cpu", "--tensorboard", "-o", "run"]
    assert cli.main(args) == 0
    # more epochs: another file, which goes on where the first one ends
    assert cli.main(["train", "--resume", "run", "--set", "epochs=3"]) == 0
    found = events.EventAccumulator("run/tensorboard")
    found.Reload()
    with open("run/log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for tag, column in (("loss/train", "train_loss"), ("accuracy/validation", None), ("lr", "lr")):
        scalars = found.Scalars(tag)
        assert [s.step for s in scalars] == [1, 2, 3]
        values = [float(row[column or "validation_accuracy"]) for row in rows]
        assert [s.value for s in scalars] == pytest.approx(values, rel=1e-6)
    assert set(found.Tags()["images"]) == {"kernels", "confusion", "predictions"}


def test_tensorboard_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "find_spec", lambda name: None)
    with pytest.raises(TrainError) as caught:
        board.require_tensorboard()
    assert (caught.value.code, caught.value.help) == (
        "E0809",
        'pip install "archc[torch,tensorboard]"',
    )


@pytest.mark.filterwarnings("error")
def test_names_of_any_letters_and_length_leave_the_picture_whole() -> None:
    table = ((1, 0, 0), (0, 2, 0), (1, 0, 3))
    whole, cut = (
        draw.confusion("t", table, [name, "漢字", "$\\frac{1$"])
        for name in ("x" * 200, "x" * 23 + "…")
    )
    assert whole == cut
    assert share(whole, DARKEST) > 0.02


@pytest.mark.filterwarnings("error")
def test_a_curve_of_a_figure_that_no_epoch_had() -> None:
    row = {"epoch": 1, "train_loss": 1.0, "validation_loss": None}
    curve.draw("t", "accuracy", [row | {"train_accuracy": None, "validation_accuracy": None}])
