"""The report of a run as Markdown: `docs/faults.md`."""

from __future__ import annotations

import platform
from datetime import date
from importlib.metadata import version

from .mutants import KINDS
from .record import Row
from .table import Scores, share

HEAD = (
    "# Injected faults\n"
    "\n"
    "How well `archc check` finds mistakes, and how well it says where they are. `make "
    "faults` puts single mistakes into every spec of `specs/` and checks each of the "
    "mutants; this page is what it wrote.\n"
    "\n"
    "## What is done\n"
    "\n"
    "A mutant is a spec with one mistake: {kinds}. Up to {each} places of a kind are drawn "
    "from every spec, with seed {seed}. What stands in recipes is misspelt and left "
    "unclosed like everything else, but their numbers stay as they are. A label is not "
    "misspelt where it is introduced: nothing in the text says what else it should be.\n"
    "\n"
    "Whether a mutant is wrong is judged without archc's checker (`bench/faults/`):\n"
    "\n"
    "- **by rules of the language** for what is no text of it, or no word: a bracket "
    "without its partner; two operands with nothing between; a name that is none of the "
    "text's, the language's or the libraries'; a figure of a claim that held before and is "
    "another now;\n"
    "- **by PyTorch** for all else. The mutant is read a second time by a small interpreter"
    " that shares only the parser with archc. Each layer is built as a PyTorch module and "
    "applied to tensors that have shapes but no numbers. If PyTorch refuses one, or a list,"
    " a type or a pattern does not fit, the mutant is *wrong*. If all networks run and one "
    "of them has other layers, weights or wiring than before, it is *legal but different*. "
    "If all are the same, it is no mistake and is left out.\n"
    "\n"
    "The claims of the specs were completed where runs with seeds 1 to 3 showed that a figure was "
    "missing; seed 7 is for measuring. After its first run the sizes of the inputs of AlexNet, "
    "Inception-v3 and Xception became claims, as those of most others were, and these three were "
    "measured again: without them four more legal mutants would go unseen. That run also "
    "showed that no figure spoke of dropped activations: `operators` became a measure, "
    "thirteen specs claim it, and these were measured again (before, 94.1% of the legal "
    "mutants were reported by a claim). docs/benchmarks.md has a run with a seed that was "
    "drawn after all that.\n"
    "\n"
    "What is counted:\n"
    "\n"
    "- *found*: `archc check` reports an error;\n"
    "- *line*: the first error points at the mutated line. *Lines*: at it, or at a line "
    "that disagrees with it: where PyTorch refuses, where the values come from that it "
    "refuses, where the bracket was opened, where the misspelt name is used;\n"
    "- *errors*: how many errors a mistake that is found gives, on average;\n"
    "- *mended*: of the mutants with a fix, those that check, claims included, once the "
    "fixes are applied;\n"
    "- *by a claim*: a legal mutant is reported because an `expect` line does not hold.\n"
    "\n"
)


def page(rows: list[Row], seed: int, each: int) -> str:
    """The report of all results."""
    whole = Scores(rows)
    out = [HEAD.format(kinds=", ".join(_NAMES[kind] for kind in KINDS), each=each, seed=seed)]
    versions = ", ".join(f"{name} {version(name)}" for name in ("archc", "torch", "pydantic"))
    out.append(
        f"## Results\n\n{whole.made:,} mutants, {whole.wrong + whole.legal:,} of them judged to be "
        f"wrong or different. {date.today().isoformat()}, Python {platform.python_version()}, "
        f"{versions}.\n"
    )
    out.append(_targets(whole))
    out.append("### By kind\n")
    out.append(_table("mistake", [(_NAMES[k], _of(rows, kind=k)) for k in KINDS], rows))
    out.append("### By spec\n")
    specs = sorted({one.spec for one in rows})
    out.append(_table("spec", [(f"`{s}`", _of(rows, spec=s)) for s in specs], rows))
    out.append(_left_out(whole))
    out.append(_worst(rows))
    return "\n".join(out)


