"""The loop of a recipe as code: loading, one epoch, evaluation, and the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..choices import Constant, Cosine, OneCycle, RmsProp, Sgd, Step
from ..choices import Optimizer as OptimizerChoice
from .augmenting import Augmenting
from .layout import call

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
    made = [*_loading(case), _normalized(case)]
    if not criteria.single:
        made.append(_loss(criteria))
    if criteria.counted:
        made.append(_counted(criteria))
    if case.recipe.no_decay or case.recipe.layer_lr:
        made.append(_groups(case))
    return [*made, _epoch(case, criteria), _evaluate(case, criteria), _main(case)]


def _lines(*parts: str | list[str]) -> str:
    """Text out of lines and lists of lines; empty lists leave nothing."""
    flat = [line for part in parts for line in ([part] if isinstance(part, str) else part)]
    return "\n".join(flat)


# --------------------------------------------------------------------------- data


def _loading(case: Case) -> list[str]:
    """The functions that bring the data in."""
    from .script import reader

    name = reader(case)
    parts = ["train", "validation", "test"] if case.ready.validation else ["train", "test"]
    words = "training, held out and test" if case.ready.validation else "training and test"
    if name is None:
        return [_ready_made(parts, words)]
    fit = _fitting(case)
    placed = "fitted(x).to(device)" if fit else "x.to(device)"
    y = "fitted_places(y).to(device)" if _moves_places(case) else "y.to(device)"
    held_out = [
        '    order = torch.randperm(len(x), generator=keyed("validation"))',
        "    held_out, rest = order[:HELD_OUT], order[HELD_OUT:]",
        "    parts = [(x[rest], y[rest]), (x[held_out], y[held_out]), test]",
    ]
    test = "t10k" if name == "load_idx" else "test"
    load = _lines(
        "def load(device: torch.device) -> list[tuple[Tensor, Tensor]]:",
        f'    """Samples and targets: {words} ones."""',
        f'    (x, y), test = {name}("train"), {name}("{test}")',
        held_out if case.ready.validation else ["    parts = [(x, y), test]"],
        f"    return [({placed}, {y}) for x, y in parts]",
    )
    return [*fit, load]


def _ready_made(parts: list[str], words: str) -> str:
    """The function that reads arrays made for the script."""
    names = ", ".join(f'"{part}"' for part in parts)
    return _lines(
        "def load(device: torch.device) -> list[tuple[Tensor, Tensor]]:",
        f'    """Samples and targets: {words} ones."""',
        f"    parts = ({names})",
        "    with np.load(DATA) as arrays:",
        '        pairs = [(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in parts]',
        "    return [tuple(torch.from_numpy(a).to(device) for a in pair) for pair in pairs]",
    )


def _sizes(case: Case) -> tuple[tuple[int, ...], bool]:
    """Shape of a sample as loaded, channels first, and whether they have to be moved there."""
    size, shape = tuple(case.data.train.x.shape[1:]), case.shape
    moved = len(size) == len(shape) > 1 and size[0] != shape[0] and size[-1] == shape[0]
    return ((size[-1], *size[:-1]) if moved else size), moved


def _border(case: Case) -> list[int]:
    """Zeros to the left, right, top, bottom (last axis first), as torch's `pad` takes them."""
    size, _ = _sizes(case)
    room = [n - m for n, m in zip(case.shape[1:], size[1:], strict=True)]
    return [side for r in reversed(room) for side in (r // 2, r - r // 2)]


def _moves_places(case: Case) -> bool:
    """Do targets change where images get a border?"""
    size, _ = _sizes(case)
    return len(size) == len(case.shape) and size != case.shape and case.kind in (
        "keypoints", "masks",
    )  # fmt: skip


def _fitting(case: Case) -> list[str]:
    """Functions that bring samples (and places in them) to the network's input, if need be."""
    size, moved = _sizes(case)
    if size == case.shape and not moved:
        return []
    first = "x.movedim(-1, 1)" if moved else "x"
    if size == case.shape:
        what, result = "Channels first.", f"{first}.contiguous()"
    elif len(case.shape) == 1:
        what, result = "As rows of numbers.", f"{first}.flatten(1)"
    else:
        by = "x".join(map(str, case.shape[1:]))
        what = f"In the middle of the {by} input, zeros around."
        result = f"F.pad({first}, {tuple(_border(case))})"
    made = [
        _lines(
            "def fitted(x: Tensor) -> Tensor:",
            f'    """{what}"""',
            f"    return {result}",
        )
    ]
    if _moves_places(case):
        border = _border(case)
        place = f"y + torch.tensor([{border[0]}, {border[2]}, 0.0])"
        if case.kind == "masks":
            place = f"F.pad(y, {tuple(border)}, value=IGNORED)"
        made.append(
            _lines(
                "def fitted_places(y: Tensor) -> Tensor:",
                '    """Targets of images that got a border."""',
                f"    return {place}",
            )
        )
    return made


def _normalized(case: Case) -> str:
    ready = case.ready
    scale = "1 / 255" if ready.scale != 1 else "1"
    plain = bool((ready.mean == 0).all()) and bool((ready.std == 1).all())
    number = "x.float()"
    body = []
    if not plain:
        body.append(f"    slope, offset = ({scale} / STD).to(x.device), (-MEAN / STD).to(x.device)")
        number = "x.float() * slope + offset"
    elif scale != "1":
        number = f"x.float() * ({scale})"
    last = case.recipe.channels_last if case.image else False
    if last == "auto":
        body += [
            f"    x = {number}",
            '    if x.device.type == "cuda":',
            "        x = x.contiguous(memory_format=torch.channels_last)",
            "    return x",
        ]
    elif last:
        body += [f"    x = {number}", "    return x.contiguous(memory_format=torch.channels_last)"]
    else:
        body.append(f"    return {number}")
    what = "Numbers as the network takes them."
    if not plain:
        what = "Numbers of mean 0 and deviation 1, over the training samples."
    return _lines("def normalized(x: Tensor) -> Tensor:", f'    """{what}"""', body)


# --------------------------------------------------------------------------- one epoch


def _loss(criteria: Criteria) -> str:
    return _lines(
        "def total_loss(outputs: tuple[Tensor, ...], target: Tensor) -> Tensor:",
        '    """The weighted sum over outputs; those for training only come last."""',
        f"    heads = {criteria.pairs}",
        "    total = torch.zeros((), device=target.device)",
        "    for (weight, loss), output in zip(heads, outputs, strict=False):",
        "        total = total + loss(output, target) * weight",
        "    return total",
    )


def _counted(criteria: Criteria) -> str:
    return _lines(
        "def mass(target: Tensor) -> Tensor:",
        '    """What the mean of a batch\'s loss is over: what batches are to be weighted by."""',
        f"    return {criteria.counted}",
    )


def _groups(case: Case) -> str:
    recipe = case.recipe
    peak = "LR * rate_of(name)" if recipe.layer_lr else "LR"
    decay = recipe.optimizer.weight_decay
    extra = [f'"weight_decay": 0.0 if p.ndim <= 1 else {decay}'] if recipe.no_decay else []
    entries = ", ".join(['"params": [p]', f'"peak": {peak}', *extra])
    what = " and ".join(
        (["learning rates"] if recipe.layer_lr else [])
        + (["weight decays"] if recipe.no_decay else [])
    )
    return _lines(
        "def groups(model: nn.Module) -> list[dict[str, object]]:",
        f'    """Parameters with their own {what}."""',
        "    return [",
        f"        {{{entries}}}",
        "        for name, p in model.named_parameters()",
        "        if p.requires_grad",
        "    ]",
    )


def _grouped(case: Case) -> bool:
    return case.recipe.no_decay or bool(case.recipe.layer_lr)


def _rate(case: Case) -> str:
    names = {OneCycle: "one_cycle", Cosine: "half_cosine", Step: "stairs", Constant: "constant"}
    name = names[type(case.recipe.schedule)]
    if name == "constant" and case.recipe.schedule.warmup == 0:
        return ""
    extra = ", steps" if name == "stairs" else ""
    return f"{name}(epoch * steps + step, epochs * steps{extra})"


def _autocast(case: Case) -> list[str]:
    """The `with` around a forward pass; none in full precision."""
    precision = case.recipe.precision
    if precision == "fp32":
        return []
    on = "" if precision == "bf16" else ', enabled=x.device.type == "cuda"'
    return [f"with torch.autocast(x.device.type, torch.bfloat16{on}):"]


def _epoch(case: Case, criteria: Criteria) -> str:
    recipe = case.recipe
    augmenting = Augmenting(case)
    rate = _rate(case)
    peak = 'group["peak"]' if _grouped(case) else "LR"
    rates = [
        "        for group in optimizer.param_groups:",
        f'            group["lr"] = {peak}' + (f" * {rate}" if rate else ""),
    ]
    if not rate and not recipe.layer_lr:
        rates = []
    several = recipe.accumulate > 1
    inner = "            " if several else "        "
    part = "part" if several else "rows"
    autocast = _autocast(case)
    deeper = "    " if autocast else ""
    batch = "batch" if augmenting.lines else f"x[{part}]"
    moved = augmenting.masks and bool(augmenting.lines)
    loss = _loss_of(criteria, "outputs", "target" if moved else f"y[{part}]")
    forward = [
        *([f"{inner}batch = x[{part}]"] if augmenting.lines else []),
        *([f"{inner}target = y[{part}]"] if moved else []),
        *(f"{inner}{line.format(rows=part)}" for line in augmenting.lines),
        *(f"{inner}{line}" for line in autocast),
        f"{inner}{deeper}outputs = model(normalized({batch}))",
        f"{inner}loss = {loss}",
    ]
    if several and criteria.counted:
        body = [
            "        parts = []",
            "        for part in rows.chunk(ACCUMULATE):",
            "            batch, target = x[part], y[part]",
            *(f"            {line.format(rows='part')}" for line in augmenting.lines),
            "            parts.append((batch, target))",
            "        counts = [mass(target) for _, target in parts]",
            "        total = torch.zeros((), device=x.device)",
            "        for (batch, target), count in zip(parts, counts, strict=True):",
            *(f"            {line}" for line in autocast),
            f"            {deeper}outputs = model(normalized(batch))",
            f"            loss = {_loss_of(criteria, 'outputs', 'target')}",
            "            loss = loss * (count / sum(counts))",
            "            loss.backward()",
            "            total += loss.detach()",
        ]
    elif several:
        body = [
            "        total = torch.zeros((), device=x.device)",
            "        for part in rows.chunk(ACCUMULATE):",
            *forward,
            "            loss = loss * (len(part) / len(rows))",
            "            loss.backward()",
            "            total += loss.detach()",
        ]
    else:
        body = [*forward, "        loss.backward()"]
    clip = [
        "        learned = [p for p in model.parameters() if p.requires_grad]",
        "        nn.utils.clip_grad_norm_(learned, CLIP)",
    ]
    ema = ["        follow(average, model, epoch * steps + step + 1)"]
    extra = [("epochs: int", bool(rate)), ("still: list[nn.Module]", bool(recipe.freeze)),
             ("average: nn.Module", recipe.ema > 0)]  # fmt: skip
    arguments = ["model: nn.Module", "optimizer: torch.optim.Optimizer", "x: Tensor", "y: Tensor",
                 "epoch: int", *(a for a, there in extra if there)]  # fmt: skip
    return _lines(
        "def train_epoch(",
        [f"    {argument}," for argument in arguments],
        ") -> list[float]:",
        '    """One pass over the training samples. Gives the loss of each step."""',
        "    steps = len(x) // BATCH",
        '    order = torch.randperm(len(x), generator=keyed("order", epoch)).to(x.device)',
        [f"    {line}" for line in augmenting.drawn],
        '    torch.manual_seed(keyed("layers", epoch).initial_seed())  # of dropout',
        "    model.train()",
        ["    for layer in still:", "        layer.eval()"] if recipe.freeze else [],
        "    losses = []",
        "    for step in range(steps):",
        rates,
        "        rows = order[step * BATCH : (step + 1) * BATCH]",
        body,
        clip if recipe.clip > 0 else [],
        "        optimizer.step()",
        "        optimizer.zero_grad()",
        ema if recipe.ema > 0 else [],
        f"        losses.append({'total' if several else 'loss.detach()'})",
        "    return torch.stack(losses).tolist()",
    )


def _loss_of(criteria: Criteria, outputs: str, target: str) -> str:
    if not criteria.single:
        return f"total_loss({outputs}, {target})"
    weight = f" * {criteria.weight}" if criteria.weight != 1 else ""
    return f"{criteria.of}({outputs}, {target}){weight}"


# --------------------------------------------------------------------------- measuring


def _evaluate(case: Case, criteria: Criteria) -> str:
    count, figure, _, _ = METRICS[case.kind]
    autocast = _autocast(case)
    deeper = "    " if autocast else ""
    several = sum(not head.training for head in case.heads) > 1
    measured = f"outputs[{case.measured}]" if several else "outputs"
    given = "outputs"
    if not criteria.single and not several:
        given = "[outputs]"  # a single output in evaluation, others in training
    loss = _loss_of(criteria, given, "y[rows]")
    share, whole = (
        ("mass(y[rows]).item()", "mass(y).item()") if criteria.counted else ("len(rows)", "len(x)")
    )
    batch = "BATCH // ACCUMULATE" if case.recipe.accumulate > 1 else "BATCH"
    return _lines(
        "@torch.no_grad()",
        "def evaluate(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:",
        f'    """Loss and {METRICS[case.kind][2].partition(" {")[0]} over all samples."""',
        "    model.eval()",
        "    loss, counts = 0.0, 0",
        f"    for rows in torch.arange(len(x), device=x.device).split({batch}):",
        [f"        {line}" for line in autocast],
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
    if _grouped(case):
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
    _, _, words, higher = METRICS[case.kind]
    judged = "average" if recipe.ema > 0 else "model"
    extra = [("args.epochs", bool(_rate(case))), ("still", bool(recipe.freeze)),
             ("average", recipe.ema > 0)]  # fmt: skip
    given = ", ".join(["model", "optimizer", "x", "y", "epoch", *(a for a, on in extra if on)])
    parts = "(x, y), validation, test" if held_out else "(x, y), test"
    said = words.replace("{:", "{metric:")
    progress = [
        f"        loss, metric = evaluate({judged}, *validation)",
        f'        print(f"epoch {{epoch + 1}}  loss {{mean:.4f}}  validation {said}")',
        f"        score = ({'metric' if higher else '-metric'}, -loss)",
        "        if score > best:",
        f"            best, weights = score, copy.deepcopy({judged}.state_dict())",
    ]
    if recipe.patience:
        progress[4:] = [
            f"            best, weights = score, copy.deepcopy({judged}.state_dict())",
            "            best_epoch = epoch",
            "        elif epoch - best_epoch >= PATIENCE:",
            "            break",
        ]
    if not held_out:
        progress = ['        print(f"epoch {epoch + 1}  loss {mean:.4f}")']
    best = ["    best, weights = (-math.inf, -math.inf), model.state_dict()"]
    init = ["    model.load_state_dict(torch.load(INIT, weights_only=True))"]
    end = [f"    {judged}.load_state_dict(weights)"] if held_out else []
    return _lines(
        "def main() -> None:",
        f'    parser = argparse.ArgumentParser(description="Train {case.network}.")',
        "    add = parser.add_argument",
        '    add("--epochs", type=int, default=EPOCHS)',
        '    add("--device", help="cpu, cuda, ... (default: a GPU if there is one)")',
        '    add("--log", type=Path, metavar="FILE", help="for the loss of every step")',
        f'    add("-o", "--out", type=Path, metavar="FILE", default=Path("{case.module}.pt"))',
        "    args = parser.parse_args()",
        '    found = "cuda" if torch.cuda.is_available() else "cpu"',
        "    device = torch.device(args.device or found)",
        _switches(case),
        f"    {parts} = load(device)",
        "",
        "    torch.manual_seed(SEED)",
        f"    model = {case.network}().to(device)",
        init if case.init is not None else [],
        _layout(case),
        ["    still = freeze(model)"] if recipe.freeze else [],
        ["    average = copy.deepcopy(model)"] if recipe.ema > 0 else [],
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
        progress,
        end,
        f"    loss, metric = evaluate({judged}, *test)",
        "    seconds = time.perf_counter() - started",
        f'    print(f"test {said}, loss {{loss:.4f}}, in {{seconds:.0f}} s on {{device}}")',
        f"    torch.save({judged}.state_dict(), args.out)",
        "    if args.log:",
        '        args.log.write_text("".join(f"{loss!r}\\n" for loss in losses))',
    )


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
