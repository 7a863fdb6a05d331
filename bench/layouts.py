"""Is `channels_last` faster on a CPU? Training steps in both memory layouts, in turn.

python bench/layouts.py [--device cpu] [--threads 1] [--seconds 30] [--network ResNet18]

A ratio above 1: `channels_last` is so many times faster. What decides is how many channels there
are: with few, convolutions gain; with 256 and more, oneDNN's blocked layout is as good or better.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from steps import Log, Synthetic, bare_epoch, common, interleaved, recipe, settled

import archc
from archc.recipe import Called

SPECS = Path(__file__).parents[1] / "specs"


class Case(NamedTuple):
    file: str
    network: str
    shape: tuple[int, int, int]
    batch: int


CASES = (
    Case("lenet5.arch", "LeNet5", (1, 32, 32), 128),
    Case("lenet5.arch", "LectureConvNet", (1, 32, 32), 128),
    Case("experiments/fashion.arch", "SmallResNet", (1, 28, 28), 64),
    Case("resnet_cifar.arch", "ResNet20", (3, 32, 32), 32),
    Case("densenet.arch", "DenseNet121", (3, 64, 64), 4),
    Case("mobilenet.arch", "MobileNetV1", (3, 96, 96), 8),
    Case("shufflenet.arch", "ShuffleNetV2", (3, 96, 96), 8),
    Case("efficientnet.arch", "EfficientNet", (3, 96, 96), 4),
    Case("resnet.arch", "ResNet50", (3, 128, 128), 4),
    Case("resnet.arch", "ResNet18", (3, 224, 224), 2),
    Case("resnet.arch", "ResNet18", (3, 64, 64), 8),
    Case("vgg.arch", "VGG11", (3, 64, 64), 8),
)
FEWEST = 3
"""Blocks of each, however long they take."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    common(parser)
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (1)")
    parser.add_argument("--seconds", type=float, default=30, help="for each network (30)")
    parser.add_argument("--network", help="only this one")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    made = recipe(optimizer=Called("sgd", (0.01,), {"momentum": 0.9}))
    log = Log("layouts", options.json, settled(options.device, made, 1).device)
    for case in CASES:
        if options.network in (None, case.network):
            title = f"{case.network} {'x'.join(map(str, case.shape))}"
            log.attempt(title, lambda c=case, t=title: measure(c, t, options, log))  # type: ignore[misc]
    return log.code


def measure(case: Case, title: str, options: argparse.Namespace, log: Log) -> None:
    """Both layouts of one network, block by block until the time is over."""
    network = archc.load(SPECS / case.file)[case.network]
    classes = dict(network.report.outputs)
    count = next(iter(classes.values()))[0]
    data = Synthetic(case.shape, int(count), case.batch, 1)
    made = recipe(batch=case.batch, optimizer=Called("sgd", (0.01,), {"momentum": 0.9}))
    setup = settled(options.device, made, 1)
    ways = {
        name: bare_epoch(network.module(), data, made, replace(setup, channels_last=last))
        for name, last in (("contiguous", False), ("channels_last", True))
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    end = time.perf_counter() + options.seconds
    while time.perf_counter() < end or len(times["contiguous"]) < FEWEST:
        for name, seconds in interleaved(
            1, ways, setup, warm=0 if times["contiguous"] else 1
        ).items():
            times[name] += seconds
    first, second = (median(times[name]) for name in ("contiguous", "channels_last"))
    log(
        title,
        f"{title:<28} contiguous to channels_last {first / second:.2f}",
        {"ratio": round(first / second, 3), "blocks": len(times["contiguous"])},
    )


if __name__ == "__main__":
    raise SystemExit(main())
