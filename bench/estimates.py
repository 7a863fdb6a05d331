"""How good the estimates of memory and time are, against what PyTorch does.

    python bench/estimates.py [--batch 16] [--json FILE] [SPEC:NETWORK ...]

Two steps of training with momentum, and inferences in float32 and bf16. With a GPU: the peak of its
allocator, and the times of a forward pass, against `archc check --device`; the device in the table
whose name is in the GPU's own is taken. Without one: the tensors that are alive at the peak, on the
meta device, where nothing is computed and so nothing is timed.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from steps import Log, common, known
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from archc.analysis.devices import Device
from archc.analysis.memory_budget import budget
from archc.analysis.roofline import Roofline
from archc.driver import Compiled, Options, compile_spec
from archc.emit.pytorch import source
from archc.graph import leaves
from archc.train.build import instantiate
from archc.train.device import find

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


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("networks", nargs="*", default=USUAL, metavar="SPEC:NETWORK")
    parser.add_argument("--batch", type=int, default=16, help="samples (16)")
    common(parser)
    args = parser.parse_args()
    place = find(args.device)
    gpu = place.type == "cuda"
    log = Log("estimates", args.json, place)
    device = known(place)
    print("on the meta device: tensors alive, nothing timed" if not gpu else "", end="")
    print(f"\nbatch {args.batch}, memory in MiB, forward passes in ms\n")
    times = "".join(f"{p + ' forward':>14}{'roofline':>10}{'ratio':>9}" for p in precisions(device))
    print(f"{'network':18}{'training':>12}{'estimate':>12}{'ratio':>7}{times}")
    if gpu:
        torch.cuda.set_device(place)
        warmed(place)
    where = place if gpu else torch.device("meta")
    for each in args.networks:
        log.attempt(each, partial(compared, each, args.batch, where, device, log))
    return log.code


def precisions(device: Device | None) -> list[str]:
    """What inferences are timed in, where there is a device to time."""
    return [p for p in ("fp32", "bf16") if device is not None and device.rate(p) is not None]


def compared(each: str, batch: int, where: torch.device, device: Device | None, log: Log) -> None:
    """A line of the table."""
    spec, _, name = each.partition(":")
    made = compile_spec(str(SPECS / f"{spec}.arch"), Options(network=name))[name]
    gpu = where.type == "cuda"
    estimate = budget(made.graph, cuda=gpu).training(batch, "momentum")
    before = torch.cuda.memory_allocated() if gpu else 0
    module = built(made, where)
    peak = trained(module, made, batch, where) - before
    figures: dict[str, object] = {"batch": batch, "peak": peak, "estimate": estimate}
    line = f"{name:18}{peak / MIB:12,.1f}{estimate / MIB:12,.1f}{estimate / peak:7.2f}"
    for precision in precisions(device):
        assert device is not None
        try:
            taken = timed(module, made, batch, where, precision)
        except RuntimeError as error:  # an operator may have no kernel for it
            figures[f"{precision}_failed"] = str(error)[:500]
            line += f"{'failed':>14}{'':19}"
            continue
        layers = Roofline(made.graph, device, batch, precision).layers()
        best = sum(layer.seconds for layer in layers)
        figures |= {f"{precision}_seconds": taken, f"{precision}_roofline": best}
        line += f"{1e3 * taken:14.3f}{1e3 * best:10.4f} {taken / best:8,.1f}"
    log(each, line, figures)


def warmed(device: torch.device) -> None:
    """What libraries allocate once is not counted to the first network."""
    x = torch.ones(1, 8, 16, 16, device=device, requires_grad=True)
    layers = nn.Sequential(nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(8 * 14 * 14, 8))
    layers.to(device)(x).sum().backward()


def built(made: Compiled, where: torch.device) -> nn.Module:
    with where:
        return instantiate(source(made.graph, made.report, made.doc), made.graph.name)


def inputs(made: Compiled, batch: int, where: torch.device) -> list[Tensor]:
    body = made.graph.main
    shapes = [body.values[v].shape for end in body.inputs for v in leaves(end.value)]
    return [torch.rand(batch, *map(int, shape), device=where) for shape in shapes]


def flat(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else [t for part in result for t in flat(part)]


def trained(module: nn.Module, made: Compiled, batch: int, where: torch.device) -> int:
    """Bytes at the peak of two steps of training."""
    module.train()
    # one parameter at a time: what a step keeps is counted, not what a fused one puts aside
    optimizer = torch.optim.SGD(module.parameters(), 1e-6, momentum=0.9, foreach=False)
    live = Live(module)
    gpu = where.type == "cuda"
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    for _ in range(2):
        if gpu:
            step(module, inputs(made, batch, where), optimizer)
        else:
            with live, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                step(module, inputs(made, batch, where), optimizer)
    return torch.cuda.max_memory_allocated() if gpu else live.most


def step(module: nn.Module, xs: list[Tensor], optimizer: torch.optim.Optimizer) -> None:
    torch.stack([y.sum() for y in flat(module(*xs))]).sum().backward()
    optimizer.step()
    optimizer.zero_grad()


@torch.no_grad()
def timed(
    module: nn.Module, made: Compiled, batch: int, where: torch.device, precision: str
) -> float:
    """Seconds of a forward pass on the GPU: the median. bf16: weights, too; TF32 in neither."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    module = module.eval().to(dtype)
    xs = [x.to(dtype) for x in inputs(made, batch, where)]
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
    sys.exit(main())
