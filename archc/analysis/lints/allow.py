"""Silencing: `# allow W103: reason`, on a line, above a declaration, or at the top of a file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ...diagnostics import Diagnostic, Label, closest
from ...diagnostics.catalogue import CODES
from ...source import Source, Span

_ALLOW = r"#[ \t]*allow[ \t]+(?P<codes>W[\w, \t]*?)[ \t]*(?::[ \t]*(?P<reason>.*))?$"


Text = tuple[Source, list[Span], list[Span]]
"""One file: its source, the spans of its comments and of its blocks and networks, in order."""


class _Allow:
    """One comment: what it silences, where, and whether it did."""

    def __init__(self, span: Span, codes: list[str], first: int, last: int) -> None:
        self.span = span
        self.codes = codes
        self.first = first
        self.last = last
        self.used: set[str] = set()

    def takes(self, item: Diagnostic) -> bool:
        """Does it silence this? Notes it if so."""
        at = item.labels[0].span
        start = at.line
        end = at.source.position(max(at.start, at.end - 1))[0]
        if at.source is not self.span.source or item.code not in self.codes:
            return False
        if end < self.first or start > self.last:
            return False
        self.used.add(item.code)
        return True


def silence(
    found: Iterable[Diagnostic], texts: Sequence[Text], judged: Source | None
) -> list[Diagnostic]:
    """What is left of findings after the comments of the files.

    Comments of the file `judged` that silence nothing are findings of their own (W100); None where
    the whole file was not looked at.
    """
    wrong: list[Diagnostic] = []
    allows: list[_Allow] = []
    for text in texts:
        allows += _read(text, wrong if text[0] is judged else [])
    # All are asked, also behind one that takes it, so that each knows that it had a reason.
    left = [d for d in found if True not in {allow.takes(d) for allow in allows}]
    if judged is not None:
        for allow in allows:
            idle = [code for code in allow.codes if code not in allow.used]
            if allow.span.source is judged and idle:
                wrong.append(_useless(allow.span, f"nothing here gives {' or '.join(idle)}"))
    return left + wrong


def _useless(span: Span, why: str, help: str = "leave it out") -> Diagnostic:
    return Diagnostic("W100", f"this allow silences nothing: {why}", (Label(span),), help=help)


def _read(text: Text, wrong: list[Diagnostic]) -> Iterator[_Allow]:
    for span in text[1]:
        said = span.text
        match = re.match(_ALLOW, said.rstrip()) if "allow" in said else None
        if match is None:
            continue
        codes = re.split(r"[\s,]+", match["codes"].strip(" \t,"))
        unknown = [c for c in codes if c not in CODES or not c.startswith("W")]
        if unknown:
            near = closest(unknown[0], [c for c in CODES if c.startswith("W")])
            help = f"did you mean `{near}`?" if near else "`archc explain all` lists the codes"
            wrong.append(_useless(span, f"there is no warning `{unknown[0]}`", help))
        elif not (match["reason"] or "").strip():
            help = f"write `# allow {', '.join(codes)}: why this is as it should be`"
            wrong.append(_useless(span, "it gives no reason", help))
        else:
            yield _Allow(span, codes, *_reach(text, span))


def _reach(text: Text, span: Span) -> tuple[int, int]:
    """The lines that a comment speaks of: first and last."""
    source, _, declarations = text
    line = span.line
    if source.text[source.starts[line - 1] : span.start].strip():
        return line, line
    below = line + 1
    while source.line(below).lstrip().startswith("#"):
        below += 1
    for declared in declarations:
        if declared.line == below:
            return below, source.position(declared.end)[0]
    inside = any(d.start < span.start < d.end for d in declarations)
    if inside:
        while below < len(source.starts) and not source.line(below).strip():
            below += 1
        return below, below
    before = all(d.start > span.start for d in declarations)
    return (1, len(source.starts)) if before else (below, below)
