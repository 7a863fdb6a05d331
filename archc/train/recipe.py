"""A recipe, typed and checked: every setting with its place. Nothing here needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from ..diagnostics import closest
from ..recipe import Called, RecipeSpec
from ..source import Span
from .choices import (
    CHOICES,
    RATES,
    AdamW,
    Augmentation,
    ByTask,
    Checkpoint,
    Choice,
    Constant,
    Every,
    Fit,
    Fraction,
    FromData,
    LayerRate,
    Loss,
    NonNegative,
    Normalization,
    Optimizer,
    Precision,
    Schedule,
    Source,
    Switch,
)
from .errors import TrainError, raise_all
from .words import expected, spelled


class Weighted(BaseModel):
    """The loss of one output and how much it counts in the sum."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    weight: NonNegative
    loss: Loss


class Recipe(BaseModel):
    """How a network is trained. Every field but the first two is a setting, overridable by name."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)

    name: str
    network: str | None

    data: Source
    """Where training and test data come from."""
    epochs: Annotated[int, Field(ge=1)] = 10
    """Passes over the training data."""
    batch: Annotated[int, Field(ge=1)] = 128
    """Samples per step. The rest after the last full one waits for another epoch's shuffle."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Parts that a batch is computed in, one after the other: less memory, the same update."""
    optimizer: Optimizer = AdamW()
    """How weights follow their gradients."""
    schedule: Schedule = Constant()
    """The learning rate over the run, as a share of the optimizer's `lr`."""
    no_decay: bool = False
    """No weight decay for parameters of one axis: biases, and the scales of normalisations."""
    clip: NonNegative = 0.0
    """Gradients longer than this, all taken as one vector, are scaled down to it; 0: none are."""
    ema: Fraction = 0.0
    """Decay per step of a running average of the weights, which is then measured and kept."""
    loss: Loss = ByTask()
    """Of every output that has none of its own."""
    losses: dict[str, Weighted] = {}
    """`loss.NAME = [weight, loss]`, by output."""
    augment: list[Augmentation] = []
    """Drawn per sample and epoch, applied to training batches in this order."""
    classes: list[Annotated[int, Field(ge=0)]] = []
    """Only samples of these classes, numbered anew from 0 in this order; all, if none is given."""
    samples: Annotated[int, Field(ge=2)] | None = None
    """At most so many training samples, drawn by `seed`, before any are held out."""
    ignore: Annotated[int, Field(ge=0)] | None = None
    """A class number of the data that counts in no loss and no metric: a border, say."""
    permute: bool = False
    """The pixels of all images in one other order, drawn by `seed`."""
    fit: Fit = "auto"
    """How images reach the input: `pad` with zeros, `resize`, `crop`; `auto`: little padding."""
    normalize: Normalization = FromData()
    """How the numbers of images are brought to a common range."""
    validation: Fraction = 0.1
    """Share of the training data held out to choose the best epoch by; 0 trains on all of them."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Epochs without a better one on `validation` after which the run ends early; 0: never."""
    init: Annotated[str, Field(min_length=1)] | None = None
    """A file of weights to start from, or a run's folder; as `--init FILE`."""
    fresh: list[str] = []
    """Parameters that `init` leaves as they are: patterns, as for `freeze`. A head, say."""
    freeze: list[str] = []
    """Parameters that stay as they are: patterns (`features.*`) over names, or module names."""
    layer_lr: Annotated[list[LayerRate], Field(json_schema_extra={"takes": RATES})] = []
    """`[["features", 0.1]]`: factors of the learning rate, of the first pattern that fits."""
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    """Of weights, order, augmentation, dropout and the validation split."""
    precision: Precision = "auto"
    """`auto`: bf16 autocast on a GPU that has it, else fp32. `fp32` also rules out TF32."""
    channels_last: Switch = "auto"
    """Memory layout of images and weights; `auto`: on a GPU."""
    compile: Switch = "auto"
    """`torch.compile`; `auto`: on a GPU, for runs long enough to pay for it."""
    deterministic: bool = False
    """Only what gives the same bits every time: slower on a GPU; on a CPU it is always so."""
    sync_batchnorm: bool = True
    """Several processes: batch normalisations see the whole batch, not each its process's share."""
    checkpoint: Checkpoint = Every(seconds=300)
    """When the state to resume from is written, besides the end of each epoch."""
    pictures: bool = True
    """At the end, kernels of the first layer, the confusion matrix and predictions as pictures."""
    tensorboard: bool = False
    """Curves and pictures for TensorBoard too, in the folder `tensorboard` of the run."""

    _places: dict[str, Span] = PrivateAttr(default_factory=dict)
    _overridden: frozenset[str] = PrivateAttr(default=frozenset())

    @classmethod
    def read(cls, spec: RecipeSpec, overrides: Mapping[str, Any]) -> Recipe:
        """Check the settings of a recipe, `overrides` ("epochs" or "optimizer.lr") on top.

        Raises TrainError E0801 (unknown setting) or E0802 (wrong value); several mistakes come
        together, see `TrainError.each`.
        """
        reader = _Reader(spec)
        for setting in spec.settings:
            reader.put(setting.path, setting.value, setting.span, setting.value_span)
        for key, value in overrides.items():
            reader.override(tuple(key.split(".")), value)
        made = reader.finish()
        made._places.update(reader.places)
        made._overridden = frozenset(overrides)
        return made

    def with_seed(self, seed: int) -> Recipe:
        """The same recipe with another seed."""
        made = self.model_copy(update={"seed": seed})
        made._places, made._overridden = self._places, self._overridden
        return made

    def of_network(self, name: str) -> Recipe:
        """The same recipe for another network."""
        made = self.model_copy(update={"network": name})
        made._places, made._overridden = self._places, self._overridden
        return made

    def place(self, setting: str) -> Span | None:
        """Where the value of a setting stands; None for a default or an override."""
        return self._places.get(setting)

    def from_command_line(self, setting: str) -> bool:
        """It was given by the user's own hand, not by the spec."""
        return any(key.partition(".")[0] == setting for key in self._overridden)


