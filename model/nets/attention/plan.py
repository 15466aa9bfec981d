"""What the layers need to attend in one pack: rotations and windows, made once and shared by all layers of a kind."""

from dataclasses import dataclass, field

import torch
from megatron.core.packed_seq_params import PackedSeqParams

from model.megatron import startup
from model.nets.attention.choice import Choice, choose
from model.nets.attention.window import Attend, Window
from model.nets.pack import Pack
from model.nets.rope import rope_table


@dataclass
class Reach:
    """What one kind of layer needs to attend in one pack."""

    cos: torch.Tensor
    """Rotation of each token, `[T, 1, r / 2]` fp32, for the first r components of a head."""
    sin: torch.Tensor
    """Likewise."""
    attend: Attend
    """Attention over the pack, prepared by the chosen backend."""


@dataclass
class Plan(PackedSeqParams):
    """How a pack is attended to. Megatron-Core hands it through to every layer, also when activations are
    recomputed."""

    everywhere: Reach | None = None
    """Global layers."""
    nearby: Reach | None = None
    """Local layers."""


@dataclass(frozen=True)
class Geometry:
    """What a plan depends on besides the pack."""

    head_width: int
    """Width of a head."""
    max_positions: int
    """Length of the rotary tables."""
    window: int
    """Window of local layers; half of it on each side, both ends included."""
    theta_global: float
    """RoPE base of global layers."""
    theta_local: float
    """RoPE base of local layers."""
    dtype: torch.dtype
    """Type of queries and keys, hence of the masks."""
    attention: str = field(default_factory=lambda: startup.parallel().attention)
    """Backend to attend with, or auto; by default what this process was started with."""

    def plan(self, pack: Pack) -> Plan:
        """Plan of `pack`."""
        prepare = self.choice(pack.device).backend.prepare
        positions, half = pack.positions(), self.window // 2
        everywhere = Reach(*self._rotation(self.theta_global, positions), prepare(pack, Window(), self.dtype))
        nearby = Reach(*self._rotation(self.theta_local, positions), prepare(pack, Window(half, half), self.dtype))
        return Plan(qkv_format="thd", everywhere=everywhere, nearby=nearby)

    def choice(self, device: torch.device) -> Choice:
        """The backend on `device`. Raises UserError where `parallel.attention` names one that does not run there."""
        return choose(self.attention, device, self.dtype, self.head_width)

    def _rotation(self, theta: float, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        cos, sin = rope_table(theta, self.head_width, self.max_positions, positions.device)
        return cos[positions].unsqueeze(1), sin[positions].unsqueeze(1)
