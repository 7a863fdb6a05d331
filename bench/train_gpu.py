"""Training on a GPU: ResNet-50 against torchvision's module, memory against the estimate.

python bench/train_gpu.py [--batch 256] [--size 224] [--steps 20] [--runs 5] [--parts eager,memory]

All run the same loop (bf16, channels_last, fused SGD with momentum), once eager and once compiled,
in blocks that take turns: archc's emitted module and torchvision's in the bare step, and archc's
own training loop, with images that lie on the GPU and with images that it fetches from the host.
Where there is no GPU, small sizes show that it works:

python bench/train_gpu.py --device cpu --batch 2 --size 64 --steps 1 --runs 1 --eager
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import torch
from steps import Log, Synthetic, archc_epoch, bare_epoch, common, interleaved, known, recipe, wait
from steps import settled as settled_for
from torch import nn

import archc
from archc.analysis.devices import DEVICES
from archc.analysis.memory_budget import budget
from archc.recipe import Called
from archc.train.device import Setup, find, numerics

SPEC = Path(__file__).parents[1] / "specs" / "resnet.arch"
CLASSES = 1000
PASSES = 3
"""Forward, and twice as much backward."""
PARTS = ("eager", "memory", "compiled")
"""In the order of worth: what is measured first is kept, whatever time is left."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    common(parser)
    parser.add_argument("--batch", type=int, default=256, help="images per step (256)")
    parser.add_argument("--size", type=int, default=224, help="height and width (224)")
    parser.add_argument("--steps", type=int, default=20, help="steps in a block (20)")
    parser.add_argument("--runs", type=int, default=5, help="blocks of each (5)")
    parser.add_argument("--peak", choices=DEVICES, help="shares are of its peak (default: by name)")
    parser.add_argument("--parts", default=",".join(PARTS), help="of eager, memory, compiled (all)")
    parser.add_argument("--eager", action="store_true", help="leave out the compiled runs")
    options = parser.parse_args()
    parts = [
        part for part in options.parts.split(",") if not (options.eager and part == "compiled")
    ]
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    device = find(options.device)
    log = Log("train_gpu", options.json, device)
    if options.peak is None:
        named = known(device)
        options.peak = named.name if named else None
    network = archc.load(SPEC, sizes={"H": options.size, "W": options.size})["ResNet50"]
    ways: dict[str, Callable[[], None]] = {
        "eager": partial(throughput, network, options, False, log),
        "memory": partial(memory, network, options, log),
        "compiled": partial(throughput, network, options, True, log),
    }
    for part in parts:
        log.attempt(part, ways[part])
    return log.code


def settled(options: argparse.Namespace, *, compiled: bool, bf16: bool) -> tuple[Any, Setup]:
    """The recipe that all share, and what is switched on by it."""
    made = recipe(
        batch=options.batch,
        epochs=options.runs + 2,
        optimizer=Called("sgd", (0.01,), {"momentum": 0.9}),
        compile=compiled,
        precision="bf16" if bf16 else "fp32",
        channels_last=bf16,
    )
    return made, settled_for(options.device, made, options.steps)


def throughput(network: Any, options: argparse.Namespace, compiled: bool, log: Log) -> None:
    """Images a second of the three, and their ratios."""
    made, setup = settled(options, compiled=compiled, bf16=True)
    how = "compiled" if compiled else "eager"
    data = Synthetic((3, options.size, options.size), CLASSES, options.batch, options.steps)
    images = options.steps * options.batch

    def each(name: str, run: int, seconds: float) -> None:
        figures = {
            "how": how,
            "run": run,
            "seconds": seconds,
            "images_per_second": images / seconds,
        }
        log(name, "", figures)

    ways: dict[str, Callable[[int], None]] = {}
    with numerics(setup):
        peer = torchvision_resnet50()
        if peer is not None:
            ways["torchvision"] = bare_epoch(peer, data, made, setup)
        ways["emitted"] = bare_epoch(network.module(), data, made, setup)
        ways["archc train"] = archc_epoch(network.module(), data, made, setup)
        if setup.device.type == "cuda":  # from the host's memory, as more images than fit would be
            ways["fetching"] = archc_epoch(network.module(), data, made, setup, fetched=True)
        times = interleaved(options.runs, ways, setup, warm=2, each=each)
    work = 2 * PASSES * network.report.macs
    print(
        f"ResNet-50, {how}, batch {options.batch} at {options.size}, {setup.title}, "
        f"median of {options.runs}"
    )
    for name, seconds in times.items():
        speed = images / median(seconds)
        peak = DEVICES[options.peak].rate("bf16") if options.peak else None
        share = speed * work / peak if peak else None
        said = f"   {share:6.1%} of the peak of {options.peak}" if share is not None else ""
        figures = {"how": how, "images_per_second": speed, "share_of_peak": share}
        log(f"{name}, median", f"  {name:<12} {speed:10,.1f} images/s{said}", figures)
    pairs = ("emitted", "torchvision"), ("archc train", "emitted"), ("fetching", "archc train")
    for name, other in pairs:
        if name in times and other in times:
            ratio = median(b / a for a, b in zip(times[name], times[other], strict=True))
            what = f"{name} to {other}"
            log(what, f"  {what}: {ratio:.3f}", {"how": how, "ratio": ratio})


def torchvision_resnet50() -> nn.Module | None:
    """torchvision's module, where it is installed; its compiled operators are not needed."""
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        return None
    for built in Path(spec.origin).parent.glob("_C*.so"):
        with suppress(OSError):  # of another build of torch
            torch.ops.load_library(str(built))
    for name in ("nms", "qnms"):  # without them, it cannot be imported
        if not hasattr(torch.ops.torchvision, name):
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            DEFINED.append(library)
    from torchvision.models import resnet50

    made = resnet50(num_classes=CLASSES)
    assert isinstance(made, nn.Module)
    return made


DEFINED: list[torch.library.Library] = []
"""What they define lasts as long as they do."""


def memory(network: Any, options: argparse.Namespace, log: Log) -> None:
    """Peak memory of a float32 step, as `archc check` estimates it and as torch counts it."""
    made, setup = settled(options, compiled=False, bf16=False)
    gpu = setup.device.type == "cuda"
    expected = budget(network.graph, cuda=gpu).training(options.batch, "momentum")
    said = f"memory of a float32 step: {expected / 2**30:.2f} GiB expected"
    data = Synthetic((3, options.size, options.size), CLASSES, options.batch, 2)
    with numerics(setup):
        if gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(setup.device)
            before = torch.cuda.memory_allocated(setup.device)
        bare_epoch(network.module(), data, made, setup)(0)
        wait(setup)
        if not gpu:
            log("memory", f"{said}; only a GPU's allocator counts what was used", {})
            return
        found = torch.cuda.max_memory_allocated(setup.device) - before
        ratio = found / expected
        figures = {"expected": expected, "found": found, "ratio": ratio}
        log("memory", f"{said}, {found / 2**30:.2f} GiB at the peak, ratio {ratio:.3f}", figures)


if __name__ == "__main__":
    sys.exit(main())
