"""What a decoder's layers need to attend in one pack, each token seeing what came before it: all of it, or a window."""

from dataclasses import astuple, dataclass, field, replace

import torch

from conf.schema.model import RopeScalingConfig
from model.megatron import startup
from model.nets.attention.choice import Choice, choose
from model.nets.attention.context import Share, prepare_share
from model.nets.attention.plan import Plan, Reach
from model.nets.attention.window import Window
from model.nets.pack import Pack
from model.nets.rope import rope_table


@dataclass(frozen=True)
class CausalGeometry:
    """What a plan depends on besides the pack. A phase that changes the base replaces it: `replace(net.geometry,
    theta=...)`."""

    head_width: int
    """Width of a head."""
    rotated_width: int
    """Components of a head that are rotated."""
    theta: float
    """RoPE base, of global layers where there are local ones."""
    scaling: RopeScalingConfig
    """Stretched rotations, likewise."""
    window: int
    """A token sees itself and so many less one before it, in local layers where there are any; 0 for all before it."""
    theta_local: float | None
    """RoPE base of local layers; None where all layers are alike."""
    dtype: torch.dtype
    """Type of queries and keys, hence of the masks."""
    attention: str = field(default_factory=lambda: startup.parallel().attention)
    """Backend to attend with, or auto; by default what this process was started with."""

    def plan(self, pack: Pack, causal: bool = True, share: Share | None = None) -> Plan:
        """Plan of `pack`, or of a rank's `share` of it; not `causal`: every token of a document sees all of it."""
        if self.theta_local is None:
            return Plan(qkv_format="thd", everywhere=self._reach(pack, causal, share, self.theta, self.window))
        everywhere = self._reach(pack, causal, share, self.theta, 0)
        plain = replace(self, scaling=RopeScalingConfig())
        nearby = plain._reach(pack, causal, share, self.theta_local, self.window)
        return Plan(qkv_format="thd", everywhere=everywhere, nearby=nearby)

    def _reach(self, pack: Pack, causal: bool, share: Share | None, theta: float, width: int) -> Reach:
        """What one kind of layers needs; ``width``: its window."""
        longest, positions = max(pack.lengths), pack.positions()
        # few tables are made, and none as long as the longest document that there might be
        length = 1 << (longest - 1).bit_length()
        cos, sin = rope_table(theta, self.rotated_width, length, pack.device, astuple(self.scaling))
        window = Window(width - 1 if width else -1, 0) if causal else Window()
        prepare = self.choice(pack.device).backend.prepare
        if share is None:
            attend = prepare(pack, window, self.dtype)
        else:
            positions, attend = share.take(positions), prepare_share(prepare, pack, window, self.dtype, share)
        return Reach(cos[positions].unsqueeze(1), sin[positions].unsqueeze(1), attend)

    def choice(self, device: torch.device) -> Choice:
        """The backend on `device`. Raises UserError where `parallel.attention` names one that does not run there."""
        return choose(self.attention, device, self.dtype, self.head_width)
