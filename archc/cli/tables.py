"""The report of `archc check` as a table for people, as Markdown and as CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from ..analysis import Report, ScopeRow
from ..analysis.cells import applied, clean, commas, described, ratio, receptive, short, size
from ..analysis.outline import Line, outline
from ..dims import form_text
from ..ops import Shape

HEAD = ("layer", "operator", "output", "params", "MACs", "receptive field")
_RIGHT = (False, False, True, True, True, True)
_MIN_OPERATOR = 16
_FEWEST_LINES = 6
_MOST_OPENED = 3

DIM, BOLD, GREEN, RED, CYAN = "2", "1", "32", "31", "36"


class Claim(Protocol):
    """What is shown of a claim; `holds` is None where it cannot be evaluated."""

    @property
    def text(self) -> str: ...
    @property
    def holds(self) -> bool | None: ...
    @property
    def expected(self) -> object: ...
    @property
    def actual(self) -> object: ...
    @property
    def source(self) -> str | None: ...
    @property
    def line(self) -> int: ...


class _Cells(NamedTuple):
    texts: tuple[str, ...]
    style: str = ""


# ---------------------------------------------------------------------- terminal


def table(
    report: Report,
    unfold: bool = False,
    color: bool = False,
    width: int = 100,
    claims: Sequence[Claim] = (),
    facts: Sequence[tuple[str, str]] = (),
    symbolic: bool = False,
) -> str:
    """The report for a terminal of the given width.

    Blocks are one line each and repetitions are said once; `unfold` shows every layer. `facts` are
    more lines below the totals; `symbolic` gives free sizes as expressions.
    """
    paint: Callable[[str, str], str] = _paint if color else _plain
    out = [paint(BOLD, clean(report.name)), ""]
    lines = _lines(report, unfold)
    rows = _body(report, lines, symbolic=symbolic)
    if _total(_widths(rows)) > width:
        # Names within their scope are shorter, and the tree says where they stand.
        rows = _body(report, lines, relative=True, symbolic=symbolic)
    widths = _widths(rows)
    over = _total(widths) - width
    if over > 0:
        widths[1] = max(min(_MIN_OPERATOR, widths[1]), widths[1] - over)
    out.append(paint(DIM, _line(HEAD, widths)))
    out += [_line(row.texts, widths, row.style, paint) for row in rows]
    out += ["", *_listed(figures(report), paint)]
    if facts:
        out += ["", *_listed(facts, paint)]
    if claims:
        out += ["", *_claims(claims, paint)]
    return "\n".join(line.rstrip() for line in out)


def _lines(report: Report, unfold: bool) -> list[Line]:
    """The outline; where blocks hide nearly everything, with some of them opened."""
    lines = list(outline(report, unfold))
    for opened in range(1, _MOST_OPENED + 1):
        closed = any(isinstance(line.row, ScopeRow) and line.row.calls for line in lines)
        if unfold or not closed or len(lines) >= _FEWEST_LINES:
            break
        lines = list(outline(report, opened=opened))
    return lines


def _body(
    report: Report, lines: list[Line], relative: bool = False, symbolic: bool = False
) -> list[_Cells]:
    rows = [
        _Cells((clean(name), "", size(shape), "", "", ""), CYAN) for name, shape in report.inputs
    ]
    rows += [_cells(line, relative, symbolic) for line in lines]
    return rows


def _cells(line: Line, relative: bool, symbolic: bool) -> _Cells:
    name, doing, *rest = described(line)
    if symbolic:
        rest[0] = " x ".join(map(form_text, line.last.free))
    if relative and line.inside:
        name = name.removeprefix(clean(line.inside))
    texts = ("  " * line.level + name, doing, *rest)
    return _Cells(texts, DIM if line.row.training or line.above else "")


def _widths(rows: list[_Cells]) -> list[int]:
    return [max([len(HEAD[i]), *(len(row.texts[i]) for row in rows)]) for i in range(len(HEAD))]


def _total(widths: list[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def _line(
    texts: Sequence[str],
    widths: list[int],
    style: str = "",
    paint: Callable[[str, str], str] | None = None,
) -> str:
    parts = []
    for text, width, right in zip(texts, widths, _RIGHT, strict=True):
        cut = text if len(text) <= width else text[: width - 1] + "…"
        parts.append(cut.rjust(width) if right else cut.ljust(width))
    joined = "  ".join(parts).rstrip()
    return paint(style, joined) if paint is not None and style else joined


def _listed(facts: Sequence[tuple[str, str]], paint: Callable[[str, str], str]) -> list[str]:
    width = max(len(name) for name, _ in facts)
    return [f"{paint(DIM, name.ljust(width))}  {text}" for name, text in facts]


def figures(report: Report) -> list[tuple[str, str]]:
    """The totals, each with what it means."""
    params = f"{commas(report.params)} trainable"
    if report.frozen:
        params += f", {commas(report.frozen)} frozen"
    if report.buffers:
        params += f"; buffers {commas(report.buffers)}"
    facts = [
        ("output" if len(report.outputs) == 1 else "outputs", _ends(report.outputs)),
        ("params", params),
        ("MACs", f"{short(report.macs)} = {commas(report.macs)} per sample, biases not counted"),
        ("FLOPs", f"{short(report.flops)} = 2 x MACs"),
        ("depth", f"{_plural(report.depth, 'weight layer')} on the longest path"),
        ("neurons", f"{commas(report.neurons)} output units of weight layers"),
        ("memory", f"{_bytes(report.memory)} for one inference, float32, batch 1"),
    ]
    facts += _seen(report)
    apart = report.auxiliary
    if apart.params or apart.macs:
        names = ", ".join(sorted(report.training_outputs))
        text = f"{commas(apart.params)} params, {short(apart.macs)} MACs for {clean(names)}"
        facts.append(("training", f"{text}; in none of the above"))
    return facts


def _seen(report: Report) -> list[tuple[str, str]]:
    """The receptive field of the output; where that is all, of the last layer that sees less."""
    seen = report.receptive_field
    if seen is None:
        return []
    facts: list[tuple[str, str]] = []
    local = report.local_field if seen.whole else ("the output", seen)
    if local is not None:
        at, field = local
        axes = [axis for axis in field.axes if axis is not None]
        pads = [str(axis.padding) for axis in axes]
        pad = pads[0] if len(set(pads)) == 1 else " x ".join(pads)
        text = f"{receptive(field)} (size / stride) at {clean(at)}, padding {pad}"
        if any(axis.holes for axis in axes):
            text += ", with holes"
        facts.append(("receptive field", text))
    if seen.whole:
        facts.append(("" if facts else "receptive field", "an output unit sees the whole input"))
    return facts


def _ends(ends: list[tuple[str, Shape]]) -> str:
    """Names and shapes; those of a list are one."""
    parts: list[str] = []
    runs: dict[tuple[str, Shape], list[str]] = {}
    for name, shape in ends:
        base, bracket, index = name.partition("[")
        runs.setdefault((base if bracket else name, shape), []).append(index.rstrip("]"))
    for (name, shape), numbers in runs.items():
        at = f"[{numbers[0]}]" if numbers[0] else ""
        if len(numbers) > 1:
            at = f"[{numbers[0]} … {numbers[-1]}]"
        parts.append(f"{clean(name)}{at} {size(shape)}")
    return ", ".join(parts)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _bytes(count: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} bytes"


def _claims(claims: Iterable[Claim], paint: Callable[[str, str], str]) -> list[str]:
    lines = []
    for claim in claims:
        mark = paint(GREEN, "✓") if claim.holds else paint(RED, "✗")
        text = f"{mark} {clean(claim.text)}"
        if not claim.holds:
            text += paint(RED, f"   {_verdict(claim)}")
        if claim.source:
            text += paint(DIM, f"   {clean(claim.source)}")
        lines.append(text)
    return lines


def _verdict(claim: Claim) -> str:
    """Why a claim has no tick."""
    if claim.holds is None:
        return "cannot be evaluated"
    if isinstance(claim.actual, bool):
        return "is false"
    actual = claim.actual
    return f"is {commas(actual) if isinstance(actual, int) else clean(str(actual))}"


def _paint(style: str, text: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if style else text


def _plain(style: str, text: str) -> str:
    return text


# ---------------------------------------------------------------------- Markdown, CSV


def markdown(report: Report, unfold: bool = False, claims: Sequence[Claim] = ()) -> str:
    """The same table in Markdown."""
    out = [f"## {escaped(report.name)}", "", piped(HEAD)]
    out.append(piped(["---:" if right else "---" for right in _RIGHT]))
    for name, *rest in rows(report, unfold):
        indent = "&nbsp;" * (len(name) - len(name.lstrip(" ")))
        cells = [indent + escaped(name.lstrip(" ")), *map(escaped, rest)]
        out.append(piped(cells))
    out += ["", *(f"- {name or 'output'}: {escaped(text)}" for name, text in figures(report))]
    if claims:
        out.append("")
    for claim in claims:
        text = f"- {'✓' if claim.holds else '✗'} {escaped(claim.text)}"
        if not claim.holds:
            text += f" ({escaped(_verdict(claim))})"
        out.append(f"{text} ({escaped(claim.source)})" if claim.source else text)
    return "\n".join(out)


def rows(report: Report, unfold: bool = False, symbolic: bool = False) -> list[tuple[str, ...]]:
    """The cells of the table as text; two spaces before a name for each level."""
    lines = _lines(report, unfold)
    return [row.texts for row in _body(report, lines, symbolic=symbolic)]


def piped(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """Text that Markdown shows as it stands."""
    return "".join("\\" + c if c in "\\`*_[]<>|#~" else c for c in clean(text))


CSV_HEAD = (
    "network", "path", "op", "arguments", "inputs", "output", "params", "frozen", "macs",
    "neurons", "receptive_field", "smallest", "stride", "padding", "training", "file", "line",
)  # fmt: skip


def csv(reports: Iterable[Report]) -> str:
    """Every layer of some networks, one record each, blocks unrolled; a header comes first."""
    import csv as writer
    import io

    out = io.StringIO()
    records = writer.writer(out, lineterminator="\n")
    records.writerow(CSV_HEAD)
    for report in reports:
        for row in report.layers():
            axes = row.receptive_field.axes if row.receptive_field else ()
            records.writerow([
                report.name,
                row.path,
                row.op,
                applied(row),
                " ".join(row.inputs),
                "x".join(map(str, row.shape)),
                row.params,
                row.frozen,
                row.macs,
                row.neurons,
                "x".join("all" if a is None else str(a.size) for a in axes),
                "x".join("all" if a is None else str(a.smallest) for a in axes),
                "x".join("" if a is None else ratio(a.stride) for a in axes),
                "x".join("" if a is None else str(a.padding) for a in axes),
                "yes" if row.training else "",
                row.site.file,
                row.site.line,
            ])  # fmt: skip
    return out.getvalue()
