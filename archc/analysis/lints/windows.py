"""Lints of windows: borders that no window reaches, uneven overlaps, kernels over one place."""

from __future__ import annotations

from ...ops.base import AXES, Op, Shape, show
from ...ops.windows import Scatter, Window
from .scene import Scene

_LINES = {"height": "row", "width": "column", "depth": "slice", "length": "step"}


def dropped_border(scene: Scene) -> None:
    """W101: the last rows or columns are in no window, because the step does not divide."""
    known: dict[tuple[int, Shape], list[tuple[int, str]]] = {}
    for body, node, op in scene.nodes("pool", "conv", "locally_connected"):
        x = body.values[node.inputs[0]].shape
        lost = known.get((node.op, x))
        if lost is None:
            lost = known[node.op, x] = _lost(op, x)
        at = scene.place(node) if lost else None
        if at is None:
            continue
        notes = list(op.arithmetic(x))
        if scene.sizes is not None:
            notes.append(scene.sizes)
        what = " and ".join(text for _, text in lost)
        verb = "is" if sum(count for count, _ in lost) == 1 else "are"
        way = (
            "`ceil=true` keeps a last window that hangs over the end"
            if op.op == "pool"
            else "a border (`pad`) or another size brings the last window to the end"
        )
        message = f"`{op.op}` of {show(x)}: {what} {verb} in no window"
        scene.warn("W101", message, at, notes=tuple(notes), help=way)


def _lost(op: Op, x: Shape) -> list[tuple[int, str]]:
    """How many, and `the last row of 7`, for each axis whose end no window reaches."""
    lost = []
    names = AXES[len(x) - 1]
    for name, geometry, size in zip(names, op.axes(x), x[1:], strict=True):
        # Where windows leave gaps between them, most places are unread on purpose.
        if not isinstance(geometry, Window) or geometry.stride > geometry.extent:
            continue
        n = int(size)
        units = int(geometry.size(n))
        rest = n - 1 - geometry.reads(units - 1, units - 1)[1]
        if rest > 0:
            line = _LINES[name]
            lines = line if rest == 1 else f"{rest} {line}s"
            lost.append((rest, f"the last {lines} of {n}"))
    return lost


def checkerboard(scene: Scene) -> None:
    """W103: a transposed convolution whose windows overlap unevenly."""
    for body, node, op in scene.nodes("conv_transpose"):
        at = scene.place(node)
        if at is None:
            continue
        for geometry in op.axes(body.values[node.inputs[0]].shape):
            if not isinstance(geometry, Scatter):
                continue
            kernel, stride = geometry.kernel, geometry.stride
            if stride == 1 or kernel % stride == 0:
                continue
            few = kernel // stride
            near = max(stride, stride * round(kernel / stride))
            message = f"windows of {kernel} every {stride} overlap unevenly: a checkerboard"
            note = f"of neighbouring outputs, some add up {few + 1} taps per axis and some {few}"
            help = f"a kernel that is a multiple of the stride: `kernel={near}`, with `pad` to fit"
            scene.warn("W103", message, at, notes=(note,), help=help)
            break


def single_place(scene: Scene) -> None:
    """W111: a kernel over one place reads nothing but that place and padding."""
    for body, node, op in scene.nodes("conv", "pool"):
        x = body.values[node.inputs[0]].shape
        at = None if any(n != 1 for n in x[1:]) else scene.place(node)
        if at is None:
            continue
        kernels = [g.kernel for g in op.axes(x) if isinstance(g, Window)]
        if all(k == 1 for k in kernels):
            continue
        size = "x".join(map(str, kernels))
        message = f"a kernel of {size} over {show(x)}: all its taps but one read padding"
        help = (
            "`pool` can be left out here"
            if op.op == "pool"
            else "`kernel=1` and no border give the same function with fewer weights"
        )
        notes = () if scene.sizes is None else (scene.sizes,)
        scene.warn("W111", message, at, notes=notes, help=help)
