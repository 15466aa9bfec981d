"""Which kernels attend: the first of flash, varlen and sdpa that runs on this device, with this type, for heads of this
width."""

import logging
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType

import torch

from common.errors import UserError
from model.nets.attention import flash, sdpa, varlen

AUTO = "auto"
BACKENDS: dict[str, ModuleType] = {"flash": flash, "varlen": varlen, "sdpa": sdpa}
"""Best first. Each has `refusal(device, dtype, head_width)` and `prepare(pack, window, dtype)`; the last never
refuses."""


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
        """Why it is not a better one, for a person; empty where there is none, or where it was asked for."""
        whys = dict.fromkeys(self.passed_over.values())
        names = {why: ", ".join(name for name, other in self.passed_over.items() if other == why) for why in whys}
        return "; ".join(f"not {names[why]}: {why}" for why in whys)


@lru_cache(maxsize=32)
def choose(wish: str, device: torch.device, dtype: torch.dtype, head_width: int) -> Choice:
    """`find`, once a process for each device, type and width of a head; sdpa on a GPU, where it was not asked for, is a
    warning."""
    choice = find(wish, device, dtype, head_width)
    if choice.name == "sdpa" and choice.passed_over and device.type == "cuda":
        logging.getLogger(__name__).warning(
            "slow attention on a GPU: sdpa for %s, heads of %d (%s)", dtype, head_width, choice.reason
        )
    return choice


def find(wish: str, device: torch.device, dtype: torch.dtype, head_width: int) -> Choice:
    """The backend of `wish`, which is `parallel.attention`.

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
            return Choice(name, passed_over)
        passed_over[name] = refusal
    raise AssertionError("sdpa never refuses")
