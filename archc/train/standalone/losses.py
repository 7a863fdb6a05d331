"""The loss of a recipe as code: one function per kind of loss, and the sum over outputs."""

from __future__ import annotations

from collections.abc import Sequence

from ..settings.choices import Bce, ByTask, CrossEntropy, Dice, Heatmaps, Huber, Loss
from ..tasks.losses import DEFAULTS
from .case import Case
from .layout import call, comprehension, lines


class Criteria:
    """Functions and constants for the losses of all outputs."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.constants: dict[str, str] = {}
        self.functions: list[str] = []
        self.single = len(case.heads) == 1
        choices = [DEFAULTS[case.kind] if isinstance(head.choice, ByTask) else head.choice
                   for head in case.heads]  # fmt: skip
        bodies = [
            tuple(self._lines(choice, shape))
            for choice, shape in zip(choices, case.outputs, strict=True)
        ]
        kinds = dict(zip(bodies, choices, strict=True))  # each in its own words, once
        names = ["criterion"] if len(kinds) == 1 else _names(list(kinds.values()))
        of = dict(zip(kinds, names, strict=True))
        self._names = names
        self._terms = [(head.weight, of[b]) for head, b in zip(case.heads, bodies, strict=True)]
        self._masses = [self._mass(choice) for choice in choices]
        self.by_output = len(set(self._masses)) > 1
        """Are the losses of several outputs means over different things?"""
        self.divided = any(self._masses)
        """Is the loss a mean over something else than samples?"""
        for body, name in of.items():
            head = f"def {name}(output: Tensor, target: Tensor) -> Tensor:"
            self.functions.append(lines(head, [f"    {line}" for line in body]))
        if self.divided:
            self.functions.append(self._normalizer())
        if not self.single:
            self.functions.append(self._total())

    @property
    def divided_in_training(self) -> bool:
        """The same of training batches: what was blended out of two classes has no number."""
        return self.divided and not self.case.soft

    def of(self, paths: Sequence[str], target: str, share: str = "", *, each: bool = False) -> str:
        """The loss of a batch as an expression.

        `paths`: of the outputs, `Case.trained` or `evaluated`. `share`: how much of a whole it is,
        if need be. `each`: that is as many numbers as outputs.
        """
        outputs = _listed(paths)
        if self.by_output:
            given = share if each else f"[{share or '1.0'}] * {len(self._terms)}"
            return f"total_loss({outputs}, {target}, {given})"
        times = f" * {share}" if share else ""
        if not self.single:
            return f"total_loss({outputs}, {target}){times}"
        weight, name = self._terms[0]
        factor = f" * {weight}" if weight != 1 else ""
        return f"{name}({paths[0]}, {target}){factor}{times}"

    # ------------------------------------------------------------------ means over what

    def _mass(self, choice: Loss) -> str:
        """What the mean of a loss is over, as an expression of `target`; "": samples."""
        there = "(target != IGNORED)" if self.case.ignoring else ""
        if isinstance(choice, Heatmaps):
            return "(target[..., 2] > 0).sum()"
        if isinstance(choice, CrossEntropy) and choice.weights:
            at = "[target.clamp_min(0)]" if there else "[target]"
            weights = f"{self._weights(choice)}.to(target.device){at}"
            return f"({there} * {weights}).sum()" if there else f"{weights}.sum()"
        if isinstance(choice, Dice) or not there:
            return ""
        return f"{there}.sum()"

    def _weights(self, choice: CrossEntropy) -> str:
        return self._constant("WEIGHTS", f"torch.tensor({choice.weights})")

    def _constant(self, name: str, value: str) -> str:
        """The constant of that value: another one of the same name has a number."""
        names = [name, *(f"{name}_{i}" for i in range(2, len(self.constants) + 3))]
        return next(n for n in names if self.constants.setdefault(n, value) == value)

    def _normalizer(self) -> str:
        what = {
            "keypoints": "visible keypoints",
            "masks": "pixels that are not ignored",
            "classes": "samples that are not ignored",
        }[self.case.kind]
        if "WEIGHTS" in self._masses[0]:
            what = "the weights of the targets' classes"
        doc, body = f"What the loss is a mean over: {what}.", [f"    return {self._masses[0]}"]
        if self.by_output:
            doc = "What the loss of each output is a mean over."
            valid, samples = "(target != IGNORED)", "torch.tensor(float(len(target)))"
            counts = [
                mass.replace(valid, "valid") or f"{samples}.to(target.device)"
                for mass in self._masses
            ]
            body = ["    valid = target != IGNORED"] if self.case.ignoring else []
            body += call("    counts = [", counts, "]")
            body.append("    return torch.stack(counts)")
        return lines("def normalizer(target: Tensor) -> Tensor:", f'    """{doc}"""', body)

    def _total(self) -> str:
        """The sum over the outputs."""
        weights = {weight for weight, _ in self._terms}
        arguments, zipped, factor = ["outputs: Sequence[Tensor]", "target: Tensor"], "outputs", ""
        if self.by_output:
            arguments.append("shares: Iterable[float]")
            zipped, factor = "outputs, shares", " * share"
        named = "output, share" if self.by_output else "output"
        auxiliary = any(head.training for head in self.case.heads)
        extra = " Auxiliary ones are there in training only." if auxiliary else ""
        head = [
            f"def total_loss({', '.join(arguments)}) -> Tensor:",
            f'    """The sum of the losses of all outputs.{extra}"""',
        ]
        if weights == {1.0} and len(self._names) == 1 and not self.by_output:
            return lines(*head, "    return sum(criterion(output, target) for output in outputs)")
        terms = [f"({weight}, {name})" for weight, name in self._terms]
        strict = "strict=False" if auxiliary or self.by_output else "strict=True"
        return lines(
            *head,
            *call("    terms = [", terms, "]"),
            *comprehension(
                "    return sum(",
                f"weight * loss(output, target){factor}",
                f"for (weight, loss), {named} in zip(terms, {zipped}, {strict})",
            ),
        )

    # ------------------------------------------------------------------ one loss

    def _lines(self, choice: Loss, shape: tuple[int, ...]) -> list[str]:
        """What a function does with an output of a shape (without the batch)."""
        channels = shape[0] if shape else 1
        if isinstance(choice, CrossEntropy):
            return self._cross_entropy(choice, channels)
        if isinstance(choice, Dice):
            return self._dice(choice, channels, len(shape) + 1)
        if isinstance(choice, Heatmaps):
            sigma = self._constant("SIGMA", repr(choice.sigma))
            return [
                '"""Mean squared error to heatmaps of visible keypoints. Tompson et al. 2014."""',
                "visible = (target[..., 2] > 0).float()[..., None, None]",
                "height, width = output.shape[-2:]",
                f"heatmaps = gaussians(target, height, width, {sigma})",
                "total = ((output.float() - heatmaps).square() * visible).sum()",
                "return total / (visible.sum() * height * width).clamp_min(1)",
            ]
        return self._pointwise(choice, channels)

    def _pointwise(self, choice: Loss, channels: int) -> list[str]:
        """A mean over the numbers of the output."""
        function, doc, extra = "mse_loss", "Mean squared error.", []
        if isinstance(choice, Bce):
            function = "binary_cross_entropy_with_logits"
            doc = "Binary cross entropy of logits."
        elif isinstance(choice, Huber):
            function, doc, extra = "huber_loss", "Huber loss.", [f"delta={choice.delta}"]
        made = [f'"""{doc}"""', *self._rows(channels)]
        arguments = ["output.float()", "target" if self.case.kind == "values" else "rows", *extra]
        if not self.case.ignoring:
            return [*made, *call(f"return F.{function}(", arguments, within=4)]
        arguments.append('reduction="none"')
        made += call(f"loss = F.{function}(", arguments, within=4)
        if self.case.soft:
            made += ["if target.is_floating_point():", "    return loss.mean()"]
        return [*made, "return masked_mean(loss, output, target)"]

    def _rows(self, channels: int) -> list[str]:
        """Lines that make class numbers `rows` of 0 and 1, as many as the output has channels."""
        case = self.case
        if case.kind == "values":
            return []
        target = "target.clamp_min(0)" if case.ignoring else "target"
        if channels == 1:
            rows = f"{target}.reshape(output.shape).float()"
        else:
            axes = ".movedim(-1, 1)" if case.kind == "masks" else ""
            rows = f"F.one_hot({target}, {channels}){axes}.float()"
            if case.ignoring:
                rows = rows.removesuffix(".float()") + " * valid(output, target)"
        if not case.soft:
            return [f"rows = {rows}"]
        made = f"rows = target{self._slice(channels)} if target.is_floating_point() else {rows}"
        if len(made) <= 96:
            return ["# rows already, where classes are blended", made]
        return [
            "if target.is_floating_point():  # rows already: classes are blended",
            f"    rows = target{self._slice(channels)}",
            "else:",
            f"    rows = {rows}",
        ]

    def _slice(self, channels: int) -> str:
        """From rows of CLASSES numbers to those of an output."""
        if channels == 1:
            return "[:, 1:2]"
        return "" if channels == self.most else f"[:, :{channels}]"

    @property
    def most(self) -> int:
        """Classes in the rows that samples blended out of two have."""
        return max(2, *self.case.channels)

    def _cross_entropy(self, choice: CrossEntropy, channels: int) -> list[str]:
        made = ['"""Softmax cross entropy."""']
        extra = []
        if choice.weights:
            extra.append(f"{self._weights(choice)}.to(output.device)")
        if choice.label_smoothing:
            extra.append(f"label_smoothing={choice.label_smoothing}")
        return made + self._entropy("output.float()", extra, channels, "return ")

    def _entropy(self, output: str, extra: list[str], channels: int, start: str) -> list[str]:
        """Lines that end in a statement with the cross entropy of `output` and `target`."""
        case, made, target = self.case, [], "target"
        if case.recipe.deterministic and case.kind == "masks":
            made.append("# pixels as samples: of images, GPUs have no sum in a fixed order")
            output = f"{output}.movedim(1, -1).flatten(0, -2)"
            target = "target.flatten()"
        if case.soft and self._slice(channels) and channels != 1:
            made += [
                "if target.is_floating_point():  # rows: classes are blended",
                f"    target = target{self._slice(channels)}",
            ]
        if not case.ignoring:
            return made + call(f"{start}F.cross_entropy(", [output, target, *extra], ")", 4)
        masked = call(f"{start}masked_cross_entropy(", [output, target, *extra], ")", 4)
        if not case.soft:
            return made + masked
        plain = call(f"    {start}F.cross_entropy(", [output, target, *extra], ")", 4)
        return [
            *made,
            "if target.is_floating_point():  # rows: classes are blended",
            *plain,
            *masked,
        ]

    def _dice(self, choice: Dice, channels: int, ndim: int) -> list[str]:
        """Over all places of the batch together: a class that one image lacks says nothing."""
        case, both = self.case, bool(choice.cross_entropy)
        smooth = self._constant("SMOOTH", repr(choice.smooth))
        doc = "Soft Dice loss, plus cross entropy." if both else "Soft Dice loss."
        probs = "output.sigmoid()" if channels == 1 else "output.softmax(1)"
        axes = str((0, *range(2, ndim))) if ndim > 2 else "0"
        masked: list[str] = []
        if case.ignoring and case.soft:
            masked = [
                "if not target.is_floating_point():",
                "    probs = probs * valid(output, target)",
            ]
        elif case.ignoring:
            probs += " * valid(output, target)"
        made = [
            f'"""{doc} Milletari et al. 2016."""',
            "output = output.float()",
            *self._rows(channels),
            f"probs = {probs}",
            *masked,
            f"overlap, areas = (probs * rows).sum({axes}), probs.sum({axes}) + rows.sum({axes})",
        ]
        dice = f"1 - ((2 * overlap + {smooth}) / (areas + {smooth})).mean()"
        if not both:
            return [*made, f"return {dice}"]
        made.append(f"dice = {dice}")
        if channels == 1:
            made += [
                "output = torch.cat([torch.zeros_like(output), output], 1)  # a logit against 0",
                *self._flat_target(),
            ]
        entropy = self._entropy("output", [], max(channels, 2), "entropy = ")
        if case.soft and case.ignoring:
            entropy = [
                "if target.is_floating_point():",
                f"    entropy = F.cross_entropy(output, target{self._slice(max(channels, 2))})",
                "else:",
                "    entropy = masked_cross_entropy(output, target)",
            ]
        times = "" if choice.cross_entropy == 1 else f"{choice.cross_entropy} * "
        return [*made, *entropy, f"return dice + {times}entropy"]

    def _flat_target(self) -> list[str]:
        """Targets of a single channel, without that axis."""
        if self.case.kind == "masks" and self.case.ready.train.y.ndim == 4:
            return ["target = target[:, 0]"]
        return []


def _listed(paths: Sequence[str]) -> str:
    """A sequence of the outputs at some paths, as an expression."""
    if all(path == f"outputs[{i}]" for i, path in enumerate(paths)):
        return "outputs"
    found: dict[str, None] = {}
    for path in paths:
        parent = path.rpartition("[")[0]
        within = [p.rpartition("[")[0] for p in paths if p.startswith(f"{parent}[")]
        whole = parent not in ("", "outputs") and set(within) == {parent}  # a list of tensors
        found[f"*{parent}" if whole else path] = None
    return f"[{', '.join(found)}]"


def _names(choices: Sequence[Loss]) -> list[str]:
    """What the functions of several losses are called: numbered where the name is not enough."""
    names = [
        "dice_and_cross_entropy" if isinstance(c, Dice) and c.cross_entropy else c.name
        for c in choices
    ]
    return [
        f"{name}_loss" if names.count(name) == 1 else f"{name}_loss_{i + 1}"
        for i, name in enumerate(names)
    ]
