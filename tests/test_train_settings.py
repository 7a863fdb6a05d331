"""What settings of the loop do: parts of batches, clipping, averaged weights, decay, patience."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from archc.recipe import Called, RecipeSpec, Setting
from archc.source import Source, Span
from archc.train import TrainError, fit
from archc.train.ema import Average
from archc.train.folder import checkpoint
from archc.train.folder.rundir import STATE
from archc.train.folder.state import parse
from archc.train.optim import load_optimizer, make_groups, make_optimizer, optimizer_state
from archc.train.settings.choices import AdamW, RmsProp, Sgd
from archc.train.settings.recipe import Recipe
from archc.train.showing.progress import counted
from archc.train.training import Result

torch.set_num_threads(1)

TEXT = Source("test.arch", "recipe quick for Tiny { }")
SPAN = Span(TEXT, 0, 6)


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=3)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4 * 81, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.norm(self.conv(x))).flatten(1))


class Plain(Tiny):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu(self.conv(x)).flatten(1))


SETTINGS: dict[str, Any] = {
    "data": Called("idx", ("fashion-mnist-mini",), {}),
    "epochs": 1,
    "batch": 100,
    "optimizer": Called("sgd", (0.05,), {}),
    "pictures": False,
}


def go(folder: Path, module: type[nn.Module] = Plain, **settings: Any) -> Result:
    given = tuple(Setting((k,), v, SPAN, SPAN) for k, v in (SETTINGS | settings).items())
    return fit(
        module,
        Recipe.read(RecipeSpec("quick", "Tiny", given, "", SPAN), {}),
        inputs={"image": (1, 28, 28)},
        outputs=[("logits", False)],
        run_dir=folder,
        device="cpu",
        out=io.StringIO(),
        spec_dir=folder.parent,
        spec_text=TEXT.text,
        terminal=io.StringIO(),
    )


def weights(folder: Path) -> dict[str, Tensor]:
    return checkpoint.read(folder / "last.safetensors")[0]


UNEQUAL = Called("cross_entropy", (), {"weights": [0.1, 5.0, 1, 1, 1, 3.0, 1, 1, 0.2, 1]})
"""A loss that is no mean over samples: those of some classes count more."""


@pytest.mark.parametrize("loss", ["auto", UNEQUAL], ids=["plain", "weights"])
def test_a_batch_in_parts_gives_the_same_update(loss: Any, tmp_path: Path) -> None:
    whole = go(tmp_path / "whole", loss=loss)
    parts = go(tmp_path / "parts", loss=loss, accumulate=3)
    expected = pytest.approx(whole.history[0]["train_loss"], rel=1e-5)
    assert parts.history[0]["train_loss"] == expected
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=1e-4, atol=1e-5)


def test_no_step_is_longer_than_the_clipped_gradient(tmp_path: Path) -> None:
    """One step: of plain gradient descent, lr times the gradient."""
    whole = {"batch": 1800, "optimizer": Called("sgd", (0.5,), {})}
    go(tmp_path / "still", **(whole | {"optimizer": Called("sgd", (1e-30,), {})}))
    start = weights(tmp_path / "still")

    def step(name: str, clip: float) -> float:
        go(tmp_path / name, **whole, clip=clip)
        moved = [(t - start[n]).flatten() for n, t in weights(tmp_path / name).items()]
        return float(torch.cat(moved).norm())

    free = step("free", 0.0) / 0.5
    assert free > 0.2
    assert step("clipped", 0.1) == pytest.approx(0.5 * 0.1, rel=1e-3)
    assert step("loose", 2 * free) == pytest.approx(0.5 * free, rel=1e-5)


def test_the_average_follows_its_formula_and_takes_counts_as_they_are() -> None:
    module = Tiny()
    expected = {name: t.clone() for name, t in module.state_dict().items()}
    average = Average(module, 0.6)
    for update in range(1, 9):
        with torch.no_grad():
            for p in module.parameters():
                p.add_(torch.randn_like(p))
            module.norm.running_mean += 1
            module.norm.num_batches_tracked += 1
        average.update(update)
        decay = min(0.6, (1 + update) / (10 + update))
        for name, t in module.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * t
    live = {name: t.clone() for name, t in module.state_dict().items()}
    assert live["norm.num_batches_tracked"] == 8
    with average.applied():
        for name, t in module.state_dict().items():
            if name == "norm.num_batches_tracked":
                assert t == 8
            else:
                torch.testing.assert_close(t, expected[name])
    assert all(torch.equal(t, live[name]) for name, t in module.state_dict().items())


def test_the_average_is_what_is_kept_and_measured(tmp_path: Path) -> None:
    result = go(tmp_path / "run", Tiny, ema=0.95, epochs=2)
    state = parse((tmp_path / "run" / STATE).read_bytes(), tmp_path)
    kept = weights(tmp_path / "run")
    own, average = state.part("model"), state.part("average")
    assert all(torch.equal(t, average[name]) for name, t in kept.items())
    assert not torch.equal(own["fc.weight"], average["fc.weight"])
    plain = go(tmp_path / "plain", Tiny, epochs=2)
    assert result.history[0]["train_loss"] == plain.history[0]["train_loss"]
    assert result.history[0]["validation_loss"] != plain.history[0]["validation_loss"]


def test_shared_weights_are_averaged_once() -> None:
    shared = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    shared[1].weight = shared[0].weight
    average = Average(shared, 0.5)
    with torch.no_grad():
        shared[0].weight.add_(1.0)
    average.update(100)
    with average.applied():
        halfway = shared[1].weight.clone()
    torch.testing.assert_close(halfway, shared[0].weight - 0.5)


def test_decay_spares_parameters_of_one_axis_on_request() -> None:
    module = Tiny()
    choice = AdamW(weight_decay=0.1)
    (together,) = make_groups(choice, module.parameters(), no_decay=False)
    assert len(together["params"]) == 6
    groups = make_groups(choice, module.parameters(), no_decay=True)
    optimizer = make_optimizer(choice, groups, fused=True)
    named = {id(p): name for name, p in module.named_parameters()}
    decay = {named[id(p)]: g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert decay == {
        "conv.weight": 0.1, "fc.weight": 0.1, "conv.bias": 0.0, "norm.weight": 0.0,
        "norm.bias": 0.0, "fc.bias": 0.0,
    }  # fmt: skip


def test_patience_ends_a_run_that_gets_no_better(tmp_path: Path) -> None:
    still = Called("sgd", (1e-30,), {})
    result = go(tmp_path / "run", epochs=20, patience=3, optimizer=still)
    assert (result.epochs, result.best_epoch) == (4, 1)
    assert len(result.history) == 4
    with pytest.raises(TrainError, match="needs a validation split") as caught:
        go(tmp_path / "other", patience=3, validation=0.0)
    assert (caught.value.code, caught.value.span) == ("E0802", SPAN)
    assert not (tmp_path / "other").exists()


def test_torchs_switches_are_as_they_were(tmp_path: Path) -> None:
    class Asks(Plain):
        def forward(self, x: Tensor) -> Tensor:
            assert torch.are_deterministic_algorithms_enabled()
            return super().forward(x)

    go(tmp_path / "run", Asks, deterministic=True, batch=900)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("choice", [Sgd(lr=0.1, momentum=0.9), AdamW(), RmsProp(momentum=0.5)])
def test_what_an_optimizer_remembers_is_laid_out_as_its_parameter(choice: Any) -> None:
    """Loaded from a file in another layout, sums would round otherwise."""

    def made() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        module = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        groups = make_groups(choice, module.parameters(), no_decay=True)
        return module, make_optimizer(choice, groups, fused=True)

    def step(module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        module(torch.ones(2, 3, 8, 8)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    module, optimizer = made()
    step(module, optimizer)
    saved = {n: t.clone().contiguous() for n, t in optimizer_state(optimizer).items()}
    weights = {n: t.clone() for n, t in module.state_dict().items()}
    twin, other = made()
    twin.load_state_dict(weights)
    load_optimizer(other, saved)
    for one, two in zip(optimizer_state(optimizer).items(), optimizer_state(other).items(),
                        strict=True):  # fmt: skip
        assert one[0] == two[0]
        assert torch.equal(one[1], two[1])
        assert one[1].stride() == two[1].stride()
    step(module, optimizer)
    step(twin, other)
    assert torch.equal(module.weight, twin.weight)


@pytest.mark.parametrize(("label", "part"), [(10, "train"), (77, "test"), (-1, "test")])
def test_a_label_out_of_range_is_named(label: int, part: str, tmp_path: Path) -> None:
    """Before anything is trained, with file and record; the run leaves nothing."""
    draw = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 200), ("test", 200)):
        arrays[f"x_{split}"] = draw.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"y_{split}"] = np.arange(count) % 10
    arrays[f"y_{part}"][123] = label
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(TrainError) as caught:
        go(tmp_path / "run", data=Called("npz", ("d.npz",), {}), validation=0.0)
    assert caught.value.code == "E0805"
    words = f"label {label} in record 123 of `{tmp_path / 'd.npz'}: y_{part}` is out of range"
    assert words in caught.value.message
    if label >= 0:
        assert caught.value.notes == ("the network has 10 classes, 0 to 9",)
    assert not (tmp_path / "run").exists()


class Narrow(Tiny):
    """Its normalisation sees one value per channel and sample."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm1d(10)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm1(super().forward(x))  # type: ignore[no-any-return]


