"""Whether two files say the same: their trees, apart from places."""

from __future__ import annotations

from ...source import Span
from .. import tree


def difference(one: tree.File, two: tree.File) -> str | None:
    """What is different, in words; None if nothing is.

    Numbers are compared as written but for the case of the exponent, and comments by their text.
    """
    if [text.rstrip() for _, text in one.comments] != [text.rstrip() for _, text in two.comments]:
        return "its comments"
    tidy = all(_first_on_line(declaration.span) for declaration in one.declarations)
    if tidy and one.doc != two.doc:
        return "what the comments say about the file"
    pending: list[tuple[object, object]] = [(one.declarations, two.declarations)]
    while pending:
        a, b = pending.pop()
        if type(a) is not type(b):
            return f"{_words(a)} became {_words(b)}"
        if isinstance(a, tree.Node) and isinstance(b, tree.Node):
            pending.extend((_field(a, n), _field(b, n)) for n in a.fields if n != "span")
        elif type(a) is tuple and type(b) is tuple:
            if len(a) != len(b):
                return f"{len(a)} parts became {len(b)}"
            pending.extend(zip(a, b, strict=True))
        elif a != b:
            return f"{a!r} became {b!r}"
    return None


def _field(node: tree.Node, name: str) -> object:
    value: object = getattr(node, name)
    if name == "text" and isinstance(node, tree.Number):
        return node.text.replace("E", "e")
    if name == "doc" and not _first_on_line(node.span):
        # What stands above such a line is about what the line begins with.
        return ""
    return value


def _first_on_line(span: Span) -> bool:
    start = span.source.starts[span.line - 1]
    return not span.source.text[start : span.start].strip()


def _words(part: object) -> str:
    return type(part).__name__
