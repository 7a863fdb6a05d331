"""A diff as text for people: what happened to layers, what it costs, whether checkpoints load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from ..analysis.cells import clean, receptive, short
from ..analysis.compare import Totals
from ..analysis.diff import Difference
from ..analysis.diff_state import Mismatch, branches
from .costs import amount
from .diff_lines import MARKS, Line, counted, lines

MOST_LINES = 60
MOST_KEYS = 4
_STYLES = {"added": "32", "removed": "31", "changed": "33", "renamed": "36", "follows": "2"}
_HEAD = ("layer", "change", "output", "params", "MACs")
_RIGHT = (False, False, True, True, True)


def text(found: Difference, unfold: bool, color: bool, width: int) -> str:
    """All of a comparison. `unfold`: a line for each layer."""
    out = [_painted("1", headline(found), color)]
    shown = lines(found, unfold)
    out += [f"{end.what}: {end.before} → {end.after}" for end in found.ends]
    if shown:
        out += ["", *_table(shown, unfold, color, width)]
    if not found.same or found.before != found.after:
        out += ["", *_figures(found.before, found.after)]
    out += ["", *_checkpoints(found)]
    return "\n".join(line.rstrip() for line in out)


def headline(found: Difference) -> str:
    """What came of it, in a line."""
    names = clean(found.a.name)
    if found.a.name != found.b.name:
        names += f" → {clean(found.b.name)}"
    said = counted(found.changes)
    if found.same:
        text = "the same network: layer by layer, both compute the same"
        return f"{names}: {text}{f' ({said})' if said else ''}"
    if not said:
        said = "other inputs or outputs" if found.ends else "layers are put together differently"
    return f"{names}: different networks; {said}"


def _table(shown: list[Line], unfold: bool, color: bool, width: int) -> Iterator[str]:
    hidden = 0 if unfold else max(0, len(shown) - MOST_LINES)
    rows = [_cells(line) for line in shown[: len(shown) - hidden]]
    widths = [max(len(row[i]) for row in (_HEAD, *rows)) for i in range(len(_HEAD))]
    over = sum(widths) + 2 * (len(widths) - 1) + 2 - width
    said = max([len(line.what) for line in shown if line.kind == "changed"], default=0)
    # Arguments can be long, and so can names. What changed comes first.
    for column, fewest in ((1, max(16, min(40, said))), (0, 34)):
        cut = min(max(0, over), max(0, widths[column] - fewest))
        widths[column] -= cut
        over -= cut
    yield _painted("2", "  " + _aligned(_HEAD, widths), color)
    for line, row in zip(shown, rows, strict=False):
        mark = MARKS[line.kind]
        for part in _wrapped(line, row, widths):
            yield _painted(_STYLES[line.kind], f"{mark} {_aligned(part, widths)}", color)
            mark = " "
    if hidden:
        yield f"  … {hidden:,} more lines; --unfold shows every layer"


def _cells(line: Line) -> tuple[str, ...]:
    params = f"{line.params:+,}" if line.params else ""
    return line.name, line.what, line.shape, params, _signed(line.macs) if line.macs else ""


def _wrapped(line: Line, row: tuple[str, ...], widths: list[int]) -> Iterator[tuple[str, ...]]:
    """A row, over several lines where a change or two names need them; arguments of layers that
    only come or go, and long paths, are cut."""
    name, what, *rest = row
    names = wrap(name, widths[0], break_long_words=False) if " → " in name else [name]
    said = wrap(what, widths[1]) if line.kind == "changed" else [what]
    for i in range(max(len(names), len(said))):
        first = names[i] if i < len(names) else ""
        second = said[i] if i < len(said) else ""
        yield (first, second, *(rest if i == 0 else [""] * len(rest)))


def _aligned(cells: Sequence[str], widths: list[int]) -> str:
    parts = []
    for i, (cell, width, right) in enumerate(zip(cells, widths, _RIGHT, strict=True)):
        cut = cell
        if len(cell) > width:  # of a name, the end says which
            cut = f"…{cell[len(cell) - width + 1 :]}" if i == 0 else f"{cell[: width - 1]}…"
        parts.append(cut.rjust(width) if right else cut.ljust(width))
    return "  ".join(parts).rstrip()


# ---------------------------------------------------------------------------- figures


def _figures(a: Totals, b: Totals) -> Iterator[str]:
    rows = list(figures(a, b))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for name, before, after, change in rows:
        cells = name.ljust(widths[0]), before.rjust(widths[1]), after.rjust(widths[2]), change
        yield "  ".join(cells)


def figures(a: Totals, b: Totals) -> Iterator[tuple[str, str, str, str]]:
    """Name, before, after and change of each total."""
    yield "", "before", "after", ""
    yield _counts("params", a.params, b.params)
    if a.frozen or b.frozen:
        yield _counts("frozen", a.frozen, b.frozen)
    change = _signed(b.macs - a.macs) + _percent(a.macs, b.macs) if a.macs != b.macs else ""
    yield "MACs", short(a.macs), short(b.macs), change
    yield _counts("depth", a.depth, b.depth)
    fields = [
        receptive(t.field) + (f" at {clean(t.field_at)}" if t.field_at else "") for t in (a, b)
    ]
    if any(fields):
        yield "receptive field", fields[0], fields[1], "" if fields[0] == fields[1] else "changed"
    yield _memory("activations", a.activations, b.activations)
    yield _memory("inference", a.inference, b.inference)
    yield _memory("training", a.training, b.training)


def _counts(name: str, before: int, after: int) -> tuple[str, str, str, str]:
    change = f"{after - before:+,}{_percent(before, after)}" if before != after else ""
    return name, f"{before:,}", f"{after:,}", change


def _memory(name: str, before: int, after: int) -> tuple[str, str, str, str]:
    change = ""
    if before != after:
        change = ("+" if after > before else "-") + amount(abs(after - before))
        change += _percent(before, after)
    return name, amount(before), amount(after), change


def _percent(before: int, after: int) -> str:
    if not before:
        return ""
    share = 100 * (after - before) / before
    return f" ({share:+.1f}%)" if abs(share) >= 0.05 else " (under 0.1%)"


def _signed(number: int) -> str:
    return f"{'+' if number >= 0 else '-'}{short(abs(number))}"


# ---------------------------------------------------------------------------- checkpoints


def _checkpoints(found: Difference) -> Iterator[str]:
    """Whether A's weights load into B, and if not, why."""
    state = found.checkpoints
    ours, _ = state.tensors
    if state.verdict == "loads":
        yield f"checkpoints load: the same {_tensors(ours)}" + (
            "" if state.same_order else ", in another order (an optimizer's state does not fit)"
        )
        if state.astray:
            yield (
                f"  but {_tensors(len(state.astray))} of them are of layers that stand elsewhere "
                f"now: {_some(state.astray)}"
            )
        return
    if state.verdict == "loads after renaming":
        yield f"checkpoints load after renaming {len(state.renames):,} of {_tensors(ours)}:"
        yield from _map(state.renames)
        return
    yield f"checkpoints do not load: {_reasons(state.direct)}"
    if state.renames:
        yield f"after renaming {_tensors(len(state.renames))}: {_reasons(state.renamed)}"
        yield from _map(state.renames)
    yield from _keys(found, state.renamed if state.renames else state.direct)


