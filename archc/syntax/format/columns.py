"""Where words stand: indentation, and columns that the author aligned."""

from __future__ import annotations

from dataclasses import dataclass, field

from .words import PARTNER, Text, Word

STEP = 2
ARROW = len("-> ")
_REACH = 3  # rows of a table may have this many rows less one without a cell between them
_PASSES = 50  # alignment of one column may move another; texts of people need two or three


@dataclass(slots=True)
class Cell:
    """What is written without blanks: a word, or the comment behind a line."""

    text: str
    gap: int  # least blanks before it
    column: int  # in the source; -1 if it does not stand there any more
    extra: bool  # more blanks than needed stood before it
    kind: str  # only like things are aligned
    word: int  # -1: a comment
    at: int = 0  # where it goes
    group: int = -1


@dataclass(slots=True)
class Row:
    """A line of the result. Without cells it is a comment of its own."""

    cells: list[Cell] = field(default_factory=list)
    comment: str = ""
    blank: bool = False  # an empty line above
    first: int = 0  # the first word; of a comment, the word that it stands above
    indent: int = 0


class Layout:
    """The rows of a text whose breaks are settled, and where every word stands."""

    def __init__(self, text: Text) -> None:
        self.words = text.words
        self.rows: list[Row] = []
        self.row_of: list[Row] = []  # of each word
        self.at = [0] * len(text.words)
        self.ifs = _matching_ifs(text.words)
        self.arrow_before, self.arrow_above = _arrows(text.words)
        self._make_rows()
        self._place(_groups(self.rows, self.words))

    def render(self) -> str:
        """The text."""
        lines: list[str] = []
        for row in self.rows:
            if row.blank and lines:
                lines.append("")
            line = " " * row.indent + row.comment
            for cell in row.cells:
                line = line.ljust(cell.at) + cell.text
            lines.append(line)
        return "\n".join(lines) + "\n" if lines else ""

    def end(self, row: Row) -> int:
        """The column behind the last word of a row."""
        cell = next((c for c in reversed(row.cells) if c.word >= 0), None)
        return cell.at + len(cell.text) if cell is not None else 0

    # ------------------------------------------------------------------------ rows

    def _make_rows(self) -> None:
        row = Row()
        for i, word in enumerate(self.words):
            if i == 0 or word.breaks:
                for remark in word.remarks:
                    if remark.own:
                        self.rows.append(Row([], remark.text, remark.blank, i))
                    else:
                        row.cells.append(Cell(remark.text, 2, remark.column, True, "#", -1))
                row = Row([], "", word.blank, i)
                if word.text:
                    self.rows.append(row)
            if word.text:
                row.cells.append(Cell(word.text, word.gap, word.column, word.extra, _kind(word), i))
            self.row_of.append(row)

    # ------------------------------------------------------------------------ places

    def _place(self, groups: int) -> None:
        """Set the places of all cells: every column as far left as its widest row allows."""
        columns = [0] * groups
        for _ in range(_PASSES):
            needed = [0] * groups
            for row in self.rows:
                self._place_row(row, columns, needed)
            if needed == columns:
                return
            columns = needed
        for row in self.rows:
            for cell in row.cells:
                cell.group = -1
            self._place_row(row, [], [])

    def _place_row(self, row: Row, columns: list[int], needed: list[int]) -> None:
        row.indent = self._indent(row.first)
        end = -1
        for cell in row.cells:
            at = row.indent if end < 0 else end + cell.gap
            if cell.group >= 0:
                needed[cell.group] = max(needed[cell.group], at)
                at = max(at, columns[cell.group])
            cell.at = at
            end = at + len(cell.text)
            if cell.word >= 0:
                self.at[cell.word] = at

    def _indent(self, i: int) -> int:
        """The column of a word that starts a line; that of all earlier ones is known."""
        words = self.words
        word = words[i]
        opener = word.opener
        if word.text in PARTNER:
            return self._base(word.partner)
        if word.head == i or (word.text in ("for", "if") and self._of_comprehension(i)):
            return self._indent_of_item(i, opener)
        if word.text == "->":
            above = self.arrow_above.get(i)
            return self._base(word.head) + STEP if above is None else self.at[above]
        if word.text == "else":
            for j in self.ifs.get(i, ()):
                if word.column >= 0 and words[j].column == word.column:
                    return self.at[j]
        if word.text == "{":
            return self._base(word.head)
        arrow = self._leading_arrow(i)
        return self._base(word.head if arrow < 0 else arrow) + STEP

    def _indent_of_item(self, i: int, opener: int) -> int:
        """Of a statement, or of what stands in brackets between commas or arrows."""
        words = self.words
        if opener < 0:
            return 0
        if words[opener].content == "body":
            return self.row_of[words[opener].head].indent + STEP
        first = opener + 1
        aligned = words[first].column >= 0 and words[first].column == words[i].column
        if first < i and aligned and not words[first].breaks:
            return self.at[first]
        return self._base(opener) + STEP

    def _base(self, i: int) -> int:
        """Where the line of a word begins, behind an arrow."""
        row = self.row_of[i]
        arrow = self.words[row.first].text == "->"
        return row.indent + (ARROW if arrow else 0)

    def _leading_arrow(self, i: int) -> int:
        """The last arrow before a word in its pipeline, if it starts a line; else -1."""
        last = self.arrow_before[i]
        return last if last >= 0 and self.words[last].breaks else -1

    def _of_comprehension(self, i: int) -> bool:
        """Whether a `for` or `if` belongs to a list, not to a stage in it."""
        opener = self.words[i].opener
        before = self.words[i - 1]
        ends = before.kind in ("name", "number", "string") or before.text in (
            *PARTNER,
            "true",
            "false",
        )
        return ends and opener >= 0 and self.words[opener].text == "["


