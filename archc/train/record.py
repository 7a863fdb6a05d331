"""What a run leaves in its folder: the spec, settings, a log, checkpoints, a picture."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from torch import nn

from .data.fitting import Prepared
from .data.sources import Data
from .device import Setup
from .folder import checkpoint
from .folder.rundir import RESULT, SETTINGS, RunDir, versions
from .loop import Epoch
from .settings.recipe import Recipe, plain
from .showing import curve
from .showing.board import Board
from .tasks.metrics import Measured

LAST, BEST = "last.safetensors", "best.safetensors"


class Record:
    """Writes a run down as it goes."""

    def __init__(
        self,
        folder: RunDir,
        network: str,
        recipe: Recipe,
        spec_text: str,
        command: Mapping[str, Any],
    ) -> None:
        self.folder = folder
        self.network = network
        self.recipe = recipe
        self.command = command
        self.spec_hash = hashlib.sha256(spec_text.encode()).hexdigest()
        self.rows: list[dict[str, Any]] = []
        watched = recipe.tensorboard and folder.writes
        self.board = Board(folder.path / "tensorboard") if watched else None
        folder.write("spec.arch", spec_text)

    @property
    def title(self) -> str:
        """What stands above the run's pictures."""
        return f"{self.network}, recipe {self.recipe.name}"

    def settings(self, data: Data, ready: Prepared, setup: Setup) -> None:
        """settings.json: the recipe, what was decided for it, and what it ran with."""
        decided = asdict(setup) | {
            "device": str(setup.device),
            "data": str(data.where),
            "kind": ready.test.kind,
            "classes": ready.names,
            "training": len(ready.train),
            "validation": len(ready.validation) if ready.validation else 0,
            "test": len(ready.test),
            "mean": ready.mean.flatten().tolist(),
            "std": ready.std.flatten().tolist(),
            "range": [float(edge) * ready.scale for edge in ready.train.x.aminmax()],
        }
        self.folder.write_json(
            SETTINGS,
            {
                "network": self.network,
                "recipe": plain(self.recipe),
                "decided": decided,
                "versions": versions(),
                "spec_sha256": self.spec_hash,
                "command": self.command,
            },
        )

    def epoch(self, number: int, done: Epoch) -> None:
        """A row for log.csv, which `log` writes; `number` from 1."""
        held_out = done.validation
        row = {
            "epoch": number,
            "lr": done.lr,
            "train_loss": done.train.loss,
            **{f"train_{name}": value for name, value in done.train.figures.items()},
            "validation_loss": held_out.loss if held_out else None,
            **{
                f"validation_{name}": held_out.figures[name] if held_out else None
                for name in done.train.figures
            },
            "seconds": round(done.seconds, 3),
            "images_per_second": round(done.images_per_second, 1),
        }
        self.rows.append(row)

    def log(self) -> None:
        """Write the rows down, the last of which is new."""
        self.folder.log(self.rows)
        if self.board is not None:
            self.board.row(self.rows[-1])

    def goes_on(self, rows: list[dict[str, Any]]) -> None:
        """The log as it was at the state that the run is resumed from."""
        self.rows = rows
        if rows:
            self.folder.log(rows)

    def weights(self, name: str, module: nn.Module, epoch: int, step: int = 0) -> None:
        """A checkpoint after `epoch` whole epochs and `step` steps of the next."""
        if not self.folder.writes:
            return
        facts = {
            "archc": versions()["archc"],
            "network": self.network,
            "recipe": self.recipe.name,
            "epoch": str(epoch),
            "step": str(step),
            "spec_sha256": self.spec_hash,
        }
        self.folder.write(name, checkpoint.packed(module, facts))

    def picture(self, metric: str) -> None:
        """curve.png, as far as the run has come."""
        if not self.folder.writes:
            return
        self.folder.write("curve.png", curve.draw(self.title, metric, self.rows))

    def pictures(self, made: Iterable[tuple[str, bytes]]) -> None:
        """Pictures of the trained network, by file name."""
        for name, picture in made:
            self.folder.write(name, picture)
            if self.board is not None:
                self.board.picture(name.partition(".")[0], picture, len(self.rows))

    def result(self, test: Measured, metric: str, best: int, seconds: float, device: str) -> None:
        """result.json: what was reached."""
        self.folder.write_json(
            RESULT,
            {
                "network": self.network,
                "recipe": self.recipe.name,
                "test": {"loss": test.loss, **test.figures},
                "metric": metric,
                "confusion": test.confusion,
                "epochs": len(self.rows),
                "best_epoch": best,
                "seconds": round(seconds, 3),
                "device": device,
            },
        )
