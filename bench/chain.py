"""How long a chain of 100,000 layers takes to check, as a multiple of `python -c pass`.

python bench/chain.py [--layers 100000] [--runs 3] [--limit 300]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from startup import pairs

SPEC = """network Chain {{
  input image[3, 32, 32]
  output image -> chain: repeat {layers} {{ conv(3, 3, pad=half) }}
}}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--layers", type=int, default=100_000, help="convolutions (100000)")
    parser.add_argument("--runs", type=int, default=3, help="pairs of runs (3)")
    parser.add_argument("--limit", type=float, default=300.0, help="largest median ratio (300)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "chain.arch"
        spec.write_text(SPEC.format(layers=options.layers))
        times = pairs([sys.executable, "-m", "archc", "check", str(spec)], options.runs)
    ratio = median(check / bare for bare, check in times)
    bare, check = (1000 * median(column) for column in zip(*times, strict=True))
    print(f"bare python   {bare:8.1f} ms")
    print(f"archc check   {check:8.1f} ms   ({options.layers:,} convolutions by `repeat`)")
    print(f"ratio         {ratio:8.1f}      (median of {options.runs}; limit {options.limit:g})")
    return 1 if ratio > options.limit else 0


if __name__ == "__main__":
    sys.exit(main())
