"""Data that ships with archc, so that a first training run needs nothing else.

One folder per set, with its source and licence beside the files.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent

STAND_INS = {"fashion-mnist": "fashion-mnist-mini"}
"""Data set -> the packaged subset that stands in for it where it is not installed."""

_FASHION = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot",
)  # fmt: skip
CLASSES = {"fashion-mnist": _FASHION, "fashion-mnist-mini": _FASHION}
"""Data set -> what its classes are called, by number, where its files do not say."""
