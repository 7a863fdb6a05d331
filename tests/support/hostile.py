"""What the tests with hostile inputs share: a command as a user runs it, and what must hold."""

from __future__ import annotations

import contextlib
import io
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from archc.cli import main

ROOT = Path(__file__).resolve().parent.parent.parent

SECONDS = 10.0
"""Of processor time, for any input. On an idle machine none takes more than 2; what is to be caught
here is work that grows without bound, and machines are busy."""

FOREIGN = re.compile(
    r"Traceback|bug in archc|[Ll]ark\b|Unexpected(Token|Characters)|Token\(|pydantic"
    r"|validation error|Input should be|type=|[a-z]Error\b|object at 0x|<class|Exception"
)
"""What only a library or the interpreter would say."""


class Endless(BaseException):
    """A case takes far too long."""


@contextlib.contextmanager
def alarmed(seconds: int) -> Iterator[None]:
    """Ends what takes far too long, by an exception that nothing catches on its way."""

    def ring(*_: object) -> None:
        raise Endless

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Screen:
    """What a user sees of a command."""

    def __init__(self, args: list[str]) -> None:
        out, err = io.StringIO(), io.StringIO()
        before = time.process_time()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            self.code = main(args)
        self.seconds = time.process_time() - before
        self.out, self.err = out.getvalue(), err.getvalue()
        self.codes = re.findall(r"^error\[(E\d{4})\]: ", self.err, flags=re.M)
        self.places = re.findall(r"^ *--> (.+):(\d+):(\d+)$", self.err, flags=re.M)


def write(folder: Path, text: str | bytes, name: str = "spec.arch") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refused(folder: Path, text: str | bytes, *args: str, placed: bool = True) -> Screen:
    """Check a text that is wrong, in the ways that all of them have in common."""
    screen = Screen(["check", "--color=never", str(write(folder, text)), *args])
    assert screen.code == 1, screen.err
    assert screen.codes, "refused without a code"
    assert not screen.out, "no table of a network that is wrong"
    sane(screen)
    if placed:
        assert len(screen.places) == len(screen.codes), screen.err
    return screen


def accepted(folder: Path, text: str, *args: str) -> Screen:
    screen = Screen(["check", "--color=never", str(write(folder, text)), *args])
    assert screen.code == 0, screen.err
    sane(screen)
    return screen


def sane(screen: Screen) -> None:
    # Names of the spec may hold any word, so look at what archc says around them.
    said = re.sub(r"`[^`]*`|^ *\d* [|+].*$|^ *-->.*$", "", screen.err, flags=re.M)
    assert not FOREIGN.search(said), screen.err
    assert screen.seconds < SECONDS, f"{screen.seconds:.1f} s"
    assert len(screen.err) < 100_000, "a screen that nobody can read"


def net(body: str, input: str = "3, 32, 32", before: str = "") -> str:
    return f"{before}\nnetwork Whole {{\n  input image[{input}]\n  {body}\n}}\n"


def stage(text: str, input: str = "3, 32, 32") -> str:
    return net(f"output image -> {text}", input)