@pytest.mark.parametrize("settings", [
    {"batch": 1}, {"batch": 4, "accumulate": 4}, {"samples": 2, "validation": 0.5},
])  # fmt: skip
def test_a_sample_alone_has_no_deviation(settings: dict[str, Any], tmp_path: Path) -> None:
    """Said before anything is written; where the normalisation stands still, it is fine."""
    with pytest.raises(TrainError, match="one value per channel, which has no dev") as caught:
        go(tmp_path / "run", Narrow, **settings)
    assert caught.value.code == "E0802"
    assert not (tmp_path / "run").exists()
    few = {"samples": 8} | settings
    assert go(tmp_path / "frozen", Narrow, **few, freeze=["norm1"]).epochs == 1
    go(tmp_path / "plain", Tiny, **few)


def test_settings_that_the_command_line_gave_are_not_looked_for_in_the_spec(
    tmp_path: Path,
) -> None:
    """A caret under `data` would blame what is right."""
    given = tuple(Setting((k,), v, SPAN, SPAN) for k, v in SETTINGS.items())
    recipe = Recipe.read(RecipeSpec("quick", "Tiny", given, "", SPAN), {"validation": 0.9999})
    with pytest.raises(TrainError, match="leaves nothing to train on") as caught:
        fit(
            Plain, recipe, inputs={"image": (1, 28, 28)}, outputs=[("logits", False)],
            run_dir=tmp_path / "run", device="cpu", out=io.StringIO(), spec_dir=tmp_path,
            spec_text="", terminal=io.StringIO(),
        )  # fmt: skip
    assert caught.value.span is None


def test_counts_are_singular_where_they_are_one() -> None:
    assert [counted(n, "epoch") for n in (0, 1, 2000)] == ["0 epochs", "1 epoch", "2,000 epochs"]
