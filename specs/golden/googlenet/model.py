"""GoogLeNet.

Input       image [3, 224, 224]
Output      logits [1000], aux1 [1000] when training, aux2 [1000] when training
Parameters  6,624,904
            and 6,379,984 in auxiliary heads
MACs        1,498,376,192

GoogLeNet. Szegedy et al. 2014, table 1; batch norm, 3x3 for 5x5 and module names as in
torchvision.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBn(nn.Module):
    def __init__(
        self, in_channels: int, channels: int, kernel: int = 1, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            channels,
            kernel_size=kernel,
            stride=stride,
            padding=kernel // 2,
            bias=False,
        )
        self.bn = nn.BatchNorm2d(channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))  # [channels, H // stride, W // stride]


class Inception(nn.Module):
    def __init__(
        self, in_channels: int, b1: int, b2: list[int], b3: list[int], b4: int
    ) -> None:
        super().__init__()
        self.branch1 = ConvBn(in_channels, b1)
        self.branch2 = nn.Sequential(
            ConvBn(in_channels, b2[0]), ConvBn(b2[0], b2[1], kernel=3)
        )
        self.branch3 = nn.Sequential(
            ConvBn(in_channels, b3[0]), ConvBn(b3[0], b3[1], kernel=3)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            ConvBn(in_channels, b4),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(
            [self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=1
        )


class Auxiliary(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = ConvBn(in_channels, 128)
        self.fc1 = nn.Linear(2048, 1024)
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.adaptive_avg_pool2d(x, 4)  # [in_channels, 4, 4]
        x = self.conv(x).flatten(1)  # [2048]
        x = self.dropout(F.relu(self.fc1(x)))  # [1024]
        return self.fc2(x)  # [1000]


class GoogLeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvBn(3, 64, kernel=7, stride=2)
        self.conv2 = ConvBn(64, 64)
        self.conv3 = ConvBn(64, 192, kernel=3)
        self.inception3a = Inception(192, 64, b2=[96, 128], b3=[16, 32], b4=32)
        self.inception3b = Inception(256, 128, b2=[128, 192], b3=[32, 96], b4=64)
        self.inception4a = Inception(480, 192, b2=[96, 208], b3=[16, 48], b4=64)
        self.inception4b = Inception(512, 160, b2=[112, 224], b3=[24, 64], b4=64)
        self.inception4c = Inception(512, 128, b2=[128, 256], b3=[24, 64], b4=64)
        self.inception4d = Inception(512, 112, b2=[144, 288], b3=[32, 64], b4=64)
        self.inception4e = Inception(528, 256, b2=[160, 320], b3=[32, 128], b4=128)
        self.inception5a = Inception(832, 256, b2=[160, 320], b3=[32, 128], b4=128)
        self.inception5b = Inception(832, 384, b2=[192, 384], b3=[48, 128], b4=128)
        self.aux1 = Auxiliary(512)
        self.aux2 = Auxiliary(528)
        self.dropout1 = nn.Dropout(0.2)
        self.fc = nn.Linear(1024, 1000)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        x = self.conv1(x)  # [64, 112, 112]
        x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)  # [64, 56, 56]
        x = self.conv2(x)  # [64, 56, 56]
        x = self.conv3(x)  # [192, 56, 56]
        x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)  # [192, 28, 28]
        x = self.inception3a(x)  # [256, 28, 28]
        x = self.inception3b(x)  # [480, 28, 28]
        x = F.max_pool2d(x, 3, stride=2, ceil_mode=True)  # [480, 14, 14]
        a = self.inception4a(x)  # [512, 14, 14]
        x = self.inception4b(a)  # [512, 14, 14]
        x = self.inception4c(x)  # [512, 14, 14]
        d = self.inception4d(x)  # [528, 14, 14]
        x = self.inception4e(d)  # [832, 14, 14]
        x = F.max_pool2d(x, 2, ceil_mode=True)  # [832, 7, 7]
        x = self.inception5a(x)  # [832, 7, 7]
        x = self.inception5b(x)  # [1024, 7, 7]
        x = self.dropout1(F.adaptive_avg_pool2d(x, 1).flatten(1))  # [1024]
        logits = self.fc(x)  # [1000]
        if self.training:
            one = self.aux1(a)  # [1000]
            two = self.aux2(d)  # [1000]
            return logits, one, two
        return logits
