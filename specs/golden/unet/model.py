"""UNet.

Input       image [3, 256, 256]
Output      mask [2, 256, 256]
Parameters  31,037,698
MACs        48,171,581,440

U-Net. Ronneberger et al. 2015, figure 1, as it is drawn: each level holds the next.
`fit` makes halves alike.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Padded(nn.Sequential):
    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, width, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )


class Level(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.padded1 = Padded(512, 1024)
        self.padded2 = Padded(1024, 1024)

    def forward(self, x: Tensor) -> Tensor:
        x = self.padded1(x)  # [1024, 16, 16]
        return self.padded2(x)  # [1024, 16, 16]


class Level2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.padded1 = Padded(256, 512)
        self.padded2 = Padded(512, 512)
        self.inner = Level()
        self.up = nn.ConvTranspose2d(1024, 512, kernel_size=2, stride=2)
        self.padded3 = Padded(1024, 512)
        self.padded4 = Padded(512, 512)

    def forward(self, x: Tensor) -> Tensor:
        x = self.padded1(x)  # [512, 32, 32]
        here = self.padded2(x)  # [512, 32, 32]
        x = F.max_pool2d(here, 2)  # [512, 16, 16]
        x = self.inner(x)  # [1024, 16, 16]
        x = self.up(x)  # [512, 32, 32]
        x = torch.cat([here, x], dim=1)  # [1024, 32, 32]
        x = self.padded3(x)  # [512, 32, 32]
        return self.padded4(x)  # [512, 32, 32]


class Level3(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.padded1 = Padded(128, 256)
        self.padded2 = Padded(256, 256)
        self.inner = Level2()
        self.up = nn.ConvTranspose2d(512, 256, kernel_size=2, stride=2)
        self.padded3 = Padded(512, 256)
        self.padded4 = Padded(256, 256)

    def forward(self, x: Tensor) -> Tensor:
        x = self.padded1(x)  # [256, 64, 64]
        here = self.padded2(x)  # [256, 64, 64]
        x = F.max_pool2d(here, 2)  # [256, 32, 32]
        x = self.inner(x)  # [512, 32, 32]
        x = self.up(x)  # [256, 64, 64]
        x = torch.cat([here, x], dim=1)  # [512, 64, 64]
        x = self.padded3(x)  # [256, 64, 64]
        return self.padded4(x)  # [256, 64, 64]


class Level4(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.padded1 = Padded(64, 128)
        self.padded2 = Padded(128, 128)
        self.inner = Level3()
        self.up = nn.ConvTranspose2d(256, 128, kernel_size=2, stride=2)
        self.padded3 = Padded(256, 128)
        self.padded4 = Padded(128, 128)

    def forward(self, x: Tensor) -> Tensor:
        x = self.padded1(x)  # [128, 128, 128]
        here = self.padded2(x)  # [128, 128, 128]
        x = F.max_pool2d(here, 2)  # [128, 64, 64]
        x = self.inner(x)  # [256, 64, 64]
        x = self.up(x)  # [128, 128, 128]
        x = torch.cat([here, x], dim=1)  # [256, 128, 128]
        x = self.padded3(x)  # [128, 128, 128]
        return self.padded4(x)  # [128, 128, 128]


class Level5(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.padded1 = Padded(3, 64)
        self.padded2 = Padded(64, 64)
        self.inner = Level4()
        self.up = nn.ConvTranspose2d(128, 64, kernel_size=2, stride=2)
        self.padded3 = Padded(128, 64)
        self.padded4 = Padded(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        x = self.padded1(x)  # [64, 256, 256]
        here = self.padded2(x)  # [64, 256, 256]
        x = F.max_pool2d(here, 2)  # [64, 128, 128]
        x = self.inner(x)  # [128, 128, 128]
        x = self.up(x)  # [64, 256, 256]
        x = torch.cat([here, x], dim=1)  # [128, 256, 256]
        x = self.padded3(x)  # [64, 256, 256]
        return self.padded4(x)  # [64, 256, 256]


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.level1 = Level5()
        self.head = nn.Conv2d(64, 2, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.level1(x)  # [64, 256, 256]
        return self.head(x)  # [2, 256, 256]
