"""What one elaboration shares: interned operators, bodies, sites, budgets, and the call stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from ..diagnostics import Diagnostics
from ..graph import Body, Site
from ..ops import Op, OpError, operator
from ..source import Span
from .bodies import assigned_names
from .values import Exhausted, Fail, Shape, freeze

if TYPE_CHECKING:
    from .arguments import Given, Paired


CERTAIN = frozenset(
    ["E0201", "E0202", "E0206", "E0207", "E0301", "E0303", "E0304", "E0305", "E0306", "E0704"]
)
"""Mistakes in words and arguments: they are there whatever else could not be read."""


class Limits:
    """Bounds on elaboration. `nodes` counts layers of the unrolled network."""

    def __init__(self, nodes: int = 1_000_000, depth: int = 64) -> None:
        self.nodes = nodes
        self.depth = depth
        self.steps = 2 * nodes
        self.list_length = nodes
        self.elements = 10 * nodes
        self.names = 50 * nodes
        self.bits = 4096
        self.text = 100_000
        self.claims = 10_000


Test = Callable[[Callable[[Any], Any]], bool]
"""Says whether something holds, for sizes that a function makes probes of."""


class Demand:
    """What the input of a block asks of sizes, where these are free."""

    __slots__ = ("span", "test", "text")

    def __init__(self, text: str, span: Span, test: Test) -> None:
        self.text = text
        self.span = span
        self.test = test


class Call:
    """One entry of the call stack, for the expansion trace of a diagnostic."""

    __slots__ = ("span", "text")

    def __init__(self, text: str, span: Span) -> None:
        self.text = text
        self.span = span


class Session:
    """Shared by all frames that elaborate one network."""

    def __init__(self, diagnostics: Diagnostics, limits: Limits) -> None:
        self.diagnostics = diagnostics
        self.limits = limits
        self.ops: list[Op] = []
        self.bodies: list[Body] = []
        self.sites: list[Site] = []
        self.totals: list[int] = []
        """Unrolled layers of each body."""
        self.stack: list[Call] = []
        self.memo: dict[Any, Any] = {}
        """(block, arguments, input shapes) -> finished body, or None where it failed."""
        self.steps = 0
        self.consts: list[str] = []
        """`const` functions being called."""
        self.wheres: list[tuple[Any, Any]] = []
        """(frame, requirement) of the network's own inputs."""
        self.demands: list[Demand] = []
        """What blocks ask of the free sizes that come in."""
        self.nodes = 0
        self.mistakes = 0
        """Mistakes found, repeated ones counted."""
        self.reached: dict[int, Span] = {}
        """Places of the declarations whose bodies are elaborated, by id."""
        self.doubtful = False
        """Text that matters here could not be read, or is known to be wrong: only what is certain
        is reported."""
        self.known = len(diagnostics)
        """Diagnostics that were there before."""
        self.nested: dict[int, bool] = {}
        """Whether there are loops inside of a loop, by the id of its node."""
        self.looks = 0
        """Rounds of loops that were looked at before they ran."""
        self.weights: dict[int, tuple[int, list[Any]]] = {}
        """Number of elements of lists of lists, by id."""
        self.elements = 0
        """Elements of lists that were made, searched or compared."""
        self.letters = 0
        """Characters of the names of layers."""
        self.literal: dict[tuple[str, int], tuple[object, Given]] = {}
        """Arguments that are the same wherever they are evaluated, by operator and id."""
        self.paired: dict[tuple[int, int], Paired] = {}
        """Arguments and parameters of calls, by the ids of both."""
        self.literals: dict[int, dict[str, Any]] = {}
        """Defaults of parameters that are the same for all calls, by the id of the declaration."""
        self.compared: dict[int, frozenset[str]] = {}
        """The names that conditions are made of, by the id of their nodes."""
        self.misspelt: dict[tuple[str, int], tuple[Span, str | None]] = {}
        """Unknown names that were reported, by declaration: where first, and what was meant."""
        self._ops: dict[Any, int] = {}
        self._facts: dict[Any, tuple[Shape, ...] | OpError] = {}
        self._sites: dict[Any, int] = {}
        self._assigned: dict[int, frozenset[str]] = {}

    # ------------------------------------------------------------------ interning

    def intern(self, name: str, args: dict[str, Any]) -> int:
        """Index of the operator with these arguments; raises OpError."""
        key = (name, freeze(args))
        found = self._ops.get(key)
        if found is None:
            made = operator(name).make(args)
            found = self._ops[key] = len(self.ops)
            self.ops.append(made)
        return found

    def outputs(self, op: int, shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """Shapes that an operator gives for input shapes, worked out once; raises OpError."""
        # Sizes are ints that compare by value: the form of a free size must be part of the key.
        key = (op, shapes, tuple(getattr(n, "form", None) for s in shapes for n in s))
        found = self._facts.get(key)
        if found is None:
            try:
                self.ops[op].check(*shapes)
                found = self.ops[op].outputs(*shapes)
            except OpError as error:
                found = error
            self._facts[key] = found
        if isinstance(found, OpError):
            raise found
        return found

    def site(self, node: Any, block: object, span: Span | None = None) -> tuple[int, bool]:
        """Index of the site of a syntax node in a block, and whether it is new."""
        key = (id(node), id(block))
        found = self._sites.get(key)
        if found is not None:
            return found, False
        source, start, end = span or node.span
        line, column = source.position(start)
        end_line, end_column = source.position(end)
        self._sites[key] = len(self.sites)
        self.sites.append(Site(source.name, line, column, end_line, end_column))
        return len(self.sites) - 1, True

    def assigned(self, decl: Any) -> frozenset[str]:
        """The names that a declaration assigns, found once."""
        found = self._assigned.get(id(decl))
        if found is None:
            found = self._assigned[id(decl)] = assigned_names(decl)
        return found

    # ------------------------------------------------------------------ budgets

    def step(self, span: Span, count: int = 1) -> None:
        """Count iterations of loops, so that a loop without layers ends too."""
        self.steps += count
        if self.steps > self.limits.steps:
            self.exhausted_steps(span)

    def exhausted_steps(self, at: Any) -> NoReturn:
        """Report that loops have too many rounds, and end elaboration."""
        self.exhausted(f"loops run for more than {self.limits.steps:,} rounds", at)

    def exhausted_layers(self, at: Any) -> NoReturn:
        """Report that the network is too large, and end elaboration."""
        self.exhausted(f"the network has more than {self.limits.nodes:,} layers", at)

    def exhausted(self, message: str, at: Any, help: str | None = None) -> NoReturn:
        """Report E0704, and end elaboration: going on would only reach the same bound again."""
        usual = "if it is meant to be so large, raise the budget with --max-nodes"
        self.report("E0704", message, at, help=help or usual)
        raise Exhausted

    def weigh(self, items: list[Any], span: Span) -> list[Any]:
        """A new list, refused where it holds too many elements, those of inner lists counted."""
        weights = self.weights
        self.handle(len(items), span)
        weight = len(items)
        for item in items:
            if isinstance(item, list):
                weight += weights.get(id(item), (len(item), item))[0]
        if weight > len(items):
            # The list stays in the table, so that its id stays its own.
            weights[id(items)] = (weight, items)
        if weight > self.limits.list_length:
            what = f"a list of more than {self.limits.list_length:,} elements"
            self.exhausted(what, span, "its inner lists are counted, too")
        return items

    def handle(self, elements: int, span: Span) -> None:
        """Count what is done to the elements of lists: a step that takes a long one is no step."""
        self.elements += elements
        if self.elements > self.limits.elements:
            most = self.limits.elements
            self.exhausted(f"more than {most:,} elements of lists are made or looked at", span)

    def weight(self, value: Any) -> int:
        """How many elements a list has, those of inner lists counted; 0 for what is none."""
        if not isinstance(value, (list, tuple, range)):
            return 0
        return self.weights.get(id(value), (len(value), value))[0]

    def name(self, path: str, span: Span) -> None:
        """Count the characters of the name of a layer."""
        self.letters += len(path)
        if self.letters > self.limits.names:
            most = self.limits.names
            self.exhausted(f"the names of layers have more than {most:,} characters", span)

    def spend(self, span: Span, count: int = 1) -> None:
        """Count layers before they are made."""
        if self.nodes + count > self.limits.nodes:
            self.exhausted_layers(span)
        self.nodes += count

    # ------------------------------------------------------------------ reporting

    def report(self, code: str, message: str, *labels: Any, **more: Any) -> None:
        """Add a diagnostic, with the chain of calls that led there."""
        first = next((label for label in labels if label is not None), None)
        at = first if isinstance(first, Span) else first[0] if first is not None else None
        self.mistakes += 1
        if self.doubtful and code not in CERTAIN:
            return
        notes = [*more.pop("notes", ()), *self.trace(at)]
        self.diagnostics.error(code, message, *labels, notes=notes, **more)

    def fail(self, code: str, message: str, *labels: Any, **more: Any) -> NoReturn:
        """Report and unwind."""
        self.report(code, message, *labels, **more)
        raise Fail

    def trace(self, at: Span | None) -> list[str]:
        """The chain of calls, innermost first; what is at the place itself needs no saying."""
        calls = self.stack[:-1] if self.stack and self.stack[-1].span == at else self.stack
        lines: list[str] = []
        times: list[int] = []
        for call in reversed(calls):
            place = f"{call.span.source.name}:{call.span.line}:{call.span.column}"
            line = f"in {call.text}, called at {place}"
            if lines and lines[-1] == line:
                times[-1] += 1
            else:
                lines.append(line)
                times.append(1)
        lines = [f"{x}, {n} times" if n > 1 else x for x, n in zip(lines, times, strict=True)]
        if len(lines) > 6:
            lines[3:-2] = [f"... {len(lines) - 5} more calls ..."]
        return lines
