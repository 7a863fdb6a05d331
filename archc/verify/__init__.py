"""`archc verify`: every figure of a report proven against PyTorch.

The emitted module is built and run; nothing that archc computed goes into what PyTorch says. The
two meet only in `Proof.holds`.
"""

from __future__ import annotations

from typing import NamedTuple

from ..analysis import Report
from ..graph import Graph


class Proof(NamedTuple):
    """One figure: what archc computed, what PyTorch says, and whether they agree.

    `holds` is None where there was nothing to compare (and `note` says why).
    """

    figure: str
    computed: str
    pytorch: str
    holds: bool | None
    note: str = ""


def verify(graph: Graph, report: Report, source: str, fields: bool = True) -> list[Proof]:
    """Prove the report of a network against its emitted module.

    `fields`: receptive fields too, which needs a forward and backward pass on the CPU in float64
    (memory: some 16 bytes a parameter and a few activations); the rest runs without data.
    """
    from .counts import prove_counts
    from .fields import prove_fields

    proofs = prove_counts(graph, report, source)
    if fields:
        proofs += prove_fields(graph, report, source)
    return proofs
