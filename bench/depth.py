"""What depth costs: ResNet-1202 against ResNet-20, stage by stage, in one process.

Bodies are worked out once per distinct (block, arguments, input shape), so 60 times as many layers
should cost far less than 60 times as much. Processor time, the least of several runs, so that what
else the machine does counts little. Fails where everything but printing takes more than the limit.

    python bench/depth.py [--runs 9] [--limit 3]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from archc.analysis.devices import DEVICES
from archc.analysis.facts import FactTable
from archc.analysis.memory_budget import budget
from archc.analysis.roofline import Roofline
from archc.cli.tables import table
from archc.driver import Options, compile_spec
from archc.emit.pytorch import source

SPEC = Path(__file__).resolve().parent.parent / "specs" / "resnet_cifar.arch"
MEASURES = "params frozen buffers macs flops neurons depth shape receptive_field stride memory"
PRINTING = ("table", "code")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds, and the result."""
    start = time.process_time()
    result = work()
    return 1000 * (time.process_time() - start), result


def once(network: str) -> dict[str, float]:
    """Times of the stages of one network, each once, and each thing worked out once."""
    options = Options(network=network)
    found: dict[str, float] = {}
    found["check"], state = timed(lambda: compile_spec(str(SPEC), options))
    made, report = state[network], state[network].report

    def costs() -> None:
        facts = FactTable(made.graph)
        assert budget(made.graph, facts=facts).weights
        assert Roofline(made.graph, DEVICES["h100"], facts=facts).total().seconds

    measures = MEASURES.split()
    found["figures"], values = timed(lambda: [report.measure(name, None) for name in measures])
    assert len(values) == len(measures) and report.params and report.macs
    found["memory, time"], _ = timed(costs)
    found["table"], _ = timed(lambda: table(report, color=False, width=100))
    found["code"], _ = timed(lambda: source(made.graph, report, made.doc))
    return found


def stages(network: str, runs: int) -> dict[str, float]:
    """Least times of several runs."""
    found = [once(network) for _ in range(runs)]
    return {name: min(times[name] for times in found) for name in found[0]}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=9, help="runs of each network (9)")
    parser.add_argument("--limit", type=float, default=3.0, help="largest ratio (3)")
    options = parser.parse_args()
    few, many = stages("ResNet20", options.runs), stages("ResNet1202", options.runs)
    print(f"{'':14}{'ResNet-20':>12}{'ResNet-1202':>14}{'ratio':>8}")
    for name, ms in few.items():
        print(f"{name:14}{ms:9.1f} ms{many[name]:11.1f} ms{many[name] / ms:8.1f}")
    one = sum(ms for name, ms in few.items() if name not in PRINTING)
    other = sum(ms for name, ms in many.items() if name not in PRINTING)
    print(f"{'but printing':14}{one:9.1f} ms{other:11.1f} ms{other / one:8.1f}")
    return 1 if other / one > options.limit else 0


if __name__ == "__main__":
    sys.exit(main())
