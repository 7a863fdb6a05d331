"""The command line. Every verb is a module of its own, loaded when it is asked for."""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys

from .. import __version__
from .arguments import parser

# archc's models use no pydantic plugins, and looking for some would take as long as a small check.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

# What is left at the end is the system's to take back. Looking through it for cycles would take as
# long again as the check of a large spec.
atexit.register(gc.freeze)

OK, WRONG, USAGE, BUG, INTERRUPTED = 0, 1, 2, 3, 130


def main(argv: list[str] | None = None) -> int:
    """Run a command. Exit codes: 0 fine, 1 spec, data or proof is wrong, 2 usage, 3 a bug."""
    _prepare_streams()
    try:
        args = parser().parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else USAGE
    # A command makes many objects, few of them in cycles, and ends: collecting often is wasted.
    gc.set_threshold(200_000, 20, 20)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing is wrong, nobody listens.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except MemoryError:
        print("error[E0811]: there is too little memory for this", file=sys.stderr)
        return WRONG
    except Exception as error:  # the last line of defence: no traceback reaches a user unasked
        return _bug(error, argv)


def _prepare_streams() -> None:
    """Output can be written, whatever became of it and whatever files are called."""
    if sys.stdout is None:  # closed by whoever started us: `>&-`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 -- for as long as the process lives
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 -- likewise
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files need not be UTF-8: as they are
            stream.reconfigure(errors="surrogateescape")


def _bug(error: Exception, argv: list[str] | None) -> int:
    """Say what to report."""
    import platform
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    where = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "?"
    print(
        "archc: this is a bug in archc, not in your spec: "
        f"{type(error).__name__} at {where}: {error}\n"
        f"  archc {__version__}, Python {platform.python_version()}, {platform.system()}\n"
        f"  command: archc {' '.join(sys.argv[1:] if argv is None else argv)}\n"
        "  Please report these lines and the spec. ARCHC_TRACEBACK=1 shows the whole trace.",
        file=sys.stderr,
    )
    if os.environ.get("ARCHC_TRACEBACK"):
        traceback.print_exception(error)
    return BUG