SETTINGS: tuple[str, ...] = tuple(
    name for name in Recipe.model_fields if name not in ("name", "network", "losses")
)


def plain(recipe: Recipe) -> dict[str, Any]:
    """The recipe as JSON; choices carry their names."""

    def named(value: Any) -> Any:
        name = getattr(value, "name", None)
        if isinstance(value, list):
            return [named(v) for v in value]
        if isinstance(value, dict):
            return {k: named(v) for k, v in value.items()}
        if not hasattr(type(value), "model_fields"):
            return value
        fields = {k: named(getattr(value, k)) for k in type(value).model_fields}
        return {"name": name, **fields} if "name" not in fields and name else fields

    return {k: named(getattr(recipe, k)) for k in Recipe.model_fields}


MAX_ERRORS = 100
"""Unknown settings that are named; who has more has given another file."""


class _Reader:
    """Collects settings, and every mistake in them."""

    def __init__(self, spec: RecipeSpec) -> None:
        self.spec = spec
        self.values: dict[tuple[str, ...], Any] = {}
        self.places: dict[str, Span] = {}
        self.errors: list[TrainError] = []

    def error(self, code: str, message: str, span: Span | None, help: str | None = None) -> None:
        self.errors.append(TrainError(code, message, span, help=help))

    def put(self, path: tuple[str, ...], value: Any, span: Span, value_span: Span) -> None:
        if not self._known(path, span):
            return
        if path in self.values:
            self.error("E0802", f"`{'.'.join(path)}` is set twice", span)
            return
        self.values[path] = value
        self.places[".".join(path)] = value_span

    def override(self, path: tuple[str, ...], value: Any) -> None:
        """A setting of the command line; it replaces the recipe's, arguments and all."""
        if not self._known(path, None):
            return
        for other in list(self.values):
            if other[: len(path)] == path and path != ("loss",):
                del self.values[other]
        self.values[path] = value
        self.places.pop(".".join(path), None)

    def _known(self, path: tuple[str, ...], span: Span | None) -> bool:
        head = path[0]
        if head not in SETTINGS:
            if len(self.errors) >= MAX_ERRORS:
                return False
            near = closest(head, SETTINGS)
            help = f"did you mean `{near}`?" if near else "settings: " + ", ".join(SETTINGS)
            self.error("E0801", f"a recipe has no setting `{head}`", span, help)
            return False
        nested = head in CHOICES and head != "augment"
        if len(path) > 2 or (len(path) == 2 and not nested):
            self.error("E0801", f"a recipe has no setting `{'.'.join(path)}`", span)
            return False
        return True

    # ------------------------------------------------------------------ values

    def finish(self) -> Recipe:
        """The recipe, or every mistake at once."""
        made: dict[str, Any] = {"name": self.spec.name, "network": self.spec.network}
        losses: dict[str, Weighted] = {}
        for path, value in self._merged().items():
            span, text = self.places.get(".".join(path)), ".".join(path)
            if len(path) == 2:
                weighted = self._weighted(value, span, text)
                if weighted is not None:
                    losses[path[1]] = weighted
            elif path[0] == "augment":
                made["augment"] = self._list(value, span)
            elif path[0] == "layer_lr":
                made["layer_lr"] = self._rates(value, span)
            elif path[0] in CHOICES:
                made[path[0]] = self._choice(path[0], value, span, text)
            else:
                made[path[0]] = value
        if "data" not in made and ("data",) not in self.values:
            self.error(
                "E0802",
                f"recipe `{self.spec.name}` does not say what data to train on",
                self.spec.span,
                'write `data = idx("fashion-mnist")`',
            )
        recipe = self._validate({**made, "losses": losses})
        self.errors.sort(key=lambda e: e.span.start if e.span else -1)
        raise_all(self.errors)
        assert recipe is not None
        return recipe

    def _merged(self) -> dict[tuple[str, ...], Any]:
        """`optimizer.lr = 0.1` becomes an argument of the optimizer."""
        merged = dict(self.values)
        for path, value in self.values.items():
            if len(path) == 2 and path[0] != "loss":
                del merged[path]
                head, name = path
                call = merged.get((head,), _default_call(head))
                if isinstance(call, str):
                    call = Called(call, (), {})
                if isinstance(call, Called):
                    named = {**_named(head, call), name: value}
                    places = _places(_fields(head, call), call)
                    places.pop(name, None)
                    merged[(head,)] = Called(call.name, (), named, call.span, places)
                    if ".".join(path) not in self.places:  # of the command line: it has none
                        self.places.pop(head, None)
                        merged[(head,)] = replace(merged[(head,)], span=None)
                elif call is None:
                    merged[(head,)] = Called("", (), {name: value})
        return merged

    def _weighted(self, value: Any, span: Span | None, text: str) -> Weighted | None:
        """`[0.3, cross_entropy()]`, or a loss alone, which then counts once."""
        weight, loss = value if isinstance(value, list) and len(value) == 2 else (1.0, value)
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if isinstance(loss, list) or not number:
            self._wrong(text, "a weight and a loss, as in `[0.3, cross_entropy()]`", value, span)
            return None
        if not 0 <= weight < float("inf"):
            self._wrong(text, "a weight of at least 0", weight, span)
            return None
        made = self._choice("loss", loss, span, text)
        return None if made is None else Weighted(weight=float(weight), loss=made)

    def _rates(self, value: Any, span: Span | None) -> list[LayerRate]:
        """`[["features", 0.1], ["fc", 1]]`, or one such pair alone."""
        pairs = value if isinstance(value, list) else [value]
        pairs = [pairs] if pairs and isinstance(pairs[0], str) else pairs
        made = []
        for pair in pairs:
            try:
                pattern, factor = pair if isinstance(pair, list) else (pair, None)
                made.append(LayerRate.model_validate({"pattern": pattern, "factor": factor}))
            except ValueError:  # too few or too many, or pydantic's, which is one too
                self._wrong("layer_lr", RATES, pair, span)
        return made

    def _list(self, value: Any, span: Span | None) -> list[Choice]:
        items = value if isinstance(value, list) else [value]
        made = [self._choice("augment", item, span, "augment") for item in items]
        return [m for m in made if m is not None]

    def _choice(self, setting: str, value: Any, span: Span | None, text: str) -> Any:
        """`sgd(lr=0.1)` as an instance of its class; None (and an error) where it is not one."""
        options = {c.name: c for c in CHOICES[setting]}
        if isinstance(value, str):
            value = Called(value, (), {}, None)
        if not isinstance(value, Called):
            self._wrong(text, "one of " + ", ".join(options), value, span)
            return None
        cls = options.get(value.name)
        if cls is None:
            near = closest(value.name, options)
            help = f"did you mean `{near}`?" if near else "there are: " + ", ".join(options)
            self.error("E0802", f"`{text}` cannot be `{value.name}`", value.span or span, help)
            return None
        where = value.span or span
        if len(value.args) > len(cls.model_fields):
            self.error("E0802", f"`{cls.name}` takes {_count(cls)}", where)
            return None
        named = dict(zip(cls.model_fields, value.args, strict=False))
        for name in named.keys() & value.kwargs.keys():
            self.error("E0802", f"`{name}` is given twice to `{cls.name}`", where)
            return None
        try:
            return cls(**{**named, **value.kwargs})
        except ValidationError as error:
            self._explain(error, cls, {**named, **value.kwargs}, where, value)
            return None

    def _validate(self, made: dict[str, Any]) -> Recipe | None:
        usable = {k: v for k, v in made.items() if v is not None or k == "network"}
        try:
            return Recipe(**usable)
        except ValidationError as error:
            failed = {str(e["loc"][0]) for e in error.errors()}
            properties = Recipe.model_json_schema()["properties"]
            for name in sorted(failed - {"data"}):
                self._wrong(name, expected(properties[name]), usable[name], self.places.get(name))
            return None

    def _explain(
        self,
        error: ValidationError,
        cls: type[Choice],
        given: dict[str, Any],
        span: Span | None,
        call: Called,
    ) -> None:
        """pydantic's complaints in our words, one per argument."""
        properties = cls.model_json_schema()["properties"]
        places = _places(list(cls.model_fields), call)
        done: set[str] = set()
        for item in error.errors():
            name = str(item["loc"][0]) if item["loc"] else ""
            if name in done:
                continue
            done.add(name)
            if not name:
                self.error("E0802", str(item["ctx"]["error"]), span)
            elif item["type"] == "missing":
                self.error("E0802", f"`{cls.name}` needs `{name}`", span)
            elif item["type"] == "extra_forbidden":
                near = closest(name, properties)
                help = f"did you mean `{near}`?" if near else f"it takes {_count(cls)}"
                self.error("E0802", f"`{cls.name}` has no argument `{name}`", span, help)
            else:
                text = f"{name}` of `{cls.name}"
                self._wrong(text, expected(properties[name]), given[name], places.get(name, span))

    def _wrong(self, text: str, takes: str, value: Any, span: Span | None) -> None:
        self.error("E0802", f"`{text}` takes {takes}, not {spelled(value)}", span)


def _count(cls: type[Choice]) -> str:
    return ", ".join(f"`{n}`" for n in cls.model_fields) or "no arguments"


def _default_call(setting: str) -> Called | None:
    """The default of a setting as a call, to which one argument can be changed."""
    default = Recipe.model_fields[setting].default
    if not isinstance(default, Choice):
        return None
    return Called(default.name, (), default.model_dump())


def _named(setting: str, call: Called) -> dict[str, Any]:
    """The arguments of a call, by name."""
    return {**dict(zip(_fields(setting, call), call.args, strict=False)), **call.kwargs}


def _places(names: list[str], call: Called) -> dict[int | str, Span]:
    """Where the arguments of a call stand, by name."""
    return {
        names[n] if isinstance(n, int) else n: span
        for n, span in call.places.items()
        if isinstance(n, str) or n < len(names)
    }


def _fields(setting: str, call: Called) -> list[str]:
    """The parameters of what is called, in order; none where there is no such thing."""
    return [n for cls in CHOICES[setting] if cls.name == call.name for n in cls.model_fields]
