"""What is minimised and what is measured: losses of all outputs, and sums for the metrics.

A network gives one tensor, or a tuple of values: its main outputs, then (in training) the
auxiliary ones, in the order of their declarations. A value is a tensor or a list of tensors (an
output that is a list, as a stack of heatmaps), whose losses add up and whose last is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..diagnostics import closest
from .choices import Bce, CrossEntropy, Loss
from .errors import TrainError
from .fitting import check_labels
from .recipe import Recipe
from .sources import Split

Criterion = Callable[[Tensor, Tensor], Tensor]
"""(prediction, target) to a scalar: the mean over the batch."""


@dataclass(frozen=True)
class Head:
    """One output: its loss, how much it counts, and whether it exists in training only."""

    name: str
    weight: float
    choice: Loss
    criterion: Criterion
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
        heads.append(Head(name, weight, choice, _criterion(choice), training))
    return sorted(heads, key=lambda head: head.training)


def _base(name: str) -> str:
    """`heatmaps[3]` is part of the output `heatmaps`, a list; its loss is for every part."""
    return name.partition("[")[0]


def _criterion(choice: Loss) -> Criterion:
    if isinstance(choice, CrossEntropy):
        smoothing = choice.label_smoothing
        return lambda p, t: F.cross_entropy(p.float(), t, label_smoothing=smoothing)
    if isinstance(choice, Bce):
        return lambda p, t: F.binary_cross_entropy_with_logits(p.float(), _dense(p, t))
    return lambda p, t: F.mse_loss(p.float(), _dense(p, t))


def _dense(prediction: Tensor, target: Tensor) -> Tensor:
    """Class numbers as one-hot rows (or as 0 and 1, for a single output); other targets as is."""
    if target.is_floating_point():
        return target
    if prediction.ndim > 1 and prediction.shape[1] == 1:
        return target.reshape(prediction.shape).float()
    return F.one_hot(target, prediction.shape[1]).movedim(-1, 1).float()


def check_fit(heads: Sequence[Head], values: Sequence[Any], splits: Sequence[Split]) -> None:
    """Do the targets suit the outputs? Raises TrainError E0805 or E0806."""
    for head, value in zip(heads, values, strict=True):
        for out in tensors(value):
            for split in splits:
                _check(head, out, split)


def _check(head: Head, out: Tensor, split: Split) -> None:
    want, have = tuple(out.shape[1:]), tuple(split.y.shape[1:])
    if split.y.is_floating_point():
        if isinstance(head.choice, CrossEntropy):
            raise TrainError(
                "E0806",
                f"`cross_entropy` needs class numbers; `{split.y_from}` holds fractions",
                help="use `mse()` or `bce()`",
            )
        if want != have:
            raise _unlike(head, want, have, split)
        return
    if isinstance(head.choice, CrossEntropy) or want[:1] != (1,):
        if not want or want[1:] != have:
            raise _unlike(head, want[1:], have, split)
        check_labels(split, want[0])
        return
    if have not in (want, want[1:]):
        raise _unlike(head, want, have, split)
    check_labels(split, 2)


def _unlike(head: Head, want: tuple[int, ...], have: tuple[int, ...], split: Split) -> TrainError:
    def text(shape: tuple[int, ...]) -> str:
        return f"[{', '.join(map(str, shape))}]" if shape else "one number"

    return TrainError(
        "E0806",
        f"output `{head.name}` needs targets of {text(want)} per sample, "
        f"but `{split.y_from}` has {text(have)}",
    )


def tensors(value: Any) -> list[Tensor]:
    """The tensors of an output."""
    return [value] if isinstance(value, Tensor) else [t for part in value for t in tensors(part)]


def values_of(result: Any, count: int) -> list[Any]:
    """What a network of `count` outputs gave, one value per output."""
    if count == 1:
        return [result]
    return list(result)


@dataclass(frozen=True)
class Measured:
    """Loss and metric over some samples."""

    loss: float
    metric: float


class Objective:
    """Loss and metric of all outputs. The sums of a batch stay on the device."""

    def __init__(self, heads: Sequence[Head], classes: bool) -> None:
        self.heads = list(heads)
        self.main = [head for head in heads if not head.training]
        same = [_base(h.name) == _base(self.main[0].name) for h in self.main]
        self.measured = len(same) - 1 - same[::-1].index(True)
        """Which output the metric is of: the first, or its last part where it is a list."""
        self.metric = "accuracy" if classes else "error"
        """Share of right answers; for targets that are no classes, the mean absolute error."""
        self.classes = classes

    def better(self, one: Measured, other: Measured) -> bool:
        """Is the first the better one? Equal metrics are told apart by the loss."""
        a, b = (one.metric, other.metric) if self.classes else (-one.metric, -other.metric)
        return a > b or (a == b and one.loss < other.loss)

    def words(self, measured: Measured) -> str:
        """`accuracy 84.1%` or `error 0.0312`."""
        if self.classes:
            return f"accuracy {measured.metric:.1%}"
        return f"error {measured.metric:.4g}"

    def loss(self, result: Any, target: Tensor, training: bool) -> Tensor:
        """Weighted sum over outputs, a scalar with a gradient."""
        heads = self.heads if training else self.main
        total: Tensor | None = None
        for head, value in zip(heads, values_of(result, len(heads)), strict=True):
            for out in tensors(value):
                part = head.criterion(out, target) * head.weight
                total = part if total is None else total + part
        assert total is not None
        return total

    def sums(self, result: Any, target: Tensor, loss: Tensor, training: bool) -> Tensor:
        """[loss times samples, score] of a batch; the score is that of the output `measured`."""
        heads = self.heads if training else self.main
        out = tensors(values_of(result, len(heads))[self.measured])[-1].detach()
        if self.metric == "accuracy":
            if out.shape[1] == 1:
                right = (out.reshape(target.shape) > 0).long() == target
            else:
                right = out.argmax(1) == target
            score = right.sum()
        else:
            score = (out.float() - target).abs().sum()
        return torch.stack([loss.detach() * len(target), score])


class Tally:
    """Adds up batches. What only the device knows stays there until `read`."""

    def __init__(self, device: torch.device) -> None:
        # a whole epoch of dense targets counts beyond what float32 holds exactly
        wide = torch.float32 if device.type == "mps" else torch.float64
        self._sums = torch.zeros(2, dtype=wide, device=device)
        self._places = 0
        self.samples = 0

    def add(self, sums: Tensor, target: Tensor) -> None:
        """A batch: `Objective.sums` and its targets."""
        self._sums += sums
        self._places += target.numel()
        self.samples += len(target)

    def state(self) -> Tensor:
        """All that was added, as one vector on the device: to be saved, or summed over ranks."""
        counts = torch.tensor([self._places, self.samples], dtype=self._sums.dtype)
        return torch.cat([self._sums, counts.to(self._sums.device)])

    def restore(self, state: Tensor) -> None:
        """Take what `state` gave, here or (as a sum) in several processes, as what was added."""
        self._sums = state[:-2].to(self._sums)
        self._places, self.samples = (round(n) for n in state[-2:].tolist())

    def read(self) -> Measured:
        """Waits for the device."""
        loss, score = self._sums.tolist()
        return Measured(loss / max(self.samples, 1), score / max(self._places, 1))
