"""`archc check --fix`: safe fixes go into the files, as far as the specs stay sound."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..diagnostics import Diagnostic, Edit, Fix
from ..driver import Compilation, Options, compile_spec
from ..source import Source
from .common import complain
from .files import write_all

ROUNDS = 100
"""A mended mistake may show another; after so many rounds the rest is left to the author."""
Refused = dict[tuple[str, int], str]
"""What is left out, by code and offset in the text as it is now, and why."""
_BOM = b"\xef\xbb\xbf"


def fix(args: argparse.Namespace, spec: str) -> bool:
    """Apply the safe fixes of one file, whole or not at all, and say on standard error what was
    done. False, after a diagnostic, where the file cannot be written.

    A fix of a warning is left out where it would break something: a claim, most likely.
    """
    state = compile_spec(spec, _all(args))
    if state.source is None:
        return True
    before = state.source
    done: list[str] = []
    refused: Refused = {}
    for _ in range(ROUNDS):
        state, said = _round(args, spec, state, refused)
        if not said:
            break
        done += said
    text = state.source.text if state.source is not None else before.text
    if text != before.text and not _written(args, spec, text):
        return False
    for line in [*done, *refused.values()]:
        print(line, file=sys.stderr)
    return True


def _all(args: argparse.Namespace) -> Options:
    """The whole file as written: whether a fix is right does not depend on what else is asked."""
    return Options(max_nodes=args.max_nodes, max_bytes=args.max_bytes)


def _round(
    args: argparse.Namespace, spec: str, state: Compilation, refused: Refused
) -> tuple[Compilation, list[str]]:
    """Apply the safe fixes of one compilation: all at once if that is sound, else one by one."""
    source = state.source
    assert source is not None
    offers = [
        (item, fix)
        for item in state.diagnostics
        for fix in item.fixes[:1]
        if fix.safe
        and all(edit.span.source is source for edit in fix.edits)
        and _key(item) not in refused
    ]
    chosen = _apart(offers)
    if not chosen:
        return state, []
    after = _with(args, spec, source, [fix for _, fix in chosen])
    if _sound(state, after, chosen):
        _shift(refused, [fix for _, fix in chosen])
        return after, [_said("fixed", *one) for one in chosen]
    for one in chosen:
        after = _with(args, spec, source, [one[1]])
        if _sound(state, after, [one]):
            _shift(refused, [one[1]])
            return after, [_said("fixed", *one)]
        broken = next((d.message for d in after.diagnostics if d.severity == "error"), "")
        refused[_key(one[0])] = f"{_said('not fixed', *one)}: then {broken}"
    return state, []


def _apart(offers: list[tuple[Diagnostic, Fix]]) -> list[tuple[Diagnostic, Fix]]:
    """Those whose edits do not touch, first come first served; the others wait for a round."""
    taken: list[Edit] = []
    chosen = []
    for item, fix in offers:
        if not any(
            edit.span.start <= other.span.end and other.span.start <= edit.span.end
            for edit in fix.edits
            for other in taken
        ):
            taken += fix.edits
            chosen.append((item, fix))
    return chosen


def _with(args: argparse.Namespace, spec: str, source: Source, fixes: list[Fix]) -> Compilation:
    """The spec compiled with fixes applied."""
    text = source.text
    edits = [edit for fix in fixes for edit in fix.edits]
    for edit in sorted(edits, key=lambda e: e.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return compile_spec(spec, _all(args), source=Source(source.name, text))


def _sound(before: Compilation, after: Compilation, applied: list[tuple[Diagnostic, Fix]]) -> bool:
    """Is the result no worse? A mended error may uncover others, a mended warning must not."""
    if any(item.severity == "error" for item, _ in applied):
        return True
    return after.failed <= before.failed


def _key(item: Diagnostic) -> tuple[str, int]:
    return item.code, item.labels[0].span.start


def _shift(refused: Refused, applied: list[Fix]) -> None:
    """Move what stands behind the edits of fixes that were applied."""
    edits = [edit for fix in applied for edit in fix.edits]
    moved: Refused = {}
    for (code, start), said in refused.items():
        by = sum(
            len(edit.text) - (edit.span.end - edit.span.start)
            for edit in edits
            if edit.span.start < start
        )
        moved[code, start + by] = said
    refused.clear()
    refused.update(moved)


def _said(what: str, item: Diagnostic, fix: Fix) -> str:
    span = item.labels[0].span
    return f"{what}: {span.source.name}:{span.line}: {fix.title} [{item.code}]"


def _written(args: argparse.Namespace, spec: str, text: str) -> bool:
    """Write a file, whole, through links, with the byte order mark that it had."""
    path = Path(spec).resolve()
    try:
        with open(path, "rb") as file:
            mark = _BOM if file.read(len(_BOM)) == _BOM else b""
        write_all({path: mark + text.encode()})
    except OSError as error:
        reason = (error.strerror or "the system refused").lower()
        complain(args, [Diagnostic("E0708", f"`{spec}` cannot be written: {reason}")])
        return False
    return True
