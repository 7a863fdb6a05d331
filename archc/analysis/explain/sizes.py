"""The size of a layer's output, axis by axis, with the numbers put into the rule."""

from __future__ import annotations

from ...dims import at_hand
from ...graph import Shape
from ...ops import Op
from ...ops.base import AXES
from ...ops.windows import (
    Adaptive,
    Geometry,
    Place,
    SameWindow,
    Sample,
    Scatter,
    Shift,
    Whole,
    Window,
)
from .model import SizeSum, Sum, product


def sizes(op: Op, inputs: tuple[Shape, ...], out: Shape) -> tuple[SizeSum, ...]:
    """A sum for the channels (or features) and one for each axis of the (first) result."""
    if op.op == "flatten":
        return (SizeSum("features", "all units in one row", product(*inputs[0])),)
    x = inputs[0]
    found = [_channels(op, inputs, out)]
    read = op.reads(*inputs)[0] if inputs else None
    axes = read if read is not None and len(read) == len(x) - 1 == len(out) - 1 else None
    names = AXES.get(len(out) - 1) or tuple(f"axis {i}" for i in range(len(out) - 1))
    for i, m in enumerate(out[1:]):
        if axes is None:
            found.append(SizeSum(names[i], "as given", Sum(str(m), m)))
        else:
            found.append(_axis(op, names[i], axes[i], x[i + 1], m))
    return tuple(found)


# ---------------------------------------------------------------------------- channels


def _channels(op: Op, inputs: tuple[Shape, ...], out: Shape) -> SizeSum:
    """How many channels there are, and by which rule."""
    x, name, made = inputs[0], "channels" if len(out) > 1 else "features", out[0]
    plain = Sum(str(made), made)
    if op.op in ("conv", "conv_transpose", "locally_connected", "linear", "rbf", "unflatten"):
        return SizeSum(name, "as given", plain)
    if op.op == "fuse" and getattr(op, "by", "") == "concat":
        text = " + ".join(str(shape[0]) for shape in inputs)
        return SizeSum(name, "those of all, one after another", Sum(text, made))
    if op.op == "split":
        parts = getattr(op, "parts", None)
        if isinstance(parts, int):
            return SizeSum(name, f"{parts} equal parts", Sum(f"{x[0]} / {parts}", made))
        return SizeSum(name, "as listed", plain)
    if op.op == "maxout":
        pieces = getattr(op, "pieces", 1)
        return SizeSum(name, "channels / pieces", Sum(f"{x[0]} / {pieces}", made))
    if op.op == "pixel_shuffle":
        factor = getattr(op, "factor", 1)
        text = f"{x[0]} / ({factor} · {factor})"
        return SizeSum(name, "channels / factor²", Sum(text, made))
    if op.op == "pad" and made != x[0]:
        amounts = getattr(op, "amounts", 0)
        low, high = amounts if isinstance(amounts, tuple) else (amounts, amounts)
        return SizeSum(name, "channels + before + after", Sum(f"{x[0]} + {low} + {high}", made))
    return SizeSum(name, "as they come" if made == x[0] else "as the operator states", plain)


# ---------------------------------------------------------------------------- axes


def _axis(op: Op, name: str, geometry: Geometry, n: int, m: int) -> SizeSum:
    """One spatial axis: n units come, m leave."""
    n, m = at_hand(n), at_hand(m)
    given = Sum(str(m), m)
    if isinstance(geometry, SameWindow):
        return _same(name, geometry, n, m)
    if isinstance(geometry, Window):
        return _window(name, geometry, n, m)
    if isinstance(geometry, Scatter):
        return _scatter(op, name, geometry, n, m)
    if isinstance(geometry, Sample):
        return _sample(name, geometry, n, m)
    if isinstance(geometry, Adaptive):
        note = f"unit u reads the units from ⌊u·{n} / {m}⌋ to before ⌈(u + 1)·{n} / {m}⌉"
        return SizeSum(name, "as given", given, (note,))
    if isinstance(geometry, Shift):
        cut = geometry.lo < 0 or geometry.hi < 0
        sign, rule = ("-", "n - before - after") if cut else ("+", "n + before + after")
        text = f"{n} {sign} {abs(geometry.lo)} {sign} {abs(geometry.hi)}"
        return SizeSum(name, rule, Sum(text, m))
    if isinstance(geometry, Place):
        low, high = geometry.lo, m - n - geometry.lo
        sign = "-" if m < n else "+"
        text = f"{n} {sign} {abs(low)} {sign} {abs(high)}" if m != n else str(m)
        return SizeSum(name, "brought to the size asked for", Sum(text, m))
    if isinstance(geometry, Whole):
        return SizeSum(name, "one place is left", given, (f"of all {n} units",))
    if op.op == "unpool":
        return SizeSum(name, "that of the max pool's input", given)
    if op.op == "roi_align":
        return SizeSum(name, "as given, for each box", given)
    if n == m:
        return SizeSum(name, "as it comes", given)
    if op.op == "fuse":
        note = f"the one unit of the first value is repeated {m} times"
        return SizeSum(name, "that of the larger value", given, (note,))
    return SizeSum(name, "as the operator states", given)


