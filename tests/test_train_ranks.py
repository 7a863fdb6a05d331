"""Several processes train one network as a single one would: gloo, two processes, on the CPU."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archc import cli
from archc.recipe import Called, RecipeSpec, Setting
from archc.source import Source, Span
from archc.train import Elsewhere, Interrupted, TrainError, fit
from archc.train.folder import checkpoint
from archc.train.norms import synchronised
from archc.train.ranks import Pulse, Ranks, joined
from archc.train.settings.recipe import Recipe

torch.set_num_threads(1)

TEXT = Source("test.arch", "recipe quick for Tiny { }")
SPAN = Span(TEXT, 0, 6)
WELL, FAILED, ELSEWHERE, STOPPED, BROKEN = 0, 1, 2, 3, 9
"""How a process ended."""


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=3)
        self.fc = nn.Linear(4 * 81, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.relu(self.norm(self.conv(x))).flatten(1))

    def norm(self, x: Tensor) -> Tensor:
        return x


class Normed(Tiny):
    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(4)

    def norm(self, x: Tensor) -> Tensor:
        return self.bn(x)


SETTINGS: dict[str, Any] = {
    "data": Called("idx", ("fashion-mnist-mini",), {}),
    "epochs": 2,
    "batch": 101,
    "validation": 0.101,
    "optimizer": Called("sgd", (0.05,), {"momentum": 0.9}),
    "augment": [Called("shift", (2,), {})],
    "pictures": False,
}


def go(
    folder: Path,
    settings: dict[str, Any],
    module: Callable[[], nn.Module],
    *,
    resume: bool = False,
    out: io.StringIO | None = None,
) -> None:
    given = tuple(Setting((k,), v, SPAN, SPAN) for k, v in (SETTINGS | settings).items())
    fit(
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
    )


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def spread(count: int, work: Callable[[int], None]) -> list[int]:
    """Do `work` in as many processes, as `torchrun` would start them; how each ended."""
    port = str(free_port())
    children = []
    for rank in range(count):
        child = os.fork()
        if child:
            children.append(child)
            continue
        code = BROKEN
        try:
            os.environ |= {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(count),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
            }
            work(rank)
            code = WELL
        except TrainError:
            code = FAILED
        except Elsewhere:
            code = ELSEWHERE
        except Interrupted:
            code = STOPPED
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def figures(folder: Path) -> list[dict[str, float]]:
    """The log without what a clock says."""
    with open(folder / "log.csv", newline="") as file:
        return [
            {k: float(v) for k, v in row.items() if k not in ("seconds", "images_per_second")}
            for row in csv.DictReader(file)
        ]


def alike(one: Path, other: Path, close: float) -> None:
    """Two runs had the same losses, figures and weights, up to rounding."""
    for mine, theirs in zip(figures(one), figures(other), strict=True):
        assert mine == pytest.approx(theirs, rel=close, abs=close)
    mine, _ = checkpoint.read(one / "last.safetensors")
    theirs, _ = checkpoint.read(other / "last.safetensors")
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=close, atol=close)


WEIGHTS = [0.1, 5.0, 1, 1, 1, 3.0, 1, 1, 0.2, 1]
"""Of classes: a loss that is no mean over samples."""
CASES: dict[str, tuple[dict[str, Any], Callable[[], nn.Module]]] = {
    "plain": ({}, Tiny),
    "in parts": ({"accumulate": 3, "clip": 0.5, "ema": 0.9}, Tiny),
    "batchnorm": ({"accumulate": 2}, Normed),
    "weights": ({"loss": Called("cross_entropy", (), {"weights": WEIGHTS}), "epochs": 1}, Tiny),
}


@pytest.mark.parametrize("name", CASES)
def test_two_processes_do_what_one_does(name: str, tmp_path: Path) -> None:
    settings, module = CASES[name]
    go(tmp_path / "one", settings, module)
    assert spread(2, lambda rank: go(tmp_path / "two", settings, module)) == [WELL, WELL]
    alike(tmp_path / "one", tmp_path / "two", 2e-4)
    results = [json.loads((tmp_path / n / "result.json").read_text()) for n in ("one", "two")]
    assert results[0]["test"]["loss"] == pytest.approx(results[1]["test"]["loss"], rel=1e-4)


def test_batch_statistics_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    """Against torch's own layer over all samples: values, gradients, running statistics."""
    x = torch.randn(7, 3, 4, 5, generator=torch.Generator().manual_seed(1)) * 3 + 40
    slope = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))

    def train(layer: nn.Module, x: Tensor, slope: Tensor) -> dict[str, Tensor]:
        x = x.clone().requires_grad_()
        for _ in range(2):
            y = layer(x)
            (y * slope).sum().backward()
        own = {f"{n}.grad": p.grad for n, p in layer.named_parameters() if p.grad is not None}
        state = {n: t.detach() for n, t in layer.state_dict().items()}
        return state | own | {"y": y.detach(), "x.grad": x.grad}  # type: ignore[dict-item]

    def work(rank: int) -> None:
        with joined() as ranks:
            rows = ranks.rows(len(x))
            layer = synchronised(nn.Sequential(nn.BatchNorm2d(3)), torch.device("cpu"))
            torch.save(train(layer, x[rows], slope[rows]), tmp_path / f"{rank}.pt")

    assert spread(2, work) == [WELL, WELL]
    shares = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    whole = train(nn.Sequential(nn.BatchNorm2d(3)), x, slope)
    for name, expected in whole.items():
        if name in ("y", "x.grad"):
            found = torch.cat([share[name] for share in shares])
        elif name.endswith("grad"):
            found = shares[0][name] + shares[1][name]
        else:
            found = shares[1][name]
        torch.testing.assert_close(found, expected, rtol=2e-5, atol=2e-5, msg=name)


