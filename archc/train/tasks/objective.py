"""What is minimised and what is measured: losses of all outputs, and sums for the metrics.

A network gives one tensor, or a tuple of values: its main outputs, then (in training) the
auxiliary ones, in the order of their declarations. A value is a tensor or a list of tensors (an
output that is a list, as a stack of heatmaps), whose losses add up and whose last is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...diagnostics import closest
from ..data.sources import Split
from ..data.targets import check_labels
from ..errors import TrainError
from ..settings.choices import Bce, ByTask, CrossEntropy, Heatmaps, Loss
from ..settings.recipe import Recipe
from .losses import DEFAULTS, Criterion, Mixed, Target, criterion
from .metrics import (
    Classification,
    Keypoints,
    Measured,
    Metric,
    Regression,
    Segmentation,
    title,
    words,
)

__all__ = ["Head", "Measured", "Objective", "Tally", "make_heads", "tensors", "values_of"]


@dataclass(frozen=True)
class Head:
    """One output: its loss, how much it counts, and whether it exists in training only."""

    name: str
    weight: float
    choice: Loss
    training: bool


def make_heads(recipe: Recipe, outputs: Sequence[tuple[str | None, bool]]) -> list[Head]:
    """A head per output, main ones first. Raises TrainError E0801 or E0802."""
    names = [name or f"output{i + 1}" for i, (name, _) in enumerate(outputs)]
    bases = list(dict.fromkeys(_base(name) for name in names))
    for name in recipe.losses:
        if name not in bases:
            near = closest(name, bases)
            raise TrainError(
                "E0801",
                f"the network has no output `{name}`",
                recipe.place(f"loss.{name}"),
                help=f"did you mean `loss.{near}`?" if near else "outputs: " + ", ".join(bases),
            )
    heads = []
    for name, (_, training) in zip(names, outputs, strict=True):
        given = recipe.losses.get(_base(name))
        if given is None and training:
            raise TrainError(
                "E0802",
                f"the recipe has no loss for the auxiliary output `{name}`",
                recipe.place("loss"),
                help=f"write `loss.{name} = [0.3, cross_entropy()]`",
            )
        choice = given.loss if given else recipe.loss
        weight = given.weight if given else 1.0
        heads.append(Head(name, weight, choice, training))
    if not any(head.weight > 0 for head in heads):
        raise TrainError(
            "E0802", "no output has a weight above 0, so there is nothing to learn from"
        )
    return sorted(heads, key=lambda head: head.training)


def _base(name: str) -> str:
    """`heatmaps[3]` is part of the output `heatmaps`, a list; its loss is for every part."""
    return name.partition("[")[0]


def check_fit(heads: Sequence[Head], values: Sequence[Any], splits: Sequence[Split]) -> None:
    """Do the targets suit the outputs and the losses? Raises TrainError E0802, E0805 or E0806."""
    for head, value in zip(heads, values, strict=True):
        for out in tensors(value):
            for split in splits:
                _check(head, tuple(out.shape[1:]), split)


def _check(head: Head, want: tuple[int, ...], split: Split) -> None:
    kind, have = split.kind, tuple(split.y.shape[1:])
    choice = DEFAULTS[kind] if isinstance(head.choice, ByTask) else head.choice
    if (kind == "keypoints") != isinstance(choice, Heatmaps):
        raise TrainError(
            "E0806",
            f"`{choice.name}` cannot learn from `{split.y_from}`, which holds {WORDS[kind]}",
            help=f"use `{DEFAULTS[kind].name}()`",
        )
    if kind == "keypoints":
        if len(want) != 3 or want[0] != have[0]:
            raise TrainError(
                "E0806",
                f"output `{head.name}` is {_shape(want)}; `{split.y_from}` has {have[0]} keypoints "
                "per sample, which need a heatmap each",
                help=f"give it {have[0]} channels, height and width",
            )
        return
    if kind == "values":
        if isinstance(choice, CrossEntropy) or choice.name == "dice":
            raise TrainError(
                "E0806",
                f"`{choice.name}` needs class numbers; `{split.y_from}` holds fractions",
                help="use `mse()` or `bce()`",
            )
        if want != have:
            raise _unlike(head, want, have, split)
        if isinstance(choice, Bce) and not 0 <= float(split.y.min()) <= float(split.y.max()) <= 1:
            raise TrainError(
                "E0806",
                f"`bce` needs shares from 0 to 1; `{split.y_from}` holds "
                f"{float(split.y.min()):g} to {float(split.y.max()):g}",
                help="use `mse()`",
            )
        return
    _check_classes(head, choice, want, have, split)


def _check_classes(
    head: Head, choice: Loss, want: tuple[int, ...], have: tuple[int, ...], split: Split
) -> None:
    if isinstance(choice, CrossEntropy) or want[:1] != (1,):
        if not want or want[1:] != have:
            raise _unlike(head, want[1:], have, split)
        if isinstance(choice, CrossEntropy) and choice.weights not in (None, []):
            given = len(choice.weights or [])
            if given != want[0]:
                raise TrainError(
                    "E0802", f"`cross_entropy` has {given} weights for {want[0]} classes"
                )
        check_labels(split, want[0])
        return
    if have not in (want, want[1:]):
        raise _unlike(head, want, have, split)
    if choice.name in ("mse", "huber"):
        raise TrainError(
            "E0806",
            f"output `{head.name}` tells two classes by its sign; `{choice.name}` would teach it "
            "0 and 1",
            help="use `bce()`, or an output of two channels",
        )
    check_labels(split, 2)


WORDS = {
    "classes": "class numbers",
    "masks": "masks of class numbers",
    "values": "fractions",
    "keypoints": "keypoints",
}


def _unlike(head: Head, want: tuple[int, ...], have: tuple[int, ...], split: Split) -> TrainError:
    return TrainError(
        "E0806",
        f"output `{head.name}` needs targets of {_shape(want)} per sample, "
        f"but `{split.y_from}` has {_shape(have)}",
    )


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]" if shape else "one number"


def tensors(value: Any) -> list[Tensor]:
    """The tensors of an output."""
    return [value] if isinstance(value, Tensor) else [t for part in value for t in tensors(part)]


def values_of(result: Any, count: int) -> list[Any]:
    """What a network of `count` outputs gave, one value per output.

    An output that is a list, beside others, counts as often as it has parts.
    """
    if count == 1:
        return [result]
    values = list(result)
    return values if len(values) == count else tensors(values)


def make_objective(
    heads: Sequence[Head],
    values: Sequence[Any],
    split: Split,
    input_shape: tuple[int, ...],
    ignoring: bool,
) -> Objective:
    """What to minimise and to measure, by what the network gave (`values`) and the targets are.

    `input_shape`: without the batch. `ignoring`: some places of the targets may be `IGNORED`.
    """
    size = (input_shape[-2], input_shape[-1]) if len(input_shape) == 3 else (1, 1)
    out = tensors(values[_measured(heads)])[-1]
    channels = out.shape[1] if out.ndim > 1 else 1
    metrics: dict[str, Metric] = {
        "classes": Classification(channels),
        "masks": Segmentation(channels),
        "values": Regression(),
        "keypoints": Keypoints(channels, size),
    }
    return Objective(heads, metrics[split.kind], split.kind, size, ignoring)


def _measured(heads: Sequence[Head]) -> int:
    """Which main output is measured: the first, or its last part where it is a list."""
    main = [head for head in heads if not head.training]
    same = [_base(head.name) == _base(main[0].name) for head in main]
    return len(same) - 1 - same[::-1].index(True)


class Objective:
    """Loss and metric of all outputs. The sums of a batch stay on the device."""

    def __init__(
        self,
        heads: Sequence[Head],
        measure: Metric,
        kind: str,
        input_size: tuple[int, int] = (1, 1),
        ignoring: bool = False,
    ) -> None:
        self.heads = list(heads)
        self.main = [head for head in heads if not head.training]
        self.measured = _measured(heads)
        self.measure = measure
        self.metric = measure.main
        """Name of the figure that the best epoch is chosen by."""
        self._criteria: list[Criterion] = [
            criterion(head.choice, kind, input_size, ignoring) for head in heads
        ]
        self._kind = kind

    @property
    def title(self) -> str:
        """`segmentation into 6 classes by cross_entropy, measured by mean IoU`."""

        def loss(head: Head) -> str:
            auto = isinstance(head.choice, ByTask)
            name = DEFAULTS[self._kind].name if auto else head.choice.name
            alone = len(self.heads) == 1
            return name if alone else f"{head.weight:g} {name} of {head.name}"

        losses = " + ".join(loss(head) for head in self.heads)
        return f"{self.measure.task} by {losses}, measured by {title(self.metric)}"

    def better(self, one: Measured, other: Measured) -> bool:
        """Is the first the better one? Equal metrics are told apart by the loss."""
        sign = 1 if self.measure.higher else -1
        a, b = sign * one.metric, sign * other.metric
        return a > b or (a == b and one.loss < other.loss)

    def words(self, measured: Measured) -> str:
        """`accuracy 84.1%` or `error 0.0312`."""
        return words(self.metric, measured.metric)

    def counts(self, target: Target) -> Tensor | None:
        """What the mean of each output's loss is over, [outputs]; None: all are over samples."""
        found = [each.count(target) for each in self._criteria]
        known = next((count for count in found if count is not None), None)
        if known is None:
            return None
        size = len(target.first if isinstance(target, Mixed) else target)
        samples = known.new_full((), size)  # filled on the device: copied there, it would wait
        return torch.stack([samples if count is None else count for count in found])

    def loss(
        self, result: Any, target: Target, training: bool, shares: Tensor | None = None
    ) -> Tensor:
        """Weighted sum over outputs, a scalar with a gradient.

        `shares`: of a part of a batch, how much of the batch it is by each of `counts`.
        """
        heads = self.heads if training else self.main
        total: Tensor | None = None
        values = values_of(result, len(heads))
        for i, (head, each, value) in enumerate(zip(heads, self._criteria, values, strict=False)):
            weight = head.weight if shares is None else head.weight * shares[i]
            for out in tensors(value):
                part = each(out, target)
                if isinstance(weight, Tensor) or weight != 1:
                    part = part * weight
                total = part if total is None else total + part
        assert total is not None
        return total

    def sums(self, result: Any, target: Target, loss: Tensor, training: bool) -> Tensor:
        """[2 + the metric's] of a batch: loss times samples, samples, the metric's own sums."""
        out, true = self.seen(result, target, training)
        measured = self.measure.sums(out, true)
        count = measured.new_full((1,), len(true))
        return torch.cat([loss.detach().to(measured.dtype).reshape(1) * count, count, measured])

    def seen(self, result: Any, target: Target, training: bool) -> tuple[Tensor, Tensor]:
        """What the metric looks at: the measured output, and what it should be.

        Of samples that were blended, the likelier class is the right one.
        """
        heads = self.heads if training else self.main
        out = tensors(values_of(result, len(heads))[self.measured])[-1].detach()
        true = target.likelier() if isinstance(target, Mixed) else target
        if not true.is_floating_point() and out.shape[1] == 1:
            true = true.reshape(out[:, 0].shape)
        return out, true


