"""LeNet5.

Input       image [1, 32, 32]
Output      digits [10]
Parameters  61,706
MACs        416,520

LeNet-5 as frameworks ship it. LeCun et al. 1998, "Gradient-based learning applied to
document recognition", figure 2; subsampling without weights, full connectivity, a
linear output.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LeNet5(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.C1 = nn.Conv2d(1, 6, kernel_size=5)
        self.C3 = nn.Conv2d(6, 16, kernel_size=5)
        self.C5 = nn.Conv2d(16, 120, kernel_size=5)
        self.F6 = nn.Linear(120, 84)
        self.out = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.C1(x))  # [6, 28, 28]
        x = F.avg_pool2d(x, 2)  # [6, 14, 14]
        x = torch.tanh(self.C3(x))  # [16, 10, 10]
        x = F.avg_pool2d(x, 2)  # [16, 5, 5]
        x = torch.tanh(self.C5(x))  # [120, 1, 1]
        x = torch.tanh(self.F6(x.flatten(1)))  # [84]
        return self.out(x)  # [10]
