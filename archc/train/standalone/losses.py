"""The loss of a recipe as code: one function per kind of loss, and the sum over outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..choices import ByTask, CrossEntropy, Dice, Heatmaps, Huber, Loss
from ..losses import DEFAULTS
from ..objective import Head
from .layout import call


class Criteria:
    """Functions and constants for the losses of all outputs."""

    def __init__(
        self, heads: Sequence[Head], kind: str, ignoring: bool, size: tuple[int, int]
    ) -> None:
        self.kind = kind
        self.ignoring = ignoring
        self.constants: dict[str, str] = {}
        self.functions: list[str] = []
        self.single = len(heads) == 1
        choices: list[Loss] = []
        named = []
        for head in heads:
            choice = DEFAULTS[kind] if isinstance(head.choice, ByTask) else head.choice
            if choice not in choices:
                choices.append(choice)
            named.append((head.weight, choices.index(choice)))
        names = ["criterion"] if len(choices) == 1 else _names(choices)
        for name, choice in zip(names, choices, strict=True):
            self.functions.append(self._function(name, choice))
        weights = ", ".join(f"({weight}, {names[i]})" for weight, i in named)
        self.weight = named[0][0] if self.single else 1.0
        self.of = names[0]
        self.pairs = f"[{weights}]"

        self.counted = self._counted(choices[0]) if self.single else None
        """What the mean of the only loss is over, as an expression of `target`; None: samples."""

    def _counted(self, choice: Loss) -> str | None:
        """As `losses.Criterion.count`."""
        if isinstance(choice, Heatmaps):
            return "(target[..., 2] > 0).sum()"
        there = "(target != IGNORED)" if self.ignoring else ""
        if isinstance(choice, CrossEntropy) and choice.weights:
            at = "[target.clamp_min(0)]" if there else "[target]"
            weights = f"WEIGHTS.to(target.device){at}"
            return f"({there} * {weights}).sum()" if there else f"{weights}.sum()"
        if isinstance(choice, Dice) or not there or self.kind == "values":
            return None
        return f"{there}.sum()"

    def _function(self, name: str, choice: Loss) -> str:
        head = f"def {name}(output: Tensor, target: Tensor) -> Tensor:\n"
        return head + "".join(f"    {line}\n" for line in self._lines(choice)).rstrip()

    def _lines(self, choice: Loss) -> list[str]:
        if isinstance(choice, CrossEntropy):
            return self._cross_entropy(choice)
        if isinstance(choice, Dice):
            return self._dice(choice)
        if isinstance(choice, Heatmaps):
            self.constants["SIGMA"] = repr(choice.sigma)
            return [
                '"""Against hills of SIGMA cells."""',
                "return heatmaps(output.float(), target)",
            ]
        kind: Any = {"bce": "binary_cross_entropy_with_logits", "huber": "huber_loss"}
        function = kind.get(choice.name, "mse_loss")
        extra = [f"delta={choice.delta}"] if isinstance(choice, Huber) else []
        doc = {"bce": "Binary cross entropy of logits.", "huber": "Huber loss."}
        lines = [f'"""{doc.get(choice.name, "Mean squared error.")}"""']
        wanted = "target" if self.kind == "values" else "one_hot(output, target)"
        arguments = ["output.float()", wanted, *extra]
        if not self.ignoring or self.kind == "values":
            return [*lines, *call(f"return F.{function}(", arguments, within=4)]
        arguments.append('reduction="none"')
        return [
            *lines,
            *call(f"loss = F.{function}(", arguments, within=4),
            "return mean_over_places(loss, output, target)",
        ]

    def _cross_entropy(self, choice: CrossEntropy) -> list[str]:
        doc = '"""Softmax cross entropy."""'
        weight = "None"
        if choice.weights:
            self.constants["WEIGHTS"] = f"torch.tensor({choice.weights})"
            weight = "WEIGHTS.to(output.device)"
        if self.ignoring:
            values = f"{weight}, {choice.label_smoothing}"
            return [doc, f"return masked_cross_entropy(output.float(), target, {values})"]
        extra = f", {weight}" if choice.weights else ""
        if choice.label_smoothing:
            extra += f", label_smoothing={choice.label_smoothing}"
        return [doc, f"return F.cross_entropy(output.float(), target{extra})"]

    def _dice(self, choice: Dice) -> list[str]:
        self.constants["SMOOTH"] = repr(choice.smooth)
        lines = ['"""Soft Dice loss."""', "output = output.float()"]
        if not choice.cross_entropy:
            return [*lines, "return dice(output, target)"]
        lines[0] = '"""Soft Dice loss and cross entropy."""'
        entropy = (
            "masked_cross_entropy(scores, target, None, 0.0)"
            if self.ignoring
            else ("F.cross_entropy(scores, target)")
        )
        return [
            *lines,
            "scores = output",
            "if output.shape[1] == 1:  # a logit against 0 is two classes",
            "    scores = torch.cat([torch.zeros_like(output), output], 1)",
            "    target = target.reshape(scores[:, 0].shape)",
            f"return dice(output, target) + {choice.cross_entropy} * {entropy}",
        ]


def _names(choices: Sequence[Loss]) -> list[str]:
    """What the functions of several losses are called: numbered where the name is not enough."""
    kinds = [choice.name for choice in choices]
    return [
        f"{kind}_loss" if kinds.count(kind) == 1 else f"{kind}_loss_{i + 1}"
        for i, kind in enumerate(kinds)
    ]
