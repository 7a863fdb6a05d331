"""How the brackets of a text nest, and what is said where they do not (E0102, E0105)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ..diagnostics import Diagnostic, Edit, Fix, Label
from ..source import Source, Span
from .build import MAX_NESTING
from .tokens import Tokens

# What a brace holds; parentheses and square brackets hold "items".
Content = Literal["body", "claims", "settings", "stages", "items"]
BODIES = frozenset({"body", "claims", "settings"})
PARTNER = {"(": ")", "[": "]", "{": "}", ")": "(", "]": "[", "}": "{"}


class Open(NamedTuple):
    """A bracket that is open."""

    sign: str
    token: int  # in the new list; -1 where tokens are left out
    start: int  # offset
    content: Content
    column: int  # of the first token on its line
    stray: bool = False  # a brace without a header


@dataclass
class Layout:
    """Tokens with balanced brackets, and how they nest."""

    tokens: Tokens
    match: dict[int, int] = field(default_factory=dict)  # opening <-> closing token
    parent: list[int] = field(default_factory=list)  # innermost opening token around each, or -1
    content: dict[int, Content] = field(default_factory=dict)  # of each opening token
    reports: list[Diagnostic] = field(default_factory=list)
    skipped: list[tuple[int, int]] = field(default_factory=list)  # ranges of text left out
    cut: list[int] = field(default_factory=list)  # offsets of bodies that end too early
    stopped: int | None = None  # where tokens end that were looked at, if the text goes on


# ---------------------------------------------------------------------------- what is said


def too_deep(source: Source, start: int) -> Diagnostic:
    """A bracket at an offset exceeds the limit."""
    return Diagnostic(
        "E0105",
        f"brackets are nested more than {MAX_NESTING} deep",
        (Label(Span(source, start, start + 1), "the first that is too deep"),),
        (),
        "name a part of it: a value, a const or a block of its own",
    )


def missing_brace(tokens: Tokens, token: int, header: int) -> Diagnostic:
    """A statement begins right behind a header such as `for x in xs`."""
    source = tokens.source
    before = tokens.ends[token - 1]
    keyword = Span(source, tokens.starts[header], tokens.ends[header])
    first = Span(source, tokens.starts[token], tokens.ends[token])
    return Diagnostic(
        "E0101",
        f"`{{` is missing behind `{keyword.text}`",
        (Label(first, "a statement begins without it"), Label(keyword, "its body")),
        (),
        "the statements of a body stand between `{` and `}`",
        (Fix("insert `{`", (Edit(Span(source, before, before), " {"),)),),
    )


def unclosed(tokens: Tokens, group: list[Open], offset: int) -> Diagnostic:
    """Brackets that are open where something begins that cannot stand in them."""
    inner = group[-1]
    outer = tokens.source.text[offset : offset + 1] == PARTNER[inner.sign]
    there = "this one is indented for an outer one" if outer else "goes on here"
    labels = [_at(tokens, inner, "never closed"), _found(tokens, offset, there)]
    labels += [_at(tokens, opened, "nor this one") for opened in group[-2:-5:-1]]
    help = f"close it with `{PARTNER[inner.sign]}`"
    return Diagnostic("E0102", f"`{inner.sign}` is not closed", tuple(labels), (), help)


def unclosed_bodies(
    tokens: Tokens, bodies: list[Open], offset: int, suspect: tuple[Open, int] | None
) -> Diagnostic:
    """Bodies that are open where a declaration begins or the text ends.

    `suspect`: a brace and the offset of the one that closed it, though it is indented otherwise.
    """
    # Rather one that no keyword leads to, else the outermost.
    opened = next((body for body in bodies if body.stray), bodies[0])
    labels: list[Label] = []
    if suspect is not None and suspect[0].start > bodies[0].start:
        opened, closing = suspect
        if not opened.stray:
            span = Span(tokens.source, closing, closing + 1)
            labels.append(Label(span, "this one closes it, but is indented for an outer one"))
    labels.insert(0, _at(tokens, opened, "never closed"))
    labels.append(_found(tokens, offset, "the next declaration begins here"))
    return Diagnostic("E0102", "`{` is not closed", tuple(labels), (), "close it with `}`")


def wrong_partner(tokens: Tokens, opened: Open, start: int, sign: str) -> Diagnostic:
    """A bracket that is closed by one of another kind."""
    meant = PARTNER[opened.sign]
    span = Span(tokens.source, start, start + 1)
    return Diagnostic(
        "E0102",
        f"`{opened.sign}` is closed by `{sign}`",
        (Label(span, f"should be `{meant}`"), _at(tokens, opened, "opened here")),
        (),
        f"write `{meant}`",
        (Fix(f"write `{meant}`", (Edit(span, meant),)),),
    )


def closes_nothing(tokens: Tokens, start: int, sign: str, earlier: int | None) -> Diagnostic:
    """A closing bracket too many; `earlier` is where the declaration was closed already."""
    span = Span(tokens.source, start, start + 1)
    labels = [Label(span, "nothing is open here that it could close")]
    if earlier is not None:
        place = Span(tokens.source, earlier, earlier + 1)
        labels.append(Label(place, "the declaration was closed here"))
    fix = Fix("remove it", (Edit(span, ""),))
    return Diagnostic("E0102", f"`{sign}` closes nothing", tuple(labels), (), None, (fix,))


def _at(tokens: Tokens, opened: Open, text: str) -> Label:
    return Label(Span(tokens.source, opened.start, opened.start + 1), text)


def _found(tokens: Tokens, offset: int, text: str) -> Label:
    """A label on the token at an offset, or at the end of the text."""
    if offset >= tokens.end:
        last = tokens.ends[-1]
        return Label(Span(tokens.source, last, last), "the text ends here")
    end = offset + 1
    while end < tokens.end and tokens.source.text[end].isalnum():
        end += 1
    return Label(Span(tokens.source, offset, end), text)
