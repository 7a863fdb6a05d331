"""DenseNet121.

Input       image [3, 224, 224]
Output      logits [1000]
Parameters  7,978,856
MACs        2,834,161,664

Densely connected networks. Huang et al. 2017. Module names as in torchvision.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DenseLayer(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, 128, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(128)
        self.conv2 = nn.Conv2d(128, 32, kernel_size=3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(F.relu(self.norm1(x)))  # [128, H, W]
        return self.conv2(F.relu(self.norm2(x)))  # [32, H, W]


class Transition(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.conv = nn.Conv2d(in_channels, in_channels // 2, kernel_size=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.relu(self.norm(x)))  # [in_channels // 2, H, W]
        return F.avg_pool2d(x, 2)  # [in_channels // 2, H // 2, W // 2]


class Denseblock(nn.Module):
    def __init__(self, in_channels: int, count: int) -> None:
        super().__init__()
        for j in range(count):
            self.add_module(f"denselayer{j + 1}", DenseLayer(in_channels + 32 * j))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = torch.cat([x, layer(x)], dim=1)
        return x


class Features(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.norm0 = nn.BatchNorm2d(64)
        self.denseblock1 = Denseblock(64, count=6)
        self.transition1 = Transition(256)
        self.denseblock2 = Denseblock(128, count=12)
        self.transition2 = Transition(512)
        self.denseblock3 = Denseblock(256, count=24)
        self.transition3 = Transition(1024)
        self.denseblock4 = Denseblock(512, count=16)
        self.norm5 = nn.BatchNorm2d(1024)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm0(self.conv0(x)))  # [64, 112, 112]
        x = F.max_pool2d(x, 3, stride=2, padding=1)  # [64, 56, 56]
        x = self.denseblock1(x)  # [256, 56, 56]
        x = self.transition1(x)  # [128, 28, 28]
        x = self.denseblock2(x)  # [512, 28, 28]
        x = self.transition2(x)  # [256, 14, 14]
        x = self.denseblock3(x)  # [1024, 14, 14]
        x = self.transition3(x)  # [512, 7, 7]
        return self.norm5(self.denseblock4(x))  # [1024, 7, 7]


class DenseNet121(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = Features()
        self.classifier = nn.Linear(1024, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.features(x))  # [1024, 7, 7]
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)  # [1024]
        return self.classifier(x)  # [1000]
