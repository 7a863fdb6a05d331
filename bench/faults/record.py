"""Results of a run as lines of JSON, so that a long run can be done in parts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .judge import Verdict
from .measure import Result
from .mutants import Mutant


@dataclass(frozen=True)
class Row:
    """What the report needs of one result."""

    spec: str
    kind: str
    what: str
    lines: tuple[int, ...]
    group: str
    reason: str
    others: tuple[int, ...]
    errors: int
    code: str
    message: str
    line: int
    placed: str
    by_claim: bool
    offered: bool
    mended: bool


def row(mutant: Mutant, verdict: Verdict, result: Result) -> Row:
    return Row(
        mutant.spec,
        mutant.kind,
        mutant.what,
        tuple(sorted(mutant.lines)),
        verdict.group,
        verdict.reason,
        tuple(sorted(verdict.lines)),
        result.errors,
        result.code,
        result.message,
        result.line,
        result.placed,
        result.by_claim,
        result.offered,
        result.mended,
    )


def save(rows: list[Row], path: Path) -> None:
    """Add rows to a file."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(one)) + "\n" for one in rows)


def load(path: Path) -> list[Row]:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Row(**{k: tuple(v) if isinstance(v, list) else v for k, v in one.items()}) for one in rows
    ]
