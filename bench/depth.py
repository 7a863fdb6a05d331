"""What depth costs: ResNet-1202 against ResNet-20, stage by stage, in one process.

Bodies are worked out once per distinct (block, arguments, input shape), so 60 times as many layers
should cost far less than 60 times as much.

    python bench/depth.py [--runs 5]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from archc.analysis import analyze
from archc.cli.tables import table
from archc.driver import Options, compile_spec
from archc.emit.pytorch import source

SPEC = Path(__file__).resolve().parent.parent / "specs" / "resnet_cifar.arch"


def timed(runs: int, work: Callable[[], Any]) -> tuple[float, Any]:
    """Median time in ms, and the result."""
    times, result = [], None
    for _ in range(runs):
        start = time.perf_counter()
        result = work()
        times.append(1000 * (time.perf_counter() - start))
    return median(times), result


def stages(network: str, runs: int) -> dict[str, float]:
    """Times of the stages of one network."""
    options = Options(network=network)
    found: dict[str, float] = {}
    found["graph"], state = timed(
        runs, lambda: compile_spec(str(SPEC), options, stop_after="graph")
    )
    made = state[network]

    def analysis() -> Any:
        report = analyze(made.graph)
        assert report.params and report.macs and report.depth and report.memory
        assert report.receptive_field is not None
        return report

    found["analysis"], report = timed(runs, analysis)
    found["table"], _ = timed(runs, lambda: table(report, color=False, width=100))
    found["code"], _ = timed(runs, lambda: source(made.graph, report, made.doc))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=5, help="runs of each stage (5)")
    options = parser.parse_args()
    few, many = stages("ResNet20", options.runs), stages("ResNet1202", options.runs)
    print(f"{'':10}{'ResNet-20':>12}{'ResNet-1202':>14}{'ratio':>8}")
    for name, ms in few.items():
        print(f"{name:10}{ms:9.1f} ms{many[name]:11.1f} ms{many[name] / ms:8.1f}")
    one, other = sum(few.values()), sum(many.values())
    print(f"{'all':10}{one:9.1f} ms{other:11.1f} ms{other / one:8.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
