"""ResNet50.

Input       image [3, 224, 224]
Output      logits [1000]
Parameters  25,557,032
MACs        4,089,184,256

Deep Residual Learning for Image Recognition. He et al. 2015. Module names as in
torchvision.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1. Figure 5 (right), with the stride on the 3x3 as in torchvision,
    or `early` as in the paper, on the first 1x1.
    """

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(
            width, width, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(
                    in_channels, 4 * width, kernel_size=1, stride=stride, bias=False
                ),
                nn.BatchNorm2d(4 * width),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))  # [width, H, W]
        y = F.relu(self.bn2(self.conv2(y)))  # [width, H // stride, W // stride]
        y = self.bn3(self.conv3(y))  # [4 * width, H // stride, W // stride]
        return F.relu(y + self.downsample(x))  # [4 * width, H // stride, W // stride]


class ResNet50(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(
            Bottleneck(64, 64), *(Bottleneck(256, 64) for _ in range(2))
        )
        self.layer2 = nn.Sequential(
            Bottleneck(256, 128, stride=2), *(Bottleneck(512, 128) for _ in range(3))
        )
        self.layer3 = nn.Sequential(
            Bottleneck(512, 256, stride=2), *(Bottleneck(1024, 256) for _ in range(5))
        )
        self.layer4 = nn.Sequential(
            Bottleneck(1024, 512, stride=2), *(Bottleneck(2048, 512) for _ in range(2))
        )
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))  # [64, 112, 112]
        x = F.max_pool2d(x, 3, stride=2, padding=1)  # [64, 56, 56]
        x = self.layer1(x)  # [256, 56, 56]
        x = self.layer2(x)  # [512, 28, 28]
        x = self.layer3(x)  # [1024, 14, 14]
        x = self.layer4(x)  # [2048, 7, 7]
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)  # [2048]
        return self.fc(x)  # [1000]
