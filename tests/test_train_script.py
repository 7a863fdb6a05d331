"""`archc build --with-train`: the script's losses are those of `archc train`, step by step.

Every setting by itself is in `test_train_script_settings.py`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from archc import cli
from tests.support.scripts import Both, both, prepare, tidy

torch.set_num_threads(1)

ROOT = Path(__file__).parents[1]
CAPSYS = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# --------------------------------------------------------------------------- a hundred steps


def agrees(done: Both, words: str) -> None:
    """A hundred steps and more, to the last bit; and what the last line says."""
    assert len(done.losses) >= 100
    assert done.ours == done.losses
    test = done.result["test"]
    assert done.last.startswith(f"test {words.format(**test)}, loss {test['loss']:.4f}, in ")
    tidy(done.folder / "train.py")


def test_a_hundred_steps_of_lenet(monkeypatch: pytest.MonkeyPatch, capsys: CAPSYS) -> None:
    done = both(ROOT / "specs" / "lenet5.arch", monkeypatch, capsys, "demo", epochs=4)
    agrees(done, "accuracy {accuracy:.1%}")


UNET = """
network Net {
  input image[3, 16, 16]
  fine = image -> one: (conv(8, 3, pad=half) -> batchnorm -> relu)
  coarse = fine
    -> pool(2) -> two: (conv(16, 3, pad=half) -> batchnorm -> relu) -> upsample(2, by=nearest)
  output mask = fuse(fine, coarse, by=concat) -> head: conv(6, 1)
  output early = coarse -> aux: conv(6, 1) when training
}
recipe r for Net {
  data       = scenes(count=120, size=16, test=20)
  epochs     = 8
  batch      = 8
  accumulate = 2
  optimizer  = adamw(lr=0.004)
  schedule   = one_cycle()
  clip       = 1
  loss       = dice(cross_entropy=1)
  loss.early = [0.3, dice()]
  augment    = [flip(), rotate(180), cutmix(), colour(0.2, 0.2, 0.2)]
}
"""


def test_a_hundred_steps_of_a_unet(monkeypatch: pytest.MonkeyPatch, capsys: CAPSYS) -> None:
    Path("net.arch").write_text(UNET)
    agrees(both(Path("net.arch"), monkeypatch, capsys), "mean IoU {mean_iou:.3f}")


STACK = """
network Net {
  input image[3, 32, 32]
  x = image -> stem: (conv(8, 3, stride=4, pad=half) -> batchnorm -> relu)
  a = x -> first: conv(11, 1)
  output maps = [a, fuse(x, a -> back: conv(8, 1)) -> second: conv(11, 1)]
}
recipe r for Net {
  data     = keypoints(count=120, size=32, test=12)
  batch    = 10
  epochs   = 10
  loss     = heatmaps(sigma=0.7)
  ema      = 0.99
  schedule = cosine(warmup=0.1)
  augment  = [scale(0.8, 1.25), rotate(20), flip(), shift(2)]
}
"""


def test_a_hundred_steps_of_an_hourglass(monkeypatch: pytest.MonkeyPatch, capsys: CAPSYS) -> None:
    Path("net.arch").write_text(STACK)
    done = both(Path("net.arch"), monkeypatch, capsys)
    assert done.last.startswith(f"test PCK@0.1 {done.result['test']['pck@0.1']:.1%}, loss")
    agrees(done, done.last.partition(", ")[0].removeprefix("test "))


def test_a_hundred_steps_of_blended_classes(
    monkeypatch: pytest.MonkeyPatch, capsys: CAPSYS
) -> None:
    spec = prepare(
        "classes",
        """epochs = 2  augment = [shift(1), crop(), mixup()]  schedule = step(every=10)
           ema = 0.9  loss = cross_entropy(label_smoothing=0.1)""",
    )
    agrees(both(spec, monkeypatch, capsys, epochs=34), "accuracy {accuracy:.1%}")


@pytest.mark.parametrize("schedule", ["step(every=1, factor=0.5)", "one_cycle()"])
def test_more_epochs_than_the_recipe_has(
    schedule: str, monkeypatch: pytest.MonkeyPatch, capsys: CAPSYS
) -> None:
    """`--epochs` is `--set epochs`: schedules stretch, steps go on."""
    text = f"epochs = 2  optimizer = sgd(lr=0.1)  schedule = {schedule}"
    done = both(prepare("classes", text), monkeypatch, capsys, epochs=4)
    assert len(done.losses) == 4 * 3
    assert done.ours == done.losses


# --------------------------------------------------------------------------- what is written


def build(spec: Path, *args: str) -> int:
    return cli.main(["build", str(spec), "--emit", "model", "-o", "out", *args])


def text_of(settings: str, net: str = "classes") -> str:
    """The script of a recipe."""
    assert build(prepare(net, settings), "--with-train") == 0
    return Path("out/train.py").read_text()


def test_a_script_stands_alone() -> None:
    """It runs anywhere, with torch and numpy only."""
    text = text_of("epochs = 2  augment = [mixup()]  ema = 0.9")
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"torch", "numpy", "net"}
    Path("elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "../out/train.py", "--device", "cpu", "-o", "weights.pt"],
        cwd="elsewhere",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        r"(epoch \d  loss \d\.\d{4}  validation accuracy \d+\.\d%\n){2}"
        r"test accuracy \d+\.\d%, loss \d\.\d{4}, in \d+ s on cpu\n",
        done.stdout,
    )
    assert torch.load("elsewhere/weights.pt", weights_only=True).keys() >= {"fc.weight"}


def test_a_loss_that_is_no_number_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.scripts import run

    text_of("epochs = 3  optimizer = sgd(lr=1e30)", "values")
    with pytest.raises(SystemExit, match=r"the loss in epoch \d is (nan|inf)"):
        run(Path("out/train.py").resolve(), ["--device", "cpu"], monkeypatch)


def test_what_only_a_gpu_sees() -> None:
    """Precision, layout and compilation are decided where the script runs."""
    text = text_of("epochs = 2000")
    assert 'set_float32_matmul_precision("high")  # TF32' in text
    assert text.count("with mixed_precision(x.device):") == 2
    assert "torch.compile(model, dynamic=False)" in text
    assert "model = model.to(memory_format=torch.channels_last)" in text
    text = text_of("epochs = 2000  precision = fp32  compile = false  channels_last = false")
    assert "torch.backends.cudnn.allow_tf32 = False" in text
    assert "torch.backends.cudnn.benchmark = True" in text
    assert not re.search("compile|channels_last|mixed_precision|bfloat16|TF32", text)
    text = text_of("deterministic = true")
    assert "benchmark" not in text
    assert "compile" not in text  # two epochs are too short
    assert 'environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")' in text


def test_what_a_script_leaves_out_is_said() -> None:
    text = text_of("checkpoint = epoch  tensorboard = true  pictures = false")
    assert (
        "Of the recipe, it leaves out `checkpoint` (checkpoints within the run) and `tensorboard` "
        "(TensorBoard)." in " ".join(text.split())
    )
    assert "leaves out" not in text_of("epochs = 2")


def test_statistics_of_images_as_rows() -> None:
    """One number for each channel, not for each pixel."""
    spec = prepare("one", "loss = bce()", channels=3, change=("image[3, 8, 8]", "image[192]"))
    assert build(spec, "--with-train") == 0
    text = Path("out/train.py").read_text()
    found = re.search(r"^MEAN = (.*)$", text, re.M)
    assert found is not None
    assert re.fullmatch(
        r"torch\.tensor\(\[(0\.\d+, ){2}0\.\d+\]\)\.repeat_interleave\(64\)", found[1]
    )


@pytest.mark.parametrize("name", ["Train", "Train_net", "Copy", "Torch", "Numpy"])
def test_a_network_called_like_a_module(name: str) -> None:
    """Its own module would hide the one that the script, or torch, imports."""
    spec = prepare("classes", "epochs = 2")
    spec.write_text(spec.read_text().replace("Net", name))
    assert build(spec, "--with-train") == 0
    module = f"network_{name.lower()}"
    assert {path.name for path in Path("out").iterdir()} == {f"{module}.py", "train.py"}
    assert f"from {module} import {name}\n" in Path("out/train.py").read_text()


@pytest.mark.parametrize("name", ["Path", "Tensor", "model", "SEED", "print", "load"])
def test_a_network_called_like_something_in_the_script(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: CAPSYS
) -> None:
    spec = prepare("classes", "epochs = 2")
    spec.write_text(spec.read_text().replace("Net", name))
    done = both(spec, monkeypatch, capsys)
    assert done.ours == done.losses


def test_whatever_files_are_called() -> None:
    text = prepare("classes", "epochs = 2").read_text()
    folder = Path('it\'s a "set" \\ of\n\udcff')
    folder.mkdir()
    Path("d.npz").rename(folder / "d.npz")
    spec = folder / 'odd"""\\\n\udcff.arch'
    spec.write_text(text)
    assert build(spec, "--with-train") == 0
    script = Path("out/train.py").read_text()
    assert "of odd___" in script.splitlines()[0]
    found = [node.value for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Constant)]
    assert str((folder / "d.npz").resolve()) in found