def test_batch_statistics_of_each_process_on_request(tmp_path: Path) -> None:
    settings = {"sync_batchnorm": False, "epochs": 1}
    go(tmp_path / "one", settings, Normed)
    assert spread(2, lambda rank: go(tmp_path / "two", settings, Normed)) == [WELL, WELL]
    one, two = figures(tmp_path / "one"), figures(tmp_path / "two")
    assert one[0]["train_loss"] != pytest.approx(two[0]["train_loss"], rel=1e-6)
    assert one[0]["train_loss"] == pytest.approx(two[0]["train_loss"], rel=0.05)


def test_two_processes_go_on_bit_by_bit(tmp_path: Path) -> None:
    class Stops(Normed):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += self.training
            if self.training and self.calls == 25 and os.environ["RANK"] == "1":
                os.kill(os.getpid(), signal.SIGTERM)  # one is told, both stop
            return super().forward(x)

    # at whose steps the processes agree on what to do, besides four times a second
    often = {"checkpoint": Called("every", (), {"steps": 3})}

    def whole(rank: int) -> None:
        go(tmp_path / "whole", often, Normed)

    def first(rank: int) -> None:
        go(tmp_path / "run", often, Stops)

    def second(rank: int) -> None:
        go(tmp_path / "run", often, Normed, resume=True)

    assert spread(2, whole) == [WELL, WELL]
    assert spread(2, first) == [STOPPED, STOPPED]
    before = (tmp_path / "run" / "last.safetensors").read_bytes()
    assert spread(2, second) == [WELL, WELL]
    after = (tmp_path / "run" / "last.safetensors").read_bytes()
    assert before != after == (tmp_path / "whole" / "last.safetensors").read_bytes()
    assert figures(tmp_path / "run") == figures(tmp_path / "whole")
    with pytest.raises(TrainError) as caught:
        go(tmp_path / "run", often, Normed, resume=True)
    assert caught.value.notes == ("processes: 1, but 2 in the run",)


