"""Walking through a spec in search of places for mistakes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from archc.source import Span
from archc.syntax import tree

from . import layers
from .expressions import FUNCTIONS, MEASURES

Edit = tuple[int, int, str]
"""(start, end, new text)."""

RESERVED = frozenset(
    [
        "and",
        "as",
        "block",
        "const",
        "default",
        "else",
        "expect",
        "false",
        "for",
        "if",
        "in",
        "input",
        "network",
        "not",
        "or",
        "output",
        "recipe",
        "repeat",
        "share",
        "skip",
        "then",
        "true",
        "use",
        "via",
        "when",
        "where",
        "training",
    ]
)
TYPES = frozenset(["int", "float", "bool", "string", "size", "any", "block"])
OTHERS = frozenset(["pixel_shuffle", "instancenorm"])  # operators that no spec uses
TOKEN = re.compile(
    r"(?P<comment>#[^\r\n]*)|(?P<string>\"[^\"\r\n]*\")|(?P<number>[0-9][0-9_]*(?:\.[0-9][0-9_]*)?"
    r"(?:[eE][+-]?[0-9]+)?[KMGT]?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<arrow>->)"
    r"|(?P<dots>\.\.\.?)|(?P<mark>[^\s])"
)


@dataclass(frozen=True)
class Found:
    """A place for a mistake; `edits` makes one by chance (or none)."""

    kind: str
    edits: Callable[[Random], tuple[Edit, ...]]
    rule: str = ""
    unclear: str = ""
    near: tuple[str, ...] = ()


class Spec:
    """A spec's text, its tokens, and the names that mean something in it."""

    def __init__(self, text: str, file: tree.File) -> None:
        self.text = text
        self.file = file
        self.tokens = [m for m in TOKEN.finditer(text) if m.lastgroup != "comment"]
        inner = [
            name
            for m in self.tokens
            if m.lastgroup == "string"
            for part in re.findall(r"\{([^}]*)\}", m.group())
            for name in re.findall(r"[A-Za-z_]\w*", part)
        ]
        self.names = Counter([m.group() for m in self.tokens if m.lastgroup == "name"] + inner)
        quoted = {
            w for m in self.tokens if m.lastgroup == "string" for w in re.findall(r"\w+", m.group())
        }
        self.bindings: Counter[str] = Counter(
            ident.name for node, _ in walk(file) for ident in introduced(node)
        )
        self.parameters: dict[str, list[str]] = {}
        libraries = set()
        for item in file.declarations:
            if isinstance(item, (tree.Block, tree.Network)):
                self.parameters[item.name.name] = [p.name.name for p in item.params]
            if isinstance(item, tree.Use):
                library = _library(item, Path(file.source.name).parent)
                self.parameters.update(library)
                libraries |= set(library)
        self.known = frozenset(
            {*self.names, *quoted, *layers.OPERATORS, *OTHERS, *FUNCTIONS, *MEASURES, *RESERVED}
            | {*TYPES, *libraries, *layers.INITIALISERS}
            | {word for words in layers.TAKES_WORDS.values() for word in words}
            | {p for names in self.parameters.values() for p in names}
            | {p for op in layers.OPERATORS for p in layers.parameters(op)}
        )

    def slots(self, name: str) -> list[str]:
        """The parameters of an operator or block, in order."""
        if name in self.parameters:
            return self.parameters[name]
        return layers.parameters(name) if name in layers.OPERATORS else []


def _library(item: tree.Use, folder: Path) -> dict[str, list[str]]:
    """Parameters of the blocks of a file that is used."""
    from .units import STD, library

    path = folder / str(item.file.parts[0]) if item.file is not None else None
    if path is None:
        path = STD.joinpath(*(p.name for p in item.path[1:])).with_suffix(".arch")
    return {
        name: [p.name.name for p in decl.params]
        for name, decl in library(path).declared.items()
        if isinstance(decl, (tree.Block, tree.Network))
    }


def walk(node: Any, parents: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every node with the nodes around it, outermost first."""
    if isinstance(node, tree.File):
        for item in node.declarations:
            yield from walk(item, ())
    elif isinstance(node, tree.Node):
        yield node, parents
        for name in node.fields[1:]:
            yield from walk(getattr(node, name), (*parents, node))
    elif isinstance(node, tuple) and not isinstance(node, Span):
        for part in node:
            yield from walk(part, parents)


def introduced(node: Any) -> list[tree.Ident]:
    """The names that a node itself brings into being."""
    if isinstance(node, tree.Assign):
        return list(node.targets)
    if isinstance(node, tree.Targets):
        return [*node.names, *([node.index] if node.index else [])]
    if isinstance(node, tree.StageLabel):
        return [node.base] if isinstance(node.base, tree.Ident) else []
    if isinstance(node, tree.Repeat):
        return [node.var] if node.var else []
    if isinstance(node, (tree.Output, tree.Dim)):
        return [node.name] if node.name else []
    named = (
        tree.Input, tree.Share, tree.Param, tree.Const, tree.Block, tree.Network, tree.Variant
    )  # fmt: skip
    return [node.name] if isinstance(node, named) else []


def called(node: Any) -> str | None:
    """The name of what a node gives arguments to."""
    if isinstance(node, tree.Apply):
        return node.name[-1].name
    if isinstance(node, tree.Call):
        if isinstance(node.func, tree.Name):
            return node.func.name
        return node.func.name.name if isinstance(node.func, tree.Attr) else None
    if isinstance(node, tree.Default):
        return node.name.name
    if isinstance(node, tree.Variant):
        return node.base[-1].name
    return "fuse" if isinstance(node, tree.Skip) else None


def inside(parents: tuple[Any, ...], *kinds: type) -> bool:
    return any(isinstance(parent, kinds) for parent in parents)