class Tally:
    """Adds up batches. What only the device knows stays there until `read`.

    Scores of classes are few numbers, and counting them many small operations: those of several
    batches are counted together. Whole numbers add up the same in any grouping; losses, which do
    not, are added batch by batch.
    """

    TOGETHER, LARGEST = 32, 1 << 18
    """Batches that wait to be counted at once, and the most numbers that one of them may have."""

    def __init__(self, objective: Objective, device: torch.device) -> None:
        # a whole epoch of dense targets counts beyond what float32 holds exactly
        wide = torch.float32 if device.type == "mps" else torch.float64
        self._objective = objective
        self._measure = objective.measure
        self._sums = torch.zeros(2 + self._measure.size, dtype=wide, device=device)
        self._loss = self._sums[0]  # a view of it
        self._waiting: list[tuple[Tensor, Tensor]] = []

    def add(self, result: Any, target: Target, loss: Tensor, training: bool) -> None:
        """A batch: what the network gave, what it should have, and the loss of that."""
        out, true = self._objective.seen(result, target, training)
        self._loss.add_(loss.detach(), alpha=len(true))
        self._waiting.append((out, true))
        whole = isinstance(self._measure, Classification) and out.numel() <= self.LARGEST
        if not whole or len(self._waiting) >= self.TOGETHER:
            self._count()

    def _count(self) -> None:
        if not self._waiting:
            return
        outs, trues = zip(*self._waiting, strict=True)
        self._waiting = []
        out, true = (torch.cat(part) if len(part) > 1 else part[0] for part in (outs, trues))
        self._sums[1].add_(len(true))
        self._sums[2:].add_(self._measure.sums(out, true))

    def state(self) -> Tensor:
        """All that was added, as one vector on the device: to be saved, or summed over ranks."""
        self._count()
        return self._sums.clone()

    def restore(self, state: Tensor) -> None:
        """Take what `state` gave, here or (as a sum) in several processes, as what was added."""
        self._waiting = []
        self._sums.copy_(state)

    def read(self, table: bool = True) -> Measured:
        """Waits for the device. `table`: with the confusion matrix, where there is one."""
        self._count()
        loss, samples, *own = self._sums.tolist()
        figures = self._measure.figures(own)
        return Measured(
            loss / max(samples, 1),
            figures[self._measure.main] or 0.0,
            figures,
            self._measure.table(own) if table else None,
        )
