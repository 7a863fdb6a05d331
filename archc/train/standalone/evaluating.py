"""Loss and metric over a whole split, as code."""

from __future__ import annotations

from dataclasses import dataclass

from .case import Case
from .epoch import forward
from .layout import lines
from .losses import Criteria


@dataclass(frozen=True)
class Metric:
    """What is measured of a kind of target, as a script has it."""

    title: str
    zero: str
    """What loss and count start from."""
    count: str
    """What a batch adds, of `{output}` and `{target}`."""
    figure: str
    """What is made of the sum."""
    printed: str
    """How it is printed, of the name `metric`."""
    higher: bool = True
    """Is more better?"""


def metric(case: Case) -> Metric:
    """The metric of a case's targets."""
    single = case.channels[case.measured] == 1
    if case.kind == "classes":
        predicted = "({output}[:, 0] > 0)" if single else "{output}.argmax(1)"
        counted = "(y != IGNORED).sum().item()" if case.ignoring else "len(x)"
        return Metric(
            "accuracy",
            "loss, correct = 0.0, 0",
            f"correct += ({predicted} == {{target}}).sum().item()",
            f"correct / {counted}",
            "accuracy {metric:.1%}",
        )
    if case.kind == "masks":
        predicted = "({output} > 0).long()" if single else "{output}.argmax(1)"
        target = "{target}"
        if single:
            target += ".reshape({output}.shape)"
        return Metric(
            "mean IoU",
            "loss = 0.0\n"
            "    confusion = torch.zeros(CLASSES, CLASSES, dtype=torch.long, device=x.device)",
            f"confusion += confusion_matrix({predicted}, {target})",
            "mean_iou(confusion)",
            "mean IoU {metric:.3f}",
        )
    if case.kind == "keypoints":
        return Metric(
            "PCK@0.1",
            "loss, hits = 0.0, 0",
            "hits += detected({output}, {target}).sum().item()",
            "hits / max((y[..., 2] > 0).sum().item(), 1)",
            "PCK@0.1 {metric:.1%}",
        )
    return Metric(
        "mean absolute error",
        "loss, error = 0.0, 0.0",
        "error += ({output}.float() - {target}).abs().sum().item()",
        "error / y.numel()",
        "error {metric:.4g}",
        higher=False,
    )


def evaluate(case: Case, criteria: Criteria) -> str:
    """The function that measures a split."""
    measure = metric(case)
    output = case.evaluated[case.measured]
    count = measure.count.format(output=output, target="y[rows]")
    batch = "BATCH"
    if case.recipe.accumulate > 1:
        batch = "BATCH // ACCUMULATE" if case.recipe.batch >= case.recipe.accumulate else "1"
    total = "loss / len(x)"
    whole, share = [], ""
    if criteria.divided:
        total = "loss"
        whole = ["    whole = normalizer(y).clamp_min(1e-12)"]
        share = "share"
    value = criteria.of(case.evaluated, "y[rows]", share, each=criteria.divided)
    if value.count(" * ") > value.count("] * "):
        value = f"({value})"
    added = [f"        loss += {value}.item() * len(rows)"]
    if criteria.divided:
        added = ["        share = normalizer(y[rows]) / whole", f"        loss += {value}.item()"]
    return lines(
        "@torch.no_grad()",
        "def evaluate(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:",
        f'    """Loss and {measure.title} over all samples."""',
        "    model.eval()",
        whole,
        f"    {measure.zero}",
        f"    for rows in torch.arange(len(x), device=x.device).split({batch}):",
        [f"        {line}" for line in forward(case, "x[rows]")],
        added,
        f"        {count}",
        f"    return {total}, {measure.figure}",
    )
