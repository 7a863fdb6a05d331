"""Runs that survive: killed, interrupted, on a full disk, resumed; and what may not be resumed."""

from __future__ import annotations

import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archc.recipe import Called, RecipeSpec, Setting
from archc.source import Source, Span
from archc.train import Interrupted, TrainError, fit
from archc.train.folder import checkpoint
from archc.train.folder.rundir import PREVIOUS, STATE, RunDir
from archc.train.folder.state import State, latest, parse
from archc.train.settings.recipe import Recipe
from archc.train.showing.progress import Progress
from archc.train.training import Result
from tests.support.runs import SPEC, rows

torch.set_num_threads(1)

KILLS = int(os.environ.get("ARCHC_RESUME", "0"))
"""Runs to kill as processes of their own; `make resume` sets it."""
TEXT = Source("test.arch", "recipe quick for Tiny { }")
SPAN = Span(TEXT, 0, 6)


def call(name: str, *args: Any, **kwargs: Any) -> Called:
    return Called(name, args, kwargs)


class Tiny(nn.Module):
    """All that a run must remember: weights, running statistics, dropout's random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=3)
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4 * 81, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.conv(x)))
        return self.fc(F.dropout(x, 0.2, self.training).flatten(1))


EVERYTHING: dict[str, Any] = {
    "data": call("idx", "fashion-mnist-mini"),
    "epochs": 3,
    "batch": 120,
    "accumulate": 2,
    "clip": 1.0,
    "ema": 0.9,
    "no_decay": True,
    "optimizer": call("adamw", 3e-3),
    "schedule": call("one_cycle"),
    "augment": [call("shift", 2), "flip"],
    "checkpoint": call("every", steps=4),
    "pictures": False,
}


def go(
    folder: Path,
    settings: dict[str, Any] | None = None,
    module: Callable[[], nn.Module] = Tiny,
    *,
    resume: bool = False,
    code: str = "Tiny",
    out: io.StringIO | None = None,
) -> Result:
    made = EVERYTHING | (settings or {})
    given = tuple(Setting((name,), value, SPAN, SPAN) for name, value in made.items())
    return fit(
        module,
        Recipe.read(RecipeSpec("quick", "Tiny", given, "", SPAN), {}),
        inputs={"image": (1, 28, 28)},
        outputs=[("logits", False)],
        run_dir=folder,
        device="cpu",
        out=out or io.StringIO(),
        spec_dir=folder.parent,
        spec_text=TEXT.text,
        terminal=io.StringIO(),
        resume=resume,
        code=code,
    )


def stops(at: int, sent: signal.Signals = signal.SIGTERM) -> Callable[[], nn.Module]:
    """A network that asks for an end in its `at`-th forward pass of training."""

    class Stops(Tiny):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += self.training
            if self.training and self.calls == at:
                os.kill(os.getpid(), sent)
            return super().forward(x)

    return Stops


def same(one: Path, other: Path) -> None:
    """Two runs are the same, bit by bit."""
    assert rows(one) == rows(other)
    for name in ("best.safetensors", "last.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    states = [parse((folder / STATE).read_bytes(), folder) for folder in (one, other)]
    assert states[0].tensors.keys() == states[1].tensors.keys()
    for name, tensor in states[0].tensors.items():
        assert torch.equal(tensor, states[1].tensors[name]), name
    results = [json.loads((folder / "result.json").read_text()) for folder in (one, other)]
    for result in results:
        del result["seconds"]
    assert results[0] == results[1]


@pytest.fixture(scope="module", autouse=True)
def unpictured() -> Iterator[None]:
    """No pictures: they would take most of the time, and other tests look at them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archc.train.showing.curve.draw", lambda *args: b"")
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run from start to end in one go."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    go(folder)
    return folder


# --------------------------------------------------------------------------- bit by bit


