"""Weights from other runs and programs, what stays as it is, and learning rates by layer."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from archc import cli
from archc.recipe import Called, RecipeSpec, Setting
from archc.source import Source, Span
from archc.train import TrainError
from archc.train.folder.weights import read_weights
from archc.train.freezing import Frozen
from archc.train.settings.recipe import Recipe
from archc.train.transfer import Started, by_layer, check_rates, prefixes, start

torch.set_num_threads(1)

TEXT = Source("test.arch", "recipe quick for Small { epochs = 2  batch = 64 }")


def recipe_of(overrides: dict[str, Any] | None = None, **settings: Any) -> Recipe:
    given = {"data": Called("idx", ("x",), {})} | settings
    made = tuple(
        Setting((name,), value, Span(TEXT, i, i + 1), Span(TEXT, i + 1, i + 2))
        for i, (name, value) in enumerate(given.items())
    )
    return Recipe.read(RecipeSpec("quick", "Small", made, "", Span(TEXT, 7, 12)), overrides or {})


class Small(nn.Module):
    """Three layers with a head, under names as published checkpoints have them."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3))
        self.fc = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layer1(self.bn1(self.conv1(x)).relu()).mean((2, 3)))  # type: ignore[no-any-return]


@pytest.fixture
def given() -> Small:
    torch.manual_seed(7)
    made = Small()
    with torch.no_grad():
        made.train()(torch.rand(8, 1, 9, 9))
    return made


def started(module: nn.Module, path: Path, **settings: Any) -> Started:
    found = start(module, recipe_of({"init": str(path)}, **settings), path.parent)
    assert found is not None
    return found


def saved(path: Path, state: dict[str, Tensor]) -> Path:
    save_file({name: t.clone() for name, t in state.items()}, path)
    return path


def test_everything_is_taken_where_names_and_shapes_agree(given: Small, tmp_path: Path) -> None:
    module = Small()
    report = started(module, saved(tmp_path / "a.safetensors", given.state_dict()))
    assert report.taken == list(given.state_dict())
    assert not (report.missing or report.unexpected or report.replaced or report.asked)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, given.state_dict()[name])
    assert report.lines() == [f"init: 13 of 13 tensors from {tmp_path / 'a.safetensors'}"]


def test_without_init_nothing_happens() -> None:
    assert start(Small(), recipe_of(), Path()) is None


WRAP: dict[str, Callable[[dict[str, Tensor]], Any]] = {
    "state_dict": lambda state: state,
    "among other things": lambda state: {"epoch": 3, "state_dict": state, "best": 0.5},
    "nested": lambda state: {"model": {"state_dict": state}},
    "data parallel": lambda state: {"module." + name: t for name, t in state.items()},
}


@pytest.mark.parametrize("how", WRAP)
def test_torch_files(how: str, given: Small, tmp_path: Path) -> None:
    module, path = Small(), tmp_path / "a.pt"
    torch.save(WRAP[how](given.state_dict()), path)
    report = started(module, path)
    assert len(report.taken) == 13
    assert report.removed == ("module." if how == "data parallel" else "")
    assert torch.equal(module.fc.weight, given.fc.weight)


def test_a_backbone_finds_its_place(given: Small, tmp_path: Path) -> None:
    """In a network under a label; and a network alone, out of a file of something larger."""
    whole = nn.ModuleDict({"body": Small(), "head": nn.Conv2d(8, 2, 1)})
    report = started(whole, saved(tmp_path / "a.safetensors", given.state_dict()))
    assert (report.added, len(report.taken), set(report.missing)) == (
        "body.",
        13,
        {"head.weight", "head.bias"},
    )
    assert torch.equal(whole["body"].fc.weight, given.fc.weight)
    assert "for names under `body.`" in report.lines()[0]

    alone = Small()
    parts = {f"model.backbone.{n}": t for n, t in given.state_dict().items()}
    report = started(alone, saved(tmp_path / "b.safetensors", parts | {"rpn.x": torch.ones(1)}))
    assert (report.removed, report.unexpected) == ("model.backbone.", ["rpn.x"])
    assert torch.equal(alone.conv1.weight, given.conv1.weight)


