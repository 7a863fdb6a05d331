"""What convolutions and pools need that PyTorch lacks: see `helpers`."""

from __future__ import annotations

from functools import cache

from .call import Helper
from .helpers import helper

_TUPLE = {1: "int | tuple[int]", 2: "int | tuple[int, int]", 3: "int | tuple[int, int, int]"}


@cache
def pad_conv(rank: int) -> Helper:
    """A convolution whose border differs between the sides."""
    name, size = f"PadConv{rank}d", _TUPLE[rank]
    return helper(
        name,
        f'''
class {name}(nn.Conv{rank}d):
    """Convolution whose padding differs between the sides."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: {size},
        pads: tuple[int, ...],
        stride: {size} = 1,
        dilation: {size} = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ):
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            dilation=dilation,
            groups=groups,
            bias=bias,
        )
        self.pads = pads
        self.fill = "constant" if padding_mode == "zeros" else padding_mode

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, self.pads, mode=self.fill))
''',
    )


@cache
def same_conv(rank: int) -> Helper:
    """A convolution with TensorFlow's `SAME` padding at any input size."""
    name = f"SameConv{rank}d"
    return helper(
        name,
        f'''
class {name}(nn.Conv{rank}d):
    """Convolution whose output is ceil(input / stride), as in TensorFlow."""

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        windows = zip(x.shape[2:], self.kernel_size, self.stride, self.dilation)
        for n, k, s, d in windows:
            total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
            pads = [total // 2, total - total // 2, *pads]
        fill = "constant" if self.padding_mode == "zeros" else self.padding_mode
        return super().forward(F.pad(x, pads, mode=fill))
''',
    )


@cache
def crop_conv_transpose(rank: int) -> Helper:
    """A transposed convolution that cuts off more at one side."""
    name, size = f"CropConvTranspose{rank}d", _TUPLE[rank]
    return helper(
        name,
        f'''
class {name}(nn.ConvTranspose{rank}d):
    """Transposed convolution that cuts off more on one side than on the other."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: {size},
        crop: tuple[int, ...],
        stride: {size} = 1,
        padding: {size} = 0,
        output_padding: {size} = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: {size} = 1,
    ):
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            output_padding=output_padding,
            groups=groups,
            bias=bias,
            dilation=dilation,
        )
        self.cuts = [-amount for amount in crop]

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        return F.pad(super().forward(x, output_size), self.cuts)
''',
    )


LOCALLY_CONNECTED = helper(
    "LocallyConnected",
    '''
class LocallyConnected(nn.Module):
    """Convolution with weights of its own at every place."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: tuple[int, ...],
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...] | None = None,
        pads: tuple[int, ...] | None = None,
        bias: bool = True,
    ):
        super().__init__()
        rank = len(size)
        self.kernel_size = kernel_size
        self.stride = stride or (1,) * rank
        self.pads = pads or (0,) * (2 * rank)
        out = [
            (n + lo + hi - k) // s + 1
            for n, k, s, lo, hi in zip(
                size, kernel_size, self.stride, self.pads[-2::-2], self.pads[::-2]
            )
        ]
        weight = torch.empty(out_channels, in_channels, *kernel_size, *out)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.empty(out_channels, *out)) if bias else None
        bound = weight[0].numel() ** -0.5 * torch.Size(out).numel() ** 0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, self.pads)
        for axis, (k, s) in enumerate(zip(self.kernel_size, self.stride), 2):
            x = x.unfold(axis, k, s)
        rank = len(self.kernel_size)
        out = x.shape[2 : 2 + rank]
        # a matrix product per place: (place, batch, tap) by (place, tap, channel)
        patches = x.flatten(2 + rank).flatten(2, 1 + rank).permute(2, 0, 1, 3)
        weight = self.weight.flatten(2, 1 + rank).flatten(3).permute(3, 1, 2, 0)
        y = torch.bmm(patches.flatten(2), weight.flatten(1, 2)).permute(1, 2, 0)
        y = y.reshape(*y.shape[:2], *out)
        return y if self.bias is None else y + self.bias
''',
)

_SAME_PADS = """
    def pads(self, x: Tensor) -> list[int]:
        pads: list[int] = []
        windows = zip(x.shape[2:], self.kernel_size, self.stride, self.dilation)
        for n, k, s, d in windows:
            total = max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
            pads = [total // 2, total - total // 2, *pads]
        return pads
"""


