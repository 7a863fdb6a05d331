"""Data sources, and fitting data to a network."""

from __future__ import annotations

import gzip
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from archc import data as packaged
from archc.recipe import Called, RecipeSpec, Setting
from archc.source import Source, Span
from archc.train import TrainError
from archc.train.data import sources
from archc.train.data.fitting import prepare
from archc.train.data.idx import read_idx
from archc.train.data.samples import IGNORED
from archc.train.data.sizing import resized, way
from archc.train.data.sources import Data, Split, load
from archc.train.data.targets import check_labels
from archc.train.settings.choices import Idx, Npz
from archc.train.settings.recipe import Recipe

torch.set_num_threads(1)

FULL = Path("/usr/share/datasets/fashion-mnist")
TEXT = Source("test.arch", "recipe r for N { }")
SPAN = Span(TEXT, 7, 8)


def idx_bytes(array: np.ndarray[Any, Any], kind: int = 8) -> bytes:
    head = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


def write_idx_set(folder: Path, *, train: int = 20, test: int = 10, side: int = 28) -> None:
    """A tiny set; the pixels of a sample say which one it is."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in (("train", train), ("t10k", test)):
        x = np.arange(count, dtype=np.uint8)[:, None, None].repeat(side, 1).repeat(side, 2)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(idx_bytes(x))
        labels = gzip.compress(idx_bytes(np.arange(count) % 10))
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(labels)


def write_npz(path: Path, **changed: Any) -> None:
    arrays = {
        "x_train": np.zeros((8, 6, 6), np.uint8),
        "y_train": np.arange(8) % 4,
        "x_test": np.zeros((4, 6, 6), np.uint8),
        "y_test": np.arange(4),
    }
    np.savez(path, **(arrays | changed))


def recipe(**settings: Any) -> Recipe:
    made = tuple(
        Setting((name,), value, SPAN, SPAN)
        for name, value in ({"data": Called("idx", ("x",), {})} | settings).items()
    )
    return Recipe.read(RecipeSpec("r", "N", made, "", SPAN), {})


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data set of this machine is seen, unless a test asks for it."""
    monkeypatch.setattr(sources, "SYSTEM", tmp_path / "system")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


# --------------------------------------------------------------------------- the IDX format


def test_idx_gives_the_elements_gzipped_or_not(tmp_path: Path) -> None:
    array = np.arange(2 * 3 * 5).reshape(2, 3, 5)
    plain, packed = tmp_path / "plain", tmp_path / "packed.gz"
    plain.write_bytes(idx_bytes(array))
    packed.write_bytes(gzip.compress(idx_bytes(array)))
    for path in (plain, packed):
        assert read_idx(path, 3).tolist() == array.tolist()


GOOD = idx_bytes(np.ones((10, 4, 4)))
BAD_IDX = {
    "truncated": (GOOD[:-20], "it ends in record 8"),
    "truncated gzip": (gzip.compress(GOOD)[:-12], "record"),
    "damaged gzip": (gzip.compress(GOOD)[:20] + b"\0" * 9, "gzip"),
    "too long": (GOOD + b"\0", "more follows after the 10 records"),
    "no header": (b"\0\0", "does not start like an IDX file"),
    "half a header": (GOOD[:9], "ends within its header"),
    "text": (b"hello, this is text", "magic 68 65 6c 6c"),
    "floats": (idx_bytes(np.ones((10, 4, 4)), kind=0x0D), "element type is 0x0d"),
    "labels": (idx_bytes(np.ones(10)), "1 axes instead of 3"),
    "empty set": (idx_bytes(np.ones((0, 4, 4))), "nothing is in it"),
    "promises too much": (GOOD[:4] + struct.pack(">3I", 2**31, 2**31, 4), "records are missing"),
}


