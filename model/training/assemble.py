"""From a configuration to a loop that is ready to go: data order, net, optimizer, and the point where training goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from common.errors import UserError
from common.files import digest
from common.progress import say
from conf.schema import Config, EncoderConfig
from model.hf.config import to_theirs
from model.megatron import checkpoint, ranks
from model.megatron.optimizer import build_optimizer
from model.megatron.startup import World
from model.megatron.step import distribute
from model.nets.encoder import build_encoder
from model.objectives.mlm import Mlm
from model.training.callbacks.callback import Callback
from model.training.callbacks.heldout import Heldout
from model.training.callbacks.hparams import HParams
from model.training.callbacks.metrics import Metrics
from model.training.callbacks.nan_guard import NanGuard
from model.training.callbacks.probe import Probe
from model.training.callbacks.progress import Progress
from model.training.callbacks.save import Saving
from model.training.callbacks.tensorboard import TensorBoard
from model.training.callbacks.throughput import Throughput
from model.training.course import Branch, Course
from model.training.loop import Loop
from model.training.plan import Plan, checked_stamp, load_plan, make_plan, save_plan
from model.training.run import Run
from model.training.saves import Save
from model.training.state import TrainState
from model.training.tokens import Tokens, open_tokens


def open_data(config: Config, run: Run) -> Plan:
    """The planned data order: the run's own where it has one, else made now. Rank 0 checks, plans and (unless `dry_run`) writes.

    Raises UserError where tokens, tokenizer, net and run do not fit together.
    """
    first: list[Plan] = []
    ranks.on_first(lambda: first.append(_plan(config, run)))
    return first[0] if first else _plan(config, run)


def _plan(config: Config, run: Run) -> Plan:
    if config.train.seq_length > config.model.max_positions:
        raise UserError(
            f"train.seq_length={config.train.seq_length} exceeds model.max_positions={config.model.max_positions}; change one of them"
        )
    tokens = open_tokens(config.data.tokens, config.data.tokenizer, config.model.vocab_size, checked_stamp(run.plan))
    run.check_inputs(inputs(config, tokens))
    arguments = (tokens, config.train.seq_length, config.train.heldout_fraction, config.seed)
    plan = load_plan(run.plan, *arguments)
    if plan is None:
        plan = make_plan(*arguments)
        if ranks.is_first() and not config.dry_run:
            save_plan(plan, run.plan)
    return plan


def inputs(config: Config, tokens: Tokens) -> dict[str, Any]:
    """What the run reads, with digests, for its manifest."""
    tokenizer = {"tokenizer.json": digest(Path(config.data.tokenizer) / "tokenizer.json")}
    return {
        "tokens": {"path": config.data.tokens, "digests": tokens.digests},
        "tokenizer": {"path": config.data.tokenizer, "digests": tokenizer},
    }


def log_unigram(tokens: Tokens, vocab_size: int) -> torch.Tensor:
    """Log frequency of each token [vocab_size] in the prepared text, each counted once more than it occurs."""
    counts = torch.from_numpy(tokens.counts(vocab_size)).double() + 1
    return (counts / counts.sum()).log().float()


def exportable(model: EncoderConfig) -> bool:
    """Whether the net has a Hugging Face form; where it has none, says so, since its saves cannot be probed."""
    try:
        to_theirs(model, {}, "float32")
    except UserError as error:
        say(f"[yellow]warning: saves of this run have no hf/ half and cannot be probed: {error}[/yellow]")
        return False
    return True


def callbacks(config: Config, run: Run, probe: Callable[[Save], None] | None = None) -> list[Callback]:
    """What happens beside the steps, in this order: first what guards, then what measures, then what writes; ``probe``: see `Probe`.

    What all ranks do together is on every rank, the rest on rank 0.
    """
    every, tb = config.train.log_every_steps, run.folder / "tb"
    guard = NanGuard(config.train.nan_patience)
    heldout = Heldout(config.train.eval_packs, config.train.eval_every_steps)
    saving = Saving(config.train.save, exportable(config.model))
    if not ranks.is_first():
        return [guard, heldout, saving]
    speed, metrics = Throughput(every, config.parallel.precision), Metrics(run.folder / "metrics.jsonl", every)
    told = [speed, metrics, TensorBoard(tb / "train", every), Progress()]
    return [guard, heldout, *told, saving, HParams(), *([Probe(probe)] if probe else [])]


def build_loop(
    config: Config, run: Run, world: World, plan: Plan, course: Course, latest: Save | None, branch: Branch | None,
    probe: Callable[[Save], None] | None = None,
) -> Loop:  # fmt: skip
    """Build net and optimizer and set them to where the training goes on: the run's ``latest`` save, else ``branch``, else the start."""
    objective = Mlm(config.objective, config.data.tokenizer, config.seed)
    net = build_encoder(config.model)
    source = latest.folder if latest else Path(branch.save) if branch else None
    if source is None and config.model.decoder_bias_init == "log_unigram":
        net.set_decoder_bias(ranks.on_first(lambda: log_unigram(plan.tokens, config.model.vocab_size)))
    model = distribute(net, config.parallel)
    optimizer = build_optimizer(model, config.optim, config.parallel)
    state = TrainState()
    if source is not None:
        values = checkpoint.load(source / "megatron", model, optimizer)
        _check_plan(values.pop("plan"), plan, source)
        state = TrainState.from_dict(values)
    return Loop(
        config, run, world, plan, objective, net, model, optimizer, course.schedule, course.ramp, course.save_points(config), state,
        resumed=source is not None, callbacks=callbacks(config, run, probe),
    )  # fmt: skip


def _check_plan(saved: str, plan: Plan, save: Path) -> None:
    if saved != plan.digest:
        raise UserError(
            f"{save} was trained on another order of data than this run has; use the data.tokens, seed, train.seq_length and "
            "train.heldout_fraction of its run"
        )
