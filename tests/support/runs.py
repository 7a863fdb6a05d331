"""What tests of runs share: a small spec with a recipe, and the log of a run."""

from __future__ import annotations

import csv
from pathlib import Path

SPEC = """
network Tiny {
  input image[1, 28, 28]
  output logits = image -> conv(6, 4, stride=2, bias=false) -> batchnorm -> relu -> dropout(0.3)
    -> flatten -> fc: linear(10)
}

recipe quick for Tiny {
  data       = idx("fashion-mnist-mini")
  epochs     = 6
  batch      = 16
  ema        = 0.99
  optimizer  = sgd(lr=0.05, momentum=0.9)
  schedule   = one_cycle()
  augment    = [shift(2), flip()]
  checkpoint = every(steps=20)
  pictures   = false
}
"""


def rows(folder: Path) -> list[dict[str, str]]:
    """The log without what a clock says."""
    with open(folder / "log.csv", newline="") as file:
        return [
            {k: v for k, v in row.items() if k not in ("seconds", "images_per_second")}
            for row in csv.DictReader(file)
        ]