@pytest.mark.parametrize("name", BAD_IDX)
def test_bad_idx_is_refused_with_the_file_and_the_record(name: str, tmp_path: Path) -> None:
    content, words = BAD_IDX[name]
    path = tmp_path / "bad-images"
    path.write_bytes(content)
    with pytest.raises(TrainError) as caught:
        read_idx(path, 3)
    assert caught.value.code == "E0805"
    assert str(path) in caught.value.message
    assert words in caught.value.message


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="not a regular file"):
        read_idx(Path("/dev/zero"), 3)


# --------------------------------------------------------------------------- finding


def test_idx_beside_the_spec(tmp_path: Path) -> None:
    write_idx_set(tmp_path / "mine")
    found = load(Idx(path="mine"), tmp_path, trusted=False)
    assert found.where == tmp_path / "mine"
    assert found.train.x.shape == (20, 1, 28, 28)
    assert found.train.x.dtype == torch.uint8
    assert found.test.y.tolist() == list(range(10))


def test_the_cache_comes_before_the_system(tmp_path: Path) -> None:
    write_idx_set(tmp_path / "system" / "mine", train=4)
    assert len(load(Idx(path="mine"), tmp_path, trusted=False).train) == 4
    write_idx_set(tmp_path / "cache" / "archc" / "datasets" / "mine", train=6)
    assert len(load(Idx(path="mine"), tmp_path, trusted=False).train) == 6


def test_the_packaged_subset_stands_in_and_says_so(tmp_path: Path) -> None:
    found = load(Idx(path="fashion-mnist"), tmp_path, trusted=False)
    assert (len(found.train), len(found.test)) == (2000, 1000)
    assert "packaged subset" in found.notes[0]
    write_idx_set(tmp_path / "system" / "fashion-mnist")
    found = load(Idx(path="fashion-mnist"), tmp_path, trusted=False)
    assert len(found.train) == 20
    assert found.notes == []


def test_what_is_missing_is_listed_with_the_places(tmp_path: Path) -> None:
    with pytest.raises(TrainError) as caught:
        load(Idx(path="mine"), tmp_path, trusted=False, span=SPAN)
    error = caught.value
    assert (error.code, error.span) == ("E0804", SPAN)
    for place in (tmp_path / "mine", tmp_path / "cache", tmp_path / "system"):
        assert any(str(place) in note for note in error.notes)
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "train-images-idx3-ubyte").write_bytes(GOOD)
    with pytest.raises(TrainError, match="lacks train-labels-idx1-ubyte, t10k-images"):
        load(Idx(path="half"), tmp_path, trusted=False)


