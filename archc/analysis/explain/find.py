"""Which layer, block, range or input a label means."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...diagnostics.model import closest
from .flat import Flat, FlatNode, FlatScope

_RANGE = re.compile(r"\s*(?:…|\.\.\.?)\s*")
_INDEX = re.compile(r"\[(\d+)\]")


class UnknownLabel(LookupError):
    """There is no such label; `meant` is what probably was, `several` are paths that end so, `top`
    the outermost paths of the network."""

    def __init__(self, label: str, meant: str | None, several: list[str], top: list[str]) -> None:
        super().__init__(label)
        self.meant = meant
        self.several = several
        self.top = top


@dataclass(frozen=True, slots=True)
class Found:
    """What a label means: items (layers, blocks) of one level, or an input's value.

    One item with `whole` false is that layer or block itself; several, or `whole`, a range.
    """

    path: str
    items: tuple[FlatNode | FlatScope, ...]
    ranged: bool = False
    input: int | None = None
    uses: tuple[FlatNode | FlatScope, ...] = ()
    """All places where the same path is used, if there are several."""


def find(flat: Flat, label: str) -> Found:
    """What a label means in a network; raises `UnknownLabel`.

    A label is a path (`layer1.0.conv1`, also written `layer1[0].conv1`), the end of one that only
    one layer has (`.conv1`), a range as tables print it (`layer1.1 … 2`), an input's name, or the
    name of a value of the network, which stands for the layer that makes it.
    """
    text = label.strip()
    if text.endswith(")") and " ×" in text:
        text = text.rpartition(" ×")[0]
    text = re.sub(r"\s+×[\d,]+$", "", text)
    ends = _RANGE.split(text)
    if len(ends) == 2 and all(ends):
        return _range(flat, label, ends[0], ends[1])
    path = _plain(text)
    for value, (name, _) in flat.inputs.items():
        if name in (path, text):
            return Found(name, (), input=value)
    items = _at(flat, path) or _ending(flat, path) or _value(flat, path)
    if not items:
        raise _unknown(flat, label, path)
    return Found(items[0].path, (items[0],), uses=tuple(items) if len(items) > 1 else ())


def paths(flat: Flat) -> list[str]:
    """Every path of a network, inputs first, each once."""
    found = [name for name, _ in flat.inputs.values()]
    found += [scope.path for scope in flat.scopes]
    found += [node.path for node in flat.nodes]
    return list(dict.fromkeys(found))


def _plain(text: str) -> str:
    """A path as reports write it: `fuse[0][1]` is `fuse.0.1`."""
    return _INDEX.sub(r".\1", text.strip())


def _at(flat: Flat, path: str) -> list[FlatNode | FlatScope]:
    """What stands at a path: a layer, else a block or group of which it is the path.

    A block of one stage is called by the name of its only layer, which then says it all."""
    nodes: list[FlatNode | FlatScope] = [node for node in flat.nodes if node.path == path]
    return nodes or [scope for scope in flat.scopes if scope.path == path and scope.last]


def _ending(flat: Flat, path: str) -> list[FlatNode | FlatScope]:
    """What alone has a path that ends so."""
    end = "." + path.lstrip(".")
    found = list(dict.fromkeys(p for p in paths(flat) if p.endswith(end)))
    return _at(flat, found[0]) if len(found) == 1 else []


def _value(flat: Flat, name: str) -> list[FlatNode | FlatScope]:
    """The layer that makes a named value; of a name that is given again, the last."""
    found: list[FlatNode | FlatScope] = []
    for v, made in enumerate(flat.report.graph.main.values):
        if made.name == name and v in flat.main and flat.producer[flat.main[v]] >= 0:
            found = [flat.nodes[flat.producer[flat.main[v]]]]
    return found


def _unknown(flat: Flat, label: str, path: str) -> UnknownLabel:
    known = paths(flat)
    end = "." + path.lstrip(".")
    several = [p for p in known if p.endswith(end)]
    if several:
        return UnknownLabel(label, None, several, _top(known))
    meant = closest(path, known)
    if meant is None:
        # A mistake in one part of a long path is small against that part only.
        head, _, tail = path.rpartition(".")
        below = [p for p in known if p.rpartition(".")[0] == head]
        near = closest(tail, [p.rpartition(".")[2] for p in below])
        meant = f"{head}.{near}" if near and head else near
    return UnknownLabel(label, meant, [], _top(known))


def _top(known: Iterable[str]) -> list[str]:
    """The outermost paths."""
    return list(dict.fromkeys(path.split(".")[0] for path in known))


def _range(flat: Flat, label: str, start: str, stop: str) -> Found:
    """The items from one to another at the level of the first, in the order of execution."""
    first = find(flat, start)
    if first.input is not None:
        raise _unknown(flat, label, _plain(start))
    scope = first.path.rpartition(".")[0]
    last_path = _plain(stop)
    if not _at(flat, last_path) and scope:
        last_path = f"{scope}.{last_path.lstrip('.')}"
    if not _at(flat, last_path):
        raise _unknown(flat, label, last_path)
    begin, end = first.items[0], _at(flat, last_path)[-1]
    items = [one for one in _level(flat, begin) if _starts(flat, begin) <= _starts(flat, one)]
    items = [one for one in items if _starts(flat, one) <= _starts(flat, end)]
    if not items or items[-1].path != end.path:
        raise _unknown(flat, label, last_path)
    return Found(f"{begin.path} … {end.path}", tuple(items), ranged=True)


def _starts(flat: Flat, item: FlatNode | FlatScope) -> int:
    return item.first if isinstance(item, FlatScope) else flat.producer[item.outputs[0]]


def _level(flat: Flat, like: FlatNode | FlatScope) -> list[FlatNode | FlatScope]:
    """The layers and blocks of the same body and with the same scope around their paths."""
    depth = like.path.count(".")
    head = like.path.rpartition(".")[0]
    scopes = [
        s for s in flat.scopes
        if s.last and s.path.count(".") == depth and s.path.rpartition(".")[0] == head
    ]  # fmt: skip
    inside = [(s.first, s.last) for s in scopes]
    nodes: list[FlatNode | FlatScope] = [
        n for i, n in enumerate(flat.nodes)
        if n.path.rpartition(".")[0] == head and not any(a <= i < b for a, b in inside)
    ]  # fmt: skip
    return sorted([*scopes, *nodes], key=lambda item: _starts(flat, item))
