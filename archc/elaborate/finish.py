"""The graph out of the bodies of a session: only what is reached, positions only where wanted."""

from __future__ import annotations

from ..graph import Body, Graph, leaves
from .session import Session


def assemble(session: Session, name: str) -> Graph:
    """The graph whose network is the session's last body."""
    kept = _reached(session.bodies)
    drop_unwanted_positions([session.bodies[i] for i in kept], session.bodies)
    place = {old: new for new, old in enumerate(kept)}
    bodies = [session.bodies[i] for i in kept]
    for body in bodies:
        for node in body.nodes:
            if node.body >= 0:
                node.body = place[node.body]
    return Graph.assemble(name, session.ops, bodies, session.sites)


def _reached(bodies: list[Body]) -> list[int]:
    """Bodies that the last one calls, directly or not, in order."""
    wanted = {len(bodies) - 1}
    for index in range(len(bodies) - 1, -1, -1):
        if index in wanted:
            wanted.update(node.body for node in bodies[index].nodes if node.body >= 0)
    return sorted(wanted)


def drop_unwanted_positions(bodies: list[Body], by_index: list[Body]) -> None:
    """Blocks that end in a max pool offer its positions; keep them where a caller unpools.

    Callers come after callees, so going backwards every caller is settled first.
    """
    wanted: dict[int, set[int]] = {}
    plain = {
        index: sum(len(leaves(o.value)) for o in callee.outputs if not o.hidden)
        for index, callee in enumerate(by_index)
    }
    for body in reversed(bodies):
        outputs = wanted.get(id(body), set())
        shown = [o for o in body.outputs if not o.hidden]
        hidden = [o for o in body.outputs if o.hidden]
        kept = [o for k, o in enumerate(hidden) if k in outputs]
        body.outputs = shown + kept
        used = {i for node in body.nodes for i in node.inputs}
        used.update(i for o in body.outputs for i in leaves(o.value))
        for node in body.nodes:
            if node.body >= 0:
                offered = node.outputs[plain[node.body] :]
                if offered:
                    ports = [k for k, i in enumerate(offered) if i in used]
                    wanted.setdefault(id(by_index[node.body]), set()).update(ports)
                continue
            two = len(node.outputs) == 2 and _holds_positions(body, node.outputs)
            if two and node.outputs[1] not in used:
                body.values[node.outputs[0]].positions = None
                node.outputs = node.outputs[:1]
    _trim_calls(bodies, by_index, wanted, plain)


def _trim_calls(
    bodies: list[Body], by_index: list[Body], wanted: dict[int, set[int]], plain: dict[int, int]
) -> None:
    """Take dropped positions off the calls, and number the outputs that stay.

    `plain`: how many outputs of each body are no positions.
    """
    for body in bodies:
        for node in body.nodes:
            if node.body < 0 or len(node.outputs) == plain[node.body]:
                continue
            first = plain[node.body]
            ports = wanted.get(id(by_index[node.body]), set())
            kept = [i for k, i in enumerate(node.outputs[first:]) if k in ports]
            gone = set(node.outputs[first:]) - set(kept)
            node.outputs = (*node.outputs[:first], *kept)
            for port, i in enumerate(node.outputs):
                body.values[i].port = port
            for i in node.outputs:
                if body.values[i].positions in gone:
                    body.values[i].positions = None


def _holds_positions(body: Body, outputs: tuple[int, ...]) -> bool:
    return body.values[outputs[0]].positions == outputs[1]
