"""Hg2.

Input       image [3, 256, 256]
Output      [16, 64, 64], [16, 64, 64]
Parameters  6,730,912
MACs        8,988,917,760

Stacked hourglass. Newell et al. 2016; module names as in bearpaw/pytorch-pose.
"""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


class Unit(nn.Module):
    """Pre-activated bottleneck."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1)
        self.bn3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 2 * width, kernel_size=1)
        self.downsample: nn.Module = nn.Identity()
        if in_channels != 2 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, 2 * width, kernel_size=1)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.bn1(x)))  # [width, H, W]
        y = self.conv2(F.relu(self.bn2(y)))  # [width, H, W]
        y = self.conv3(F.relu(self.bn3(y)))  # [2 * width, H, W]
        return y + self.downsample(x)  # [2 * width, H, W]


class Hourglass(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hg: Any = nn.ModuleList(
            [
                nn.ModuleList(nn.Sequential(Unit(256, 128)) for _ in range(4)),
                *(
                    nn.ModuleList(nn.Sequential(Unit(256, 128)) for _ in range(3))
                    for _ in range(3)
                ),
            ],
        )

    def forward(self, x: Tensor) -> Tensor:
        xs: list[Tensor] = []
        for n in reversed(range(4)):
            xs.append(self.hg[n][0](x))
            y = F.max_pool2d(x, 2)
            x = self.hg[n][1](y)
        x = self.hg[0][3](x)  # [256, 4, 4]
        for n in range(4):
            y = self.hg[n][2](x)
            y = F.interpolate(y, scale_factor=2)
            x = xs[3 - n] + y
        return x


class Hg2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(Unit(64, 64))
        self.layer2 = nn.Sequential(Unit(128, 128))
        self.layer3 = nn.Sequential(Unit(256, 128))
        self.hg = nn.ModuleList(Hourglass() for _ in range(2))
        self.res = nn.ModuleList(nn.Sequential(Unit(256, 128)) for _ in range(2))
        self.fc = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(256, 256, kernel_size=1), nn.BatchNorm2d(256), nn.ReLU()
            )
            for _ in range(2)
        )
        self.score = nn.ModuleList(nn.Conv2d(256, 16, kernel_size=1) for _ in range(2))
        self.fc_ = nn.ModuleList([nn.Conv2d(256, 256, kernel_size=1)])
        self.score_ = nn.ModuleList([nn.Conv2d(16, 256, kernel_size=1)])

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu(self.bn1(self.conv1(x)))  # [64, 128, 128]
        x = self.layer1(x)  # [128, 128, 128]
        x = F.max_pool2d(x, 2)  # [128, 64, 64]
        x = self.layer2(x)  # [256, 64, 64]
        x = self.layer3(x)  # [256, 64, 64]
        xs: list[Tensor] = []
        for i in range(2):
            y = self.hg[i](x)  # [256, 64, 64]
            y = self.res[i](y)  # [256, 64, 64]
            y = self.fc[i](y)  # [256, 64, 64]
            h = self.score[i](y)  # [16, 64, 64]
            xs.append(h)
            if i < 1:
                x = x + self.fc_[0](y) + self.score_[0](h)
        return xs
