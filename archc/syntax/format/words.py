"""The words of a text: tokens that know their brackets, their comments and how lines broke."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from ...source import Source
from .. import tree
from ..tokens import Tokens, kinds_of_terminals
from .spacing import gaps

# What a bracket holds: statements, a chain of stages, or things with commas between them.
Content = Literal["body", "chain", "list"]
PARTNER = {")": "(", "]": "[", "}": "{"}


@dataclass(slots=True)
class Remark:
    """A comment."""

    text: str
    column: int  # in the source, from 0
    own: bool  # on a line of its own
    blank: bool  # an empty line stands above it


@dataclass(slots=True)
class Word:
    """A token, or the end of the text (with the text "")."""

    text: str
    kind: Literal["name", "keyword", "number", "string", "sign"]
    column: int = -1  # in the source, from 0; -1 if it does not stand there any more
    extra: bool = False  # more blanks than needed stand before it
    breaks: bool = False  # it starts a line
    blank: bool = False  # an empty line stands above it (below its comments)
    remarks: list[Remark] = field(default_factory=list)  # before it
    starts: bool = False  # a statement, declaration or setting begins
    gap: int = 0  # blanks before it, within a line
    opener: int = -1  # the innermost bracket that is open before it
    partner: int = -1  # of a bracket: the other one
    content: Content | None = None  # of an opening bracket
    head: int = 0  # first word of the statement, item or stage that it belongs to


@dataclass(slots=True)
class Text:
    """The words of a source; the last is the end."""

    words: list[Word]
    forced: set[int] = field(default_factory=set)
    """Opening braces that `long` wants broken up."""

    def inside(self, opener: int) -> range:
        """The words between a bracket and its partner."""
        return range(opener + 1, self.words[opener].partner)


def read_words(source: Source, tokens: Tokens, file: tree.File) -> Text:
    """The words of a text that was parsed without mistakes."""
    words = _plain(source, tokens)
    _remarks(source, tokens, words)
    starts, chains = _landmarks(file)
    place = {start: i for i, start in enumerate(tokens.starts)}
    for start in starts:
        i = place[start]
        # The `if` of an `else if` continues a statement.
        words[i].starts = not (i and words[i - 1].text == "else")
    text = Text(_without_last_commas(words, {place[start] - 1 for start in chains}))
    _nest(text)
    gaps(text.words)
    return text


def _plain(source: Source, tokens: Tokens) -> list[Word]:
    kinds = kinds_of_terminals()
    special = {kinds.number: "number", kinds.string: "string", kinds.name: "name"}
    words: list[Word] = []
    last = 0
    for kind, start, end in zip(tokens.kinds, tokens.starts, tokens.ends, strict=True):
        written = source.text[start:end]
        column = start - source.starts[source.position(start)[0] - 1]
        word = Word(written, "sign", column)
        if kind in special:
            word.kind = special[kind]  # type: ignore[assignment]
        elif written.isidentifier():
            word.kind = "keyword"
        if word.kind == "number":
            word.text = written.replace("E", "e")
        lines = _lines(source.text[last:start])
        word.breaks = lines > 0 and last > 0
        word.extra = lines == 0 and start - last > 1
        words.append(word)
        last = end
    words.append(Word("", "sign"))
    return words


def _remarks(source: Source, tokens: Tokens, words: list[Word]) -> None:
    """Give every word the comments before it, and see where lines are empty."""
    comments = iter([*tokens.comments, (len(source.text) + 1, 0)])
    start, end = next(comments)
    last = 0
    limits = [*tokens.starts, len(source.text)]
    ends = [0, *tokens.ends]
    for word, before, limit in zip(words, ends, limits, strict=True):
        last = before
        while start < limit:
            lines = _lines(source.text[last:start])
            own = lines > 0 or last == 0
            column = start - source.starts[source.position(start)[0] - 1]
            word.remarks.append(Remark(source.text[start:end].rstrip(), column, own, lines > 1))
            last = end
            start, end = next(comments)
        word.blank = _lines(source.text[last:limit]) > 1
        word.extra = word.extra and not word.remarks


def _lines(between: str) -> int:
    """Ends of lines in what stands between two tokens."""
    if "\r" in between:
        between = between.replace("\r\n", "\n").replace("\r", "\n")
    return between.count("\n")


def _landmarks(file: tree.File) -> tuple[set[int], set[int]]:
    """Offsets at which statements begin, and at which chains in brackets begin."""
    statements = (*get_args(tree.Stmt), *get_args(tree.Decl), tree.Setting)
    chains = (tree.Group, tree.Repeat, tree.ForStage, tree.Skip)
    starts: set[int] = set()
    firsts: set[int] = set()
    pending: list[object] = list(file.declarations)
    while pending:
        part = pending.pop()
        if isinstance(part, tree.Node):
            if isinstance(part, statements):
                starts.add(part.span.start)
            if isinstance(part, chains):
                firsts.add(part.stages[0].span.start)
            pending.extend(getattr(part, name) for name in part.fields if name != "span")
        elif type(part) is tuple:
            pending.extend(part)
    return starts, firsts


def _without_last_commas(words: list[Word], chains: set[int]) -> list[Word]:
    """Drop commas before a bracket that closes on the same line; mark the brackets of chains."""
    kept: list[Word] = []
    for i, word in enumerate(words):
        if i in chains:
            word.content = "chain"
        after = words[i + 1] if i + 1 < len(words) else word
        if word.text == "," and after.text in (")", "]") and not after.breaks and not after.remarks:
            after.remarks = word.remarks
            continue
        kept.append(word)
    return kept


def _nest(text: Text) -> None:
    """Partners of brackets, and what each word belongs to."""
    words = text.words
    opened: list[int] = []
    heads: list[int] = [0]
    for i, word in enumerate(words):
        if word.text in PARTNER:
            word.partner = opened.pop()
            words[word.partner].partner = i
            heads.pop()
        word.opener = opened[-1] if opened else -1
        content = words[word.opener].content if opened else "body"
        before = words[i - 1]
        first = i - 1 == word.opener and content != "body"
        after = (content, word.text) == ("chain", "->") or (content, before.text) == ("list", ",")
        if word.starts or not word.text or first or after:
            heads[-1] = i
        word.head = heads[-1]
        if word.text in PARTNER.values() and word.kind == "sign":
            if word.content is None:
                word.content = "body" if word.text == "{" else "list"
            opened.append(i)
            heads.append(i + 1)
