"""From emitted source to a live module."""

from __future__ import annotations

import itertools
import linecache
import sys
from types import ModuleType

from torch import nn

_COUNT = itertools.count(1)


def instantiate(source: str, name: str) -> nn.Module:
    """An instance of the network that an emitted file defines: its last class, without arguments.

    The text is ours (`archc.emit.pytorch`): identifiers that passed the mangler and literals, no
    code of the spec's. It becomes a real module with lines, so that tracebacks, `inspect` and
    `torch.compile` find their way.
    """
    title = f"archc_{name.lower()}_{next(_COUNT)}"
    file = f"<{title}>"
    made = ModuleType(title)
    made.__file__ = file
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    sys.modules[title] = made
    exec(compile(source, file, "exec"), made.__dict__)
    classes = [
        value
        for value in vars(made).values()
        if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == title
    ]
    network = classes[-1]()
    assert isinstance(network, nn.Module)
    return network
