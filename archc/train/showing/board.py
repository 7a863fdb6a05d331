"""TensorBoard, on request: the rows of log.csv as curves, and the pictures of the end."""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import TrainError
from ..folder.rundir import unwritable

SPLITS = ("train", "validation")
TIMES = ("seconds", "images_per_second")


def require_tensorboard() -> None:
    """Raise TrainError E0809 where the `tensorboard` extra is not installed."""
    if find_spec("tensorboard") is None:
        raise TrainError(
            "E0809",
            "`tensorboard` is not installed",
            help='pip install "archc[torch,tensorboard]"',
        )


class Board:
    """Event files in a folder. A resumed run adds one more, which takes over at its first epoch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: Any = None

    def _open(self, step: int) -> Any:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            # what an earlier process wrote of this step and later ones does not count
            self._writer = SummaryWriter(str(self.folder), purge_step=step)
        return self._writer

    def row(self, row: Mapping[str, Any]) -> None:
        """A row of log.csv. `train_loss` and `validation_loss` share a plot, `loss`.

        Raises TrainError E0708.
        """
        epoch = int(row["epoch"])
        try:
            writer = self._open(epoch)
            for name, value in row.items():
                if value is not None and name != "epoch":
                    writer.add_scalar(_plot(name), value, epoch)
            writer.flush()
        except OSError as error:
            raise unwritable(self.folder, error) from None

    def picture(self, name: str, png: bytes, epoch: int) -> None:
        """A picture by its name. Raises TrainError E0708."""
        import numpy as np
        from PIL import Image

        with Image.open(io.BytesIO(png)) as image:
            pixels = np.asarray(image.convert("RGB"))
        try:
            writer = self._open(epoch)
            writer.add_image(name, pixels, epoch, dataformats="HWC")
            writer.flush()
        except OSError as error:
            raise unwritable(self.folder, error) from None


def _plot(name: str) -> str:
    """`train_loss` is `loss/train`: what has the same first part is drawn together."""
    split, _, figure = name.partition("_")
    if split in SPLITS and figure:
        return f"{figure}/{split}"
    return f"speed/{name}" if name in TIMES else name
