"""How good the estimates of memory and time are, against what PyTorch does.

    python bench/estimates.py [--batch 16] [SPEC:NETWORK ...]

Two steps of training with momentum, and inferences. With a GPU: the peak of its allocator, and the
time of a forward pass, against `archc check --device`; the device in the table whose name is in the
GPU's own is taken. Without one: the tensors that are alive at the peak, on the meta device, where
nothing is computed and so nothing is timed.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from archc.analysis.devices import DEVICES, Device
from archc.analysis.memory_budget import budget
from archc.analysis.roofline import Roofline
from archc.driver import Compiled, Options, compile_spec
from archc.emit.pytorch import source
from archc.graph import leaves
from archc.train.build import instantiate

SPECS = Path(__file__).resolve().parent.parent / "specs"
USUAL = (
    "resnet:ResNet18",
    "resnet:ResNet50",
    "vgg:VGG16",
    "densenet:DenseNet121",
    "googlenet:GoogLeNet",
    "mobilenet:MobileNetV1_100",
    "unet:UNetAnySize",
    "hrnet:HRNetW18",
    "segnet:SegNet",
    "hourglass:Hg2",
    "resnet_cifar:ResNet56",
    "efficientnet:EfficientNetB0",
    "lenet5:LeNet5",
)
MIB = 1 << 20
WARM, RUNS = 5, 20


class Live(TorchDispatchMode):
    """The most bytes of tensors that are alive at one time."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self.most = 0
        for t in (*module.parameters(), *module.buffers()):
            self.note(t)

    def note(self, t: Tensor) -> None:
        storage = t.untyped_storage()
        self.alive[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for key in [k for k, (held, _) in self.alive.items() if held.expired()]:
            del self.alive[key]
        result = func(*args, **(kwargs or {}))
        for t in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(t, Tensor):
                self.note(t)
        self.most = max(self.most, sum(size for _, size in self.alive.values()))
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("networks", nargs="*", default=USUAL, metavar="SPEC:NETWORK")
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    gpu = torch.cuda.is_available()
    device = known_device() if gpu else None
    title = torch.cuda.get_device_name() if gpu else "meta: tensors alive, nothing timed"
    print(f"{title}, batch {args.batch}, float32\n")
    print(f"{'network':18}{'training, MiB':>16}{'estimate':>12}{'ratio':>8}", end="")
    print(f"{'forward, ms':>14}{'roofline':>12}{'ratio':>8}" if device else "")
    for each in args.networks:
        spec, _, name = each.partition(":")
        made = compile_spec(str(SPECS / f"{spec}.arch"), Options(network=name))[name]
        estimate = budget(made.graph, cuda=gpu).training(args.batch, "momentum")
        module = built(made, "cuda" if gpu else "meta")
        peak = trained(module, made, args.batch, gpu)
        line = f"{name:18}{peak / MIB:16,.1f}{estimate / MIB:12,.1f}{estimate / peak:8.2f}"
        if device:
            taken = timed(module, made, args.batch)
            best = sum(t.seconds for t in Roofline(made.graph, device, args.batch).layers())
            line += f"{1e3 * taken:14.2f}{1e3 * best:12.2f}{taken / best:8.2f}"
        print(line, flush=True)


def known_device() -> Device | None:
    """The device of the table that this GPU is."""
    own = torch.cuda.get_device_name().lower().replace(" ", "")
    return next((d for d in DEVICES.values() if d.name in own), None)


def built(made: Compiled, where: str) -> nn.Module:
    with torch.device(where):
        return instantiate(source(made.graph, made.report, made.doc), made.graph.name)


def inputs(made: Compiled, batch: int, where: str) -> list[Tensor]:
    body = made.graph.main
    shapes = [body.values[v].shape for end in body.inputs for v in leaves(end.value)]
    return [torch.rand(batch, *map(int, shape), device=where) for shape in shapes]


def flat(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else [t for part in result for t in flat(part)]


def trained(module: nn.Module, made: Compiled, batch: int, gpu: bool) -> int:
    """Bytes at the peak of two steps of training."""
    module.train()
    # one parameter at a time: what a step keeps is counted, not what a fused one puts aside
    optimizer = torch.optim.SGD(module.parameters(), 1e-6, momentum=0.9, foreach=False)
    live = Live(module)
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    for _ in range(2):
        if gpu:
            step(module, inputs(made, batch, "cuda"), optimizer)
        else:
            with live, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                step(module, inputs(made, batch, "meta"), optimizer)
    return torch.cuda.max_memory_allocated() if gpu else live.most


def step(module: nn.Module, xs: list[Tensor], optimizer: torch.optim.Optimizer) -> None:
    torch.stack([y.sum() for y in flat(module(*xs))]).sum().backward()
    optimizer.step()
    optimizer.zero_grad()


@torch.no_grad()
def timed(module: nn.Module, made: Compiled, batch: int) -> float:
    """Seconds of a forward pass on the GPU: the median, in float32 throughout."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    module.eval()
    xs = inputs(made, batch, "cuda")
    times = []
    for run in range(WARM + RUNS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        module(*xs)
        end.record()
        torch.cuda.synchronize()
        if run >= WARM:
            times.append(start.elapsed_time(end) / 1e3)
    return median(times)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
