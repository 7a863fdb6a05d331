"""Images of one's own through a trained network: classes, masks, keypoints, values."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from ..data.fitting import keyed
from ..data.images import squared
from ..data.picture import load_image
from ..data.sizing import Way, way
from ..device import Setup, memory_advice
from ..errors import TrainError, raise_all
from ..folder.rundir import unwritable, write_atomic
from ..settings.choices import Fit, Images, Loss
from ..settings.recipe import Recipe
from ..showing import pictures as draw
from ..showing.watching import probabilities
from ..tasks.metrics import chosen, peaks
from ..tasks.objective import tensors
from .run import to_picture

SLACK = 0.05
"""Beyond 0 to 1, that images of floating-point numbers may have, resized ones say."""
MOST_VALUES = 16
"""Numbers of an output that are printed; more are cut short."""


@dataclass(frozen=True)
class Trained:
    """A network with what its run decided: how pixels become numbers, and what comes out."""

    module: nn.Module
    setup: Setup
    shape: tuple[int, int, int]
    """Channels, height and width of its input."""
    mean: Tensor
    std: Tensor
    """[C, 1, 1], of pixels in 0..1."""
    kind: str
    """Of its targets: `classes`, `masks`, `values` or `keypoints`."""
    loss: Loss
    names: Sequence[str]
    """Of the classes or keypoints; may be empty."""
    order: Tensor | None = None
    """Of the pixels, where the recipe shuffles them."""
    fit: Fit = "auto"
    """How training images reached the input."""
    side: int | None = None
    """Square to whose middle images of classes were cut before that."""


def trained(
    module: nn.Module,
    setup: Setup,
    shape: Sequence[int],
    loss: Loss,
    recipe: Recipe,
    settings: Mapping[str, Any],
) -> Trained:
    """Out of a run's recipe and settings.json.

    Raises TrainError E0806 where the input is no image, E0808 where settings are missing.
    """
    if len(shape) != 3:
        raise TrainError("E0806", "the network does not take one image; its input is [C, H, W]")
    try:
        decided = settings["decided"]
        flat = (-1, 1, 1)
        mean, std = (torch.tensor(decided[k]).reshape(flat) for k in ("mean", "std"))
        kind, names = str(decided["kind"]), list(decided["classes"])
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise TrainError(
            "E0808",
            "the run's settings.json does not say how its images were prepared",
            help="it was written by another version of archc; train again",
        ) from None
    _check_range(decided.get("range"))
    channels, height, width = shape
    order = None
    if recipe.permute:
        order = torch.randperm(height * width, generator=keyed(recipe.seed, "permute"))
    module = module.to(setup.device).eval()
    size = channels, height, width
    side = recipe.data.size if kind == "classes" and isinstance(recipe.data, Images) else None
    return Trained(module, setup, size, mean, std, kind, loss, names, order, recipe.fit, side)


def _check_range(edges: object) -> None:
    """An image's numbers are 0 to 1: what was learned from others says nothing of it.

    Raises TrainError E0806.
    """
    if not isinstance(edges, list) or not all(isinstance(e, int | float) for e in edges):
        return  # a run of before these were written down
    if len(edges) == 2 and not -SLACK <= edges[0] <= edges[1] <= 1 + SLACK:
        raise TrainError(
            "E0806",
            f"the network learned from numbers {edges[0]:g} to {edges[1]:g}; pixels are 0 to 1",
            help="store training images as bytes (uint8), or divide them by 255, and train again",
        )


def predict(net: Trained, images: Sequence[Path], folder: Path, top: int) -> list[str]:
    """Lines on what the network says of each image; files of masks and the like go to `folder`.

    Images of another size are brought to the input's as in training, else scaled. Raises
    TrainError E0805 for every file that is no image, before anything is written; E0708, E0806,
    E0811.
    """
    loaded: list[tuple[Path, Tensor, list[str]]] = []
    errors: list[TrainError] = []
    for path in images:
        said: list[str] = []
        try:
            loaded.append((path, load_image(path, net.shape[0], said), said))
        except TrainError as error:
            errors.append(error)
    raise_all(errors)
    _check_names(net, [path for path, _, _ in loaded])
    lines = []
    for path, image, said in loaded:
        x, back = _fitted(image, net, said)
        words, files = _say(net, path, image, _through(net, x), back, top)
        for name, data in files.items():
            _write(folder / name, data)
        lines.append(f"{path.name}: {words}")
        lines += [f"  wrote {folder / name}" for name in files]
        lines += [f"  {line}" for line in said]
    return lines


def _check_names(net: Trained, paths: Sequence[Path]) -> None:
    """Images whose results would have one name, and lie in one folder. Raises TrainError E0708."""
    if net.kind == "classes":  # these are only printed
        return
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found and found[path.stem] != path:
            raise TrainError(
                "E0708",
                f"`{found[path.stem]}` and `{path}` would have their results in the same files",
                help="name them in commands of their own, with another `-o` each",
            )
        found[path.stem] = path


@dataclass(frozen=True)
class _Back:
    """From places of the input back to those of the image: `(place - offset) * factor`, by axis."""

    offset: tuple[float, float]
    """Down, across: the border."""
    factor: tuple[float, float]
    size: tuple[int, int]
    """Height and width of the image."""
    inner: tuple[int, int]
    """Of the part of the input that is the image."""


def _fitted(image: Tensor, net: Trained, said: list[str]) -> tuple[Tensor, _Back]:
    """[C, H, W] of any size as the network's input, as in training where that is possible.

    What is asked of places is asked of the whole image: it is scaled rather than cut.
    """
    target = net.shape[1:]
    if net.side is not None:
        image = squared(image[None], net.side, "bilinear")[0]
    size = high, wide = image.shape[1], image.shape[2]
    if size == target:
        return image, _Back((0, 0), (1, 1), size, size)
    places = net.kind in ("masks", "keypoints")
    found = way(size, target, "auto" if places and net.fit == "crop" else net.fit)
    found = found or Way("resize", size, target)
    said.append(found.words)
    x = found.images(image[None])[0]
    if found.how == "resize":
        return x, _Back((0, 0), (high / target[0], wide / target[1]), size, target)
    top, left = found.offset
    return x, _Back((top, left), (1, 1), size, size)


def _through(net: Trained, x: Tensor) -> Tensor:
    """What the first output (or the last of its list) says of one image, without the batch."""
    if net.order is not None:
        x = x.flatten(1)[:, net.order].reshape(x.shape)
    x = ((x - net.mean) / net.std)[None].to(net.setup.device)
    with torch.no_grad(), net.setup.autocast(), memory_advice(1):
        result = net.module(x)
    first = result if isinstance(result, Tensor) else result[0]
    return tensors(first)[-1].float().cpu()


# --------------------------------------------------------------------------- what is said

Files = dict[str, bytes]


def _say(
    net: Trained, path: Path, image: Tensor, out: Tensor, back: _Back, top: int
) -> tuple[str, Files]:
    if net.kind == "classes":
        return _classes(net, out, top), {}
    if net.kind == "masks":
        return _mask(net, path, image, out, back)
    if net.kind == "keypoints":
        return _keypoints(net, path, image, out, back)
    return _values(path, out)


def _name(net: Trained, number: int) -> str:
    return net.names[number] if number < len(net.names) else str(number)


def _classes(net: Trained, out: Tensor, top: int) -> str:
    """`boot 87.2%, sneaker 9.1%`: the likeliest classes."""
    shares, numbers = probabilities(net.loss, out)[0].sort(descending=True, stable=True)
    found = zip(shares[:top].tolist(), numbers[:top].tolist(), strict=True)
    return ", ".join(f"{_name(net, number)} {share:.1%}" for share, number in found)


def _mask(net: Trained, path: Path, image: Tensor, out: Tensor, back: _Back) -> tuple[str, Files]:
    """Shares of the image by class; the mask at the image's size, alone and over the image."""
    top, left = (round(n) for n in back.offset)
    # scores first, then the choice: borders are smoother than those of a scaled mask
    scores = (
        F.interpolate(out, net.shape[1:], mode="bilinear")
        if (out.shape[2:] != net.shape[1:])
        else out
    )
    scores = scores[..., top : top + back.inner[0], left : left + back.inner[1]]
    if back.inner != back.size:
        scores = F.interpolate(scores, back.size, mode="bilinear")
    mask = chosen(scores)[0]
    classes = max(out.shape[1], 2)
    colours = draw.palette(classes)
    counts = torch.bincount(mask.flatten(), minlength=classes) / mask.numel()
    found = [(float(share), i) for i, share in enumerate(counts) if share > 0]
    words = ", ".join(f"{_name(net, i)} {share:.1%}" for share, i in sorted(found, reverse=True))
    over = draw.over(image, mask, colours)
    return words, {
        f"{path.stem}-mask.png": _paletted(mask, colours),
        f"{path.stem}-over.png": _picture(over),
    }


