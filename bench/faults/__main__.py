"""Fault injection: single mistakes in every spec, and whether `archc check` finds them.

python -m bench.faults [--seed 7] [--each 8] [--write docs/faults.md] [--show] [SPEC...]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from .judge import Judge
from .measure import measure
from .mutants import KINDS, mutants
from .record import Row, load, row, save
from .report import page
from .table import missed, summary


def run(
    specs: list[str], seed: int, each: int, kinds: tuple[str, ...] = KINDS, to: Path | None = None
) -> list[Row]:
    """Make, judge and check the mutants of specs (paths from the root of the project)."""
    torch.set_num_threads(1)
    found: list[Row] = []
    for spec in specs:
        text = Path(spec).read_text(encoding="utf-8")
        judge = Judge(spec, text)
        rows = []
        for mutant in mutants(spec, text, seed, each):
            if mutant.kind in kinds:
                verdict = judge(mutant)
                rows.append(row(mutant, verdict, measure(mutant, verdict)))
        if to is not None:
            save(rows, to)
        found += rows
        print(f"{spec}: {len(rows)}", file=sys.stderr, flush=True)
    return found


def main() -> int:
    about = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=about)
    parser.add_argument("specs", nargs="*", metavar="SPEC", help="specs (all of specs/)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the mutants (7)")
    parser.add_argument("--each", type=int, default=7, help="mutants of a kind in a spec (7)")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only mutants of this kind")
    parser.add_argument("--save", type=Path, metavar="FILE", help="add the results to a file")
    parser.add_argument("--load", type=Path, metavar="FILE", help="report on results, run nothing")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the report as Markdown")
    parser.add_argument("--show", action="store_true", help="print what was not found or placed")
    options = parser.parse_args()
    specs = options.specs or sorted(f"specs/{path.name}" for path in Path("specs").glob("*.arch"))
    if options.load:
        results = load(options.load)
    else:
        kinds = tuple(options.kind or KINDS)
        results = run(specs, options.seed, options.each, kinds, options.save)
    print(summary(results))
    if options.show:
        print(missed(results))
    if options.write:
        options.write.write_text(page(results, options.seed, options.each), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
