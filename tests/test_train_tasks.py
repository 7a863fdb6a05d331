"""Tasks: losses and metrics against plain ones and torchmetrics, augmentation of all targets."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from archc import cli
from archc.recipe import Called, RecipeSpec, Setting
from archc.source import Source, Span
from archc.train import TrainError, fit
from archc.train.augment import Augmenter
from archc.train.data.fitting import prepare
from archc.train.data.generated.figures import MIRRORED
from archc.train.data.samples import Data, Split
from archc.train.data.targets import check_labels
from archc.train.settings.choices import (
    Augmentation,
    Bce,
    ByTask,
    Colour,
    Crop,
    CrossEntropy,
    Cutmix,
    Cutout,
    Dice,
    Flip,
    Heatmaps,
    Huber,
    Loss,
    Mixup,
    Mse,
    Rotate,
    Scale,
    Shift,
)
from archc.train.settings.recipe import Recipe
from archc.train.tasks.losses import Mixed, criterion, gaussians
from archc.train.tasks.metrics import (
    IGNORED,
    Classification,
    Keypoints,
    Metric,
    Regression,
    Segmentation,
    peaks,
)
from archc.train.tasks.objective import Head, Tally, check_fit, make_objective
from archc.train.training import Result
from tests.support.peer import torchmetrics

torch.set_num_threads(1)
CPU = torch.device("cpu")
TEXT = Source("test.arch", "recipe quick for Small { epochs = 2  batch = 64 }")


def call(name: str, *args: Any, **kwargs: Any) -> Called:
    return Called(name, args, kwargs)


def read(settings: dict[str, Any]) -> Recipe:
    made = tuple(
        Setting(tuple(name.split(".")), value, Span(TEXT, i, i + 1), Span(TEXT, i + 1, i + 2))
        for i, (name, value) in enumerate(({"data": call("idx", "x")} | settings).items())
    )
    return Recipe.read(RecipeSpec("quick", "Small", made, "", Span(TEXT, 7, 12)), {})


# --------------------------------------------------------------------------- losses


def test_a_loss_by_the_kind_of_target() -> None:
    scores, classes = torch.randn(4, 3), torch.tensor([0, 2, 1, 1])
    auto = criterion(ByTask(), "classes", (1, 1), False)
    assert torch.equal(auto(scores, classes), F.cross_entropy(scores, classes))
    values = torch.randn(4, 3)
    auto = criterion(ByTask(), "values", (1, 1), False)
    assert torch.allclose(auto(scores, values), F.mse_loss(scores, values))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 5.0]])
def test_ignored_places_are_as_if_they_were_not_there(
    smoothing: float, weights: list[float] | None
) -> None:
    scores = torch.randn(2, 3, 4, 4)
    target = torch.randint(0, 3, (2, 4, 4))
    target[:, :2] = IGNORED
    choice = CrossEntropy(label_smoothing=smoothing, weights=weights)
    ours = criterion(choice, "masks", (4, 4), True)(scores, target)
    there = target != IGNORED
    expected = F.cross_entropy(
        scores.movedim(1, -1)[there], target[there],
        torch.tensor(weights) if weights else None, label_smoothing=smoothing,
    )  # fmt: skip
    assert torch.allclose(ours, expected)
    for other in (Dice(), Dice(cross_entropy=0.5), Bce(), Mse(), Huber(), choice):
        each = criterion(other, "masks", (4, 4), True)
        changed = torch.where(there[:, None], scores, torch.randn_like(scores))
        assert torch.allclose(each(scores, target), each(changed, target)), other.name
        nothing = each(scores, torch.full_like(target, IGNORED))
        assert torch.isfinite(nothing), other.name


def test_the_loss_of_masks_is_the_same_where_bits_must_repeat() -> None:
    scores, target = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    target[0, 0] = IGNORED
    each = criterion(CrossEntropy(label_smoothing=0.1), "masks", (4, 4), True)
    plain = each(scores, target)
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.allclose(each(scores, target), plain)
    finally:
        torch.use_deterministic_algorithms(False)


def test_dice_is_one_minus_the_overlap() -> None:
    target = torch.zeros(1, 4, 4, dtype=torch.long)
    target[:, :2] = 1
    sure = 30 * F.one_hot(target, 2).movedim(-1, 1).float()
    dice = criterion(Dice(smooth=1e-6), "masks", (4, 4), False)
    assert dice(sure, target).item() == pytest.approx(0, abs=1e-5)
    assert dice(-sure, target).item() == pytest.approx(1, abs=1e-5)
    half = sure.clone()
    half[:, :, 2:] = -half[:, :, 2:]  # all is called 1: overlaps 1/2 and 0
    assert dice(half, target).item() == pytest.approx(1 - (2 * 8 / 24 + 0) / 2, abs=1e-5)


def test_heatmaps_rise_at_the_keypoints_of_any_stride() -> None:
    points = torch.tensor([[[9.5, 1.5, 1.0], [5.5, 13.5, 0.0]]])
    maps = gaussians(points, (16, 16), (4, 4), 0.7)
    assert maps.shape == (1, 2, 4, 4)
    assert torch.allclose(maps[0, 0, 0, 2], torch.tensor(1.0))  # cell 2 stands for pixels 8 to 11
    assert maps[0, 0].max() == maps[0, 0, 0, 2]
    assert torch.allclose(peaks(maps, (16, 16)), points[..., :2])
    each = criterion(Heatmaps(sigma=0.7), "keypoints", (16, 16), False)
    wrong = maps.clone()
    wrong[:, 1] += 5  # of the hidden one
    assert each(wrong, points).item() == pytest.approx(0, abs=1e-9)
    assert each(torch.zeros_like(maps), points).item() == pytest.approx(
        maps[0, 0].square().mean().item()
    )


def test_class_weights_must_be_as_many_as_classes(tmp_path: Path) -> None:
    settings = {
        "data": call("digits"),
        "loss": call("cross_entropy", weights=[1.0, 2.0]),
    }
    with pytest.raises(TrainError, match="2 weights for 10 classes") as caught:
        go(tmp_path / "run", settings, nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), (1, 8, 8))
    assert caught.value.code == "E0802"


# --------------------------------------------------------------------------- metrics


def figures(metric: Metric, batches: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
    total = torch.zeros(metric.size, dtype=torch.float64)
    for out, target in batches:
        total += metric.sums(out, target)
    return {
        name: value for name, value in metric.figures(total.tolist()).items() if value is not None
    }


def uneven(n: int, *shape: int, classes: int) -> list[tuple[Tensor, Tensor]]:
    """Batches of different sizes; the truth is somewhat likelier than chance."""
    torch.manual_seed(n)
    made = []
    for count in (7, 1, n):
        target = torch.randint(0, classes, (count, *shape))
        scores = torch.randn(count, classes, *shape)
        made.append((scores + 1.5 * F.one_hot(target, classes).movedim(-1, 1), target))
    return made


def test_classification_is_that_of_torchmetrics() -> None:
    theirs = torchmetrics().functional.classification
    batches = uneven(20, classes=12)
    out, target = (torch.cat(parts) for parts in zip(*batches, strict=True))
    metric = Classification(12)
    ours = figures(metric, batches)
    accuracy = theirs.multiclass_accuracy(out, target, 12, average="micro")
    assert ours["accuracy"] == pytest.approx(accuracy.item())
    top = theirs.multiclass_accuracy(out, target, 12, average="micro", top_k=5)
    assert ours["top5"] == pytest.approx(top.item())
    total = sum((metric.sums(*b) for b in batches), torch.zeros(metric.size))
    matrix = theirs.multiclass_confusion_matrix(out, target, 12)
    assert metric.table(total.tolist()) == tuple(tuple(row) for row in matrix.tolist())


@pytest.mark.parametrize("absent", [0, 2])
def test_mean_iou_is_that_of_torchmetrics(absent: int) -> None:
    multiclass_jaccard_index = torchmetrics().functional.classification.multiclass_jaccard_index
    batches = uneven(9, 6, 5, classes=4)
    if absent:  # two more classes, which nothing is, and which nothing is called
        batches = [
            (torch.cat([out, torch.full_like(out[:, :2], -99)], 1), target)
            for out, target in batches
        ]
    for _, target in batches:
        target[:, 0] = IGNORED
    out, target = (torch.cat(parts) for parts in zip(*batches, strict=True))
    count = 4 + absent
    ours = figures(Segmentation(count), batches)
    each = multiclass_jaccard_index(out, target, count, average="none", ignore_index=IGNORED)
    mean = multiclass_jaccard_index(out, target, count, average="macro", ignore_index=IGNORED)
    assert ours["mean_iou"] == pytest.approx(mean.item(), abs=1e-6)
    for i in range(4):
        assert ours[f"iou_{i}"] == pytest.approx(each[i].item(), abs=1e-6)
    assert "iou_4" not in ours
    many = Segmentation(300)  # without a matrix
    wide = [(F.pad(o, (0, 0, 0, 0, 0, 300 - o.shape[1]), value=-99.0), t) for o, t in batches]
    assert figures(many, wide)["mean_iou"] == pytest.approx(mean.item(), abs=1e-6)


def test_the_error_is_that_of_torchmetrics() -> None:
    mean_absolute_error = torchmetrics().functional.mean_absolute_error
    torch.manual_seed(0)
    batches = [(torch.randn(n, 3), torch.randn(n, 3)) for n in (5, 1, 8)]
    out, target = (torch.cat(parts) for parts in zip(*batches, strict=True))
    expected = mean_absolute_error(out, target).item()
    assert figures(Regression(), batches)["error"] == pytest.approx(expected)


def test_pck_counts_visible_keypoints_near_their_places() -> None:
    """A figure of 20 pixels: within 2 of them counts at 0.1."""
    points = torch.tensor([[[2.0, 2.0, 1.0], [22.0, 2.0, 1.0], [5.0, 5.0, 1.0], [9.0, 9.0, 0.0]]])
    offsets = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [0.0, 3.0], [9.0, 9.0]]])
    maps = gaussians(points[..., :2] + offsets, (32, 32), (32, 32), 1.0)
    ours = figures(Keypoints(4, (32, 32)), [(maps, points)])
    assert ours["pck@0.1"] == pytest.approx(2 / 3)
    assert ours["pck@0.05"] == pytest.approx(1 / 3)
    assert ours["pck@0.2"] == pytest.approx(1)
    assert ours["distance"] == pytest.approx(5 / 3)
    hidden = torch.zeros_like(points)
    nothing = Keypoints(4, (32, 32))
    assert nothing.figures(nothing.sums(maps, hidden).tolist())["pck@0.1"] is None


@pytest.mark.parametrize("choice", [Bce(), Dice(), Dice(cross_entropy=1.0)])
def test_one_channel_tells_two_classes(choice: Loss) -> None:
    split = Split(torch.zeros(3, 1, 4, 4), torch.randint(0, 2, (3, 4, 4)).short(), "x", "y")
    heads = [Head("mask", 1.0, choice, False)]
    right = 12.0 * split.y[:, None].float() - 6
    check_fit(heads, [right], [split])
    objective = make_objective(heads, [right], split, (1, 4, 4), ignoring=True)
    assert "segmentation into 2 classes" in objective.title
    target = split.y.long()
    good = objective.loss(right, target, training=False)
    assert good < objective.loss(-right, target, training=False)
    tally = Tally(objective, CPU)
    tally.add(right, target, good, training=False)
    tally.add(-right - 0.5, target, good, training=False)  # all wrong
    assert tally.read().figures["accuracy"] == pytest.approx(0.5)
    assert tally.read().loss == pytest.approx(good.item())
    for other in (Mse(), Huber()):
        with pytest.raises(TrainError, match="two classes by its sign") as caught:
            check_fit([Head("mask", 1.0, other, False)], [right], [split])
        assert caught.value.code == "E0806"


# --------------------------------------------------------------------------- augmentation

MOVES: list[list[Augmentation]] = [
    [Shift(pixels=3)],
    [Flip()],
    [Scale(low=0.7, high=1.4)],
    [Rotate(degrees=30)],
    [Crop(area=0.4)],
    [Shift(pixels=2), Flip(), Rotate(degrees=20), Scale(), Crop(area=0.6), Flip()],
]


def augmented(
    choices: list[Augmentation], x: Tensor, y: Tensor, kind: str, epoch: int = 0, **more: Any
) -> tuple[Tensor, Any]:
    made = Augmenter(choices, len(x), 3, epoch, CPU, kind, **more)
    return made.both(x, y, torch.arange(len(x)), lambda rows: (x[rows], y[rows]))


@pytest.mark.parametrize("choices", MOVES, ids=lambda c: "+".join(m.name for m in c))
def test_image_and_mask_stay_together(choices: list[Augmentation]) -> None:
    """Pictures whose masks are themselves: what can be seen is in the mask, pixel by pixel."""
    torch.manual_seed(0)
    y = F.interpolate(torch.randint(0, 2, (30, 1, 4, 4)).float(), (24, 24))[:, 0].long()
    x = y[:, None].float() + 1  # 1 and 2; what comes in is 0
    moved, mask = augmented(choices, x, y, "masks")
    assert not torch.equal(moved, x)
    seen = moved[:, 0]
    sure = ((seen - seen.round()).abs() < 1e-3) & (seen.round() > 0)
    inside = sure & (mask != IGNORED)
    assert inside.float().mean() > 0.4
    assert torch.equal(seen[inside].round().long() - 1, mask[inside])
    assert (seen[mask == IGNORED] <= 1.01).all()  # half a border pixel at most
    black = seen < 1e-3
    assert (mask[black] == IGNORED).all()


@pytest.mark.parametrize("choices", MOVES, ids=lambda c: "+".join(m.name for m in c))
def test_image_and_keypoints_stay_together(choices: list[Augmentation]) -> None:
    torch.manual_seed(1)
    points = torch.cat([torch.rand(40, 2, 2) * 31, torch.ones(40, 2, 1)], 2)
    x = gaussians(points, (32, 32), (32, 32), 1.5)
    moved, found = augmented(choices, x, points, "keypoints")
    expected = gaussians(found, (32, 32), (32, 32), 1.5)
    seen = (found[..., 2] > 0) & ((found[..., :2] > 3) & (found[..., :2] < 28)).all(2)
    assert seen.float().mean() > 0.3
    off = (peaks(moved, (32, 32)) - peaks(expected, (32, 32)))[seen].abs()
    assert off.max() <= 1
    outside = ((found[..., :2] < -0.5) | (found[..., :2] >= 31.5)).any(2)
    assert (found[..., 2][outside] == 0).all()


def test_a_mirror_swaps_left_and_right() -> None:
    points = torch.rand(1, 11, 3).round(decimals=2) + 1
    x = torch.zeros(1, 1, 8, 8)
    _, found = augmented([Flip(p=1.0)], x, points, "keypoints", mirrored=MIRRORED)
    assert torch.allclose(found[0, 2, 0], 7 - points[0, 3, 0])
    assert torch.allclose(found[0, 2, 1:], points[0, 3, 1:])


def test_a_target_that_is_an_image_moves_with_it() -> None:
    x = torch.rand(6, 2, 12, 12)
    for choices in MOVES:
        moved, target = augmented(choices, x, x.clone(), "values")
        assert torch.allclose(moved, target)


def test_nothing_happens_at_zero() -> None:
    x = torch.randint(0, 256, (5, 3, 9, 11), dtype=torch.uint8)
    y = torch.randint(0, 4, (5, 9, 11))
    still: list[Augmentation] = [
        Flip(p=0.0), Scale(low=1.0, high=1.0), Rotate(degrees=0.0), Crop(area=1.0, ratio=1.0),
        Colour(brightness=0.0, contrast=0.0, saturation=0.0),
    ]  # fmt: skip
    moved, mask = augmented(still, x, y, "masks")
    assert torch.allclose(moved, x.float(), atol=0.01)
    assert torch.equal(mask, y)


def test_what_is_drawn_is_spread_as_it_says() -> None:
    n = 4000
    x = torch.full((n, 1, 4, 4), 100.0)
    bright, _ = augmented([Colour(brightness=0.5, contrast=0.0)], x, torch.zeros(n), "values")
    factors = bright[:, 0, 0, 0] / 100
    assert 0.5 <= factors.min() < 0.52
    assert 1.48 < factors.max() <= 1.5
    assert factors.mean().item() == pytest.approx(1, abs=0.02)
    angle = torch.tensor([[[10.0, 4.5, 1.0]]]).repeat(n, 1, 1)  # right of the middle
    _, found = augmented([Rotate(degrees=90.0)], torch.zeros(n, 1, 10, 10), angle, "keypoints")
    turned = torch.atan2(found[:, 0, 1] - 4.5, found[:, 0, 0] - 4.5).rad2deg()
    assert (turned.min() < -85, turned.max() > 85) == (True, True)
    assert turned.std().item() == pytest.approx(90 / 3**0.5, rel=0.05)
    point = torch.tensor([[[4.5, 4.5, 1.0], [5.5, 4.5, 1.0]]]).repeat(n, 1, 1)
    _, found = augmented([Scale(low=0.5, high=2.0)], torch.zeros(n, 1, 10, 10), point, "keypoints")
    factor = found[:, 1, 0] - found[:, 0, 0]
    assert (factor > 1).float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert factor.min() >= 0.499
    assert factor.max() <= 2.001
    hole, _ = augmented([Cutout(pixels=4)], torch.ones(n, 1, 16, 16), torch.zeros(n), "values")
    gone = (hole == 0).sum((1, 2, 3))
    assert gone.max() == 16
    assert gone.min() >= 4
    assert gone.float().mean() > 12


EVERYTHING: list[Augmentation] = [
    Shift(pixels=2), Rotate(degrees=10.0), Scale(), Flip(), Colour(), Cutout(pixels=3),
]  # fmt: skip


@pytest.mark.parametrize("last", [Mixup(alpha=0.4), Cutmix()], ids=["mixup", "cutmix"])
def test_no_sample_depends_on_its_batch(last: Mixup | Cutmix) -> None:
    x, y = torch.rand(24, 3, 12, 12), torch.randint(0, 5, (24,))
    augment = Augmenter([*EVERYTHING, last], 24, 1, 2, CPU)

    def stored(rows: Tensor) -> tuple[Tensor, Tensor]:
        return x[rows], y[rows]

    whole, target = augment.both(*stored(torch.arange(24)), torch.arange(24), stored)
    assert isinstance(target, Mixed)
    order = torch.randperm(24)
    for rows in torch.split(order, 7):
        part, some = augment.both(*stored(rows), rows, stored)
        assert isinstance(some, Mixed)
        assert torch.allclose(part, whole[rows], atol=1e-6)
        assert torch.equal(some.second, target.second[rows])
        assert torch.equal(some.share, target.share[rows])


def test_blended_classes_share_the_loss() -> None:
    n = 500
    y = torch.arange(n) % 4
    x = y[:, None, None, None].float().expand(-1, 1, 8, 8).contiguous()
    moved, target = augmented([Mixup(alpha=1.0)], x, y, "classes")
    assert torch.allclose(
        moved[:, 0, 0, 0], target.share * target.first + (1 - target.share) * target.second,
        atol=1e-5,
    )  # fmt: skip
    assert target.share.mean().item() == pytest.approx(0.5, abs=0.05)  # Beta(1, 1) is even
    boxed, target = augmented([Cutmix()], x, y, "classes")
    other = target.first != target.second
    share = (boxed[:, 0] == target.first[:, None, None]).float().mean((1, 2))
    assert torch.allclose(share[other], target.share[other], atol=1e-6)
    scores = torch.randn(n, 4)
    for choice in (
        CrossEntropy(),
        CrossEntropy(weights=[1.0, 2.0, 3.0, 4.0]),
        Bce(),
        Mse(),
        Dice(),
    ):
        each = criterion(choice, "classes", (1, 1), False)
        whole = Mixed(target.first, target.second, torch.ones(n))
        plain = each(scores, target.first)
        if not isinstance(choice, CrossEntropy) or not choice.weights:
            assert torch.allclose(each(scores, whole), plain), choice.name
        assert torch.isfinite(each(scores, target)), choice.name
    masks = (x[:, 0].long(), augmented([Cutmix()], x, x[:, 0].long(), "masks"))
    assert torch.equal(masks[1][0][:, 0].long(), masks[1][1])


# --------------------------------------------------------------------------- which samples


def classes_of(count: int = 60, classes: int = 6) -> Data:
    y = torch.arange(count) % classes
    x = (y[:, None, None, None] * 10 + torch.arange(16).reshape(4, 4)).byte()
    return Data(Split(x, y, "x", "y"), Split(x, y, "x", "y"), "here", names=[*"abcdef"])


def test_a_subset_of_classes_is_numbered_anew() -> None:
    recipe = read({"classes": [4, 1], "validation": 0.0, "normalize": "none"})
    ready = prepare(classes_of(), recipe, (1, 4, 4))
    assert len(ready.train) == 20
    assert torch.equal((ready.train.x[:, 0, 0, 0] == 40).long(), 1 - ready.train.y)
    assert ready.names == ["e", "b"]


def test_some_samples() -> None:
    ready = [
        prepare(classes_of(), read({"samples": 10, "seed": seed}), (1, 4, 4)) for seed in (0, 0, 1)
    ]
    assert [len(r.train) + len(r.validation or []) for r in ready] == [10, 10, 10]
    assert torch.equal(ready[0].train.x, ready[1].train.x)
    assert not torch.equal(ready[0].train.x, ready[2].train.x)


def test_all_images_get_the_same_order_of_pixels() -> None:
    plain = prepare(classes_of(), read({"validation": 0.0}), (1, 4, 4))
    mixed = prepare(classes_of(), read({"validation": 0.0, "permute": True}), (1, 4, 4))
    order = (mixed.train.x[0, 0].flatten() - plain.train.x[0, 0].min()).long()
    assert sorted(order.tolist()) == list(range(16))
    assert order.tolist() != list(range(16))
    for split, other in ((plain.train, mixed.train), (plain.test, mixed.test)):
        assert torch.equal(split.x.flatten(2)[:, :, order], other.x.flatten(2))
    flat = prepare(classes_of(), read({"validation": 0.0, "permute": True}), (16,))
    assert torch.equal(flat.train.x, mixed.train.x.flatten(1))


def test_padding_counts_in_no_mask_and_moves_no_keypoint() -> None:
    x = torch.arange(32).reshape(2, 1, 4, 4).byte()
    masks = Split(x, (x[:, 0] % 3).short(), "x", "y")
    ready = prepare(Data(masks, masks, "here"), read({"validation": 0.0}), (1, 6, 5))
    assert ready.train.y.shape == (2, 6, 5)
    assert (ready.train.y == IGNORED).sum() == 2 * (30 - 16)
    inside = ready.train.y != IGNORED
    assert torch.equal(ready.train.x[:, 0][inside] % 3, ready.train.y[inside].byte())
    points = torch.tensor([[[1.0, 2.0, 1.0]]]).expand(2, 1, 3)
    poses = Split(x, points, "x", "y", keypoints=True)
    ready = prepare(Data(poses, poses, "here"), read({"validation": 0.0}), (1, 6, 5))
    (across, down, _) = ready.train.y[1, 0].long().tolist()
    assert ready.train.x[1, 0, down, across] == x[1, 0, 2, 1]


def test_a_class_can_be_ignored() -> None:
    x = torch.zeros(4, 1, 4, 4)
    y = torch.arange(64).reshape(4, 4, 4) % 4
    masks = Split(x, torch.where(y == 3, 255, y).short(), "x", "y")
    data = Data(masks, masks, "here")
    settings = {"ignore": 255, "validation": 0.0, "normalize": "none"}
    ready = prepare(data, read(settings), (1, 4, 4))
    assert ready.ignoring
    assert ready.train.y.unique().tolist() == [IGNORED, 0, 1, 2]
    check_labels(ready.train, 3)
    with pytest.raises(TrainError, match="at least 256"):
        check_labels(masks, 3)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "absent": ({"classes": [1, 9]}, "no sample of class 9"),
    "twice": ({"classes": [1, 1]}, "names a class twice"),
    "two blends": ({"augment": ["mixup", "cutmix"]}, "blends samples twice"),
    "saturation": ({"augment": [call("colour", saturation=0.5)]}, "needs 3 channels"),
    "cutout": ({"augment": [call("cutout", 5)]}, "larger than the images"),
    "shuffled": ({"augment": ["flip"], "permute": True}, "has no meaning"),
}


@pytest.mark.parametrize("name", WRONG)
def test_settings_that_the_data_cannot_meet(name: str) -> None:
    settings, words = WRONG[name]
    with pytest.raises(TrainError, match=words) as caught:
        prepare(classes_of(), read(settings), (1, 4, 4))
    assert caught.value.code == "E0802"
    assert caught.value.span is not None


def test_settings_that_other_targets_cannot_meet() -> None:
    x = torch.zeros(8, 1, 4, 4)
    points = Split(x, torch.zeros(8, 2, 3), "x", "y", keypoints=True)
    masks = Split(x, torch.zeros(8, 4, 4, dtype=torch.int16), "x", "y")
    for split, settings in (
        (points, {"augment": ["mixup"]}), (points, {"permute": True}), (points, {"classes": [0]}),
        (points, {"ignore": 3}), (masks, {"augment": ["mixup"]}), (masks, {"permute": True}),
    ):  # fmt: skip
        with pytest.raises(TrainError) as caught:
            prepare(Data(split, split, "here"), read(settings), (1, 4, 4))
        assert caught.value.code == "E0802", settings
    flat = Split(torch.zeros(8, 5), torch.zeros(8, 1), "x", "y")
    with pytest.raises(TrainError, match="`augment` needs images"):
        prepare(Data(flat, flat, "here"), read({"augment": ["flip"]}), (5,))


# --------------------------------------------------------------------------- whole runs


def go(
    folder: Path,
    settings: dict[str, Any],
    module: nn.Module,
    shape: tuple[int, ...],
    outputs: list[tuple[str | None, bool]] | None = None,
    out: io.StringIO | None = None,
) -> Result:
    return fit(
        module,
        read({"batch": 16} | settings),
        inputs={"image": shape},
        outputs=outputs or [("out", False)],
        run_dir=folder,
        device="cpu",
        out=out or io.StringIO(),
        spec_dir=folder.parent,
        spec_text=TEXT.text,
        terminal=io.StringIO(),
    )


class Pyramid(nn.Module):
    """A masks network with a second, coarser opinion in training."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Conv2d(8, 6, 1)
        self.aux = nn.Conv2d(8, 6, 1)

    def forward(self, x: Tensor) -> Any:
        x = self.body(x)
        return (self.head(x), self.aux(x)) if self.training else self.head(x)