def test_prefixes_on_both_sides(given: Small) -> None:
    state = given.state_dict()
    theirs = {f"module.backbone.{name}": t for name, t in state.items()} | {"x": torch.ones(1)}
    ours = {f"body.{name}": t for name, t in state.items()} | {"head.weight": torch.ones(2, 8)}
    assert prefixes(theirs, ours) == ("module.backbone.", "body.")


def test_blocks_that_resemble_each_other_are_not_swapped() -> None:
    """Only a part would fit, and only by chance."""
    theirs = {f"layer{i}.{j}.weight": torch.ones(i, i) for i in (1, 2, 3) for j in range(4)}
    ours = {f"stage.{j}.weight": torch.ones(2, 2) for j in range(4)}
    ours |= {f"late.{j}.weight": torch.ones(9, 9) for j in range(8)}
    assert prefixes(theirs, ours) == ("", "")


def test_no_prefix_where_names_agree_as_they_are(given: Small) -> None:
    state = given.state_dict()
    twice = state | {f"ema.{name}": t for name, t in state.items()}
    assert prefixes(twice, state) == ("", "")


def test_a_head_for_other_classes_is_left_fresh(given: Small, tmp_path: Path) -> None:
    module = Small(classes=5)
    fresh = module.fc.weight.clone(), module.fc.bias.clone()
    report = started(module, saved(tmp_path / "a.safetensors", given.state_dict()))
    assert report.replaced == {"fc.weight": ([3, 8], [5, 8]), "fc.bias": ([3], [5])}
    assert torch.equal(module.fc.weight, fresh[0])
    assert torch.equal(module.fc.bias, fresh[1])
    assert report.lines() == [
        f"init: 11 of 13 tensors from {tmp_path / 'a.safetensors'}",
        "  fresh, being of another shape: fc.weight ([3, 8] in the file, [5, 8] here), "
        "fc.bias ([3] in the file, [5] here)",
    ]


def test_a_layer_is_taken_whole_or_not_at_all(given: Small, tmp_path: Path) -> None:
    state = given.state_dict()
    state["conv1.weight"] = torch.rand(4, 3, 3, 3)  # of colour images
    module = Small()
    bias = module.conv1.bias
    assert bias is not None
    before = bias.clone()
    report = started(module, saved(tmp_path / "a.safetensors", state))
    assert (list(report.replaced), report.beside) == (["conv1.weight"], ["conv1.bias"])
    assert torch.equal(bias, before)


def test_a_head_of_the_same_shape_is_fresh_on_request(given: Small, tmp_path: Path) -> None:
    module = Small()
    before = module.fc.weight.clone()
    report = started(module, saved(tmp_path / "a.safetensors", given.state_dict()), fresh=["fc"])
    assert report.asked == ["fc.weight", "fc.bias"]
    assert torch.equal(module.fc.weight, before)
    assert torch.equal(module.conv1.weight, given.conv1.weight)
    assert report.lines()[1] == "  fresh, as the recipe says: fc.weight, fc.bias"


def test_names_that_do_not_agree_are_told_with_the_nearest(given: Small, tmp_path: Path) -> None:
    state = given.state_dict()
    state["layer1.conv2.weight"] = state.pop("layer1.2.weight")
    state["classifier.weight"] = state.pop("fc.weight")
    del state["bn1.num_batches_tracked"]  # torch before 0.4.1 had none
    report = started(Small(), saved(tmp_path / "a.safetensors", state))
    assert report.missing == {"layer1.2.weight": "layer1.conv2.weight", "fc.weight": None}
    assert sorted(report.unexpected) == ["classifier.weight", "layer1.conv2.weight"]
    assert "  fresh, not being in the file: layer1.2.weight (it has layer1.conv2.weight), " in (
        "\n".join(report.lines())
    )


def test_many_names_are_cut_short(given: Small, tmp_path: Path) -> None:
    state = {name: t for name, t in given.state_dict().items() if name.startswith("conv1")}
    report = started(Small(), saved(tmp_path / "a.safetensors", state))
    assert report.lines()[1].endswith(" and 6 more")
    assert len(report.missing) == 10


