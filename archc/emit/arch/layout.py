"""Stages and statements as lines of text, broken where they are too long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

WIDTH = 110
STEP = "  "


class Stage(NamedTuple):
    """A stage. `head` is an operator with its arguments, a block's name, or what comes before the
    braces; `inner` are the stages in its brackets, if it has any."""

    head: str
    label: str = ""
    inner: tuple[Stage, ...] | None = None
    brackets: str = "{}"
    via: Stage | None = None

    @property
    def opening(self) -> str:
        """What comes before the inner stages."""
        space = " " if self.head else ""
        return f"{self.label}{self.head}{space}{self.brackets[0]}"

    def flat(self) -> str:
        """On one line."""
        if self.inner is None:
            return self.label + self.head
        inside = " -> ".join(stage.flat() for stage in self.inner)
        pad = " " if self.brackets == "{}" else ""
        end = f" via {self.via.flat()}" if self.via is not None else ""
        return f"{self.opening}{pad}{inside}{pad}{self.brackets[1]}{end}"


def rolled(stages: list[Stage]) -> tuple[Stage, ...]:
    """The same stages, with runs that come three times or more as `repeat`."""
    found: list[Stage] = []
    at = 0
    while at < len(stages):
        length, times = _run(stages, at)
        part = stages[at : at + length]
        if times < 3:
            found.append(stages[at])
            at += 1
            continue
        found.append(Stage(f"repeat {times}", inner=tuple(part)))
        at += length * times
    return tuple(found)


def _run(stages: list[Stage], at: int) -> tuple[int, int]:
    """Of what comes next: the stages of a period, and how often it comes, where that saves most."""
    best = (1, 1)
    for length in range(1, min(8, (len(stages) - at) // 3) + 1):
        part, times = stages[at : at + length], 1
        if any(stage.label for stage in part):
            break  # a label comes once
        while stages[at + times * length : at + (times + 1) * length] == part:
            times += 1
        if times >= 3 and length * times > best[0] * best[1]:
            best = (length, times)
    return best


def statement(start: str, stages: tuple[Stage, ...], indent: str) -> Iterator[str]:
    """The lines of `name = value -> stages`; `start` is what comes before the first arrow."""
    flat = " -> ".join([start, *(stage.flat() for stage in stages)])
    if len(indent + flat) <= WIDTH or not stages:
        yield indent + flat
        return
    yield indent + start
    yield from _chain(stages, indent + 2 * STEP, "-> ")


def _chain(stages: tuple[Stage, ...], indent: str, first: str) -> Iterator[str]:
    """As many stages on a line as fit."""
    line = ""
    arrow = first
    for stage in stages:
        text = arrow + stage.flat()
        arrow = "-> "
        if len(indent + text) > WIDTH and stage.inner is not None:
            if line:
                yield indent + line
                line = ""
            yield from _broken(stage, indent, text[: len(text) - len(stage.flat())])
        elif line and len(f"{indent}{line} {text}") <= WIDTH:
            line = f"{line} {text}"
        else:
            if line:
                yield indent + line
            line = text
    if line:
        yield indent + line


def _broken(stage: Stage, indent: str, arrow: str) -> Iterator[str]:
    """A stage with brackets over several lines."""
    assert stage.inner is not None
    deep = indent + STEP + " " * len(arrow)
    yield indent + arrow + stage.opening
    yield from _chain(stage.inner, deep, "")
    closing = indent + " " * len(arrow) + stage.brackets[1]
    if stage.via is None:
        yield closing
        return
    flat = f"{closing} via {stage.via.flat()}"
    if len(flat) <= WIDTH or stage.via.inner is None:
        yield flat
        return
    lines = list(_broken(stage.via, indent + " " * len(arrow), ""))
    yield f"{closing} via {lines[0].strip()}"
    yield from lines[1:]