def test_segmentation_with_an_auxiliary_head(tmp_path: Path) -> None:
    out = io.StringIO()
    settings = {
        "data": call("scenes", 64, 32, test=16),
        "epochs": 2,
        "loss": call("dice", cross_entropy=1),
        "loss.aux": [0.3, "cross_entropy"],
        "augment": ["flip", call("rotate", 180), "cutmix"],
        "optimizer": call("adam", 0.01),
        "pictures": False,
    }
    result = go(tmp_path / "run", settings, Pyramid(), (3, 32, 32),
                [("masks", False), ("aux", True)], out)  # fmt: skip
    assert result.metric == "mean_iou"
    assert (
        "segmentation into 6 classes by 1 dice of masks + 0.3 cross_entropy of aux"
        in out.getvalue()
    )
    row = result.history[-1]
    assert row["validation_mean_iou"] > 0.1
    assert {f"train_iou_{i}" for i in range(6)} <= set(row)
    best = max(result.history, key=lambda r: r["validation_mean_iou"])
    assert best["epoch"] == result.best_epoch


def test_keypoints_at_half_the_resolution(tmp_path: Path) -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 12, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(12, 11, 5, padding=2)
    )
    settings = {
        "data": call("keypoints", 64, 32, test=16),
        "epochs": 2,
        "augment": ["flip", call("scale", 0.9, 1.1)],
        "pictures": False,
    }
    result = go(tmp_path / "run", settings, module, (3, 32, 32))
    assert result.metric == "pck@0.1"
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"]
    with pytest.raises(TrainError, match="11 keypoints per sample") as caught:
        go(tmp_path / "b", settings, nn.Conv2d(3, 5, 1), (3, 32, 32))
    assert caught.value.code == "E0806"
    with pytest.raises(TrainError, match="`mse` cannot learn from"):
        go(tmp_path / "c", settings | {"loss": "mse"}, module, (3, 32, 32))


