"""Tables as LaTeX, for papers: `booktabs` rules, no vertical lines, everything escaped.

What comes out needs `\\usepackage{booktabs}`, and `longtable` where a table is longer than a page;
it is for pdfLaTeX, XeLaTeX and LuaLaTeX alike, so what is neither ASCII nor a Latin letter is
written as a command or by its number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..analysis import Report
from ..analysis.cells import commas, receptive, short
from .tables import HEAD, figures, rows

if TYPE_CHECKING:
    from .costs import Costs

PAGE = 45
"""Rows from which on a table breaks across pages."""

_WIDE = 40
"""Characters of an operator from which on its column breaks lines."""

_COMMANDS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    "'": r"{\char39}",
    "`": r"{\char96}",
    # after a line's end these would be arguments of its command
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "→": r"$\rightarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "µ": r"$\mu$",
    "…": r"\ldots{}",
    "–": "{--}",
}


def escaped(text: str) -> str:
    """Text that LaTeX shows as it stands."""
    return "".join(map(_character, text)).replace("--", "-{}-").replace("{-{}-}", "{--}")


def _character(ch: str) -> str:
    if ch in _COMMANDS:
        return _COMMANDS[ch]
    if ch.isascii():
        return ch if ch.isprintable() else rf"\textbackslash{{}}x{ord(ch):02x}"
    if "À" <= ch <= "ÿ":
        return ch
    return rf"\texttt{{U+{ord(ch):04X}}}"


def table(report: Report, unfold: bool = False, symbolic: bool = False) -> str:
    """The table of `archc check`, blocks and repetitions folded as there, and the totals."""
    body = []
    for name, doing, shape, *rest in rows(report, unfold, symbolic):
        indent = (len(name) - len(name.lstrip(" "))) // 2
        cells = [r"\quad " * indent + escaped(name.lstrip(" ")), _code(doing), sizes(shape)]
        body.append([*cells, *map(sizes, rest)])
    whole = ["total", "", "", commas(report.params), short(report.macs), ""]
    said = [f"{name} {text}" for name, text in figures(report) if name in ("depth", "FLOPs")]
    field = receptive(report.local_field[1]) if report.local_field else ""
    if field:
        said.append(f"receptive field (size / stride) of the last local layer {field}")
    caption = rf"\textbf{{{escaped(report.name)}}}. {sizes('; '.join(said))}."
    wide = any(len(row[1]) > _WIDE for row in rows(report, unfold, symbolic))
    columns = r"lp{0.32\linewidth}rrrr" if wide else "llrrrr"
    return tabular(HEAD, columns, body, caption, report.name, [list(map(escaped, whole))])


def costs(name: str, found: Costs, every: bool) -> str:
    """What a network costs, as `archc check --device`, `--batch` and `--convention` say it."""
    from .costs import HEAD as TITLES
    from .costs import facts
    from .costs import rows as layers

    said = [rf"\item[{escaped(name)}] {sizes(text)}" for name, text in facts(found)]
    out = [r"\begin{description}", *said, r"\end{description}"]
    if found.layers:
        body = [
            [escaped(row[0]), _code(row[1]), *map(sizes, row[2:])] for row in layers(found, every)
        ]
        out += ["", tabular(TITLES, "llrrrrrl", body, "Layers by time.", f"{name}-time")]
    return "\n".join(out)


def tabular(
    head: Sequence[str],
    columns: str,
    body: Sequence[Sequence[str]],
    caption: str,
    label: str,
    last: Sequence[Sequence[str]] = (),
) -> str:
    """A table of cells that are LaTeX already; titles are plain text. `last`: below a rule."""
    titles = _row([escaped(title) for title in head])
    lines = [_row(row) for row in body]
    if last:
        lines += [r"\midrule", *map(_row, last)]
    name = "tab:" + "".join(ch for ch in label.lower() if ch.isascii() and ch.isalnum())
    make = _pages if len(body) > PAGE else _floating
    return "\n".join(make(columns, titles, lines, caption, name))


def _floating(
    columns: str, titles: str, lines: list[str], caption: str, name: str
) -> Iterator[str]:
    yield from (r"\begin{table}", r"\centering", r"\small")
    yield from (rf"\caption{{{caption}}}", rf"\label{{{name}}}")
    yield from (rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\toprule", titles, r"\midrule")
    yield from lines
    yield from (r"\bottomrule", r"\end{tabular}", r"\end{table}")


def _pages(columns: str, titles: str, lines: list[str], caption: str, name: str) -> Iterator[str]:
    """A table over several pages, its head on each."""
    yield from (r"\begingroup", r"\small", rf"\begin{{longtable}}{{@{{}}{columns}@{{}}}}")
    yield rf"\caption{{{caption}}}\label{{{name}}}\\"
    yield from (r"\toprule", titles, r"\midrule", r"\endfirsthead")
    yield from (r"\toprule", titles, r"\midrule", r"\endhead")
    yield from (r"\bottomrule", r"\endlastfoot")
    yield from lines
    yield from (r"\end{longtable}", r"\endgroup")


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells).rstrip() + r" \\"


def _code(text: str) -> str:
    return rf"\texttt{{{escaped(text)}}}" if text else ""


def sizes(text: str) -> str:
    """Text with `x` between sizes as the sign."""
    return escaped(text).replace(" x ", r" $\times$ ")
