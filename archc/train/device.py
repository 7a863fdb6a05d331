"""Which device, which precision, which layout: what `auto` means on it."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch

from .errors import TrainError
from .recipe import Recipe

SMALL_STEP = 200_000_000
"""Multiply-accumulates of a batch: below, threads lose more by waiting than they gain."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of malloc.h: above so many free bytes memory is given back; above so large, at once."""
KEPT, LARGEST = 1 << 30, 32 << 20
"""The second is the most that glibc takes."""
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""Without it, cuBLAS may add in another order each time; read when a GPU is first used."""
COMPILE_STEPS = 5_000
"""From so many steps on, compiling (about a minute) pays on a GPU."""


@dataclass(frozen=True)
class Setup:
    """The recipe's switches, decided for a device."""

    device: torch.device
    bf16: bool
    tf32: bool
    channels_last: bool
    compile: bool
    fused: bool
    deterministic: bool = False

    @property
    def title(self) -> str:
        """`NVIDIA H100 (cuda:0), bf16` or `cpu, fp32, 2 threads`."""
        precision = "bf16" if self.bf16 else "tf32" if self.tf32 else "fp32"
        if self.device.type == "cuda":
            return f"{torch.cuda.get_device_name(self.device)} ({self.device}), {precision}"
        if self.device.type == "cpu":
            threads = torch.get_num_threads()
            return f"cpu, {precision}, {threads} thread{'s' if threads > 1 else ''}"
        return f"{self.device}, {precision}"

    def autocast(self) -> AbstractContextManager[object]:
        if not self.bf16:  # an autocast that is switched off still costs something at every step
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)


def choose(recipe: Recipe, wanted: str | None, rank: int, steps: int) -> Setup:
    """Decide for the device that was asked for, else the best there is.

    `rank`: axes of the input without the batch; `steps`: of the whole run. Raises TrainError E0810.
    """
    device = find(wanted)
    gpu = device.type == "cuda"
    bf16 = recipe.precision == "bf16" or (
        recipe.precision == "auto" and gpu and torch.cuda.is_bf16_supported()
    )
    last = recipe.channels_last
    compiled = recipe.compile
    return Setup(
        device=device,
        bf16=bf16,
        tf32=gpu and recipe.precision != "fp32",
        channels_last=rank == 3 and (gpu if last == "auto" else last),
        compile=(gpu and steps >= COMPILE_STEPS) if compiled == "auto" else compiled,
        fused=device.type in ("cuda", "cpu"),
        deterministic=recipe.deterministic,
    )


def find(wanted: str | None) -> torch.device:
    """The named device, proven by use; without a name a GPU if there is one, else the CPU."""
    if wanted is None:
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise TrainError(
            "E0810", f"`{wanted}` is no device", help="write `cpu`, `cuda` or `cuda:1`"
        ) from None
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", 0)
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise TrainError(
            "E0810", f"there is no `{wanted}` here", notes=(why[0],), help=_instead()
        ) from None
    return device


def _instead() -> str:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = ["`cpu`", *(f"`cuda:{i}`" for i in range(count))]
    return "there is " + ", ".join(found)


@contextmanager
def numerics(setup: Setup) -> Iterator[None]:
    """torch's global switches as the run wants them; as they were, afterwards."""
    cudnn = torch.backends.cudnn
    before = (torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark)
    strict = torch.are_deterministic_algorithms_enabled()
    workspace = os.environ.get(WORKSPACE)
    threads = torch.get_num_threads()
    gpu = setup.device.type == "cuda"
    try:
        if not gpu:
            keep_freed_memory()
        else:
            torch.set_float32_matmul_precision("high" if setup.tf32 else "highest")
            cudnn.allow_tf32 = setup.tf32
            # sizes do not change within a run; what is fastest may, from run to run
            cudnn.benchmark = not setup.deterministic
        if setup.deterministic:
            os.environ.setdefault(WORKSPACE, ":4096:8")  # cuBLAS asks for it
            torch.use_deterministic_algorithms(True)
        with torch.random.fork_rng([setup.device] if gpu else []):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(before[0])
        cudnn.allow_tf32, cudnn.benchmark = before[1:]
        torch.use_deterministic_algorithms(strict)
        if workspace is None:
            os.environ.pop(WORKSPACE, None)


def keep_freed_memory() -> None:
    """Ask the C library to keep what is freed for the next step, where it can be asked (glibc).

    Otherwise it may give megabytes back to the system and fault them in anew, step after step.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(M_TRIM_THRESHOLD, KEPT)
    mallopt(M_MMAP_THRESHOLD, LARGEST)


def limit_threads(setup: Setup, macs: int) -> None:
    """One CPU thread for a network so small (`macs` per batch) that more would only wait."""
    if setup.device.type == "cpu" and macs < SMALL_STEP:
        torch.set_num_threads(1)


@contextmanager
def memory_advice(batch: int, accumulate: int = 1) -> Iterator[None]:
    """Turn torch's words on memory into ours: for a batch in so many parts."""
    each = -(-batch // accumulate)
    with _out_of_memory(
        f"the device has too little memory for batches of {each}",
        f"try `--set accumulate={2 * accumulate}`: the same batches, in smaller parts"
        if each > 1
        else None,
    ):
        yield


def memory_of_data() -> AbstractContextManager[None]:
    """The same for data that are read."""
    return _out_of_memory("there is too little memory for the data", None)


@contextmanager
def _out_of_memory(message: str, help: str | None) -> Iterator[None]:
    """Raise TrainError E0811 where an allocation fails, Python's, torch's or a GPU's."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        why = str(error)
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        why = str(error)
    else:
        return
    raise TrainError("E0811", message, notes=tuple(why.strip().splitlines()[:1]), help=help)
