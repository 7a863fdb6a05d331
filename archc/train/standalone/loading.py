"""How a script comes to its samples, as code: reading, fitting to the input, normalising."""

from __future__ import annotations

from pathlib import Path

import torch

from ..data.sizing import way
from ..settings.choices import FromData, Given, Idx, Npz
from ..settings.recipe import Recipe
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
    if recipe.fit == "resize" and case.image and _image_size(case) != case.size:
        return None
    if isinstance(recipe.data, Idx) and _plain_names(where):
        return where, "load_idx"
    plain = isinstance(recipe.data, Npz) and not recipe.data.keypoints
    return (where, "load_npz") if plain else None


def _image_size(case: Case) -> tuple[int, ...]:
    """Height and width of the images as they are stored."""
    size, shape = tuple(case.data.train.x.shape[1:]), case.shape
    last = len(size) == len(shape) and size[0] != shape[0] and size[-1] == shape[0]
    return size[:-1] if last else size[1:]


def _plain_names(folder: Path) -> bool:
    """Do the files have the names of today, gzipped or not?"""
    names = (
        f"{split}-{kind}-ubyte"
        for split in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    )
    return all((folder / n).is_file() or (folder / f"{n}.gz").is_file() for n in names)


def loading(case: Case) -> list[str]:
    """The functions that bring the data in."""
    held_out = case.ready.validation is not None
    words = "training, validation and test" if held_out else "training and test"
    found = source(case)
    if found is None:
        names = '"train", "validation", "test"' if held_out else '"train", "test"'
        y = "torch.from_numpy(y).to(device)" + ("" if _fractions(case) else ".long()")
        made = lines(
            "def load(device: torch.device) -> list[tuple[Tensor, Tensor]]:",
            f'    """Samples and targets for {words}."""',
            "    with np.load(DATA) as arrays:",
            f'        parts = [(arrays[f"x_{{s}}"], arrays[f"y_{{s}}"]) for s in ({names})]',
            comprehension(
                "    return [", f"(torch.from_numpy(x).to(device), {y})", "for x, y in parts", "]"
            ),
        )
        return [made]
    reader = found[1]
    test = "t10k" if reader == "load_idx" else "test"
    x, y, pad, how = _fitting(case)
    split = [
        '    order = torch.randperm(len(x), generator=keyed("validation"))',
        "    held_out, rest = order[:VALIDATION], order[VALIDATION:]",
        "    parts = [(x[rest], y[rest]), (x[held_out], y[held_out]), test]",
    ]
    made = lines(
        "def load(device: torch.device) -> list[tuple[Tensor, Tensor]]:",
        f'    """Samples and targets for {words}{how}."""',
        f'    (x, y), test = {reader}("train"), {reader}("{test}")',
        split if held_out else ["    parts = [(x, y), test]"],
        [f"    pad = {pad}  # left, right, top, bottom"] if pad else [],
        comprehension(
            "    return [", f"({x}.to(device), {y}.to(device))", "for x, y in parts", "]"
        ),
    )
    return [made] if reader == "load_idx" else [_npz(case), made]


def _fractions(case: Case) -> bool:
    """Are targets no whole numbers?"""
    return case.kind in ("values", "keypoints")


def _npz(case: Case) -> str:
    """The function that reads one split of a file of arrays."""
    x, y = case.data.train.x, case.data.train.y
    kind = "np.uint8" if x.dtype == torch.uint8 else "np.float32"
    target = "np.float32" if _fractions(case) else "np.int64"
    x_shape, y_shape = (str((-1, *each.shape[1:])).removesuffix(",)") for each in (x, y))
    shapes = [f"{shape.strip('()')}" for shape in (x_shape, y_shape)]
    return lines(
        "def load_npz(split: str) -> tuple[Tensor, Tensor]:",
        f'    """Samples [{_named(x)}] and targets [{_named(y)}]."""',
        "    with np.load(DATA) as arrays:",
        f'        x = torch.from_numpy(arrays[f"x_{{split}}"].astype({kind}))',
        f'        y = torch.from_numpy(arrays[f"y_{{split}}"].astype({target}))',
        f"    return x.reshape({shapes[0]}), y.reshape({shapes[1]})",
    )


def _named(x: torch.Tensor) -> str:
    return ", ".join(["N", *map(str, x.shape[1:])])


def _fitting(case: Case) -> tuple[str, str, tuple[int, ...], str]:
    """Samples `x` and targets `y` as the network takes them, as expressions; their border; words.

    The border is `pad` in the expressions; below 0, so much is cut off. None is ().
    """
    size, shape = tuple(case.data.train.x.shape[1:]), case.shape
    x, hows = "x", []
    if len(size) == len(shape) == 3 and (size[0], shape[0]) == (1, 3):
        x, size, hows = "x.expand(-1, 3, -1, -1)", (3, *size[1:]), ["as RGB"]
    elif len(size) == len(shape) > 1 and size[0] != shape[0] and size[-1] == shape[0]:
        x, size, hows = "x.movedim(-1, 1)", (size[-1], *size[:-1]), ["channels first"]
    y = "y"
    border: tuple[int, ...] = ()
    if size == shape:
        x = f"{x}.contiguous()" if hows else x
    elif len(shape) == 1:
        x, hows = f"{x}.flatten(1)", ["as rows"]
    else:
        found = way(size[1:], shape[1:], case.recipe.fit)
        assert found is not None
        border = tuple(found.border)
        x = f"F.pad({x}, pad)"
        if case.kind == "masks" and tuple(case.data.train.y.shape[1:]) == found.size:
            y = "F.pad(y, pad, value=IGNORED)"
        verb = "padded" if found.how == "pad" else "cropped"
        hows.append(f"{verb} to {'x'.join(map(str, shape[1:]))}")
    return x, y, border, f"; images {', '.join(hows)}" if hows else ""


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
    if case.image and case.recipe.channels_last is not False:
        number = f"({number}).contiguous(memory_format=torch.channels_last)"
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
