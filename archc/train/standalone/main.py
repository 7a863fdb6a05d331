"""The function `main` of a script: command line, network, optimizer, epochs, test."""

from __future__ import annotations

import inspect

from ..device import COMPILE_STEPS
from ..optim import FUSED, TORCH
from .case import Case
from .epoch import groups, rate
from .evaluating import metric
from .layout import call, lines


def main(case: Case) -> str:
    recipe, held_out = case.recipe, case.ready.validation is not None
    extra = [("args.epochs", bool(rate(case))), ("frozen_norms", bool(recipe.freeze)),
             ("ema", recipe.ema > 0)]  # fmt: skip
    model = "compiled" if _compiles(case) else "model"
    given = ", ".join([model, "optimizer", "x", "y", "epoch", *(a for a, on in extra if on)])
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
        _compiling(case),
        "",
        "    losses: list[float] = []",
        best if held_out else [],
        ["    best_epoch = 0"] if recipe.patience else [],
        "    started = time.perf_counter()",
        "    for epoch in range(args.epochs):",
        f"        epoch_losses = train_epoch({given})",
        "        losses += epoch_losses",
        "        mean = sum(epoch_losses) / len(epoch_losses)",
        "        if not math.isfinite(mean):",
        '            raise SystemExit(f"the loss in epoch {epoch + 1} is {mean}")',
        _progress(case),
        _end(case),
    )


def _arguments(case: Case) -> list[str]:
    """The command line, and the device that it asks for."""
    return [
        f'    parser = argparse.ArgumentParser(description="Train {case.network}.")',
        '    parser.add_argument("--epochs", type=int, default=EPOCHS)',
        '    parser.add_argument("--device", help="default: a GPU if there is one")',
        '    parser.add_argument("--log", type=Path, help="file for the loss of each step")',
        f'    parser.add_argument("-o", "--out", type=Path, default=Path("{case.module}.pt"))',
        "    args = parser.parse_args()",
        '    default = "cuda" if torch.cuda.is_available() else "cpu"',
        "    device = torch.device(args.device or default)",
    ]


def _switches(case: Case) -> list[str]:
    """What torch is told about the device."""
    tf32, deterministic = case.recipe.precision != "fp32", case.recipe.deterministic
    made = ['    if device.type == "cuda":']
    if tf32:
        made.append('        torch.set_float32_matmul_precision("high")  # TF32')
    made.append(f"        torch.backends.cudnn.allow_tf32 = {tf32}")
    if not deterministic:
        made.append("        torch.backends.cudnn.benchmark = True")
    if case.small:
        made += [
            '    elif device.type == "cpu":',
            "        torch.set_num_threads(1)  # more would only wait for each other",
        ]
    if deterministic:
        made += [
            '    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")',
            '    torch.use_deterministic_algorithms(True, warn_only=device.type == "cpu")',
        ]
    return made


def _network(case: Case) -> list[str]:
    """The network with its initial weights, and what stands beside it."""
    last = case.image and case.recipe.channels_last is not False
    placed = ["    model = model.to(memory_format=torch.channels_last)"]
    init = ["    model.load_state_dict(torch.load(INIT, weights_only=True))"]
    return [
        "    torch.manual_seed(SEED)",
        f"    model = {case.called}().to(device)",
        *(placed if last else []),
        *(init if case.init is not None else []),
        *(["    frozen_norms = freeze(model)"] if case.recipe.freeze else []),
        *(["    ema = copy.deepcopy(model)"] if case.recipe.ema > 0 else []),
    ]


def _optimizer(case: Case) -> list[str]:
    """The lines that make it."""
    choice = case.recipe.optimizer
    made = TORCH[type(choice)]
    defaults = inspect.signature(made).parameters
    parameters = "model.parameters()"
    if groups(case):
        parameters = "groups(model)"
    elif case.recipe.freeze:
        parameters = "[p for p in model.parameters() if p.requires_grad]"
    fields = {
        name: tuple(value) if name == "betas" else value
        for name, value in choice.model_dump().items()
        if name != "lr"
    }
    named = [f"{n}={v!r}" for n, v in fields.items() if v != defaults[n].default]
    fused = ["fused=True"] if isinstance(choice, FUSED) else []
    arguments = [parameters, "lr=LR", *named, *fused]
    return call(f"    optimizer = torch.optim.{made.__name__}(", arguments)


def _compiles(case: Case) -> bool:
    """Does the recipe have it? What is left to the device is done for long runs on a GPU."""
    wanted = case.recipe.compile
    return wanted is True or (wanted == "auto" and case.recipe.epochs * case.steps >= COMPILE_STEPS)


def _compiling(case: Case) -> list[str]:
    """The lines that compile the network for training."""
    if not _compiles(case):
        return []
    if case.recipe.compile is True:
        return ["    compiled = torch.compile(model, dynamic=False)"]
    return [
        "    compiled = model",
        f"    pays = args.epochs * (len(x) // BATCH) >= {COMPILE_STEPS}  # for the minute it takes",
        '    if pays and device.type == "cuda" and find_spec("triton"):',
        "        compiled = torch.compile(model, dynamic=False)",
    ]


def _judged(case: Case) -> str:
    """The network that is measured and kept."""
    return "ema" if case.recipe.ema > 0 else "model"


def _progress(case: Case) -> list[str]:
    """What follows an epoch: a line, and the best weights so far."""
    if case.ready.validation is None:
        return ['        print(f"epoch {epoch + 1}  loss {mean:.4f}")']
    measure, judged = metric(case), _judged(case)
    made = [
        f"        loss, metric = evaluate({judged}, *validation)",
        f'        print(f"epoch {{epoch + 1}}  loss {{mean:.4f}}  validation {measure.printed}")',
        f"        score = ({'metric' if measure.higher else '-metric'}, -loss)",
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


def _end(case: Case) -> list[str]:
    """The test, and what is written."""
    judged, printed = _judged(case), metric(case).printed
    best = [f"    {judged}.load_state_dict(weights)"] if case.ready.validation else []
    return [
        *best,
        f"    loss, metric = evaluate({judged}, *test)",
        "    seconds = time.perf_counter() - started",
        f'    print(f"test {printed}, loss {{loss:.4f}}, in {{seconds:.0f}} s on {{device}}")',
        f"    torch.save({judged}.state_dict(), args.out)",
        "    if args.log:",
        '        args.log.write_text("".join(f"{loss!r}\\n" for loss in losses))',
    ]