def test_a_kernel_is_learned_back(tmp_path: Path) -> None:
    kernel = nn.Conv2d(1, 1, 3, padding=1)
    settings = {
        "data": call("filtered", "sobel_x", count=64, size=24, test=4),
        "epochs": 40,
        "batch": 4,
        "normalize": "none",
        "validation": 0.0,
        "optimizer": call("adam", 0.1),
        "schedule": "cosine",
        "pictures": False,
    }
    result = go(tmp_path / "run", settings, kernel, (1, 24, 24))
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    assert torch.allclose(kernel.weight[0, 0], sobel, atol=0.1)
    assert result.test.metric < 0.03


def test_blends_train_classes(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    settings = {
        "data": "digits",
        "classes": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        "epochs": 3,
        "augment": [call("mixup", 0.2)],
        "optimizer": call("adam", 0.01),
        "pictures": False,
    }
    result = go(tmp_path / "run", settings, module, (1, 8, 8))
    assert result.test.metric > 0.8
    assert result.history[-1]["validation_top5"] > 0.95


# --------------------------------------------------------------------------- the page's recipes

PAGE = Path(__file__).parents[1] / "docs" / "training.md"
EXAMPLES = re.findall(r"^```arch\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
RECIPES = [
    (name, text) for text in EXAMPLES for name in re.findall(r"^recipe (\w+) for", text, re.M)
]


def test_the_page_has_a_recipe_for_each_task() -> None:
    assert {"quick", "shapes", "cells", "joints", "sobel", "contrast", "pair", "digits", "shuffled",
            "half", "pets"} <= {name for name, _ in RECIPES}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), RECIPES, ids=[name for name, _ in RECIPES])