@pytest.mark.parametrize("path", ["/usr/share/dict", "../outside", "a/../../outside"])
def test_a_spec_may_not_name_data_outside_its_project(path: str, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    write_idx_set(tmp_path / "outside")
    with pytest.raises(TrainError, match="outside its project") as caught:
        load(Idx(path=path), project, trusted=False)
    assert caught.value.code == "E0804"


def test_the_command_line_may_name_data_anywhere(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    write_idx_set(tmp_path / "outside")
    assert len(load(Idx(path=str(tmp_path / "outside")), project, trusted=True).train) == 20


def test_a_link_does_not_lead_out_of_the_project(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    write_idx_set(tmp_path / "outside")
    (project / "inside").symlink_to(tmp_path / "outside")
    with pytest.raises(TrainError, match="outside its project"):
        load(Idx(path="inside"), project, trusted=False)


def test_images_and_labels_must_be_as_many(tmp_path: Path) -> None:
    write_idx_set(tmp_path / "mine")
    short = tmp_path / "mine" / "t10k-labels-idx1-ubyte.gz"
    short.write_bytes(gzip.compress(idx_bytes(np.arange(9))))
    with pytest.raises(TrainError, match=r"holds 10 images, but .* 9 labels") as caught:
        load(Idx(path="mine"), tmp_path, trusted=False)
    assert caught.value.code == "E0805"


# --------------------------------------------------------------------------- npz


def test_npz_classes_and_values(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", y_train=(np.arange(8) % 4)[:, None])
    found = load(Npz(path="a.npz"), tmp_path, trusted=False)
    assert found.train.x.shape == (8, 1, 6, 6)
    assert found.train.y.dtype == torch.int64
    assert found.train.y.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    x = np.ones((8, 3, 6, 6))
    write_npz(tmp_path / "b.npz", x_train=x, y_train=np.full((8, 2), 0.5), x_test=x[:4])
    found = load(Npz(path="b.npz"), tmp_path, trusted=False)
    assert found.train.x.dtype == found.train.y.dtype == torch.float32


def test_npz_never_unpickles(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    write_npz(tmp_path / "a.npz", y_train=np.array([Trap()] * 8, dtype=object))
    with pytest.raises(TrainError) as caught:
        load(Npz(path="a.npz"), tmp_path, trusted=False)
    assert caught.value.code == "E0805"
    assert not (tmp_path / "sprung").exists()


def test_bad_npz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npz"

    def refused(words: str, code: str = "E0805") -> None:
        with pytest.raises(TrainError, match=words) as caught:
            load(Npz(path="a.npz"), tmp_path, trusted=False)
        assert caught.value.code == code

    refused("cannot be found", "E0804")
    path.write_bytes(b"no zip at all")
    refused("cannot read")
    np.savez(path, x_train=np.zeros(3))
    refused("lacks y_train, x_test, y_test")
    write_npz(path, y_train=np.array(["a"] * 8))
    refused("not an array of numbers")
    write_npz(path, y_train=np.arange(7))
    refused("8 records in x_train, but 7 in y_train")
    write_npz(path, y_test=np.array([0.0, 1.0, np.nan, 2.0]))
    refused("record 2 of y_test is not a number")
    write_npz(path)
    path.write_bytes(path.read_bytes()[:-100])
    refused("cannot read")
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00 rubbish")
    refused("cannot read x_train")
    write_npz(path)
    monkeypatch.setattr("archc.train.data.npz.physical_memory", lambda: 100)
    refused("unpacks to", "E0811")


# --------------------------------------------------------------------------- fitting


def data_of(x: torch.Tensor, y: torch.Tensor) -> Data:
    split = Split(x, y, "the images", "the labels")
    return Data(split, split, Path("here"))


def test_small_images_are_padded_with_zeros_evenly() -> None:
    x = torch.full((10, 1, 28, 28), 255, dtype=torch.uint8)
    made = prepare(data_of(x, torch.arange(10) % 2), recipe(validation=0.0), (1, 32, 32))
    assert made.train.x.shape == (10, 1, 32, 32)
    assert int((made.train.x[0] > 0).sum()) == 28 * 28
    assert made.train.x[0, 0, 2:30, 2:30].min() == 255
    assert made.notes == ["28×28 images reach the 32×32 input by zero padding"]


def test_images_are_resized_or_cut_where_the_recipe_says_so() -> None:
    x = torch.randint(0, 256, (300, 1, 28, 28), dtype=torch.uint8)
    x[0] = torch.arange(28, dtype=torch.uint8) * 9
    data = data_of(x, torch.arange(300) % 2)
    made = prepare(data, recipe(validation=0.0, fit="resize"), (1, 56, 14))
    wanted = F.interpolate(x.float(), (56, 14), mode="bilinear", antialias=True).round()
    assert made.train.x.dtype == torch.uint8
    assert torch.equal(made.train.x.float(), wanted)
    assert made.notes == ["28×28 images are resized to the 56×14 input"]
    made = prepare(data, recipe(validation=0.0, fit="crop"), (1, 25, 28))
    assert torch.equal(made.train.x, x[:, :, 1:26])
    made = prepare(data, recipe(validation=0.0, fit="pad"), (1, 64, 28))
    assert torch.equal(made.train.x[:, :, 18:46], x)
    assert int(made.train.x[:, :, :18].max()) == int(made.train.x[:, :, 46:].max()) == 0
    for fit, shape in (("crop", (1, 29, 20)), ("pad", (1, 29, 20)), ("auto", (1, 20, 20))):
        with pytest.raises(TrainError) as caught:
            prepare(data, recipe(fit=fit), shape)
        assert caught.value.code == "E0806"


def test_masks_and_keypoints_go_where_their_images_go() -> None:
    """A square of one class, whose corners are keypoints, in an image of 4 x 8."""
    x = torch.zeros(1, 1, 4, 8)
    x[..., 1:3, 2:6] = 1
    masks = Split(x, x[:, 0].to(torch.int16), "the images", "the masks")
    corners = torch.tensor([[[2.0, 1, 1], [5, 2, 1], [0, 0, 1]]])
    points = Split(x, corners, "the images", "the places", keypoints=True)
    larger = way((4, 8), (8, 16), "resize")
    assert larger is not None
    there = resized(masks, larger)
    assert torch.equal(there.y[0, 2:6, 4:12], torch.ones(4, 8).short())
    assert int(there.y.sum()) == 32
    # the middle of a pixel becomes the middle of the four that it became
    assert resized(points, larger).y[0].tolist() == [[4.5, 2.5, 1], [10.5, 4.5, 1], [0.5, 0.5, 1]]
    middle = way((4, 8), (2, 4), "crop")
    assert middle is not None
    assert torch.equal(resized(masks, middle).x, torch.ones(1, 1, 2, 4))
    assert torch.equal(resized(masks, middle).y, torch.ones(1, 2, 4).short())
    assert resized(points, middle).y[0].tolist() == [[0, 0, 1], [3, 1, 1], [-2, -1, 0]]
    border = way((4, 8), (6, 10), "pad")
    assert border is not None
    assert resized(points, border).y[0].tolist() == [[3, 2, 1], [6, 3, 1], [1, 1, 1]]
    assert int((resized(masks, border).y == IGNORED).sum()) == 60 - 32


def test_grey_images_reach_three_channels() -> None:
    x = torch.randint(0, 256, (10, 1, 4, 4), dtype=torch.uint8)
    given = Called("given", (), {"mean": [0.5, 0.4, 0.3], "std": [0.25] * 3})
    made = prepare(data_of(x, torch.arange(10) % 2), recipe(normalize=given), (3, 4, 4))
    assert torch.equal(made.test.x, x.repeat(1, 3, 1, 1))
    assert made.mean.flatten().tolist() == pytest.approx([0.5, 0.4, 0.3])
    assert made.notes == ["grey images as three equal channels"]


def test_channels_last_arrays_and_flat_inputs() -> None:
    x = torch.arange(10 * 4 * 4 * 3, dtype=torch.float32).reshape(10, 4, 4, 3)
    y = torch.zeros(10).long()
    made = prepare(data_of(x, y), recipe(validation=0.0), (3, 4, 4))
    assert torch.equal(made.train.x, x.permute(0, 3, 1, 2))
    assert "channels moved to the front" in made.notes[0]
    made = prepare(data_of(made.train.x, y), recipe(validation=0.0), (48,))
    assert made.train.x.shape == (10, 48)
    assert made.mean.shape == made.std.shape == (48,)


@pytest.mark.parametrize("shape", [(2, 28, 28), (1, 27, 28), (1, 64, 64), (1, 28), (100,)])
def test_data_that_cannot_be_fitted(shape: tuple[int, ...]) -> None:
    x = torch.zeros((10, 1, 28, 28), dtype=torch.uint8)
    with pytest.raises(TrainError) as caught:
        prepare(data_of(x, torch.zeros(10).long()), recipe(), shape)
    assert caught.value.code == "E0806"
    assert "1×28×28" in caught.value.message


def test_normalisation_is_that_of_the_training_images() -> None:
    x = torch.randint(0, 256, (5000, 2, 5, 5), dtype=torch.uint8)
    made = prepare(data_of(x, torch.zeros(5000).long()), recipe(validation=0.2), (2, 5, 5))
    values = made.train.x.double() / 255
    assert made.mean.flatten().tolist() == pytest.approx(values.mean((0, 2, 3)).tolist())
    std = values.std((0, 2, 3), correction=0)
    assert made.std.flatten().tolist() == pytest.approx(std.tolist())
    given = Called("given", (), {"mean": [0.5], "std": [0.25]})
    made = prepare(data_of(x, torch.zeros(5000).long()), recipe(normalize=given), (2, 5, 5))
    assert (made.mean.item(), made.std.item()) == (0.5, 0.25)
    wrong = Called("given", (), {"mean": [0.5] * 3, "std": [0.25] * 3})
    with pytest.raises(TrainError, match="3 means; the data have 2 channels"):
        prepare(data_of(x, torch.zeros(5000).long()), recipe(normalize=wrong), (2, 5, 5))


def test_a_constant_channel_does_not_divide_by_zero() -> None:
    x = torch.full((10, 1, 4, 4), 7, dtype=torch.uint8)
    made = prepare(data_of(x, torch.zeros(10).long()), recipe(), (1, 4, 4))
    assert made.std.item() == 1.0


def test_the_validation_split_is_the_seeds_alone() -> None:
    x = torch.arange(100, dtype=torch.float32).reshape(100, 1)
    y = torch.arange(100)

    def held_out(seed: int) -> list[int]:
        made = prepare(data_of(x, y), recipe(seed=seed, validation=0.25), (1,))
        assert made.validation is not None
        assert sorted(made.train.y.tolist() + made.validation.y.tolist()) == list(range(100))
        assert len(made.validation) == 25
        return made.validation.y.tolist()

    assert held_out(1) == held_out(1)
    assert held_out(1) != held_out(2)
    with pytest.raises(TrainError, match="3 samples holds out none of them") as caught:
        prepare(data_of(x[:3], y[:3]), recipe(validation=0.1), (1,))
    assert caught.value.code == "E0802"


def test_labels_out_of_range_name_file_and_record() -> None:
    y = torch.arange(1000) % 10
    y[345] = 77
    split = Split(torch.zeros(1000, 1), y, "images", "labels-file")
    with pytest.raises(TrainError, match="label 77 in record 345 of `labels-file`") as caught:
        check_labels(split, 10)
    assert caught.value.code == "E0805"
    check_labels(split, 78)
    split.y = torch.arange(1000) % 10
    with pytest.raises(TrainError, match="5 classes, but the data have at least 10") as caught:
        check_labels(split, 5)
    assert caught.value.code == "E0806"


# --------------------------------------------------------------------------- the packaged subset


def test_the_packaged_subset_is_balanced_small_and_credited(tmp_path: Path) -> None:
    found = load(Idx(path="fashion-mnist-mini"), tmp_path, trusted=False)
    assert found.train.y.bincount().tolist() == [200] * 10
    assert found.test.y.bincount().tolist() == [100] * 10
    folder = packaged.FOLDER / "fashion-mnist-mini"
    assert sum(f.stat().st_size for f in folder.iterdir()) < 2_000_000
    assert "MIT" in (folder / "LICENSE").read_text()
    assert "Zalando" in (folder / "README.md").read_text()


@pytest.mark.skipif(not FULL.is_dir(), reason="Fashion-MNIST is not installed on this system")
def test_the_packaged_subset_is_part_of_the_whole(tmp_path: Path) -> None:
    mini = load(Idx(path="fashion-mnist-mini"), tmp_path, trusted=False)
    full = load(Idx(path=str(FULL)), tmp_path, trusted=True)
    assert (len(full.train), len(full.test)) == (60_000, 10_000)
    of_class = (full.test.y == 3).nonzero().flatten()[:100]
    assert torch.equal(full.test.x[of_class], mini.test.x[mini.test.y == 3])


@pytest.mark.parametrize("axis", [1, 3])
def test_masks_may_have_an_axis_for_their_channel(tmp_path: Path, axis: int) -> None:
    y = np.random.default_rng(0).integers(0, 4, (8, 6, 6))
    one = np.expand_dims(y, axis)
    write_npz(tmp_path / "masks.npz", y_train=one, y_test=one[:4])
    found = load(Npz(path="masks.npz"), tmp_path, trusted=True)
    assert found.train.kind == "masks"
    assert torch.equal(found.train.y, torch.from_numpy(y))
