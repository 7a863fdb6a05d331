"""Settings as they are written, to a checked recipe: values of their types, and every mistake."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from ...diagnostics import closest
from ...recipe import Called, RecipeSpec
from ...source import Span
from ..errors import TrainError, raise_all
from .choices import CHOICES, RATES, Choice, LayerRate
from .recipe import SETTINGS, Recipe, Weighted
from .words import expected, spelled

MAX_ERRORS = 100
"""Mistakes that are named; who has made more has given another file."""


class Reader:
    """Collects settings, and every mistake in them."""

    def __init__(self, spec: RecipeSpec) -> None:
        self.spec = spec
        self.values: dict[tuple[str, ...], Any] = {}
        self.places: dict[str, Span] = {}
        self.errors: list[TrainError] = []

    def error(self, code: str, message: str, span: Span | None, help: str | None = None) -> None:
        if len(self.errors) < MAX_ERRORS:
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
