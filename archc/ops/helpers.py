"""Classes and functions that PyTorch lacks, as source text for emitted files.

Each is formatted as `ruff format` does at 88 columns, passes mypy, survives `torch.compile` and
`torch.export`, and uses only `torch`, `nn`, `F` and `Tensor`. Loaded only when code is emitted.
"""

from __future__ import annotations

from functools import cache

from .call import Helper

_TUPLE = {1: "int | tuple[int]", 2: "int | tuple[int, int]", 3: "int | tuple[int, int, int]"}


def _helper(name: str, source: str) -> Helper:
    return Helper(name, source.strip() + "\n")


@cache
def pad_conv(rank: int) -> Helper:
    """A convolution whose border differs between the sides."""
    name, size = f"PadConv{rank}d", _TUPLE[rank]
    return _helper(
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
    return _helper(
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
    return _helper(
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


LOCALLY_CONNECTED = _helper(
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
        # one matrix product per place: (places, batch, taps) by (places, taps, channels)
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
    return _helper(name, source)


SUM_POOL_1D = _helper(
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

GLOBAL_SUM = _helper(
    "GlobalSum",
    '''
class GlobalSum(nn.Module):
    """Sum of each channel over all places."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(dim=tuple(range(2, x.dim())), keepdim=True)
''',
)

CHANNEL_LINEAR = _helper(
    "ChannelLinear",
    '''
class ChannelLinear(nn.Linear):
    """Linear layer on the channels of every place."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
''',
)

CHANNEL_NORM = _helper(
    "ChannelNorm",
    '''
class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of every place."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
''',
)

DROP_PATH = _helper(
    "DropPath",
    '''
class DropPath(nn.Module):
    """Sets whole samples to zero at random in training. Huang et al. 2016."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = torch.rand(x.shape[0], *[1] * (x.dim() - 1), device=x.device) >= self.p
        return x * kept.to(x.dtype) / max(1 - self.p, 1e-12)
''',
)

SCALE = _helper(
    "Scale",
    '''
class Scale(nn.Module):
    """A learned factor per channel."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight.reshape(-1, *[1] * (x.dim() - 2))
''',
)

EXP = _helper(
    "Exp",
    '''
class Exp(nn.Module):
    """Exponential function."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(x)
''',
)

MAXOUT = _helper(
    "Maxout",
    '''
class Maxout(nn.Module):
    """The largest of each group of adjacent channels. Goodfellow et al. 2013."""

    def __init__(self, pieces: int):
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1, self.pieces, *x.shape[2:]).amax(dim=2)
''',
)

SCALED_TANH = _helper(
    "ScaledTanh",
    '''
class ScaledTanh(nn.Module):
    """Hyperbolic tangent with an amplitude and a slope. LeCun et al. 1998."""

    def __init__(self, amplitude: float, slope: float):
        super().__init__()
        self.amplitude = amplitude
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return self.amplitude * torch.tanh(self.slope * x)
''',
)

RBF = _helper(
    "Rbf",
    '''
class Rbf(nn.Module):
    """Squared distance to each of a number of codes. LeCun et al. 1998."""

    def __init__(self, in_features: int, out_features: int):
        super().__init__()
        codes = torch.rand(out_features, in_features).round() * 2 - 1
        self.weight = nn.Parameter(codes)

    def forward(self, x: Tensor) -> Tensor:
        return (x.unsqueeze(1) - self.weight).square().sum(dim=2)
''',
)

ROI_ALIGN = _helper(
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

PLACE_SOFTMAX = _helper(
    "PlaceSoftmax",
    '''
class PlaceSoftmax(nn.Module):
    """Softmax over all places of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        return F.softmax(x.flatten(2), dim=2).reshape(x.shape)
''',
)

PAD_TO_FUNCTION = _helper(
    "pad_to",
    '''
def pad_to(
    x: Tensor, size: tuple[int, ...], mode: str = "constant", value: float = 0
) -> Tensor:
    """`x` in the middle of a border, of the given spatial size."""
    pads: list[int] = []
    for n, m in zip(x.shape[2:], size):
        pads = [(m - n) // 2, m - n - (m - n) // 2, *pads]
    return F.pad(x, pads, mode, value if mode == "constant" else None)
''',
)

PAD_TO = _helper(
    "PadTo",
    '''
class PadTo(nn.Module):
    """Puts a border around to reach the given spatial size."""

    def __init__(self, size: tuple[int, ...], mode: str = "constant", value: float = 0):
        super().__init__()
        self.size = size
        self.mode = mode
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return pad_to(x, self.size, self.mode, self.value)
''',
)

CROP_TO_FUNCTION = _helper(
    "crop_to",
    '''
def crop_to(
    x: Tensor, size: tuple[int, ...], at: tuple[int, ...] | None = None
) -> Tensor:
    """The part of `x` of the given spatial size: from a place, or the middle."""
    for axis, n in enumerate(size, 2):
        start = at[axis - 2] if at else (x.shape[axis] - n) // 2
        x = x.narrow(axis, start, n)
    return x
''',
)

CROP_TO = _helper(
    "CropTo",
    '''
class CropTo(nn.Module):
    """Keeps the given spatial size: from a place, or the middle."""

    def __init__(self, size: tuple[int, ...], at: tuple[int, ...] | None = None):
        super().__init__()
        self.size = size
        self.at = at

    def forward(self, x: Tensor) -> Tensor:
        return crop_to(x, self.size, self.at)
''',
)

BILINEAR = _helper(
    "bilinear_",
    '''
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
''',
)

PAD_CHANNELS = _helper(
    "PadChannels",
    '''
class PadChannels(nn.Module):
    """Channels of one value before and after those of the input."""

    def __init__(self, before: int, after: int, value: float = 0.0) -> None:
        super().__init__()
        self.before = before
        self.after = after
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        sizes = [0, 0] * (x.dim() - 2) + [self.before, self.after]
        return F.pad(x, sizes, value=self.value)
''',
)
