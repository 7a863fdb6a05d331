"""The course of a run: epoch after epoch, written down, reported, and taken up again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import torch

from .data.fitting import Prepared
from .data.sources import Data
from .errors import Elsewhere, Interrupted, TrainError
from .folder import checkpoint
from .folder.resume import changed_versions, check_same
from .folder.rundir import STATE, versions
from .folder.state import State, latest, parse
from .loop import Epoch, Moment, Stopped, Trainer, not_a_number
from .record import BEST, LAST, Record
from .showing.progress import Progress, counted, duration, loss_words
from .showing.watching import pictures
from .tasks.metrics import Measured


@dataclass(frozen=True)
class Result:
    """What a run reached: on the test set, with the weights of its best epoch."""

    network: str
    metric: str
    """Name of the main figure: `accuracy` (a share), `error` (mean absolute error), ..."""
    test: Measured
    epochs: int
    best_epoch: int
    """From 1. The last one, where nothing was held out to choose by."""
    seconds: float
    device: str
    folder: Path
    files: tuple[Path, ...]
    history: tuple[dict[str, Any], ...] = field(repr=False)
    """The rows of log.csv."""


class Course:
    """The epochs of a run."""

    def __init__(
        self, trainer: Trainer, record: Record, progress: Progress, identity: Mapping[str, Any]
    ) -> None:
        self.trainer = trainer
        self.record = record
        self.progress = progress
        self.identity = identity
        """What must be the same when the run is resumed; see `resume.identity`."""
        self.best: Measured | None = None
        self.best_epoch = 0
        trainer.keep = self._save

    def go(self, data: Data, ready: Prepared, resume: bool) -> Result:
        """From the start, or from where the state in the run's folder was taken, to the end."""
        trainer, record = self.trainer, self.record
        self._introduce(data, ready)
        at = self._resume() if resume else None
        with trainer.ranks.together():
            record.settings(data, ready, trainer.setup)
        epoch = at.epoch if at else 0
        while epoch < trainer.recipe.epochs and not self._in_vain(epoch):
            try:
                done = trainer.epoch(epoch, at if at and at.step else None)
            except Stopped as stopped:
                self._interrupted(stopped.moment)
            self._keep(epoch, done)
            epoch, at = epoch + 1, None
        with trainer.ranks.together():
            record.picture(trainer.objective.metric)
        return self._finish(ready)

    def _in_vain(self, epochs: int) -> bool:
        """Has patience run out, after so many epochs?"""
        patience = self.trainer.recipe.patience
        return patience > 0 and epochs - self.best_epoch >= patience

    def _introduce(self, data: Data, ready: Prepared) -> None:
        trainer, line = self.trainer, self.progress.line
        counts = sum(p.numel() for p in trainer.learned)
        world = trainer.ranks.world
        line(
            f"{self.record.network}, recipe {self.record.recipe.name}: "
            f"{counts:,} parameters to train on {trainer.setup.title}"
            + (f", {world} processes" if world > 1 else "")
        )
        held_out = f"{len(ready.validation):,} validation, " if ready.validation else ""
        line(
            f"data: {len(ready.train):,} training, {held_out}{len(ready.test):,} test samples "
            f"from {data.where}"
        )
        for note in ready.notes:
            line(f"  {note}")
        line(f"task: {trainer.objective.title}")
        left = len(ready.train) - trainer.steps * trainer.batch
        line(
            f"{counted(trainer.recipe.epochs, 'epoch')} of {counted(trainer.steps, 'step')} "
            f"of {trainer.batch}"
            + (f"; {left} of the samples, others each time, sit out an epoch" if left else "")
        )

    # ------------------------------------------------------------------ state

    def _save(self, moment: Moment) -> None:
        """Write down all that the rest of the run depends on.

        Raises TrainError E0807 where a weight is no number: what was written before stays.
        """
        if not checkpoint.all_finite(self.trainer.module):
            after = f"step {moment.step} of epoch {moment.epoch + 1}"
            where = after if moment.step else f"epoch {moment.epoch}"
            raise not_a_number(f"a weight after {where}", float("nan"))
        tensors = self.trainer.state(moment)
        best = None
        if self.best is not None:
            best = {k: v for k, v in asdict(self.best).items() if k != "confusion"}
        facts = {
            "at": {"epoch": moment.epoch, "step": moment.step, "seconds": moment.seconds},
            "seconds": time.perf_counter() - self.progress.started,
            "rows": self.record.rows,
            "best": best,
            "best_epoch": self.best_epoch,
            "threads": torch.get_num_threads(),
            "identity": self.identity,
            "versions": versions(),
        }
        with self.trainer.ranks.together():
            if self.record.folder.writes:
                self.record.folder.state(State(tensors, facts).packed())

    def _resume(self) -> Moment:
        """Be where the run stopped. Raises TrainError E0808 or E0812."""
        folder = self.record.folder.path
        said: list[str] = []

        def read() -> bytes:
            data, damaged = latest(folder)
            said.extend(damaged)
            return data

        state = parse(self.trainer.ranks.first(read), folder / STATE)
        try:
            return self._at(state, said)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            raise TrainError(
                "E0808",
                f"the state in `{folder}` is not one that this version of archc writes",
                help="go on with the version that settings.json names, or begin anew",
            ) from None

    def _at(self, state: State, said: Sequence[str]) -> Moment:
        """Be where a state was taken; `said`: what was wrong with a newer one."""
        trainer, facts = self.trainer, state.facts
        at = facts["at"]
        done = at["epoch"] * trainer.steps + at["step"]
        check_same(facts["identity"], self.identity, trainer.recipe, done, trainer.steps)
        for line in [*said, changed_versions(facts["versions"])]:
            if line:
                self.progress.line(f"  {line}")
        if said:
            self.progress.line("  the checkpoint before it is good")
        if trainer.setup.device.type == "cpu":
            torch.set_num_threads(facts["threads"])  # sums of several threads round otherwise
        self.best_epoch = facts["best_epoch"]
        self.best = Measured(**facts["best"]) if facts["best"] else None
        moment = trainer.restore(state)
        ended = moment.epoch > 0 and not moment.step
        anew = ended and self.best_epoch == moment.epoch
        if self.best is not None and not anew:
            self._see_best(moment)
        with trainer.ranks.together():
            self.record.goes_on(facts["rows"])
            if ended:  # killed before these were written, maybe
                if self.best is not None and anew:
                    self._weights(BEST, moment.epoch)
                self._weights(LAST, moment.epoch)
        self.progress.goes_on(facts["seconds"], done)
        where = f"epoch {moment.epoch + 1}"
        if moment.step:
            where += f", after {moment.step} of {trainer.steps} steps"
        over = moment.epoch >= trainer.recipe.epochs or self._in_vain(moment.epoch)
        self.progress.line("  nothing is left to train" if over else f"  resumed in {where}")
        if not over:
            self.record.folder.unfinished()
        return moment

    def _see_best(self, moment: Moment) -> None:
        """Are the weights of the best epoch still there? The state does not hold them.

        Without them, the best epoch is chosen among those to come. Raises TrainError E0808 where
        none are to come.
        """
        trainer, path = self.trainer, self.record.folder.path / BEST
        lost: list[TrainError] = []

        def look() -> bytes:
            try:
                checkpoint.compare(path, checkpoint.read(path)[0], trainer.module.state_dict())
            except TrainError as error:
                lost.append(error)
            return b"lost" if lost else b"good"

        if trainer.ranks.first(look) == b"good":
            return
        if moment.epoch >= trainer.recipe.epochs or self._in_vain(moment.epoch):
            raise lost[0] if lost else Elsewhere
        for error in lost:
            self.progress.line(f"  {error.message}")
        self.progress.line("  the best epoch is chosen among those to come")
        self.best, self.best_epoch = None, moment.epoch

    def _weights(self, name: str, epoch: int, step: int = 0) -> None:
        with self.trainer.averaged():
            self.record.weights(name, self.trainer.module, epoch, step)

    # ------------------------------------------------------------------ epochs

    def _keep(self, epoch: int, done: Epoch) -> None:
        """Log, checkpoint and report an epoch (from 0)."""
        trainer, number = self.trainer, epoch + 1
        chosen = done.validation
        better = chosen is None or self.best is None or trainer.objective.better(chosen, self.best)
        if better:
            self.best, self.best_epoch = chosen, number
        self.record.epoch(number, done)
        trainer.keep(trainer.after(epoch))  # first: what else is missing is made from it again
        with trainer.ranks.together():
            self.record.log()
            if better and chosen is not None:
                self._weights(BEST, number)
            self._weights(LAST, number)
        words = trainer.objective.words
        held_out = f"  validation {words(chosen)}" if chosen else ""
        width = len(str(trainer.recipe.epochs))
        self.progress.line(
            f"epoch {number:{width}}/{trainer.recipe.epochs}  loss {loss_words(done.train.loss)}  "
            f"{words(done.train)}{held_out}  lr {done.lr:.2g}  "
            f"{done.images_per_second:,.0f} images/s"
        )
        if self._in_vain(number) and number < trainer.recipe.epochs:
            self.progress.line(
                f"no better epoch than {self.best_epoch} in {trainer.recipe.patience}: "
                "the run ends early"
            )

    def _interrupted(self, moment: Moment) -> NoReturn:
        """Keep what there is, then leave."""
        trainer, folder = self.trainer, self.record.folder
        trainer.keep(moment)
        with trainer.ranks.together():
            self._weights(LAST, moment.epoch, moment.step)
        if self.record.rows:
            self.record.picture(trainer.objective.metric)
        path = folder.path / LAST
        raise Interrupted(
            f"interrupted in epoch {moment.epoch + 1} after {moment.step} of {trainer.steps} "
            f"steps; `archc train --resume {folder.path}` goes on from there",
            path if path.exists() else None,
        )

    def _finish(self, ready: Prepared) -> Result:
        trainer, record = self.trainer, self.record
        folder, objective = record.folder, trainer.objective
        if trainer.average is not None:
            trainer.average.settle()
            trainer.average = None
        with trainer.ranks.together():
            if self.best is not None and folder.writes:
                found = checkpoint.restore(folder.path / BEST, trainer.module)
                self.best_epoch = int(found.get("epoch", self.best_epoch))
        trainer.ranks.spread(trainer.module.state_dict().values())
        test = trainer.measure(trainer.test)
        seconds = time.perf_counter() - self.progress.started
        title = trainer.setup.title
        with trainer.ranks.together():
            record.result(test, objective.metric, self.best_epoch, seconds, title)
            if folder.writes and trainer.recipe.pictures:
                record.pictures(pictures(trainer, ready, test, record.title))
        folder.finished()
        chosen = f" (epoch {self.best_epoch}, best on validation)" if self.best is not None else ""
        epochs = len(record.rows)
        self.progress.line(
            f"{record.network} reached {objective.words(test)} on {len(trainer.test):,} test "
            f"samples{chosen}, loss {loss_words(test.loss)}, after {counted(epochs, 'epoch')} "
            f"in {duration(seconds)} on {title}"
        )
        self.progress.line(f"everything about this run: {folder.path}")
        return Result(
            network=record.network,
            metric=objective.metric,
            test=test,
            epochs=epochs,
            best_epoch=self.best_epoch,
            seconds=seconds,
            device=str(trainer.setup.device),
            folder=folder.path,
            files=tuple(folder.files),
            history=tuple(record.rows),
        )
