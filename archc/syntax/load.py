"""Files to sources: what cannot be read as text of the language is refused with a reason."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from ..diagnostics import Diagnostics
from ..source import Source, Span

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 1_000_000
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = b"\xef\xbb\xbf"


def read(
    path: str | Path,
    diagnostics: Diagnostics,
    *,
    name: str | None = None,
    max_bytes: int = MAX_BYTES,
    at: Span | None = None,
) -> Source | None:
    """The text of a file, or of standard input for `-`; None and a diagnostic if there is none.

    `name` is what people see as the file's name; `at` is the place that asked for it (a `use`).
    E0701 if there is no such regular file, E0706 above `max_bytes`, E0707 if it is not UTF-8.
    A byte order mark is dropped. Never blocks on pipes and devices: they are refused unread.
    """
    shown = name if name is not None else "<stdin>" if str(path) == "-" else str(path)
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(max_bytes + 1)
        else:
            data = _bytes(path, max_bytes)
    except (OSError, ValueError) as error:
        reason = _reason(error)
        diagnostics.error("E0701", f"`{shown}` cannot be read: {reason}", at)
        return None
    if len(data) > max_bytes:
        message = f"`{shown}` is larger than {max_bytes:,} bytes"
        diagnostics.error("E0706", message, at, help="raise the limit with --max-bytes")
        return None
    return _decoded(shown, data, diagnostics)


def _bytes(path: str | Path, max_bytes: int) -> bytes:
    """At most max_bytes + 1 bytes of a regular file. Raises OSError, also for what is none."""
    # Non-blocking: opening a FIFO must not wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError
        if not stat.S_ISREG(mode):
            raise ValueError("it is a device or a pipe, not a file")
        return file.read(max_bytes + 1)


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "it is a folder"
    if isinstance(error, NotADirectoryError):
        return "a part of its path is no folder"
    if isinstance(error, PermissionError):
        return "reading it is not permitted"
    if isinstance(error, OSError):
        return (error.strerror or "the system refused").lower()
    return "its name holds a NUL" if "null" in str(error) else str(error)


def _decoded(shown: str, data: bytes, diagnostics: Diagnostics) -> Source | None:
    if data.startswith(_UTF16):
        diagnostics.error(
            "E0707", f"`{shown}` is UTF-16, not UTF-8", help="save it again with the encoding UTF-8"
        )
        return None
    data = data.removeprefix(_BOM)
    try:
        return Source(shown, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        offset = len(data[: error.start].decode("utf-8"))
        source = Source(shown, data.decode("utf-8", "replace"))
        diagnostics.error(
            "E0707",
            f"`{shown}` is not UTF-8",
            (Span(source, offset, offset + 1), f"the byte 0x{data[error.start]:02X}"),
            help="save it again with the encoding UTF-8",
        )
        return None
