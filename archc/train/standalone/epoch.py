"""One epoch of a recipe as code, and what it calls: losses, groups of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..choices import Constant, Cosine, OneCycle, Step
from .augmenting import Augmenting
from .layout import lines

if TYPE_CHECKING:
    from .losses import Criteria
    from .script import Case


def total_loss(criteria: Criteria) -> str:
    return lines(
        "def total_loss(outputs: tuple[Tensor, ...], target: Tensor) -> Tensor:",
        '    """The weighted sum over outputs; those for training only come last."""',
        f"    heads = {criteria.pairs}",
        "    total = torch.zeros((), device=target.device)",
        "    for (weight, loss), output in zip(heads, outputs, strict=False):",
        "        total = total + loss(output, target) * weight",
        "    return total",
    )


def mass(criteria: Criteria) -> str:
    return lines(
        "def mass(target: Tensor) -> Tensor:",
        '    """What the mean of a batch\'s loss is over: what batches are to be weighted by."""',
        f"    return {criteria.counted}",
    )


def groups(case: Case) -> str:
    recipe = case.recipe
    peak = "LR * rate_of(name)" if recipe.layer_lr else "LR"
    decay = recipe.optimizer.weight_decay
    extra = [f'"weight_decay": 0.0 if p.ndim <= 1 else {decay}'] if recipe.no_decay else []
    entries = ", ".join(['"params": [p]', f'"peak": {peak}', *extra])
    what = " and ".join(
        (["learning rates"] if recipe.layer_lr else [])
        + (["weight decays"] if recipe.no_decay else [])
    )
    return lines(
        "def groups(model: nn.Module) -> list[dict[str, object]]:",
        f'    """Parameters with their own {what}."""',
        "    return [",
        f"        {{{entries}}}",
        "        for name, p in model.named_parameters()",
        "        if p.requires_grad",
        "    ]",
    )


def grouped(case: Case) -> bool:
    return case.recipe.no_decay or bool(case.recipe.layer_lr)


def rate(case: Case) -> str:
    names = {OneCycle: "one_cycle", Cosine: "half_cosine", Step: "stairs", Constant: "constant"}
    name = names[type(case.recipe.schedule)]
    if name == "constant" and case.recipe.schedule.warmup == 0:
        return ""
    extra = ", steps" if name == "stairs" else ""
    return f"{name}(epoch * steps + step, epochs * steps{extra})"


def autocast(case: Case) -> list[str]:
    """The `with` around a forward pass; none in full precision."""
    precision = case.recipe.precision
    if precision == "fp32":
        return []
    on = "" if precision == "bf16" else ', enabled=x.device.type == "cuda"'
    return [f"with torch.autocast(x.device.type, torch.bfloat16{on}):"]


def loss_of(criteria: Criteria, outputs: str, target: str) -> str:
    if not criteria.single:
        return f"total_loss({outputs}, {target})"
    weight = f" * {criteria.weight}" if criteria.weight != 1 else ""
    return f"{criteria.of}({outputs}, {target}){weight}"


# --------------------------------------------------------------------------- one epoch


def train_epoch(case: Case, criteria: Criteria) -> str:
    """The function that trains for one epoch."""
    recipe, augmenting = case.recipe, Augmenting(case)
    several = recipe.accumulate > 1
    extra = [("epochs: int", bool(rate(case))), ("still: list[nn.Module]", bool(recipe.freeze)),
             ("average: nn.Module", recipe.ema > 0)]  # fmt: skip
    arguments = ["model: nn.Module", "optimizer: torch.optim.Optimizer", "x: Tensor", "y: Tensor",
                 "epoch: int", *(a for a, there in extra if there)]  # fmt: skip
    clip = [
        "        learned = [p for p in model.parameters() if p.requires_grad]",
        "        nn.utils.clip_grad_norm_(learned, CLIP)",
    ]
    ema = ["        follow(average, model, epoch * steps + step + 1)"]
    return lines(
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
        _rates(case),
        "        rows = order[step * BATCH : (step + 1) * BATCH]",
        _body(case, criteria, augmenting),
        clip if recipe.clip > 0 else [],
        "        optimizer.step()",
        "        optimizer.zero_grad()",
        ema if recipe.ema > 0 else [],
        f"        losses.append({'total' if several else 'loss.detach()'})",
        "    return torch.stack(losses).tolist()",
    )


def _rates(case: Case) -> list[str]:
    """Lines that set the learning rate of a step; none where it never changes."""
    share = rate(case)
    if not share and not case.recipe.layer_lr:
        return []
    peak = 'group["peak"]' if grouped(case) else "LR"
    return [
        "        for group in optimizer.param_groups:",
        f'            group["lr"] = {peak}' + (f" * {share}" if share else ""),
    ]


def _body(case: Case, criteria: Criteria, augmenting: Augmenting) -> list[str]:
    """The samples `rows` forwards and backwards, at once or in parts."""
    if case.recipe.accumulate == 1:
        return [*_forward(case, criteria, augmenting, "rows", 8), "        loss.backward()"]
    end = ["            loss.backward()", "            total += loss.detach()"]
    zero = "        total = torch.zeros((), device=x.device)"
    if not criteria.counted:
        return [
            zero,
            "        for part in rows.chunk(ACCUMULATE):",
            *_forward(case, criteria, augmenting, "part", 12),
            "            loss = loss * (len(part) / len(rows))",
            *end,
        ]
    with_ = autocast(case)
    deeper = "    " if with_ else ""
    return [
        "        parts = []",
        "        for part in rows.chunk(ACCUMULATE):",
        "            batch, target = x[part], y[part]",
        *(f"            {line.format(rows='part')}" for line in augmenting.lines),
        "            parts.append((batch, target))",
        "        counts = [mass(target) for _, target in parts]",
        zero,
        "        for (batch, target), count in zip(parts, counts, strict=True):",
        *(f"            {line}" for line in with_),
        f"            {deeper}outputs = model(normalized(batch))",
        f"            loss = {loss_of(criteria, 'outputs', 'target')}",
        "            loss = loss * (count / sum(counts))",
        *end,
    ]


def _forward(
    case: Case, criteria: Criteria, augmenting: Augmenting, rows: str, columns: int
) -> list[str]:
    """From the samples `rows` to their loss, indented by so many columns."""
    moved = augmenting.masks and bool(augmenting.lines)
    with_ = autocast(case)
    deeper = "    " if with_ else ""
    batch = "batch" if augmenting.lines else f"x[{rows}]"
    loss = loss_of(criteria, "outputs", "target" if moved else f"y[{rows}]")
    made = [
        *([f"batch = x[{rows}]"] if augmenting.lines else []),
        *([f"target = y[{rows}]"] if moved else []),
        *(line.format(rows=rows) for line in augmenting.lines),
        *with_,
        f"{deeper}outputs = model(normalized({batch}))",
        f"loss = {loss}",
    ]
    return [" " * columns + line for line in made]
