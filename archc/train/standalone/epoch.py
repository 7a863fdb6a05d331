"""One epoch of a recipe as code: the steps, and groups of parameters."""

from __future__ import annotations

from ..settings.choices import Constant, Cosine, OneCycle, Step
from .case import Case
from .layout import call, lines
from .losses import Criteria


def groups(case: Case) -> str:
    """The function that gives parameters settings of their own; empty where none has any."""
    recipe = case.recipe
    head = "def groups(model: nn.Module) -> list[dict[str, object]]:"
    if not recipe.layer_lr:
        if not recipe.no_decay:
            return ""
        return lines(
            head,
            '    """No weight decay for parameters of one axis: biases, normalisations."""',
            "    learned = [p for p in model.parameters() if p.requires_grad]",
            "    return [",
            '        {"params": [p for p in learned if p.ndim > 1]},',
            '        {"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0},',
            "    ]",
        )
    doc = "Each parameter with its own learning rate at the schedule's peak."
    entries = ['"params": [p]', '"peak": LR * lr_factor(name)']
    if recipe.no_decay:
        doc = "Each parameter with its own peak learning rate; weight decay for more than one axis."
        entries.append(f'"weight_decay": {recipe.optimizer.weight_decay} if p.ndim > 1 else 0.0')
    return lines(
        head,
        f'    """{doc}"""',
        "    return [",
        *call("        {", entries, "}"),
        "        for name, p in model.named_parameters()",
        "        if p.requires_grad",
        "    ]",
    )


def rate(case: Case) -> str:
    """The share of the learning rate in a step, as an expression; empty where it is all of it."""
    schedule = case.recipe.schedule
    if isinstance(schedule, Constant) and schedule.warmup == 0:
        return ""
    names = {OneCycle: "one_cycle", Cosine: "cosine_decay", Step: "step_decay"}
    name = names.get(type(schedule), "constant")
    if isinstance(schedule, Step) and schedule.at is not None:
        name = "multistep_decay"
    extra = ", steps" if isinstance(schedule, Step) else ""
    return f"{name}(epoch * steps + step, epochs * steps{extra})"


def forward(case: Case, batch: str) -> list[str]:
    """Lines of a forward pass, in the recipe's precision."""
    line = f"outputs = model(normalize({batch}))"
    precision = case.recipe.precision
    if precision == "fp32":
        return [line]
    if precision == "bf16":
        return ["with torch.autocast(x.device.type, torch.bfloat16):", f"    {line}"]
    return ["with mixed_precision(x.device):", f"    {line}"]


def train_epoch(case: Case, criteria: Criteria) -> str:
    """The function that trains for one epoch."""
    recipe = case.recipe
    extra = [("epochs: int", bool(rate(case))), ("frozen_norms: list[nn.Module]",
             bool(recipe.freeze)), ("ema: nn.Module", recipe.ema > 0)]  # fmt: skip
    arguments = ["model: nn.Module", "optimizer: torch.optim.Optimizer", "x: Tensor", "y: Tensor",
                 "epoch: int", *(a for a, there in extra if there)]  # fmt: skip
    few = len(case.ready.train) < recipe.batch
    augment = ["    augmented = augmentation(x, y, epoch)"] if recipe.augment else []
    hold = ["    for layer in frozen_norms:", "        layer.eval()"] if recipe.freeze else []
    drawn = ['    torch.manual_seed(keyed("layers", epoch).initial_seed())  # dropout']
    ema = ["        update_ema(ema, model, epoch * steps + step + 1)"] if recipe.ema > 0 else []
    return lines(
        *call("def train_epoch(", arguments, ") -> list[float]:"),
        '    """One pass over the training samples. Gives the loss of each step."""',
        f"    steps = {'1  # there are fewer samples than a batch' if few else 'len(x) // BATCH'}",
        '    order = torch.randperm(len(x), generator=keyed("order", epoch)).to(x.device)',
        augment,
        drawn if case.random else [],
        "    model.train()",
        hold,
        "    losses = []",
        "    for step in range(steps):",
        _rates(case),
        "        rows = order[step * BATCH : (step + 1) * BATCH]",
        _whole(case, criteria) if recipe.accumulate == 1 else _in_parts(case, criteria),
        _clipping(case),
        "        optimizer.step()",
        "        optimizer.zero_grad()",
        ema,
        f"        losses.append({'loss.detach()' if recipe.accumulate == 1 else 'total'})",
        "    return torch.stack(losses).tolist()",
    )


def _rates(case: Case) -> list[str]:
    """Lines that set the learning rate of a step; none where it never changes."""
    share, layers = rate(case), bool(case.recipe.layer_lr)
    if not share and not layers:
        return []
    peak = 'group["peak"]' if layers else "LR"
    return [
        *([f"        factor = {share}"] if share else []),
        "        for group in optimizer.param_groups:",
        f'            group["lr"] = {peak}' + (" * factor" if share else ""),
    ]


def _clipping(case: Case) -> list[str]:
    if case.recipe.clip == 0:
        return []
    return ["        nn.utils.clip_grad_norm_(model.parameters(), CLIP)"]


def _whole(case: Case, criteria: Criteria) -> list[str]:
    """The samples `rows` forwards and backwards at once."""
    augmented = bool(case.recipe.augment)
    batch, target = ("batch", "target") if augmented else ("x[rows]", "y[rows]")
    return [
        *(["        batch, target = augmented(rows)"] if augmented else []),
        *(f"        {line}" for line in forward(case, batch)),
        f"        loss = {criteria.of(case.trained, target)}",
        "        loss.backward()",
    ]


def _in_parts(case: Case, criteria: Criteria) -> list[str]:
    """The same in parts, weighted by what the loss is a mean over."""
    augmented = bool(case.recipe.augment)
    source = "augmented(part)" if augmented else "(x[part], y[part])"
    pair = f"batch, target = {'augmented(part)' if augmented else 'x[part], y[part]'}"
    end = ["            loss.backward()", "            total += loss.detach()"]
    zero = "        total = torch.zeros((), device=x.device)"
    if not criteria.divided_in_training:
        return [
            zero,
            "        for part in rows.chunk(ACCUMULATE):",
            f"            {pair}",
            *(f"            {line}" for line in forward(case, "batch")),
            "            share = len(part) / len(rows)",
            f"            loss = {criteria.of(case.trained, 'target', 'share')}",
            *end,
        ]
    return [
        f"        parts = [{source} for part in rows.chunk(ACCUMULATE)]",
        "        counts = torch.stack([normalizer(target) for _, target in parts])",
        "        shares = counts / counts.sum(0).clamp_min(1e-12)",
        zero,
        "        for (batch, target), share in zip(parts, shares, strict=True):",
        *(f"            {line}" for line in forward(case, "batch")),
        f"            loss = {criteria.of(case.trained, 'target', 'share', each=True)}",
        *end,
    ]
