"""How a script comes to its samples, as code: reading, fitting to the input, normalising."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layout import lines

if TYPE_CHECKING:
    from .script import Case


def loading(case: Case) -> list[str]:
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
    load = lines(
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
    return lines(
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
        lines(
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
            lines(
                "def fitted_places(y: Tensor) -> Tensor:",
                '    """Targets of images that got a border."""',
                f"    return {place}",
            )
        )
    return made


def normalized(case: Case) -> str:
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
    return lines("def normalized(x: Tensor) -> Tensor:", f'    """{what}"""', body)
