"""Misspelt words: operators, parameters, names."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from archc.syntax import tree

from . import layers
from .walk import Edit, Found, Spec, introduced

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def sites(node: Any, parents: tuple[Any, ...], spec: Spec) -> Iterator[Found]:
    """Where a word stands that can be misspelt."""
    if isinstance(node, tree.Apply):
        operator = len(node.name) == 1 and _is_operator(node.name[0].name, spec)
        for ident in node.name:
            yield _misspelt("operator" if operator else "name", ident, spec)
    elif isinstance(node, tree.Name):
        operator = _is_operator(node.name, spec) or node.name == "fuse"
        binds = bool(parents) and isinstance(parents[-1], tree.Dim)  # as a free size
        rule = "" if binds else "an unknown word"
        yield _misspelt("operator" if operator else "name", node, spec, rule)
    elif isinstance(node, tree.Default):
        yield _misspelt(
            "operator" if _is_operator(node.name.name, spec) else "name", node.name, spec
        )
    elif isinstance(node, tree.Arg) and node.name is not None:
        yield _misspelt("parameter", node.name, spec)
    elif isinstance(node, tree.Attr):
        yield _misspelt("name", node.name, spec)
    elif isinstance(node, tree.Variant):
        for ident in node.base:
            yield _misspelt("name", ident, spec)
    elif isinstance(node, tree.Use):
        for ident in node.names:
            yield _misspelt("name", ident, spec)
    if not isinstance(node, tree.StageLabel):
        for ident in introduced(node):
            yield from _introduced(ident, spec)


def _introduced(ident: tree.Ident, spec: Spec) -> Iterator[Found]:
    """A name misspelt where it is introduced: what uses it then has nothing to use."""
    uses = spec.names[ident.name] - spec.bindings[ident.name]
    if uses < 1:
        return
    alone = spec.bindings[ident.name] == 1
    rule = "a name that nothing introduces" if alone else ""
    yield _misspelt("name", ident, spec, rule, (ident.name,))


def _is_operator(name: str, spec: Spec) -> bool:
    return name in layers.OPERATORS and not spec.bindings[name]


def _misspelt(
    kind: str, ident: Any, spec: Spec, rule: str = "an unknown word", near: tuple[str, ...] = ()
) -> Found:
    """The word with one slip of the finger, so that it is no other word of the text or language."""
    start, end = ident.span.start, ident.span.end

    def edits(chance: Random) -> tuple[Edit, ...]:
        for _ in range(20):
            word = _slip(ident.name, chance)
            if word not in spec.known:
                return ((start, end, word),)
        return ()

    return Found(kind, edits, rule, near=near)


def _slip(word: str, chance: Random) -> str:
    """Two letters swapped, one left out, one doubled, or one that is another."""
    at = chance.randrange(len(word))
    slip = chance.choice(["swap", "drop", "double", "other"])
    if len(word) == 1:
        slip = "other"
    if slip == "swap":
        at = min(at, len(word) - 2)
        made = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    elif slip == "drop":
        made = word[:at] + word[at + 1 :]
    elif slip == "double":
        made = word[:at] + word[at] + word[at:]
    else:
        made = word[:at] + chance.choice(LETTERS) + word[at + 1 :]
    return "_" + made if made[0].isdigit() else made
