"""Make the packaged subset of Fashion-MNIST: real images, the same number of each class.

    python bench/make_subset.py /usr/share/datasets/fashion-mnist archc/data/fashion-mnist-mini

Takes the first 200 training and the first 100 test images of each class, in file order, so the
result does not depend on a random number generator. The gzip header carries no time: same bytes on
every run.
"""

from __future__ import annotations

import gzip
import struct
import sys
from pathlib import Path

SPLITS = {"train": 200, "t10k": 100}
CLASSES = 10


def read(path: Path) -> tuple[tuple[int, ...], bytes]:
    """Sizes and elements of an IDX file of unsigned bytes."""
    data = gzip.decompress(path.read_bytes())
    axes = data[3]
    shape = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes])
    return shape, data[4 + 4 * axes :]


def write(path: Path, shape: tuple[int, ...], elements: bytes) -> None:
    head = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    path.write_bytes(gzip.compress(head + elements, compresslevel=9, mtime=0))


def main(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for split, per_class in SPLITS.items():
        images, labels = f"{split}-images-idx3-ubyte.gz", f"{split}-labels-idx1-ubyte.gz"
        (_, height, width), pixels = read(source / images)
        _, classes = read(source / labels)
        taken = [0] * CLASSES
        kept = []
        for i, label in enumerate(classes):
            if taken[label] < per_class:
                taken[label] += 1
                kept.append(i)
        record = height * width
        chosen = b"".join(pixels[i * record : (i + 1) * record] for i in kept)
        write(target / images, (len(kept), height, width), chosen)
        write(target / labels, (len(kept),), bytes(classes[i] for i in kept))
        print(f"{split}: {len(kept)} images, {taken[0]} of each class")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
