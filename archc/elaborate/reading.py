"""What lints need to know of the text: the user's files, and what in them nothing refers to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..source import Span
from ..syntax import tree
from .modules import Unit


def own_units(unit: Unit) -> list[Unit]:
    """A file and those that it uses, one another included; not the standard library's."""
    found: list[Unit] = []
    pending = [unit]
    while pending:
        one = pending.pop()
        if one in found or one.source.name.startswith("std/"):
            continue
        found.append(one)
        pending += [used for used, _ in one.imported.values()]
        pending += one.aliases.values()
    return found


def bodies_of(unit: Unit) -> list[Span]:
    """The spans of a file's blocks, networks and variants, in order."""
    kinds = (tree.Block, tree.Network, tree.Variant)
    return [decl.span for decl in unit.file.declarations if isinstance(decl, kinds)]


def unreferenced(unit: Unit) -> Iterator[tuple[str, str, Span]]:
    """Blocks, constants, parameters and names from other files that the file never mentions again:
    what kind, its name, its place. Without a network the file is a library, for others to use."""
    declarations = unit.file.declarations
    if not any(isinstance(d, (tree.Network, tree.Variant)) for d in declarations):
        return
    names = {id(decl): _names(decl) for decl in declarations}
    every: Counter[str] = Counter()
    for found in names.values():
        every.update(found)
    for decl in declarations:
        if isinstance(decl, tree.Use):
            for ident in [*decl.names, *([decl.alias] if decl.alias else [])]:
                if not every[ident.name]:
                    yield "name", ident.name, ident.span
        elif isinstance(decl, (tree.Block, tree.Const)):
            own = decl.name.name in names[id(decl)]
            if every[decl.name.name] == own:
                kind = "block" if isinstance(decl, tree.Block) else "constant"
                yield kind, decl.name.name, decl.name.span
        if isinstance(decl, (tree.Block, tree.Network, tree.Const)):
            for param in decl.params or ():
                if param.name.name not in names[id(decl)]:
                    yield "parameter", param.name.name, param.name.span


def _names(decl: tree.Decl) -> set[str]:
    """The names that a declaration refers to."""
    found = tree.names_in(decl)
    if isinstance(decl, tree.Variant):
        found.add(decl.base[0].name)
    elif isinstance(decl, tree.Recipe) and decl.network is not None:
        found.add(decl.network.name)
    elif isinstance(decl, tree.Default):
        found.add(decl.name.name)
    return found