_NAMES = {
    "operator": "a misspelt operator",
    "parameter": "a misspelt parameter",
    "name": "a misspelt name",
    "channels": "a wrong channel count",
    "kernel": "a wrong kernel",
    "stride": "a wrong stride",
    "padding": "a wrong padding",
    "number": "another wrong number",
    "projection": "a missing projection",
    "dropped layer": "a dropped layer in a branch",
    "swapped arguments": "swapped arguments",
    "list length": "a list with an element more or less",
    "unclosed bracket": "an unclosed bracket",
    "missing comma": "a missing comma",
    "claim": "a claim off by one",
}


def _of(rows: list[Row], kind: str = "", spec: str = "") -> list[Row]:
    return [r for r in rows if (not kind or r.kind == kind) and (not spec or r.spec == spec)]


def _targets(s: Scores) -> str:
    each = s.errors / s.reported if s.reported else 0.0
    lines = [
        ("wrong mutants found", "99%", share(s.reported, s.wrong)),
        ("first error on the line", "-", share(s.on_line, s.reported)),
        ("first error on the lines", "95%", share(s.on_line + s.on_lines, s.reported)),
        ("errors per mistake", "1.1", f"{each:.2f}"),
        ("mended by the fixes offered", "90%", share(s.mended, s.offered)),
        ("legal mutants found", "95%", share(s.legal_reported, s.legal)),
        ("by a claim", "-", share(s.by_claim, s.legal)),
    ]
    body = "\n".join(f"| {name} | {due} | {got} |" for name, due, got in lines)
    return f"| what | promised | measured |\n|---|---|---|\n{body}\n"


def _table(what: str, groups: list[tuple[str, list[Row]]], rows: list[Row]) -> str:
    head = (
        f"| {what} | wrong | found | line | lines | errors | with a fix | mended | legal | found "
        "| left out |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    lines = [head]
    for name, group in [*groups, ("**all**", rows)]:
        s = Scores(group)
        each = f"{s.errors / s.reported:.2f}" if s.reported else "-"
        cells = [
            name,
            str(s.wrong),
            share(s.reported, s.wrong),
            share(s.on_line, s.reported),
            share(s.on_line + s.on_lines, s.reported),
            each,
            str(s.offered),
            share(s.mended, s.offered),
            str(s.legal),
            share(s.legal_reported, s.legal),
            str(sum(s.left_out.values())),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _left_out(s: Scores) -> str:
    lines = [f"| {reason} | {n} |" for reason, n in s.left_out.most_common()]
    table = "\n".join(["| why | mutants |", "|---|---|", *lines])
    return f"### Left out\n\n{table}\n"


def _worst(rows: list[Row]) -> str:
    """Everything that was not as it should be, but for what only has several errors."""
    parts = ["## What is not found, or badly\n"]
    groups = [
        ("Wrong and not reported", [r for r in rows if r.group == "wrong" and not r.errors]),
        (
            "Reported elsewhere",
            [r for r in rows if r.group == "wrong" and r.errors and not r.placed],
        ),
        (
            "Legal, and no claim speaks of it",
            [r for r in rows if r.group == "legal" and not r.errors],
        ),
        (
            "More than two errors for one mistake",
            [r for r in rows if r.group == "wrong" and r.errors > 2],
        ),
        (
            "A fix that mends nothing",
            [r for r in rows if r.group == "wrong" and r.offered and not r.mended],
        ),
    ]
    for title, found in groups:
        listed = [_item(r) for r in sorted(found, key=lambda r: (r.spec, r.lines))]
        parts.append(f"### {title}: {len(found)}\n")
        parts.append("\n".join(listed) + "\n" if listed else "None.\n")
    return "\n".join(parts)


def _item(r: Row) -> str:
    at = ",".join(map(str, r.lines))
    message = " ".join(r.message.split())
    said = f": {r.code} at line {r.line}, {message}" if r.errors else ""
    more = f" ({r.errors} errors)" if r.errors > 1 else ""
    return f"- `{r.spec}:{at}`, {r.kind}, {r.what}{said}{more}"
