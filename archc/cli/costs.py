"""What `archc check` prints for `--device`, `--batch` and `--convention`: memory, time, counts."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from functools import cached_property
from textwrap import wrap
from typing import NamedTuple

from ..analysis.cells import clean, commas
from ..analysis.conventions import CONVENTIONS, Convention, Conventions, Counted
from ..analysis.devices import DEVICES, Device
from ..analysis.facts import FactTable
from ..analysis.memory_budget import LEFT, Budget, budget
from ..analysis.roofline import Roofline, Timed, Total
from ..graph import Graph

SLOWEST = 10
"""Layers that are listed unless all are asked for."""

HEAD = ("layer", "operator", "FLOPs", "bytes", "FLOPs/byte", "time", "share", "bound by")
_RIGHT = (False, False, True, True, True, True, True, False)


class Asked(NamedTuple):
    """What the arguments ask for, checked."""

    device: Device | None
    batch: int
    precision: str
    optimizer: str
    conventions: list[Convention]
    memory: bool


def asked(args: argparse.Namespace) -> Asked:
    """Raises ValueError where a device cannot do what is asked."""
    device = DEVICES[args.device] if args.device else None
    if device is not None and device.rate(args.precision) is None:
        able = [p for p in ("fp32", "tf32", "bf16") if device.rate(p) is not None]
        raise ValueError(f"{device.name} has no {args.precision}; it has {', '.join(able)}")
    names = list(args.convention)
    if args.all_flops:
        names.append("all-flops")
    chosen = list(CONVENTIONS) if "all" in names else list(dict.fromkeys(names))
    return Asked(
        device,
        args.batch or 1,
        args.precision,
        args.optimizer,
        [CONVENTIONS[name] for name in chosen],
        bool(args.device or args.batch),
    )


class Costs:
    """The costs of one network as they were asked for."""

    def __init__(self, graph: Graph, ask: Asked) -> None:
        self.ask = ask
        facts = FactTable(graph)
        conventions = Conventions(graph, facts)
        self.counted = [conventions.counted(one) for one in ask.conventions]
        whole = any(one.elementwise for one in ask.conventions)
        self.elementwise = conventions.elementwise() if whole else {}
        device = ask.device
        cuda = device is not None and device.cuda
        self.budget: Budget | None = budget(graph, cuda, facts) if ask.memory else None
        self.roofline: Roofline | None = None
        if device is not None:
            self.roofline = Roofline(graph, device, ask.batch, ask.precision, facts)

    @cached_property
    def layers(self) -> list[Timed]:
        """All layers in the order of execution; none where no device was asked for."""
        return [] if self.roofline is None else list(self.roofline.layers())

    @cached_property
    def total(self) -> Total:
        """Of one forward pass."""
        return Total(0.0, 0.0, 0, 0) if self.roofline is None else self.roofline.total()

    @property
    def seconds(self) -> float:
        """Of one forward pass."""
        return self.total.seconds


# ---------------------------------------------------------------------------- sentences


def facts(costs: Costs) -> list[tuple[str, str]]:
    """Names and sentences, one of each a line."""
    found = [(f"as {one.convention.name}", _counted(one)) for one in costs.counted]
    if costs.elementwise:
        said = ", ".join(f"{name} {rounded(work)}" for name, work in costs.elementwise.items())
        found.append(("elementwise", f"{rounded(sum(costs.elementwise.values()))}: {said}"))
    if costs.budget is not None:
        found += _memory(costs.budget, costs.ask)
    if costs.roofline is not None:
        found += _time(costs, costs.roofline)
    return found


def _counted(one: Counted) -> str:
    how = one.convention
    return f"{figure(one.figure)} {how.unit}, {commas(one.params)} params: {how.about}"


def figure(number: float) -> str:
    """`4.09`, `16.09`, `0.30`; four digits of what is smaller, so that it does not come to 0."""
    return f"{number:,.2f}" if number >= 0.1 else f"{number:.3g}"


def _memory(found: Budget, ask: Asked) -> list[tuple[str, str]]:
    batch, device = ask.batch, ask.device
    saved, state = found.saved, found.optimizer(ask.optimizer)
    parts = [
        f"weights {amount(found.weights)}",
        f"gradients {amount(found.gradients)}",
        f"{ask.optimizer} {amount(state)}" if state else f"{ask.optimizer} has no state",
        f"saved activations {amount(saved.of(batch))}",
        f"gradients on the way {amount(batch * found.working)}",
    ]
    training = found.training(batch, ask.optimizer)
    lines = [
        (f"training, batch {commas(batch)}", f"{amount(training)} = {' + '.join(parts)}"),
        ("saved per sample", f"{amount(saved.sample)} = {commas(saved.sample)} bytes, float32"),
        (
            f"inference, batch {commas(batch)}",
            f"{amount(found.inference(batch))} = weights {amount(found.inference_weights)} + live "
            f"activations {amount(batch * found.peak)}",
        ),
    ]
    if device is not None:
        most = found.largest_training(device, ask.optimizer)
        served = found.largest_inference(device)
        verdict = "fits" if batch <= most else "does not fit"
        lines.append((
            f"{device.name}, {amount(device.memory)}",
            f"training {verdict}; the largest batch is {commas(most)}, for inference "
            f"{commas(served)} ({LEFT}% of the memory left free)",
        ))  # fmt: skip
    return lines


def _time(costs: Costs, roofline: Roofline) -> list[tuple[str, str]]:
    device, (seconds, moving, work, moved) = roofline.device, costs.total
    intensity = work / moved if moved else 0.0
    share = 100 * moving / seconds if seconds else 0.0
    rate = f"{roofline.rate / 1e12:g} TFLOPS {roofline.precision}"
    speed = f"{device.bandwidth / 1e9:,g} GB/s"
    return [
        ("device", f"{device.title}: {rate}, {speed} ({device.source})"),
        (
            f"forward, batch {commas(roofline.batch)}",
            f"{span(seconds)} at best, {rounded(roofline.batch / seconds if seconds else 0)} "
            f"samples a second; {share:.0f}% of it in layers bound by memory",
        ),
        (
            "intensity",
            f"{intensity:.1f} FLOPs per byte; compute is the bound from {roofline.ridge:.1f}",
        ),
    ]


# ---------------------------------------------------------------------------- layers


def rows(costs: Costs, every: bool) -> list[tuple[str, ...]]:
    """The slowest layers, slowest first, or all in the order of execution."""
    layers: Sequence[Timed] = costs.layers
    if not every:
        layers = sorted(layers, key=lambda layer: -layer.seconds)[:SLOWEST]
    whole = costs.seconds or 1.0
    return [
        (
            clean(layer.work.path),
            layer.work.op,
            rounded(layer.work.operations),
            amount(layer.work.moved),
            f"{layer.work.intensity:.1f}",
            span(layer.seconds),
            f"{100 * layer.seconds / whole:.1f}%",
            layer.bound if layer.seconds else "",
        )
        for layer in layers
    ]


def text(costs: Costs, every: bool, color: bool = False, columns: int = 100) -> str:
    """What follows the table of a network, for a terminal of so many columns."""

    def dim(said: str) -> str:
        return f"\x1b[2m{said}\x1b[0m" if color else said

    lines = facts(costs)
    width = max(len(name) for name, _ in lines)
    out: list[str] = []
    for name, said in lines:
        parts = wrap(said, max(columns - width - 2, 20)) or [""]
        out.append(f"{dim(name.ljust(width))}  {parts[0]}")
        out += [" " * (width + 2) + part for part in parts[1:]]
    if costs.layers:
        found = rows(costs, every)
        widths = [max(len(row[i]) for row in (HEAD, *found)) for i in range(len(HEAD))]
        out += ["", dim(_aligned(HEAD, widths))]
        out += [_aligned(row, widths) for row in found]
        left = len(costs.layers) - len(found)
        if left:
            out.append(dim(f"… and {commas(left)} faster ones; --unfold shows all"))
    return "\n".join(line.rstrip() for line in out)


def markdown(costs: Costs, every: bool) -> str:
    """The same in Markdown."""
    out = [f"- {name}: {said}" for name, said in facts(costs)]
    if costs.layers:
        out += ["", _piped(HEAD), _piped(["---:" if right else "---" for right in _RIGHT])]
        out += [_piped(row) for row in rows(costs, every)]
    return "\n".join(out)


CSV = ("flops", "bytes", "intensity", "seconds", "bound")


def csv(records: str, networks: Iterable[tuple[str, Costs]]) -> str:
    """Records of layers (`tables.csv`) with columns for what each costs; empty for layers that do
    not run at inference."""
    import csv as table
    import io

    known = {(name, layer.work.path): layer for name, costs in networks for layer in costs.layers}
    head, *found = table.reader(io.StringIO(records))
    out = io.StringIO()
    writer = table.writer(out, lineterminator="\n")
    writer.writerow([*head, *CSV])
    for record in found:
        layer = known.get((record[0], record[1]))
        cells = [""] * len(CSV)
        if layer is not None:
            work = layer.work
            intensity, seconds = f"{work.intensity:.6g}", f"{layer.seconds:.6g}"
            cells = [str(work.operations), str(work.moved), intensity, seconds, layer.bound]
        writer.writerow([*record, *cells])
    return out.getvalue()


def _aligned(cells: Sequence[str], widths: list[int]) -> str:
    parts = zip(cells, widths, _RIGHT, strict=True)
    return "  ".join(c.rjust(w) if right else c.ljust(w) for c, w, right in parts)


def _piped(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


# ---------------------------------------------------------------------------- numbers


def amount(size: int) -> str:
    """Bytes as people say them: `97.5 MiB`."""
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size} bytes"


def span(seconds: float) -> str:
    """A time in three digits: `12.9 ms`."""
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= unit:
            return f"{_three(seconds / unit)} {name}"
    return f"{_three(seconds * 1e9)} ns" if seconds else "0"


def rounded(number: float) -> str:
    """A count in three digits: `4.12G`."""
    for unit, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K")):
        if number >= unit:
            return f"{_three(number / unit)}{letter}"
    return _three(number)


def _three(number: float) -> str:
    return f"{number:.0f}" if number >= 99.95 else f"{number:.3g}"


def listing() -> str:
    """What `--convention list` prints."""
    width = max(map(len, CONVENTIONS))
    return "\n".join(f"{name.ljust(width)}  {one.about}" for name, one in CONVENTIONS.items())