def _reasons(found: Mismatch) -> str:
    parts = []
    for keys, what in (
        (found.missing, "missing from the checkpoint"),
        (found.unexpected, "without a place"),
        (found.differing, "of another shape"),
    ):
        if keys:
            parts.append(f"{len(keys):,} {what}")
    return ", ".join(parts)


def _keys(found: Difference, why: Mismatch) -> Iterator[str]:
    """What is in the way, by layers and blocks."""
    for what, keys, flat in (
        ("missing", why.missing, found.b),
        ("without a place", why.unexpected, found.a),
    ):
        if keys:
            parts = branches(keys, flat.state())
            yield f"  {what}: {_some([f'{key} ({n})' if n > 1 else key for key, n in parts])}"
    if why.differing:
        some = [f"{key} {list(old)} → {list(new)}" for key, old, new in why.differing]
        yield f"  of another shape: {_some(some)}"


def _map(renames: dict[str, str]) -> Iterator[str]:
    """Old and new prefixes, the longest ends in common left out."""
    prefixes: dict[tuple[str, str], int] = {}
    for old, new in renames.items():
        one, other = old.split("."), new.split(".")
        while len(one) > 1 and len(other) > 1 and one[-1] == other[-1]:
            one.pop()
            other.pop()
        pair = ".".join(one), ".".join(other)
        prefixes[pair] = prefixes.get(pair, 0) + 1
    for n, ((old, new), count) in enumerate(prefixes.items()):
        if n == 2 * MOST_KEYS and len(prefixes) > n + 1:
            yield f"  … {len(prefixes) - n:,} more; --format json has every key"
            return
        yield f"  {clean(old)} → {clean(new)}" + (f"  ({count} tensors)" if count > 1 else "")


def _some(keys: list[str]) -> str:
    shown = [clean(key) for key in keys[:MOST_KEYS]]
    more = len(keys) - len(shown)
    return ", ".join(shown) + (f", … {more:,} more" if more else "")


def _tensors(count: int) -> str:
    return "1 tensor" if count == 1 else f"{count:,} tensors"


def _painted(style: str, text: str, color: bool) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if color else text
