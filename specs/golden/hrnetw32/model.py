"""HRNetW32.

Input       image [3, 224, 224]
Output      logits [1000]
Parameters  41,232,680
MACs        8,921,133,056

HRNet, for classification and for segmentation. Wang et al. 2019, "Deep high-resolution
representation learning for visual recognition"; module names as in
HRNet-Image-Classification.
"""

import torch.nn.functional as F
from torch import Tensor, nn


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1. Figure 5 (right), with the stride on the 3x3 as in torchvision,
    or `early` as in the paper, on the first 1x1.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample: nn.Module = nn.Identity()
        if in_channels != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, 4 * width, kernel_size=1, bias=False),
                nn.BatchNorm2d(4 * width),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))  # [width, H, W]
        y = F.relu(self.bn2(self.conv2(y)))  # [width, H, W]
        y = self.bn3(self.conv3(y))  # [4 * width, H, W]
        return F.relu(y + self.downsample(x))  # [4 * width, H, W]


class Basic(nn.Module):
    """Two 3x3 convolutions around an identity. Figure 5 (left). `gate` comes before
    the sum.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))  # [width, H, W]
        y = self.bn2(self.conv2(y))  # [width, H, W]
        return F.relu(y + x)  # [width, H, W]


class Rescale(nn.Sequential):
    """From the resolution of one stream to another's: up by 1x1 and interpolation,
    down by strided 3x3.
    """

    def __init__(self, widths: list[int], from_: int, to: int) -> None:
        if from_ > to:
            super().__init__(
                nn.Conv2d(widths[from_], widths[to], kernel_size=1, bias=False),
                nn.BatchNorm2d(widths[to]),
                nn.Upsample(scale_factor=2 ** (from_ - to)),
            )
        else:
            super().__init__(
                *(
                    nn.Sequential(
                        nn.Conv2d(
                            widths[from_],
                            widths[from_],
                            kernel_size=3,
                            stride=2,
                            padding=1,
                            bias=False,
                        ),
                        nn.BatchNorm2d(widths[from_]),
                        nn.ReLU(),
                    )
                    for _ in range(to - from_ - 1)
                ),
                nn.Sequential(
                    nn.Conv2d(
                        widths[from_],
                        widths[to],
                        kernel_size=3,
                        stride=2,
                        padding=1,
                        bias=False,
                    ),
                    nn.BatchNorm2d(widths[to]),
                ),
            )


class Exchange(nn.Module):
    """One module: every stream runs alone, then hears every other."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(Basic(width) for _ in range(4))) for width in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(
                Rescale(widths, j, to=i) if i != j else nn.Identity()
                for j in range(len(widths))
            )
            for i in range(len(widths))
        )

    def forward(self, streams: list[Tensor]) -> list[Tensor]:
        xs = [layer(x) for layer, x in zip(self.branches, streams)]
        return [
            F.relu(sum(layer(x) for layer, x in zip(layers.children(), xs)))
            for layers in self.fuse_layers
        ]


class HRNetW32(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, kernel_size=3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(
            Bottleneck(64, 64), *(Bottleneck(256, 64) for _ in range(3))
        )
        self.transition1 = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(256, 32, kernel_size=3, padding=1, bias=False),
                    nn.BatchNorm2d(32),
                    nn.ReLU(),
                ),
                nn.Sequential(
                    nn.Sequential(
                        nn.Conv2d(
                            256, 64, kernel_size=3, stride=2, padding=1, bias=False
                        ),
                        nn.BatchNorm2d(64),
                        nn.ReLU(),
                    ),
                ),
            ],
        )
        self.stage2 = nn.Sequential(Exchange([32, 64]))
        self.transition2 = nn.ModuleList(
            [
                nn.Identity(),
                nn.Identity(),
                nn.Sequential(
                    nn.Sequential(
                        nn.Conv2d(
                            64, 128, kernel_size=3, stride=2, padding=1, bias=False
                        ),
                        nn.BatchNorm2d(128),
                        nn.ReLU(),
                    ),
                ),
            ],
        )
        self.stage3 = nn.Sequential(*(Exchange([32, 64, 128]) for _ in range(4)))
        self.transition3 = nn.ModuleList(
            [
                *(nn.Identity() for _ in range(3)),
                nn.Sequential(
                    nn.Sequential(
                        nn.Conv2d(
                            128, 256, kernel_size=3, stride=2, padding=1, bias=False
                        ),
                        nn.BatchNorm2d(256),
                        nn.ReLU(),
                    ),
                ),
            ],
        )
        self.stage4 = nn.Sequential(*(Exchange([32, 64, 128, 256]) for _ in range(3)))
        self.incre_modules = nn.ModuleList(
            nn.Sequential(Bottleneck(channels, channels))
            for channels in (32, 64, 128, 256)
        )
        self.downsamp_modules = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, 2 * channels, kernel_size=3, stride=2, padding=1),
                nn.BatchNorm2d(2 * channels),
                nn.ReLU(),
            )
            for channels in (128, 256, 512)
        )
        self.final_layer = nn.Sequential(
            nn.Conv2d(1024, 2048, kernel_size=1), nn.BatchNorm2d(2048), nn.ReLU()
        )
        self.classifier = nn.Linear(2048, 1000)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))  # [64, 112, 112]
        x = F.relu(self.bn2(self.conv2(x)))  # [64, 56, 56]
        layer1 = self.layer1(x)  # [256, 56, 56]
        x = self.transition1[0](layer1)  # [32, 56, 56]
        y = self.transition1[1](layer1)  # [64, 28, 28]
        xs = self.stage2([x, y])
        x = self.transition2[2](xs[1])  # [128, 14, 14]
        xs = self.stage3([xs[0], xs[1], x])
        x = self.transition3[3](xs[2])  # [256, 7, 7]
        xs = self.stage4([xs[0], xs[1], xs[2], x])
        xs = [layer(x) for layer, x in zip(self.incre_modules, xs)]
        x = xs[0]
        for i in range(3):
            x = xs[i + 1] + self.downsamp_modules[i](x)
        x = self.final_layer(x)  # [2048, 7, 7]
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)  # [2048]
        return self.classifier(x)  # [1000]
