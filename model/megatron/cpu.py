"""CPU redirect: lets the real Megatron-Core run where no CUDA device exists.

Megatron-Core names the CUDA device outright (`device="cuda"`, `torch.cuda.current_device()`, type names such as
`torch.cuda.FloatTensor`). Where PyTorch finds no CUDA device, `install` sends those few calls to the CPU by setting
attributes; where it finds one, nothing is touched. `PATCHES` is the whole list, written against Megatron-Core 0.16."""

import functools
import logging
import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.utils._device
from megatron.core import package_info
from megatron.core.tensor_parallel import random as mcore_random

from common.errors import UserError

VERSION = "0.16."
CPU = torch.device("cpu")
_tensor_type = torch.Tensor.type


def _on_cpu(factory: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """A tensor factory whose `device="cuda"` means the CPU."""

    @functools.wraps(factory)
    def redirected(*args: Any, **kwargs: Any) -> torch.Tensor:
        device = kwargs.get("device")
        if device is not None and torch.device(device).type == "cuda":
            kwargs["device"] = CPU
        return factory(*args, **kwargs)

    return redirected


def _type(tensor: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
    """`Tensor.type`; asked for the name by Megatron-Core, it answers as a CUDA tensor would (its optimizers compare the
    names)."""
    answer = _tensor_type(tensor, *args, **kwargs)
    if isinstance(answer, str) and sys._getframe(1).f_globals["__name__"].startswith("megatron.core."):
        return answer.replace("torch.", "torch.cuda.", 1)
    return answer


def _cuda(tensor: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    """`Tensor.cuda`: the tensor is where it should be."""
    return tensor


def _current_device() -> torch.device:
    """`torch.cuda.current_device`: Megatron-Core passes it on as `device=`."""
    return CPU


def _synchronize(*_: Any) -> None:
    """`torch.cuda.synchronize`: CPU calls have ended when they return."""


def _get_rng_state(*_: Any, **__: Any) -> torch.Tensor:
    """`torch.cuda.get_rng_state`: the CPU's generator stands for the device's."""
    return torch.get_rng_state()


def _set_rng_state(state: torch.Tensor, *_: Any, **__: Any) -> None:
    """Megatron-Core's `_set_cuda_rng_state`, on the CPU's generator."""
    torch.set_rng_state(state)


def _manual_seed(seed: int) -> None:
    """`torch.cuda.manual_seed`, on the CPU's generator."""
    torch.default_generator.manual_seed(int(seed))


_OPTIMIZER = [method.__wrapped__ for method in vars(torch.optim.Optimizer).values() if hasattr(method, "__wrapped__")]
"""Methods that load the compiler, when they are first called, to be told what it makes of them: themselves, which they
have here."""

PATCHES: list[tuple[Any, str, Callable]] = [
    *[(torch, name, _on_cpu(getattr(torch, name))) for name in ("zeros", "ones", "empty", "empty_like", "tensor")],
    (torch.Tensor, "type", _type),
    (torch.Tensor, "cuda", _cuda),
    (torch.cuda, "current_device", _current_device),
    (torch.cuda, "synchronize", _synchronize),
    (torch.cuda, "get_rng_state", _get_rng_state),
    (torch.cuda.random, "get_rng_state", _get_rng_state),
    (torch.cuda, "manual_seed", _manual_seed),
    (mcore_random, "_set_cuda_rng_state", _set_rng_state),
    *[(method, "__dynamo_disable", method) for method in _OPTIMIZER],
]
"""(owner, attribute, replacement) of everything that `install` sets."""


def _is_news(record: logging.LogRecord) -> bool:
    """Megatron-Core warns when the CPU's generator moves while the device's is in use; here they are one."""
    return not record.getMessage().startswith("CPU RNG state changed")


def install() -> bool:
    """Set `PATCHES` where no CUDA device exists; safe to call again. True where they are in force.

    Raises UserError for a Megatron-Core that the list was not written for.
    """
    if torch.cuda.is_available():
        return False
    if not package_info.__version__.startswith(VERSION):
        raise UserError(
            f"megatron-core {package_info.__version__} cannot train on the CPU here; install megatron-core {VERSION}x"
        )
    # remembers the plain factories, so that `with torch.device("meta")` goes on working
    torch.utils._device._device_constructors()
    for owner, name, replacement in PATCHES:
        setattr(owner, name, replacement)
        if owner is torch:  # other people's scripted functions call the factories too
            torch.jit._builtins._register_builtin(replacement, f"aten::{name}")
    logging.getLogger(mcore_random.__name__).addFilter(_is_news)
    return True
