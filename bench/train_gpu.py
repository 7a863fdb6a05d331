"""Training on a GPU: ResNet-50 against torchvision's module, memory against the estimate.

python bench/train_gpu.py [--batch 256] [--size 224] [--steps 20] [--runs 5] [--peak h200]

All run the same loop (bf16, channels_last, fused SGD with momentum), once eager and once compiled,
in blocks that take turns: archc's emitted module and torchvision's in the bare step, and archc's
own training loop. Where there is no GPU, small sizes show that it works:

python bench/train_gpu.py --device cpu --batch 2 --size 64 --steps 1 --runs 1 --eager
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from steps import Synthetic, archc_epoch, bare_epoch, interleaved, recipe, settled, wait
from torch import nn

import archc
from archc.analysis.devices import DEVICES
from archc.analysis.memory_budget import budget
from archc.recipe import Called
from archc.train.device import numerics

SPEC = Path(__file__).parents[1] / "specs" / "resnet.arch"
CLASSES = 1000
PASSES = 3
"""Forward, and twice as much backward."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", help="cuda, cuda:1, cpu (default: what is there)")
    parser.add_argument("--batch", type=int, default=256, help="images per step (256)")
    parser.add_argument("--size", type=int, default=224, help="height and width (224)")
    parser.add_argument("--steps", type=int, default=20, help="steps in a block (20)")
    parser.add_argument("--runs", type=int, default=5, help="blocks of each (5)")
    parser.add_argument("--peak", choices=DEVICES, help="device whose peak shares are of")
    parser.add_argument("--eager", action="store_true", help="leave out the compiled runs")
    options = parser.parse_args()
    network = archc.load(SPEC, sizes={"H": options.size, "W": options.size})["ResNet50"]
    for compiled in (False,) if options.eager else (False, True):
        throughput(network, options, compiled)
    memory(network, options)
    return 0


def throughput(network: Any, options: argparse.Namespace, compiled: bool) -> None:
    """Images a second of the three, and their ratios."""
    made = recipe(
        batch=options.batch,
        epochs=options.runs + 2,
        optimizer=Called("sgd", (0.01,), {"momentum": 0.9}),
        compile=compiled,
        precision="bf16",
        channels_last=True,
    )
    setup = settled(options.device, made, options.steps)
    data = Synthetic((3, options.size, options.size), CLASSES, options.batch, options.steps)
    ways: dict[str, Callable[[int], None]] = {}
    with numerics(setup):
        peer = torchvision_resnet50()
        if peer is not None:
            ways["torchvision"] = bare_epoch(peer, data, made, setup)
        ways["emitted"] = bare_epoch(network.module(), data, made, setup)
        ways["archc train"] = archc_epoch(network.module(), data, made, setup)
        times = interleaved(options.runs, ways, setup, warm=2)
    images = options.steps * options.batch
    work = 2 * PASSES * network.report.macs
    print(f"ResNet-50, {'compiled' if compiled else 'eager'}, batch {options.batch} at "
          f"{options.size}, {setup.title}, median of {options.runs}")  # fmt: skip
    for name, seconds in times.items():
        speed = images / median(seconds)
        peak = DEVICES[options.peak].rate("bf16") if options.peak else None
        share = f"   {speed * work / peak:6.1%} of peak" if peak else ""
        print(f"  {name:<12} {speed:10,.1f} images/s{share}")
    for name, other in (("emitted", "torchvision"), ("archc train", "emitted")):
        if other in times:
            ratio = median(b / a for a, b in zip(times[name], times[other], strict=True))
            print(f"  {name} to {other}: {ratio:.3f}")


def torchvision_resnet50() -> nn.Module | None:
    """torchvision's module, where it is installed; its compiled operators are not needed."""
    from importlib.util import find_spec

    if find_spec("torchvision") is None:
        return None
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision.models import resnet50

    made = resnet50(num_classes=CLASSES)
    assert isinstance(made, nn.Module)
    return made


def memory(network: Any, options: argparse.Namespace) -> None:
    """Peak memory of a float32 step, as `archc check` estimates it and as torch counts it."""
    made = recipe(
        batch=options.batch,
        optimizer=Called("sgd", (0.01,), {"momentum": 0.9}),
        compile=False,
        precision="fp32",
        channels_last=False,
    )
    setup = settled(options.device, made, 1)
    gpu = setup.device.type == "cuda"
    expected = budget(network.graph, cuda=gpu).training(options.batch, "momentum")
    print(f"memory of a float32 step: {expected / 2**30:.2f} GiB expected", end="")
    data = Synthetic((3, options.size, options.size), CLASSES, options.batch, 2)
    with numerics(setup):
        if gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(setup.device)
            before = torch.cuda.memory_allocated(setup.device)
        bare_epoch(network.module(), data, made, setup)(0)
        wait(setup)
        if gpu:
            found = torch.cuda.max_memory_allocated(setup.device) - before
            print(f", {found / 2**30:.2f} GiB at the peak, ratio {found / expected:.3f}")
        else:
            print("; only a GPU's allocator counts what was used")


if __name__ == "__main__":
    sys.exit(main())
