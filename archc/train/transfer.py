"""Transfer learning: weights of another run or program as a start, and learning rates by layer.

Yosinski et al. 2014, "How transferable are features in deep neural networks?".
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..diagnostics import closest
from .data.sources import project_root
from .errors import TrainError
from .folder.checkpoint import check_values
from .folder.rundir import RunDir
from .folder.weights import COUNTER, file_of, read_weights
from .freezing import matches, no_match
from .settings.recipe import Recipe

DEPTH = 3
"""Most leading parts of a name that are tried as a prefix: `module.backbone.body.`."""
SHOWN = 4
"""Names of each kind that a line shows; init.json has them all."""


@dataclass(frozen=True)
class Started:
    """What became of the tensors of a file and of those of a network."""

    file: Path
    sha256: str
    taken: list[str]
    """Names in the network whose values came from the file."""
    removed: str = ""
    """Prefix of the file's names that the network has not: `module.`."""
    added: str = ""
    """Prefix of the network's names that the file has not: `body.`."""
    asked: list[str] = field(default_factory=list)
    """Left fresh because the recipe says so (`fresh`)."""
    replaced: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)
    """Left fresh, being of another shape: name to (shape in the file, shape here)."""
    beside: list[str] = field(default_factory=list)
    """Left fresh with a replaced tensor of the same layer."""
    missing: dict[str, str | None] = field(default_factory=dict)
    """Left fresh, not being in the file: name to the nearest unused name in it."""
    unexpected: list[str] = field(default_factory=list)
    """Of the file, and not taken: the network has no such name."""

    def lines(self) -> list[str]:
        """For the reader of the output: what was taken, then what was not."""
        count = len(self.taken) + len(self.asked) + len(self.replaced) + len(self.beside)
        count += len(self.missing)
        prefix = f", without their prefix `{self.removed}`" if self.removed else ""
        prefix += f", for names under `{self.added}`" if self.added else ""
        said = [f"init: {len(self.taken)} of {count} tensors from {self.file}{prefix}"]
        said += _some("fresh, as the recipe says", self.asked)
        shapes = [f"{n} ({there} in the file, {here} here)" for n, (there, here) in self._shapes()]
        said += _some("fresh, being of another shape", shapes + self.beside)
        near = [f"{n} (it has {m})" if m else n for n, m in self.missing.items()]
        said += _some("fresh, not being in the file", near)
        said += _some("in the file, but not here", self.unexpected)
        return said

    def _shapes(self) -> Iterable[tuple[str, tuple[list[int], list[int]]]]:
        return self.replaced.items()

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "file": str(self.file)}


def _some(kind: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"  {kind}: {', '.join(names[:SHOWN])}{more}"]


def tell(started: Started, folder: RunDir, line: Callable[[str], None]) -> None:
    """Print the report, and keep all of it as init.json."""
    for text in started.lines():
        line(text)
    folder.write_json("init.json", started.plain())


# --------------------------------------------------------------------------- initial weights


def start(module: nn.Module, recipe: Recipe, spec_dir: Path) -> Started | None:
    """Give a module the weights that the recipe's `init` names; None where it names none.

    A tensor of the file goes where its name and shape are the network's own, prefixes aside
    (`module.` of DataParallel, the label of a backbone). A layer one of whose tensors has another
    shape is left fresh as a whole: a head for other classes. Raises TrainError E0808 (a file that
    is not found, not readable, or has nothing for the network) or E0802 (`fresh` or `freeze` that
    cannot be meant).
    """
    if recipe.init is None:
        if recipe.fresh:
            raise TrainError(
                "E0802",
                "`fresh` says what not to take of `init`, which is not given",
                recipe.place("fresh"),
                help="add `--init FILE`, or write `init = ...`",
            )
        return None
    path = _find(recipe, spec_dir)
    own = module.state_dict()
    tensors = read_weights(path)
    removed, added = prefixes(tensors, own)
    started, values = _assign(path, tensors, own, removed, added, recipe)
    check_values(path, values, own)
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(value)
    _check_frozen(module, started, recipe)
    return started


def _find(recipe: Recipe, spec_dir: Path) -> Path:
    """The file: as the user gave it, or beside the spec and below its project."""
    assert recipe.init is not None
    given = Path(recipe.init)
    trusted = recipe.from_command_line("init")
    beside = spec_dir / given
    if not trusted and not beside.resolve().is_relative_to(project_root(spec_dir)):
        raise TrainError(
            "E0808",
            f"the spec names weights outside its project: `{recipe.init}`",
            recipe.place("init"),
            notes=(f"the project is `{project_root(spec_dir)}`",),
            help="name them on the command line, with `--init`, if you trust the spec",
        )
    looked = [given] if trusted else []
    if given.absolute() != beside.absolute() or not looked:
        looked.append(beside)
    for path in looked:
        if path.exists():
            return file_of(path)
    raise TrainError(
        "E0808",
        f"the weights `{recipe.init}` cannot be found",
        recipe.place("init"),
        notes=tuple(f"not in `{path.absolute()}`" for path in looked),
        help="give a run's folder, a .safetensors file or a file of `torch.save`",
    )


