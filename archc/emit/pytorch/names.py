"""Identifiers: what a spec calls things, made safe for Python."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Container

from .errors import EmitError

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

_IMPORTED = frozenset({"Any", "F", "OrderedDict", "Tensor", "nn", "torch"})
_AMBIGUOUS = frozenset("lOI")  # look like digits
_TAKEN = _IMPORTED | frozenset(dir(builtins)) | {"self", "cls"}

# Attributes that nn.Module needs for itself: a submodule or field of that name would break it.
_MODULE = frozenset(
    """T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda
    double dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter
    get_submodule half ipu load_state_dict modules mtia named_buffers named_children named_modules
    named_parameters parameters register_backward_hook register_buffer register_forward_hook
    register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
    register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
    set_extra_state set_submodule share_memory state_dict to to_empty train training type xpu
    zero_grad""".split()  # noqa: SIM905
)
# Methods of the containers: a child of that name would hide them.
_CONTAINER = _MODULE | {
    "append",
    "clear",
    "extend",
    "insert",
    "items",
    "keys",
    "pop",
    "update",
    "values",
}


def variable(name: str) -> str:
    """A name for a variable or parameter; clashes get a trailing underscore."""
    if not IDENTIFIER.match(name):
        raise EmitError(f"`{name}` is not a name in Python")
    clash = keyword.iskeyword(name) or name in _IMPORTED | _AMBIGUOUS | {"self", "cls"}
    return f"{name}_" if clash or hasattr(builtins, name) else name


def type_name(name: str, taken: Container[str]) -> str:
    """A name for a class, not taken yet: clashes are numbered from 2."""
    if not IDENTIFIER.match(name):
        raise EmitError(f"`{name}` is not a name in Python")
    clash = keyword.iskeyword(name) or name in _TAKEN | _AMBIGUOUS
    made = f"{name}_" if clash else name
    number = 1
    result = made
    while result in taken:
        number += 1
        result = f"{made}{number}"
    return result


def attribute(name: str) -> str:
    """A label as an attribute of a module. It is a state_dict key, so it cannot be changed."""
    if not IDENTIFIER.match(name) or keyword.iskeyword(name) or is_reserved(name):
        raise EmitError(f"the label `{name}` cannot be an attribute of an nn.Module")
    return name


def is_attribute(name: str) -> bool:
    """Can a label be written as `self.<label>`?"""
    return bool(IDENTIFIER.match(name)) and not keyword.iskeyword(name) and not is_reserved(name)


def is_reserved(name: str) -> bool:
    """Would a submodule of this name break nn.Module (or be mangled by Python)?"""
    return name in _MODULE or name.startswith("__") or name in _PRIVATE


def child_key(name: str) -> str:
    """A label as the key of a container's child."""
    if name in _CONTAINER or not re.match(r"[A-Za-z0-9_-]+\Z", name) or name in _PRIVATE:
        raise EmitError(f"the label `{name}` cannot be a child of a container")
    return name


_PRIVATE = frozenset(
    """_apply _backward_hooks _backward_pre_hooks _buffers _call_impl _compiled_call_impl
    _forward_hooks _forward_hooks_always_called _forward_hooks_with_kwargs _forward_pre_hooks
    _forward_pre_hooks_with_kwargs _get_backward_hooks _get_backward_pre_hooks _get_name
    _is_full_backward_hook _load_from_state_dict _load_state_dict_post_hooks
    _load_state_dict_pre_hooks _maybe_warn_non_full_backward_hook _modules
    _named_members _non_persistent_buffers_set _parameters _register_load_state_dict_pre_hook
    _register_state_dict_hook _replicate_for_data_parallel _save_to_state_dict _slow_forward
    _state_dict_hooks _state_dict_pre_hooks _version _wrapped_call_impl""".split()  # noqa: SIM905
)


def camel(name: str) -> str:
    """`dense_block1` -> `DenseBlock`: the class of a labelled group."""
    words = re.split(r"[_-]+|(?<=[a-z0-9])(?=[A-Z])", re.sub(r"[\d_-]+\Z", "", name))
    made = "".join(word[:1].upper() + word[1:] for word in words if word)
    return made if made and not made[0].isdigit() else f"Part{made}"


def snake(name: str) -> str:
    """`DoubleConv` -> `double_conv`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
