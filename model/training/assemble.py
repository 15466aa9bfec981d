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
from common.progress import say
from conf.schema import Config, EncoderConfig, ModelConfig
from model.hf.folder import check_exportable, check_weights
from model.megatron import checkpoint, ranks
from model.megatron.optimizer import MegatronOptimizer, build_optimizer
from model.megatron.startup import World, alone
from model.megatron.step import DistributedDataParallel, distribute
from model.nets.build import build_net
from model.objectives.build import build_objective
from model.training.callbacks.callback import Callback
from model.training.callbacks.hparams import HParams
from model.training.callbacks.metrics import Metrics
from model.training.callbacks.nan_guard import NanGuard
from model.training.callbacks.probe import Probe
from model.training.callbacks.progress import Progress
from model.training.callbacks.save import Saving
from model.training.callbacks.tensorboard import TensorBoard
from model.training.callbacks.throughput import Throughput
from model.training.callbacks.tracker import trackers
from model.training.callbacks.validation import Validation
from model.training.course import Branch, Course
from model.training.data import Data
from model.training.frozen import check_frozen, freeze
from model.training.loop import Loop
from model.training.phase import MAIN, Phase
from model.training.plan import Plan
from model.training.position import check_position
from model.training.run import Run
from model.training.saves import Checkpoint
from model.training.state import PhaseState, TrainState
from model.training.tokens import Tokens

if TYPE_CHECKING:
    from model.nets.build import Net


def log_unigram(tokens: Tokens, vocab_size: int) -> torch.Tensor:
    """Log frequency of each token [vocab_size] in the prepared text, each counted once more than it occurs."""
    counts = torch.from_numpy(tokens.counts(vocab_size)).double() + 1
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
    every, tb = config.train.log_every_steps, run.folder / "tb"
    guard = NanGuard(config.train.nan_patience)
    validation = Validation(config.train.eval_packs, config.train.eval_every_steps)
    saving = Saving(config.train.checkpoint, exportable(config.model, run))
    if not ranks.is_first():
        return [guard, validation, saving]
    speed, metrics = Throughput(every, config.parallel.precision), Metrics(run.folder / "metrics.jsonl", every)
    told = [speed, metrics, TensorBoard(tb / "train", every), *trackers(config, run), Progress()]
    return [guard, validation, *told, saving, HParams(), *([Probe(probe)] if probe else [])]


@dataclass(frozen=True)
class Start:
    """Where a phase begins or goes on: a checkpoint of this run, or of the one it branches from; nowhere for an untrained
    net."""

    folder: Path | None = None

    @classmethod
    def of(cls, latest: Checkpoint | None, branch: Branch | None) -> "Start":
        """The run's ``latest`` checkpoint, else ``branch``, else nowhere."""
        return cls(latest.folder if latest else Path(branch.checkpoint) if branch else None)


def build_loop(
    config: Config, run: Run, world: World, data: Data, course: Course, phase: Phase, start: Start,
    probe: Callable[[Checkpoint], None] | None = None,
) -> Loop:  # fmt: skip
    """Build net and optimizer for ``phase`` and set them to where the training goes on."""
    shape, plan = shape_in(config.model, phase), data.plans[phase.name]
    objective = build_objective(config, plan.tokens.sources if plan.tokens.owners is not None else ())
    net = build_net(shape)
    check_frozen(net, {one.name: one.config.frozen for one in course.phases})
    if start.folder is None:
        _initialise(net, config, plan, run)
    freeze(net, phase.config.frozen)
    model = distribute(net, config.parallel)
    optimizer = build_optimizer(model, config.optim, config.parallel)
    state = TrainState()
    if start.folder is not None:
        state = _resume(start.folder, model, optimizer, data, course, phase)
    return Loop(
        config, shape, run, world, data, phase, objective, net, model, optimizer, course.save_points(config), state,
        resumed=start.folder is not None, callbacks=callbacks(config, run, probe),
    )  # fmt: skip


def shape_in(model: ModelConfig, phase: Phase) -> ModelConfig:
    """Section `model` as it is in ``phase``, which may have another RoPE base."""
    return dataclasses.replace(model, rope_theta=phase.rope_theta) if phase.rope_theta else model


def _initialise(net: "Net", config: Config, plan: Plan, run: Run) -> None:
    """Weights to start from, where the configuration names any: of the folder that the first attempt found there, since
    a link such as `last` may point elsewhere by the next one."""
    if config.train.init_from:
        from model.hf.folder import load_into

        start = run.manifest.setdefault("start", ranks.on_first(lambda: str(Path(config.train.init_from).resolve())))
        load_into(net, config.model, start)
    elif isinstance(config.model, EncoderConfig) and config.model.decoder_bias_init == "log_unigram":
        net.set_decoder_bias(ranks.on_first(lambda: log_unigram(plan.tokens, config.model.vocab_size)))


def _resume(
    folder: Path, model: DistributedDataParallel, optimizer: MegatronOptimizer, data: Data, course: Course, phase: Phase
) -> TrainState:
    """Load ``folder``. At the beginning of a phase the optimizer's moments are carried over or not, as the phase says.

    Raises UserError where the checkpoint was trained on other samples than those of this run."""
    values = checkpoint.read_state(folder / "megatron")
    values = checkpoint.load(folder / "megatron", model, optimizer, _moments(values, phase))
    return _state(values, data, course, folder)


def _moments(values: dict[str, Any], phase: Phase) -> str:
    """Which moments of the optimizer go on (`checkpoint.load`)."""
    at_border = phase.number > 0 and values["step"] == phase.first
    return "none" if at_border and phase.config.optimizer == "reset" else "known" if at_border else "all"


def _state(values: dict[str, Any], data: Data, course: Course, folder: Path) -> TrainState:
    """Where the checkpoint in ``folder`` stands. Raises UserError where it was trained on other samples."""
    plan = values.pop("plan")
    state = TrainState.from_dict(values)
    if not state.phases and state.samples:  # written before there were phases
        state.phases = {MAIN: PhaseState(state.samples, dict(state.sources))}
    check_position(state, plan, data, course, folder)
    return state


def rehearse(config: Config, data: Data, course: Course, start: Start) -> None:
    """Raise UserError for what `build_loop` would refuse, without a net that takes memory: objective, parts to freeze,
    and the checkpoint or the weights to start from. For a process that is to train nothing: it is left as it was."""
    sources = next(iter(data.plans.values())).tokens
    build_objective(config, sources.sources if sources.owners is not None else ())
    if start.folder is not None:
        values = checkpoint.read_state(start.folder / "megatron")
        first = course.phases_after(values["step"])[0]
        checkpoint.check_optimizer(start.folder / "megatron", config.optim.name, _moments(values, first))
        _state(values, data, course, start.folder)
    elif config.train.init_from:
        check_weights(config.model, config.train.init_from)
    frozen = {phase.name: phase.config.frozen for phase in course.phases}
    if any(frozen.values()):
        with alone(config.seed):
            check_frozen(build_net(config.model, initialise=False, device="meta"), frozen)
