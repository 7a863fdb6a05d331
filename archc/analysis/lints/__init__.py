"""Lints: what is legal and probably not meant. Each is one function over one network.

Every lint works once per body of the graph. A finding stands at the stage that it is about, once,
however many layers and networks that stage makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ...diagnostics import Diagnostic, Label
from ...graph import Graph
from ...source import Source, Span
from ..report import Report
from .allow import Text, silence
from .ends import small_field, softmax_before_loss
from .fuse import misaligned
from .gridding import gridding
from .pairs import (
    bias_before_batchnorm,
    collapsing_linear,
    dropout_before_batchnorm,
    heavy_linear,
)
from .scene import Loss, Scene, key_of
from .tensor_cores import unaligned_channels
from .windows import checkerboard, dropped_border, single_place

__all__ = ["LINTS", "Loss", "Text", "lint", "silence", "unused"]

LINTS: tuple[Callable[[Scene], None], ...] = (
    dropped_border,
    bias_before_batchnorm,
    checkerboard,
    gridding,
    misaligned,
    small_field,
    collapsing_linear,
    softmax_before_loss,
    dropout_before_batchnorm,
    single_place,
    heavy_linear,
    unaligned_channels,
)


def lint(
    networks: Iterable[tuple[Graph, Report, tuple[Loss, ...]]],
    sources: Mapping[str, Source],
    complete: bool,
) -> list[Diagnostic]:
    """The findings in networks of one file, without repetition.

    A fix is safe only if it is right for every network that has the stage, so none is where these
    are not all (`complete`).
    """
    found: dict[tuple[str, tuple[str, int, int]], Diagnostic] = {}
    needed: set[tuple[str, int, int]] = set()
    for graph, report, losses in networks:
        scene = Scene(graph, report, sources, losses)
        for one in LINTS:
            one(scene)
        needed |= scene.needed
        for item in scene.found:
            found.setdefault((item.code, key_of(item.labels[0].span)), item)
    for (code, place), item in found.items():
        if item.fixes and (place in needed or not complete):
            unsafe = tuple(replace(fix, safe=False) for fix in item.fixes)
            found[code, place] = replace(item, fixes=unsafe)
    return list(found.values())


def unused(declared: Iterable[tuple[str, str, Span]]) -> list[Diagnostic]:
    """W110, for each declaration (its kind, name, place) that nothing refers to."""
    return [
        Diagnostic(
            "W110",
            f"{kind} `{name}` is not used",
            (Label(span),),
            help="leave it out, or use it",
        )
        for kind, name, span in declared
    ]
