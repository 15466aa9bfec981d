"""Attention inside the documents of a pack: what is attended to (`plan`), by which kernels (`choice`), in a layer
(`core`)."""

from model.nets.attention.causal import CausalGeometry
from model.nets.attention.core import PackedAttention
from model.nets.attention.plan import Geometry

__all__ = ["CausalGeometry", "Geometry", "PackedAttention"]
