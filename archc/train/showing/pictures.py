"""Pictures of what was learned: kernels, confusion matrix, predictions on images. PNG as bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..data.samples import IGNORED
from ..tasks.metrics import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_KERNELS = 64
MOST_LETTERS = 24
"""Of a class's name in a picture."""
MOST_NAMED = 30
"""Up to so many classes a confusion matrix has its numbers written in."""
RIGHT, WRONG = "#2a7f3f", "#b3261e"
FINE, GAP = 24, 3
"""Pixels that a kernel is enlarged to, at least about, and those between two."""
GROUND = (0.80, 0.87, 0.95)
DPI = 120


def figure(title: str, width: float, height: float) -> Figure:
    """An empty figure, in inches, which needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(made)
    made.suptitle(plain(title), fontsize=11)
    return made


def plain(text: str) -> str:
    """A name is text: `$` would start a formula."""
    return text.replace("$", r"\$")


def label(name: str) -> str:
    """The name of a class, cut where there is no room for all of it."""
    return plain(name if len(name) <= MOST_LETTERS else name[: MOST_LETTERS - 1] + "…")


def png(made: Figure) -> bytes:
    """The figure as a file; the same figure gives the same bytes."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that no font has are drawn as boxes
        made.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def show(axes: Axes, image: Tensor, **how: Any) -> None:
    """[1 or 3, H, W] in 0..1 without axes; of any other number of channels the first."""
    picture = image[0] if len(image) != 3 else image.movedim(0, -1)
    axes.imshow(picture.numpy(), interpolation="nearest", **({"cmap": "gray"} | how))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def viewable(x: Tensor, scale: float) -> Tensor:
    """Stored images [N, C, H, W] in 0..1; each stretched over its own range if it leaves that."""
    x = x.float().cpu() * scale
    if bool((x >= 0).all()) and bool((x <= 1).all()):
        return x
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return (x - low) / (high - low).clamp_min(1e-12)


# --------------------------------------------------------------------------- kernels


