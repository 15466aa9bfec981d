"""The training loop of one phase: take packs, make a step, tell the callbacks; until its last step, or until someone
asks to stop."""

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from common.stop import StopRequest
from conf.schema import Config, ModelConfig
from model.megatron import ranks
from model.megatron.optimizer import MegatronOptimizer, set_lr
from model.megatron.startup import World
from model.megatron.step import DistributedDataParallel, StepResult, train_step
from model.training.callbacks.callback import Callback, Record
from model.training.checkpoints.checkpoints import Checkpoint
from model.training.checkpoints.state import PhaseState, TrainState
from model.training.cost.flops import step_flops
from model.training.data.inputs import Data
from model.training.data.loader import MicroBatches
from model.training.data.order import Plan
from model.training.run.folder import Run
from model.training.timeline.checkpoint_steps import CheckpointSteps
from model.training.timeline.phase import Phase

if TYPE_CHECKING:
    from model.nets.build import Net
    from model.objectives.build import Objective

BORDER, FINISHED, INTERRUPTED = "border", "finished", "interrupted"
SOURCE_LOSS, SOURCE_TOKENS = "loss:", "tokens:"
"""Begin the names of the sums that an objective tells of each source."""


@dataclass
class Loop:
    """Everything that a phase of training consists of; callbacks see it whole."""

    config: Config
    shape: ModelConfig
    """Section `model` as it is in this phase."""
    run: Run
    world: World
    data: Data
    phase: Phase
    objective: "Objective"
    net: "Net"
    model: DistributedDataParallel
    """``net``, wrapped."""
    optimizer: MegatronOptimizer
    checkpoint_steps: CheckpointSteps
    state: TrainState
    resumed: bool
    """The state comes from a checkpoint of this run or of the one it branches from."""
    callbacks: list[Callback]
    checkpoint: Checkpoint | None = None
    """The last checkpoint made."""

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        return self.checkpoint_steps.total

    @property
    def plan(self) -> Plan:
        """The planned data order of this phase."""
        return self.data.plans[self.phase.name]

    @property
    def done(self) -> PhaseState:
        """What this phase has consumed."""
        return self.state.phases.get(self.phase.name, PhaseState())

    def train(self) -> str:
        """Train to the last step of the phase; returns ``finished`` where that is the last of the run, else ``border``,
        or ``interrupted`` when a signal asked to stop."""
        batches = MicroBatches(
            self.plan, self.objective, self.phase.train.micro_batch, self.world.device, self.config.seed, self.done.samples,
            *ranks.data_rank(), self.phase.number,
        )  # fmt: skip
        state, last = self.state, self.phase.last
        with ExitStack() as closing:  # each of them, whatever another meets: a full disk, say
            for one in [*reversed(self.callbacks), batches]:
                closing.callback(one.close)
            with StopRequest() as stop:
                self.tell("start")
                if not self.resumed:
                    self.tell("step", {"step": 0, "tokens": 0, "samples": 0})
                while state.step < last and not ranks.any_rank(bool(stop)):
                    self.tell("step", self.step(batches))
                self.tell("end")
                stopped = state.step < self.total and ranks.any_rank(
                    bool(stop)
                )  # within the last step too, or the checkpoint after it
        return INTERRUPTED if stopped else FINISHED if last == self.total else BORDER

    def step(self, batches: MicroBatches) -> Record:
        """One optimizer step, and what is known of it."""
        begun, state, plan = time.perf_counter(), self.state, self.plan
        first, packs = self.done.samples, self.phase.ramp.batch(self.done.samples)
        state.lr = self.phase.lr(state.step + 1)
        set_lr(self.optimizer, state.lr)
        micro_batches = batches.step(packs)
        result = train_step(self.model, self.optimizer, self.objective.loss, micro_batches, micro_batches.seeds)
        sources = plan.count_sources(first, packs)
        state.consume(self.phase.name, packs, sources)
        seconds = time.perf_counter() - begun
        state.seconds += seconds
        return {
            "step": state.step,
            **({"phase": self.phase.name} if self.config.phases else {}),
            "tokens": state.tokens,
            "samples": state.samples,
            "epoch": round(self.done.samples / len(plan.train), 4),
            "batch": packs,
            "step_tokens": sum(sources.values()),
            "loss": result.loss,
            "accuracy": result.sums["correct"] / max(1, result.tokens),
            "lr": state.lr,
            "grad_norm": result.grad_norm,
            "skipped": result.skipped,
            "seconds": round(seconds, 4),
            "flops": step_flops(self.shape, plan.lengths(first, packs), result.tokens),
            **_by_source(result),
        }

    def tell(self, event: str, *what: Record | Checkpoint) -> None:
        """Tell the callbacks, in order. Raises Superseded, on rank 0, where another process has taken the run over."""
        self.run.fence.check()
        for callback in self.callbacks:
            getattr(callback, event)(self, *what)


def _by_source(result: StepResult) -> Record:
    """Loss per token of each source that the step had tokens of."""
    found = {}
    for name, tokens in result.sums.items():
        if name.startswith(SOURCE_TOKENS) and tokens:
            source = name.removeprefix(SOURCE_TOKENS)
            loss = result.sums[SOURCE_LOSS + source] / tokens
            found |= {source: loss} if math.isfinite(loss) else {}
    return {"loss_by_source": found} if found else {}
