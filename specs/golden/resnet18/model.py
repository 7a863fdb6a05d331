"""ResNet18.

Input       image [3, 224, 224]
Output      logits [1000]
Parameters  11,689,512
MACs        1,814,073,344

Deep Residual Learning for Image Recognition. He et al. 2015. Module names as in
torchvision.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class Basic(nn.Module):
    """Two 3x3 convolutions around an identity. Figure 5 (left). `gate` comes before
    the sum.
    """

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            in_channels, width, kernel_size=3, stride=stride, padding=1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, width, kernel_size=1, stride=2, bias=False),
                nn.BatchNorm2d(width),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))  # [width, H // stride, W // stride]
        y = self.bn2(self.conv2(y))  # [width, H // stride, W // stride]
        return F.relu(y + self.downsample(x))  # [width, H // stride, W // stride]


class ResNet18(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(*(Basic(64, 64) for _ in range(2)))
        self.layer2 = nn.Sequential(Basic(64, 128, stride=2), Basic(128, 128))
        self.layer3 = nn.Sequential(Basic(128, 256, stride=2), Basic(256, 256))
        self.layer4 = nn.Sequential(Basic(256, 512, stride=2), Basic(512, 512))
        self.fc = nn.Linear(512, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))  # [64, 112, 112]
        x = F.max_pool2d(x, 3, stride=2, padding=1)  # [64, 56, 56]
        x = self.layer1(x)  # [64, 56, 56]
        x = self.layer2(x)  # [128, 28, 28]
        x = self.layer3(x)  # [256, 14, 14]
        x = self.layer4(x)  # [512, 7, 7]
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)  # [512]
        return self.fc(x)  # [1000]
