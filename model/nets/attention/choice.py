"""Which kernels attend: the first of flash, varlen and sdpa that runs on this device, with this type, for heads of this width."""

import logging
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType

import torch

from common.errors import UserError
from model.nets.attention import flash, sdpa, varlen

AUTO = "auto"
BACKENDS: dict[str, ModuleType] = {"flash": flash, "varlen": varlen, "sdpa": sdpa}
"""Best first. Each has `refusal(device, dtype, head_width)` and `prepare(pack, window, dtype)`; the last never refuses."""


@dataclass(frozen=True)
class Choice:
    """A backend, and why it is not a better one."""

    name: str
    """Key of `BACKENDS`."""
    passed_over: dict[str, str]
    """Better backends with the reason why each does not run here."""

    @property
    def backend(self) -> ModuleType:
        """The module that prepares and attends."""
        return BACKENDS[self.name]

    @property
    def reason(self) -> str:
        """Why it is this one, for a person."""
        return "; ".join(f"{name}: {why}" for name, why in self.passed_over.items()) or "the fastest that runs here"


@lru_cache(maxsize=32)
def choose(wish: str, device: torch.device, dtype: torch.dtype, head_width: int) -> Choice:
    """The backend of `wish`, which is `parallel.attention`; found once a process for each device, type and width of a head.

    Raises UserError, naming the reason, where `wish` names a backend that does not run here.
    """
    if wish != AUTO:
        refusal = BACKENDS[wish].refusal(device, dtype, head_width)
        if refusal:
            raise UserError(f"parallel.attention={wish} does not run here ({refusal}); set parallel.attention={AUTO}")
        return Choice(wish, {})
    passed_over: dict[str, str] = {}
    for name, backend in BACKENDS.items():
        refusal = backend.refusal(device, dtype, head_width)
        if refusal is None:
            break
        passed_over[name] = refusal
    choice = Choice(name, passed_over)
    if name == "sdpa" and device.type == "cuda":
        logging.getLogger(__name__).warning("slow attention on a GPU: %s, heads of %d by sdpa (%s)", dtype, head_width, choice.reason)
    return choice