def test_data_without_files_of_their_own_come_along() -> None:
    """Data that no few lines can read are written beside the script."""
    spec = prepare("classes", "data = digits()", change=("linear(3)", "linear(10)"))
    assert build(spec, "--with-train") == 0
    assert {path.name for path in Path("out").glob("*.*")} == {
        "net.py", "train.py", "train_data.npz",
    }  # fmt: skip


def test_several_recipes() -> None:
    spec = prepare("classes", "epochs = 2")
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
    # named together, a network takes another's recipe, as with `archc train`
    assert build(spec, "--network", "Other", "--with-train", "q") == 0
    assert "from other import Other" in Path("out/train.py").read_text()


WRONG = {
    "E0802": [
        'fresh = ["fc"]',
        'freeze = ["nothing"]',
        'layer_lr = [["nothing", 0.1]]',
        "patience = 1  validation = 0",
        "augment = [mixup(), cutmix()]",
        "loss = cross_entropy(weights=[1, 2])",
    ],
    "E0804": ['data = npz("absent.npz")'],
    "E0806": ["loss = heatmaps()"],
    "E0808": ['init = "absent.pt"'],
}
"""Settings that `archc train` refuses."""


@pytest.mark.parametrize(("code", "settings"), [(c, s) for c, each in WRONG.items() for s in each])
def test_what_cannot_be_trained_is_not_written(code: str, settings: str, capsys: CAPSYS) -> None:
    refused(prepare("classes", settings), code, capsys)


def test_a_normalisation_of_one_number(capsys: CAPSYS) -> None:
    change = ("linear(1)", "linear(4) -> batchnorm -> linear(1)")
    spec = prepare("one", "loss = bce()  batch = 4  accumulate = 4", change=change)
    refused(spec, "E0802", capsys)


def refused(spec: Path, code: str, capsys: CAPSYS) -> None:
    """By `build` as by `train`, and nothing is left behind."""
    for command in (["build", "--emit", "model", "-o", "out", "--with-train"], ["train"]):
        assert cli.main([command[0], str(spec), *command[1:]]) == 1
        assert f"error[{code}]" in capsys.readouterr().err
    assert {path.name for path in Path.cwd().iterdir()} == {"net.arch", "d.npz"}


def test_recipes_that_are_not_there(capsys: CAPSYS) -> None:
    spec = prepare("classes", "epochs = 2")
    assert build(spec, "--with-train", "q") == 1
    assert "error[E0803]" in capsys.readouterr().err
    text = spec.read_text()
    spec.write_text(text[: text.index("recipe")])
    assert build(spec, "--with-train") == 1
    assert "error[E0803]" in capsys.readouterr().err
    assert not Path("out").exists()
