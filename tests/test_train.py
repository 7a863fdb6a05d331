"""Recipes, the loop, what a run leaves behind, and images through networks."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
from collections.abc import Callable
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
from archc.train import Interrupted, TrainError, fit, loop, run_image
from archc.train.augment import Augmenter
from archc.train.device import find
from archc.train.folder import checkpoint
from archc.train.folder.rundir import RunDir, new_run_dir, write_atomic
from archc.train.freezing import Frozen, matches
from archc.train.optim import make_rate
from archc.train.settings.choices import Constant, Cosine, Flip, OneCycle, Schedule, Shift, Step
from archc.train.settings.recipe import SETTINGS, Recipe
from archc.train.showing.progress import Progress, clock, duration
from archc.train.tasks.metrics import Classification, Regression
from archc.train.training import Result

torch.set_num_threads(1)

SPECS = Path(__file__).parents[1] / "specs"
TEXT = Source("test.arch", "recipe quick for Small { epochs = 2  batch = 64 }")
NAME = Span(TEXT, 7, 12)


def call(name: str, *args: Any, **kwargs: Any) -> Called:
    return Called(name, args, kwargs)


def spec_of(settings: dict[str, Any]) -> RecipeSpec:
    made = tuple(
        Setting(tuple(name.split(".")), value, Span(TEXT, i, i + 1), Span(TEXT, i + 1, i + 2))
        for i, (name, value) in enumerate(settings.items())
    )
    return RecipeSpec("quick", "Small", made, "", NAME)


def read(settings: dict[str, Any], overrides: dict[str, Any] | None = None) -> Recipe:
    return Recipe.read(spec_of({"data": call("idx", "x")} | settings), overrides or {})


# --------------------------------------------------------------------------- recipes


def test_every_setting_has_a_default_but_the_data() -> None:
    recipe = read({})
    assert set(SETTINGS) == set(type(recipe).model_fields) - {"name", "network", "losses"}
    with pytest.raises(TrainError, match="does not say what data") as caught:
        Recipe.read(spec_of({}), {})
    assert caught.value.span == NAME


def test_settings_arrive_typed() -> None:
    recipe = read(
        {
            "optimizer": call("sgd", 0.1, momentum=0.9, nesterov=True),
            "schedule": "cosine",
            "loss.aux": [0.3, call("cross_entropy")],
            "augment": [call("shift", 2), "flip"],
            "freeze": ["features.*"],
        }
    )
    assert (recipe.optimizer.lr, recipe.schedule) == (0.1, Cosine())
    assert recipe.losses["aux"].weight == 0.3
    assert recipe.augment == [Shift(pixels=2), Flip()]


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown": ({"epoch": 2}, "E0801", "no setting `epoch`"),
    "no parts": ({"epochs.x": 2}, "E0801", "no setting `epochs.x`"),
    "float": ({"epochs": 2.5}, "E0802", "`epochs` takes a whole number of at least 1, not 2.5"),
    "bool": ({"seed": True}, "E0802", "`seed` takes a whole number"),
    "word": ({"precision": "fp16"}, "E0802", "takes auto, fp32 or bf16"),
    "switch": ({"compile": "yes"}, "E0802", "takes auto or true or false"),
    "text": ({"freeze": "a"}, "E0802", "takes a list of texts in quotes"),
    "choice": ({"optimizer": call("sgdd")}, "E0802", "`optimizer` cannot be `sgdd`"),
    "number": ({"loss": 3}, "E0802", "`loss` takes one of auto, cross_entropy"),
    "missing": ({"optimizer": call("sgd")}, "E0802", "`sgd` needs `lr`"),
    "range": ({"optimizer": call("sgd", -1)}, "E0802", "`lr` of `sgd` takes a number above 0"),
    "argument": ({"loss": call("mse", power=2)}, "E0802", "`mse` has no argument `power`"),
    "surplus": ({"loss": call("mse", 2)}, "E0802", "`mse` takes no arguments"),
    "twice": ({"optimizer": call("sgd", 0.1, lr=0.1)}, "E0802", "`lr` is given twice"),
    "nesterov": (
        {"optimizer": call("sgd", 0.1, nesterov=True)},
        "E0802",
        "`nesterov=true` needs a momentum above 0",
    ),
    "step": ({"schedule": call("step")}, "E0802", "either `every` (epochs) or `at`"),
    "weight": ({"loss.a": [-1, "mse"]}, "E0802", "a weight of at least 0, not -1"),
    "infinite": ({"optimizer": call("sgd", float("inf"))}, "E0802", "not inf"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_settings_are_refused_in_words_with_a_place(name: str) -> None:
    settings, code, words = WRONG[name]
    with pytest.raises(TrainError) as caught:
        read(settings)
    assert (caught.value.code, len(caught.value.each())) == (code, 1)
    assert words in caught.value.message
    assert caught.value.span is not None


def test_each_mistake_is_told_in_the_order_of_the_text() -> None:
    with pytest.raises(TrainError) as caught:
        read({"epoch": 1, "batch": 0, "optimizer": call("sgd", lr=-1, nesterow=True)})
    errors = caught.value.each()
    assert [e.code for e in errors] == ["E0801", "E0802", "E0802", "E0802"]
    assert errors[0].help == "did you mean `epochs`?"
    assert errors[-1].help == "did you mean `nesterov`?"


def test_overrides_win_and_have_no_place() -> None:
    recipe = read(
        {"epochs": 20, "optimizer": call("sgd", 0.1, momentum=0.9)},
        {"epochs": 3, "optimizer.lr": 0.5, "schedule.warmup": 0.1},
    )
    assert (recipe.epochs, recipe.optimizer.lr) == (3, 0.5)
    assert recipe.optimizer == read({"optimizer": call("sgd", 0.5, momentum=0.9)}).optimizer
    assert recipe.schedule == Constant(warmup=0.1)
    assert recipe.place("epochs") is None
    assert recipe.from_command_line("epochs")
    assert recipe.place("data") is not None
    assert read({}, {"data.path": "elsewhere"}).from_command_line("data")
    with pytest.raises(TrainError, match="takes a number above 0, not -1") as caught:
        read({"optimizer": call("sgd", 0.1)}, {"optimizer.lr": -1})
    assert caught.value.span is None
    recipe = read({"optimizer.lr": 0.7}, {"optimizer": call("adam", 0.2)})
    assert recipe.optimizer.lr == 0.2


# --------------------------------------------------------------------------- learning rates


def test_one_cycle_is_torchs() -> None:
    epochs, steps = 5, 20
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=1.0,
        total_steps=epochs * steps,
        pct_start=0.2,
        cycle_momentum=False,
    )
    ours = make_rate(OneCycle(warmup=(0.2 * 100 - 1) / 99), epochs, steps)
    for step in range(epochs * steps):
        assert ours(step) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        if step < epochs * steps - 1:
            optimizer.step()
            theirs.step()


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Constant(), [1, 1, 1, 1, 1, 1]),
        (Step(every=2, factor=0.5), [1, 1, 0.5, 0.5, 0.25, 0.25]),
        (Step(at=[1, 5], factor=0.1), [1, 0.1, 0.1, 0.1, 0.1, 0.01]),
    ],
)
def test_rates_at_the_start_of_each_epoch(schedule: Schedule, expected: list[float]) -> None:
    rate = make_rate(schedule, 6, 10)
    assert [rate(epoch * 10) for epoch in range(6)] == pytest.approx(expected)


def test_cosine_falls_from_one_to_its_end_after_a_warmup() -> None:
    rate = make_rate(Cosine(warmup=0.25, end=0.1), 10, 10)
    rates = [rate(step) for step in range(100)]
    top = rates.index(max(rates))
    assert top == 25
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0, abs=1e-3)


# --------------------------------------------------------------------------- augmentation


def test_a_shift_moves_each_image_on_its_own_and_fills_with_zeros() -> None:
    x = torch.arange(1, 65).reshape(1, 1, 8, 8).repeat(50, 1, 1, 1)
    rows = torch.arange(50)
    moved = Augmenter([Shift(pixels=2)], 50, 3, 0, torch.device("cpu"))(x, rows)
    seen = set()
    for image in moved[:, 0]:
        found = [
            (dy, dx)
            for dy in range(-2, 3)
            for dx in range(-2, 3)
            if torch.equal(image, shifted(x[0, 0], dy, dx))
        ]
        assert len(found) == 1
        seen.update(found)
    assert len(seen) > 10


def shifted(image: Tensor, dy: int, dx: int) -> Tensor:
    """The plain way: a border all around, then the window moved against the shift."""
    padded = F.pad(image, (2, 2, 2, 2))
    return padded[2 - dy : 10 - dy, 2 - dx : 10 - dx]


def test_a_flip_mirrors_about_its_share() -> None:
    x = torch.arange(4).reshape(1, 1, 1, 4).repeat(400, 1, 1, 1)
    flipped = Augmenter([Flip(p=0.25)], 400, 0, 0, torch.device("cpu"))(x, torch.arange(400))
    mirrored = (flipped[:, 0, 0, 0] == 3).sum().item()
    assert 70 < mirrored < 130
    assert torch.equal(flipped.sort(-1).values, x)


def test_what_happens_to_a_sample_does_not_depend_on_its_batch() -> None:
    x = torch.rand(60, 2, 6, 6)
    augment = Augmenter([Shift(pixels=1), Flip()], 60, 7, 4, torch.device("cpu"))
    whole = augment(x, torch.arange(60))
    order = torch.randperm(60)
    assert torch.equal(augment(x[order], order), whole[order])
    other = Augmenter([Shift(pixels=1), Flip()], 60, 7, 5, torch.device("cpu"))
    assert not torch.equal(other(x, torch.arange(60)), whole)


# --------------------------------------------------------------------------- freezing


class Normed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.features(x)).mean((2, 3)))


def test_patterns_name_parameters_or_the_modules_around_them() -> None:
    assert matches("layer1.0.conv1.weight", "layer1")
    assert matches("layer1.0.conv1.weight", "layer1.*")
    assert matches("layer1.0.conv1.weight", "*.conv1")
    assert not matches("layer10.0.conv1.weight", "layer1")


def test_frozen_parameters_and_their_normalisations_stand_still() -> None:
    module = Normed()
    frozen = Frozen(module, read({"freeze": ["features"]}))
    module.train()
    frozen.hold()
    before = {k: v.clone() for k, v in module.features.state_dict().items()}
    module(torch.rand(4, 1, 8, 8)).sum().backward()
    assert all(p.grad is None for p in module.features.parameters())
    assert module.head.weight.grad is not None
    for name, value in module.features.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_freezing_nothing_or_all_is_an_error() -> None:
    with pytest.raises(TrainError, match="no parameter matches `feature") as caught:
        Frozen(Normed(), read({"freeze": ["feature.*"]}))
    assert caught.value.help == "did you mean `features`?"
    with pytest.raises(TrainError, match="leaves nothing to train"):
        Frozen(Normed(), read({"freeze": ["*"]}))


# --------------------------------------------------------------------------- the loop


class Small(nn.Module):
    """Enough to learn clothes: two convolutions and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 5, stride=2)
        self.conv2 = nn.Conv2d(8, 16, 5, stride=2)
        self.dropout = nn.Dropout(0.1)
        self.fc = nn.Linear(16 * 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv2(F.relu(self.conv1(x))))
        return self.fc(self.dropout(x.flatten(1)[:, : 16 * 16]))


