"""How a script comes to its samples, as code: reading, fitting to the input, normalising."""

from __future__ import annotations

from pathlib import Path

from ..choices import FromData, Given, Idx, Npz
from ..recipe import Recipe
from .case import Case
from .layout import comprehension, lines

SELECTING = ("classes", "samples", "ignore", "permute")
"""Settings that change what the data are."""


def source(case: Case) -> tuple[Path, str] | None:
    """A path that a script can read as it is, and by which function; None where there is none."""
    recipe, where = case.recipe, Path(case.data.where)
    defaults = Recipe.model_fields
    if any(getattr(recipe, name) != defaults[name].default for name in SELECTING):
        return None
    if isinstance(recipe.data, Idx) and _plain_names(where):
        return where, "load_idx"
    plain = isinstance(recipe.data, Npz) and not recipe.data.keypoints
    return (where, "load_npz") if plain else None


def _plain_names(folder: Path) -> bool:
    """Do the files have the names of today, gzipped or not?"""
    names = (
        f"{split}-{kind}-ubyte"
        for split in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    )
    return all((folder / n).is_file() or (folder / f"{n}.gz").is_file() for n in names)


def loading(case: Case) -> str:
    """The function that brings the data in."""
    held_out = case.ready.validation is not None
    words = "training, validation and test" if held_out else "training and test"
    found = source(case)
    if found is None:
        names = '"train", "validation", "test"' if held_out else '"train", "test"'
        y = "torch.from_numpy(y).to(device)" + ("" if _fractions(case) else ".long()")
        return lines(
            "def load(device: torch.device) -> list[tuple[Tensor, Tensor]]:",
            f'    """Samples and targets for {words}."""',
            "    with np.load(DATA) as arrays:",
            f'        parts = [(arrays[f"x_{{s}}"], arrays[f"y_{{s}}"]) for s in ({names})]',
            comprehension(
                "    return [", f"(torch.from_numpy(x).to(device), {y})", "for x, y in parts", "]"
            ),
        )
    reader = found[1]
    test = "t10k" if reader == "load_idx" else "test"
    x, y, how = _fitting(case)
    split = [
        '    order = torch.randperm(len(x), generator=keyed("validation"))',
        "    held_out, rest = order[:VALIDATION], order[VALIDATION:]",
        "    parts = [(x[rest], y[rest]), (x[held_out], y[held_out]), test]",
    ]
    return lines(
        "def load(device: torch.device) -> list[tuple[Tensor, Tensor]]:",
        f'    """Samples and targets for {words}{how}."""',
        f'    (x, y), test = {reader}("train"), {reader}("{test}")',
        split if held_out else ["    parts = [(x, y), test]"],
        comprehension(
            "    return [", f"({x}.to(device), {y}.to(device))", "for x, y in parts", "]"
        ),
    )


def _fractions(case: Case) -> bool:
    """Are targets no whole numbers?"""
    return case.kind in ("values", "keypoints")


def _fitting(case: Case) -> tuple[str, str, str]:
    """Samples `x` and targets `y` as the network takes them, as expressions; and how, in words."""
    size, shape = tuple(case.data.train.x.shape[1:]), case.shape
    x = "x"
    if len(size) == len(shape) > 1 and size[0] != shape[0] and size[-1] == shape[0]:
        x, size = "x.movedim(-1, 1)", (size[-1], *size[:-1])
    if size == shape:
        return (x, "y", "") if x == "x" else (f"{x}.contiguous()", "y", ", channels first")
    if len(shape) == 1:
        return f"{x}.flatten(1)", "y", ", images as rows"
    room = [n - m for n, m in zip(shape[1:], size[1:], strict=True)]
    # last axis first, as torch takes it: left, right, top, bottom
    border = tuple(side for r in reversed(room) for side in (r // 2, r - r // 2))
    how = f", images padded to {'x'.join(map(str, shape[1:]))}"
    mask = case.kind == "masks" and tuple(case.data.train.y.shape[1:]) == size[1:]
    y = f"F.pad(y, {border}, value=IGNORED)" if mask else "y"
    return f"F.pad({x}, {border})", y, how


def normalizing(case: Case) -> str:
    """The function from samples as stored to what the network takes."""
    ready, how = case.ready, case.recipe.normalize
    scale = "1 / 255" if ready.scale != 1 else "1"
    number, body = "x.float()", []
    if isinstance(how, FromData | Given):
        body = [f"    slope, offset = ({scale} / STD).to(x.device), (-MEAN / STD).to(x.device)"]
        number = "x.float() * slope + offset"
    elif scale != "1":
        number = f"x.float() * ({scale})"
    last = case.recipe.channels_last if case.image else False
    if last:
        body.append(f"    x = {number}")
        number = "x.contiguous(memory_format=torch.channels_last)"
        if last == "auto":
            number += " if x.is_cuda else x"
    doc = "Numbers as the network takes them."
    if isinstance(how, FromData):
        doc = "Mean 0 and deviation 1 per channel, by the statistics of the training samples."
    elif isinstance(how, Given):
        doc = "Less MEAN, by STD, per channel."
    elif scale != "1":
        doc = "Bytes as numbers from 0 to 1."
    return lines(
        "def normalize(x: Tensor) -> Tensor:", f'    """{doc}"""', body, f"    return {number}"
    )