def refused(module: nn.Module, recipe: Recipe, folder: Path, code: str, words: str) -> TrainError:
    before = {name: t.clone() for name, t in module.state_dict().items()}
    with pytest.raises(TrainError, match=words) as caught:
        start(module, recipe, folder)
    assert caught.value.code == code
    if code == "E0808":
        assert all(torch.equal(t, before[n]) for n, t in module.state_dict().items())
    return caught.value


def test_files_that_cannot_be_used(given: Small, tmp_path: Path) -> None:
    def refuse(name: str, words: str) -> None:
        recipe = recipe_of({"init": str(tmp_path / name)})
        refused(Small(), recipe, tmp_path, "E0808", words)

    refuse("absent.safetensors", "cannot be found")
    saved(tmp_path / "other.safetensors", {"a": torch.ones(2), "b": torch.ones(3)})
    refuse("other.safetensors", "no name and shape agrees")
    whole = saved(tmp_path / "a.safetensors", given.state_dict()).read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    refuse("cut.safetensors", "cannot read")
    torch.save(given, tmp_path / "module.pt")
    refuse("module.pt", "more than tensors")
    torch.save({"epoch": 3}, tmp_path / "none.pt")
    refuse("none.pt", "no tensors by name")
    data = (tmp_path / "module.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(data[: len(data) // 2])
    refuse("cut.pt", "cannot read")
    (tmp_path / "empty").mkdir()
    refuse("empty", "a folder without")


def test_what_a_spec_may_name(given: Small, tmp_path: Path) -> None:
    """Beside itself and below its project; the rest is for the command line."""
    (tmp_path / "project" / "nets").mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").write_text("")
    saved(tmp_path / "project" / "a.safetensors", given.state_dict())
    saved(tmp_path / "b.safetensors", given.state_dict())
    nets = tmp_path / "project" / "nets"
    inside = start(Small(), recipe_of(init="../a.safetensors"), nets)
    assert inside is not None
    assert len(inside.taken) == 13
    error = refused(
        Small(), recipe_of(init="../../b.safetensors"), nets, "E0808", "outside its project"
    )
    assert error.span is not None


def test_settings_that_cannot_be_meant(given: Small, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.safetensors", given.state_dict())
    overrides = {"init": str(path)}
    refused(Small(), recipe_of(fresh=["fc"]), tmp_path, "E0802", "`init`, which is not given")
    wrong = recipe_of(overrides, fresh=["fcc"])
    error = refused(Small(), wrong, tmp_path, "E0802", "no parameter matches `fcc`")
    assert error.help == "did you mean `fc`?"
    both = recipe_of(overrides, fresh=["fc"], freeze=["fc"])
    refused(Small(), both, tmp_path, "E0802", "`freeze` holds `fc.weight`, which is not in")


def test_pickles_of_old_torch_are_read(given: Small, tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save(given.state_dict(), path, _use_new_zipfile_serialization=False)
    assert read_weights(path).keys() == given.state_dict().keys()


@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
def test_damaged_files_are_refused_or_read(kind: str, tmp_path: Path) -> None:
    """Whatever bytes change, there is an error with a code, or tensors: never anything else."""
    state = {"a.weight": torch.ones(3, 4), "a.bias": torch.ones(3)}
    path, draw = tmp_path / "a", random.Random(0)
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(draw.choice([1, 3, 10])):
            data[draw.randrange(min(len(data), 400))] = draw.randrange(256)
        path.write_bytes(data if draw.random() < 0.8 else data[: draw.randrange(len(data))])
        try:
            found = read_weights(path)
        except TrainError as error:
            assert error.code == "E0808"
        else:
            assert all(isinstance(t, Tensor) for t in found.values())


def test_tensors_that_cannot_be_copied_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"a": torch.ones(2), "b": torch.ones(2, 2).to_sparse()}, path)
    assert list(read_weights(path)) == ["a"]


# --------------------------------------------------------------------------- what stands still


def test_frozen_normalisations_keep_their_statistics() -> None:
    module = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.BatchNorm2d(2, affine=False), nn.Conv2d(2, 2, 1)
    )
    frozen = Frozen(module, recipe_of(freeze=["0", "1", "2"][:2]))
    module.train()
    frozen.hold()
    assert [layer.training for layer in module] == [True, False, True, True]
    inner = nn.ModuleDict({"features": module, "head": nn.Linear(2, 2)})
    frozen = Frozen(inner, recipe_of(freeze=["features"]))
    inner.train()
    frozen.hold()
    assert [layer.training for layer in module] == [True, False, False, True]