def _kind(word: Word) -> str:
    if word.kind == "sign" and word.text not in ("[", "(", "-"):
        return word.text
    return word.text if word.kind == "keyword" else "value"


def _groups(rows: list[Row], words: list[Word]) -> int:
    """Number the groups of cells that stand below each other; how many there are.

    Cells in neighbouring rows are a group if they are alike and start in the same column, and if
    blanks that were not needed say that it is no accident. In recipes every `=` is aligned.
    """
    found = _settings(rows, words)
    taken = {id(cell) for group in found for cell in group}
    open_groups: dict[tuple[int, str], list[tuple[int, Cell]]] = {}
    aligned: list[list[tuple[int, Cell]]] = []
    for number, row in enumerate(rows):
        if row.blank:
            open_groups.clear()
        for cell in row.cells[1:]:
            if cell.column < 0 or cell.gap == 0 or id(cell) in taken:
                continue
            key = (cell.column, cell.kind)
            group = open_groups.get(key)
            if group is None or number - group[-1][0] > _REACH:
                group = open_groups[key] = []
                aligned.append(group)
            elif group[-1][0] == number:
                continue  # words of two lines that are one now
            group.append((number, cell))
    found += [[c for _, c in group] for group in aligned if any(c.extra for _, c in group)]
    for number, cells in enumerate(found):
        for cell in cells:
            cell.group = number
    return len(found)


def _settings(rows: list[Row], words: list[Word]) -> list[list[Cell]]:
    """The `=` of the settings of recipes, apart where an empty line or a recipe is between."""
    found: list[list[Cell]] = []
    last = -1
    for row in rows:
        word = words[row.first]
        if row.blank:
            last = -1
        if not row.cells or not word.starts or word.opener < 0:
            continue
        if words[words[word.opener].head].text == "recipe":
            sign = next(
                (c for c in row.cells if c.text == "=" and words[c.word].head == row.first), None
            )
            if word.opener != last:
                found.append([])
                last = word.opener
            if sign is not None:
                found[-1].append(sign)
    return found


def _matching_ifs(words: list[Word]) -> dict[int, tuple[int, ...]]:
    """For each `else`: the `if` that its chain of `else if` begins with, and its own `if`."""
    waiting: dict[int, list[tuple[int, int]]] = {}  # per bracket: (if, first of its chain)
    found: dict[int, tuple[int, ...]] = {}
    roots: dict[int, int] = {}
    for i, word in enumerate(words):
        if word.text == "if" and word.kind == "keyword":
            root = roots.get(i - 1, i) if words[i - 1].text == "else" else i
            waiting.setdefault(word.opener, []).append((i, root))
        elif word.text == "else" and waiting.get(word.opener):
            match, root = waiting[word.opener].pop()
            found[i] = (root, match)
            roots[i] = root
    return found


def _arrows(words: list[Word]) -> tuple[list[int], dict[int, int]]:
    """The last arrow before each word in its own statement or item (-1: none), and for an arrow
    the last one before it that stood in the same column."""
    before: list[int] = []
    above: dict[int, int] = {}
    last: dict[int, int] = {}
    in_column: dict[tuple[int, int], int] = {}
    for i, word in enumerate(words):
        before.append(last.get(word.head, -1))
        if word.text == "->":
            last[word.head] = i
            if word.column >= 0:
                key = (word.head, word.column)
                if key in in_column:
                    above[i] = in_column[key]
                in_column[key] = i
    return before, above