class Aided(Small):
    """With a second output that exists in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.aux = nn.Linear(28 * 28, 10)

    def forward(self, x: Tensor) -> Any:
        logits = super().forward(x)
        return (logits, self.aux(x.flatten(1))) if self.training else logits


SETTINGS_OF_SMALL: dict[str, Any] = {
    "data": call("idx", "fashion-mnist-mini"),
    "epochs": 2,
    "batch": 64,
    "optimizer": call("sgd", 0.05, momentum=0.9),
    "pictures": False,
}
OUTPUTS: list[tuple[str | None, bool]] = [("logits", False)]


def go(
    folder: Path | Callable[[], Path],
    settings: dict[str, Any] | None = None,
    module: nn.Module | Callable[[], nn.Module] = Small,
    *,
    outputs: list[tuple[str | None, bool]] = OUTPUTS,
    shape: tuple[int, ...] = (1, 28, 28),
    device: str | None = "cpu",
    out: io.StringIO | None = None,
) -> Result:
    recipe = Recipe.read(spec_of(SETTINGS_OF_SMALL | (settings or {})), {})
    return fit(
        module,
        recipe,
        inputs={"image": shape},
        outputs=outputs,
        run_dir=folder,
        device=device,
        out=out or io.StringIO(),
        spec_dir=folder.parent if isinstance(folder, Path) else Path.cwd(),
        spec_text=TEXT.text,
        terminal=io.StringIO(),
    )


def test_a_run_learns_and_leaves_everything_in_its_folder(tmp_path: Path) -> None:
    out = io.StringIO()
    result = go(tmp_path / "run", {"epochs": 4, "pictures": True}, out=out)
    assert result.test.metric > 0.7
    assert result.device == "cpu"
    lines = out.getvalue().splitlines()
    assert lines[-2].startswith(f"Small reached accuracy {result.test.metric:.1%} on 1,000 test")
    assert sum(line.startswith("epoch") for line in lines) == 4
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        ".lock", "spec.arch", "settings.json", "log.csv", "last.safetensors", "best.safetensors",
        "curve.png", "result.json", "state.safetensors", "kernels.png", "confusion.png",
        "predictions.png",
    }  # fmt: skip
    assert {file.name for file in result.files} == names - {".lock"}
    assert (tmp_path / "run" / "spec.arch").read_text() == TEXT.text
    log = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert log[0].startswith("epoch,lr,train_loss,train_accuracy,train_top5,validation_loss")
    assert len(log) == 5
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())
    assert settings["recipe"]["optimizer"] == {
        "name": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0,
    }  # fmt: skip
    assert settings["versions"]["torch"] == torch.__version__
    with Image.open(tmp_path / "run" / "curve.png") as picture:
        assert picture.size > (600, 200)


def test_the_best_epochs_weights_are_those_evaluated(tmp_path: Path) -> None:
    result = go(tmp_path / "run", {"epochs": 3})
    validation = [row["validation_accuracy"] for row in result.history]
    assert validation[result.best_epoch - 1] == max(validation)
    _, facts = checkpoint.read(tmp_path / "run" / "best.safetensors")
    assert facts["epoch"] == str(result.best_epoch)
    module = Small()
    assert checkpoint.restore(tmp_path / "run" / "last.safetensors", module)["epoch"] == "3"


def test_without_validation_the_last_epoch_counts(tmp_path: Path) -> None:
    result = go(tmp_path / "run", {"validation": 0.0})
    assert result.best_epoch == 2
    assert not (tmp_path / "run" / "best.safetensors").exists()


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    augment = [call("shift", 2), "flip"]

    def weights(name: str, seed: int) -> bytes:
        torch.rand(len(name))  # what came before must not matter
        go(tmp_path / name, {"epochs": 1, "seed": seed, "augment": augment})
        return (tmp_path / name / "last.safetensors").read_bytes()

    assert weights("a", 5) == weights("bb", 5)
    assert weights("c", 5) != weights("d", 6)


def test_the_callers_random_state_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    go(tmp_path / "run", {"epochs": 1})
    assert torch.equal(torch.rand(3), expected)


def test_auxiliary_outputs_are_trained_and_not_measured(tmp_path: Path) -> None:
    outputs: list[tuple[str | None, bool]] = [("logits", False), ("aux", True)]
    module = Aided()
    before = module.aux.weight.detach().clone()
    settings = {"epochs": 1, "loss.aux": [0.3, call("cross_entropy")]}
    result = go(tmp_path / "run", settings, module, outputs=outputs)
    assert result.test.metric > 0.4
    assert not torch.equal(module.aux.weight, before)
    with pytest.raises(TrainError, match="no loss for the auxiliary output `aux`"):
        go(tmp_path / "b", {}, Aided, outputs=outputs)
    with pytest.raises(TrainError, match="no output `aus`") as caught:
        go(tmp_path / "c", {"loss.aus": [0.3, "mse"]}, Aided, outputs=outputs)
    assert (caught.value.code, caught.value.help) == ("E0801", "did you mean `loss.aux`?")


def test_the_weighted_sum_of_losses(tmp_path: Path) -> None:
    recipe = read({"loss.b": [0.25, "mse"]})
    heads = loop_heads(recipe, [("a", False), ("b", True)])
    a, b, target = torch.randn(6, 3), torch.randn(6, 3), torch.arange(6) % 3
    objective = loop.Objective(heads, Classification(3), "classes")
    expected = F.cross_entropy(a, target) + 0.25 * F.mse_loss(b, F.one_hot(target, 3).float())
    assert objective.loss((a, b), target, training=True).item() == pytest.approx(expected.item())
    alone = objective.loss(a, target, training=False).item()
    assert alone == pytest.approx(F.cross_entropy(a, target).item())


def loop_heads(recipe: Recipe, outputs: list[tuple[str | None, bool]]) -> Any:
    from archc.train.tasks.objective import make_heads

    return make_heads(recipe, outputs)


def test_a_stack_of_heads_is_a_list_whose_last_part_is_measured() -> None:
    heads = loop_heads(read({"loss.maps": [0.5, "mse"]}), [("maps[0]", False), ("maps[1]", False)])
    objective = loop.Objective(heads, Regression(), "values")
    target = torch.zeros(2, 1, 4, 4)
    result = [target + 1, target + 2]
    assert objective.loss(result, target, training=True).item() == pytest.approx(0.5 + 2.0)
    loss = torch.tensor(0.0)
    assert objective.sums(result, target, loss, training=True)[2].item() == 2 * target.numel()


@pytest.mark.parametrize("loss", ["mse", "bce"])
def test_other_losses_learn_classes_too(loss: str, tmp_path: Path) -> None:
    settings = {"loss": loss, "epochs": 2, "optimizer": call("adam", 3e-3)}
    assert go(tmp_path / "run", settings).test.metric > 0.5


def test_regression_from_an_npz(tmp_path: Path) -> None:
    """The lecture's first example: contrast and brightness, from pairs of images."""
    x = np.random.default_rng(0).random((40, 1, 6, 6), dtype=np.float32)
    y = 1.5 * x + 0.15
    np.savez(tmp_path / "pairs.npz", x_train=x, y_train=y, x_test=x[:8], y_test=y[:8])
    kernel = nn.Conv2d(1, 1, 1)
    settings = {
        "data": call("npz", "pairs.npz"),
        "epochs": 60,
        "batch": 8,
        "validation": 0.0,
        "loss": "mse",
        "normalize": "none",
        "optimizer": call("sgd", 0.2, momentum=0.9),
    }
    result = go(tmp_path / "run", settings, kernel, shape=(1, 6, 6))
    assert result.metric == "error"
    assert result.test.metric < 1e-3
    assert kernel.weight.item() == pytest.approx(1.5, abs=0.01)
    assert kernel.bias is not None
    assert kernel.bias.item() == pytest.approx(0.15, abs=0.01)


