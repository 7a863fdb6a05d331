"""Compared networks as a table for people, Markdown, LaTeX, CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from ..analysis.cells import clean, commas, receptive, short
from ..analysis.compare import Totals
from ..diagnostics import Diagnostic
from ..diagnostics.json import to_dict
from .costs import amount
from .tables import escaped, piped

SCHEMA = "archc-compare-1"
"""Name and version of the JSON; the number grows when something is taken away or changes."""

TITLES = (
    "params", "MACs", "depth", "receptive field", "activations", "inference", "training",
)  # fmt: skip


class Row(NamedTuple):
    """A network at a point of the sweeps: its figures, or why it has none."""

    spec: str
    network: str
    point: dict[str, str]
    totals: Totals | None
    errors: list[Diagnostic]

    @property
    def code(self) -> str:
        """The code of the first mistake."""
        return self.errors[0].code if self.errors else ""


class Comparison(NamedTuple):
    """What is to be printed: rows, the names that vary, and how memory was counted."""

    rows: list[Row]
    names: list[str]
    batch: int
    optimizer: str

    @property
    def clashes(self) -> bool:
        """Do networks of different files share a name?"""
        owners: dict[str, str] = {}
        return any(owners.setdefault(row.network, row.spec) != row.spec for row in self.rows)


def name(made: Comparison, row: Row) -> str:
    """The name of a row's network, with its file where that is needed to tell it from others."""
    return f"{row.network} ({Path(row.spec).name})" if made.clashes else row.network


def label(made: Comparison, row: Row) -> str:
    """A row in a word: what tells it from the others."""
    point = ", ".join(f"{key}={value}" for key, value in row.point.items())
    if not point:
        return name(made, row)
    several = len({(r.spec, r.network) for r in made.rows}) > 1
    return f"{name(made, row)} {point}" if several else point


def head(made: Comparison) -> list[str]:
    """Titles of the columns."""
    return ["network", *_swept(made, TITLES), *TITLES]


def _swept(made: Comparison, figures: tuple[str, ...]) -> list[str]:
    """Titles of what varies, told from figures of the same name."""
    return [f"{one} (set)" if one in figures else one for one in made.names]


def cells(made: Comparison) -> Iterator[list[str]]:
    """Rows as people read them; a code where there are no figures."""
    for row in made.rows:
        first = [clean(name(made, row)), *(clean(row.point[n]) for n in made.names)]
        if row.totals is None:
            yield [*first, row.code, *[""] * (len(TITLES) - 1)]
            continue
        t = row.totals
        yield [
            *first,
            commas(t.params),
            short(t.macs),
            str(t.depth),
            receptive(t.field),
            amount(t.activations),
            amount(t.inference),
            amount(t.training),
        ]


def notes(made: Comparison) -> Iterator[str]:
    """What the columns mean, and why some rows have no figures."""
    yield (
        f"memory in float32 at batch {made.batch:,}; training with {made.optimizer}; receptive "
        "field: size / stride at the output, or at the last layer that does not see everything"
    )
    said: dict[tuple[str, str], list[str]] = {}
    for row in made.rows:
        for item in row.errors:
            said.setdefault((item.code, item.message), []).append(label(made, row))
    for (code, message), where in said.items():
        some = "; ".join(where[:4]) + (f"; … {len(where) - 4} more" if len(where) > 4 else "")
        yield f"{code} at {some}: {message}"


# ---------------------------------------------------------------------------- for people


def table(made: Comparison) -> str:
    """For a terminal."""
    rows = [head(made), *cells(made)]
    left = 1 + len(made.names)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        parts = [
            c.ljust(w) if i < left else c.rjust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(parts).rstrip())
    return "\n".join([*lines, "", *map(clean, notes(made)), ""])


def markdown(made: Comparison) -> str:
    """The same in Markdown."""
    left = 1 + len(made.names)
    rules = ["---" if i < left else "---:" for i in range(left + len(TITLES))]
    rows = [piped([*map(escaped, row)]) for row in cells(made)]
    said = [escaped(text) for text in notes(made)]
    return "\n".join([piped(head(made)), piped(rules), *rows, "", *said, ""])


def latex(made: Comparison) -> str:
    """The same in LaTeX; what the columns mean is the caption."""
    from . import latex as write

    left = 1 + len(made.names)
    body = [[*map(write.escaped, row[:left]), *map(write.sizes, row[left:])] for row in cells(made)]
    said = ". ".join(text[0].upper() + text[1:] for text in notes(made))
    columns = "l" * left + "r" * len(TITLES)
    return write.tabular(head(made), columns, body, f"{write.sizes(said)}.", "comparison") + "\n"


# ---------------------------------------------------------------------------- for programs


FIGURES = (
    "params", "frozen", "macs", "depth", "neurons", "receptive_field", "receptive_field_at",
    "activations", "inference", "training",
)  # fmt: skip


def figures(found: Totals) -> dict[str, Any]:
    """Figures by name, memory in bytes; a receptive field of null is the whole input (or there is
    none)."""
    made = {name: getattr(found, name) for name in FIGURES if name != "receptive_field_at"}
    return {**made, "receptive_field_at": found.field_at or None}


def csv(made: Comparison) -> str:
    """One record a row, exact figures; `error` has the code where there are none."""
    import csv as writer
    import io

    out = io.StringIO()
    records = writer.writer(out, lineterminator="\n")
    records.writerow(["spec", "network", *_swept(made, FIGURES), *FIGURES, "error"])
    for row in made.rows:
        found = figures(row.totals) if row.totals is not None else {}
        point = [row.point[n] for n in made.names]
        texts = ["" if found.get(f) is None else found[f] for f in FIGURES]
        records.writerow([row.spec, row.network, *point, *texts, row.code])
    return out.getvalue()


def document(made: Comparison) -> str:
    """The JSON that docs/compare.md describes."""
    rows = [
        {
            "spec": row.spec,
            "network": row.network,
            "point": row.point,
            "figures": None if row.totals is None else figures(row.totals),
            "diagnostics": [to_dict(item) for item in row.errors],
        }
        for row in made.rows
    ]
    found = {
        "schema": SCHEMA,
        "archc": __version__,
        "batch": made.batch,
        "optimizer": made.optimizer,
        "rows": rows,
    }
    return json.dumps(found, indent=1) + "\n"


FORMATTERS: dict[str, Callable[[Comparison], str]] = {
    "table": table,
    "csv": csv,
    "markdown": markdown,
    "json": document,
    "latex": latex,
}
"""By the names that --format takes."""
