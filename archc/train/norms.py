"""Batch normalisation over several processes: statistics of the whole batch, not of each share.

On GPUs torch has that (`nn.SyncBatchNorm`); here is the same for CPUs.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def synchronised(module: nn.Module, device: torch.device) -> nn.Module:
    """The module with its batch normalisations exchanged for such ones; they share the tensors."""
    if device.type == "cuda":
        converted = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        assert isinstance(converted, nn.Module)
        for layer in converted.modules():
            if type(layer) is nn.SyncBatchNorm:
                layer.__class__ = UncompiledSyncBatchNorm
        return converted
    if isinstance(module, _BatchNorm):
        return SyncedBatchNorm(module)
    for name, child in module.named_children():
        setattr(module, name, synchronised(child, device))
    return module


class UncompiledSyncBatchNorm(nn.SyncBatchNorm):
    """torch's, which torch.compile leaves as it is.

    Compiled, what processes say to each other within a gradient can go wrong without a word: with
    PyTorch 2.11, the normalisation below trained to other losses.
    """

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class _Sum(torch.autograd.Function):
    """The sum over all processes, whose gradient is again the sum over all processes."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.contiguous().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total


class SyncedBatchNorm(_BatchNorm):
    """Batch normalisation of [N, C, ...] by the statistics of the samples of all processes.

    Ioffe and Szegedy 2015. Mean first, then the deviation from it: in one pass, as the difference
    of two large sums, it would lose digits. It is not compiled, see above.
    """

    def __init__(self, like: _BatchNorm) -> None:
        super().__init__(
            like.num_features, like.eps, like.momentum, like.affine, like.track_running_stats
        )
        if like.affine:
            self.weight, self.bias = like.weight, like.bias
        self.running_mean, self.running_var = like.running_mean, like.running_var
        self.num_batches_tracked = like.num_batches_tracked
        self.training = like.training

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            momentum = self.momentum or 0.0
            return F.batch_norm(
                x,
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                self.running_mean is None,
                momentum,
                self.eps,
            )
        axes = [axis for axis in range(x.ndim) if axis != 1]
        broad = (1, -1, *(1,) * (x.ndim - 2))
        values = x.float()
        own = values.new_tensor([values.numel() / x.shape[1]])
        sums = _Sum.apply(torch.cat([values.sum(axes), own]))  # type: ignore[no-untyped-call]
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = values - mean.view(broad)
        squares = _Sum.apply(centred.square().sum(axes))  # type: ignore[no-untyped-call]
        variance = squares / count
        self._remember(mean, variance, count)
        normed: Tensor = centred * (variance + self.eps).rsqrt().view(broad)
        if self.affine:
            normed = normed * self.weight.view(broad) + self.bias.view(broad)
        return normed.to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Running statistics, the variance without bias, as torch keeps them."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = self.momentum
        if share is None:  # the mean over all batches
            share = 1.0 / float(self.num_batches_tracked)
        unbiased = variance * (count / (count - 1).clamp_min(1))
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(unbiased, share)
