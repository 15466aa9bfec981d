"""The training loop of one phase: take packs, make a step, tell the callbacks; until its last step, or until someone
asks to stop."""

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
from model.training.callbacks.callback import Callback
from model.training.callbacks.step_record import SPEED, TRAIN, StepRecord
from model.training.checkpoints.checkpoints import Checkpoint
from model.training.checkpoints.state import PhaseState, TrainState
from model.training.cost.flops import step_flops
from model.training.data.inputs import Data
from model.training.data.loader import MicroBatches
from model.training.data.source import DataOrder
from model.training.run.folder import Run
from model.training.timeline.checkpoint_steps import CheckpointSteps
from model.training.timeline.phase import Phase

if TYPE_CHECKING:
    from model.nets.build import Net
    from model.objectives.objective import Objective

BOUNDARY, FINISHED, INTERRUPTED = "phase boundary", "finished", "interrupted"


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
    def order(self) -> DataOrder:
        """The planned data order of this phase."""
        return self.data.orders[self.phase.name]

    @property
    def done(self) -> PhaseState:
        """What this phase has consumed."""
        return self.state.phases.get(self.phase.name, PhaseState())

    def train(self) -> str:
        """Train to the last step of the phase; returns ``finished`` where that is the last of the run, else ``phase
        boundary``, or ``interrupted`` when a signal asked to stop."""
        batches = MicroBatches(
            self.order,
            self.objective,
            self.phase,
            self.world.device,
            self.config.seed,
            self.done.samples,
            ranks.data_rank(),
        )
        state, last = self.state, self.phase.last
        with ExitStack() as closing:  # each of them, whatever another meets: a full disk, say
            for resource in [*reversed(self.callbacks), batches]:
                closing.callback(resource.close)
            with StopRequest() as stop:
                self.tell("start")
                if not self.resumed:
                    self.tell("step", StepRecord(0, metrics={f"{TRAIN}/tokens": 0, f"{TRAIN}/samples": 0}))
                while state.step < last and not ranks.any_rank(bool(stop)):
                    self.tell("step", self.step(batches))
                self.tell("end")
                stopped = state.step < self.total and ranks.any_rank(
                    bool(stop)
                )  # within the last step too, or the checkpoint after it
        return INTERRUPTED if stopped else FINISHED if last == self.total else BOUNDARY

    def step(self, batches: MicroBatches) -> StepRecord:
        """One optimizer step, and what is known of it."""
        begun, state = time.perf_counter(), self.state
        first, batch = self.done.samples, self.phase.ramp.batch(self.done.samples)
        state.lr = self.phase.lr(state.step + 1)
        set_lr(self.optimizer, state.lr)
        micro_batches = batches.step(batch)
        result = train_step(self.model, self.optimizer, self.objective.loss, micro_batches, micro_batches.seeds)
        sources = self.order.count_sources(first, batch)
        state.consume(self.phase.name, batch, sources)
        record = StepRecord(
            step=state.step,
            phase=self.phase.name if self.config.phases else "",
            samples=state.samples,
            batch=batch,
            tokens=sum(sources.values()),
            count=result.count,
            seconds=time.perf_counter() - begun,
            skipped=result.skipped,
        )
        state.seconds += record.seconds
        lengths, head = self.order.lengths(first, batch), self.objective.head_positions(result.count)
        record.flops = step_flops(self.shape, lengths, head)
        self._record(record, result)
        return record

    def _record(self, record: StepRecord, result: StepResult) -> None:
        """The metrics of a step: the loop's own, and those that the objective recorded."""
        state = self.state
        record(f"{TRAIN}/tokens", state.tokens)
        record(f"{TRAIN}/samples", state.samples)
        record(f"{TRAIN}/epoch", round(self.done.samples / len(self.order), 4))
        record(f"{TRAIN}/batch", record.batch)
        record(f"{TRAIN}/loss", result.loss)
        for name, value in result.metrics.items():
            record(f"{TRAIN}/{name}", value)
        record(f"{TRAIN}/lr", state.lr)
        record(f"{TRAIN}/grad_norm", result.grad_norm)
        record(f"{TRAIN}/skipped", result.skipped)
        record(f"{SPEED}/seconds", round(record.seconds, 4))

    def tell(self, event: str, *what: StepRecord | Checkpoint) -> None:
        """Tell the callbacks, in order. Raises Superseded, on rank 0, where another process has taken the run over."""
        self.run.fence.check()
        for callback in self.callbacks:
            getattr(callback, event)(self, *what)
