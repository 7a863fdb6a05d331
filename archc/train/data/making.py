"""Sources that are made on the spot: scenes, figures, filtered pictures."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..settings.choices import Filtered, Keypoints, Scenes
from .generated.canvas import AT_ONCE
from .generated.figures import JOINTS, MIRRORED, figures
from .generated.scenes import CLASSES, scenes
from .samples import Data, Split, check_memory

TEST = 1 << 40
"""Number of the first test picture: training never comes so far."""

KERNELS: dict[str, list[list[float]]] = {
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
    "sobel_x": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "sobel_y": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "laplace": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "gauss": [[1 / 16, 2 / 16, 1 / 16], [2 / 16, 4 / 16, 2 / 16], [1 / 16, 2 / 16, 1 / 16]],
    "box": [[1 / 9] * 3] * 3,
}
"""What `filtered` applies: as convolution layers do, without mirroring it."""


def make_scenes(source: Scenes) -> Data:
    """Images [N, 3, size, size], masks [N, size, size]. Raises TrainError E0811."""
    check_memory(f"{source.count + source.test:,} scenes", _bytes(source))
    name = f"scenes(size={source.size}, seed={source.seed})"
    splits = []
    for part, first, count in (("train", 0, source.count), ("test", TEST, source.test)):
        x, y = scenes(source.seed, first, count, source.size)
        split = Split(
            torch.from_numpy(x), torch.from_numpy(y), f"{name}: {part}", f"{name}: {part}"
        )
        splits.append(split)
    return Data(splits[0], splits[1], name, names=list(CLASSES))


def make_keypoints(source: Keypoints) -> Data:
    """Images [N, 3, size, size], joints [N, K, 3]. Raises TrainError E0811."""
    check_memory(f"{source.count + source.test:,} figures", _bytes(source))
    name = f"keypoints(size={source.size}, seed={source.seed})"
    splits = []
    for part, first, count in (("train", 0, source.count), ("test", TEST, source.test)):
        x, y = figures(source.seed, first, count, source.size)
        pictures, joints = torch.from_numpy(x), torch.from_numpy(y)
        at = f"{name}: {part}"
        splits.append(Split(pictures, joints, at, at, keypoints=True, mirrored=MIRRORED))
    names = [joint.replace("_", " ") for joint in JOINTS]
    notes = [f"{len(names)} keypoints: {', '.join(names)}"]
    return Data(splits[0], splits[1], name, notes, names)


def make_filtered(source: Filtered) -> Data:
    """Grey pictures in 0..1 and what a filter makes of them, both [N, 1, size, size] float32.

    Raises TrainError E0811.
    """
    check_memory(f"{source.count + source.test:,} pictures", 8 * _bytes(source))
    name = f"filtered({source.kernel}, size={source.size}, seed={source.seed})"
    splits = []
    for part, first, count in (("train", 0, source.count), ("test", TEST, source.test)):
        pictures, _ = scenes(source.seed, first, count, source.size)
        x = _stretched(torch.from_numpy(pictures).float().mean(1, keepdim=True))
        at = f"{name}: {part}"
        splits.append(Split(x, _filtered(x, source), at, at))
    return Data(splits[0], splits[1], name)


def _stretched(x: Tensor) -> Tensor:
    """Each picture from 0 to 1: of a dull one, contrast can hardly be told from brightness."""
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return (x - low) / (high - low).clamp_min(1)


def _filtered(x: Tensor, source: Filtered) -> Tensor:
    kernel = torch.tensor(KERNELS[source.kernel], dtype=torch.float32)[None, None]
    return source.contrast * F.conv2d(x, kernel, padding=1) + source.brightness


def _bytes(source: Scenes | Keypoints | Filtered) -> int:
    """Of all pictures and masks, and what making them takes beside."""
    pixels = source.size**2
    return (source.count + source.test) * pixels * 5 + max(AT_ONCE, pixels) * 400
