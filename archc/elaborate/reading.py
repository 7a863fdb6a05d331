"""What lints need to know of the text: files of the user, their comments, what nothing refers to."""

from __future__ import annotations

import re
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
    words = _words(unit)
    for decl in declarations:
        if isinstance(decl, tree.Use):
            brought = [*decl.names, *([decl.alias] if decl.alias else [])]
            for ident in brought:
                if words[ident.name] == 1:
                    yield "name", ident.name, ident.span
            continue
        if isinstance(decl, (tree.Block, tree.Const)):
            name = decl.name.name
            if not any(name in _names(other) for other in _mentioning(declarations, decl, words)):
                kind = "block" if isinstance(decl, tree.Block) else "constant"
                yield kind, name, decl.name.span
        if isinstance(decl, (tree.Block, tree.Network, tree.Const)):
            for param in decl.params or ():
                # Only a name that stands once in the declaration's text can be unused.
                if len(re.findall(rf"\b{param.name.name}\b", decl.span.text)) == 1 or (
                    param.name.name not in _names(decl)
                ):
                    yield "parameter", param.name.name, param.name.span


def _mentioning(
    declarations: tuple[tree.Decl, ...], decl: tree.Block | tree.Const, words: dict[str, int]
) -> Iterator[tree.Decl]:
    """The other declarations whose text has the name of one, if any has."""
    name = decl.name.name
    if words[name] > 1:
        for other in declarations:
            if other is not decl and name in other.span.text:
                yield other


def _words(unit: Unit) -> dict[str, int]:
    """How often each word stands in the text."""
    from collections import Counter

    return Counter(re.findall(r"[^\W\d]\w*", unit.source.text))


def _names(decl: tree.Decl) -> set[str]:
    """The names that a declaration refers to."""
    found = tree.names_in(decl)
    if isinstance(decl, tree.Variant):
        found.add(decl.base[0].name)
    elif isinstance(decl, tree.Recipe) and decl.network is not None:
        found.add(decl.network.name)
    return found
