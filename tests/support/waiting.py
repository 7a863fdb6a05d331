"""What a GPU would have to be waited for, told without one: the meta device has shapes, no data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Function = Callable[..., Any]


class Pinned:
    """Memory that a device copies from by itself. Here it is ordinary, and kept to be known."""

    def __init__(self) -> None:
        self.kept: dict[int, Tensor] = {}

    def take(self, tensor: Tensor) -> Tensor:
        self.kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    def __contains__(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage().data_ptr() in self.kept


class NoWaiting(TorchDispatchMode):
    """Every operator keeps to one device: to move data is to wait for it, unless it is pinned."""

    def __init__(self, pinned: Pinned, strict: bool = True) -> None:
        super().__init__()
        self.pinned = pinned
        self.strict = strict

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if name == "_fused_sgd_" and args[0][0].is_meta:
            return None  # it works in place, and nobody has written it for the meta device
        if not self.strict:
            return func(*args, **kwargs)
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        if name == "_to_copy" and kwargs.get("non_blocking") and given[0] in self.pinned:
            return func(*args, **kwargs)
        # a scalar of the processor is an argument of the kernel, as a number is
        placed = {t.device.type for t in given if t.ndim or not t.is_cpu}
        assert len(placed) <= 1, f"{func} mixes {placed}"
        made = func(*args, **kwargs)
        moved = {t.device.type for t in tree_leaves(made) if isinstance(t, Tensor)} - placed
        assert not (placed and moved), f"{func} moves data from {placed} to {moved}"
        return made


class NoMaking(TorchFunctionMode):
    """Nothing is made of Python's numbers on the device: they would be copied to it."""

    MAKERS = frozenset({"tensor", "new_tensor", "as_tensor", "asarray"})

    def __init__(self, pinned: Pinned, strict: bool = True) -> None:
        super().__init__()
        self.pinned = pinned
        self.strict = strict

    def __torch_function__(
        self, func: Function, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name == "pin_memory":
            return self.pinned.take(args[0].clone())
        if kwargs.pop("pin_memory", False):
            return self.pinned.take(func(*args, **kwargs))
        if not self.strict:
            return func(*args, **kwargs)
        if name in ("__getitem__", "__setitem__") and not args[0].is_cpu:
            parts = args[1] if isinstance(args[1], tuple) else (args[1],)
            assert not any(isinstance(part, list) for part in parts), "a list as index"
        made = func(*args, **kwargs)
        if name in self.MAKERS:
            assert made.is_cpu, f"{name} copies to the device"
        return made


@contextmanager
def stands_for_a_gpu(pinned: Pinned, strict: bool = True) -> Iterator[None]:
    """A device, the meta one or any other, taken for a GPU; `strict`: nothing may wait for it."""
    with NoMaking(pinned, strict), NoWaiting(pinned, strict):
        yield
