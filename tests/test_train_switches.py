"""Switches of training: precision, layout, compile, deterministic; what they decide and change."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from archc.train import device, ranks
from archc.train.data.samples import IGNORED
from archc.train.device import Setup, choose, find, memory_advice, numerics
from archc.train.errors import Elsewhere, Interrupted, TrainError
from archc.train.folder.resume import check_same
from archc.train.norms import UncompiledSyncBatchNorm, synchronised
from archc.train.ranks import Ranks, copies, joined
from archc.train.settings.recipe import Recipe, plain
from archc.train.tasks import metrics
from archc.train.tasks.metrics import Segmentation

from .support.trainings import (
    CASES,
    SGD,
    Classifier,
    Dense,
    read,
    setup_of,
    trainer_of,
)
from .support.waiting import Pinned, stands_for_a_gpu

torch.set_num_threads(1)

SPECS = Path(__file__).parents[1] / "specs"
CPU = torch.device("cpu")
GPU = torch.device("cuda", 0)


# --------------------------------------------------------------------------- what is decided


def chosen(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], steps: int = 100_000, **more: Any
) -> Setup:
    """The setup for a GPU of that capability, as far as torch is asked for it."""
    monkeypatch.setattr(device, "find", lambda wanted: GPU)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(device, "find_spec", lambda name: object())
    return choose(read({"compile": "auto"} | more), None, 3, steps)


def test_a_gpu_is_used_for_what_it_is_good_at(monkeypatch: pytest.MonkeyPatch) -> None:
    hopper = chosen(monkeypatch, (9, 0))
    assert (hopper.bf16, hopper.tf32, hopper.channels_last) == (True, True, True)
    assert (hopper.compile, hopper.fused) == (True, True)
    turing = chosen(monkeypatch, (7, 5))  # torch would emulate bf16
    assert (turing.bf16, turing.tf32, turing.channels_last) == (False, False, True)
    assert chosen(monkeypatch, (7, 5), precision="bf16").bf16
    exact = chosen(monkeypatch, (9, 0), precision="fp32")
    assert (exact.bf16, exact.tf32) == (False, False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H100")
    titles = [made.title for made in (hopper, turing, exact)]
    assert titles == [
        f"NVIDIA H100 (cuda:0), {words}, compiled" for words in ("bf16", "fp32", "fp32")
    ]


def test_compiling_is_for_long_runs_and_needs_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not chosen(monkeypatch, (9, 0), steps=1_000).compile
    assert chosen(monkeypatch, (9, 0), steps=1_000, compile=True).compile
    chosen(monkeypatch, (9, 0))
    monkeypatch.setattr(device, "find_spec", lambda name: None)
    assert not choose(read({"compile": "auto"}), None, 3, 100_000).compile


def test_a_device_is_proven_by_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(message: str, kind: type[Exception] = RuntimeError) -> None:
        def ones(*size: int, device: torch.device) -> Tensor:
            raise kind(message)

        monkeypatch.setattr(torch, "ones", ones)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    refuse("CUDA error: no kernel image is available for execution on the device")
    with pytest.raises(TrainError, match="there is no `cuda` here") as caught:
        find(None)
    assert (caught.value.code, caught.value.notes[0][:10]) == ("E0810", "CUDA error")
    refuse("CUDA out of memory. Tried to allocate 2 MiB", torch.OutOfMemoryError)
    with pytest.raises(TrainError, match="memory of `cuda:1` is full") as caught:
        find("cuda:1")
    assert caught.value.code == "E0811"


@pytest.mark.parametrize(
    "words",
    [
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    ],
)
def test_every_library_of_a_gpu_may_lack_memory(words: str) -> None:
    with pytest.raises(TrainError) as caught, memory_advice(64):
        raise RuntimeError(words)
    assert (caught.value.code, caught.value.notes) == ("E0811", (words,))
    with pytest.raises(RuntimeError, match="illegal"), memory_advice(64):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


def test_a_run_goes_on_by_what_was_decided() -> None:
    """On a GPU, more epochs may turn `compile = auto`: then the run's own choice can be given."""
    begun = read({"compile": "auto", "epochs": 10})
    longer = read({"compile": False, "epochs": 20})

    def identity(recipe: Recipe, compiled: bool) -> dict[str, Any]:
        decided = {"precision": "bf16", "channels_last": True, "compile": compiled}
        others = {"network": "", "data": "", "processes": 1, "device": "cuda"}
        return {"recipe": plain(recipe), **others, **decided}

    check_same(identity(begun, False), identity(longer, False), longer, 100, 10)
    with pytest.raises(TrainError) as caught:
        check_same(identity(begun, False), identity(begun, True), begun, 100, 10)
    assert caught.value.notes == ("compile: true, but false in the run",)


