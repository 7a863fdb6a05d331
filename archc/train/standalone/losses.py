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
        names = [
            "criterion" if len(choices) == 1 else f"{c.name}_{i + 1}" for i, c in enumerate(choices)
        ]
        for name, choice in zip(names, choices, strict=True):
            self.functions.append(self._function(name, choice))
        weights = ", ".join(f"({weight}, {names[i]})" for weight, i in named)
        self.weight = named[0][0] if self.single else 1.0
        self.of = names[0]
        self.pairs = f"[{weights}]"

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