def test_a_failure_of_one_process_ends_all(tmp_path: Path) -> None:
    class Bursts(Tiny):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += self.training
            y = super().forward(x)
            bad = self.calls == 20 and os.environ["RANK"] == "1"
            return y * float("nan") if bad else y

    assert spread(2, lambda rank: go(tmp_path / "nan", {}, Bursts)) == [FAILED, FAILED]
    blocked = tmp_path / "file"
    blocked.touch()
    assert spread(2, lambda rank: go(blocked, {}, Tiny)) == [FAILED, ELSEWHERE]
    assert spread(2, lambda rank: go(tmp_path / "x", {"batch": 1}, Tiny)) == [FAILED, FAILED]
    assert not (tmp_path / "x").exists()


def test_a_process_that_is_killed_is_missed_in_words(tmp_path: Path) -> None:
    class Dies(Tiny):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += self.training
            if self.calls == 20 and os.environ["RANK"] == "1":
                os.kill(os.getpid(), signal.SIGKILL)
            return super().forward(x)

    def run(rank: int) -> None:
        with pytest.raises(TrainError, match="another process of the run is gone") as caught:
            go(tmp_path / "run", {}, Dies)
        assert caught.value.code == "E0813"

    assert spread(2, run) == [WELL, -signal.SIGKILL]


def test_one_of_several_processes_complains_and_ends_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`torchrun` ends the others as soon as one ends: what is wrong must have been said."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        assert cli.main(["train", str(tmp_path / "none.arch")]) == 1
        assert len(waited) == int(rank)
        assert ("E0701" in capsys.readouterr().err) == (rank == "0")


def test_every_sample_goes_to_one_process() -> None:
    for world in range(1, 7):
        for count in range(40):
            shares = [Ranks(rank, world).rows(count) for rank in range(world)]
            sizes = [s.stop - s.start for s in shares]
            assert [i for s in shares for i in range(count)[s]] == list(range(count))
            assert max(sizes) - min(sizes) <= 1


def test_a_process_alone_looks_up_at_every_step() -> None:
    asked = [False]
    pulse = Pulse(Ranks(), lambda: asked[0], lambda: False, lambda: False)
    assert not pulse(False).stop
    asked[0] = True
    assert pulse(False).stop
    assert pulse(True).save


SPEC = """
network Tiny {
  input image[1, 28, 28]
  output logits = image -> conv(6, 4, stride=2, bias=false) -> batchnorm -> relu
    -> flatten -> fc: linear(10)
}

recipe quick for Tiny {
  data      = idx("fashion-mnist-mini")
  epochs    = 1
  batch     = 180
  optimizer = sgd(lr=0.05, momentum=0.9)
  pictures  = false
}
"""


@pytest.mark.slow
def test_torchrun_starts_it_and_one_process_speaks(tmp_path: Path) -> None:
    (tmp_path / "tiny.arch").write_text(SPEC)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    torchrun += ["--master-port", str(free_port()), "-m", "archc.train"]
    here = {"cwd": tmp_path, "capture_output": True, "text": True}
    ran = subprocess.run([*torchrun, "tiny.arch", "-o", "two"], **here)  # type: ignore[call-overload]
    assert ran.returncode == 0, ran.stderr
    assert "Warning" not in ran.stderr
    assert "2 processes" in ran.stdout
    assert ran.stdout.count("Tiny reached accuracy") == 1
    subprocess.run(
        [sys.executable, "-m", "archc.train", "tiny.arch", "-o", "one"], check=True, **here
    )  # type: ignore[call-overload]
    alike(tmp_path / "one", tmp_path / "two", 2e-4)
    ran = subprocess.run([*torchrun, "tiny.arch", "--set", "batch=1"], **here)  # type: ignore[call-overload]
    assert ran.returncode == 1
    assert ran.stderr.count("is too small for 2 processes") == 1