# --------------------------------------------------------------------------- deterministic


class Unpooled(Dense):
    """SegNet in small: torch says of max_unpool that its bits may not repeat."""

    def forward(self, x: Tensor) -> Any:
        x = F.relu(self.one(x))
        small, places = F.max_pool2d(x, 2, return_indices=True)
        return self.two(F.max_unpool2d(small, places, 2))


def test_on_a_processor_all_repeats() -> None:
    losses = []
    for _ in range(2):
        torch.manual_seed(0)
        module, setup = Unpooled(), setup_of(CPU, deterministic=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with numerics(setup):
                trainer = trainer_of("masks", module, {"ignore": 7, "epochs": 1}, setup)
                losses.append(trainer.epoch(0).train.loss)
        assert not torch.are_deterministic_algorithms_enabled()
    assert losses[0] == losses[1]


def test_what_cannot_repeat_is_said() -> None:
    setup = setup_of(CPU, deterministic=True)
    with pytest.raises(TrainError) as caught, device._in_words(setup), device._repeating(gpu=True):
        F.max_unpool2d(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2, dtype=torch.long), 2)
    assert caught.value.code == "E0802"
    assert "`max_unpooling2d_forward_out`" in caught.value.message
    assert not torch.are_deterministic_algorithms_enabled()


def test_switches_are_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(device.WORKSPACE, ":0:0")  # with which torch would refuse to multiply
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with device._repeating(gpu=True):
            assert device.os.environ[device.WORKSPACE] in device.REPEATING
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert device.os.environ[device.WORKSPACE] == ":0:0"
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


TF32 = """
import torch
from archc.train import device
from tests.support.trainings import setup_of

def state():
    cudnn = torch.backends.cudnn
    found = [part.fp32_precision for part in (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)]
    for read in (torch.get_float32_matmul_precision, lambda: cudnn.allow_tf32):
        try:
            found.append(read())
        except RuntimeError:
            found.append("mixed")
    return [*found, cudnn.benchmark]

def held(tf32):
    with device._tensor_cores(setup_of(torch.device("cpu"), tf32=tf32)):
        return state()

def check():
    before = state()
    exact, fast = held(False), held(True)
    assert (exact[0], exact[3:]) == ("ieee", ["highest", False, True]), exact
    assert (fast[:3], fast[3:]) == (["tf32"] * 3, ["high", True, True]), fast
    kept = [(one, other) for one, other in zip(before, state()) if one != "mixed"]
    assert all(one == other for one, other in kept), kept

check()
torch.set_float32_matmul_precision("high")
check()
torch.backends.cudnn.allow_tf32 = False
check()
torch.backends.cudnn.conv.fp32_precision = "tf32"
check()
torch.set_float32_matmul_precision("highest")
torch.backends.cuda.matmul.fp32_precision = "tf32"
assert state()[3:5] == ["mixed", "mixed"], state()
check()
"""