def _paletted(mask: Tensor, colours: Tensor) -> bytes:
    """A mask as a PNG whose pixels are the class numbers, with colours to look at them."""
    high, wide = mask.shape
    if len(colours) > 256:
        picture = Image.frombytes("I;16", (wide, high), mask.to(torch.uint16).numpy().tobytes())
    else:
        picture = Image.frombytes("P", (wide, high), mask.to(torch.uint8).numpy().tobytes())
        picture.putpalette((colours * 255).round().to(torch.uint8).flatten().tolist())
    return _png(picture)


def _keypoints(
    net: Trained, path: Path, image: Tensor, out: Tensor, back: _Back
) -> tuple[str, Files]:
    """Places in pixels of the image, 0 being the middle of the first."""
    at = peaks(out, net.shape[1:])[0]
    for axis, i in ((0, 1), (1, 0)):
        at[:, axis] = (at[:, axis] - back.offset[i] + 0.5) * back.factor[i] - 0.5
    heights = out[0].flatten(1).amax(1)
    words = ", ".join(
        f"{_name(net, i)} ({x:.1f}, {y:.1f}) {height:.2f}"
        for i, ((x, y), height) in enumerate(zip(at.tolist(), heights.tolist(), strict=True))
    )
    return words, {
        f"{path.stem}-keypoints.png": draw.keypoints(path.name, image[None], None, at[None])
    }


def _values(path: Path, out: Tensor) -> tuple[str, Files]:
    """Numbers are printed; [C, H, W] becomes an image."""
    if out.ndim == 4:
        said: list[str] = []
        picture = to_picture(out[0], said)
        return "; ".join(said), {f"{path.stem}-output.png": _png(picture)}
    numbers = out[0].flatten().tolist()
    more = f", ... ({len(numbers)} numbers)" if len(numbers) > MOST_VALUES else ""
    return ", ".join(f"{n:.5g}" for n in numbers[:MOST_VALUES]) + more, {}


# --------------------------------------------------------------------------- files


def _picture(x: Tensor) -> bytes:
    """[3, H, W] in 0..1 as a PNG."""
    data = (x * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
    return _png(Image.frombytes("RGB", (x.shape[2], x.shape[1]), data.numpy().tobytes()))


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from None
    write_atomic(path, data)
