"""The report of a run: by kind of mistake, by spec, and what was missed."""

from __future__ import annotations

from collections import Counter

from .mutants import KINDS
from .record import Row


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"


class Scores:
    """The counts of some results."""

    def __init__(self, results: list[Row]) -> None:
        self.made = len(results)
        wrong = [r for r in results if r.group == "wrong"]
        legal = [r for r in results if r.group == "legal"]
        self.left_out = Counter(r.reason for r in results if r.group == "left out")
        self.wrong = len(wrong)
        reported = [r for r in wrong if r.errors]
        self.reported = len(reported)
        self.on_line = sum(r.placed == "line" for r in reported)
        self.on_lines = sum(r.placed == "lines" for r in reported)
        self.errors = sum(r.errors for r in reported)
        self.legal = len(legal)
        self.legal_reported = sum(r.errors > 0 for r in legal)
        self.by_claim = sum(r.by_claim for r in legal)
        self.offered = sum(r.offered for r in wrong)
        self.mended = sum(r.mended for r in wrong)


def summary(results: list[Row]) -> str:
    """The figures as text for a terminal."""
    lines = [
        f"{'':20}{'wrong':>6}{'found':>8}{'line':>8}{'lines':>8}{'errors':>8}"
        f"{'fix':>6}{'mends':>8}{'legal':>7}{'found':>8}{'out':>6}"
    ]
    groups = [(kind, [r for r in results if r.kind == kind]) for kind in KINDS]
    for name, group in [*groups, ("all", results)]:
        s = Scores(group)
        each = f"{s.errors / s.reported:.2f}" if s.reported else "-"
        lines.append(
            f"{name:20}{s.wrong:6}{share(s.reported, s.wrong):>8}{share(s.on_line, s.reported):>8}"
            f"{share(s.on_line + s.on_lines, s.reported):>8}{each:>8}{s.offered:6}"
            f"{share(s.mended, s.offered):>8}{s.legal:7}{share(s.legal_reported, s.legal):>8}"
            f"{sum(s.left_out.values()):6}"
        )
    lines += [f"left out, {reason}: {n}" for reason, n in Scores(results).left_out.most_common()]
    return "\n".join(lines)


def _line(r: Row) -> str:
    at = ",".join(map(str, r.lines))
    return f"{r.spec}:{at} [{r.kind}] {r.what}"


def missed(results: list[Row]) -> str:
    """What went wrong, one line each."""
    lines = []
    for r in results:
        wrong, legal = r.group == "wrong", r.group == "legal"
        said = f"{r.code} :{r.line} {r.message}"
        if wrong and not r.errors:
            lines.append(f"MISSED {_line(r)} ({r.reason}, {list(r.others)})")
        elif legal and not r.errors:
            lines.append(f"UNCLAIMED {_line(r)}")
        elif wrong and not r.placed:
            lines.append(f"ELSEWHERE {_line(r)}: {said} ({r.reason}, {list(r.others)})")
        if wrong and r.errors > 1:
            lines.append(f"SEVERAL {_line(r)}: {r.errors}, {said}")
        if wrong and r.offered and not r.mended:
            lines.append(f"UNMENDED {_line(r)}: {said}")
    return "\n".join(sorted(lines))
