"""Convolutions: plain, transposed, and with a kernel of its own at every place."""

from math import prod
from typing import Annotated, Any

from pydantic import Field

from .base import Op, OpError, Shape, per_axis, show, spatial, undivided
from .call import Call, Torch
from .kinds import PAD_MODES, Count, Naturals, OneOf, Pads, Sizes
from .padding import Sides, borders, check_fit, check_mode, even, flat, sides, square, windows
from .weights import Initialized
from .windows import Scatter, Window, scatter


def _window(op: Op, x: Shape) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, stride and dilation of each axis."""
    return per_axis(op, "kernel", x), per_axis(op, "stride", x), per_axis(op, "dilation", x)


def _check_groups(op: "Conv | ConvTranspose", x: Shape) -> None:
    """E0404: both channel counts must be divisible by the groups."""
    for what, channels in (("arriving", x[0]), ("resulting", op.channels)):
        if channels % op.groups:
            text = f"{int(channels)} {what} channels do not divide into {op.groups} groups"
            raise undivided("groups", text, channels, op.groups)


class Conv(Initialized):
    """Convolution over 1, 2 or 3 axes: the same weights at every place."""

    op = "conv"
    family = "conv"
    weighty = True
    ranks = (1, 2, 3)
    example = (
        {"channels": 128, "kernel": 3, "stride": 2, "pad": "half", "bias": False},
        ((64, 56, 56),),
    )
    formulas = {
        "size": "⌊(n + before + after - dilation·(kernel - 1) - 1) / stride⌋ + 1; "
        "⌈n / stride⌉ if same",
        "channels": "as given",
        "params": "channels · C / groups · the kernel's taps, and channels for the bias",
        "MACs": "output units · C / groups · the kernel's taps",
    }

    channels: Count = Field(description="output channels")
    kernel: Sizes = Field(description="size of the window")
    stride: Sizes = Field(1, description="step of the window")
    pad: Pads = Field(0, description="border around the input; half: k // 2, same: as in Keras")
    dilation: Sizes = Field(1, description="distance between the window's taps")
    groups: Count = Field(1, description="groups of channels that do not see each other")
    pad_mode: Annotated[str, OneOf(*PAD_MODES)] = Field(
        "zeros", description="what the border is filled with"
    )

    def channels_out(self, x: Shape) -> int:
        return self.channels

    def axes(self, x: Shape) -> tuple[Window, ...]:
        return windows(self, x, *_window(self, x))

    def weights(self, x: Shape) -> dict[str, Shape]:
        kernel = per_axis(self, "kernel", x)
        found: dict[str, Shape] = {"weight": (self.channels, x[0] // self.groups, *kernel)}
        if self.has_bias:
            found["bias"] = (self.channels,)
        return found

    def macs(self, *xs: Shape) -> int:
        return prod(self.shape(*xs)) * prod(self.weights(xs[0])["weight"][1:])

    def check(self, *xs: Shape) -> None:
        x = xs[0]
        spatial(self, x)
        _check_groups(self, x)
        axes = self.axes(x)
        check_fit(self, x, axes)
        if self.pad_mode != "zeros":
            check_mode(self, x, self.pad_mode, borders(self, x, *_window(self, x)), "pad_mode")
        self.check_starts(x)

    def torch(self, *xs: Shape) -> Torch:
        x = xs[0]
        kernel, stride, dilation = _window(self, x)
        pads: Sides = sides(self, x, kernel, stride, dilation)
        rank = len(kernel)
        setup, helpers = self.setup(x)
        kwargs: dict[str, Any] = {"kernel_size": square(kernel)}
        if set(stride) != {1}:
            kwargs["stride"] = square(stride)
        name = f"nn.Conv{rank}d"
        extents = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        if self.pad == "same" and set(stride) != {1} and set(extents) != {1}:
            from .window_helpers import same_conv

            helper = same_conv(rank)
            name, helpers = helper.name, (helper, *helpers)
        elif not even(pads):
            from .window_helpers import pad_conv

            helper = pad_conv(rank)
            name, helpers = helper.name, (helper, *helpers)
            kwargs["pads"] = flat(pads)
        elif any(lo for lo, _ in pads):
            kwargs["padding"] = square(tuple(lo for lo, _ in pads))
        if set(dilation) != {1}:
            kwargs["dilation"] = square(dilation)
        if self.groups != 1:
            kwargs["groups"] = self.groups
        if not self.has_bias:
            kwargs["bias"] = False
        if self.pad_mode != "zeros":
            kwargs["padding_mode"] = self.pad_mode
        return Torch(Call(name, (x[0], self.channels), kwargs), setup=setup, helpers=helpers)


class ConvTranspose(Initialized):
    """Transposed convolution ("deconvolution"): the backward pass of a convolution as a layer."""

    op = "conv_transpose"
    family = "conv"
    weighty = True
    ranks = (1, 2, 3)
    example = ({"channels": 64, "kernel": 2, "stride": 2}, ((128, 28, 28),))
    formulas = {
        "size": "(n - 1)·stride - before - after + dilation·(kernel - 1) + 1 + output_pad; or "
        "n·stride if same",
        "channels": "as given",
        "params": "C · channels / groups · the kernel's taps, and channels for the bias",
        "MACs": "input units · channels / groups · the kernel's taps",
    }

    channels: Count = Field(description="output channels")
    kernel: Sizes = Field(description="size of the window")
    stride: Sizes = Field(1, description="step between the windows in the output")
    pad: Pads = Field(0, description="border cut off the output; same: stride times the size")
    output_pad: Naturals = Field(0, description="units added at the end of the output")
    dilation: Sizes = Field(1, description="distance between the window's taps")
    groups: Count = Field(1, description="groups of channels that do not see each other")

    def channels_out(self, x: Shape) -> int:
        return self.channels

    def _cut(self, x: Shape) -> tuple[Sides, tuple[int, ...]]:
        """What is cut off before and after, and what is added at the end, per axis."""
        kernel, stride, dilation = _window(self, x)
        extra = per_axis(self, "output_pad", x)
        if self.pad != "same":
            return sides(self, x, kernel, stride, dilation), extra
        cut, added = [], []
        for k, s, d in zip(kernel, stride, dilation, strict=True):
            surplus = d * (k - 1) + 1 - s
            low = max(surplus, 0) // 2
            cut.append((low, max(surplus, 0) - low))
            added.append(max(-surplus, 0))
        return tuple(cut), tuple(added)

    def axes(self, x: Shape) -> tuple[Scatter, ...]:
        kernel, stride, dilation = _window(self, x)
        cut, extra = self._cut(x)
        return tuple(
            scatter(k, s, d, lo, hi, e)
            for k, s, d, (lo, hi), e in zip(kernel, stride, dilation, cut, extra, strict=True)
        )

    def weights(self, x: Shape) -> dict[str, Shape]:
        kernel = per_axis(self, "kernel", x)
        found: dict[str, Shape] = {"weight": (x[0], self.channels // self.groups, *kernel)}
        if self.has_bias:
            found["bias"] = (self.channels,)
        return found

    def macs(self, *xs: Shape) -> int:
        return prod(xs[0]) * prod(self.weights(xs[0])["weight"][1:])

    def coherent(self) -> None:
        super().coherent()
        if self.pad == "same" and self.output_pad != 0:
            text = "`pad=same` decides the size, so `output_pad` has no room"
            raise OpError("E0312", text, "output_pad")

    def check(self, *xs: Shape) -> None:
        x = xs[0]
        spatial(self, x)
        _check_groups(self, x)
        _, extra = self._cut(x)
        _, stride, dilation = _window(self, x)
        for s, d, e in zip(stride, dilation, extra, strict=True):
            if e >= max(s, d):
                text = f"`output_pad` must be less than the stride or the dilation, not {e}"
                note = f"stride {s}, dilation {d}: at most {max(s, d) - 1}"
                raise OpError("E0408", text, "output_pad", (note,))
        for axis, n in zip(self.axes(x), x[1:], strict=True):
            if axis.size(n) < 1:
                text = f"`pad` cuts off the whole output of {show(x)}"
                raise OpError("E0408", text, "pad", (axis.formula(n),))
        self.check_starts(x)

    def torch(self, *xs: Shape) -> Torch:
        x = xs[0]
        kernel, stride, dilation = _window(self, x)
        cut, extra = self._cut(x)
        setup, helpers = self.setup(x)
        kwargs: dict[str, Any] = {"kernel_size": square(kernel)}
        if set(stride) != {1}:
            kwargs["stride"] = square(stride)
        common = tuple(min(pair) for pair in cut)
        if any(common):
            kwargs["padding"] = square(common)
        if any(extra):
            kwargs["output_padding"] = square(extra)
        if self.groups != 1:
            kwargs["groups"] = self.groups
        if not self.has_bias:
            kwargs["bias"] = False
        if set(dilation) != {1}:
            kwargs["dilation"] = square(dilation)
        name = f"nn.ConvTranspose{len(kernel)}d"
        if not even(cut):
            from .window_helpers import crop_conv_transpose

            helper = crop_conv_transpose(len(kernel))
            name, helpers = helper.name, (helper, *helpers)
            rest = tuple((lo - c, hi - c) for (lo, hi), c in zip(cut, common, strict=True))
            kwargs["crop"] = flat(rest)
        return Torch(Call(name, (x[0], self.channels), kwargs), setup=setup, helpers=helpers)


class LocallyConnected(Initialized):
    """Convolution with weights of its own at every place, so its input size is fixed."""

    op = "locally_connected"
    family = "conv"
    weighty = True
    ranks = (1, 2, 3)
    example = ({"channels": 16, "kernel": 3, "pad": 1}, ((8, 12, 12),))
    formulas = {
        "size": "⌊(n + before + after - kernel) / stride⌋ + 1",
        "channels": "as given",
        "params": "output units · C · the kernel's taps, and output units for the bias",
        "MACs": "output units · C · the kernel's taps",
    }

    channels: Count = Field(description="output channels")
    kernel: Sizes = Field(description="size of the window")
    stride: Sizes = Field(1, description="step of the window")
    pad: Pads = Field(0, description="border of zeros around the input")

    def channels_out(self, x: Shape) -> int:
        return self.channels

    def axes(self, x: Shape) -> tuple[Window, ...]:
        kernel, stride = per_axis(self, "kernel", x), per_axis(self, "stride", x)
        return windows(self, x, kernel, stride, (1,) * len(kernel))

    def weights(self, x: Shape) -> dict[str, Shape]:
        out = self.shape(x)
        kernel = per_axis(self, "kernel", x)
        found: dict[str, Shape] = {"weight": (self.channels, x[0], *kernel, *out[1:])}
        if self.has_bias:
            found["bias"] = out
        return found

    def macs(self, *xs: Shape) -> int:
        return prod(self.weights(xs[0])["weight"])

    def check(self, *xs: Shape) -> None:
        spatial(self, xs[0])
        check_fit(self, xs[0], self.axes(xs[0]))
        self.check_starts(xs[0])

    def torch(self, *xs: Shape) -> Torch:
        from .window_helpers import LOCALLY_CONNECTED

        x = xs[0]
        axes = self.axes(x)
        setup, helpers = self.setup(x)
        kwargs: dict[str, Any] = {
            "size": tuple(int(n) for n in x[1:]),
            "kernel_size": tuple(w.kernel for w in axes),
        }
        if any(w.stride != 1 for w in axes):
            kwargs["stride"] = tuple(w.stride for w in axes)
        if any(w.lo or w.hi for w in axes):
            kwargs["pads"] = flat(tuple((w.lo, w.hi) for w in axes))
        if not self.has_bias:
            kwargs["bias"] = False
        module = Call(LOCALLY_CONNECTED.name, (x[0], self.channels), kwargs)
        return Torch(module, setup=setup, helpers=(LOCALLY_CONNECTED, *helpers))
