"""Sources: made scenes and figures, folders of images, masks, pairs, digits; bad ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from archc.train import TrainError
from archc.train.data.generated.draws import Draws
from archc.train.data.generated.figures import JOINTS, MIRRORED
from archc.train.data.generated.scenes import CLASSES, scenes
from archc.train.data.making import TEST
from archc.train.data.sources import Data, load
from archc.train.settings.choices import (
    Choice,
    Digits,
    Filtered,
    Images,
    Keypoints,
    Masks,
    Npz,
    Pair,
    Scenes,
)

torch.set_num_threads(1)


def given(source: Choice, folder: Path) -> Data:
    return load(source, folder, trusted=True)


# --------------------------------------------------------------------------- made pictures


def test_a_scene_is_a_function_of_seed_and_number() -> None:
    whole, masks = scenes(3, 0, 100, 32)
    part, some = scenes(3, 70, 10, 32)
    assert np.array_equal(part, whole[70:80])
    assert np.array_equal(some, masks[70:80])
    other, _ = scenes(4, 70, 10, 32)
    assert not np.array_equal(other, part)


def test_scenes_are_the_same_on_every_machine() -> None:
    """Held by a checksum: no operation is used whose last bit differs between processors."""
    x, y = scenes(0, 0, 64, 64)
    weights = np.arange(1, x.size + 1, dtype=np.uint64)
    assert int((x.ravel() * weights).sum()) == SCENES_SUM
    assert int((y.ravel().astype(np.uint64) * weights[: y.size]).sum()) == MASKS_SUM


SCENES_SUM, MASKS_SUM = 41_047_616_010_241, 19_665_456_106


def test_draws_are_even_and_independent() -> None:
    draws = Draws(1, np.arange(2000))
    values = draws.uniform(5, 4)
    assert (values.min(), values.max()) > (0, 0.99)
    assert values.max() < 1
    assert np.allclose(values.mean(0), 0.5, atol=0.02)
    assert np.allclose(np.corrcoef(values.T), np.eye(4), atol=0.08)
    assert np.bincount(draws.below(6, 1, 6)[:, 0]).min() > 270
    x, y = draws.direction(7)
    assert np.allclose(x * x + y * y, 1, atol=1e-6)
    assert abs(x.mean()) < 0.05
    assert abs(y.mean()) < 0.05


def test_scenes_hold_all_classes_overlaps_and_sizes(tmp_path: Path) -> None:
    data = given(Scenes(count=300, size=48, test=20), tmp_path)
    assert data.train.x.shape == (300, 3, 48, 48)
    assert data.train.y.shape == (300, 48, 48)
    assert (data.train.x.dtype, data.train.kind) == (torch.uint8, "masks")
    assert data.names == list(CLASSES)
    shares = torch.bincount(data.train.y.flatten().long(), minlength=6) / data.train.y.numel()
    assert shares[0] < 0.9
    assert shares[1:].min() > 0.01
    assert len(data.test) == 20


def test_no_test_scene_is_ever_trained_on(tmp_path: Path) -> None:
    few = given(Scenes(count=8, size=16, test=4), tmp_path)
    many = given(Scenes(count=64, size=16, test=4), tmp_path)
    assert torch.equal(few.test.x, many.test.x)
    assert torch.equal(few.train.x, many.train.x[:8])
    assert TEST > 10_000_000  # the largest `count`


def test_the_form_tells_the_class_and_the_colour_does_not(tmp_path: Path) -> None:
    """The best table of colours there is: a class per cell of 8x8x8 colours, counted."""
    data = given(Scenes(count=400, size=64, test=100), tmp_path)
    assert by_colour(data) < 0.6


def by_colour(data: Data) -> float:
    """Mean IoU on test scenes of the likeliest class by colour alone."""
    from archc.train.tasks.metrics import Segmentation

    def cells(x: Tensor) -> Tensor:
        high = x.long() >> 5
        return high[:, 0] * 64 + high[:, 1] * 8 + high[:, 2]

    counts = torch.zeros(512, len(CLASSES), dtype=torch.float64)
    at = (cells(data.train.x).flatten(), data.train.y.flatten().long())
    counts.index_put_(at, torch.ones(len(at[0]), dtype=torch.float64), accumulate=True)
    rare = counts.sum(0)
    metric = Segmentation(len(CLASSES))
    best = 0.0
    for table in (counts, counts / rare):  # likeliest, and likeliest were all classes as frequent
        said = table.argmax(1)[cells(data.test.x)]
        scores = torch.nn.functional.one_hot(said, len(CLASSES)).movedim(-1, 1)
        sums = metric.sums(scores, data.test.y.long()).tolist()
        best = max(best, metric.figures(sums)["mean_iou"] or 0.0)
    return best


def test_joints_lie_on_the_figure(tmp_path: Path) -> None:
    data = given(Keypoints(count=64, size=64, test=2), tmp_path)
    assert (data.train.kind, data.train.y.shape) == ("keypoints", (64, len(JOINTS), 3))
    assert [MIRRORED[i] for i in MIRRORED] == list(range(len(JOINTS)))
    swapped = {"left": "right", "right": "left"}
    for name, mirror in zip(JOINTS, MIRRORED, strict=True):
        side, _, rest = name.partition("_")
        assert JOINTS[mirror] == (f"{swapped[side]}_{rest}" if rest else name)
    seen = data.train.y[..., 2] > 0
    assert 0.9 < seen.float().mean() < 1
    near = 0.0
    for image, points in zip(data.train.x.float(), data.train.y, strict=True):
        # the colour at the neck and at the hip is the figure's
        (ax, ay, av), (bx, by, bv) = points[1].tolist(), points[6].tolist()
        one, two = (image[:, round(y), round(x)] for x, y in ((ax, ay), (bx, by)))
        near += av and bv and float((one - two).abs().max()) < 90
    assert near > 50


def test_a_filtered_picture_is_what_the_kernel_makes(tmp_path: Path) -> None:
    data = given(Filtered(kernel="sobel_x", contrast=2, brightness=0.5, count=4, test=2), tmp_path)
    x, y = data.train.x, data.train.y
    assert (data.train.kind, x.shape) == ("values", y.shape)
    patch = x[1, 0, 4:7, 9:12]
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    assert y[1, 0, 5, 10].item() == pytest.approx(2 * float((patch * sobel).sum()) + 0.5, abs=1e-5)


def test_digits_ship_with_archc(tmp_path: Path) -> None:
    data = given(Digits(), tmp_path)
    assert data.train.x.shape == (1437, 1, 8, 8)
    assert data.test.x.shape == (360, 1, 8, 8)
    assert data.train.y.bincount().min() > 130


def test_keypoints_of_ones_own(tmp_path: Path) -> None:
    x, y = np.zeros((4, 8, 8), np.uint8), np.arange(16).reshape(4, 2, 2)
    np.savez(tmp_path / "k.npz", x_train=x, y_train=y, x_test=x, y_test=y + 0.5)
    data = given(Npz(path="k.npz", keypoints=True), tmp_path)
    assert (data.train.kind, data.train.y.shape) == ("keypoints", (4, 2, 3))
    assert data.test.y[1].tolist() == [[4.5, 5.5, 1.0], [6.5, 7.5, 1.0]]
    np.savez(tmp_path / "k.npz", x_train=x, y_train=x, x_test=x, y_test=x)
    with pytest.raises(TrainError, match=r"y_train is \[4, 8, 8\]; keypoints are") as caught:
        given(Npz(path="k.npz", keypoints=True), tmp_path)
    assert caught.value.code == "E0805"


# --------------------------------------------------------------------------- folders


def save(path: Path, pixels: Tensor, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = pixels.permute(1, 2, 0).numpy() if mode == "RGB" else pixels.numpy()
    Image.fromarray(array.astype(np.uint8 if mode != "I;16" else np.uint16)).save(path)


def colours(value: int, height: int = 10, width: int = 12) -> Tensor:
    return torch.full((3, height, width), value, dtype=torch.uint8)


def classes(folder: Path) -> Path:
    for i, name in enumerate(("cat", "dog", "emu")):
        for k in range(5):
            save(folder / name / f"{k}.png", colours(40 * i + k))
    (folder / "cat" / "notes.txt").write_text("not an image")
    (folder / "cat" / ".hidden.png").write_text("not an image")
    return folder


def test_a_folder_per_class(tmp_path: Path) -> None:
    classes(tmp_path / "set")
    data = given(Images(path="set"), tmp_path)
    assert data.names == ["cat", "dog", "emu"]
    assert (len(data.train), len(data.test)) == (12, 3)
    values = torch.cat([data.train.x, data.test.x])[:, 0, 0, 0].sort().values
    assert values.tolist() == [40 * i + k for i in range(3) for k in range(5)]
    for split in (data.train, data.test):
        assert torch.equal(split.x[:, 0, 0, 0].long() // 40, split.y)
    other = given(Images(path="set", seed=1), tmp_path)
    assert not torch.equal(other.test.x, data.test.x)


def test_a_test_set_of_its_own(tmp_path: Path) -> None:
    classes(tmp_path / "set" / "train")
    save(tmp_path / "set" / "test" / "dog" / "a.png", colours(7))
    save(tmp_path / "set" / "test" / "dog" / "b.png", colours(8))
    data = given(Images(path="set", channels=1), tmp_path)
    assert data.train.x.shape == (15, 1, 10, 12)
    assert data.test.y.tolist() == [1, 1]


def test_images_are_resized_and_cropped_at_their_middle(tmp_path: Path) -> None:
    wide = colours(0, 8, 24)
    wide[:, :, 8:16] = 200
    for name in ("a", "b"):
        save(tmp_path / "set" / name / "1.png", wide)
    data = given(Images(path="set", size=8), tmp_path)
    assert data.train.x.shape[1:] == (3, 8, 8)
    assert (data.train.x == 200).all()
    small = given(Masks(path="m", size=16), masks(tmp_path / "m", 32).parent)
    assert small.train.x.shape[1:] == (3, 16, 16)
    assert set(small.train.y.unique().tolist()) <= {0, 1, 2}


def masks(folder: Path, side: int = 8) -> Path:
    for k in range(4):
        label = torch.arange(side * side).reshape(side, side) % 3
        save(folder / "images" / f"{k}.png", (label * 100).byte().expand(3, -1, -1))
        save(folder / "masks" / f"{k}.png", label.byte(), "L")
    return folder


@pytest.mark.parametrize("mode", ["L", "P", "I;16"])
def test_masks_of_any_kind_are_class_numbers(mode: str, tmp_path: Path) -> None:
    folder = masks(tmp_path / "set")
    for path in (folder / "masks").iterdir():
        image = Image.open(path)
        image.load()
        if mode == "P":
            image.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
        image = image if mode != "I;16" else Image.fromarray(np.asarray(image).astype(np.uint16))
        image.save(path)
        with Image.open(path) as again:
            assert again.mode == mode
    data = given(Masks(path="set", test=0.25), tmp_path)
    assert (data.train.kind, len(data.train), len(data.test)) == ("masks", 3, 1)
    assert torch.equal(data.train.x[:, 0].long(), data.train.y.long() * 100)


def test_a_pair(tmp_path: Path) -> None:
    save(tmp_path / "a.png", colours(51))
    save(tmp_path / "b.png", colours(255))
    data = given(Pair(image="a.png", target="b.png"), tmp_path)
    assert torch.allclose(data.train.x, torch.tensor(0.2))
    assert torch.allclose(data.train.y, torch.tensor(1.0))


def break_image(folder: Path) -> None:
    (classes(folder) / "dog" / "3.png").write_bytes(b"\x89PNG not really")


def break_size(folder: Path) -> None:
    save(classes(folder) / "dog" / "3.png", colours(1, 5, 5))


def break_classes(folder: Path) -> None:
    save(folder / "only" / "1.png", colours(1))


def break_mask(folder: Path) -> None:
    save(masks(folder) / "masks" / "2.png", torch.zeros(4, 4), "L")


def break_colour(folder: Path) -> None:
    save(masks(folder) / "masks" / "2.png", colours(1, 8, 8))


def break_names(folder: Path) -> None:
    save(masks(folder) / "images" / "9.png", colours(1, 8, 8))


def break_number(folder: Path) -> None:
    save(masks(folder) / "masks" / "2.png", torch.full((8, 8), 40_000), "I;16")


def break_folder(folder: Path) -> None:
    save(folder / "images" / "9.png", colours(1, 8, 8))


BAD: dict[str, tuple[Callable[[Path], None], Choice, str]] = {
    "no image": (break_image, Images(path="set"), "dog/3.png`: it is no image"),
    "other size": (break_size, Images(path="set"), "dog/3.png` has 5×5 pixels"),
    "one class": (break_classes, Images(path="set"), "images of 1 class; there must be two"),
    "mask size": (break_mask, Masks(path="set"), "2.png` has 4×4 pixels, but its image 8×8"),
    "colours": (break_colour, Masks(path="set"), "2.png` has RGB pixels"),
    "no mask": (break_names, Masks(path="set"), "images/9.png` has no mask of that name"),
    "number": (break_number, Masks(path="set"), "40000 as a class number"),
    "no folder": (break_folder, Masks(path="set"), "there is no folder"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_folders_are_refused_with_the_file(name: str, tmp_path: Path) -> None:
    spoil, source, words = BAD[name]
    spoil(tmp_path / "set")
    with pytest.raises(TrainError) as caught:
        given(source, tmp_path)
    assert caught.value.code == "E0805"
    assert words in caught.value.message


def test_other_bad_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a.png", colours(1))
    save(tmp_path / "b.png", colours(1, 5, 5))
    with pytest.raises(TrainError, match=r"b\.png` has 5×5 pixels, but"):
        given(Pair(image="a.png", target="b.png"), tmp_path)
    with pytest.raises(TrainError, match=r"file `c\.png` cannot be found"):
        given(Pair(image="a.png", target="c.png"), tmp_path)
    with pytest.raises(TrainError, match="folder `set` cannot be found"):
        given(Images(path="set"), tmp_path)
    x = np.zeros((4, 1, 2, 2), np.float32)
    x[2, 0, 1, 1] = np.nan
    y = np.zeros(4, np.int64)
    np.savez(tmp_path / "n.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    with pytest.raises(TrainError, match="record 2 of x_train is not a number"):
        given(Npz(path="n.npz"), tmp_path)
    monkeypatch.setattr("archc.train.data.samples.physical_memory", lambda: 1000)
    for source in (Scenes(), Keypoints(), Filtered()):
        with pytest.raises(TrainError, match="this machine has") as caught:
            given(source, tmp_path)
        assert caught.value.code == "E0811"
