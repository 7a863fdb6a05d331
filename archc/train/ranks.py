"""Several processes that train one network: who they are, and what they tell each other.

`torchrun` starts the processes and says to each, in its environment, which of how many it is. Each
has the whole network and a share of every batch. With a single process all of this does nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from inspect import signature
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from .errors import Elsewhere, Interrupted, TrainError
from .settings.recipe import Recipe

PATIENCE = timedelta(minutes=10)
"""So long a process waits for another: as long as one may take to read the data more slowly."""
PULSE = 0.25
"""Seconds between the moments at which the processes agree on what to do next."""


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run."""

    rank: int = 0
    world: int = 1
    local: int = 0
    """Number of the process on its machine: the GPU that it takes."""

    @property
    def main(self) -> bool:
        """The one that writes and speaks."""
        return self.rank == 0

    def rows(self, count: int) -> slice:
        """This process's share of `count` samples in a row: at most one more than any other's."""
        return slice(count * self.rank // self.world, count * (self.rank + 1) // self.world)

    def device(self, wanted: str | None) -> str | None:
        """What to ask for, of one kind of device: each process on a machine takes its own GPU."""
        gpu = torch.cuda.is_available() and wanted in (None, "cuda")
        return f"cuda:{_own_gpu(self.local)}" if self.world > 1 and gpu else wanted

    def check(self, batch: int, recipe: Recipe) -> None:
        """Raise TrainError E0802 where a part of a batch leaves a process without a sample."""
        parts = torch.arange(batch).chunk(recipe.accumulate)
        if min(map(len, parts)) < self.world:
            in_parts = f" in {len(parts)} parts" if len(parts) > 1 else ""
            raise TrainError(
                "E0802",
                f"a batch of {batch}{in_parts} is too small for {self.world} processes",
                recipe.place("batch"),
                help=f"write `batch = {self.world * recipe.accumulate}` or more, "
                "or start fewer processes",
            )

    # ------------------------------------------------------------------ on the device

    def add(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        if self.world > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def spread(self, tensors: Iterable[Tensor]) -> None:
        """Every process gets the main one's values, in place."""
        if self.world > 1:
            for tensor in tensors:
                held = tensor.detach().contiguous()
                dist.broadcast(held, src=0)
                with torch.no_grad():
                    tensor.copy_(held)

    # ------------------------------------------------------------------ among the processors

    def most(self, numbers: list[int]) -> list[int]:
        """The largest of each number over all processes."""
        if self.world == 1:
            return numbers
        held = torch.tensor(numbers)
        dist.all_reduce(held, op=dist.ReduceOp.MAX)
        return held.tolist()

    def gather(self, data: Tensor) -> list[Tensor]:
        """A CPU tensor of the same shape from each process, in the order of their ranks."""
        if self.world == 1:
            return [data]
        found = [torch.empty_like(data) for _ in range(self.world)]
        dist.all_gather(found, data)
        return found

    def first(self, make: Callable[[], bytes]) -> bytes:
        """What the main process made, in every process.

        What it raises is raised there; in the others `Elsewhere` is.
        """
        with self.together():
            data = make() if self.main else b""
        if self.world == 1:
            return data
        size = self.most([len(data)])[0]
        held = torch.zeros(size, dtype=torch.uint8)
        if self.main and size:
            held.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        dist.broadcast(held, src=0)
        return held.numpy().tobytes()

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block that ends well in every process or in none; the others then raise `Elsewhere`.

        No process may wait for another within it.
        """
        failure: Exception | None = None
        try:
            yield
        except TrainError as error:
            failure = error
        failed = self.most([int(failure is not None)])[0]
        if failure is not None:
            raise failure
        if failed:
            _elsewhere()


ALONE = Ranks()


def _own_gpu(local: int) -> int:
    """The number of a process's GPU: its own, or 0 where each process is shown one GPU only."""
    return local if torch.cuda.device_count() != 1 else 0


def copies(module: nn.Module, device: torch.device, ranks: Ranks) -> DistributedDataParallel | None:
    """The network so wrapped that backward passes average gradients; None in a single process.

    Raises TrainError E0813 where the devices cannot reach each other: here they first try.
    """
    if ranks.world == 1:
        return None
    devices = [device] if device.type == "cuda" else None
    # running statistics are made alike where they are used: before measuring
    known = signature(DistributedDataParallel).parameters
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {buffers: False, "gradient_as_bucket_view": True}
    try:
        return DistributedDataParallel(module, device_ids=devices, **options)
    except dist.DistError as error:
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise TrainError(
            "E0813",
            f"`{device}` of process {ranks.rank} cannot reach those of the others",
            notes=tuple(why[:1] + why[1:][-1:]),  # NCCL says last what was wrong
            help="start one process for each GPU; NCCL_DEBUG=INFO has NCCL say more",
        ) from None


def _elsewhere() -> NoReturn:
    raise Elsewhere


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the other processes of the run, if `torchrun` started this one; leave them at the end.

    Raises TrainError E0813 where they cannot be reached, or one of them is gone later.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1 or "RANK" not in os.environ:
        yield Ranks()
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    gpu = torch.cuda.is_available()
    if gpu:
        torch.cuda.set_device(_own_gpu(local) % torch.cuda.device_count())
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        why = str(error).strip().splitlines() or [type(error).__name__]
        raise TrainError(
            "E0813",
            f"process {os.environ['RANK']} of {world} cannot reach the others",
            notes=(why[0],),
            help="start them with `torchrun --nproc-per-node N -m archc.train SPEC`",
        ) from None
    lonely = False
    try:
        yield Ranks(dist.get_rank(), world, local)
    except BaseException as error:
        lonely = gpu and not _shared(error)
        if isinstance(error, dist.DistError) or (
            isinstance(error, RuntimeError) and "gloo" in str(error)
        ):
            why = str(error).strip().splitlines() or [type(error).__name__]
            raise TrainError(
                "E0813",
                "another process of the run is gone",
                notes=(why[0],),
                help="what it said last may stand above; `--resume` goes on from the last state",
            ) from None
        raise
    finally:
        if not lonely:
            dist.destroy_process_group()


def _shared(failure: BaseException) -> bool:
    """Do all processes know of it? Of a lack of memory, and of what nobody foresaw, one may not.

    NCCL would have that one wait for the others, which wait for it, while `torchrun`, once it ends,
    ends them all.
    """
    if isinstance(failure, TrainError):
        return failure.code != "E0811"
    return isinstance(failure, Interrupted | Elsewhere)


@dataclass(frozen=True)
class Signals:
    """What is to be done before the next step."""

    stop: bool = False
    look: bool = False
    save: bool = False


class Pulse:
    """The moments at which the processes of a run look up from their work, all at the same step.

    A process alone does so at every step. Several agree, among their processors and without waiting
    for the devices, on how many steps they take until the next time: about `PULSE` seconds' worth.
    """

    def __init__(
        self,
        ranks: Ranks,
        stop: Callable[[], bool],
        look: Callable[[], bool],
        save: Callable[[], bool],
    ) -> None:
        self._ranks = ranks
        self._stop, self._look, self._save = stop, look, save
        self._wait = 1
        self._since = 0
        self._last = time.perf_counter()

    def __call__(self, save: bool) -> Signals:
        """Before each step. `save`: it is due by the number of steps, which all processes know."""
        if self._ranks.world == 1:
            return Signals(self._stop(), self._look(), save or self._save())
        self._since += 1
        if self._since < self._wait and not save:
            return Signals()
        now = time.perf_counter()
        pace = max((now - self._last) / self._since, 1e-6)
        steps = min(max(round(PULSE / pace), 1), 1000)
        main = self._ranks.main
        wanted = [self._stop(), main and self._look(), main and self._save(), main and steps]
        stop, look, due, self._wait = self._ranks.most([int(w) for w in wanted])
        self._since, self._last = 0, now
        return Signals(bool(stop), bool(look), save or bool(due))
