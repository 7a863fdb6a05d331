"""The names that a declaration uses and introduces, found in one walk over it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ..source import Span
from ..syntax import tree


class Spoken:
    """The names in one declaration, with their places in the order of the text."""

    def __init__(self, decl: tree.Node) -> None:
        self.decl = decl  # kept, so that its id stays its own
        self.used: dict[str, list[tree.Name | tree.Apply]] = {}
        """Where names stand as values or stages."""
        self.introduced: dict[str, list[Span]] = {}
        """Where names are given a value."""
        self.arguments: Counter[str] = Counter()
        """How often arguments are given by each name."""
        self._walk(decl)
        self.idle: dict[str, Span] = {
            name: places[0]
            for name, places in self.introduced.items()
            if len(places) == 1 and name not in self.used
        }
        """Names that are introduced once and never used, and where."""

    def uses(self, name: str) -> list[Span]:
        """The places of a name that nothing here introduces."""
        return [] if name in self.introduced else [place(n) for n in self.used.get(name, ())]

    def _walk(self, decl: tree.Node) -> None:
        """All nodes within the declaration, itself included, without recursion."""
        pending: list[Any] = [decl]
        while pending:
            part = pending.pop()
            if isinstance(part, Span):
                continue
            if isinstance(part, tuple):
                pending.extend(reversed(part))
            elif isinstance(part, tree.Node):
                if isinstance(part, (tree.Name, tree.Apply)):
                    self.used.setdefault(spelt(part), []).append(part)
                elif isinstance(part, tree.Arg):
                    if part.name is not None:
                        self.arguments[part.name.name] += 1
                else:
                    for ident in _introduced(part):
                        self.introduced.setdefault(ident.name, []).append(ident.span)
                pending.extend([getattr(part, name) for name in reversed(part.fields[1:])])


def spelt(part: tree.Name | tree.Apply) -> str:
    """The name that a value or stage begins with."""
    return part.name if isinstance(part, tree.Name) else part.name[0].name


def place(part: tree.Name | tree.Apply) -> Span:
    """Where that name stands."""
    return part.span if isinstance(part, tree.Name) else part.name[0].span


def _introduced(part: tree.Node) -> list[tree.Ident]:
    """The names that a node gives a value."""
    if isinstance(part, tree.Assign):
        return list(part.targets)
    if isinstance(part, tree.Targets):
        return [*part.names, *([part.index] if part.index else [])]
    if isinstance(part, tree.Repeat):
        return [part.var] if part.var else []
    if isinstance(part, (tree.Param, tree.Input, tree.Share)):
        return [part.name]
    return []
