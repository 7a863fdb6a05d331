"""Helpers that would share their name with the network's class are called something else."""

from __future__ import annotations

import re
from typing import Any

from ...ops.call import Call, Helper, Infix, Method, Torch


def apart(form: Torch, name: str) -> Torch:
    """The form of an operator, none of whose helpers is called `name`."""
    if all(helper.name != name for helper in form.helpers):
        return form
    other = f"{name}Layer" if name[0].isupper() else f"{name}_function"

    def renamed(text: str) -> str:
        return re.sub(rf"\b{name}\b", other, text)

    def rename(e: Any) -> Any:
        if isinstance(e, Call):
            func = renamed(e.func) if isinstance(e.func, str) else e.func
            return Call(func, rename(e.args), {k: rename(v) for k, v in e.kwargs.items()})
        if isinstance(e, Method):
            kwargs = {k: rename(v) for k, v in e.kwargs.items()}
            return Method(rename(e.on), e.name, rename(e.args), kwargs)
        if isinstance(e, Infix):
            return Infix(e.op, rename(e.args))
        return type(e)(map(rename, e)) if isinstance(e, (tuple, list)) else e

    helpers = tuple(Helper(renamed(h.name), renamed(h.source)) for h in form.helpers)
    return Torch(rename(form.module), rename(form.function), rename(form.setup), helpers)