def test_dense_classes_from_an_npz(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((64, 1, 8, 8), dtype=np.float32)
    y = (x[:, 0] > 0.5).astype(np.int64)
    np.savez(tmp_path / "masks.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    settings = {
        "data": call("npz", "masks.npz"),
        "epochs": 20,
        "batch": 16,
        "optimizer": call("adam", 0.1),
    }
    result = go(tmp_path / "run", settings, nn.Conv2d(1, 2, 1), shape=(1, 8, 8))
    assert result.test.metric > 0.95


def test_bf16_and_channels_last_train_too(tmp_path: Path) -> None:
    settings = {"epochs": 1, "precision": "bf16", "channels_last": True}
    assert go(tmp_path / "run", settings).test.metric > 0.3


# --------------------------------------------------------------------------- what goes wrong


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_step(tmp_path: Path) -> None:
    class Bursts(Small):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += self.training
            y = super().forward(x)
            return y * float("nan") if self.calls == 28 + 5 else y

    with pytest.raises(TrainError, match="the loss in step 5 of epoch 2 is nan") as caught:
        go(tmp_path / "run", {}, Bursts)
    assert caught.value.code == "E0807"
    module = Small()
    facts = checkpoint.restore(tmp_path / "run" / "last.safetensors", module)
    assert facts["epoch"] == "1"
    assert checkpoint.all_finite(module)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint(sent: signal.Signals, tmp_path: Path) -> None:
    class Stops(Small):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += self.training
            if self.calls == 28 + 3:
                os.kill(os.getpid(), sent)
            return super().forward(x)

    before = signal.getsignal(sent)
    with pytest.raises(Interrupted, match="in epoch 2 after 3 of 28 steps") as caught:
        go(tmp_path / "run", {}, Stops)
    assert signal.getsignal(sent) == before
    assert caught.value.checkpoint == tmp_path / "run" / "last.safetensors"
    facts = checkpoint.restore(caught.value.checkpoint, Small())
    assert (facts["epoch"], facts["step"]) == ("1", "3")


def test_two_trainers_cannot_share_a_folder(tmp_path: Path) -> None:
    with RunDir(tmp_path / "run"), pytest.raises(TrainError, match="another training run"):
        go(tmp_path / "run")
    go(tmp_path / "run", {"epochs": 1})
    with pytest.raises(TrainError, match="already holds a run") as caught:
        go(tmp_path / "run")
    assert caught.value.code == "E0708"


def test_each_run_gets_a_new_folder(tmp_path: Path) -> None:
    names = [new_run_dir(tmp_path / "runs", "LeNet5").name for _ in range(3)]
    assert names == ["lenet5-001", "lenet5-002", "lenet5-003"]
    made: list[Path] = []
    threads = [
        threading.Thread(target=lambda: made.append(new_run_dir(tmp_path / "runs", "../x")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8
    assert all(path.parent == tmp_path / "runs" for path in made)


def test_what_cannot_start_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="the network takes 2×28×28"):
        go(lambda: new_run_dir(tmp_path / "runs", "x"), {}, shape=(2, 28, 28))
    assert not (tmp_path / "runs").exists()
    assert go(lambda: new_run_dir(tmp_path / "runs", "x"), {"epochs": 1}).folder.name == "x-001"


def test_networks_and_data_that_do_not_fit(tmp_path: Path) -> None:
    class Nine(Small):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x)[:, :9]

    with pytest.raises(TrainError, match="9 classes, but the data have at least 10") as caught:
        go(tmp_path / "a", {}, Nine)
    assert caught.value.code == "E0806"
    assert caught.value.span is not None
    with pytest.raises(TrainError, match="1×28×28, but the network takes 2×28×28"):
        go(tmp_path / "b", {}, shape=(2, 28, 28))
    with pytest.raises(TrainError, match="no weight that can be trained"):
        go(tmp_path / "c", {}, nn.Identity())


def test_devices_that_are_not_there() -> None:
    assert find("cpu") == torch.device("cpu")
    with pytest.raises(TrainError, match="`gpu` is no device") as caught:
        find("gpu")
    assert caught.value.code == "E0810"
    with pytest.raises(TrainError, match="there is no `cuda:77` here") as caught:
        find("cuda:77")
    assert "`cpu`" in (caught.value.help or "")


def test_too_little_memory_gives_advice(tmp_path: Path) -> None:
    class Greedy(Small):
        def forward(self, x: Tensor) -> Tensor:
            if len(x) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
            return super().forward(x)

    with pytest.raises(TrainError, match="too little memory for batches of 64") as caught:
        go(tmp_path / "run", {}, Greedy)
    assert caught.value.code == "E0811"
    assert "try `--set accumulate=2`" in (caught.value.help or "")


# --------------------------------------------------------------------------- files


def test_a_write_that_fails_leaves_the_old_file_and_no_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.safetensors"
    write_atomic(path, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrainError, match="No space left on device") as caught:
        write_atomic(path, b"new")
    assert caught.value.code == "E0708"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_scratch_of_a_killed_writer_is_swept(tmp_path: Path) -> None:
    (tmp_path / ".last.safetensors.tmp").write_bytes(b"half")
    with RunDir(tmp_path):
        assert not (tmp_path / ".last.safetensors.tmp").exists()


def test_foreign_and_damaged_checkpoints_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(checkpoint.packed(Small(), {"epoch": "1"}))
    module = Normed()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    with pytest.raises(TrainError, match="of another network") as caught:
        checkpoint.restore(path, module)
    assert caught.value.code == "E0808"
    assert "unexpected: `conv1.bias`, `conv1.weight`" in "\n".join(caught.value.notes)
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(TrainError, match="cannot read the checkpoint"):
        checkpoint.restore(path, Small())
    torch.save(Small().state_dict(), path)
    with pytest.raises(TrainError, match="cannot read the checkpoint"):
        checkpoint.restore(path, Small())


# --------------------------------------------------------------------------- progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_is_for_terminals_only() -> None:
    out, terminal, pipe = io.StringIO(), Terminal(), io.StringIO()
    bar = Progress(out, terminal, 10)
    bar.show(5, "loss 0.5")
    assert "##########----------" in terminal.getvalue()
    assert "loss 0.5" in terminal.getvalue()
    bar.line("done")
    assert terminal.getvalue().endswith("\r")
    assert out.getvalue() == "done\n"
    Progress(out, pipe, 10).show(5, "loss 0.5")
    assert pipe.getvalue() == ""


def test_times_in_words() -> None:
    assert [clock(s) for s in (7, 750, 3900)] == ["0:07", "12:30", "1:05:00"]
    assert [duration(s) for s in (7.34, 750, 7500)] == ["7.3 s", "12 min 30 s", "2 h 5 min"]


# --------------------------------------------------------------------------- the command


def test_the_demo_reaches_what_the_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = str(SPECS / "lenet5.arch")
    assert cli.main(["train", spec, "--recipe", "demo", "--set", "epochs=12"]) == 0
    result = json.loads((tmp_path / "runs" / "lenet5-001" / "result.json").read_text())
    assert result["test"]["accuracy"] > 0.8
    assert "reached accuracy" in capsys.readouterr().out


# --------------------------------------------------------------------------- images


def picture(path: Path, mode: str, size: tuple[int, int] = (12, 8)) -> Path:
    pixels = np.arange(size[0] * size[1] * 3, dtype=np.uint32).reshape(size[1], size[0], 3)
    image = Image.fromarray((pixels % 256).astype(np.uint8))
    if mode == "I;16":
        image = Image.fromarray((pixels[..., 0] * 200).astype(np.uint16))
    elif mode != "RGB":
        image = image.convert(mode)
    image.save(path)
    return path


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_any_mode_go_through(mode: str, channels: int, tmp_path: Path) -> None:
    source = picture(tmp_path / "in.png", mode)
    said = run_image(nn.Identity(), source, tmp_path / "out.png", channels)
    assert said.startswith("in.png: 12×8")
    with Image.open(tmp_path / "out.png") as result:
        assert result.size == ((12, 8) if channels != 4 else (12 * 2 + 2, 8 * 2 + 2))


def test_pixels_pass_unchanged_through_nothing(tmp_path: Path) -> None:
    source = picture(tmp_path / "in.png", "RGB")
    run_image(nn.Identity(), source, tmp_path / "out.png", 3)
    with Image.open(source) as before, Image.open(tmp_path / "out.png") as after:
        assert list(before.tobytes()) == list(after.tobytes())


def test_an_edge_is_bright_whatever_its_sign(tmp_path: Path) -> None:
    pixels = np.zeros((9, 30), np.uint8)
    pixels[:, 10:20] = 200
    Image.fromarray(pixels).save(tmp_path / "in.png")
    sobel = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    weight = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    sobel.weight = nn.Parameter(weight[None, None])
    said = run_image(sobel, tmp_path / "in.png", tmp_path / "out.png", 1)
    assert "lose their signs" in said
    with Image.open(tmp_path / "out.png") as result:
        row = np.asarray(result)[4]
    assert row[[9, 10, 19, 20]].tolist() == [255] * 4
    assert row[[5, 15, 25]].tolist() == [0] * 3


def test_many_channels_become_tiles(tmp_path: Path) -> None:
    source = picture(tmp_path / "in.png", "L")
    said = run_image(nn.Conv2d(1, 100, 1), source, tmp_path / "out.png", 1)
    assert "the first 64 of 100 channels as tiles" in said


def test_images_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = picture(tmp_path / "in.png", "RGB")
    out = tmp_path / "out.png"

    def refused(code: str, words: str, image: Path = source, module: nn.Module | None = None,
                result: Path = out, channels: int = 3) -> None:  # fmt: skip
        with pytest.raises(TrainError) as caught:
            run_image(module or nn.Identity(), image, result, channels)
        assert caught.value.code == code
        assert words in caught.value.message
        assert not result.exists()

    refused("E0805", "No such file", tmp_path / "none.png")
    text = tmp_path / "text.png"
    text.write_text("hello")
    refused("E0805", "it is no image", text)
    cut = tmp_path / "cut.png"
    cut.write_bytes(source.read_bytes()[:60])
    refused("E0805", "cannot read", cut)
    refused("E0806", "takes 2 channels", channels=2)
    refused("E0806", "cannot take this image (3×8×12)", module=nn.Conv2d(5, 1, 1))
    refused("E0806", "288 numbers, which are no image", module=nn.Flatten())
    refused("E0708", "no picture format", result=tmp_path / "out.exe")
    monkeypatch.setattr("archc.train.data.picture.MOST_PIXELS", 50)
    refused("E0805", "12×8 is more than 50 pixels")