# --------------------------------------------------------------------------- rates by layer


def groups_of(module: nn.Module, layer_lr: Any) -> dict[str, float]:
    """Learning rate by parameter, from two groups that differ in their weight decay."""
    learned = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learned if p.ndim > 1], "peak": 0.1},
        {"params": [p for p in learned if p.ndim == 1], "peak": 0.1, "weight_decay": 0.0},
    ]
    made = by_layer(groups, module, recipe_of(layer_lr=layer_lr))
    rates = {id(p): group["peak"] for group in made for p in group["params"]}
    assert sum(len(group["params"]) for group in made) == len(learned) == len(rates)
    for group in made:
        assert all((p.ndim == 1) == ("weight_decay" in group) for p in group["params"])
    return {n: rates[id(p)] for n, p in module.named_parameters() if p.requires_grad}


def test_the_first_pattern_that_fits_counts() -> None:
    rates = groups_of(Small(), [["layer1.2", 0.5], ["*1", 0.1]])
    assert rates == {
        "conv1.weight": pytest.approx(0.01),
        "conv1.bias": pytest.approx(0.01),
        "bn1.weight": pytest.approx(0.01),
        "bn1.bias": pytest.approx(0.01),
        "layer1.0.weight": pytest.approx(0.01),
        "layer1.0.bias": pytest.approx(0.01),
        "layer1.2.weight": pytest.approx(0.05),
        "layer1.2.bias": pytest.approx(0.05),
        "fc.weight": 0.1,
        "fc.bias": 0.1,
    }
    assert set(groups_of(Small(), ["fc", 2]).values()) == {0.1, 0.2}


def test_patterns_that_fit_nothing_trained() -> None:
    with pytest.raises(TrainError, match="no parameter matches `fcc`") as caught:
        check_rates(Small(), recipe_of(layer_lr=[["fcc", 0.1]]))
    assert (caught.value.code, caught.value.help) == ("E0802", "did you mean `fc`?")
    module = Small()
    Frozen(module, recipe_of(freeze=["fc"]))
    with pytest.raises(TrainError, match="no parameter matches `fc`"):
        check_rates(module, recipe_of(layer_lr=[["fc", 0.1]]))


@pytest.mark.parametrize("value", [3, [3], [["fc", 0]], [["fc"]], [["fc", 0.1, 2]], [["fc", True]]])
def test_rates_that_are_none(value: Any) -> None:
    with pytest.raises(TrainError, match="`layer_lr` takes pairs") as caught:
        recipe_of(layer_lr=value)
    assert caught.value.code == "E0802"


# --------------------------------------------------------------------------- whole runs

SPEC = """
network Small(classes: int = 4) {
  input image[1, 8, 8]
  features = image -> features: (conv(4, 3, bias=false) -> batchnorm -> relu -> pool(2))
  output logits = features -> flatten -> fc: linear(classes)
}
recipe first for Small {
  data = npz("four.npz")  epochs = 1  batch = 16  validation = 0  pictures = false
}
recipe head for Small {
  data = npz("two.npz")  epochs = 1  batch = 16  validation = 0  freeze = ["features"]
  pictures = false
}
recipe slow for Small {
  data = npz("two.npz")  epochs = 1  batch = 16  validation = 0
  optimizer = sgd(lr=0.1)
  layer_lr = [["features", 1e-6]]
  pictures = false
}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec, images of four classes, and others of two."""
    monkeypatch.chdir(tmp_path)
    Path("small.arch").write_text(SPEC)
    draw = np.random.default_rng(0)
    for name, classes in (("four", 4), ("two", 2)):
        arrays = {}
        for part, count in (("train", 64), ("test", 16)):
            arrays[f"x_{part}"] = draw.integers(0, 256, (count, 8, 8), dtype=np.uint8)
            arrays[f"y_{part}"] = np.arange(count) % classes
        np.savez(f"{name}.npz", **arrays)
    return tmp_path


