"""What can go wrong in training, as exceptions that know their code. Nothing here needs torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from ..source import Span

T = TypeVar("T")


class TrainError(Exception):
    """A failure with a code of the E08 band (or E0708, a file that cannot be written).

    `span` is the place in the spec, where there is one. `also` holds further independent mistakes
    found at the same time: several wrong settings give several errors.
    """

    def __init__(
        self,
        code: str,
        message: str,
        span: Span | None = None,
        notes: tuple[str, ...] = (),
        help: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.span = span
        self.notes = notes
        self.help = help
        self.also: tuple[TrainError, ...] = ()

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def each(self) -> tuple[TrainError, ...]:
        """This mistake and those found with it, in the order of the text."""
        return (self, *self.also)


class Interrupted(Exception):
    """Ctrl-C, SIGTERM or SIGHUP: the state is on disk (`checkpoint`), the exit code is 130."""

    def __init__(self, message: str, checkpoint: Path | None) -> None:
        super().__init__(message)
        self.message = message
        self.checkpoint = checkpoint


class Elsewhere(Exception):
    """Another process of the run failed, and says why; this one just ends, with exit code 1."""


def gathered(calls: Iterable[Callable[[], T]]) -> list[T]:
    """What each call gives; where some fail, all their failures together."""
    made: list[T] = []
    errors: list[TrainError] = []
    for call in calls:
        try:
            made.append(call())
        except TrainError as error:
            errors += error.each()
    raise_all(errors)
    return made


def raise_all(errors: list[TrainError]) -> None:
    """Raise the first with the others attached; return where there are none."""
    if errors:
        first, *others = errors
        first.also = tuple(others)
        raise first
