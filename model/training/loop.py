"""The training loop: take packs, make a step, tell the callbacks; until the last step, or until someone asks to stop."""

import time
from dataclasses import dataclass

from common.stop import StopRequest
from conf.schema import Config
from model.megatron import ranks
from model.megatron.optimizer import MegatronOptimizer, set_lr
from model.megatron.startup import World
from model.megatron.step import DistributedDataParallel, train_step
from model.nets.encoder import ModernBert
from model.objectives.mlm import Mlm
from model.training.batch_ramp import BatchRamp
from model.training.batches import MicroBatches
from model.training.callbacks.callback import Callback, Record
from model.training.flops import step_flops
from model.training.plan import Plan
from model.training.run import Run
from model.training.save_points import SavePoints
from model.training.saves import Save
from model.training.schedule import Schedule
from model.training.state import TrainState


@dataclass
class Loop:
    """Everything that a training consists of; callbacks see it whole."""

    config: Config
    run: Run
    world: World
    plan: Plan
    objective: Mlm
    net: ModernBert
    model: DistributedDataParallel
    """``net``, wrapped."""
    optimizer: MegatronOptimizer
    schedule: Schedule
    ramp: BatchRamp
    save_points: SavePoints
    state: TrainState
    resumed: bool
    """The state comes from a save of this run or of the one it branches from."""
    callbacks: list[Callback]

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        return self.save_points.total

    def train(self) -> str:
        """Train to the last step; returns ``finished``, or ``interrupted`` when a signal asked to stop."""
        batches = MicroBatches(
            self.plan, self.objective, self.config.train.micro_batch, self.world.device, self.config.seed, self.state.samples,
            *ranks.data_rank(),
        )  # fmt: skip
        try:
            with StopRequest() as stop:
                self.tell("start")
                if not self.resumed:
                    self.tell("step", {"step": 0, "tokens": 0, "samples": 0})
                while self.state.step < self.total and not ranks.any_rank(bool(stop)):
                    self.tell("step", self.step(batches))
                self.tell("end")
        finally:
            batches.close()
            for callback in self.callbacks:
                callback.close()
        return "finished" if self.state.step >= self.total else "interrupted"

    def step(self, batches: MicroBatches) -> Record:
        """One optimizer step, and what is known of it."""
        begun, state = time.perf_counter(), self.state
        first, packs = state.samples, self.ramp.batch(state.samples)
        state.lr = self.schedule.lr(state.step + 1, (first + packs) * self.config.train.seq_length)
        set_lr(self.optimizer, state.lr)
        micro_batches = batches.step(packs)
        result = train_step(self.model, self.optimizer, self.objective.loss, micro_batches, micro_batches.seeds)
        tokens = self.plan.count_tokens(first, packs)
        state.consume(self.plan.source, packs, tokens)
        seconds = time.perf_counter() - begun
        state.seconds += seconds
        return {
            "step": state.step,
            "tokens": state.tokens,
            "samples": state.samples,
            "epoch": round(state.samples / len(self.plan.train), 4),
            "batch": packs,
            "step_tokens": tokens,
            "loss": result.loss,
            "accuracy": result.sums["correct"] / max(1, result.tokens),
            "lr": state.lr,
            "grad_norm": result.grad_norm,
            "skipped": result.skipped,
            "seconds": round(seconds, 4),
            "flops": step_flops(self.config.model, self.plan.lengths(first, packs), result.tokens),
        }

    def tell(self, event: str, *what: Record | Save) -> None:
        """Tell the callbacks, in order. Raises Superseded, on rank 0, where another process has taken the run over."""
        self.run.fence.check()
        for callback in self.callbacks:
            getattr(callback, event)(self, *what)
