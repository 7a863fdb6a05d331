"""A progress bar that costs nothing: a line rewritten a few times a second, on terminals only."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

BAR = 20
ON_TERMINAL, ELSEWHERE = 0.2, 2.0
"""Seconds between looks at the device: for a bar, and only to see that the loss is a number."""


class Progress:
    """Lines go to `out`; the bar goes to `terminal` if that is one.

    Where nobody reads them any more (a closed terminal, `| head`), the run goes on in silence: what
    it reaches is in its folder.
    """

    def __init__(self, out: TextIO, terminal: TextIO | None, steps: int) -> None:
        self.out = out
        self.bar = terminal if terminal is not None and terminal.isatty() else None
        self.steps = steps
        self.period = ON_TERMINAL if self.bar else ELSEWHERE
        self.started = self._shown = self._entered = time.perf_counter()
        self._before = 0
        self._drawn = self._deaf = False
        encoding = (getattr(terminal, "encoding", None) or "").lower()
        self._full, self._rest = ("━", "─") if encoding.startswith("utf") else ("#", "-")

    def goes_on(self, seconds: float, steps: int) -> None:
        """The run is resumed after so many steps, which took so many seconds."""
        self.started -= seconds
        self._before = steps

    def pace(self, done: int) -> float:
        """Seconds per step since the process started, `done` of all steps being done."""
        return (time.perf_counter() - self._entered) / max(done - self._before, 1)

    def due(self) -> bool:
        """Has enough time passed to look again?"""
        return time.perf_counter() - self._shown >= self.period

    def show(self, done: int, text: str) -> None:
        """Redraw: `done` of all steps, `text` on how it goes."""
        self._shown = time.perf_counter()
        if self.bar is None:
            return
        full = BAR * done // self.steps
        left = self.pace(done) * (self.steps - done)
        line = f"{self._full * full}{self._rest * (BAR - full)} {text}  {clock(left)} left"
        width = shutil.get_terminal_size().columns
        self._drawn = _written(self.bar, "\r" + line[: width - 1].ljust(width - 1))

    def line(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        if not self._deaf:
            self._deaf = not _written(self.out, text + "\n")

    def clear(self) -> None:
        if self._drawn and self.bar is not None:
            _written(self.bar, "\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r")
            self._drawn = False


def _written(file: TextIO, text: str) -> bool:
    """Did the text get out?"""
    try:
        file.write(text)
        file.flush()
    except UnicodeEncodeError:  # a name of which the terminal has not all letters
        plain = text.encode(file.encoding or "ascii", "backslashreplace")
        return _written(file, plain.decode(file.encoding or "ascii"))
    except (OSError, ValueError):  # a pipe without a reader, a terminal or a file that is closed
        return False
    return True


def counted(number: int, noun: str) -> str:
    """`1 epoch`, `2,000 epochs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def loss_words(value: float) -> str:
    """`0.3472`, or `3.163e+30` where that many digits say nothing."""
    return f"{value:.4f}" if abs(value) < 1e5 else f"{value:.4g}"


def clock(seconds: float) -> str:
    """`0:07`, `12:30`, `1:05:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """`7.3 s`, `12 min 30 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
