"""Data that somebody's program wrote wrongly, or that nobody meant well with."""

from __future__ import annotations

import io
import os
import pickle
import random
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from archc.recipe import Called, RecipeSpec, Setting
from archc.source import Source, Span
from archc.train import TrainError
from archc.train.data.fitting import prepare
from archc.train.data.picture import load_image
from archc.train.data.samples import IGNORED, Data, Split
from archc.train.data.sources import load
from archc.train.data.targets import check_labels
from archc.train.settings.choices import Bce, Choice, Idx, Images, Masks, Npz, Pair
from archc.train.settings.recipe import Recipe
from archc.train.tasks.objective import Head, check_fit

torch.set_num_threads(1)

SPAN = Span(Source("made", ""), 0, 0)


def given(source: Choice, folder: Path) -> Data:
    return load(source, folder, trusted=True)


def refused(source: Choice, folder: Path) -> TrainError:
    with pytest.raises(TrainError) as caught:
        given(source, folder)
    assert caught.value.code == "E0805"
    return caught.value


def settings(**values: Any) -> Recipe:
    made = {"data": Called("idx", ("x",), {})} | values
    spec = [Setting((name,), value, SPAN, SPAN) for name, value in made.items()]
    return Recipe.read(RecipeSpec("r", "N", tuple(spec), "", SPAN), {})


# --------------------------------------------------------------------------- arrays


def arrays(**changed: Any) -> dict[str, Any]:
    return {
        "x_train": np.zeros((8, 6, 6), np.uint8),
        "y_train": np.arange(8) % 4,
        "x_test": np.zeros((4, 6, 6), np.uint8),
        "y_test": np.arange(4),
    } | changed