def train(*args: str) -> int:
    return cli.main(["train", "small.arch", "--device", "cpu", *args])


def test_a_head_is_replaced_and_the_rest_stays(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--recipe", "first", "-o", "a") == 0
    capsys.readouterr()
    # a run's folder, or a file; what is frozen, statistics included, is afterwards what it was
    assert train("--recipe", "head", "--set", "classes=2", "--init", "a", "-o", "b") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "init: 6 of 8 tensors from a/last.safetensors"
    assert said[1].startswith("  fresh, being of another shape: fc.weight ([4, 36] in the file")
    report = json.loads((folder / "b" / "init.json").read_text())
    assert report["replaced"]["fc.bias"] == [[4], [2]]
    before, after = load_file("a/last.safetensors"), load_file("b/last.safetensors")
    same = {name for name in after if torch.equal(before[name], after[name])}
    assert same == {name for name in after if name.startswith("features.")}


def test_layers_learn_at_their_rates(folder: Path) -> None:
    assert train("--recipe", "first", "-o", "a") == 0
    assert train("--recipe", "slow", "--set", "classes=2", "--init", "a", "-o", "b") == 0
    before, after = load_file("a/last.safetensors"), load_file("b/last.safetensors")
    moved = (before["features.0.weight"] - after["features.0.weight"]).abs().max()
    assert 0 < float(moved) < 1e-5


def test_mistakes_have_a_place_and_leave_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--init", "absent", "-o", "b") == 1
    assert "error[E0808]" in capsys.readouterr().err
    assert train("--set", 'fresh=["fc"]', "-o", "b") == 1
    assert "error[E0802]" in capsys.readouterr().err
    assert train("--set", 'layer_lr=[["fcc", 0.1]]', "-o", "b") == 1
    assert "did you mean `fc`?" in capsys.readouterr().err
    assert not (folder / "b").exists()


def test_a_resumed_run_needs_its_start_no_more(folder: Path) -> None:
    """Rates by layer, too, go on as they were."""
    assert train("--recipe", "first", "-o", "a") == 0
    more = ["--recipe", "slow", "--set", "classes=2", "--init", "a"]
    assert train(*more, "--set", "epochs=2", "-o", "whole") == 0
    assert train(*more, "-o", "part") == 0
    (folder / "a" / "last.safetensors").unlink()
    assert cli.main(["train", "--resume", "part", "--set", "epochs=2"]) == 0
    one, other = (load_file(f"{name}/last.safetensors") for name in ("whole", "part"))
    assert all(torch.equal(one[name], other[name]) for name in one)


CASES = ["few_similar", "few_different", "many_similar", "many_different"]


def test_the_four_cases_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every recipe of the experiment, on the images that ship, for an epoch."""
    monkeypatch.chdir(tmp_path)
    spec = Path(__file__).parents[1] / "specs" / "experiments" / "transfer.arch"
    small = ["--set", "epochs=1", "--set", "pictures=false", "--device", "cpu"]
    small += ["--set", 'data=idx("fashion-mnist-mini")']
    assert cli.main(["train", str(spec), "--recipe", "source", "-o", "source", *small]) == 0
    start = load_file("source/best.safetensors")
    stays = {}
    for name in CASES:
        more = ["--recipe", name, "--init", "source", "-o", name]
        assert cli.main(["train", str(spec), *more, *small]) == 0
        end = load_file(Path(name) / "last.safetensors")
        stays[name] = {key.split(".")[0] for key in end if torch.equal(end[key], start[key])}
    assert stays == {
        "few_similar": {"early", "late"},
        "few_different": {"early"},
        "many_similar": set(),
        "many_different": set(),
    }
    assert capsys.readouterr().out.count(" tensors from source/best.safetensors") == 4
