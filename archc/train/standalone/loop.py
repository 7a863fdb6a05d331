"""The functions of a script that are its own: what its recipe asks for, and the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..choices import Optimizer as OptimizerChoice
from ..choices import RmsProp, Sgd
from .epoch import autocast, grouped, groups, loss_of, mass, rate, total_loss, train_epoch
from .layout import call, lines
from .loading import loading, normalized

if TYPE_CHECKING:
    from .losses import Criteria
    from .script import Case

METRICS: dict[str, tuple[str, str, str, bool]] = {
    "classes": ("count_right", "share", "accuracy {:.1%}", True),
    "masks": ("count_pairs", "mean_iou", "mean IoU {:.3f}", True),
    "keypoints": ("count_found", "share", "PCK@0.1 {:.1%}", True),
    "values": ("count_errors", "share", "error {:.4g}", False),
}
"""Kind of target: what is counted, what is made of it, how it is printed, is more better?"""


def functions(case: Case, criteria: Criteria) -> list[str]:
    """The functions of a script that are its own, in their order."""
    made = [*loading(case), normalized(case)]
    if not criteria.single:
        made.append(total_loss(criteria))
    if criteria.counted:
        made.append(mass(criteria))
    if case.recipe.no_decay or case.recipe.layer_lr:
        made.append(groups(case))
    return [*made, train_epoch(case, criteria), _evaluate(case, criteria), _main(case)]


# --------------------------------------------------------------------------- measuring


def _evaluate(case: Case, criteria: Criteria) -> str:
    count, figure, _, _ = METRICS[case.kind]
    with_ = autocast(case)
    deeper = "    " if with_ else ""
    several = sum(not head.training for head in case.heads) > 1
    measured = f"outputs[{case.measured}]" if several else "outputs"
    given = "outputs"
    if not criteria.single and not several:
        given = "[outputs]"  # a single output in evaluation, others in training
    loss = loss_of(criteria, given, "y[rows]")
    share, whole = (
        ("mass(y[rows]).item()", "mass(y).item()") if criteria.counted else ("len(rows)", "len(x)")
    )
    batch = "BATCH // ACCUMULATE" if case.recipe.accumulate > 1 else "BATCH"
    return lines(
        "@torch.no_grad()",
        "def evaluate(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:",
        f'    """Loss and {METRICS[case.kind][2].partition(" {")[0]} over all samples."""',
        "    model.eval()",
        "    loss, counts = 0.0, 0",
        f"    for rows in torch.arange(len(x), device=x.device).split({batch}):",
        [f"        {line}" for line in with_],
        f"        {deeper}outputs = model(normalized(x[rows]))",
        f"        loss += {loss}.item() * {share}",
        f"        counts = counts + {count}({measured}.float(), y[rows])",
        f"    return loss / {whole}, {figure}(counts)",
    )


# --------------------------------------------------------------------------- the whole


def _optimizer(case: Case) -> list[str]:
    """The lines that make it."""
    choice: OptimizerChoice = case.recipe.optimizer
    names: dict[str, Any] = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}
    parameters = "model.parameters()"
    if grouped(case):
        parameters = "groups(model)"
    elif case.recipe.freeze:
        parameters = "[p for p in model.parameters() if p.requires_grad]"
    fields = {n: v for n, v in choice.model_dump().items() if n != "lr"}
    if "betas" in fields:
        fields["betas"] = tuple(fields["betas"])
    if isinstance(choice, Sgd):
        fields = {n: v for n, v in fields.items() if v}
    fused = [] if isinstance(choice, RmsProp) else ["fused=True"]
    arguments = [parameters, "lr=LR", *(f"{n}={v!r}" for n, v in fields.items()), *fused]
    return call(f"    optimizer = torch.optim.{names[choice.name]}(", arguments)


def _main(case: Case) -> str:
    recipe, held_out = case.recipe, case.ready.validation is not None
    judged = "average" if recipe.ema > 0 else "model"
    extra = [("args.epochs", bool(rate(case))), ("still", bool(recipe.freeze)),
             ("average", recipe.ema > 0)]  # fmt: skip
    given = ", ".join(["model", "optimizer", "x", "y", "epoch", *(a for a, on in extra if on)])
    parts = "(x, y), validation, test" if held_out else "(x, y), test"
    best = ["    best, weights = (-math.inf, -math.inf), model.state_dict()"]
    return lines(
        "def main() -> None:",
        _arguments(case),
        _switches(case),
        f"    {parts} = load(device)",
        "",
        _network(case),
        _optimizer(case),
        ["    model.compile()"] if recipe.compile is True else [],
        "    losses: list[float] = []",
        best if held_out else [],
        ["    best_epoch = 0"] if recipe.patience else [],
        "    started = time.perf_counter()",
        "    for epoch in range(args.epochs):",
        f"        of_epoch = train_epoch({given})",
        "        losses += of_epoch",
        "        mean = sum(of_epoch) / len(of_epoch)",
        _progress(case, judged),
        _end(case, judged),
    )


def _arguments(case: Case) -> list[str]:
    """The command line, and the device that it asks for."""
    return [
        f'    parser = argparse.ArgumentParser(description="Train {case.network}.")',
        "    add = parser.add_argument",
        '    add("--epochs", type=int, default=EPOCHS)',
        '    add("--device", help="cpu, cuda, ... (default: a GPU if there is one)")',
        '    add("--log", type=Path, metavar="FILE", help="for the loss of every step")',
        f'    add("-o", "--out", type=Path, metavar="FILE", default=Path("{case.module}.pt"))',
        "    args = parser.parse_args()",
        '    found = "cuda" if torch.cuda.is_available() else "cpu"',
        "    device = torch.device(args.device or found)",
    ]


def _network(case: Case) -> list[str]:
    """The network with its initial weights, and what stands beside it."""
    init = ["    model.load_state_dict(torch.load(INIT, weights_only=True))"]
    return [
        "    torch.manual_seed(SEED)",
        f"    model = {case.network}().to(device)",
        *(init if case.init is not None else []),
        *_layout(case),
        *(["    still = freeze(model)"] if case.recipe.freeze else []),
        *(["    average = copy.deepcopy(model)"] if case.recipe.ema > 0 else []),
    ]


def _said(case: Case) -> str:
    """The metric, as a script prints it."""
    return METRICS[case.kind][2].replace("{:", "{metric:")


def _progress(case: Case, judged: str) -> list[str]:
    """What follows an epoch: a line, and the best weights so far."""
    if case.ready.validation is None:
        return ['        print(f"epoch {epoch + 1}  loss {mean:.4f}")']
    higher = METRICS[case.kind][3]
    made = [
        f"        loss, metric = evaluate({judged}, *validation)",
        f'        print(f"epoch {{epoch + 1}}  loss {{mean:.4f}}  validation {_said(case)}")',
        f"        score = ({'metric' if higher else '-metric'}, -loss)",
        "        if score > best:",
        f"            best, weights = score, copy.deepcopy({judged}.state_dict())",
    ]
    if case.recipe.patience:
        made += [
            "            best_epoch = epoch",
            "        elif epoch - best_epoch >= PATIENCE:",
            "            break",
        ]
    return made


def _end(case: Case, judged: str) -> list[str]:
    """The test, and what is written."""
    best = [f"    {judged}.load_state_dict(weights)"] if case.ready.validation else []
    return [
        *best,
        f"    loss, metric = evaluate({judged}, *test)",
        "    seconds = time.perf_counter() - started",
        f'    print(f"test {_said(case)}, loss {{loss:.4f}}, in {{seconds:.0f}} s on {{device}}")',
        f"    torch.save({judged}.state_dict(), args.out)",
        "    if args.log:",
        '        args.log.write_text("".join(f"{loss!r}\\n" for loss in losses))',
    ]


def _switches(case: Case) -> list[str]:
    """What torch is told about the device."""
    if case.recipe.precision == "fp32":
        return []
    return [
        '    if device.type == "cuda":',
        '        torch.set_float32_matmul_precision("high")  # TF32',
        "        torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True",
    ]


def _layout(case: Case) -> list[str]:
    last = case.recipe.channels_last
    if not case.image or last is False:
        return []
    line = "model = model.to(memory_format=torch.channels_last)"
    return [f"    {line}"] if last is True else ['    if device.type == "cuda":', f"        {line}"]
