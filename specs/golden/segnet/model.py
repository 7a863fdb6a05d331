"""SegNet.

Input       image [3, 360, 480]
Output      mask [21, 360, 480]
Parameters  29,455,167
MACs        107,283,087,360

SegNet. Badrinarayanan et al. 2015; module names as in meetps/pytorch-semseg.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class Cbr(nn.Module):
    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.cbr_unit = nn.Sequential(
            nn.Conv2d(in_channels, channels, kernel_size=3, padding=1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.cbr_unit(x)  # [channels, H, W]


class Down(nn.Module):
    """n convolutions, then a pool that remembers where its maxima were."""

    def __init__(self, in_channels: int, channels: int, n: int) -> None:
        super().__init__()
        for j in range(n):
            self.add_module(
                f"conv{j + 1}", Cbr(in_channels if j == 0 else channels, channels)
            )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, list[int]]:
        for layer in self.children():
            x = layer(x)
        size = list(x.shape[2:])
        x, indices = F.max_pool2d(x, 2, return_indices=True)
        return x, indices, size


class Up(nn.Module):
    """Back to the places of `pooled`, then n convolutions, the last of which changes
    the width.
    """

    def __init__(self, in_channels: int, channels: int, n: int) -> None:
        super().__init__()
        for j in range(n):
            self.add_module(
                f"conv{j + 1}",
                Cbr(in_channels, channels if j == n - 1 else in_channels),
            )

    def forward(
        self, x: Tensor, pooled_positions: Tensor, pooled_size: list[int]
    ) -> Tensor:
        x = F.max_unpool2d(x, pooled_positions, [2, 2], output_size=pooled_size)
        for layer in self.children():
            x = layer(x)
        return x


class SegNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down1 = Down(3, 64, n=2)
        self.down2 = Down(64, 128, n=2)
        self.down3 = Down(128, 256, n=3)
        self.down4 = Down(256, 512, n=3)
        self.down5 = Down(512, 512, n=3)
        self.up5 = Up(512, 512, n=3)
        self.up4 = Up(512, 256, n=3)
        self.up3 = Up(256, 128, n=3)
        self.up2 = Up(128, 64, n=2)
        self.up1 = Up(64, 21, n=2)

    def forward(self, x: Tensor) -> Tensor:
        x, indices, size = self.down1(x)
        x, indices2, size2 = self.down2(x)
        x, indices3, size3 = self.down3(x)
        x, indices4, size4 = self.down4(x)
        x, indices5, size5 = self.down5(x)
        x = self.up5(x, indices5, size5)  # [512, 22, 30]
        x = self.up4(x, indices4, size4)  # [256, 45, 60]
        x = self.up3(x, indices3, size3)  # [128, 90, 120]
        x = self.up2(x, indices2, size2)  # [64, 180, 240]
        return self.up1(x, indices, size)  # [21, 360, 480]