def prefixes(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> tuple[str, str]:
    """(prefix to take off the file's names, prefix to put before them): what matches most.

    `module.conv1.weight` of DataParallel, `backbone.conv1.weight` of a detector, `conv1.weight` for
    a network whose backbone is labelled `body`. Nothing is changed where that matches as much, nor
    for the sake of less than half of the smaller of the two: blocks resemble each other.
    """
    ends: dict[str, list[tuple[str, torch.Size]]] = {}
    for name, tensor in own.items():
        for on, end in _splits(name):
            ends.setdefault(end, []).append((on, tensor.shape))
    counts = Counter(
        (off, on)
        for name, tensor in tensors.items()
        for off, end in _splits(name)
        for on, shape in ends.get(end, ())
        if shape == tensor.shape
    )
    enough = max(min(len(tensors), len(own)) / 2, counts["", ""] + 1)
    found = [(-n, len(off) + len(on), off, on) for (off, on), n in counts.items() if n >= enough]
    return min(found)[2:] if found else ("", "")


def _splits(name: str) -> list[tuple[str, str]]:
    """A name as (prefix with its dots, rest): `a.b.c` is ("", a.b.c), (a., b.c) and (a.b., c)."""
    parts = name.split(".")
    most = min(DEPTH, len(parts) - 1)
    return [
        ("".join(f"{part}." for part in parts[:n]), ".".join(parts[n:])) for n in range(most + 1)
    ]


def _assign(
    path: Path,
    tensors: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    removed: str,
    added: str,
    recipe: Recipe,
) -> tuple[Started, dict[str, Tensor]]:
    """The report, and the values to be copied, by the network's names."""
    names = {added + n.removeprefix(removed): n for n in tensors if n.startswith(removed)}
    asked = [n for n in own if any(matches(n, pattern) for pattern in recipe.fresh)]
    for pattern in recipe.fresh:
        if not any(matches(n, pattern) for n in own):
            raise no_match("fresh", pattern, own, recipe)
    there = [n for n in own if n in names and n not in set(asked)]
    replaced = {
        n: (list(tensors[names[n]].shape), list(own[n].shape))
        for n in there
        if tensors[names[n]].shape != own[n].shape
    }
    layers = {_layer(n) for n in replaced}
    taken = [n for n in there if _layer(n) not in layers]
    left = sorted(t for n, t in names.items() if n not in own)
    left += [n for n in tensors if not n.startswith(removed)]
    lacking = [n for n in own if n not in names and n not in set(asked) and COUNTER not in n]
    if not taken:
        raise TrainError(
            "E0808",
            f"`{path}` has no weights for this network: no name and shape agrees",
            recipe.place("init"),
            notes=(
                f"the file has {', '.join(list(tensors)[:SHOWN])}, ...",
                f"the network has {', '.join(list(own)[:SHOWN])}, ...",
            ),
        )
    started = Started(
        file=path,
        sha256=_digest(path),
        taken=taken,
        removed=removed,
        added=added,
        asked=asked,
        replaced=replaced,
        beside=[n for n in there if n not in replaced and _layer(n) in layers],
        missing={n: closest(n, left) for n in lacking},
        unexpected=left,
    )
    return started, {n: tensors[names[n]] for n in taken}


def _digest(path: Path) -> str:
    """SHA-256 of a file, read in parts."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _check_frozen(module: nn.Module, started: Started, recipe: Recipe) -> None:
    """What stays as it is must have come from the file: frozen random weights help nobody."""
    taken = set(started.taken)
    for pattern in recipe.freeze:
        for name, _ in module.named_parameters():
            if name not in taken and matches(name, pattern):
                raise TrainError(
                    "E0802",
                    f"`freeze` holds `{name}`, which is not in `{started.file}`",
                    recipe.place("freeze"),
                    notes=tuple(line.strip() for line in started.lines()[1:]),
                )


# --------------------------------------------------------------------------- rates by layer


def check_rates(module: nn.Module, recipe: Recipe) -> None:
    """Raise TrainError E0802 where a pattern of `layer_lr` fits no parameter that is trained."""
    trained = [name for name, p in module.named_parameters() if p.requires_grad]
    for rate in recipe.layer_lr:
        if not any(matches(name, rate.pattern) for name in trained):
            raise no_match("layer_lr", rate.pattern, trained, recipe)


def by_layer(
    groups: Iterable[dict[str, Any]], module: nn.Module, recipe: Recipe
) -> list[dict[str, Any]]:
    """Groups of an optimizer, split by the factors of `layer_lr`, the first pattern that fits.

    Every group has its `params` and its learning rate `peak`.
    """
    factors = {
        id(p): next((r.factor for r in recipe.layer_lr if matches(name, r.pattern)), 1.0)
        for name, p in module.named_parameters()
    }
    made = []
    for group in groups:
        for factor in dict.fromkeys(factors[id(p)] for p in group["params"]):
            params = [p for p in group["params"] if factors[id(p)] == factor]
            made.append({**group, "params": params, "peak": group["peak"] * factor})
    return made
