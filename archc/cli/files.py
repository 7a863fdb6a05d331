"""Writing files: whole ones only. A failed run leaves nothing half written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_all(files: dict[Path, bytes]) -> None:
    """Write all files, or none: contents go to temporary files first, then each takes its place.

    Raises OSError, after the temporary files are gone.
    """
    waiting: list[tuple[str, Path]] = []
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise IsADirectoryError(21, "a folder is in the way", str(path))
            handle, name = tempfile.mkstemp(prefix=".archc-", dir=path.parent)
            waiting.append((name, path))
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(name, 0o666 & ~_umask())
        while waiting:
            name, path = waiting[0]
            os.replace(name, path)
            waiting.pop(0)
    finally:
        for name, _ in waiting:
            if os.path.exists(name):
                os.unlink(name)


def _umask() -> int:
    """The process's file mode mask (which can only be read by setting it)."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
