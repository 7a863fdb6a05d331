"""Fault injection: single mistakes in every spec, and whether `archc check` finds them.

python -m bench.faults [--seed 1] [--each 8] [--write docs/faults.md] [--show] [SPEC...]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from .judge import Judge
from .measure import Result, measure
from .mutants import KINDS, mutants
from .table import missed, summary

ROOT = Path(__file__).resolve().parent.parent.parent


def run(specs: list[str], seed: int, each: int, kinds: tuple[str, ...] = KINDS) -> list[Result]:
    """Make, judge and check the mutants of specs (paths from the root of the project)."""
    torch.set_num_threads(1)
    found = []
    for spec in specs:
        text = Path(spec).read_text()
        judge = Judge(spec, text)
        made = [m for m in mutants(spec, text, seed, each) if m.kind in kinds]
        found += [measure(mutant, judge(mutant)) for mutant in made]
        print(f"{spec}: {len(made)}", file=sys.stderr, flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="bench.faults", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("specs", nargs="*", metavar="SPEC", help="specs (all of specs/)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the mutants (1)")
    parser.add_argument("--each", type=int, default=8, help="mutants of a kind in a spec (8)")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only mutants of this kind")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the report to a file")
    parser.add_argument("--show", action="store_true", help="print what was not found or placed")
    options = parser.parse_args()
    specs = options.specs or sorted(
        str(p.relative_to(Path.cwd())) for p in (ROOT / "specs").glob("*.arch")
    )
    kinds = tuple(options.kind or KINDS)
    results = run(specs, options.seed, options.each, kinds)
    print(summary(results))
    if options.show:
        print(missed(results))
    if options.write:
        from .table import page

        options.write.write_text(page(results, options.seed, options.each))
    return 0


if __name__ == "__main__":
    sys.exit(main())
