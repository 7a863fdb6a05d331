"""How much of the bare step's throughput is left in archc's training loop, on synthetic data.

python bench/train_throughput.py [--device cpu] [--runs 9] [--limit 0.95]

The bare step is forward, loss, backward and update on one batch that lies ready. archc's loop also
draws the order, gathers and normalises batches, counts metrics and looks whether the loss is a
number. Blocks of steps of both are timed in turn.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from steps import Log, Synthetic, archc_epoch, bare_epoch, common, interleaved, recipe, settled

import archc
from archc.recipe import Called
from archc.train.device import find, numerics

SPECS = Path(__file__).parents[1] / "specs"


class Case(NamedTuple):
    """A network of specs/, what it is given, and how many steps are a block."""

    file: str
    shape: tuple[int, int, int]
    classes: int
    batch: int
    steps: int
    dense: bool = False
    """A class for each pixel; so large that it is measured on a GPU only, unless it is named."""


NETWORKS = {
    "LeNet5": Case("lenet5.arch", (1, 32, 32), 10, 128, 100),
    "ResNet20": Case("resnet_cifar.arch", (3, 32, 32), 10, 32, 5),
    "UNet": Case("unet.arch", (3, 256, 256), 2, 16, 10, dense=True),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    common(parser)
    parser.add_argument("--runs", type=int, default=9, help="blocks of each (9)")
    parser.add_argument("--limit", type=float, default=0.95, help="least share (0.95)")
    parser.add_argument("--network", choices=NETWORKS, help="only this one")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (1)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = find(options.device)
    log = Log("train_throughput", options.json, device)
    shares: list[float] = []
    usual = [n for n, case in NETWORKS.items() if device.type == "cuda" or not case.dense]
    for name in [options.network] if options.network else usual:
        log.attempt(name, partial(measure, name, options.device, options.runs, log, shares))
    print(f"limit {options.limit:.0%}")
    return max(log.code, int(min(shares, default=0.0) < options.limit))


def measure(name: str, device: str | None, runs: int, log: Log, shares: list[float]) -> None:
    """The share of one network, printed and added to the others."""
    file, shape, classes, batch, steps, dense = NETWORKS[name]
    network = archc.load(SPECS / file)[name]
    made = recipe(batch=batch, epochs=runs + 1, optimizer=Called("sgd", (0.01,), {"momentum": 0.9}))
    setup = settled(device, made, steps)
    data = Synthetic(shape, classes, batch, steps, dense)
    with numerics(setup):  # for both alike, as `archc train` does
        ways = {
            "bare": bare_epoch(network.module(), data, made, setup),
            "archc": archc_epoch(network.module(), data, made, setup),
        }
        times = interleaved(runs, ways, setup)
    images = steps * batch
    # the fastest block of each is the one that other work on the machine disturbed least
    bare, ours = (min(times[way]) for way in ("bare", "archc"))
    share = bare / ours
    log(
        name,
        f"{name:<14} bare {images / bare:8,.0f} images/s   archc {images / ours:8,.0f} images/s   "
        f"share {share:.1%}   (batch {batch} on {setup.title}, best of {runs})",
        {"batch": batch, "images_per_second": images / ours, "share": share},
    )
    shares.append(share)


if __name__ == "__main__":
    sys.exit(main())
