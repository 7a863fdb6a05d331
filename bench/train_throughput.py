"""How much of the bare step's throughput is left in archc's training loop, on synthetic data.

python bench/train_throughput.py [--device cpu] [--runs 9] [--limit 0.95]

The bare step is forward, loss, backward and update on one batch that lies ready. archc's loop also
draws the order, gathers and normalises batches, counts metrics and looks whether the loss is a
number. Blocks of steps of both are timed in turn.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from steps import Synthetic, archc_epoch, bare_epoch, interleaved, recipe, settled

import archc
from archc.recipe import Called
from archc.train.device import keep_freed_memory

SPECS = Path(__file__).parents[1] / "specs"
NETWORKS = {
    "LeNet5": ("lenet5.arch", (1, 32, 32), 128, 100),
    "ResNet20": ("resnet_cifar.arch", (3, 32, 32), 32, 5),
}
"""Name to file, input, batch and steps in a block."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", help="cpu, cuda, ... (default: what is there)")
    parser.add_argument("--runs", type=int, default=9, help="blocks of each (9)")
    parser.add_argument("--limit", type=float, default=0.95, help="least share (0.95)")
    parser.add_argument("--network", choices=NETWORKS, help="only this one")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (1)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()  # for both alike, as `archc train` does
    worst = 1.0
    for name in [options.network] if options.network else NETWORKS:
        worst = min(worst, measure(name, options.device, options.runs))
    print(f"limit {options.limit:.0%}")
    return 1 if worst < options.limit else 0


def measure(name: str, device: str | None, runs: int) -> float:
    """The share of one network, printed."""
    file, shape, batch, steps = NETWORKS[name]
    network = archc.load(SPECS / file)[name]
    made = recipe(batch=batch, epochs=runs + 1, optimizer=Called("sgd", (0.01,), {"momentum": 0.9}))
    setup = settled(device, made, steps)
    data = Synthetic(shape, 10, batch, steps)
    times = interleaved(
        runs,
        {
            "bare": bare_epoch(network.module(), data, made, setup),
            "archc": archc_epoch(network.module(), data, made, setup),
        },
        setup,
    )
    images = steps * batch
    # the fastest block of each is the one that other work on the machine disturbed least
    bare, ours = (min(times[way]) for way in ("bare", "archc"))
    share = bare / ours
    print(
        f"{name:<14} bare {images / bare:8,.0f} images/s   archc {images / ours:8,.0f} images/s   "
        f"share {share:.1%}   (batch {batch} on {setup.title}, best of {runs})"
    )
    return share


if __name__ == "__main__":
    sys.exit(main())
