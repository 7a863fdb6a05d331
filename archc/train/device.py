"""Which device, which precision, which layout: what `auto` means on it."""

from __future__ import annotations

import ctypes
import gc
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from .errors import TrainError
from .settings.recipe import Recipe

SMALL_STEP = 200_000_000
"""Multiply-accumulates of a batch: below, threads lose more by waiting than they gain."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Numbers of malloc.h: above so many free bytes memory is given back; above so large, at once."""
KEPT, LARGEST = 1 << 30, 32 << 20
"""The second is the most that glibc takes."""
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
REPEATING = (":4096:8", ":16:8")
"""Values of it with which cuBLAS adds in the same order each time; read when first it is used."""
COMPILE_STEPS = 5_000
"""From so many steps on, compiling (about a minute) pays on a GPU."""
TENSOR_CORES = 8
"""Compute capability from which a GPU has units for bf16 and TF32 (Ampere); before, torch emulates
bf16, more slowly than it computes in float32."""
NO_MEMORY = ("out of memory", "can't allocate memory", "ALLOC_FAILED", "ALLOCATION_FAILED")
"""What allocations that failed say of themselves: CUDA's, the system's, cuBLAS's, cuDNN's."""
VARYING = re.compile(r"(\S+) does not have a deterministic implementation")


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
        """`NVIDIA H100 (cuda:0), bf16, compiled` or `cpu, fp32, 2 threads`."""
        precision = "bf16" if self.bf16 else "tf32" if self.tf32 else "fp32"
        if self.compile:
            precision += ", compiled"
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
    gpu, measured = device.type == "cuda", device.type in ("cuda", "cpu")
    cores = gpu and _has_tensor_cores(device)
    last = recipe.channels_last
    compiled = recipe.compile
    pays = gpu and steps >= COMPILE_STEPS and find_spec("triton") is not None
    return Setup(
        device=device,
        bf16=recipe.precision == "bf16" or (recipe.precision == "auto" and cores),
        tf32=cores and recipe.precision != "fp32",
        channels_last=rank == 3 and (measured if last == "auto" else last),
        compile=pays if compiled == "auto" else compiled,
        fused=measured,
        deterministic=recipe.deterministic,
    )


def _has_tensor_cores(device: torch.device) -> bool:
    """For bf16 and TF32. AMD's GPUs of today have them, whatever the number."""
    return torch.version.hip is not None or (
        torch.cuda.get_device_capability(device)[0] >= TENSOR_CORES
    )


def find(wanted: str | None) -> torch.device:
    """The named device, without a name a GPU if there is one, else the CPU; proven by use.

    Raises TrainError E0810 where it is not there or cannot be used, E0811 where it is full.
    """
    if wanted is None:
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise TrainError(
            "E0810", f"`{wanted}` is no device", help="write `cpu`, `cuda` or `cuda:1`"
        ) from None
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", 0)
    try:
        with _out_of_memory(f"the memory of `{device}` is full", None):
            # what a GPU cannot do (an old one, of which torch has no kernels) shows when it is done
            torch.ones(1, device=device).add_(1).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0].partition(". ")[0]
        raise TrainError(
            "E0810", f"there is no `{wanted}` here", notes=(why,), help=_instead()
        ) from None
    return device


def _instead() -> str:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = ["`cpu`", *(f"`cuda:{i}`" for i in range(count))]
    return "there is " + ", ".join(found)


