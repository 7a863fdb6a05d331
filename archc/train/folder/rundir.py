"""The folder of a run: one trainer at a time in it, and no half-written file ever."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import platform
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ... import __version__
from ..errors import TrainError

STATE, PREVIOUS = "state.safetensors", "state.previous.safetensors"
"""What a run is resumed from; see `state`."""
LOG = "log.csv"
SETTINGS, RESULT = "settings.json", "result.json"
REPEAT = "repeat.json"
"""In the folder of runs with several seeds: how they were asked for."""
LOCK = ".lock"
SCRATCH = ".tmp"


def new_run_dir(parent: Path, network: str) -> Path:
    """Make and return the next free folder `parent/<network in lower case>-NNN`."""
    stem = re.sub(r"[^a-z0-9_-]", "_", network.lower())[:100]
    try:
        parent.mkdir(parents=True, exist_ok=True)
        pattern = re.compile(re.escape(stem) + r"-(\d+)")
        taken = [int(m[1]) for p in parent.iterdir() if (m := pattern.fullmatch(p.name))]
        number = max(taken, default=0) + 1
        while True:
            folder = parent / f"{stem}-{number:03}"
            with suppress(FileExistsError):  # somebody else was faster
                folder.mkdir()
                return folder
            number += 1
    except OSError as error:
        raise unwritable(parent, error) from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that a run left. Raises TrainError E0808 where it is none."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise TrainError(
            "E0808",
            f"cannot read `{path}`: {why}",
            help="name the folder that a run wrote to, as `runs/lenet5-001`",
        ) from None
    if not isinstance(found, dict):
        raise TrainError("E0808", f"`{path}` was not written by a run of archc")
    return found


def read_command(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A JSON file that a run left, and in it how the run was asked for.

    Raises TrainError E0808 where it does not say: somebody changed it.
    """
    if not path.exists() and (path.parent / REPEAT).exists():
        seeds = sorted(found.name for found in path.parent.glob("seed-*"))
        raise TrainError(
            "E0808",
            f"`{path.parent}` holds runs with several seeds, which are folders in it",
            help=f"name one of them: {', '.join(seeds[:3])}" if seeds else None,
        )
    said = read_json(path)
    command = said.get("command") or {}
    given = command.get("set", []) if isinstance(command, dict) else None
    sound = isinstance(given, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
        for pair in given
    )
    names = ("spec", "folder", "network", "recipe", "device", "init")
    if not sound or not all(isinstance(command.get(name), str | None) for name in names):
        raise TrainError("E0808", f"`{path}` does not say how its run was asked for")
    return said, command


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file as a whole: after a crash at any moment it is the old one or the new one.

    Raises TrainError E0708 (no space left, no permission).
    """
    scratch = _written(path, data)
    try:
        os.replace(scratch, path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise unwritable(path, error) from None


def _written(path: Path, data: bytes) -> Path:
    """The data on the disk beside `path`, under a name that nothing reads. Raises E0708."""
    scratch = path.with_name(f".{path.name}{SCRATCH}")
    try:
        scratch.unlink(missing_ok=True)  # of a writer that was killed, or a trap: a link elsewhere
        with open(scratch, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise unwritable(path, error) from None
    return scratch


def _sync_folder(folder: Path) -> None:
    """Make the new name last too. Not every system can open a folder; there the rename must do."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unwritable(path: Path, error: OSError) -> TrainError:
    room = "make room on that disk; `archc train --resume RUN` goes on with a run"
    return TrainError(
        "E0708",
        f"cannot write `{path}`: {error.strerror or error}",
        help=room if error.errno in FULL else None,
    )


def versions() -> dict[str, str]:
    """What the run was made with."""
    import torch

    found = {
        "archc": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
    }
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    return found


class RunDir:
    """A run's folder, held for as long as the `with` block lasts."""

    writes = True

    def __init__(self, path: Path, resume: bool = False) -> None:
        self.path = path
        self.files: list[Path] = []
        self.resume = resume
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> RunDir:
        """Raises TrainError E0708 where another trainer is at work, or a run lies here already.

        To resume, a run must lie here: E0808.
        """
        try:
            str(self.path).encode()
        except UnicodeEncodeError:  # checkpoints could be written there, and not read again
            raise TrainError("E0708", f"the name of `{self.path}` is not UTF-8") from None
        if self.resume and not self.path.is_dir():
            raise TrainError(
                "E0808",
                f"there is no folder `{self.path}` to resume from",
                help="name the folder that a run wrote to, as `runs/lenet5-001`",
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.path / LOCK, "ab")
            _lock(self._lock)
        except BlockingIOError:
            self._release()
            raise TrainError(
                "E0708",
                f"another training run is writing to `{self.path}`",
                help="wait for it to end"
                if self.resume
                else "leave out the folder: each run then gets a new one",
            ) from None
        except OSError as error:
            self._release()
            raise unwritable(self.path, error) from None
        if not self.resume and ((self.path / LOG).exists() or (self.path / STATE).exists()):
            self._release()
            raise TrainError(
                "E0708",
                f"`{self.path}` already holds a run",
                help="leave out the folder: each run then gets a new one; or go on with this one, "
                f"by `--resume {self.path}`",
            )
        for orphan in self.path.glob(f".*{SCRATCH}"):  # of a writer that was killed
            with suppress(OSError):
                orphan.unlink()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # the file stays: removing it would let two trainers lock two files of one name
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()  # which also unlocks
            self._lock = None

    # ------------------------------------------------------------------ contents

    def write(self, name: str, data: bytes | str) -> Path:
        """A whole file."""
        path = self.path / name
        write_atomic(path, data.encode() if isinstance(data, str) else data)
        if path not in self.files:
            self.files.append(path)
        return path

    def write_json(self, name: str, data: Any) -> Path:
        text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
        # a file's name need not be UTF-8: JSON has an escape for what it then holds
        return self.write(name, text.encode("utf-8", "backslashreplace"))

    def log(self, rows: Sequence[dict[str, Any]]) -> None:
        """log.csv, all of it: a row that is cut off could not be told from a whole one."""
        heads = [list(rows[0])] if rows else []
        self.write(LOG, _csv_lines(heads + [list(row.values()) for row in rows]))

    def state(self, data: bytes) -> None:
        """The state to resume from; the one before it is kept."""
        path = self.path / STATE
        scratch = _written(path, data)  # first: where it fails, both old ones stay
        try:
            with suppress(FileNotFoundError):
                os.replace(path, self.path / PREVIOUS)
            os.replace(scratch, path)
            _sync_folder(self.path)
        except OSError as error:
            raise unwritable(path, error) from None
        if path not in self.files:
            self.files.append(path)

    def unfinished(self) -> None:
        """A run that was over goes on: what it reached then is not what it reaches."""
        try:
            (self.path / RESULT).unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self.path / RESULT, error) from None

    def finished(self) -> None:
        """The run is over: the state before the last is of no use any more."""
        with suppress(OSError):
            (self.path / PREVIOUS).unlink(missing_ok=True)


class Silent(RunDir):
    """The folder as seen by a process that leaves the writing to another."""

    writes = False

    def __enter__(self) -> Silent:
        return self

    def write(self, name: str, data: bytes | str) -> Path:
        return self.path / name

    def state(self, data: bytes) -> None:
        return

    def unfinished(self) -> None:
        return

    def finished(self) -> None:
        return


def _csv_lines(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _lock(file: IO[bytes]) -> None:
    """Raises BlockingIOError where somebody holds it. The system drops it when a process dies."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            raise BlockingIOError from None
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