def test_tf32_is_as_it_was_however_it_was_set() -> None:
    """In a process of its own: torch remembers in which of its two ways it was set."""
    command = [sys.executable, "-c", TF32]
    ran = subprocess.run(command, cwd=SPECS.parent, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


# --------------------------------------------------------------------------- data


@pytest.mark.parametrize("name", ["mixup", "masks", "keypoints"])
def test_data_that_are_fetched_train_as_those_that_lie_ready(name: str) -> None:
    kind, module, settings = CASES[name]
    found = []
    for resident in (True, False):
        torch.manual_seed(0)
        with stands_for_a_gpu(Pinned(), strict=False):
            trainer = trainer_of(kind, module(), settings, setup_of(CPU), resident=resident)
            done = trainer.epoch(0)
        found.append((done.train, done.validation, trainer.module.state_dict()))
    (train, held, weights), (other_train, other_held, others) = found
    assert (train, held) == (other_train, other_held)
    assert all(torch.equal(weights[key], others[key]) for key in weights)


def test_counting_in_several_tables_counts_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert metrics._tables(GPU, 37) == metrics.TABLES
    assert metrics._tables(GPU, 1 << 20) == metrics._tables(CPU, 37) == 1
    draw = torch.Generator().manual_seed(0)
    for classes in (6, 300):
        out = torch.randn(2, classes, 9, 9, generator=draw)
        true = torch.randint(classes, (2, 9, 9), generator=draw)
        true[0, 0] = IGNORED
        measure = Segmentation(classes)
        one = measure.sums(out, true)
        with monkeypatch.context() as patch:
            patch.setattr(metrics, "_tables", lambda device, cells: 5)
            assert torch.equal(one, measure.sums(out, true))


# --------------------------------------------------------------------------- bf16


def test_bf16_keeps_weights_and_losses_in_float32() -> None:
    seen: list[torch.dtype] = []

    class Watched(Classifier):
        def forward(self, x: Tensor) -> Any:
            out = super().forward(x)
            seen.append(out.dtype)
            return out

    found = {}
    for bf16 in (False, True):
        torch.manual_seed(0)
        setup = setup_of(CPU, bf16=bf16)
        settings = {"optimizer": SGD, "ema": 0.9, "clip": 1.0, "augment": ["flip"]}
        trainer = trainer_of("classes", Watched(), settings, setup)
        found[bf16] = trainer.epoch(0)
        dtypes = {p.dtype for p in trainer.module.parameters()}
        dtypes |= {t.dtype for t in trainer.average.state().values()} if trainer.average else set()
        assert dtypes == {torch.float32, torch.int64}
        assert seen[-1] == (torch.bfloat16 if bf16 else torch.float32)
        x, y = trainer.train.batch(trainer.train.rows(torch.arange(8)))
        with setup.autocast():
            out = trainer.forward(x)
        loss = trainer.objective.loss(out, y, training=True)
        assert loss.dtype == torch.float32
        expected = F.cross_entropy(out.float(), y)
        torch.testing.assert_close(loss, expected, rtol=0, atol=0)
    assert found[True].train.loss == pytest.approx(found[False].train.loss, rel=0.01)
    assert found[True].train.loss != found[False].train.loss


# --------------------------------------------------------------------------- several processes


def test_each_process_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert Ranks(3, 4, 3).device(None) == "cuda:3"
    assert Ranks(3, 4, 3).device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)  # each is shown its own alone
    assert Ranks(3, 4, 3).device("cuda") == "cuda:0"


def test_normalisations_that_talk_are_not_compiled() -> None:
    from torch._dynamo.testing import CompileCounter

    module = Classifier().eval()
    weight, names = module.bn.weight, list(module.state_dict())
    assert synchronised(module, GPU) is module
    assert type(module.bn) is UncompiledSyncBatchNorm
    assert module.bn.weight is weight
    assert list(module.state_dict()) == names
    x = torch.randn(2, 3, 12, 12)
    counted = CompileCounter()
    torch._dynamo.reset()
    assert torch.equal(torch.compile(module, backend=counted)(x), module(x))
    assert counted.frame_count == 2  # what is before it, and what is after


def test_gpus_that_cannot_reach_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **kwargs: Any) -> None:
        raise dist.DistBackendError("NCCL error\nncclInvalidUsage\nDuplicate GPU detected")

    monkeypatch.setattr(ranks, "DistributedDataParallel", fails)
    with pytest.raises(TrainError, match="`cpu` of process 1") as caught:
        copies(nn.Linear(1, 1), CPU, Ranks(1, 2))
    assert caught.value.code == "E0813"
    assert caught.value.notes == ("NCCL error", "Duplicate GPU detected")


@contextmanager
def one_of_two(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A process on a GPU, with a partner that answers nothing; what it did in the end."""
    done: list[str] = []
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda number: done.append(f"gpu {number}"))
    monkeypatch.setattr(dist, "init_process_group", lambda backend, timeout: done.append(backend))
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "destroy_process_group", lambda: done.append("left"))
    yield done


@pytest.mark.parametrize(
    ("failure", "left"),
    [
        (None, True),
        (TrainError("E0807", "the loss is nan"), True),
        (Interrupted("interrupted", None), True),
        (Elsewhere(), True),
        (TrainError("E0811", "too little memory"), False),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
    ],
)
def test_who_fails_alone_does_not_wait_for_the_others(
    failure: Exception | None, left: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with one_of_two(monkeypatch) as done:
        with pytest.raises(type(failure)) if failure else nullcontext(), joined() as found:
            if failure is not None:
                raise failure
        assert found == Ranks(1, 2, 1)
        assert done == ["gpu 1", "cpu:gloo,cuda:nccl", *(["left"] if left else [])]