@pytest.mark.parametrize("step", [1, 19, 30, 87])
def test_an_interrupted_run_goes_on_bit_by_bit(step: int, whole: Path, tmp_path: Path) -> None:
    """In the first step, in the middle of an epoch, in its last step, before the last of all."""
    folder = tmp_path / "run"
    with pytest.raises(Interrupted, match="`archc train --resume"):
        go(folder, module=stops(step))
    out = io.StringIO()
    torch.rand(step)  # what came before must not matter
    go(folder, resume=True, out=out)
    assert "resumed in epoch" in out.getvalue()
    same(folder, whole)


OTHERS: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": call("sgd", 0.05, momentum=0.9, nesterov=True, weight_decay=1e-3)},
    "plain sgd": {"optimizer": call("sgd", 0.05), "ema": 0.0, "accumulate": 1, "clip": 0.0},
    "adam": {"optimizer": call("adam"), "validation": 0.0},
    "rmsprop": {"optimizer": call("rmsprop", 1e-3, momentum=0.9), "channels_last": True},
    "adagrad": {"optimizer": call("adagrad")},
    "adadelta": {"optimizer": call("adadelta"), "ema": 0.0},
    "nadam": {"optimizer": call("nadam")},
    "radam": {"optimizer": call("radam"), "clip": 0.0},
    "bf16": {"precision": "bf16", "deterministic": True, "patience": 1},
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_optimizer_and_precision_goes_on_bit_by_bit(name: str, tmp_path: Path) -> None:
    settings = OTHERS[name] | {"epochs": 2, "batch": 200}
    one, other = tmp_path / "one", tmp_path / "other"
    go(one, settings)
    parts = 2 if settings.get("accumulate", 2) == 2 else 1
    with pytest.raises(Interrupted):
        go(other, settings, stops(13 * parts))
    go(other, settings, resume=True)
    if name == "adam":  # which has nothing held out to call an epoch best by
        assert not (one / "best.safetensors").exists()
        for folder in (one, other):
            (folder / "best.safetensors").touch()
    same(one, other)


def test_a_run_that_is_over_says_so_again(whole: Path, tmp_path: Path) -> None:
    before = (whole / "last.safetensors").read_bytes()
    out = io.StringIO()
    result = go(whole, resume=True, out=out)
    assert "nothing is left to train" in out.getvalue()
    assert "Tiny reached accuracy" in out.getvalue()
    assert len(result.history) == 3
    assert (whole / "last.safetensors").read_bytes() == before


# --------------------------------------------------------------------------- killed


def killed_at(folder: Path, wait: float) -> None:
    """Start a run (or go on with it) in a process of its own, and kill it after a while."""
    resume = (folder / STATE).exists() or (folder / PREVIOUS).exists()
    child = os.fork()
    if not child:
        try:
            go(folder, resume=resume)
        finally:
            os._exit(0)
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_runs_killed_at_random_moments_go_on_bit_by_bit(whole: Path, tmp_path: Path) -> None:
    started = time.perf_counter()
    go(tmp_path / "timed")
    long = time.perf_counter() - started
    for number in range(2):
        folder = tmp_path / f"run{number}"
        for _ in range(2):
            killed_at(folder, random.uniform(0.1, 0.8) * long)
        go(folder, resume=(folder / STATE).exists() or (folder / PREVIOUS).exists())
        same(folder, whole)


