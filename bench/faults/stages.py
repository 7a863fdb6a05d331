"""Statements and stages of a spec, run on tensors without numbers."""

from __future__ import annotations

from typing import Any

from archc.syntax import tree

from . import layers
from .expressions import Expressions
from .tensors import Ref, RefusedError
from .units import Unit, base
from .values import Function, Keys, Record, UndecidedError, Value, WrongError, fits, freeze, place

DEPTH = 64  # nested calls
STEPS = 60_000  # layers of one network


class World:
    """One network being run."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.layers = 0
        self.depth = 0
        self.owners: list[tuple[Any, int, tuple[int, ...]]] = [(0, 0, ())]
        """Per layer from 1: whose weights it has, how many, and the layers before it."""
        self.sharing: tuple[Any, ...] = ()
        self.shared: dict[Any, list[Any]] = {}


class Frame(Expressions):
    """One block or network being run."""

    def __init__(self, unit: Unit, world: World | None = None) -> None:
        self.unit = unit
        self.world = world or World(Keys())
        self.env: dict[str, Any] = {}
        self.defaults: dict[str, dict[str, Any]] = {}
        self.outputs: list[tuple[str | None, Any, bool]] = []
        self.labels: dict[str, Any] = {}
        self.prefix: tuple[str, ...] = ()

    # ------------------------------------------------------------------ statements

    def run(self, statements: tuple[tree.Stmt, ...]) -> None:
        for node in statements:
            if isinstance(node, tree.Assign):
                self._assign(node)
            elif isinstance(node, tree.Output):
                value = self.eval(node.value)
                if node.name is not None:
                    self.env[node.name.name] = value
                self.outputs.append((node.name.name if node.name else None, value, node.training))
            elif isinstance(node, tree.For):
                for _ in self.rounds(node.targets, node.over):
                    self.run(node.body)
            elif isinstance(node, tree.If):
                self.run(node.yes if self.test(node.test) else node.no)
            elif isinstance(node, tree.Default):
                self.run_default(node, self.defaults)
            elif isinstance(node, tree.Share):
                self.env[node.name.name] = Function("share", node.name.name, node.stage, frame=self)

    def _assign(self, node: tree.Assign) -> None:
        value = self.eval(node.value)
        names = [t.name for t in node.targets]
        if len(names) == 1:
            self.env[names[0]] = value
            return
        parts = list(value.values()) if isinstance(value, Record) else value
        if not isinstance(parts, (list, tuple)) or len(parts) != len(names):
            raise WrongError("names do not fit values", place(node), place(node.value))
        self.env.update(zip(names, parts, strict=True))

    def run_default(self, node: tree.Default, into: dict[str, dict[str, Any]]) -> None:
        name = node.name.name
        found = self.operator(name) or self.unit.find(name)
        if not isinstance(found, Function):
            self.wrong(node, f"no operator or block {name}")
        into.setdefault(name, {}).update(self.arguments(found, node.args, node))

    def with_defaults(self, found: Any) -> Any:
        if isinstance(found, Function) and found.kind != "share":
            given = {**self.unit.defaults.get(found.name, {}), **self.defaults.get(found.name, {})}
            found.defaults = given
        return found

    # ------------------------------------------------------------------ arguments

    def arguments(self, function: Function, args: tree.Args | None, node: Any) -> dict[str, Any]:
        """Arguments by parameter, evaluated."""
        items = args.items if args else ()
        decl = function.decl
        if function.kind == "op":
            names = layers.parameters(function.name)
        else:
            decl, _, _ = base(function)
            names = [p.name.name for p in decl.params]
            if isinstance(decl, tree.Network):
                names = [*names, "outputs"]
        given: dict[str, Any] = {}
        for i, arg in enumerate(items):
            if arg.name is None and i >= len(names):
                self.wrong(arg, "too many arguments")
            name = names[i] if arg.name is None else arg.name.name
            if name not in names or name in given:
                self.wrong(arg, f"no parameter {name}, or twice")
            if function.kind == "op":
                given[name] = self._operator_value(name, arg.value)
            elif name == "outputs":
                given[name] = arg.value
            else:
                given[name] = self._typed(self.eval(arg.value), decl, name, arg)
        return given

    def _typed(self, value: Any, decl: Any, name: str, node: Any) -> Any:
        kind = next(p.type for p in decl.params if p.name.name == name)
        if not fits(value, kind):
            self.wrong(node, f"{name} of another type")
        return value

    def _operator_value(self, parameter: str, node: tree.Expr) -> Any:
        words = layers.TAKES_WORDS.get(parameter, frozenset())
        if isinstance(node, tree.Name) and node.name in words:
            return node.name
        named = isinstance(node, tree.Call) and isinstance(node.func, tree.Name)
        starts = parameter in ("init", "bias_init")
        if named and starts and node.func.name in layers.INITIALISERS:
            given = [(a.name.name if a.name else "", self.eval(a.value)) for a in node.args.items]
            return (node.func.name, *given)
        value = self.eval(node)
        if isinstance(value, Value):
            return Ref(value.shape, value.pooled, value.key)
        if isinstance(value, (Function, str)):
            self.wrong(node, f"{parameter} takes numbers and words")
        return freeze(value)

    def partial(self, value: Function, node: tree.Call) -> Function:
        given = self.arguments(value, node.args, node)
        bound = {**value.bound, **given}
        return Function(value.kind, value.name, value.decl, value.unit, bound, value.defaults)

    # ------------------------------------------------------------------ stages

    def _pipeline(self, node: tree.Pipeline) -> Any:
        return self.chain(node.stages, self.eval(node.start))

    def chain(self, stages: tuple[tree.Stage, ...], value: Any) -> Any:
        for stage in stages:
            value = self.stage(stage, value)
        return value

    def stage(self, node: tree.Stage, value: Any) -> Any:
        label = self._label(node)
        if label is None:
            return self._unlabelled(node, value)
        outer, self.prefix = self.prefix, (*self.prefix, label)
        value = self.labels[".".join(self.prefix)] = self._unlabelled(node, value)
        self.prefix = outer
        return value

    def _label(self, node: tree.Stage) -> str | None:
        if node.label is None:
            return None
        first = node.label.base
        text = first.name if isinstance(first, tree.Ident) else self.eval(first)
        return ".".join([text, *(str(self.count(i)) for i in node.label.indices)])

    def _unlabelled(self, node: tree.Stage, value: Any) -> Any:
        if isinstance(node, tree.Apply):
            return self._apply(node, value)
        if isinstance(node, tree.Group):
            return self.chain(node.stages, value)
        if isinstance(node, tree.IfStage):
            chosen = node.yes if self.test(node.test) else node.no
            return value if chosen is None else self.stage(chosen, value)
        if isinstance(node, tree.Skip):
            body = self.chain(node.stages, value)
            shortcut = self.stage(node.via, value) if node.via is not None else value
            given = self.arguments(Function("op", "fuse"), node.args, node)
            return self.layer("fuse", given, [shortcut, body], node)
        if isinstance(node, tree.Repeat):
            return self._repeat(node, value)
        for _ in self.rounds(node.targets, node.over):
            value = self.chain(node.stages, value)
        return value

    def _repeat(self, node: tree.Repeat, value: Any) -> Any:
        count = self.count(node.count)
        if count < 1:
            self.wrong(node, "nothing to repeat")
        name = node.var.name if node.var else None
        before = {name: self.env[name]} if name in self.env else {}
        for i in range(count):
            if name is not None:
                self.env[name] = i
            value = self.chain(node.stages, value)
        if name is not None:
            self.env.pop(name)
        self.env.update(before)
        return value

    def _apply(self, node: tree.Apply, value: Any) -> Any:
        if len(node.name) > 1:
            unit = self.unit.module(node.name[0].name)
            function = unit.find(node.name[1].name) if unit is not None else None
        else:
            name = node.name[0].name
            if name == "fuse":
                self.wrong(node, "`fuse` is no stage")
            function = self.eval(tree.Name(node.name[0].span, name))
        if not isinstance(function, Function):
            self.wrong(node, f"no stage {node.name[-1].name}")
        if function.kind == "share":
            return self._share(function, node, value)
        given = self.arguments(function, node.args, node)
        if function.kind == "op":
            return self.layer(
                function.name, {**function.defaults, **function.bound, **given}, [value], node
            )
        return self._block(function, given, node, value)

    def _share(self, function: Function, node: tree.Apply, value: Any) -> Any:
        """The same modules at every use, so they must come out the same."""
        world = self.world
        outer = world.sharing
        world.sharing = (*outer, function.name)
        before = world.shared.pop(world.sharing, None)
        found = function.frame.stage(function.decl, value)
        made = world.shared.setdefault(world.sharing, [])
        if before is not None and before != made:
            self.wrong(node, "shared weights of other shapes")
        world.sharing = outer
        return found

    def fuse(self, node: tree.Call) -> Any:
        values: list[Any] = []
        for arg in node.args.items:
            if arg.name is None:
                found = self.eval(arg.value)
                values += found if isinstance(found, (list, tuple)) else [found]
        named = tuple(arg for arg in node.args.items if arg.name is not None)
        given = self.arguments(Function("op", "fuse"), tree.Args(node.args.span, named), node)
        return self.layer("fuse", given, values, node)

    def layer(self, name: str, given: dict[str, Any], inputs: list[Any], node: Any) -> Any:
        """Apply an operator; what PyTorch says is the judgement."""
        world = self.world
        world.layers += 1
        if world.layers > STEPS:
            raise UndecidedError(f"more than {STEPS:,} layers")
        if not all(isinstance(value, Value) for value in inputs):
            self.wrong(node, f"{name} of what are no values")
        if any(isinstance(value, (Value, Function)) for value in given.values()):
            self.wrong(node, "no argument")
        try:
            made = layers.apply(name, given, tuple(value.shape for value in inputs))
        except RefusedError as error:
            raise WrongError(str(error), place(node), *(v.made for v in inputs)) from None
        keys = [value.key for value in inputs]
        if name == "fuse" and made.text != "concat" and made.text != "difference":
            keys.sort()
        keys += [v.key for v in given.values() if isinstance(v, Ref)]
        if made.weights and world.sharing:
            world.shared.setdefault(world.sharing, []).append(made.text)
        key = world.keys((made.text, tuple(keys), world.sharing if made.weights else ()))
        owner = (world.sharing, made.text, len(world.shared.get(world.sharing, ())))
        before = tuple(value.layer for value in inputs)
        world.owners.append((owner if world.sharing else world.layers, made.weights, before))
        at = place(node)
        found = [
            Value(world.keys((key, i)), shape, at, made.pooled, world.layers)
            for i, shape in enumerate(made.outputs)
        ]
        return found if name == "split" else found[0]

    # ------------------------------------------------------------------ blocks

    def _block(self, function: Function, given: dict[str, Any], node: Any, value: Any) -> Any:
        world = self.world
        world.depth += 1
        if world.depth > DEPTH:
            self.wrong(node, "calls nested too deeply")
        try:
            frame = enter(function, given, world, node)
            decl = frame.decl
            if isinstance(decl, tree.Block) and decl.stage is not None:
                return frame.stage(decl.stage, value)
            frame.receive(decl, value, node)
            frame.run(decl.body)
        except WrongError as error:
            error.places.append(place(node))
            raise
        finally:
            world.depth -= 1
        if "outputs" in given:
            return frame.taps(given["outputs"])
        return frame.result(node)

    decl: Any = None

    def receive(self, decl: Any, value: Any, node: Any) -> None:
        """Bind a block's inputs to what arrives."""
        inputs = [s for s in decl.body if isinstance(s, tree.Input)]
        parts = list(value.values()) if isinstance(value, Record) else value
        if len(inputs) != 1 and (not isinstance(parts, list) or len(parts) != len(inputs)):
            raise WrongError("inputs do not fit", place(node), place(decl.name))
        for one, part in zip(inputs, [value] if len(inputs) == 1 else parts, strict=True):
            if one.dims is not None:
                self._pattern(one, part, node)
            self.env[one.name.name] = part

    def _pattern(self, one: tree.Input, value: Any, node: Any) -> None:
        dims = one.dims or ()
        if not isinstance(value, Value):
            raise WrongError("one value is due", place(node), place(one))
        if len(value.shape) < len(dims) or (len(value.shape) > len(dims) and not one.rest):
            raise WrongError("another rank", place(node), place(one))
        for dim, size in zip(dims, value.shape, strict=False):
            free = self._free(dim)
            if free is not None:
                self.env[free] = size
            elif self.count(dim.value) != size:
                raise WrongError("another size", place(node), place(dim))

    def _free(self, dim: tree.Dim) -> str | None:
        """The name that an axis binds."""
        if dim.name is not None:
            return dim.name.name if dim.name.name not in self.env else None
        name = dim.value.name if isinstance(dim.value, tree.Name) else None
        if name is not None and name not in self.env and self.unit.find(name) is None:
            return name
        return None

    def taps(self, node: tree.Expr) -> Any:
        """The labelled values that `outputs=[...]` asks for."""
        if not isinstance(node, tree.ListExpr):
            self.wrong(node, "a list of labels is due")
        found = Record()
        for item in node.items:
            path = item.span.text.replace("[", ".").replace("]", "").strip('"')
            if path not in self.labels:
                self.wrong(item, f"no label {path}")
            found[path.replace(".", "_")] = self.labels[path]
        return next(iter(found.values())) if len(found) == 1 else found

    def result(self, node: Any) -> Any:
        """What a block's outputs are together."""
        main = [(name, value) for name, value, training in self.outputs if not training]
        if not main:
            self.wrong(node, "no output")
        if len(main) == 1:
            return main[0][1]
        if any(name is None for name, _ in main):
            self.wrong(node, "outputs without names")
        return Record(main)  # type: ignore[arg-type]


def enter(function: Function, given: dict[str, Any], world: World, node: Any) -> Frame:
    """A frame with the parameters bound."""
    decl, unit, bound = base(function)
    frame = Frame(unit, world)
    frame.decl = decl
    values = {**function.defaults, **bound, **given}
    for param in decl.params:
        name = param.name.name
        if name in values:
            frame.env[name] = values[name]
        elif param.default is None:
            raise WrongError(f"needs {name}", place(node), place(param))
        else:
            frame.env[name] = frame._typed(frame.eval(param.default), decl, name, param)
    return frame
