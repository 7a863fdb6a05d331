"""`archc verify`: every figure of a report proven against PyTorch.

The emitted module is built and run; nothing that archc computed goes into what PyTorch says. The
two meet only where a `Proof` is made. Most proofs run on PyTorch's meta device, where shapes and
operations are real and numbers are not, so networks of any size are proven; receptive fields need
numbers, and are left out above a budget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from ..analysis import Report
from ..graph import Graph

if TYPE_CHECKING:
    from ..analysis.free import FreeSizes

MACS = 8_500_000_000
"""Most multiply-accumulates of a network whose gradients are taken unasked: about a minute."""
SCALARS = 100_000_000
"""Most parameters of one: 8 bytes each."""

Mode = Literal["auto", "meta", "data"]


class Proof(NamedTuple):
    """One figure: what archc computed, what PyTorch says, and whether they agree.

    `holds` is None where there was nothing to compare (and `note` says why).
    """

    figure: str
    computed: str
    pytorch: str
    holds: bool | None
    note: str = ""


class Proofs(NamedTuple):
    """All proofs of a network. `data`: with numbers, thus receptive fields too; else `why` not."""

    proofs: list[Proof]
    data: bool
    why: str = ""

    @property
    def wrong(self) -> list[Proof]:
        """Those where archc and PyTorch differ."""
        return [proof for proof in self.proofs if proof.holds is False]


def verify(
    graph: Graph,
    report: Report,
    source: str,
    mode: Mode = "auto",
    free: FreeSizes | None = None,
) -> Proofs:
    """Prove the report of a network against its emitted module (`source`).

    `free`: what it needs of its free sizes, where it has any; that is proven, too.

    `mode`: "meta" runs without numbers, so there are no receptive fields; "data" proves them
    whatever it costs; "auto" does where the network is small enough.
    """
    from .counts import prove_counts
    from .fields import prove_fields

    proofs = prove_counts(graph, report, source)
    if free is not None:
        from .sizes import prove_sizes

        proofs += prove_sizes(graph, free, source)
    why = _too_large(report) if mode == "auto" else "as asked" if mode == "meta" else ""
    if not why:
        proofs += prove_fields(graph, report, source)
    return Proofs(proofs, not why, why)


def _too_large(report: Report) -> str:
    """Why a network's gradients are not taken unasked; empty where they are."""
    scalars = report.params + report.frozen
    if report.macs > MACS:
        return f"{report.macs / 1e9:,.1f}G MACs, more than {MACS / 1e9:g}G"
    if scalars > SCALARS:
        return f"{scalars / 1e6:,.0f}M parameters, more than {SCALARS / 1e6:g}M"
    return ""
