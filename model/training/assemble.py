"""From a configuration to a loop that is ready to go: net, optimizer, callbacks, and the point where training goes
on."""

import dataclasses
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from common.errors import UserError
from common.layout import CURVES, MEGATRON, METRICS
from common.progress import say
from conf.schema import Config, EncoderConfig, ModelConfig
from model.hf.folder import check_exportable, check_weights
from model.megatron import checkpoint, ranks
from model.megatron.optimizer import MegatronOptimizer, build_optimizer
from model.megatron.startup import alone, world
from model.megatron.step import DistributedDataParallel, distribute
from model.nets.build import build_net
from model.training.callbacks.callback import Callback
from model.training.callbacks.checkpointer import Checkpointer
from model.training.callbacks.hparams import HParams
from model.training.callbacks.metrics import Metrics
from model.training.callbacks.nan_guard import NanGuard
from model.training.callbacks.probe import Probe
from model.training.callbacks.progress import Progress
from model.training.callbacks.tensorboard import TensorBoard
from model.training.callbacks.throughput import Throughput
from model.training.callbacks.tracking.choice import trackers
from model.training.callbacks.validation import Validation
from model.training.checkpoints.checkpoints import Checkpoint
from model.training.checkpoints.resume_check import check_position
from model.training.checkpoints.state import PhaseState, TrainState
from model.training.context import Training
from model.training.data.source import DataOrder
from model.training.frozen import check_frozen, freeze
from model.training.loop import Loop
from model.training.run.folder import Run
from model.training.timeline.phase import MAIN, Phase

if TYPE_CHECKING:
    from model.nets.build import Net


def log_unigram(order: DataOrder, vocab_size: int) -> torch.Tensor:
    """Log frequency of each token [vocab_size] in the prepared data, each counted once more than it occurs."""
    counts = torch.from_numpy(order.token_counts(vocab_size)).double() + 1
    return (counts / counts.sum()).log().float()


def exportable(model: ModelConfig, run: Run) -> bool:
    """Whether the net has a Hugging Face form; where it has none, says so, since its checkpoints cannot be probed.

    That it has one is kept in the run's manifest, so that an attempt that goes on need not import transformers to learn
    it."""
    version = importlib.metadata.version("transformers")
    if run.manifest.get("exportable_by") == version:
        return True
    try:
        check_exportable(model)
    except UserError as error:
        say(f"warning: checkpoints of this run have no hf/ half and cannot be probed: {error}")
        return False
    run.manifest["exportable_by"] = version
    return True


def callbacks(config: Config, run: Run, probe: Callable[[Checkpoint], None] | None = None) -> list[Callback]:
    """What happens beside the steps, in this order: first what guards, then what measures, then what writes; ``probe``:
    see `Probe`.

    What all ranks do together is on every rank, the rest on rank 0.
    """
    every, tb = config.train.log_every_steps, run.folder / CURVES
    guard = NanGuard(config.train.nan_patience)
    validation = Validation(config.train.eval_packs, config.train.eval_every_steps)
    saving = Checkpointer(config.train.checkpoint, exportable(config.model, run))
    if not ranks.is_first():
        return [guard, validation, saving]
    speed, metrics = Throughput(every, config.parallel.precision), Metrics(run.folder / METRICS, every)
    told = [speed, metrics, TensorBoard(tb / "train", every), *trackers(config, run), Progress()]
    return [guard, validation, *told, saving, HParams(), *([Probe(probe)] if probe else [])]


@dataclass(frozen=True)
class Start:
    """Where a phase begins or goes on: a checkpoint of this run, or of the one it branches from; nowhere for an
    untrained net."""

    folder: Path | None = None

    @classmethod
    def of(cls, training: Training) -> "Start":
        """The run's latest checkpoint, else the branch, else nowhere."""
        if training.latest:
            return cls(training.latest.folder)
        return cls(Path(training.branch.checkpoint) if training.branch else None)


