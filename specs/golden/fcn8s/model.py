"""FCN8s.

Input       image [3, 500, 500]
Output      mask [21, 500, 500]
Parameters  134,489,759
MACs        181,529,034,048

FCN-32s, 16s and 8s. Long et al. 2015; layer names of the authors' Caffe nets, as in
wkentaro/pytorch-fcn. VGG-16 made convolutional, its scores upsampled from the coarsest
map to the finest that is fused: pool5 (32s), pool4 (16s), pool3 (8s).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def bilinear_(weight: Tensor) -> None:
    """Makes a transposed convolution interpolate linearly. Long et al. 2015."""
    kernel = torch.ones(())
    for size in weight.shape[2:]:
        places = torch.arange(size) - (size - 1) / 2
        kernel = kernel.unsqueeze(-1) * (1 - places.abs() / ((size + 1) // 2))
    filters = torch.zeros(weight.shape)
    for i in range(weight.shape[0]):
        filters[i, i % weight.shape[1]] = kernel
    weight.detach().copy_(filters)


def crop_to(
    x: Tensor, size: tuple[int, ...], at: tuple[int, ...] | None = None
) -> Tensor:
    """The part of `x` of the given spatial size: from a place, or the middle."""
    for axis, n in enumerate(size, 2):
        start = at[axis - 2] if at else (x.shape[axis] - n) // 2
        x = x.narrow(axis, start, n)
    return x


class FCN8s(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1_1 = nn.Conv2d(3, 64, kernel_size=3, padding=100)
        self.conv1_2 = nn.Conv2d(64, 64, kernel_size=3, padding=1)
        self.conv2_1 = nn.Conv2d(64, 128, kernel_size=3, padding=1)
        self.conv2_2 = nn.Conv2d(128, 128, kernel_size=3, padding=1)
        self.conv3_1 = nn.Conv2d(128, 256, kernel_size=3, padding=1)
        self.conv3_2 = nn.Conv2d(256, 256, kernel_size=3, padding=1)
        self.conv3_3 = nn.Conv2d(256, 256, kernel_size=3, padding=1)
        self.conv4_1 = nn.Conv2d(256, 512, kernel_size=3, padding=1)
        self.conv4_2 = nn.Conv2d(512, 512, kernel_size=3, padding=1)
        self.conv4_3 = nn.Conv2d(512, 512, kernel_size=3, padding=1)
        self.conv5_1 = nn.Conv2d(512, 512, kernel_size=3, padding=1)
        self.conv5_2 = nn.Conv2d(512, 512, kernel_size=3, padding=1)
        self.conv5_3 = nn.Conv2d(512, 512, kernel_size=3, padding=1)
        self.fc6 = nn.Conv2d(512, 4096, kernel_size=7)
        self.dropout1 = nn.Dropout2d()
        self.fc7 = nn.Conv2d(4096, 4096, kernel_size=1)
        self.dropout2 = nn.Dropout2d()
        self.score_fr = nn.Conv2d(4096, 21, kernel_size=1)
        self.upscore2 = nn.ConvTranspose2d(21, 21, kernel_size=4, stride=2, bias=False)
        bilinear_(self.upscore2.weight)
        self.score_pool4 = nn.Conv2d(512, 21, kernel_size=1)
        self.upscore_pool4 = nn.ConvTranspose2d(
            21, 21, kernel_size=4, stride=2, bias=False
        )
        bilinear_(self.upscore_pool4.weight)
        self.score_pool3 = nn.Conv2d(256, 21, kernel_size=1)
        self.upscore8 = nn.ConvTranspose2d(21, 21, kernel_size=16, stride=8, bias=False)
        bilinear_(self.upscore8.weight)

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu(self.conv1_1(image))  # [64, 698, 698]
        x = F.relu(self.conv1_2(x))  # [64, 698, 698]
        x = F.max_pool2d(x, 2, ceil_mode=True)  # [64, 349, 349]
        x = F.relu(self.conv2_1(x))  # [128, 349, 349]
        x = F.relu(self.conv2_2(x))  # [128, 349, 349]
        x = F.max_pool2d(x, 2, ceil_mode=True)  # [128, 175, 175]
        x = F.relu(self.conv3_1(x))  # [256, 175, 175]
        x = F.relu(self.conv3_2(x))  # [256, 175, 175]
        x = F.relu(self.conv3_3(x))  # [256, 175, 175]
        pool3 = F.max_pool2d(x, 2, ceil_mode=True)  # [256, 88, 88]
        x = F.relu(self.conv4_1(pool3))  # [512, 88, 88]
        x = F.relu(self.conv4_2(x))  # [512, 88, 88]
        x = F.relu(self.conv4_3(x))  # [512, 88, 88]
        pool4 = F.max_pool2d(x, 2, ceil_mode=True)  # [512, 44, 44]
        x = F.relu(self.conv5_1(pool4))  # [512, 44, 44]
        x = F.relu(self.conv5_2(x))  # [512, 44, 44]
        x = F.relu(self.conv5_3(x))  # [512, 44, 44]
        x = F.max_pool2d(x, 2, ceil_mode=True)  # [512, 22, 22]
        x = self.dropout1(F.relu(self.fc6(x)))  # [4096, 16, 16]
        x = self.dropout2(F.relu(self.fc7(x)))  # [4096, 16, 16]
        x = self.score_fr(x)  # [21, 16, 16]
        x = self.upscore2(x)  # [21, 34, 34]
        y = self.score_pool4(pool4)  # [21, 44, 44]
        x = x + crop_to(y, x.shape[2:], at=(5, 5))  # [21, 34, 34]
        x = self.upscore_pool4(x)  # [21, 70, 70]
        y = self.score_pool3(pool3)  # [21, 88, 88]
        x = x + crop_to(y, x.shape[2:], at=(9, 9))  # [21, 70, 70]
        x = self.upscore8(x)  # [21, 568, 568]
        return crop_to(x, image.shape[2:], at=(31, 31))  # [21, 500, 500]
