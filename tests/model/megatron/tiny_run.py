"""A training of seconds: a small encoder with dropout, random documents, a plain cross-entropy. Imported by tests and
run as a process."""

import hashlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from megatron.core import parallel_state
from megatron.core.tensor_parallel import vocab_parallel_cross_entropy

from conf.schema import EncoderConfig, OptimConfig, ParallelConfig
from model.megatron import checkpoint, startup, step
from model.megatron.metrics import Record, Reduce, unrecorded
from model.megatron.optimizer import build_optimizer, set_lr
from model.nets.encoder import build_encoder
from model.nets.pack import Pack

SIZES = {
    "vocab_size": 64,
    "num_layers": 3,
    "hidden_size": 32,
    "num_heads": 2,
    "ffn_size": 32,
    "max_positions": 64,
    "local_window": 8,
}
LR = 1e-2


def micro_batches(index: int, count: int = 4) -> list[Pack]:
    """The packs of step `index`: documents of 3 to 12 tokens, one to three a pack."""
    rng = np.random.default_rng(index)
    return [
        Pack.from_documents([rng.integers(0, 64, rng.integers(3, 13)) for _ in range(rng.integers(1, 4))])
        for _ in range(count)
    ]


def joined(packs: list[Pack]) -> Pack:
    """One pack of all their documents."""
    return Pack.from_documents([part.numpy() for pack in packs for part in pack.tokens.split(pack.lengths)])


def forward_step(
    model: torch.nn.Module, pack: Pack, record: Record = unrecorded
) -> tuple[torch.Tensor, torch.Tensor] | torch.Tensor:
    """Tell each token from itself and what it sees; the targets are a fixed permutation."""
    logits = model(pack)
    if not parallel_state.is_pipeline_last_stage():
        return logits
    losses = vocab_parallel_cross_entropy(logits.unsqueeze(1), (pack.tokens * 7 % 64).unsqueeze(1))
    record("squares", losses.square().sum(), Reduce.SUM)
    record("square", losses.square().sum())
    record("greatest", losses.max(), Reduce.MAX)
    record("even/square", losses[::2].square().sum(), over=torch.tensor(len(losses[::2])))
    record("nothing", losses.sum(), over=torch.tensor(0))
    return losses.sum(), torch.tensor(losses.numel())


class Run:
    """Net, optimizer, and the steps made with them."""

    def __init__(
        self,
        name: str = "stable_adamw",
        precision: str = "fp32",
        seed: int = 0,
        sizes: dict[str, Any] | None = None,
        **keys: Any,
    ):
        parallel_keys = {key: keys.pop(key) for key in list(keys) if key in ParallelConfig.__dataclass_fields__}
        parallel = ParallelConfig(precision=precision, threads=1, **parallel_keys)
        optim = OptimConfig(name=name, lr=LR, weight_decay=0.01, **keys)
        startup.start(parallel, seed)
        self.model = step.distribute(build_encoder(EncoderConfig(**{**SIZES, **(sizes or {})}), parallel), parallel)
        self.optimizer = build_optimizer(self.model, optim, parallel)

    def steps(
        self, first: int, last: int, batches: Callable[[int], list[Pack]] = micro_batches, **keys: Any
    ) -> list[str]:
        """Steps `first` to `last` - 1; loss and gradient norm of each, exactly."""
        results = []
        for index in range(first, last):
            set_lr(self.optimizer, LR / (1 + index))
            result = step.train_step(self.model, self.optimizer, forward_step, batches(index), **keys)
            results.append(f"{result.loss.hex()} {result.grad_norm.hex()}")
        return results

    def parameters(self) -> dict[str, torch.Tensor]:
        """Copies of the parameters."""
        return {name: param.detach().clone() for name, param in self.model.module.named_parameters()}

    def digest(self) -> str:
        """Stands for all parameters, exactly."""
        return " ".join(
            hashlib.sha256(param.detach().float().numpy().tobytes()).hexdigest()[:16]
            for param in self.model.module.parameters()
        )


def resume(folder: str) -> None:
    """Load the checkpoints in `folder` one after another and go on to step 6; print what came of it."""
    for name in ("adamw", "stable_adamw"):
        for precision in ("fp32", "bf16"):
            run = Run(name, precision, seed=99)  # another seed: everything must come from the checkpoint
            state = checkpoint.load(f"{folder}/{name}_{precision}", run.model, run.optimizer)
            print(*run.steps(state["step"], 6), run.digest(), sep="\n", flush=True)


def ranks(folder: str) -> None:
    """Train over all ranks for two steps, load what one rank has saved, go on; rank 0 prints the losses."""
    for name in ("adamw", "stable_adamw"):
        run = Run(name)
        mine = slice(parallel_state.get_data_parallel_rank(), None, parallel_state.get_data_parallel_world_size())

        def batches(index: int, mine: slice = mine) -> list[Pack]:
            return micro_batches(index)[mine]

        losses = run.steps(0, 2, batches, seeds=range(4)[mine])
        checkpoint.save(f"{folder}/two_{name}", run.model, run.optimizer, {"step": 2})
        run.steps(7, 8, batches)
        checkpoint.load(f"{folder}/one_{name}", run.model, run.optimizer)
        losses += run.steps(2, 5, batches, seeds=range(4)[mine])
        if parallel_state.get_data_parallel_rank() == 0:
            print(type(run.optimizer).__name__, *losses, sep="\n", flush=True)


if __name__ == "__main__":
    {"resume": resume, "ranks": ranks}[sys.argv[1]](sys.argv[2])
