"""Classes and functions that PyTorch lacks, as source text for emitted files.

Each is formatted as `ruff format` does at 88 columns, passes mypy, survives `torch.compile` and
`torch.export`, and uses only `torch`, `nn`, `F` and `Tensor`. Loaded only when code is emitted.
"""

from __future__ import annotations

from .call import Helper


def helper(name: str, source: str) -> Helper:
    """A helper from its source between quotes."""
    return Helper(name, source.strip() + "\n")


CHANNEL_LINEAR = helper(
    "ChannelLinear",
    '''
class ChannelLinear(nn.Linear):
    """Linear layer on the channels of every place."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
''',
)

CHANNEL_NORM = helper(
    "ChannelNorm",
    '''
class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of every place."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
''',
)

DROP_PATH = helper(
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

SCALE = helper(
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

EXP = helper(
    "Exp",
    '''
class Exp(nn.Module):
    """Exponential function."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(x)
''',
)

MAXOUT = helper(
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

SCALED_TANH = helper(
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

RBF = helper(
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

PLACE_SOFTMAX = helper(
    "PlaceSoftmax",
    '''
class PlaceSoftmax(nn.Module):
    """Softmax over all places of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        return F.softmax(x.flatten(2), dim=2).reshape(x.shape)
''',
)

PAD_TO_FUNCTION = helper(
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

PAD_TO = helper(
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

CROP_TO_FUNCTION = helper(
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

CROP_TO = helper(
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

BILINEAR = helper(
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

PAD_CHANNELS = helper(
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
