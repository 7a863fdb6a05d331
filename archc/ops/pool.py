"""Pooling and its inverse."""

from typing import Annotated, Any

from pydantic import Field

from .base import AXES, REF, Op, OpError, Shape, per_axis, show, spatial
from .call import Call, Input, Method, Torch
from .kinds import Bool, Flag, OneOf, Pads, PerAxis, Reference, Sizes
from .padding import Sides, check_fit, even, flat, sides, square, windows
from .windows import WHOLE, Adaptive, Geometry, Scatter, Window, scatter

_MINUS_INFINITY = Call("float", ("-inf",))


def _small(axes: tuple[Window, ...], x: Shape) -> tuple[str, ...]:
    """Over 3 axes PyTorch pools no input smaller than the window, whatever its own border adds."""
    if len(axes) < 3:
        return ()
    names = zip(AXES[len(axes)], axes, x[1:], strict=True)
    return tuple(f"{a}: {n}, less than {w.kernel}" for a, w, n in names if n < w.kernel)


class Pool(Op):
    """The maximum, average or sum of each window, or of everything."""

    op = "pool"
    family = "pool"
    ranks = (1, 2, 3)
    example = ({"kernel": 3, "stride": 2, "pad": 1}, ((64, 112, 112),))
    formulas = {
        "size": "⌊(n + before + after - dilation·(kernel - 1) - 1) / stride⌋ + 1; ⌈·⌉ if ceil, "
        "unless the last window would start beyond the end; 1 if global",
    }

    kernel: Annotated[int | tuple[int, ...] | str | None, PerAxis(1, words=("global",))] = Field(
        None, description="size of the window; `global`: all of it, which leaves one place"
    )
    stride: Annotated[int | tuple[int, ...] | None, PerAxis(1)] = Field(
        None, description="step of the window; as its size if not given"
    )
    pad: Pads = Field(0, description="border around the input, never chosen as a maximum")
    dilation: Sizes = Field(1, description="distance between the window's taps (max only)")
    ceil: Bool = Field(False, description="keep a last window that hangs over the end")
    by: Annotated[str, OneOf("max", "avg", "sum")] = Field("max", description="what is taken")
    to: Annotated[tuple[int, ...] | None, PerAxis(1, single=False)] = Field(
        None, description="adaptive: size of the output, instead of a window"
    )
    count_pad: Annotated[bool | None, Flag()] = Field(
        None, description="the border counts in averages: true, but not with pad=same"
    )

    def coherent(self) -> None:
        if self.kernel is None and self.to is None:
            help = "`pool(2)`, `pool(global)` or `pool(to=[7, 7])`"
            raise OpError("E0302", "`pool` needs `kernel`", "kernel", help=help)
        if self.kernel is not None and self.to is not None:
            raise OpError("E0312", "`kernel` and `to` contradict each other", "to")
        if self.kernel == "global" or self.to is not None:
            for name in ("stride", "pad", "dilation", "ceil", "count_pad"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    way = "`to`" if self.to is not None else "`global`"
                    raise OpError("E0312", f"`{name}` means nothing with {way}", name)
        if self.to is not None and self.by == "sum":
            raise OpError("E0312", "`by=sum` needs a window of one size, not `to`", "by")
        if self.by != "max" and self.dilation != 1:
            raise OpError("E0312", "only `by=max` can have a dilation", "dilation")
        if self.by != "avg" and self.count_pad is not None:
            raise OpError("E0312", "`count_pad` is for `by=avg`", "count_pad")
        if self.ceil and self.pad == "same":
            raise OpError("E0312", "`pad=same` decides the size, so `ceil` has no room", "ceil")

    def _window(self, x: Shape) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        kernel = per_axis(self, "kernel", x)
        stride = kernel if self.stride is None else per_axis(self, "stride", x)
        return kernel, stride, per_axis(self, "dilation", x)

    @property
    def counts_pad(self) -> bool:
        """Does the border count in averages?"""
        return self.pad != "same" if self.count_pad is None else self.count_pad

    def axes(self, x: Shape) -> tuple[Geometry, ...]:
        if self.kernel == "global":
            return (WHOLE,) * (len(x) - 1)
        if self.to is not None:
            to = per_axis(self, "to", x)
            return tuple(Adaptive(int(n), m) for n, m in zip(x[1:], to, strict=True))
        return self._windows(x)

    def by_helper(self, axes: tuple[Window, ...]) -> bool:
        """Is it `pad=same` where PyTorch has no word for it?"""
        moving = any(w.stride != 1 for w in axes) or (
            self.by == "avg" and not even(tuple((w.lo, w.hi) for w in axes))
        )
        return self.pad == "same" and moving and any(w.extent != 1 for w in axes)

    def border_before(self, axes: tuple[Window, ...], x: Shape) -> bool:
        """Must the border be there before the pool, because PyTorch's pool cannot put it there?"""
        if not any(w.lo or w.hi for w in axes):
            return False
        if any(w.lo != w.hi or (w.dilation > 1 and w.lo > w.kernel // 2) for w in axes):
            return True
        return bool(_small(axes, x))

    def _windows(self, x: Shape) -> tuple[Window, ...]:
        return windows(self, x, *self._window(x), ceil=self.ceil)

    def check(self, *xs: Shape) -> None:
        x = xs[0]
        spatial(self, x)
        if self.kernel == "global":
            return
        if self.to is not None:
            per_axis(self, "to", x)
            return
        axes = self._windows(x)
        check_fit(self, x, axes)
        pads = tuple((w.lo, w.hi) for w in axes)
        small = _small(axes, x)
        if small and even(pads) and (self.ceil or (self.by == "avg" and not self.counts_pad)):
            raise OpError(
                "E0403", f"the window of `pool` is larger than {show(x)}", "kernel", small
            )
        if self.pad == "same":
            return
        if not even(pads):
            if self.ceil:
                text = "a border that differs between the sides cannot go with `ceil`"
                raise OpError("E0312", text, "ceil")
            if self.by == "avg" and not self.counts_pad:
                text = "a border that differs between the sides must count in averages"
                raise OpError("E0312", text, "count_pad")
        for w in axes:
            # So that every window has a tap inside.
            most = w.dilation * (w.kernel // 2)
            if max(w.lo, w.hi) > most:
                text = f"`pad` may be at most half of the window, not {max(w.lo, w.hi)}"
                steps = f"{w.dilation}·" if w.dilation > 1 else ""
                raise OpError("E0408", text, "pad", (f"{steps}⌊{w.kernel} / 2⌋ = {most}",))
            if self.ceil and w.lo > w.kernel // 2:
                text = "a border of more than half of the window's taps cannot go with `ceil`"
                raise OpError("E0312", text, "ceil", (f"{w.lo}, more than {w.kernel // 2}",))

    def torch(self, *xs: Shape) -> Torch:
        x = xs[0]
        rank = len(x) - 1
        if self.kernel == "global" and self.by == "sum":
            from .window_helpers import GLOBAL_SUM

            function: Any = Method(
                Input(), "sum", (), {"dim": tuple(range(2, rank + 2)), "keepdim": True}
            )
            return Torch(Call(GLOBAL_SUM.name), function, helpers=(GLOBAL_SUM,))
        if self.kernel == "global" or self.to is not None:
            size = square(self.to) if self.to else 1
            kind = self.by.capitalize()
            function = Call(f"F.adaptive_{self.by}_pool{rank}d", (Input(), size))
            return Torch(Call(f"nn.Adaptive{kind}Pool{rank}d", (size,)), function)
        return self._windowed(x)

    def remembers(self, x: Shape) -> bool:
        """A max pool with a window whose border is the same on both sides, and its own. (With
        another border, PyTorch would count positions in the padded input.)"""
        if self.by != "max" or self.kernel == "global" or self.to is not None:
            return False
        if self.pad == "same" and any(w.stride != 1 for w in self._windows(x)):
            return False
        return not self.border_before(self._windows(x), x)

    def torch_positions(self, *xs: Shape) -> Torch:
        """As `torch`, but the result is a pair: the maxima, and where they were (for `unpool`).

        Only where `remembers` holds. The form has a `function`, and no module.
        """
        function = self.torch(*xs).function
        assert isinstance(function, Call)
        return Torch(
            function=Call(function.func, function.args, {**function.kwargs, "return_indices": True})
        )

    def _windowed(self, x: Shape) -> Torch:
        kernel, stride, dilation = self._window(x)
        rank = len(kernel)
        pads = sides(self, x, kernel, stride, dilation)
        axes = self._windows(x)
        if self.by_helper(axes):
            return self._same(kernel, stride, dilation)
        if self.by == "sum" and rank == 1:
            return self._sum1d(kernel[0], stride[0], pads)
        kwargs: dict[str, Any] = {} if stride == kernel else {"stride": square(stride)}
        border: tuple[int, ...] = ()
        if self.border_before(axes, x):
            border = flat(pads)
        elif any(lo for lo, _ in pads):
            kwargs["padding"] = square(tuple(lo for lo, _ in pads))
        if set(dilation) != {1}:
            kwargs["dilation"] = square(dilation)
        if self.ceil:
            kwargs["ceil_mode"] = True
        if self.by == "avg" and not self.counts_pad and any(map(any, pads)):
            kwargs["count_include_pad"] = False
        if self.by == "sum":
            kwargs["divisor_override"] = 1
        kind = "max" if self.by == "max" else "avg"
        return self._bordered(kind, rank, kernel, kwargs, border)

    def _bordered(
        self,
        kind: str,
        rank: int,
        kernel: tuple[int, ...],
        kwargs: dict[str, Any],
        border: tuple[int, ...],
    ) -> Torch:
        """The pool, after a border of its own where that differs between the sides."""
        keywords = kwargs
        size: tuple[Any, ...] = (square(kernel),)
        if kwargs:
            keywords, size = {"kernel_size": square(kernel), **kwargs}, ()
        module = Call(f"nn.{kind.capitalize()}Pool{rank}d", size, keywords)
        source: Any = Input()
        if border:
            if kind == "max":
                fill = Call(f"nn.ConstantPad{rank}d", (border, _MINUS_INFINITY))
                source = Call("F.pad", (source, border), {"value": _MINUS_INFINITY})
            else:
                fill = Call(f"nn.ZeroPad{rank}d", (border,))
                source = Call("F.pad", (source, border))
            module = Call("nn.Sequential", (fill, module))
        return Torch(module, Call(f"F.{kind}_pool{rank}d", (source, *((square(kernel),))), kwargs))

    def _same(
        self, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
    ) -> Torch:
        from .window_helpers import same_pool

        helper = same_pool(self.by, len(kernel), self.counts_pad)
        kwargs: dict[str, Any] = {"stride": stride}
        if set(dilation) != {1}:
            kwargs["dilation"] = dilation
        module = Call(helper.name, (), {"kernel_size": kernel, **kwargs})
        return Torch(module, helpers=(helper,))

    def _sum1d(self, kernel: int, stride: int, pads: Sides) -> Torch:
        from .window_helpers import SUM_POOL_1D

        kwargs: dict[str, Any] = {} if stride == kernel else {"stride": stride}
        if any(pads[0]):
            kwargs["pads"] = pads[0]
        if self.ceil:
            kwargs["ceil_mode"] = True
        return Torch(Call(SUM_POOL_1D.name, (kernel,), kwargs), helpers=(SUM_POOL_1D,))


class Unpool(Op):
    """Puts each unit back to where a max pool took it from, and zeros elsewhere.
    Zeiler, Fergus 2013; Badrinarayanan et al. 2015."""

    op = "unpool"
    family = "pool"
    ranks = (1, 2, 3)
    hidden = ("size",)
    example = (
        {"kernel": 2, "from": REF, "size": (32, 32)},
        ((64, 16, 16), (64, 16, 16)),
    )
    formulas = {"size": "that of the max pool's input"}

    kernel: Sizes = Field(2, description="size of the max pool's window")
    stride: Annotated[int | tuple[int, ...] | None, PerAxis(1)] = Field(
        None, description="step of the max pool's window; as its size if not given"
    )
    pad: Annotated[int | tuple[int, ...], PerAxis(0)] = Field(
        0, description="border of the max pool"
    )
    from_: Annotated[str, Reference()] = Field(
        alias="from", description="a value that a max pool made"
    )
    size: Annotated[tuple[int, ...] | None, PerAxis(1, single=False)] = Field(
        None, description="spatial size to return to: that of the max pool's input"
    )

    def _window(self, x: Shape) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        kernel = per_axis(self, "kernel", x)
        stride = kernel if self.stride is None else per_axis(self, "stride", x)
        return kernel, stride, per_axis(self, "pad", x)

    def axes(self, x: Shape) -> tuple[Geometry, ...]:
        return tuple(Back(*axis) for axis in zip(*self._window(x), self._size(), strict=True))

    def _size(self) -> tuple[int, ...]:
        if self.size is None:
            text = "`unpool` needs the positions of a max pool"
            raise OpError("E0407", text, "from", help="give `from=v`, where v comes from `pool`")
        return self.size

    def reads(self, *xs: Shape) -> tuple[tuple[Geometry, ...] | None, ...]:
        return self.axes(xs[0]), self.axes(xs[0])

    def check(self, *xs: Shape) -> None:
        x = xs[0]
        spatial(self, x)
        size = self._size()
        kernel, stride, pad = self._window(x)
        if len(xs) > 1 and tuple(xs[1]) != tuple(x):
            text = f"`unpool` needs the shape that was pooled: {show(xs[1])}, not {show(x)}"
            raise OpError("E0408", text, "from")
        windows = zip(x[1:], kernel, stride, pad, size, self.usual(x), strict=True)
        for n, k, s, p, m, usual in windows:
            if not usual - s < m < usual + s:
                text = f"`unpool` of {int(n)} units with this window cannot give {int(m)}"
                note = f"({int(n)} - 1)·{s} - 2·{p} + {k} = {int(usual)}, give or take {s - 1}"
                raise OpError("E0408", text, "kernel", (note,))

    def usual(self, x: Shape) -> tuple[int, ...]:
        """The size that the windows span without a rest: what PyTorch returns to unless told."""
        windows = zip(x[1:], *self._window(x), strict=True)
        return tuple((n - 1) * s - 2 * p + k for n, k, s, p in windows)

    def torch(self, *xs: Shape) -> Torch:
        told = {"output_size": [int(n) for n in self._size()]}
        return self._torch(xs[0], {} if self.usual(xs[0]) == self._size() else told)

    def torch_sized(self, *xs: Shape) -> Torch:
        """As `torch`, with the size to return to as a third input."""
        return self._torch(xs[0], {"output_size": Input(2)})

    def _torch(self, x: Shape, told: dict[str, Any]) -> Torch:
        kernel, stride, pad = self._window(x)
        # PyTorch types these as lists, whatever it takes.
        kwargs: dict[str, Any] = {} if stride == kernel else {"stride": list(stride)}
        if any(pad):
            kwargs["padding"] = list(pad)
        args = (Input(0), Input(1), list(kernel))
        return Torch(function=Call(f"F.max_unpool{len(kernel)}d", args, {**kwargs, **told}))


class Back(Geometry):
    """The way back through a max pool: a unit may have come from anywhere in its window."""

    def __init__(self, kernel: int, stride: int, pad: int, out: int) -> None:
        self.scatter: Scatter = scatter(kernel, stride, 1, pad, pad)
        self.out = out

    @property
    def holes(self) -> bool:
        return True

    @property
    def period(self) -> tuple[int, int]:
        return self.scatter.period

    def size(self, n: int) -> int:
        return self.out

    def reads(self, lo: int, hi: int) -> tuple[int, int]:
        return self.scatter.reads(lo, hi)
