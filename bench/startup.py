"""How long `archc check` takes as a process, as a multiple of `python -c pass`.

Runs both in pairs, so that a busy machine slows both, and takes the median of the ratios. The spec
is touched before each run: nothing may be kept from one run to the next but what is kept for every
spec. Fails where the ratio is above the limit, or where a heavy library was imported.

    python bench/startup.py [--runs 11] [--limit 24]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "specs" / "resnet.arch"
BARE = [sys.executable, "-c", "pass"]
CHECK = [sys.executable, "-m", "archc", "check", str(SPEC), "--network", "ResNet50"]
HEAVY = ("torch", "numpy", "networkx", "sympy")


def seconds(command: list[str]) -> float:
    """Wall-clock time of a process; raises where it fails."""
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def pairs(command: list[str], runs: int, touched: Path | None = None) -> list[tuple[float, float]]:
    """Times of bare python and of the command, one after the other, after one pair to warm up."""
    found = []
    for _ in range(runs + 1):
        if touched is not None:
            touched.touch()
        found.append((seconds(BARE), seconds(command)))
    return found[1:]


def imported(command: list[str]) -> list[str]:
    """Heavy libraries that the command imports."""
    given = [sys.executable, "-X", "importtime", *command[1:]]
    done = subprocess.run(
        given, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True
    )
    names = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    return sorted(names & set(HEAVY))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=11, help="pairs of runs (11)")
    parser.add_argument("--limit", type=float, default=24.0, help="largest median ratio (24)")
    options = parser.parse_args()
    heavy = imported(CHECK)
    times = pairs(CHECK, options.runs, SPEC)
    ratio = median(check / bare for bare, check in times)
    bare, check = (1000 * median(column) for column in zip(*times, strict=True))
    print(f"bare python   {bare:7.1f} ms")
    print(f"archc check   {check:7.1f} ms   (specs/resnet.arch --network ResNet50)")
    print(f"ratio         {ratio:7.1f}      (median of {options.runs}; limit {options.limit:g})")
    print(f"imported      {', '.join(heavy) or 'none of ' + ', '.join(HEAVY)}")
    return 1 if heavy or ratio > options.limit else 0


if __name__ == "__main__":
    sys.exit(main())
