"""Files of specs as the judge sees them: names, what they stand for, and calls."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import archc
from archc.diagnostics import Diagnostics
from archc.source import Source
from archc.syntax import parse, tree

from .values import Function, UndecidedError, WrongError, place

STD = Path(archc.__file__).parent / "std"


def _frame(unit: Unit) -> Any:
    from .stages import Frame

    return Frame(unit)


class Unit:
    """The names of one file."""

    def __init__(self, file: tree.File, folder: Path) -> None:
        self.file = file
        self.declared: dict[str, Any] = {}
        self.used: dict[str, Unit] = {}
        self.modules: dict[str, Unit] = {}
        self.defaults: dict[str, dict[str, Any]] = {}
        for item in file.declarations:
            if isinstance(item, tree.Use):
                self._use(item, folder)
            elif isinstance(item, (tree.Const, tree.Block, tree.Network, tree.Variant)):
                self.declared[item.name.name] = item
            elif isinstance(item, tree.Default):
                _frame(self).run_default(item, self.defaults)

    def _use(self, item: tree.Use, folder: Path) -> None:
        path = (
            folder / str(item.file.parts[0])
            if item.file is not None
            else STD.joinpath(*(p.name for p in item.path[1:])).with_suffix(".arch")
        )
        if not path.exists() or (item.file is None and item.path[0].name != "std"):
            raise WrongError(f"no file {path.name}", place(item))
        unit = library(path)
        if item.alias is not None:
            self.modules[item.alias.name] = unit
            return
        for name in [n.name for n in item.names] or list(unit.declared):
            if name not in unit.declared:
                raise WrongError(f"no name {name} in {path.name}", place(item))
            self.used[name] = unit

    def owner(self, name: str) -> Unit:
        return self if name in self.declared else self.used[name].owner(name)

    def module(self, name: str) -> Unit | None:
        return self.modules.get(name)

    def find(self, name: str) -> Any:
        """A declaration: a constant's value, a constant function, or a block or network."""
        if name not in self.declared:
            return self.used[name].find(name) if name in self.used else None
        found = self.declared[name]
        if isinstance(found, tree.Const):
            return found if found.params is not None else _frame(self).eval(found.value)
        return Function("block", name, found, self)

    def networks(self) -> list[str]:
        """Networks whose parameters all have values, in order."""
        return [n for n, d in self.declared.items() if isinstance(d, (tree.Network, tree.Variant))]


@cache
def library(path: Path) -> Unit:
    return read(path.read_text(), str(path), path.parent)


def read(text: str, name: str, folder: Path) -> Unit:
    """The names of a text that is grammatical. Raises WrongError."""
    found = Diagnostics()
    file = parse(Source(name, text), found)
    if found.failed:
        raise UndecidedError("the text does not parse")
    return Unit(file, folder)


def base(function: Function) -> tuple[Any, Unit, dict[str, Any]]:
    """The block or network behind a function, its file, and arguments it has by variants."""
    decl, unit, bound = function.decl, function.unit, dict(function.bound)
    while isinstance(decl, tree.Variant):
        names = [n.name for n in decl.base]
        owner = unit.module(names[0]) if len(names) > 1 else unit
        found = owner.find(names[-1]) if owner is not None else None
        if not isinstance(found, Function) or isinstance(found.decl, tree.Block):
            raise WrongError(f"no network {names[-1]}", place(decl))
        given = _frame(unit).arguments(found, decl.args, decl)
        bound = {**given, **bound}
        decl, unit = found.decl, found.unit
    return decl, unit, bound
