"""What `pad=` means for a window: amounts before and after, per axis."""

from __future__ import annotations

from typing import Any

from ..dims import at_hand
from .base import AXES, Op, OpError, Shape, show
from .windows import SameWindow, Window, same_padding, same_window, window

Sides = tuple[tuple[int, int], ...]
"""(before, after) for each spatial axis."""


def sides(
    op: Op, x: Shape, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> Sides:
    """The padding of each axis of x, for `same` that of the sizes at hand. E0402: wrong length."""
    pad = op.pad  # type: ignore[attr-defined]
    if isinstance(pad, int):
        return ((pad, pad),) * (len(x) - 1)
    if isinstance(pad, tuple):
        if len(pad) != len(x) - 1:
            entries = "1 entry" if len(pad) == 1 else f"{len(pad)} entries"
            axes = "1 spatial axis" if len(x) == 2 else f"{len(x) - 1} spatial axes"
            raise OpError("E0402", f"`pad` has {entries}, but {show(x)} has {axes}", "pad")
        return tuple(p if isinstance(p, tuple) else (p, p) for p in pad)
    if pad == "same":
        axes_ = zip(x[1:], kernel, stride, dilation, strict=True)
        return tuple(same_padding(at_hand(n), k, s, d) for n, k, s, d in axes_)
    return tuple((p, p) for p in map(_by_word, (pad,) * len(kernel), kernel, dilation))


def borders(
    op: Op, x: Shape, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> Sides:
    """As `sides`, but the padding of `same` stays an expression where sizes are free."""
    if op.pad != "same":  # type: ignore[attr-defined]
        return sides(op, x, kernel, stride, dilation)
    axes = zip(x[1:], kernel, stride, dilation, strict=True)
    return tuple(same_padding(n, k, s, d) for n, k, s, d in axes)


def _by_word(word: str, kernel: int, dilation: int) -> int:
    if word == "half":
        return dilation * (kernel // 2)
    return dilation * (kernel - 1) if word == "full" else 0


def windows(
    op: Op,
    x: Shape,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil: bool = False,
) -> tuple[Window, ...]:
    """The window of each axis, padded."""
    pads = sides(op, x, kernel, stride, dilation)
    if op.pad == "same":  # type: ignore[attr-defined]
        return tuple(
            same_window(k, s, d, lo, hi)
            for k, s, d, (lo, hi) in zip(kernel, stride, dilation, pads, strict=True)
        )
    return tuple(
        window(k, s, d, lo, hi, ceil)
        for k, s, d, (lo, hi) in zip(kernel, stride, dilation, pads, strict=True)
    )


def check_fit(op: Op, x: Shape, axes: tuple[Window, ...]) -> None:
    """E0403 where a window is larger than its padded input."""
    names = AXES[len(axes)]
    short: dict[str, list[str]] = {}
    for name, w, n in zip(names, axes, x[1:], strict=True):
        if isinstance(w, SameWindow):
            continue  # it is padded until it fits
        padded = n + w.lo + w.hi
        if w.extent > padded:
            reach = f"{w.kernel}"
            if w.dilation > 1:
                reach = f"{w.dilation}·({w.kernel} - 1) + 1 = {w.extent}"
            amount = f"2·{w.lo}" if w.lo == w.hi else f"{w.lo} + {w.hi}"
            text = f"{int(n)} + {amount} = {int(padded)}, less than {reach}"
            short.setdefault(text, []).append(name)
    if short:
        notes = tuple(f"{' and '.join(where)}: {sum_}" for sum_, where in short.items())
        text = f"the window of `{op.op}` is larger than its padded input {show(x)}"
        help = "use a smaller kernel, more padding (`pad=half`), or fewer strides before it"
        raise OpError("E0403", text, "kernel", notes, help)


def check_mode(op: Op, x: Shape, mode: str, pads: Sides, parameter: str) -> None:
    """E0408 where a border cannot be filled from the input (reflect, circular, replicate)."""
    if mode == "zeros":
        return
    for name, n, pair in zip(AXES[len(pads)], x[1:], pads, strict=True):
        most = {"reflect": n - 1, "circular": n}.get(mode)
        if most is not None and max(pair) > most:
            text = f"`{mode}` padding of {max(pair)} needs more than the {int(n)} units there are"
            note = f"{name}: at most {int(most)} on a side of {int(n)} units"
            raise OpError("E0408", text, parameter, (note,))
        if n < 1:
            raise OpError("E0408", f"`{mode}` padding of an empty axis ({name})", parameter)


def even(pads: Sides) -> bool:
    """Is the padding the same on both sides of every axis?"""
    return all(lo == hi for lo, hi in pads)


def flat(pads: Sides) -> tuple[int, ...]:
    """In the order of `F.pad`: last axis first."""
    return tuple(p for pair in reversed(pads) for p in pair)


def square(values: tuple[Any, ...]) -> Any:
    """One number where all axes have the same, as an expert writes it."""
    return values[0] if len(set(values)) == 1 else values