@contextmanager
def numerics(setup: Setup) -> Iterator[None]:
    """torch's global switches as the run wants them; as they were, afterwards.

    Raises TrainError E0802 where the network cannot be compiled, or has no way to give the same
    bits every time, though it is to.
    """
    threads = torch.get_num_threads()
    gpu = setup.device.type == "cuda"
    try:
        with ExitStack() as held:
            held.enter_context(_in_words(setup))
            if not gpu:
                keep_freed_memory()
            else:
                # what takes the current GPU (pinned memory, say) shall take this one
                held.enter_context(torch.cuda.device(setup.device))
                gc.collect()  # an earlier run of this process, whose parts refer to each other
                torch.cuda.empty_cache()
                held.enter_context(_tensor_cores(setup))
            if setup.deterministic:
                held.enter_context(_repeating(gpu))
            held.enter_context(torch.random.fork_rng([setup.device] if gpu else []))
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _tensor_cores(setup: Setup) -> Iterator[None]:
    """TF32 where it is allowed, and the kernels of cuDNN that prove fastest.

    The switches of TF32 are set in the older of torch's two ways, which sets the newer one too; but
    reading the older fails for who has set the newer.
    """
    cudnn = torch.backends.cudnn
    parts: tuple[Any, ...] = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)  # type: ignore[attr-defined]
    newer = [part.fp32_precision for part in parts]
    matmul: str | None = None
    convolution: bool | None = None
    with suppress(RuntimeError):
        matmul = torch.get_float32_matmul_precision()
    with suppress(RuntimeError):
        convolution = cudnn.allow_tf32
    benchmark = cudnn.benchmark
    torch.set_float32_matmul_precision("high" if setup.tf32 else "highest")
    cudnn.allow_tf32 = setup.tf32
    # sizes do not change within a run; what is fastest may, from run to run
    cudnn.benchmark = not setup.deterministic
    try:
        yield
    finally:
        cudnn.benchmark = benchmark
        if matmul is not None:
            torch.set_float32_matmul_precision(matmul)
        if convolution is not None:
            cudnn.allow_tf32 = convolution
        for part, precision in zip(parts, newer, strict=True):
            part.fp32_precision = precision


@contextmanager
def _repeating(gpu: bool) -> Iterator[None]:
    """Operators in the form that gives the same bits every time.

    One that has none fails on a GPU. On a CPU torch fails for some by their names alone (max_unpool
    is one), though none that networks use gives other bits there.
    """
    strict = torch.are_deterministic_algorithms_enabled()
    lenient = torch.is_deterministic_algorithms_warn_only_enabled()
    workspace = os.environ.get(WORKSPACE)
    if workspace not in REPEATING:
        os.environ[WORKSPACE] = REPEATING[0]
    torch.use_deterministic_algorithms(True, warn_only=not gpu)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=VARYING.pattern)
            yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=lenient)
        if workspace is None:
            os.environ.pop(WORKSPACE, None)
        else:
            os.environ[WORKSPACE] = workspace


@contextmanager
def _in_words(setup: Setup) -> Iterator[None]:
    """What torch raises because of a switch, as TrainError E0802 on the setting."""
    try:
        yield
    except RuntimeError as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        varying = VARYING.match(why)
        if setup.deterministic and varying:
            raise TrainError(
                "E0802",
                f"`deterministic` cannot be kept: the network needs `{varying[1]}`, which has no "
                f"form on `{setup.device}` that gives the same bits every time",
                help="leave out `deterministic`, exchange the layer, or train with `--device cpu`",
            ) from None
        if setup.compile and _of_the_compiler(error):
            raise TrainError(
                "E0802",
                "`compile`: torch cannot compile the network here",
                notes=(why,),
                help="write `compile = false`",
            ) from error
        raise


def _of_the_compiler(error: RuntimeError) -> bool:
    """Does it come from torch.compile, and not from what was compiled?"""
    from torch._dynamo.exc import BackendCompilerFailed, TorchDynamoException

    return isinstance(error, BackendCompilerFailed | TorchDynamoException)


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


def moved(module: nn.Module, setup: Setup) -> nn.Module:
    """The module on the device, in its layout of memory."""
    module = module.to(setup.device)
    if setup.channels_last:
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


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
        if not any(words in str(error) for words in NO_MEMORY):
            raise
        why = str(error)
    else:
        return
    raise TrainError("E0811", message, notes=tuple(why.strip().splitlines()[:1]), help=help)
