"""Make the packaged digits: IDX files from the CSV that scikit-learn ships as `digits.csv.gz`.

    python bench/make_digits.py digits.csv.gz archc/data/digits

A row is 64 numbers of 0 to 16 and a class. The last fifth of the file is for testing: neighbours
are often by the same writer, so that a random fifth would be easier than new writers are. Numbers
are stored times 15, as bytes of 0 to 240. Same bytes on every run.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from make_subset import write

TRAINING = 1437


def main(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    lines = gzip.decompress(source.read_bytes()).decode("ascii").split()
    rows = [[int(float(number)) for number in line.split(",")] for line in lines]
    for split, part in (("train", rows[:TRAINING]), ("t10k", rows[TRAINING:])):
        pixels = bytes(15 * value for row in part for value in row[:64])
        classes = bytes(row[64] for row in part)
        write(target / f"{split}-images-idx3-ubyte.gz", (len(part), 8, 8), pixels)
        write(target / f"{split}-labels-idx1-ubyte.gz", (len(part),), classes)
        print(f"{split}: {len(part)} images, " + " ".join(str(classes.count(c)) for c in range(10)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
