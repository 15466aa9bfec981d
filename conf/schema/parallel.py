"""Group `parallel`: how a model is laid out over ranks, and in which precision."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated

from conf.schema.choice import choice
from conf.schema.ranges import Few, Range


@dataclass
class ParallelConfig:
    """Parallel layout of one run."""

    tensor: Annotated[int, Range(1, 100_000)] = 1
    """Tensor-parallel size."""
    pipeline: Annotated[int, Range(1, 100_000)] = 1
    """Pipeline-parallel size."""
    sequence: bool = False
    """Cut norms, dropout and residuals over the tensor-parallel ranks along the sequence (arXiv 2205.05198)."""
    context: Annotated[int, Range(1, 100_000)] = 1
    """Context-parallel size: each pack is cut over so many ranks along its tokens."""
    precision: str = choice("auto", "fp32", "bf16")
    """fp32 or bf16 (bf16 keeps fp32 master weights and moments); auto: bf16 on a GPU that computes in it, else fp32.
    Frozen at the run's start, so that a run that goes on elsewhere keeps its own."""
    attention: str = choice("auto", "flash", "varlen", "sdpa")
    """Kernels of attention: flash (package flash-attn), varlen (PyTorch's own, on a GPU), sdpa (anywhere); auto: the
    first that runs."""
    recompute: str = choice("none", "selective", "full")
    """Activation recomputation: none, selective (attention core) or full (every layer)."""
    distributed_optimizer: bool = True
    """Shard the optimizer over data-parallel ranks; without effect on one rank."""
    threads: Few = 0
    """CPU threads of a rank; 0 takes the cores it may use. Frozen at the run's start, since sums depend on it."""

    def on(self, bf16: bool) -> "ParallelConfig":
        """Itself with a `precision` of auto settled for a device that computes in bf16, or does not."""
        return dataclasses.replace(self, precision="bf16" if bf16 else "fp32") if self.precision == "auto" else self

    def data_ranks(self, ranks: int) -> int:
        """Data-parallel size of a job of ``ranks`` processes; 1 where they are too few for the layout, which its start
        refuses."""
        return max(1, ranks // (self.tensor * self.pipeline * self.context))
