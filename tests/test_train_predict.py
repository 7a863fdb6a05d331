"""`archc eval` and `archc predict`: trained weights on test sets and on images of one's own."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from archc import cli
from archc.train import TrainError
from archc.train.data.fitting import keyed
from archc.train.device import Setup
from archc.train.settings.choices import ByTask, Digits
from archc.train.settings.recipe import Recipe
from archc.train.using.predict import Trained, predict, trained

torch.set_num_threads(1)

SPEC = """
network Small(width: int = 4) {
  input image[1, 12, 12]
  output logits = image -> conv(width, 3) -> relu -> pool(2) -> flatten -> linear(3)
}
recipe r for Small {
  data = npz("d.npz")  epochs = 2  batch = 16  optimizer = sgd(lr=0.1)  pictures = false
}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run on 10x10 images, which reach the input by padding."""
    monkeypatch.chdir(tmp_path)
    Path("small.arch").write_text(SPEC)
    draw = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 64), ("test", 24)):
        arrays[f"x_{part}"] = draw.integers(0, 256, (count, 10, 10), dtype=np.uint8)
        arrays[f"y_{part}"] = np.arange(count) % 3
    np.savez("d.npz", **arrays)
    assert (
        cli.main(["train", "small.arch", "--set", "width=5", "--device", "cpu", "-o", "run"]) == 0
    )
    return Path("run")


def test_eval_repeats_what_the_run_reached(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reached = json.loads((run / "result.json").read_text())["test"]
    capsys.readouterr()
    assert cli.main(["eval", str(run), "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        f"Small with run/best.safetensors: accuracy {reached['accuracy']:.1%} on 24 test samples, "
        f"loss {reached['loss']:.4f}"
    )
    assert [line.split()[:2] for line in lines[-4:]] == [
        ["class", "samples"], ["0", "8"], ["1", "8"], ["2", "8"],
    ]  # fmt: skip
    recall = [float(line.split()[2].rstrip("%")) for line in lines[-3:]]
    assert sum(recall) / 3 == pytest.approx(100 * reached["accuracy"], abs=0.06)


def test_eval_outlives_its_spec(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed spec is not the run's; the copy in the folder is."""
    capsys.readouterr()
    assert cli.main(["eval", str(run)]) == 0
    before = capsys.readouterr().out.splitlines()[0]
    Path("small.arch").write_text("network Other { input x[3]  output x -> linear(1) }\n")
    assert cli.main(["eval", str(run)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == before


def test_a_pipe_in_the_place_of_a_spec_is_not_waited_for(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = json.loads((run / "settings.json").read_text())
    os.mkfifo("pipe.arch")
    settings["command"]["spec"] = str(Path("pipe.arch").resolve())
    (run / "settings.json").write_text(json.dumps(settings))
    signal.alarm(60)  # ends the tests, where it waits
    assert cli.main(["eval", str(run)]) == 0
    signal.alarm(0)


def test_eval_of_other_data_and_weights(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with np.load("d.npz") as old:
        arrays = dict(old)
    arrays["x_test"], arrays["y_test"] = arrays["x_train"], arrays["y_train"]
    np.savez("other.npz", **arrays)
    weights = ["--weights", "run/last.safetensors", "--set", "width=5"]
    capsys.readouterr()
    data = ["--data", 'npz("other.npz")', "-o", "seen"]
    assert cli.main(["eval", "small.arch", *weights, *data]) == 0
    assert "with run/last.safetensors: accuracy" in (said := capsys.readouterr().out)
    assert "on 64 test samples" in said
    assert {path.name for path in Path("seen").iterdir()} == {
        "kernels.png", "confusion.png", "predictions.png",
    }  # fmt: skip


def test_other_data_are_normalised_as_the_run_s_were(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same test images beside darker training images: what they reach stays what it is."""
    with np.load("d.npz") as old:
        arrays = dict(old)
    arrays["x_train"] = arrays["x_train"] // 5
    np.savez("other.npz", **arrays)

    def said(*args: str) -> str:
        capsys.readouterr()
        assert cli.main(["eval", "run", *args]) == 0
        return capsys.readouterr().out.splitlines()[0]

    other = ["--data", 'npz("other.npz")']
    assert said() == said(*other)
    assert said() != said(*other, "--set", "normalize=given([0.1], [0.05])")
    assert said() != said(*other, "--set", "normalize=none")


def test_classes_of_other_data_are_known_by_their_names(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Folders are numbered in the order of their names: with one fewer, all numbers shift."""
    draw = np.random.default_rng(1)
    for name, shade in (("ash", 40), ("elm", 120), ("oak", 220)):
        for part in ("train", "test"):
            folder = Path("trees", part, name)
            folder.mkdir(parents=True)
            for i in range(6):
                pixels(
                    str(folder / f"{i}.png"), draw.integers(shade, shade + 20, (12, 12), np.uint8)
                )
    given = ["--set", 'data=images("trees", channels=1)', "--set", "epochs=40", "--set", "batch=8"]
    assert cli.main(["train", "small.arch", *given, "-o", "named"]) == 0
    shutil.copytree("trees", "fewer")
    for part in ("train", "test"):
        shutil.rmtree(Path("fewer", part, "ash"))
    capsys.readouterr()
    assert cli.main(["eval", "named"]) == 0
    whole = {line.split()[0]: line.split()[1:3] for line in capsys.readouterr().out.splitlines()}
    assert cli.main(["eval", "named", "--data", 'images("fewer", channels=1)']) == 0
    part = {line.split()[0]: line.split()[1:3] for line in capsys.readouterr().out.splitlines()}
    assert (part["elm"], part["oak"]) == (whole["elm"], whole["oak"]) == (["6", "100.0%"],) * 2
    assert part["ash"][0] == "0"
    Path("fewer/train/elm").rename("fewer/train/yew")
    Path("fewer/test/elm").rename("fewer/test/yew")
    assert cli.main(["eval", "named", "--data", 'images("fewer", channels=1)']) == 1
    assert "the data have a class `yew`, which the run had not" in capsys.readouterr().err


def test_numbers_that_are_no_pixels_are_not_mixed_with_pixels(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load("d.npz") as old:
        arrays = {name: a.astype(np.int64) for name, a in old.items()}
    np.savez("d.npz", **arrays)  # 0 to 255, but not bytes
    assert cli.main(["train", "small.arch", "-o", "wide"]) == 0
    image = pixels("a.png", np.zeros((10, 10), np.uint8))
    capsys.readouterr()
    assert cli.main(["predict", "run", image]) == 0
    assert cli.main(["predict", "wide", image]) == 1
    assert "learned from numbers 0 to 255; pixels are 0 to 1" in capsys.readouterr().err


def test_eval_refuses(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(code: str, *args: str) -> str:
        capsys.readouterr()
        assert cli.main(["eval", *args]) == 1
        said = capsys.readouterr().err
        assert f"error[{code}]" in said
        return said

    refused("E0808", "small.arch")
    refused("E0808", ".")
    assert "of another network" in refused("E0808", str(run), "--set", "width=6")
    refused("E0804", str(run), "--data", 'npz("absent.npz")')
    refused("E0803", str(run), "--recipe", "q")


# --------------------------------------------------------------------------- predict


def pixels(path: str, x: np.ndarray) -> str:
    Image.fromarray(x).save(path)
    return path


def test_predict_does_to_images_what_training_did(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load("d.npz") as data:
        image = data["x_test"][0]
    decided = json.loads((run / "settings.json").read_text())["decided"]
    state = load_file(run / "best.safetensors")
    x = torch.zeros(1, 1, 12, 12)
    x[0, 0, 1:11, 1:11] = torch.from_numpy(image.astype(np.float32)) / 255
    x = (x - decided["mean"][0]) / decided["std"][0]
    net = nn.Sequential(
        nn.Conv2d(1, 5, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(125, 3)
    )
    ours = {"0": "conv1", "4": "linear1"}
    net.load_state_dict({n: state[f"{ours[n[0]]}.{n[2:]}"] for n in net.state_dict()})
    with torch.no_grad():
        likely = net(x).softmax(1)[0]
    order = likely.argsort(descending=True).tolist()
    wanted = ", ".join(f"{i} {likely[i]:.1%}" for i in order[:2])
    capsys.readouterr()
    assert cli.main(["predict", str(run), pixels("a.png", image), "--top", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"a.png: {wanted}",
        "  10×10 images reach the 12×12 input by zero padding",
    ]


def test_predict_scales_what_is_larger(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    colour = np.zeros((40, 30, 3), np.uint8)
    assert cli.main(["predict", str(run), pixels("b.png", colour)]) == 0
    said = capsys.readouterr().out
    assert "40×30 images are resized to the 12×12 input" in said
    assert "made grey" in said


def test_predict_cuts_and_resizes_as_training_did(tmp_path: Path) -> None:
    ramp = torch.linspace(0, 1, 24).expand(1, 12, 24).contiguous()
    zero, one = torch.zeros(1, 1, 1), torch.ones(1, 1, 1)

    class Keeps(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen = x[0]
            return torch.zeros(1, 3)

    def seen(**given: Any) -> torch.Tensor:
        module = Keeps()
        net = Trained(module, SETUP, (1, 6, 6), zero, one, "classes", ByTask(), [], **given)
        file = tmp_path / "ramp.png"
        Image.fromarray((ramp[0] * 255).round().byte().numpy()).save(file)
        predict(net, [file], tmp_path, 1)
        return module.seen

    stored = (ramp * 255).round() / 255
    assert torch.equal(seen(fit="crop"), stored[:, 3:9, 9:15])
    half = F.interpolate(stored[None], (6, 12), mode="bilinear", antialias=True)[0]
    assert torch.allclose(seen(side=6), half[:, :, 3:9])
    whole = F.interpolate(stored[None], (6, 6), mode="bilinear", antialias=True)[0]
    assert torch.equal(seen(fit="resize"), whole)
    assert torch.equal(seen(), whole)


def test_predict_refuses_every_bad_image_at_once(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = pixels("a.png", np.zeros((10, 10), np.uint8))
    capsys.readouterr()
    assert cli.main(["predict", str(run), "small.arch", good, "absent.png"]) == 1
    said = capsys.readouterr()
    assert said.err.count("error[E0805]") == 2
    assert said.out == ""
    assert cli.main(["predict", "small.arch", good]) == 1
    assert "not the folder of a run" in capsys.readouterr().err
    settings = json.loads((run / "settings.json").read_text())
    del settings["decided"]["mean"]
    (run / "settings.json").write_text(json.dumps(settings))
    assert cli.main(["predict", str(run), good]) == 1
    assert "does not say how its images were prepared" in capsys.readouterr().err


RECIPE = Recipe(name="r", network=None, data=Digits())
SETUP = Setup(torch.device("cpu"), False, False, False, False, False, False)


class Says(nn.Module):
    """Gives what it was made of."""

    def __init__(self, out: Tensor) -> None:
        super().__init__()
        self.out = out

    def forward(self, x: Tensor) -> Tensor:
        return self.out


def net_of(out: Tensor, kind: str, names: tuple[str, ...] = (), side: int = 8) -> Trained:
    zero, one = torch.zeros(1, 1, 1), torch.ones(1, 1, 1)
    return Trained(Says(out), SETUP, (1, side, side), zero, one, kind, ByTask(), names)


def test_a_mask_has_the_image_s_size_and_class_numbers(tmp_path: Path) -> None:
    scores = torch.zeros(1, 3, 8, 8)
    scores[:, 0, :, :4] = scores[:, 2, :, 4:] = 5.0  # the right half is of class 2
    net = net_of(scores, "masks", ("ground", "disc", "square"))
    path = Path(pixels(str(tmp_path / "a.png"), np.full((6, 6), 128, np.uint8)))
    lines = predict(net, [path], tmp_path / "out", 3)
    assert lines[0] == "a.png: square 50.0%, ground 50.0%"
    with Image.open(tmp_path / "out" / "a-mask.png") as mask:
        assert mask.mode == "P"
        assert np.array_equal(np.array(mask), np.repeat([[0, 0, 0, 2, 2, 2]], 6, 0))
    with Image.open(tmp_path / "out" / "a-over.png") as over:
        assert over.size == (6, 6)
    wide = Path(pixels(str(tmp_path / "b.png"), np.full((16, 32), 128, np.uint8)))
    predict(net, [wide], tmp_path, 3)
    with Image.open(tmp_path / "b-mask.png") as mask:
        assert (np.array(mask)[:, :15] == 0).all()
        assert (np.array(mask)[:, 17:] == 2).all()


@pytest.mark.parametrize(
    ("size", "place"),
    [((8, 8), (4.5, 2.5)), ((6, 6), (3.5, 1.5)), ((32, 16), (9.5, 11.5))],
)
def test_keypoints_are_in_pixels_of_the_image(
    size: tuple[int, int], place: tuple[float, float], tmp_path: Path
) -> None:
    maps = torch.zeros(1, 1, 4, 4)
    maps[0, 0, 1, 2] = 0.75  # pixels 2 and 3 down, 4 and 5 across, of 8
    path = Path(pixels(str(tmp_path / "a.png"), np.zeros(size, np.uint8)))
    lines = predict(net_of(maps, "keypoints"), [path], tmp_path, 3)
    assert lines[0] == f"a.png: 0 ({place[0]}, {place[1]}) 0.75"
    assert (tmp_path / "a-keypoints.png").exists()


def test_values_are_printed_or_drawn(tmp_path: Path) -> None:
    path = Path(pixels(str(tmp_path / "a.png"), np.zeros((8, 8), np.uint8)))
    assert predict(net_of(torch.tensor([[0.5, 2]]), "values"), [path], tmp_path, 3) == [
        "a.png: 0.5, 2"
    ]
    many = predict(net_of(torch.zeros(1, 20), "values"), [path], tmp_path, 3)[0]
    assert many.endswith(", ... (20 numbers)")
    lines = predict(net_of(torch.full((1, 1, 8, 8), 0.5), "values"), [path], tmp_path, 3)
    assert lines[1] == f"  wrote {tmp_path / 'a-output.png'}"
    with Image.open(tmp_path / "a-output.png") as image:
        assert image.getpixel((0, 0)) == 128


def test_a_network_without_an_image_has_none_to_take() -> None:
    with pytest.raises(TrainError, match="does not take one image"):
        trained(nn.Identity(), SETUP, (10,), ByTask(), RECIPE, {})


def test_pixels_are_shuffled_as_in_training(tmp_path: Path) -> None:
    settings = {"decided": {"mean": [0.0], "std": [1.0], "kind": "values", "classes": []}}
    recipe = RECIPE.model_copy(update={"permute": True, "seed": 3})
    net = trained(nn.Flatten(), SETUP, (1, 2, 4), ByTask(), recipe, settings)
    path = Path(pixels(str(tmp_path / "a.png"), np.arange(8, dtype=np.uint8).reshape(2, 4)))
    numbers = [float(n) * 255 for n in predict(net, [path], tmp_path, 1)[0][7:].split(", ")]
    order = torch.randperm(8, generator=keyed(3, "permute")).tolist()
    assert numbers == pytest.approx(order, abs=0.01)


def test_nowhere_to_write(tmp_path: Path) -> None:
    path = Path(pixels(str(tmp_path / "a.png"), np.zeros((8, 8), np.uint8)))
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainError) as caught:
        predict(net_of(torch.zeros(1, 2, 8, 8), "masks"), [path], tmp_path / "file" / "x", 3)
    assert caught.value.code == "E0708"


def test_results_of_one_name_do_not_replace_each_other(tmp_path: Path) -> None:
    shade = np.zeros((8, 8), np.uint8)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    paths = [Path(pixels(str(tmp_path / name), shade)) for name in ("one/a.png", "two/a.bmp")]
    with pytest.raises(TrainError, match="results in the same files") as caught:
        predict(net_of(torch.zeros(1, 2, 8, 8), "masks"), paths, tmp_path / "out", 3)
    assert caught.value.code == "E0708"
    assert not (tmp_path / "out").exists()
    predict(net_of(torch.zeros(1, 2, 8, 8), "masks"), [paths[0]] * 2, tmp_path / "out", 3)
    assert len(predict(net_of(torch.zeros(1, 2), "classes"), paths, tmp_path, 3)) == 2


def test_a_name_that_is_not_utf8_is_printed_as_it_is(
    run: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    odd = run.parent / os.fsdecode(b"odd\xff.png")
    shutil.copy(pixels(str(run.parent / "plain.png"), np.zeros((10, 10), np.uint8)), odd)
    assert cli.main(["predict", str(run), str(odd)]) == 0
    assert b"odd\xff.png: " in capfdbinary.readouterr().out


def test_names_of_classes_are_said(tmp_path: Path) -> None:
    path = Path(pixels(str(tmp_path / "a.png"), np.zeros((8, 8), np.uint8)))
    net = net_of(torch.tensor([[0.0, 9.0]]), "classes", ("cat", "dog"))
    assert predict(net, [path], tmp_path, 1) == ["a.png: dog 100.0%"]


def test_weights_of_a_torch_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": load_file(run / "best.safetensors")}, "w.pt")
    save_file(load_file(run / "best.safetensors"), "w.safetensors")
    said = []
    for name in ("w.pt", "w.safetensors"):
        capsys.readouterr()
        assert cli.main(["eval", str(run), "--weights", name]) == 0
        said.append(capsys.readouterr().out.splitlines()[0].replace(name, "w"))
    assert said[0] == said[1]


def test_export_of_a_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert cli.main(["export", str(run), "--to", "safetensors"]) == 0
    assert "fresh" not in capsys.readouterr().out
    wrote, best = load_file("small.safetensors"), load_file(run / "best.safetensors")
    assert all(torch.equal(wrote[name], best[name]) for name in best)
    assert cli.main(["export", ".", "--to", "safetensors"]) == 1
    assert "error[E0808]" in capsys.readouterr().err
