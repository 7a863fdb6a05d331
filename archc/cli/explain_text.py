"""Explanations as people read them: sums one below another, as on a board."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..analysis.cells import clean, commas, ratio, receptive, short, size
from ..analysis.explain.model import (
    BlockExplained,
    End,
    Explained,
    InputExplained,
    LayerExplained,
    Place,
    Seen,
    SizeSum,
    Step,
    Sum,
)
from ..analysis.receptive import AxisField

DIM, BOLD = "2", "1"
MOST_PARTS = 60
MOST_WRITTEN = 90
MOST_STEPS = 40

UNEQUAL = (
    "paths of unequal magnification meet here: units beyond an edge are continued along a slope"
)

Line = Callable[[str, int], str]
Paint = Callable[[str, str], str]


def text(made: Explained, line: Line, color: bool = False, width: int = 100) -> str:
    """An explanation; `line` gives the text of a line of a file."""
    paint: Paint = (lambda style, t: f"\x1b[{style}m{t}\x1b[0m") if color else (lambda _, t: t)
    if isinstance(made, LayerExplained):
        rows = _layer(made, line, paint)
    elif isinstance(made, BlockExplained):
        rows = _block(made, line, paint, width)
    else:
        rows = _input(made, line, paint)
    return "\n".join(row.rstrip() for row in rows)


# ---------------------------------------------------------------------------- kinds


def _layer(made: LayerExplained, line: Line, paint: Paint) -> list[str]:
    rows = head(made.path, made.written, made.network, made.place, line, paint)
    rows += _ends(made.reads, made.read_by, paint)
    rows += ["", paint(BOLD, "output") + f"  {_shapes(made.shapes)}"]
    rows += _sizes(made.sizes)
    rows += _weights(made, paint)
    rows += _work(made, paint)
    rows += _seen(made.seen, paint)
    return rows + _notes(made.notes)


def _block(made: BlockExplained, line: Line, paint: Paint, width: int) -> list[str]:
    rows = head(made.path or made.network, made.written, made.network, made.place, line, paint)
    rows += _ends(made.reads, made.read_by, paint)
    rows += ["", paint(BOLD, "output") + f"  {_shapes(made.shapes)}", ""]
    rows += _parts(made, paint, width)
    rows.append("")
    table = []
    for name, sum_ in (
        ("params", made.params),
        ("frozen", made.frozen),
        ("buffers", made.buffered),
        ("MACs", made.macs),
        ("neurons", made.neurons),
    ):
        if sum_.value or name in ("params", "MACs"):
            table.append((name, shortened(sum_, width - 12)))
    rows += [f"{paint(BOLD, name.ljust(7))}  {value}" for name, value in table]
    rows += _seen(made.seen, paint)
    return rows + _notes(made.notes)


def _input(made: InputExplained, line: Line, paint: Paint) -> list[str]:
    rows = head(made.path, "input", made.network, made.place, line, paint)
    return [*rows, *_ends((), made.read_by, paint), f"shape    {size(made.shape)}"]


# ---------------------------------------------------------------------------- parts


def head(
    path: str, written: str, network: str, place: Place, line: Line, paint: Paint
) -> list[str]:
    title = clean(path) if path != network else clean(network)
    where = f"{clean(place.file)}:{place.line}"
    words = clean(written)
    words = words if len(words) <= MOST_WRITTEN else words[: MOST_WRITTEN - 1] + "…"
    first = paint(BOLD, title) + f"  {words}"
    if path != network:
        first += paint(DIM, f"  in {clean(network)}")
    source = clean(line(place.file, place.line))
    return [first, paint(DIM, where) + (f"  {source}" if source else ""), ""]


def _ends(reads: Sequence[End], read_by: Sequence[str], paint: Paint) -> list[str]:
    rows = []
    names = [
        f"{clean(end.path)} {size(end.shape)}{' (only its size)' if end.sized else ''}"
        for end in reads
    ]
    for word, found in (("reads", names), ("read by", [clean(name) for name in read_by])):
        if found:
            more = f" and {len(found) - 6} more" if len(found) > 6 else ""
            rows.append(f"{paint(DIM, word.ljust(7))}  {', '.join(found[:6])}{more}")
    return rows


def _shapes(shapes: Sequence[Sequence[int]]) -> str:
    return ", ".join(size(shape) for shape in shapes)


def _sizes(sizes: Sequence[SizeSum]) -> list[str]:
    """By axis the rule, and below it the sum; equal axes are said once."""
    rows: list[str] = []
    groups: list[tuple[list[str], SizeSum]] = []
    for one in sizes:
        same = groups and (groups[-1][1].rule, groups[-1][1].sum, groups[-1][1].notes)
        if same == (one.rule, one.sum, one.notes) and one.axis != "channels":
            groups[-1][0].append(one.axis)
        else:
            groups.append(([one.axis], one))
    wide = max((len(", ".join(names)) for names, _ in groups), default=0)
    for names, one in groups:
        head = f"  {', '.join(names).ljust(wide)}  "
        if one.sum.text == str(one.sum.value):
            rows.append(f"{head}{one.rule}: {one.sum.value}")
        else:
            rows += [head + one.rule, " " * len(head) + str(one.sum)]
        rows += [" " * len(head) + note for note in one.notes]
    return rows


def _weights(made: LayerExplained, paint: Paint) -> list[str]:
    work = made.work
    if not work.tensors and not work.buffers:
        return []
    table = [(t.name, str(t.sum), t.sum.about) for t in work.tensors]
    if work.frozen.value:
        table.append(("frozen", str(work.frozen), "kept as they start: not trained"))
    elif work.tensors:
        table.append(("params", str(work.params), ""))
    rows = ["", paint(BOLD, "weights"), *_table(table)] if table else []
    if work.buffers:
        buffers = [(t.name, str(t.sum), "") for t in work.buffers]
        buffers.append(("buffers", str(work.buffered), "kept in checkpoints, not trained"))
        rows += ["", paint(BOLD, "buffers"), *_table(buffers)]
    return rows


def _work(made: LayerExplained, paint: Paint) -> list[str]:
    work = made.work
    table = [("MACs", str(work.macs) if work.macs.value else "none", work.macs.about)]
    if work.macs.value:
        table.append(
            ("FLOPs", f"2 · {commas(work.macs.value)} = {commas(2 * work.macs.value)}", "")
        )
    about = "output units" if made.weighty else "output units; totals count those of weight layers"
    table.append(("neurons", str(work.neurons), about))
    return ["", paint(BOLD, "work"), *_table(table)]


def _notes(notes: Sequence[str]) -> list[str]:
    return ["", *(f"note: {clean(note)}" for note in notes)] if notes else []


def _parts(made: BlockExplained, paint: Paint, width: int) -> list[str]:
    head = ("part", "", "output", "params", "MACs")
    inside = f"{made.path}." if made.path and made.block != "range" else ""
    cells = []
    for part in made.parts[:MOST_PARTS]:
        params = part.params + part.frozen
        cells.append((
            clean(part.path.removeprefix(inside)), clean(part.written), size(part.shape),
            commas(params) if params else "", short(part.macs) if part.macs else "",
        ))  # fmt: skip
    rows = aligned([head, *cells], "llrrr", width)
    rows[0] = paint(DIM, rows[0])
    if len(made.parts) > MOST_PARTS:
        rows.append(f"  ... and {len(made.parts) - MOST_PARTS} more")
    return rows


def shortened(sum_: Sum, room: int) -> str:
    """A sum of many terms is its value only as far as it does not fit on two lines."""
    full = str(sum_)
    if len(full) <= 2 * room:
        return full
    terms = sum_.text.split(" + ")
    first = " + ".join(terms[:4])
    return f"{first} + ... + {terms[-1]} = {commas(sum_.value)}  ({len(terms)} terms)"


# ---------------------------------------------------------------------------- receptive field


def _seen(seen: Seen | None, paint: Paint) -> list[str]:
    if seen is None:
        return []
    unit = "" if seen.field.whole else " (size / stride)"
    head = paint(BOLD, "receptive field") + f"  {receptive(seen.field)}{unit}"
    padding = _each([str(a.padding) if a else "" for a in seen.field.axes])
    if padding not in ("", "0"):
        head += f", padding {padding}"
    rows = ["", head]
    if not seen.steps:
        return [*rows, f"  each unit sees its own place of {clean(seen.source)}"]
    steps = _local(seen)
    middle = len(steps) - MOST_STEPS
    shown = steps if middle <= 0 else [*steps[: MOST_STEPS // 2], *steps[-(MOST_STEPS // 2) :]]
    cells: list[tuple[str, ...]] = [("  back through", "window", "field before it", "jump", "")]
    for step in shown:
        window = step.window or step.op
        cells.append(("  " + clean(step.path), window, _field(step), _jump(step), step.note))
    first, *others = aligned(cells, "lllrl", 0)
    rows.append(paint(DIM, first))
    for i, (row, step) in enumerate(zip(others, shown, strict=True)):
        if middle > 0 and i == MOST_STEPS // 2:
            rows.append(f"  ... {middle} more (--format json has all)")
        rows += [row, *(f"    {arm}" for arm in _arms(step))]
    if not seen.exact:
        rows.append(paint(DIM, "  " + UNEQUAL))
    return [*rows, *([paint(DIM, "  " + rule)] if (rule := _rule(seen)) else [])]


def _local(seen: Seen) -> list[Step]:
    """The steps up to the first that sees everything: those before it say nothing more."""
    found: list[Step] = []
    for step in seen.steps:
        found.append(step)
        if step.field.axes and step.field.whole:
            break
    return found


def _rule(seen: Seen) -> str:
    if not any(s for step in _local(seen) for s in step.sums):
        return f"every unit of {clean(seen.source)} is seen" if seen.field.whole else ""
    rule = "field = (field so far - 1) · stride + kernel, from one unit on"
    if seen.skipped:
        layers = "1 layer" if seen.skipped == 1 else f"{seen.skipped} layers"
        rule += f"; {layers} of own places left out"
    return rule


def _arms(step: Step) -> list[str]:
    found = []
    for arm in step.arms:
        taken = ", followed here" if arm.path == step.taken else ""
        found.append(f"through {clean(arm.path)}: {receptive(arm.field)}{taken}")
    return found


def _field(step: Step) -> str:
    if not step.field.axes:
        return "all features"
    sums = [str(s) if s is not None else _extent(a)
            for s, a in zip(step.sums, step.field.axes, strict=True)]  # fmt: skip
    return _each(sums)


def _extent(axis: AxisField | None) -> str:
    if axis is None:
        return "all"
    text = str(axis.size) if axis.size == axis.smallest else f"{axis.smallest}-{axis.size}"
    return f"{text} + all" if axis.gated else text


def _jump(step: Step) -> str:
    return _each([ratio(axis.stride) if axis else "" for axis in step.field.axes])


def _each(texts: Sequence[str]) -> str:
    """One where all axes agree."""
    if not texts:
        return ""
    return texts[0] if len(set(texts)) == 1 else " x ".join(text or "-" for text in texts)


# ---------------------------------------------------------------------------- layout


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    return aligned([("  " + row[0], *row[1:]) for row in rows], "l" * len(rows[0]), 0)


def aligned(rows: Sequence[tuple[str, ...]], sides: str, width: int) -> list[str]:
    """Columns below each other; with a width, the second is cut so that lines fit."""
    wide = [max(len(row[i]) for row in rows) for i in range(len(sides))]
    over = sum(wide) + 2 * (len(wide) - 1) - width
    if width and over > 0:
        wide[1] = max(16, wide[1] - over)
    out = []
    for row in rows:
        cells = []
        for cell, w, side in zip(row, wide, sides, strict=True):
            cut = cell if len(cell) <= w else cell[: w - 1] + "…"
            cells.append(cut.rjust(w) if side == "r" else cut.ljust(w))
        out.append("  ".join(cells).rstrip())
    return out
