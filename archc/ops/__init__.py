"""The operators, by name. Families are loaded when first asked for: start-up time is a feature."""

from __future__ import annotations

from importlib import import_module

from .base import REF, Op, OpError, Shape

__all__ = ["FAMILIES", "REF", "Op", "OpError", "Shape", "builtin", "known", "names", "operator"]

# family module -> operators in it, in the order in which `archc ops` lists them
FAMILIES: dict[str, tuple[str, ...]] = {
    "conv": ("conv", "conv_transpose", "locally_connected"),
    "pool": ("pool", "unpool"),
    "roi": ("roi_align",),
    "resize": ("upsample", "pixel_shuffle", "pad", "crop"),
    "merge": ("fuse", "split", "channel_shuffle"),
    "dense": ("linear", "rbf", "flatten", "unflatten"),
    "norm": ("batchnorm", "layernorm", "groupnorm", "instancenorm", "lrn"),
    "regularize": ("dropout", "drop_path", "scale"),
    "activation": (
        "relu",
        "relu6",
        "leaky_relu",
        "prelu",
        "elu",
        "gelu",
        "silu",
        "hardswish",
        "hardsigmoid",
        "sigmoid",
        "tanh",
        "scaled_tanh",
        "softmax",
        "softplus",
        "exp",
        "maxout",
        "identity",
    ),
}

_HOME = {name: family for family, members in FAMILIES.items() for name in members}
_LOADED: dict[str, type[Op]] = {}
_PLUGINS: dict[str, type[Op]] | None = None


def names() -> tuple[str, ...]:
    """All operators, archc's own and those of other packages."""
    return (*_HOME, *_plugins())


def builtin(name: str) -> bool:
    """An operator of archc itself (which is known without a look at other packages)."""
    return name in _HOME


def known(name: str) -> bool:
    return name in _HOME or name in _plugins()


def operator(name: str) -> type[Op]:
    """The class of an operator; KeyError where there is none."""
    found = _LOADED.get(name)
    if found is None:
        if name in _HOME:
            module = import_module(f".{_HOME[name]}", __name__)
            for value in vars(module).values():
                if isinstance(value, type) and issubclass(value, Op) and "op" in vars(value):
                    _LOADED[value.op] = value
            found = _LOADED[name]
        else:
            found = _plugins()[name]
    return found


def _plugins() -> dict[str, type[Op]]:
    """Operators of other packages (entry point group `archc.ops`: each entry is an Op class)."""
    global _PLUGINS
    if _PLUGINS is None:
        from importlib.metadata import entry_points

        _PLUGINS = {}
        for entry in entry_points(group="archc.ops"):
            if entry.name not in _HOME:
                _PLUGINS[entry.name] = entry.load()
    return _PLUGINS
