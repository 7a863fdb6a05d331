"""Which layers of two networks are the same layer: by their names first, then by what they do.

The paths of layers make a tree: blocks, groups and iterations are its branches, so that a block and
its layers written out align. Level by level, branches are matched in order (the alignment of the
largest score, as for sequences of genes: Needleman, Wunsch 1970). A name that the user wrote counts
most; then equal layers with equal shapes, equal arguments, the same operator. Numbers and counted
names (`features.3`, `conv2`) count little: they shift where a layer is inserted.

What is left is matched across the tree: layers that stand elsewhere under the same path, and those
that do the same to the same shapes under another name.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from .diff_layers import Flat, Layer, Numbers, Source

MOST_CELLS = 250_000
"""Larger tables of scores are not filled: equal names are matched instead."""

_NAME = 10.0
"""What a name is worth that the user wrote; more than any content."""


@dataclass(slots=True, eq=False)
class Item:
    """A branch or a layer in the tree of paths; `layers` are its uses, several of a shared module.

    `text` is equal for those with the same layers in them, `form` for those with the same layers
    and shapes. `kinds` counts the layers in it by how they are written.
    """

    name: str
    strong: bool
    layers: list[int] = field(default_factory=list)
    children: dict[str, Item] = field(default_factory=dict)
    text: int = -1
    form: int = -1
    kinds: Counter[int] = field(default_factory=Counter)
    weighty: bool = False


def align(a: Flat, b: Flat, numbers: Numbers) -> dict[int, int]:
    """Layers of a to the layers of b that they are."""
    found = _Alignment(a, b)
    found.level([tree(a, numbers)], [tree(b, numbers)])
    found.by_path()
    found.by_content()
    found.by_place()
    return found.pairs


def tree(flat: Flat, numbers: Numbers) -> Item:
    """The layers of a network by the parts of their paths."""
    root = Item("", True)
    for layer in flat.layers:
        at = root
        for name, strong in zip(layer.names, layer.strong, strict=True):
            at = at.children.setdefault(name, Item(name, strong))
        at.layers.append(layer.index)
    items = [root]
    for item in items:
        items += item.children.values()
    for item in reversed(items):  # what is inside comes before what holds it
        _sign(item, flat.layers, numbers)
    return root


def _sign(item: Item, layers: Sequence[Layer], numbers: Numbers) -> None:
    """Fill in what an item holds, from what its children hold."""
    texts, forms = [], []
    for child in item.children.values():
        texts.append(child.text)
        forms.append(child.form)
        item.kinds.update(child.kinds)
        item.weighty = item.weighty or child.weighty
    for n in item.layers:
        layer = layers[n]
        texts.append(layer.text)
        forms.append(layer.form)
        item.kinds[layer.text] += 1
        item.weighty = item.weighty or layer.weighty
    single = len(texts) == 1 and not item.children
    item.text = texts[0] if single else numbers.of(("texts", tuple(texts)))
    item.form = forms[0] if single else numbers.of(("forms", tuple(forms)))


class _Alignment:
    def __init__(self, a: Flat, b: Flat) -> None:
        self.a = a.layers
        self.b = b.layers
        self.pairs: dict[int, int] = {}
        self._taken: set[int] = set()
        self._alike: dict[tuple[int, int], float] = {}

    # ------------------------------------------------------------------ by names, level by level

    def level(self, left: list[Item], right: list[Item]) -> None:
        """Match the items of a level, and what is in them."""
        todo = [(left, right)]
        while todo:
            ours, theirs = todo.pop()
            for x, y in self._matched(ours, theirs):
                for m, n in zip(x.layers, y.layers, strict=False):
                    self._pair(m, n)
                if x.children and y.children:
                    todo.append((list(x.children.values()), list(y.children.values())))

    def _matched(self, left: list[Item], right: list[Item]) -> list[tuple[Item, Item]]:
        """Pairs of items, in order; equal ends are cut off first."""
        start, end = 0, 0
        most = min(len(left), len(right))
        while start < most and _twins(left[start], right[start]):
            start += 1
        while end < most - start and _twins(left[-1 - end], right[-1 - end]):
            end += 1
        pairs = list(zip(left[:start], right[:start], strict=True))
        pairs += zip(left[len(left) - end :], right[len(right) - end :], strict=True)
        left, right = left[start : len(left) - end], right[start : len(right) - end]
        if len(left) * len(right) > MOST_CELLS:
            return pairs + _by_names(left, right)
        return pairs + self._best(left, right)

    def _best(self, left: list[Item], right: list[Item]) -> list[tuple[Item, Item]]:
        """The alignment with the largest sum of scores."""
        score = [[self._score(x, y) for y in right] for x in left]
        rows, columns = len(left), len(right)
        best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
        for i in range(rows - 1, -1, -1):
            here, below, line = best[i], best[i + 1], score[i]
            for j in range(columns - 1, -1, -1):
                most = max(below[j], here[j + 1])
                if line[j] and line[j] + below[j + 1] > most:
                    most = line[j] + below[j + 1]
                here[j] = most
        pairs: list[tuple[Item, Item]] = []
        i = j = 0
        while i < rows and j < columns:
            if score[i][j] and best[i][j] == score[i][j] + best[i + 1][j + 1]:
                pairs.append((left[i], right[j]))
                i, j = i + 1, j + 1
            elif best[i][j] == best[i + 1][j]:
                i += 1
            else:
                j += 1
        return pairs

    def _score(self, x: Item, y: Item) -> float:
        """How much speaks for two items being one; 0: nothing."""
        same = x.name == y.name
        content = self._content(x, y)
        if same and (x.strong or y.strong):
            return _NAME + content
        if not content:
            return 0.0
        if x.strong and y.strong and content < 3:
            return 0.0  # the user calls them different things, and they are
        factor = 2.0 if x.weighty and y.weighty else 1.0
        return factor * content + (0.5 if same else 0.0)

    def _content(self, x: Item, y: Item) -> float:
        """How alike two items are: 4 equal with equal shapes, 3 written the same, less in parts."""
        if bool(x.children) != bool(y.children):
            return 0.0
        if x.form == y.form:
            return 4.0
        if x.text == y.text:
            return 3.0
        if not x.children:
            return 1.0 if self.a[x.layers[0]].op.op == self.b[y.layers[0]].op.op else 0.0
        found = self._alike.get((x.text, y.text))
        if found is None:
            shared = sum((x.kinds & y.kinds).values())
            share = shared / max(sum(x.kinds.values()), sum(y.kinds.values()))
            found = self._alike[x.text, y.text] = 2.0 * share if share >= 0.5 else 0.0
        return found

    # ------------------------------------------------------------------ what is left

    def by_path(self) -> None:
        """Layers under the same path that stand at another place."""
        waiting: dict[tuple[str, str], list[int]] = {}
        for n in reversed(self._rest_of_b()):
            layer = self.b[n]
            if layer.strong[-1]:
                waiting.setdefault((layer.path, layer.op.op), []).append(n)
        for n in self._rest_of_a():
            others = waiting.get((self.a[n].path, self.a[n].op.op))
            if others:
                self._pair(n, others.pop())

    def by_content(self) -> None:
        """Layers that do the same to the same shapes: those with weights in the longest common
        order, then those without, where what feeds them is matched."""
        ours = [n for n in self._rest_of_a() if self.a[n].weighty]
        theirs = [n for n in self._rest_of_b() if self.b[n].weighty]
        forms = [self.a[n].form for n in ours], [self.b[n].form for n in theirs]
        for i, j in common(*forms):
            self._pair(ours[i], theirs[j])
        waiting: dict[tuple[int, tuple[Source, ...]], list[int]] = {}
        for n in reversed(self._rest_of_b()):
            layer = self.b[n]
            waiting.setdefault((layer.form, layer.inputs), []).append(n)
        for n in self._rest_of_a():
            others = waiting.get((self.a[n].form, self._fed(n)))
            if others:
                self._pair(n, others.pop())

    def by_place(self) -> None:
        """A layer put in the place of another: fed by the same, giving the same shape, under a name
        that says nothing else (`relu` that became `gelu`)."""
        waiting: dict[object, list[int]] = {}
        for n in self._rest_of_b():
            layer = self.b[n]
            waiting.setdefault((layer.inputs, layer.results), []).append(n)
        for n in self._rest_of_a():
            old = self.a[n]
            for other in waiting.get((self._fed(n), old.results), []):
                new = self.b[other]
                named = old.strong[-1] and new.strong[-1] and old.names[-1] != new.names[-1]
                if other not in self._taken and not named:
                    self._pair(n, other)
                    break

    def _fed(self, n: int) -> tuple[Source, ...]:
        """What feeds a layer of A, as layers of B; -2 where those have no match."""
        return tuple(
            [Source(self.pairs.get(i, -2) if i >= 0 else i, port) for i, port in self.a[n].inputs]
        )

    def _rest_of_a(self) -> list[int]:
        return [layer.index for layer in self.a if layer.index not in self.pairs]

    def _rest_of_b(self) -> list[int]:
        return [layer.index for layer in self.b if layer.index not in self._taken]

    def _pair(self, x: int, y: int) -> None:
        self.pairs[x] = y
        self._taken.add(y)


def _twins(x: Item, y: Item) -> bool:
    """The same under the same name, or under names that do not count."""
    return x.form == y.form and (x.name == y.name or not (x.strong or y.strong))


def _by_names(left: list[Item], right: list[Item]) -> list[tuple[Item, Item]]:
    """Items of equal names, the most of them that stand in the same order on both sides."""
    places = {item.name: j for j, item in enumerate(right)}
    both = [(i, places[item.name]) for i, item in enumerate(left) if item.name in places]
    return [(left[i], right[j]) for i, j in rising(both)]


def rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest part of pairs (i rising, j all different) in which j rises, too."""
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for n, (_, j) in enumerate(pairs):
        at = bisect_right(tails, j)
        before.append(ends[at - 1] if at else -1)
        if at == len(tails):
            tails.append(j)
            ends.append(n)
        else:
            tails[at], ends[at] = j, n
    found: list[tuple[int, int]] = []
    n = ends[-1] if ends else -1
    while n >= 0:
        found.append(pairs[n])
        n = before[n]
    return found[::-1]


def common(left: list[int], right: list[int]) -> list[tuple[int, int]]:
    """Places of a long common subsequence."""
    if len(left) * len(right) <= MOST_CELLS:
        blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
        return [(b.a + k, b.b + k) for b in blocks for k in range(b.size)]
    places: dict[int, list[int]] = {}
    for j, value in enumerate(right):
        places.setdefault(value, []).append(j)
    found: list[tuple[int, int]] = []
    last = -1
    for i, value in enumerate(left):
        later = places.get(value, [])
        at = bisect_right(later, last)
        if at < len(later):
            last = later[at]
            found.append((i, last))
    return found
