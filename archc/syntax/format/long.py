"""Lines that are too long are broken at the outermost place where that can be."""

from __future__ import annotations

from ...ops import FAMILIES
from .columns import Layout, Row
from .words import Text, Word

# Stages that belong to the one before them: `conv -> batchnorm -> relu` stays together.
_FOLLOWERS = frozenset(
    name for family in ("norm", "regularize", "activation") for name in FAMILIES[family]
) | {"flatten"}


def shorten(text: Text, layout: Layout, width: int) -> bool:
    """Break every line above `width` once; whether any was broken."""
    broken = False
    for row in layout.rows:
        if row.cells and layout.end(row) > width:
            broken = _break(text, layout, row, width) or broken
    return broken


def _break(text: Text, layout: Layout, row: Row, width: int) -> bool:
    """Break a line at the first that it has of these: a body, items of brackets that were opened
    on an earlier line, the value of a const, the outermost pipeline, the longest of the outermost
    brackets."""
    words = text.words
    indices = [cell.word for cell in row.cells if cell.word >= 0]
    pairs = [i for i in indices if i < words[i].partner <= indices[-1] and words[i].partner > i + 1]
    for i in pairs:
        if words[i].content == "body":
            text.forced.add(i)
            return True
    items = [
        i
        for i in indices
        if 0 <= words[i].opener < indices[0] and words[i].head == i and _of_list(words, i)
    ]
    if items and _fill(words, layout, items, indices[-1], width - row.indent):
        return True
    if words[indices[0]].text == "const":
        sign = next(i for i in indices if words[i].text == "=" and words[i].opener < 0)
        if not words[sign + 1].breaks:
            _start_line(words[sign + 1])
            return True
    depth = _depths(words, indices)
    arrows = [i for i in indices[1:] if words[i].text == "->"]
    inner = [i for i in pairs if words[i].content == "chain" or _has_items(words, i)]
    levels = [depth[i] for i in arrows + inner]
    if not levels:
        return False
    level = min(levels)
    outer = [i for i in arrows if depth[i] == level]
    if outer:
        _break_pipeline(words, layout, outer, indices[-1], width)
    else:
        longest = max(
            (i for i in inner if depth[i] == level),
            key=lambda i: layout.at[words[i].partner] - layout.at[i],
        )
        _break_bracket(text, layout, longest, width)
    return True


def _depths(words: list[Word], indices: list[int]) -> dict[int, int]:
    """Brackets around each word of a line, as far as the line goes."""
    depth = 0
    found: dict[int, int] = {}
    for i in indices:
        if words[i].partner >= 0 and words[i].partner < i:
            depth -= 1
        found[i] = depth
        if words[i].partner > i:
            depth += 1
    return found


def _has_items(words: list[Word], opener: int) -> bool:
    return any(
        words[j].text == "," and words[j].opener == opener
        for j in range(opener + 1, words[opener].partner)
    )


def _break_pipeline(
    words: list[Word], layout: Layout, arrows: list[int], last: int, width: int
) -> None:
    """Before every stage that begins something new."""
    leads = [i for i in arrows if not _follows(words, i)]
    for i in leads or arrows[:1]:
        _start_line(words[i])
    if leads:
        return
    # Only followers: as many a line as there is room for.
    _fill(words, layout, arrows, last, width - layout.row_of[arrows[0]].indent - 4)


def _fill(words: list[Word], layout: Layout, parts: list[int], last: int, room: int) -> bool:
    """Break before parts such that as many stand on a line as `room` columns hold; whether any."""
    start = parts[0]
    for part, after in zip(parts, [*parts[1:], last + 1], strict=True):
        if part != start and _length(layout, words, start, after - 1) > room:
            _start_line(words[part])
            start = part
    return start != parts[0]


def _follows(words: list[Word], arrow: int) -> bool:
    """Whether the stage behind an arrow belongs to the stage before it."""
    i = arrow + 1
    if words[i + 1].text == ":":
        i += 2
    return words[i].text in _FOLLOWERS


def _break_bracket(text: Text, layout: Layout, opener: int, width: int) -> None:
    """The brackets on the lines around, and as many items a line as there is room for."""
    words = text.words
    close = words[opener].partner
    _start_line(words[opener + 1])
    _start_line(words[close])
    if words[opener].content == "chain":
        return
    items = [j for j in text.inside(opener) if words[j].head == j and words[j].opener == opener]
    _fill(words, layout, items, close - 1, width - layout.row_of[opener].indent - 5)


def _of_list(words: list[Word], i: int) -> bool:
    return words[words[i].opener].content == "list"


def _start_line(word: Word) -> None:
    word.breaks = True
    word.column = -1


def _length(layout: Layout, words: list[Word], first: int, last: int) -> int:
    return layout.at[last] + len(words[last].text) - layout.at[first]
