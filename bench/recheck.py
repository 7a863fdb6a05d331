"""How long a warm process takes to check a spec again after a keystroke, against `python -c pass`.

One digit of ResNet-50's spec changes and changes back; every time the text is new, and nothing is
kept of the last check but what is kept for every spec. Runs in pairs with bare Python, so that a
busy machine slows both. Fails where the median ratio is above the limit.

    python bench/recheck.py [--runs 21] [--limit 2]
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from archc.driver import Options, compile_spec
from archc.source import Source

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "specs" / "resnet.arch"
BARE = [sys.executable, "-c", "pass"]
PLACE = "conv1: conv(width, 7, stride=2)"


def checked(text: str, options: Options) -> float:
    """Seconds that all stages take for a text: syntax, graph, figures, claims, lints."""
    start = time.perf_counter()
    state = compile_spec(str(SPEC), options, source=Source(SPEC.name, text))
    seconds = time.perf_counter() - start
    if not state.networks:
        raise SystemExit("the spec does not elaborate")
    return seconds


def bare() -> float:
    """Seconds of a Python that does nothing."""
    start = time.perf_counter()
    subprocess.run(BARE, check=True)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=21, help="pairs of runs (21)")
    parser.add_argument("--limit", type=float, default=2.0, help="largest median ratio (2)")
    parser.add_argument("--all", action="store_true", help="all networks of the file")
    options = parser.parse_args()
    text = SPEC.read_text(encoding="utf-8")
    if PLACE not in text:
        raise SystemExit(f"{SPEC.name} has changed: `{PLACE}` is not in it")
    texts = [text, text.replace(PLACE, PLACE.replace("7", "5"))]
    asked = Options(network=None if options.all else "ResNet50")
    for each in texts:
        checked(each, asked)
    gc.collect()
    times = [(bare(), checked(texts[(i + 1) % 2], asked)) for i in range(options.runs)]
    ratio = median(check / alone for alone, check in times)
    alone, check = (1000 * median(column) for column in zip(*times, strict=True))
    what = "all networks" if options.all else "ResNet50"
    print(f"bare python   {alone:7.1f} ms")
    print(f"checked again {check:7.1f} ms   (specs/{SPEC.name}, {what}, a digit changed)")
    print(f"ratio         {ratio:7.2f}      (median of {options.runs}; limit {options.limit:g})")
    return 1 if ratio > options.limit else 0


if __name__ == "__main__":
    sys.exit(main())
