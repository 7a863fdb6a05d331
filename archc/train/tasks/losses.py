"""Losses: from a recipe's choice to a function of prediction and target."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.samples import IGNORED
from ..settings.choices import Bce, ByTask, CrossEntropy, Dice, Heatmaps, Huber, Loss, Mse


class Mixed(NamedTuple):
    """Classes of samples that were blended out of two: `share` of each is of class `first`."""

    first: Tensor
    """[N] int64."""
    second: Tensor
    """[N] int64."""
    share: Tensor
    """[N] float32 in 0..1."""

    def likelier(self) -> Tensor:
        """The class that more of each sample is of: [N]."""
        return torch.where(self.share >= 0.5, self.first, self.second)


Target = Tensor | Mixed


class Criterion(Protocol):
    """A loss."""

    def __call__(self, prediction: Tensor, target: Target) -> Tensor:
        """A scalar: the mean over the batch, in float32."""

    def count(self, target: Target) -> Tensor | None:
        """What that mean is over, a scalar, up to a constant; None: over samples.

        It is what the parts of a batch have to be weighted by, for their sum to be the batch's.
        """


DEFAULTS: dict[str, Loss] = {
    "classes": CrossEntropy(),
    "masks": CrossEntropy(),
    "values": Mse(),
    "keypoints": Heatmaps(),
}
"""Kind of target -> what `loss = auto` means for it."""


def criterion(choice: Loss, kind: str, input_size: tuple[int, int], ignoring: bool) -> Criterion:
    """The loss of one output.

    `kind`: of the targets, see `sources.Split`. `input_size`: height and width of the images that
    keypoints are placed in. `ignoring`: may places be `IGNORED`?
    """
    if isinstance(choice, ByTask):
        choice = DEFAULTS[kind]
    if isinstance(choice, CrossEntropy):
        return _CrossEntropy(choice, ignoring)
    if isinstance(choice, Dice):
        return _Dice(choice, ignoring)
    if isinstance(choice, Heatmaps):
        return _Heatmaps(choice, input_size)
    if isinstance(choice, Bce):
        return _Pointwise(
            lambda p, t: F.binary_cross_entropy_with_logits(p, t, reduction="none"), ignoring
        )
    if isinstance(choice, Huber):
        delta = choice.delta
        return _Pointwise(lambda p, t: F.huber_loss(p, t, reduction="none", delta=delta), ignoring)
    return _Pointwise(lambda p, t: F.mse_loss(p, t, reduction="none"), ignoring)


class _CrossEntropy:
    """Softmax cross entropy; with class weights, the weighted mean (as torch has it)."""

    def __init__(self, choice: CrossEntropy, ignoring: bool) -> None:
        self.smoothing = choice.label_smoothing
        self.weights = torch.tensor(choice.weights) if choice.weights else None
        self.ignoring = ignoring

    def __call__(self, prediction: Tensor, target: Target) -> Tensor:
        p = prediction.float()
        weights, smoothing = self._weights(p.device), self.smoothing
        if isinstance(target, Mixed):
            return F.cross_entropy(p, dense(p, target), weights, label_smoothing=smoothing)
        if p.ndim > 2 and torch.are_deterministic_algorithms_enabled():
            # torch's loss of images has no form on GPUs that gives the same bits every time
            p, target = p.movedim(1, -1).flatten(0, -2), target.flatten()
        if not self.ignoring:
            return F.cross_entropy(p, target, weights, label_smoothing=smoothing)
        # torch's mean over no place at all would not be a number
        total = F.cross_entropy(
            p, target, weights, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing
        )
        counted = (target != IGNORED).float()
        if weights is not None:
            counted = counted * weights[target.clamp_min(0)]
        return total / counted.sum().clamp_min(1e-12)

    def count(self, target: Target) -> Tensor | None:
        if isinstance(target, Mixed) or (self.weights is None and not self.ignoring):
            return None
        counted = (target != IGNORED).float()
        weights = self._weights(target.device)
        if weights is not None:
            counted = counted * weights[target.clamp_min(0)]
        return counted.sum()

    def _weights(self, device: torch.device) -> Tensor | None:
        """Of the classes, on the device: copied there once, since a copy waits for it."""
        if self.weights is not None and self.weights.device != device:
            self.weights = self.weights.to(device)
        return self.weights


class _Dice:
    """One minus the mean over classes of twice the overlap by the sum of both areas.

    Milletari et al. 2016, with plain sums as denominator; over all places of the batch, so that a
    class that is absent from one image says nothing wrong.
    """

    def __init__(self, choice: Dice, ignoring: bool) -> None:
        self.smooth = choice.smooth
        self.share = choice.cross_entropy
        self.entropy = _CrossEntropy(CrossEntropy(), ignoring)

    def __call__(self, prediction: Tensor, target: Target) -> Tensor:
        p = prediction.float()
        single = p.shape[1] == 1
        likely = p.sigmoid() if single else p.softmax(1)
        true = dense(p, target)
        if not isinstance(target, Mixed):
            likely = likely * _counted(p, target)
        axes = [axis for axis in range(p.ndim) if axis != 1]
        overlap = (likely * true).sum(axes)
        both = likely.sum(axes) + true.sum(axes)
        loss = 1 - ((2 * overlap + self.smooth) / (both + self.smooth)).mean()
        if not self.share:
            return loss
        if single:
            p = torch.cat([torch.zeros_like(p), p], 1)  # a logit against 0 is two classes
            if not isinstance(target, Mixed):
                target = target.reshape(p[:, 0].shape)
        return loss + self.share * self.entropy(p, target)

    def count(self, target: Target) -> Tensor | None:
        return None  # a quotient of sums: the batch's cannot be made of those of its parts


class _Pointwise:
    """The mean of a loss per number; class numbers become one-hot rows."""

    def __init__(self, each: Callable[[Tensor, Tensor], Tensor], ignoring: bool) -> None:
        self.each = each
        self.ignoring = ignoring

    def __call__(self, prediction: Tensor, target: Target) -> Tensor:
        p = prediction.float()
        loss = self.each(p, dense(p, target))
        if not self.ignoring or isinstance(target, Mixed) or target.is_floating_point():
            return loss.mean()
        counted = _counted(p, target).expand_as(loss)
        return (loss * counted).sum() / counted.sum().clamp_min(1)

    def count(self, target: Target) -> Tensor | None:
        if not self.ignoring or isinstance(target, Mixed) or target.is_floating_point():
            return None
        return (target != IGNORED).sum().float()


class _Heatmaps:
    """Mean squared error against a Gaussian hill of height 1 at each visible keypoint.

    Tompson et al. 2014. The hills are drawn at the output's own resolution, where keypoints lie
    between cells as they do between pixels.
    """

    def __init__(self, choice: Heatmaps, input_size: tuple[int, int]) -> None:
        self.sigma = choice.sigma
        self.input_size = input_size

    def __call__(self, prediction: Tensor, target: Target) -> Tensor:
        assert isinstance(target, Tensor)
        p = prediction.float()
        height, width = p.shape[-2:]
        hills = gaussians(target, self.input_size, (height, width), self.sigma)
        seen = (target[..., 2] > 0).float()[..., None, None]
        total = ((p - hills).square() * seen).sum()
        return total / (seen.sum() * height * width).clamp_min(1)

    def count(self, target: Target) -> Tensor | None:
        assert isinstance(target, Tensor)
        return (target[..., 2] > 0).sum().float()


def gaussians(
    points: Tensor, input_size: tuple[int, int], size: tuple[int, int], sigma: float
) -> Tensor:
    """Heatmaps [N, K, *size] of keypoints [N, K, 2 or 3] in pixels of an input of `input_size`.

    `sigma` is in cells of the map. Cell and pixel centres are half a cell and half a pixel from the
    border, so cell 0 of a map at stride 4 lies at pixel 1.5.
    """
    squares = []
    for axis, cells, pixels in ((0, size[1], input_size[1]), (1, size[0], input_size[0])):
        at = (points[..., axis].float() + 0.5) * (cells / pixels) - 0.5
        grid = torch.arange(cells, device=points.device)
        squares.append((grid - at[..., None]).square())
    far = squares[1][..., :, None] + squares[0][..., None, :]
    return torch.exp(far / (-2 * sigma**2))


def dense(prediction: Tensor, target: Target) -> Tensor:
    """Class numbers as one-hot rows (or as 0 and 1, for a single output); other targets as is.

    Rows of ignored places are all 0.
    """
    if isinstance(target, Mixed):
        share = target.share.reshape(-1, *(1,) * (prediction.ndim - 1))
        first, second = dense(prediction, target.first), dense(prediction, target.second)
        return share * first + (1 - share) * second
    if target.is_floating_point():
        return target
    if prediction.shape[1] == 1:
        return target.clamp_min(0).reshape(prediction.shape).float()
    rows = F.one_hot(target.clamp_min(0), prediction.shape[1]).movedim(-1, 1)
    return rows * _counted(prediction, target)


def _counted(prediction: Tensor, target: Tensor) -> Tensor:
    """1 where a place counts, 0 where it is ignored: [N, 1, ...], over all classes."""
    shape = (len(target), 1, *prediction.shape[2:])
    return (target != IGNORED).reshape(shape).float()