POINTS = np.ones((8, 2, 3))
ODD: dict[str, tuple[dict[str, Any], str]] = {
    "beyond int64": ({"x_train": np.full((8, 6, 6), 2**64 - 1, np.uint64)}, "18446744073709551615"),
    "beyond float32": ({"x_train": np.full((8, 6, 6), 1e300)}, "record 0 of x_train is not a num"),
    "no pixels": ({"x_train": np.zeros((8, 0, 6))}, "x_train is [8, 1, 0, 6]: records of no"),
    "two types": ({"x_test": np.zeros((4, 6, 6))}, "x_train holds bytes (uint8), but x_test other"),
    "torch's ignored": ({"y_train": np.arange(8) - 100}, "label -100 in record 0 of"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ODD)
def test_odd_arrays(name: str, tmp_path: Path) -> None:
    changed, words = ODD[name]
    np.savez(tmp_path / "d.npz", **arrays(**changed))
    words = words.replace("[8, 1,", "[8,")
    assert words in refused(Npz(path="d.npz"), tmp_path).message


def test_members_that_are_no_arrays(tmp_path: Path) -> None:
    """NumPy hands them over as bytes: a pickle, or what a second entry of that name hides."""

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    with zipfile.ZipFile(tmp_path / "d.npz", "w") as archive:
        for name, value in arrays().items():
            data = io.BytesIO()
            np.save(data, value)
            bad = name == "y_test"
            archive.writestr(f"{name}.npy", pickle.dumps(Trap()) if bad else data.getvalue())
    words = refused(Npz(path="d.npz"), tmp_path).message
    assert "cannot read y_test of" in words
    assert "does not start like an array" in words
    assert not (tmp_path / "sprung").exists()


def test_no_archive_at_all_says_how_to_write_one(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", **arrays())
    whole = (tmp_path / "d.npz").read_bytes()
    for data in (b"", b"text", whole[: len(whole) // 2]):
        (tmp_path / "d.npz").write_bytes(data)
        error = refused(Npz(path="d.npz"), tmp_path)
        assert "no .npz file, or its end is missing" in error.message
        assert "numpy.savez(" in str(error.help)


def test_one_number_per_sample_is_what_one_output_learns(tmp_path: Path) -> None:
    """[N] fractions for an output of [1], [N] numbers for an input of [1]: y = f(x)."""
    x = np.linspace(0, 1, 8)
    np.savez(tmp_path / "d.npz", x_train=x, y_train=x * x, x_test=x[:4], y_test=x[:4])
    data = given(Npz(path="d.npz"), tmp_path)
    assert data.train.x.shape == data.train.y.shape == (8, 1)
    assert data.train.kind == "values"


@pytest.mark.parametrize("seen", [-1, 3, float("nan")])
def test_keypoints_are_seen_or_hidden(seen: float, tmp_path: Path) -> None:
    points = POINTS.copy()
    points[5, 1, 2] = seen
    np.savez(tmp_path / "d.npz", **arrays(y_train=points, y_test=POINTS[:4]))
    assert "record 5 of y_train" in refused(Npz(path="d.npz", keypoints=True), tmp_path).message


def test_keypoints_outside_of_their_images_are_hidden(tmp_path: Path) -> None:
    """Else they would stretch the boxes that distances are measured by."""
    points = POINTS.copy()
    points[2, 0], points[3, 1], points[4, 1] = (6.0, 1, 1), (1, -0.6, 2), (100, 100, 0)
    np.savez(tmp_path / "d.npz", **arrays(y_train=points, y_test=POINTS[:4]))
    data = given(Npz(path="d.npz", keypoints=True), tmp_path)
    ready = prepare(data, settings(validation=0.0), (1, 6, 6))
    hidden = (ready.train.y[..., 2] == 0).nonzero().tolist()
    assert hidden == [[2, 0], [3, 1], [4, 1]]
    assert any("2 of 15 keypoints" in note and "y_train" in note for note in ready.notes)


def test_targets_of_which_none_counts() -> None:
    x = torch.zeros(8, 1, 4, 4)
    masks = Split(x, torch.full((8, 4, 4), 255, dtype=torch.int16), "x", "the masks")
    points = Split(x, torch.zeros(8, 2, 3), "x", "the places", keypoints=True)
    for split, chosen in ((masks, {"ignore": 255}), (points, {})):
        with pytest.raises(TrainError, match="there is nothing to learn from") as caught:
            prepare(Data(split, split, "here"), settings(**chosen), (1, 4, 4))
        assert caught.value.code == "E0805"


# --------------------------------------------------------------------------- class numbers


def test_a_stray_label_is_named_by_its_record_in_the_file() -> None:
    """Not by its place among the samples that a split, `samples` or `classes` leaves."""
    y = torch.arange(400) % 4
    y[333] = 9
    split = Split(torch.rand(400, 1, 4, 4), y, "images", "labels")
    data = Data(split, Split(split.x[:8], y[:8], "x", "y"), "here")
    found = 0
    for chosen in ({}, {"samples": 399}, {"classes": [9, 1, 2]}):
        here = Data(split, split, "here") if "classes" in chosen else data
        ready = prepare(here, settings(**{"validation": 0.3, **chosen}), (1, 4, 4))
        for part in (ready.train, ready.validation):
            assert part is not None
            for sample in (part.y == (0 if "classes" in chosen else 9)).nonzero().flatten():
                assert part.place(int(sample)) == "record 333 of `labels`"
                found += 1
    assert found == 3
    with pytest.raises(TrainError, match="label 9 in record 333 of `labels` is out") as caught:
        check_labels(split.take(torch.arange(300, 400)), 4)
    assert caught.value.code == "E0805"
    with pytest.raises(TrainError, match="2 classes, but") as caught:
        check_labels(split.take(torch.arange(40).flip(0)), 2)
    assert caught.value.notes[0] == "record 2 of `labels` is of class 2"


def test_what_the_numbers_of_a_mask_may_mean(tmp_path: Path) -> None:
    x = torch.zeros(8, 1, 4, 4)
    border = torch.tensor([0, 1, 2, 255]).repeat(8, 4, 1)
    grey = torch.tensor([0, 127, 254, IGNORED]).repeat(8, 4, 1)
    for y, help, numbers in (
        (border, "write `ignore = 255`, if that marks", "0, 1, 2, 255"),
        (grey, "number the classes from 0", "0, 127, 254"),
    ):
        with pytest.raises(TrainError, match="3 classes, but the data have") as caught:
            check_labels(Split(x, y, "x", "y"), 3)
        assert help in str(caught.value.help)
        assert f"class numbers: {numbers}" in caught.value.notes


def test_classes_that_training_cannot_tell_apart_are_said() -> None:
    x, y = torch.zeros(8, 1, 4, 4), torch.arange(8) % 2
    names = ["cat", "dog", "owl"]
    train, test = Split(x, y, "x", "y"), Split(x, torch.arange(8) % 3, "x", "y")
    ready = prepare(Data(train, test, "here", names=names), settings(), (1, 4, 4))
    assert "in the test set, but not in training: class owl" in ready.notes
    only = Split(x, y * 0, "x", "y")
    ready = prepare(Data(only, only, "here"), settings(), (1, 4, 4))
    assert ready.notes == ["all training samples are of class 0"]
    assert not prepare(Data(test, train, "here"), settings(validation=0.0), (1, 4, 4)).notes


def test_bce_learns_shares_only() -> None:
    head, x = Head("y", 1.0, Bce(), False), torch.zeros(4, 1)
    check_fit([head], [x], [Split(x, torch.rand(4, 1), "x", "y")])
    with pytest.raises(TrainError, match="`bce` needs shares from 0 to 1; `y` holds -1 to 0"):
        check_fit([head], [x], [Split(x, torch.tensor([[0.0], [-1], [0], [0]]), "x", "y")])


@pytest.mark.parametrize("shape", [(8,), (8, 4, 4)])
def test_one_output_for_two_classes_learns_by_bce(shape: tuple[int, ...]) -> None:
    y = torch.arange(8) % 2
    split = Split(torch.zeros(8, 1, 4, 4), y.reshape(8, *[1] * (len(shape) - 1)).expand(shape),
                  "x", "y")  # fmt: skip
    with pytest.raises(TrainError, match="1 class, but the data have at least 2") as caught:
        check_labels(split, 1)
    assert "write `loss = bce()`" in str(caught.value.help)
    out = torch.zeros(8, 1, *shape[1:])
    check_fit([Head("y", 1.0, Bce(), False)], [out], [split])


def test_labels_that_no_network_has_outputs_for() -> None:
    split = Split(torch.zeros(8, 1), torch.full((8,), 1 << 40), "x", "y")
    with pytest.raises(TrainError, match="label 1099511627776 in record 0") as caught:
        check_labels(split, 3)
    assert caught.value.code == "E0805"


# --------------------------------------------------------------------------- images


def picture(path: Path, values: Any, mode: str | None = None, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(values))
    (image.convert(mode) if mode else image).save(path, **how)
    return path


def folders(folder: Path, names: str = "ab", count: int = 4) -> Path:
    for k, name in enumerate(names):
        for i in range(count):
            picture(folder / name / f"{i}.png", np.full((6, 6, 3), 20 * k + i, np.uint8))
    return folder


def masked(folder: Path) -> Path:
    for i in range(4):
        picture(folder / "images" / f"{i}.png", np.zeros((6, 6, 3), np.uint8))
        picture(folder / "masks" / f"{i}.png", np.full((6, 6), i % 3, np.uint8))
    return folder


def spoil_nan(folder: Path) -> None:
    values = np.zeros((6, 6), np.float32)
    values[3, 3] = np.nan
    picture(folders(folder) / "a" / "x.tif", values)


def spoil_range(folder: Path) -> None:
    picture(folders(folder) / "a" / "x.tif", np.full((6, 6), 200, np.float32))


def spoil_link(folder: Path) -> None:
    (folders(folder) / "a" / "x.png").symlink_to(folder / "nowhere")


def spoil_new_class(folder: Path) -> None:
    folders(folder / "train")
    folders(folder / "test", "ac")


def spoil_no_test(folder: Path) -> None:
    folders(folder / "train")
    folders(folder / "val")


def spoil_twice(folder: Path) -> None:
    shutil.copy(masked(folder) / "images" / "2.png", folder / "images" / "2.bmp")


def spoil_jpeg(folder: Path) -> None:
    (masked(folder) / "masks" / "2.png").unlink()
    picture(folder / "masks" / "2.jpg", np.full((6, 6), 1, np.uint8))


SPOILT: dict[str, tuple[Callable[[Path], None], Choice, str]] = {
    "no numbers": (spoil_nan, Images(path="s"), "x.tif`: some of its pixels are no finite numbers"),
    "no range": (spoil_range, Images(path="s"), "x.tif` has pixels from 200 to 200; 0 is black"),
    "link to nowhere": (spoil_link, Images(path="s"), "x.png`: No such file"),
    "unknown class": (spoil_new_class, Images(path="s"), "test/c` is a class that `"),
    "no test": (spoil_no_test, Images(path="s"), "images of 0 classes"),
    "one name": (spoil_twice, Masks(path="s"), "2.bmp` and `2.png` beside it have one name"),
    "lossy": (spoil_jpeg, Masks(path="s"), "2.jpg` is a JPEG, which does not keep class numbers"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt_folders(name: str, tmp_path: Path) -> None:
    spoil, source, words = SPOILT[name]
    spoil(tmp_path / "s")
    assert words in refused(source, tmp_path).message


def test_independent_mistakes_come_together(tmp_path: Path) -> None:
    odd = np.array([object()] * 8, dtype=object)
    np.savez(tmp_path / "d.npz", **arrays(x_train=odd, y_test=np.ones(4, complex)))
    first, second = refused(Npz(path="d.npz"), tmp_path).each()
    assert ("x_train" in first.message, "y_test" in second.message) == (True, True)
    bad = np.full((8, 6, 6), np.nan)
    np.savez(tmp_path / "d.npz", **arrays(x_train=bad, y_train=np.arange(8) - 1, x_test=bad[:3]))
    found = [error.message for error in refused(Npz(path="d.npz"), tmp_path).each()]
    words = ("record 0 of x_train is not a number", "label -1 in record 0", "3 records in x_test")
    assert len(found) == 3
    assert all(part in message for part, message in zip(words, found, strict=True))
    for name in ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(b"\0\0\x08")
    for name in ("train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"):
        (tmp_path / name).write_bytes(b"text")
    assert len(refused(Idx(path="."), tmp_path).each()) == 4


@pytest.mark.filterwarnings("error")
def test_images_with_bytes_changed_are_read_or_refused(tmp_path: Path) -> None:
    """Decoders raise almost anything on them, and warn; a reader gets one sentence, or an image."""
    draw = random.Random(3)
    plain = Image.fromarray(np.arange(300).reshape(10, 10, 3).astype(np.uint8))
    exif = Image.Exif()
    exif[0x112], exif[0x10E] = 6, "turned"
    path, read, refused = tmp_path / "x", 0, 0
    for kind, how in (
        ("PNG", {"exif": exif}), ("JPEG", {"exif": exif}), ("GIF", {}), ("WEBP", {"exif": exif}),
        ("BMP", {}), ("PPM", {}),
    ):  # fmt: skip
        file = io.BytesIO()
        plain.save(file, kind, **how)
        for _ in range(60):
            data = bytearray(file.getvalue())
            for _ in range(draw.choice((1, 2, 8))):
                data[draw.randrange(len(data))] = draw.choice((0, 1, 127, 255))
            path.write_bytes(data[: draw.choice((len(data), draw.randrange(1, len(data))))])
            try:
                load_image(path, 3, [])
                read += 1
            except TrainError as error:
                assert error.code == "E0805"
                refused += 1
    assert min(read, refused) > 40


def test_what_a_decoder_raises_is_no_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = picture(tmp_path / "x.png", np.zeros((4, 4), np.uint8))

    def broken(image: Any) -> Any:
        raise struct.error("required argument is not an integer")

    monkeypatch.setattr("PIL.ImageOps.exif_transpose", broken)
    with pytest.raises(TrainError, match="required argument is not an integer") as caught:
        load_image(path, 3, [])
    assert caught.value.code == "E0805"


def test_a_folder_called_val_is_told_what_to_be_called(tmp_path: Path) -> None:
    spoil_no_test(tmp_path / "s")
    help = str(refused(Images(path="s"), tmp_path).help)
    assert help.startswith("of train, val, name the one to test on `test`")
    assert len(given(Images(path="s/train"), tmp_path).train) == 6


def test_all_damaged_files_are_named_at_once_up_to_ten(tmp_path: Path) -> None:
    folder = folders(tmp_path / "s", count=9)
    for i in range(3):
        (folder / "a" / f"{i}.png").write_bytes(b"no image")
    errors = refused(Images(path="s"), tmp_path).each()
    assert [Path(e.message.split("`")[1]).name for e in errors] == ["0.png", "1.png", "2.png"]
    for path in folder.rglob("*.png"):
        path.write_bytes(b"no image")
    assert len(refused(Images(path="s"), tmp_path).each()) == 10
    assert len(refused(Pair(image="s/a/0.png", target="s/b/0.png"), tmp_path).each()) == 2


def test_what_is_changed_or_left_out_is_said(tmp_path: Path) -> None:
    folder = folders(tmp_path / "s")
    (folder / "c").mkdir()
    picture(folder / "a" / "sub" / "9.png", np.zeros((6, 6, 3), np.uint8))
    picture(folder / "a" / "7.png", np.zeros((6, 6, 4), np.uint8))
    frames = [Image.new("L", (6, 6), shade) for shade in (10, 20, 30)]
    frames[0].save(folder / "b" / "8.gif", save_all=True, append_images=frames[1:])
    notes = given(Images(path="s"), tmp_path).notes
    assert any("s/c has no images in it: it is no class" in note for note in notes)
    assert any("folders within" in note and "s/a are left out" in note for note in notes)
    assert "1 of 10 images: its alpha channel is left out" in notes
    assert "1 of 10 images: the first picture of several in the file" in notes


def test_a_folder_whose_name_is_not_utf8(tmp_path: Path) -> None:
    folder = folders(tmp_path / "s")
    odd = os.fsdecode(b"odd\xff")
    (folder / "a").rename(folder / odd)
    data = given(Images(path="s"), tmp_path)
    assert data.names == ["b", "odd\\xff"]
    "".join(data.names).encode()


def test_names_of_folders_cannot_move_a_cursor(tmp_path: Path) -> None:
    folder = folders(tmp_path / "s")
    (folder / "a").rename(folder / "new\nline\x1b[31m ☃")
    assert given(Images(path="s"), tmp_path).names == ["b", "new\\nline\\x1b[31m ☃"]


def test_a_mask_out_of_range_is_named_by_its_file(tmp_path: Path) -> None:
    picture(masked(tmp_path / "s") / "masks" / "3.png", np.full((6, 6), 7, np.uint8))
    data = given(Masks(path="s", seed=1), tmp_path)
    with pytest.raises(TrainError, match=r"label 7 in `.*masks/3\.png` is out of range"):
        for split in (data.train, data.test):
            check_labels(split, 3)