def kernels(title: str, weight: Tensor) -> bytes:
    """Kernels [out, in, h, w] as tiles: in colour where they read three channels.

    Otherwise a row of tiles for each kernel, one for each channel that it reads. Every kernel is
    scaled by its own largest weight: grey is 0, white positive, black negative.
    """
    weight = weight.detach().float().cpu()
    shown = weight[:MOST_KERNELS]
    largest = shown.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
    shown = shown / largest / 2 + 0.5
    if shown.shape[1] == 3 or shown.shape[1] == 1:
        columns = min(len(shown), 16 if len(shown) > 32 else 8)
        tiles = list(shown)
    else:
        reads = min(shown.shape[1], 16)
        shown = shown[: max(1, MOST_KERNELS // reads), :reads]
        columns, tiles = reads, [channel[None] for kernel in shown for channel in kernel]
    sheet = _sheet(tiles, columns)
    side = max(0.35, min(0.7, 9 / columns))
    rows = ceil(len(tiles) / columns)
    high, wide = weight.shape[2:]
    made = figure(title, max(3.0, columns * side), max(0.5, rows * side * high / wide) + 0.7)
    axes = made.add_subplot()
    show(axes, sheet, vmin=0, vmax=1)
    some = f"the first {len(shown)} of {len(weight)}" if len(shown) < len(weight) else "all"
    axes.set_xlabel(f"{some}, {high}×{wide}; grey is 0, white +, black −", fontsize=8)
    return png(made)


def _sheet(tiles: Sequence[Tensor], columns: int) -> Tensor:
    """Tiles [1 or 3, h, w] row by row, enlarged, on a ground that is no shade of grey."""
    times = max(1, FINE // max(tiles[0].shape[1:]))
    drawn = [
        tile.expand(3, -1, -1).repeat_interleave(times, 1).repeat_interleave(times, 2)
        for tile in tiles
    ]
    high, wide = drawn[0].shape[1:]
    rows = ceil(len(tiles) / columns)
    ground = torch.tensor(GROUND)[:, None, None]
    sheet = ground.repeat(1, rows * (high + GAP) + GAP, columns * (wide + GAP) + GAP)
    for i, tile in enumerate(drawn):
        top, left = GAP + (i // columns) * (high + GAP), GAP + (i % columns) * (wide + GAP)
        sheet[:, top : top + high, left : left + wide] = tile
    return sheet


# --------------------------------------------------------------------------- confusion


def confusion(title: str, table: Table, names: Sequence[str]) -> bytes:
    """The matrix, every row as shares of its class; `names` by class."""
    counts = torch.tensor(table, dtype=torch.float64)
    shares = counts / counts.sum(1, keepdim=True).clamp_min(1)
    classes = len(table)
    side = min(10.0, 2.6 + 0.42 * classes)
    made = figure(title, side + 0.6, side)
    axes = made.add_subplot()
    image = axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if classes <= MOST_NAMED:
        long = any(len(name) > 3 for name in names)
        axes.set_xticks(range(classes), map(label, names), rotation=60 if long else 0, fontsize=8)
        axes.set_yticks(range(classes), map(label, names), fontsize=8)
        for i, j in ((i, j) for i in range(classes) for j in range(classes)):
            share = float(shares[i, j])
            if round(share * 100):
                colour = "white" if share > 0.5 else "black"
                text = f"{share * 100:.0f}"
                axes.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)
    bar = made.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("% of the true class")
    bar.set_ticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "25", "50", "75", "100"])
    return png(made)


# --------------------------------------------------------------------------- predictions


def labelled(
    title: str, rows: Sequence[tuple[str, Tensor, Sequence[tuple[str, str, float]]]]
) -> bytes:
    """Images with what was said of them.

    `rows`: heading, images [n, C, H, W] in 0..1, and for each (true, predicted, probability).
    """
    columns = max(len(images) for _, images, _ in rows)
    made = figure(title, 1.15 * columns + 0.3, 1.7 * len(rows) + 0.3)
    parts = made.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for part, (heading, images, words) in zip(parts, rows, strict=True):
        part.suptitle(heading, fontsize=9, x=0.01, ha="left")
        grid = part.subplots(1, columns, squeeze=False)[0]
        for i, axes in enumerate(grid):
            axes.set_axis_off()
            if i < len(images):
                true, said, probability = words[i]
                show(axes, images[i], vmin=0, vmax=1)
                axes.set_axis_on()
                right = true == said
                text = f"{label(said)} {probability:.0%}"
                text += "" if right else f"\nnot {label(true)}"
                axes.set_xlabel(text, fontsize=7, color=RIGHT if right else WRONG)
    return png(made)


def masks(title: str, images: Tensor, true: Tensor, said: Tensor, names: Sequence[str]) -> bytes:
    """Per sample a column: the image, the true mask over it, and the predicted one.

    `images`: [n, C, H, W] in 0..1. `true`, `said`: [n, H, W] classes; `IGNORED` stays dark.
    """
    from matplotlib.patches import Patch

    colours = palette(len(names))
    count = len(images)
    made = figure(title, 1.7 * count + 0.4, 1.75 * 3 + 0.8)
    grid = made.subplots(3, count, squeeze=False)
    for i in range(count):
        show(grid[0, i], images[i], vmin=0, vmax=1)
        for row, mask in ((1, true[i]), (2, said[i])):
            show(grid[row, i], over(images[i], mask, colours))
    for row, word in enumerate(("image", "true", "predicted")):
        grid[row, 0].set_ylabel(word, fontsize=9)
    there = sorted(set(torch.cat([true.flatten(), said.flatten()]).tolist()))
    patches = [
        Patch(color=tuple(colours[c].tolist()), label=label(names[c])) for c in there if c >= 0
    ]
    made.legend(handles=patches, loc="outside lower center", ncols=8, frameon=False, fontsize=8)
    return png(made)


def over(image: Tensor, mask: Tensor, colours: Tensor) -> Tensor:
    """A mask [H, W] over a grey copy of an image: [3, H, W]. Class 0, the ground, has no colour."""
    grey = image.mean(0, keepdim=True).expand(3, -1, -1)
    painted = colours[mask.clamp_min(0)].movedim(-1, 0)
    mixed = torch.where(mask == 0, 0.5 * grey + 0.4, 0.35 * grey + 0.65 * painted)
    return torch.where(mask == IGNORED, 0.25 * grey, mixed).clamp(0, 1)


def palette(classes: int) -> Tensor:
    """[classes, 3] colours in 0..1 that differ, as far as they can; class 0 is grey."""
    from matplotlib import colormaps

    base = colormaps["tab10" if classes <= 11 else "tab20" if classes <= 21 else "gist_ncar"]
    steps = max(classes - 1, 1)
    listed = base.N <= 20
    made = [(0.6, 0.6, 0.6)]
    made += [base(i if listed else i / steps)[:3] for i in range(steps)]
    return torch.tensor(made[:classes], dtype=torch.float32)


def keypoints(title: str, images: Tensor, true: Tensor | None, said: Tensor) -> bytes:
    """Images with true keypoints as circles and predicted ones as crosses, a colour for each.

    `images`: [n, C, H, W] in 0..1. `true`: [n, K, 3], x, y in pixels and visible or not; None: only
    predictions. `said`: [n, K, 2].
    """
    from matplotlib.lines import Line2D

    columns = min(len(images), 6)
    rows = ceil(len(images) / columns)
    side = 1.9 if columns > 1 else 4.0
    made = figure(title, side * columns, side * rows + 0.7)
    grid = made.subplots(rows, columns, squeeze=False).flatten()
    colours = palette(said.shape[1] + 1)[1:]
    for axes in grid[len(images) :]:
        axes.set_axis_off()
    for i, axes in enumerate(grid[: len(images)]):
        show(axes, 0.6 * images[i].mean(0, keepdim=True) + 0.35, vmin=0, vmax=1)  # pale, grey
        seen = true[i, :, 2] > 0 if true is not None else torch.ones(said.shape[1]).bool()
        ink = colours[seen].numpy()
        if true is not None:
            x, y = true[i, seen, 0], true[i, seen, 1]
            axes.scatter(x, y, s=46, facecolors="none", edgecolors=ink, linewidths=1.5)
            for j, colour in zip(seen.nonzero().flatten().tolist(), ink, strict=True):
                ends = [[float(true[i, j, axis]), float(said[i, j, axis])] for axis in (0, 1)]
                axes.plot(*ends, color=colour, linewidth=0.8)
        axes.scatter(said[i, seen, 0], said[i, seen, 1], s=26, c=ink, marker="x", linewidths=1.5)
        high, wide = images.shape[2:]
        axes.set_xlim(-0.5, wide - 0.5)
        axes.set_ylim(high - 0.5, -0.5)
    handles = [
        Line2D([], [], color="0.3", linestyle="none", marker=mark, fillstyle="none", label=word)
        for mark, word in (("o", "true"), ("x", "predicted"))
        if true is not None or word == "predicted"
    ]
    made.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return png(made)


def images(title: str, rows: Sequence[tuple[str, Tensor]]) -> bytes:
    """Rows of images [n, C, H, W] in 0..1 under each other, each row with a word before it."""
    count = len(rows[0][1])
    made = figure(title, 1.7 * count + 0.4, 1.75 * len(rows) + 0.5)
    grid = made.subplots(len(rows), count, squeeze=False)
    for row, (word, pictures) in enumerate(rows):
        for i in range(count):
            show(grid[row, i], pictures[i].clamp(0, 1), vmin=0, vmax=1)
        grid[row, 0].set_ylabel(word, fontsize=9)
    return png(made)


def scatter(title: str, true: Tensor, said: Tensor) -> bytes:
    """Numbers [n]: the predicted against the true ones."""
    made = figure(title, 4.6, 4.6)
    axes = made.add_subplot()
    axes.scatter(true.numpy(), said.numpy(), s=6, alpha=0.4, linewidths=0)
    low, high = float(true.min()), float(true.max())
    axes.plot([low, high], [low, high], color="0.5", linewidth=1)
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return png(made)