def build_loop(
    training: Training, phase: Phase, start: Start, probe: Callable[[Checkpoint], None] | None = None
) -> Loop:
    """Build net and optimizer for ``phase`` and set them to where the training goes on."""
    config, order = training.config, training.data.orders[phase.name]
    shape = shape_in(config.model, phase)
    objective = training.objective.build(config, order)
    net = build_net(shape)
    check_frozen(net, {phase.name: phase.config.frozen for phase in training.timeline.phases})
    if start.folder is None:
        _initialise(net, config, order, training.run)
    freeze(net, phase.config.frozen)
    model = distribute(net, config.parallel)
    optimizer = build_optimizer(model, config.optim, config.parallel)
    state = TrainState()
    if start.folder is not None:
        state = _resume(start.folder, model, optimizer, training, phase)
    return Loop(
        config, shape, training.run, world(), training.data, phase, objective, net, model, optimizer,
        training.timeline.checkpoint_steps(config), state, resumed=start.folder is not None,
        callbacks=callbacks(config, training.run, probe),
    )  # fmt: skip


def shape_in(model: ModelConfig, phase: Phase) -> ModelConfig:
    """Section `model` as it is in ``phase``, which may have another RoPE base."""
    return dataclasses.replace(model, rope_theta=phase.rope_theta) if phase.rope_theta else model


def _initialise(net: "Net", config: Config, order: DataOrder, run: Run) -> None:
    """Weights to start from, where the configuration names any: of the folder that the first attempt found there, since
    a link such as `last` may point elsewhere by the next one."""
    if config.train.init_from:
        from model.hf.folder import load_into

        start = run.manifest.setdefault("start", ranks.on_first(lambda: str(Path(config.train.init_from).resolve())))
        load_into(net, config.model, start)
    elif isinstance(config.model, EncoderConfig) and config.model.decoder_bias_init == "log_unigram":
        net.set_decoder_bias(ranks.on_first(lambda: log_unigram(order, config.model.vocab_size)))


def _resume(
    folder: Path, model: DistributedDataParallel, optimizer: MegatronOptimizer, training: Training, phase: Phase
) -> TrainState:
    """Load ``folder``. At the beginning of a phase the optimizer's moments are carried over or not, as the phase says.

    Raises UserError where the checkpoint was trained on other samples than those of this run."""
    values = checkpoint.read_state(folder / MEGATRON)
    values = checkpoint.load(folder / MEGATRON, model, optimizer, _moments(values, phase))
    return _state(values, training, folder)


def _moments(values: dict[str, Any], phase: Phase) -> str:
    """Which moments of the optimizer go on (`checkpoint.load`)."""
    at_boundary = phase.number > 0 and values["step"] == phase.first
    return "none" if at_boundary and phase.config.optimizer == "reset" else "known" if at_boundary else "all"


def _state(values: dict[str, Any], training: Training, folder: Path) -> TrainState:
    """Where the checkpoint in ``folder`` stands. Raises UserError where it was trained on other samples."""
    plan = values.pop("plan")
    state = TrainState.from_dict(values)
    if not state.phases and state.samples:  # written before there were phases
        state.phases = {MAIN: PhaseState(state.samples, dict(state.sources))}
    check_position(state, plan, training.data, training.timeline, folder)
    return state


def rehearse(training: Training) -> None:
    """Raise UserError for what `build_loop` would refuse, without a net that takes memory: objective, parts to freeze,
    and the checkpoint or the weights to start from. For a process that is to train nothing: it is left as it was."""
    config, start = training.config, Start.of(training)
    training.objective.build(config, next(iter(training.data.orders.values())))
    if start.folder is not None:
        values = checkpoint.read_state(start.folder / MEGATRON)
        first = training.timeline.phases_after(values["step"])[0]
        checkpoint.check_optimizer(start.folder / MEGATRON, config.optim.name, _moments(values, first))
        _state(values, training, start.folder)
    elif config.train.init_from:
        check_weights(config.model, config.train.init_from)
    frozen = {phase.name: phase.config.frozen for phase in training.timeline.phases}
    if any(frozen.values()):
        with alone(config.seed):
            check_frozen(build_net(config.model, initialise=False, device="meta"), frozen)