@pytest.mark.skipif(not KILLS, reason="`make resume` runs it")
def test_processes_killed_at_random_moments_go_on_bit_by_bit(tmp_path: Path) -> None:
    """`archc train` itself, killed up to three times on its way."""
    spec = tmp_path / "tiny.arch"
    spec.write_text(SPEC)
    archc = [sys.executable, "-m", "archc", "train"]

    def train(*where: str | Path) -> None:
        ran = subprocess.run([*archc, *where], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr

    started = time.perf_counter()
    train(spec, "-o", tmp_path / "whole")
    long = time.perf_counter() - started
    kills = 0
    for number in range(KILLS):
        folder = tmp_path / f"run{number}"
        for _ in range(random.randint(1, 3)):
            resume = (folder / STATE).exists() or (folder / PREVIOUS).exists()
            where: list[str | Path] = ["--resume", folder] if resume else [spec, "-o", folder]
            process = subprocess.Popen([*archc, *where], stdout=subprocess.DEVNULL)
            time.sleep(random.uniform(0.3, 1.0) * long)
            process.kill()
            kills += process.wait() == -signal.SIGKILL
        resume = (folder / STATE).exists() or (folder / PREVIOUS).exists()
        where = ["--resume", folder] if resume else [spec, "-o", folder]
        train(*where)
        same(folder, tmp_path / "whole")
        print(f"run {number + 1}: the same, after {kills} kills so far", file=sys.__stdout__)
    assert kills >= KILLS // 2


@pytest.mark.parametrize(
    ("name", "states"), [("log.csv", 14), ("best.safetensors", 9), ("last.safetensors", 14)]
)
def test_killed_between_two_files_of_an_epoch(
    name: str, states: int, whole: Path, tmp_path: Path
) -> None:
    """The state of an epoch is written first; the rest is made from it again.

    `states`: so many are written until then; in the second epoch 9, in the third and last 14.
    """
    folder = tmp_path / "run"
    child = os.fork()
    if not child:
        written: list[str] = []

        def replace(source: Any, target: Path) -> None:
            if written.count(STATE) == states and target.name == name:
                os.kill(os.getpid(), signal.SIGKILL)
            written.append(target.name)
            swap(source, target)

        swap, os.replace = os.replace, replace  # type: ignore[assignment]
        go(folder)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    go(folder, resume=True)
    same(folder, whole)


# --------------------------------------------------------------------------- damage


def interrupted(folder: Path, at: int = 41) -> Path:
    with pytest.raises(Interrupted):
        go(folder, module=stops(at))
    return folder


def test_a_damaged_state_falls_back_to_the_one_before_it(whole: Path, tmp_path: Path) -> None:
    folder = interrupted(tmp_path / "run")
    good = (folder / STATE).read_bytes()
    for damage in (good[: len(good) // 2], good[:-1] + bytes([good[-1] ^ 1]), b"", b"PK\x03\x04"):
        (folder / STATE).write_bytes(damage)
        data, said = latest(folder)
        assert data == (folder / PREVIOUS).read_bytes()
        assert len(said) == 1
        assert said[0].startswith(f"cannot use the checkpoint `{folder / STATE}`")
    out = io.StringIO()
    go(folder, resume=True, out=out)
    assert "the checkpoint before it is good" in out.getvalue()
    same(folder, whole)


def test_without_a_good_state_there_is_no_going_on(tmp_path: Path) -> None:
    folder = interrupted(tmp_path / "run")
    log = (folder / "settings.json").read_bytes()
    for name in (STATE, PREVIOUS):
        (folder / name).write_bytes(checkpoint.packed(Tiny(), {}))
    with pytest.raises(TrainError, match="it is not the state of a run") as caught:
        go(folder, resume=True)
    assert (caught.value.code, len(caught.value.notes)) == ("E0808", 1)
    for name in (STATE, PREVIOUS):
        (folder / name).unlink()
    with pytest.raises(TrainError, match="holds no state of a run") as caught:
        go(folder, resume=True)
    assert f"begin it again, with `-o {folder}`" in str(caught.value.help)
    with pytest.raises(TrainError, match="no folder") as caught:
        go(tmp_path / "nowhere", resume=True)
    assert caught.value.code == "E0808"
    assert not (tmp_path / "nowhere").exists()
    assert (folder / "settings.json").read_bytes() == log


def test_a_closed_terminal_asks_for_an_end(whole: Path, tmp_path: Path) -> None:
    """SIGHUP, twice as shells send it: the state is written, and the run goes on later."""

    class Closed(stops(41, signal.SIGHUP)):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = super().forward(x)
            if self.training and self.calls == 41:
                os.kill(os.getpid(), signal.SIGHUP)
            return result

    with pytest.raises(Interrupted):
        go(tmp_path / "run", module=Closed)
    go(tmp_path / "run", resume=True)
    same(tmp_path / "run", whole)


def test_a_run_goes_on_where_nobody_reads_what_it_says(whole: Path, tmp_path: Path) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    go(tmp_path / "run", out=Gone())
    same(tmp_path / "run", whole)


def test_letters_that_a_terminal_has_not_are_spelled_out() -> None:
    data = io.BytesIO()
    out = io.TextIOWrapper(data, encoding="ascii", write_through=True)
    Progress(out, None, 1).line("data: 6×6 from /\udcff")
    assert data.getvalue() == b"data: 6\\xd76 from /\\udcff\n"


def test_a_sound_file_that_is_no_state_of_ours(tmp_path: Path) -> None:
    """Its checksum is right; what it says is not what a run goes on from."""
    folder = interrupted(tmp_path / "run")
    state = parse((folder / STATE).read_bytes(), folder)
    for facts in ({}, state.facts | {"at": 3}, state.facts | {"identity": {}}):
        (folder / STATE).write_bytes(State(state.tensors, facts).packed())
        with pytest.raises(TrainError, match="is not one that this version") as caught:
            go(folder, resume=True)
        assert caught.value.code == "E0808"


@pytest.mark.parametrize("damage", ["gone", "damaged", "another"])
def test_without_the_best_weights_the_best_epoch_is_yet_to_come(
    damage: str, whole: Path, tmp_path: Path
) -> None:
    """The state does not hold them: that is seen at once, not after the last epoch."""
    folder = interrupted(tmp_path / "run", at=41)
    best = folder / "best.safetensors"
    assert best.exists()
    best.unlink()
    if damage != "gone":
        bad = b"" if damage == "damaged" else checkpoint.packed(nn.Linear(2, 2), {})
        best.write_bytes(bad)
    out = io.StringIO()
    result = go(folder, resume=True, out=out)
    assert "the best epoch is chosen among those to come" in out.getvalue()
    assert result.best_epoch > 1
    assert rows(folder) == rows(whole)
    best.unlink()
    if result.best_epoch < result.epochs:  # else they are made again
        with pytest.raises(TrainError, match=r"best\.safetensors") as caught:
            go(folder, resume=True)
        assert caught.value.code == "E0808"


def test_a_pickle_in_the_place_of_a_state_is_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "bang",))

    folder = tmp_path / "run"
    folder.mkdir()
    torch.save({"model": Bomb()}, folder / STATE)
    with pytest.raises(TrainError, match="cannot use the checkpoint"):
        go(folder, resume=True)
    assert not (tmp_path / "bang").exists()


def test_a_disk_that_fills_up_leaves_the_last_good_state(whole: Path, tmp_path: Path) -> None:
    """As large as the settings allow, a file is written half; then the run ends with a code."""
    folder = tmp_path / "run"
    child = os.fork()
    if not child:
        code = 9
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

            class Fills(Tiny):
                calls = 0

                def forward(self, x: Tensor) -> Tensor:
                    self.calls += self.training
                    if self.calls == 41:
                        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
                    return super().forward(x)

            go(folder, module=Fills)
        except TrainError as error:
            code = 0 if error.code == "E0708" and "cannot write" in error.message else 8
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not list(folder.glob(".*.tmp"))
    assert latest(folder)[1] == []
    go(folder, resume=True)
    same(folder, whole)


def test_a_weight_that_is_no_number_is_never_written(tmp_path: Path) -> None:
    """The loss is still one: it was computed before the update."""

    class Spoils(Tiny):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += self.training
            y = super().forward(x)
            if self.calls == 40:  # the second part of step 5 of the second epoch
                self.fc.bias.register_hook(lambda gradient: gradient * float("nan"))
            return y

    settings = {"checkpoint": call("every", steps=1), "clip": 0.0}
    with pytest.raises(TrainError, match="a weight after step 5 of epoch 2 is nan") as caught:
        go(tmp_path / "run", settings, Spoils)
    assert caught.value.code == "E0807"
    state = parse((tmp_path / "run" / STATE).read_bytes(), tmp_path)
    assert (state.facts["at"]["epoch"], state.facts["at"]["step"]) == (1, 4)
    assert all(bool(torch.isfinite(t).all()) for t in state.part("model").values())


def test_memory_that_runs_out_gives_advice(tmp_path: Path) -> None:
    """Really, not made up: the process may take 300 MB more, and needs a gigabyte."""
    child = os.fork()
    if not child:
        code = 9
        try:

            class Greedy(Tiny):
                def forward(self, x: Tensor) -> Tensor:
                    x.new_empty(len(x), 2_500_000)
                    return super().forward(x)

            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * os.sysconf("SC_PAGE_SIZE") + 300_000_000
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            go(tmp_path / "run", {"accumulate": 1}, Greedy)
        except TrainError as error:
            words = ("E0811", "batches of 120", "accumulate=2")
            text = f"{error.code} {error.message} {error.help}"
            code = 0 if all(word in text for word in words) else 8
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_two_trainers_cannot_resume_one_run(tmp_path: Path) -> None:
    folder = interrupted(tmp_path / "run", at=3)
    with RunDir(folder, resume=True), pytest.raises(TrainError, match="another training") as caught:
        go(folder, resume=True)
    assert caught.value.code == "E0708"
    with pytest.raises(TrainError, match="already holds a run") as caught:
        go(folder)
    assert f"--resume {folder}" in (caught.value.help or "")


# --------------------------------------------------------------------------- another run


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was interrupted."""
    return interrupted(tmp_path_factory.mktemp("half") / "run")


DIFFERENT: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"seed": 1}, "seed: 1, but 0 in the run"),
    "batch": ({"batch": 30}, "batch: 30, but 120 in the run"),
    "optimizer": (
        {"optimizer": call("adamw", 2e-3)},
        "optimizer: adamw(lr=0.002, betas=[0.9, 0.999], eps=1e-08, weight_decay=0.01), "
        "but adamw(lr=0.003, betas=[0.9, 0.999], eps=1e-08, weight_decay=0.01) in the run",
    ),
    "augment": ({"augment": []}, "augment: [], but [shift(pixels=2), flip(p=0.5)] in the run"),
    "epochs": ({"epochs": 6}, "would have had other learning rates"),
    "layout": ({"channels_last": False}, "channels_last: false, but true in the run"),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_differs_is_said_and_refused(name: str, half: Path) -> None:
    settings, words = DIFFERENT[name]
    before = {path.name: path.read_bytes() for path in half.iterdir()}
    with pytest.raises(TrainError) as caught:
        go(half, settings, resume=True)
    assert caught.value.code == "E0812"
    assert words in "\n".join(caught.value.notes)
    assert {path.name: path.read_bytes() for path in half.iterdir()} == before


def test_another_network_is_refused(half: Path) -> None:
    with pytest.raises(TrainError) as caught:
        go(half, resume=True, code="Another")
    assert caught.value.notes == ("the network is another one",)


def test_more_epochs_go_on_where_they_change_nothing_before(tmp_path: Path) -> None:
    settings = {"batch": 300, "schedule": call("step", every=2), "accumulate": 1}
    go(tmp_path / "four", settings | {"epochs": 4})
    go(tmp_path / "two", settings | {"epochs": 2})
    go(tmp_path / "two", settings | {"epochs": 4}, resume=True)
    same(tmp_path / "two", tmp_path / "four")
    with pytest.raises(TrainError, match="cannot be resumed") as caught:
        go(tmp_path / "two", settings | {"epochs": 3}, resume=True)
    assert caught.value.notes == ("epochs: 3, but 4 of the run are done",)


def test_what_a_run_reached_before_it_went_on_is_not_its_result(tmp_path: Path) -> None:
    settings = {"batch": 300, "schedule": call("step", every=2), "accumulate": 1}
    go(tmp_path / "run", settings | {"epochs": 1})
    assert (tmp_path / "run" / "result.json").exists()
    with pytest.raises(Interrupted):
        go(tmp_path / "run", settings | {"epochs": 4}, module=stops(3), resume=True)
    assert not (tmp_path / "run" / "result.json").exists()


def test_a_folder_that_checkpoints_could_not_be_read_from(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="is not UTF-8") as caught:
        go(tmp_path / os.fsdecode(b"a\xff"))
    assert caught.value.code == "E0708"
    assert list(tmp_path.iterdir()) == []
