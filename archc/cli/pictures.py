"""The diagrams of a network, in either style, and what cannot be drawn."""

from __future__ import annotations

from collections.abc import Sequence

from ..driver import Compiled

DRAWN = ("dot", "svg", "png", "pdf")
"""What `--emit` names that is a diagram."""


class Undrawn(Exception):
    """Why there is no diagram: a code, a message and what to do."""

    def __init__(self, code: str, message: str, help: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help


def mismatch(style: str, emit: Sequence[str]) -> Undrawn | None:
    """What is wrong with a style and the kinds of files that are asked for, if anything."""
    if style == "graph":
        return None
    if "dot" in emit:
        return Undrawn("E0905", "DOT text describes boxes and arrows, not volumes", _KINDS)
    if not set(DRAWN).intersection(emit):
        return Undrawn("E0905", f"--style {style} asks for a diagram, --emit for none", _KINDS)
    return None


_FEWER = (
    "repeats and blocks that are called more than once are folded without --unfold; `--emit dot`"
    " writes the text for other programs"
)
_KINDS = "volumes are drawn as svg, png and pdf, e.g. `--style volumes --emit svg,pdf`"


def pictures(network: Compiled, kinds: Sequence[str], unfold: bool, style: str) -> dict[str, bytes]:
    """The diagram of a network, by kind of file. Raises Undrawn."""
    if not kinds:
        return {}
    return (_volumes if style == "volumes" else _graph)(network, kinds, unfold)


def _graph(network: Compiled, kinds: Sequence[str], unfold: bool) -> dict[str, bytes]:
    from ..emit import dot

    diagram, picture = dot.drawn(network.graph, network.report, unfold)
    count = len(picture.boxes)
    if count > dot.LARGEST and set(kinds) != {"dot"}:
        raise Undrawn(
            "E0905",
            f"the diagram of `{network.name}` has {count:,} boxes; at most {dot.LARGEST:,} are"
            " laid out",
            _FEWER,
        )
    try:
        return {
            kind: diagram.encode() if kind == "dot" else dot.render(diagram, kind) for kind in kinds
        }
    except dot.LayoutError as error:
        raise Undrawn(
            "E0905",
            f"the diagram of `{network.name}` ({count:,} boxes, {len(picture.edges):,} arrows)"
            f" cannot be laid out: {error}",
            _FEWER,
        ) from error


def _volumes(network: Compiled, kinds: Sequence[str], unfold: bool) -> dict[str, bytes]:
    from ..emit import volumes

    try:
        drawing = volumes.drawn(network.graph, network.report, unfold)
    except volumes.TooLarge as error:
        message = f"`{network.name}` cannot be drawn as volumes: {error}"
        raise Undrawn("E0905", message, _FEWER) from error
    try:
        return {kind: volumes.render(drawing, kind) for kind in kinds}
    except ModuleNotFoundError as error:
        raise Undrawn(
            "E0809",
            f"a PNG needs {error.name}, which is not installed",
            'pip install "archc[torch]", or write svg or pdf',
        ) from error