def test_recipes_of_the_page_run(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """For an epoch, on little data of the kind that they name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.arch").write_text(text, encoding="utf-8")
    files_for(name, tmp_path)
    sets = ["epochs=1", "pictures=false", "samples=200"]
    if name in ("shapes", "joints", "sobel"):
        sets += ["data.count=32", "data.test=8", "batch=8"]
    arguments = ["train", "page.arch", "--recipe", name, "-o", "run"]
    assert cli.main(arguments + [part for s in sets for part in ("--set", s)]) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["metric"] in result["test"]
    assert "task: " in capsys.readouterr().out


def files_for(name: str, folder: Path) -> None:
    """The files that a recipe of the page reads."""
    shade = Image.fromarray(np.arange(32 * 32, dtype=np.uint8).reshape(32, 32))
    if name == "pair":
        shade.save(folder / "before.png")
        shade.point(lambda v: v // 2).save(folder / "after.png")
    elif name == "pets":
        for kind in ("cat", "dog"):
            (folder / "pets" / kind).mkdir(parents=True)
            for i in range(12):
                shade.rotate(10 * i).save(folder / "pets" / kind / f"{i}.png")
    elif name == "cells":
        for part in ("images", "masks"):
            (folder / "cells" / part).mkdir(parents=True)
        for i in range(12):
            shade.save(folder / "cells" / "images" / f"{i}.png")
            mask = shade.point(lambda v: 255 if v > 200 else v % 6)
            mask.save(folder / "cells" / "masks" / f"{i}.png")