def _pads(low: int, high: int) -> tuple[str, str]:
    """Padding in letters and in numbers."""
    if low == high:
        return "2·pad", f"2·{low}"
    return "before + after", f"{low} + {high}"


def _effective(geometry: Window | Scatter) -> tuple[str, int, tuple[str, ...]]:
    """The kernel's name in the rule, how many units it spans, and why."""
    extent = geometry.dilation * (geometry.kernel - 1) + 1
    if geometry.dilation == 1 or geometry.kernel == 1:
        return "kernel", extent, ()
    note = (
        f"effective kernel: {geometry.kernel} taps, {geometry.dilation} apart, "
        f"span {geometry.dilation}·({geometry.kernel} - 1) + 1 = {extent} units"
    )
    return "effective kernel", extent, (note,)


def _window(name: str, w: Window, n: int, m: int) -> SizeSum:
    letters, pads = _pads(w.lo, w.hi)
    kernel, extent, notes = _effective(w)
    top = f"{n} - {extent} + {pads}"
    span = n - extent + w.lo + w.hi
    over = span % w.stride
    opening, closing = ("⌈", "⌉") if w.ceil else ("⌊", "⌋")
    rule = f"{opening}(n - {kernel} + {letters}) / stride{closing} + 1"
    if not over:
        text = f"({top}) / {w.stride} + 1"
    else:
        text = f"{opening}({top}) / {w.stride}{closing} + 1"
    if w.ceil and m != -(-span // w.stride) + 1:
        text += " - 1"
        notes += ("the last window would start beyond the input, so it is left out",)
    elif over and w.ceil:
        rest = w.stride - over
        notes += (f"{span} / {w.stride} leaves {over}: the last window hangs over by {rest}",)
    elif over:
        notes += (f"{span} / {w.stride} leaves {over}: {_left_over(over, w.hi)}",)
    return SizeSum(name, rule, Sum(text, m), notes)


def _left_over(over: int, padding: int) -> str:
    """What floor leaves out at the end."""
    units = "1 unit" if over == 1 else f"{over} units"
    if over <= padding:
        return f"{units} of the padding at the end {'is' if over == 1 else 'are'} in no window"
    lost = over - padding
    inside = "the last unit is" if lost == 1 else f"the last {lost} units are"
    return f"{inside} in no window"


def _same(name: str, w: Window, n: int, m: int) -> SizeSum:
    _, extent, notes = _effective(w)
    need = (m - 1) * w.stride + extent - n
    work = f"({m} - 1)·{w.stride} + {extent} - {n} = {need}"
    if need > 0:
        notes += (f"padding: {work}, {w.lo} before and {w.hi} after",)
    else:
        notes += (f"padding: {work}, so none",)
    text = f"{n} / {w.stride}" if n % w.stride == 0 else f"⌈{n} / {w.stride}⌉"
    return SizeSum(name, "⌈n / stride⌉ (pad=same)", Sum(text, m), notes)


def _scatter(op: Op, name: str, s: Scatter, n: int, m: int) -> SizeSum:
    kernel, extent, notes = _effective(s)
    if getattr(op, "pad", None) == "same":
        notes += (f"of ({n} - 1)·{s.stride} + {extent} units, {s.lo} before and {s.hi} after "
                  f"are cut off, {s.extra} added",)  # fmt: skip
        return SizeSum(name, "n·stride (pad=same)", Sum(f"{n} · {s.stride}", m), notes)
    letters, pads = (
        ("2·pad", f"2·{s.lo}") if s.lo == s.hi else ("before - after", f"{s.lo} - {s.hi}")
    )
    rule = f"(n - 1)·stride + {kernel} - {letters}"
    text = f"({n} - 1)·{s.stride} + {extent} - {pads}"
    if s.extra:
        rule, text = f"{rule} + output_pad", f"{text} + {s.extra}"
    return SizeSum(name, rule, Sum(text, m), notes)


def _sample(name: str, s: Sample, n: int, m: int) -> SizeSum:
    if s.out is not None:
        return SizeSum(name, "as given" if n != m else "as it comes", Sum(str(m), m))
    if m % n == 0:
        return SizeSum(name, "n · factor", Sum(f"{n} · {m // n}", m))
    up, down = _factor(s)
    text = f"⌊({n} · {up}) / {down}⌋" if n * up % down else f"({n} · {up}) / {down}"
    return SizeSum(name, "⌊n · factor⌋", Sum(text, m))


def _factor(s: Sample) -> tuple[int, int]:
    """The factor as a reduced fraction."""
    from math import gcd

    common = gcd(s.num, s.den)
    return s.den // common, s.num // common