@cache
def same_pool(by: str, rank: int, count_pad: bool) -> Helper:
    """A pool with TensorFlow's `SAME` padding at any input size."""
    name = f"Same{'Padded' if by == 'avg' and count_pad else ''}{by.capitalize()}Pool{rank}d"
    at = "[0]" if rank == 1 else ""  # 1-d pools are typed for single numbers
    window = f"k, s = self.kernel_size{at}, self.stride{at}"
    if by == "max":
        body = f"""
        {window}
        y = F.pad(x, self.pads(x), value=float("-inf"))
        return F.max_pool{rank}d(y, k, s, dilation=self.dilation{at})
"""
    elif by == "sum":
        body = f"""
        {window}
        y = F.avg_pool{rank}d(F.pad(x, self.pads(x)), k, s)
        return y * torch.Size(self.kernel_size).numel()
"""
    elif count_pad:
        body = f"""
        {window}
        return F.avg_pool{rank}d(F.pad(x, self.pads(x)), k, s)
"""
    else:
        body = f"""
        {window}
        pads = self.pads(x)
        share = F.avg_pool{rank}d(F.pad(torch.ones_like(x), pads), k, s)
        return F.avg_pool{rank}d(F.pad(x, pads), k, s) / share
"""
    note = "; padding counts" if count_pad and by == "avg" else ""
    what = {"max": "Maximum", "avg": "Average", "sum": "Sum"}[by]
    source = f'''
class {name}(nn.Module):
    """{what} pooling to ceil(input / stride), as in TensorFlow{note}."""

    def __init__(
        self,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        dilation: tuple[int, ...] | None = None,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride
        self.dilation = dilation or (1,) * {rank}
{_SAME_PADS}
    def forward(self, x: Tensor) -> Tensor:{body}'''
    return helper(name, source)


SUM_POOL_1D = helper(
    "SumPool1d",
    '''
class SumPool1d(nn.Module):
    """Sum of each window."""

    def __init__(
        self,
        kernel_size: int,
        stride: int | None = None,
        pads: tuple[int, int] = (0, 0),
        ceil_mode: bool = False,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride or kernel_size
        self.pads = pads
        self.ceil_mode = ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        low, high = self.pads
        common = min(low, high)
        y = F.avg_pool2d(
            F.pad(x, (low - common, high - common)).unsqueeze(2),
            (1, self.kernel_size),
            (1, self.stride),
            (0, common),
            self.ceil_mode,
            divisor_override=1,
        )
        return y.squeeze(2)
''',
)

GLOBAL_SUM = helper(
    "GlobalSum",
    '''
class GlobalSum(nn.Module):
    """Sum of each channel over all places."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(dim=tuple(range(2, x.dim())), keepdim=True)
''',
)

ROI_ALIGN = helper(
    "roi_align",
    '''
def roi_align(
    x: Tensor, boxes: Tensor, size: tuple[int, int], stride: int, samples: int = 2
) -> Tensor:
    """Each box of the image (x1, y1, x2, y2) as a map of one size. He et al. 2017.

    The boxes [B, N, 4] of the batch follow each other: the result is [B * N, C, h, w].
    """
    low = (boxes[:, :, :2] / stride - 0.5).to(x.dtype)
    high = (boxes[:, :, 2:] / stride - 0.5).to(x.dtype)
    places: list[Tensor] = []
    inside: list[Tensor] = []
    for axis in (0, 1):  # x, then y
        bins, limit = size[1 - axis] * samples, x.shape[3 - axis]
        steps = (torch.arange(bins, device=x.device, dtype=x.dtype) + 0.5) / bins
        start = low[:, :, axis, None]
        place = start + steps * (high[:, :, axis, None] - start)
        places.append((2 * place + 1) / limit - 1)
        inside.append((place >= -1) & (place <= limit))
    batch, count, rows = places[1].shape
    columns = places[0].shape[2]
    grid = torch.empty(batch, count, rows, columns, 2, device=x.device, dtype=x.dtype)
    grid[..., 0] = places[0].unsqueeze(2)
    grid[..., 1] = places[1].unsqueeze(3)
    grid = grid.flatten(1, 2)
    y = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    y = y.reshape(batch, -1, count, rows, columns)
    y = y * (inside[0].unsqueeze(2) & inside[1].unsqueeze(3)).unsqueeze(1)
    y = y.reshape(batch, -1, count, size[0], samples, size[1], samples)
    return y.mean(dim=(4, 6)).transpose(1, 2).flatten(0, 1)
''',
)
