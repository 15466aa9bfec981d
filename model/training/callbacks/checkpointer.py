"""Checkpoints: when they are due, what is in them, which are kept."""

import dataclasses
import time
from pathlib import Path

import torch

from common import manifest as manifests
from common.errors import UserError
from common.files import digest
from common.layout import ADAPTER, HF, MEGATRON
from common.progress import say
from common.tokenizer import FILE
from conf.schema import CheckpointConfig, DecoderConfig
from model.hf.adapter import export_adapter
from model.hf.folder import export_net
from model.megatron import checkpoint, ranks
from model.nets.sharding import global_names
from model.training.callbacks.callback import Callback
from model.training.callbacks.nan_guard import mend
from model.training.callbacks.step_record import StepRecord
from model.training.checkpoints.checkpoints import PROBE, RESUME, lead_warning, list_checkpoints
from model.training.checkpoints.retention import apply_retention
from model.training.checkpoints.write import write_checkpoint
from model.training.run.folder import Run
from model.training.run.tokenizers import tokenizer_of_run


class Checkpointer(Callback):
    """Makes a checkpoint where one is due, and a resume checkpoint where the attempt ends. A step with both due has one
    checkpoint, a probe checkpoint."""

    def __init__(self, config: CheckpointConfig, exportable: bool = True):
        """``config``: section `train.checkpoint`; ``exportable``: the net has an hf/ form, without which every
        checkpoint is a resume checkpoint."""
        self.config = config
        self.probe = PROBE if exportable else RESUME
        self.last_step: int | None = None

    def start(self, loop) -> None:
        """The clock of time-triggered checkpoints begins here."""
        self.last_time = time.monotonic()

    def step(self, loop, record: StepRecord) -> None:
        """Checkpoint if it is due."""
        step, minutes = record.step, (time.monotonic() - self.last_time) / 60
        if loop.checkpoint_steps.probe_due(step):
            self._write(loop, self.probe)
        elif ranks.any_rank(loop.checkpoint_steps.resume_due(step, minutes)):  # clocks differ
            self._write(loop, RESUME)

    def end(self, loop) -> None:
        """Checkpoint where the attempt stops, unless it just has been."""
        if self.last_step != loop.state.step and loop.state.step < loop.total:
            self._write(loop, RESUME)

    def _write(self, loop, kind: str) -> None:
        """Make a checkpoint, remove what is no longer kept, tell the other callbacks. Raises UserError rather than save
        what is not finite."""
        state, config = loop.state, loop.config
        mine = [name for name, parameter in global_names(loop.net).items() if not torch.isfinite(parameter).all()]
        broken = [name for names in ranks.gather(mine) for name in names]
        if broken:
            raise UserError(
                f"parameter {broken[0]} is not finite at step {state.step}, so no checkpoint is made;"
                f" {mend(list_checkpoints(loop.run.folder))}"
            )

        tokenizer, wanted = ranks.on_first(lambda: _tokenizer(loop.run, config.data.tokenizer))
        if kind == PROBE and tokenizer is None:
            kind = RESUME
            if ranks.is_first():
                say(
                    f"warning: {config.data.tokenizer} holds another tokenizer than at the start of the run, so the"
                    f" checkpoint of step {state.step} has no hf/ half; restore it, and jobs.export makes that half"
                )
        plan = loop.data.digest(list(state.phases) or [loop.phase.name])

        def fill(folder: Path) -> None:
            values = ranks.on_first(lambda: {**state.to_dict(), "plan": plan})  # times differ between ranks
            checkpoint.save(folder / MEGATRON, loop.model, loop.optimizer, values)
            if kind == PROBE:
                export_net(loop.net, loop.shape, folder / HF, tokenizer)
                if isinstance(loop.shape, DecoderConfig) and loop.shape.lora.rank:
                    export_adapter(loop.net, loop.shape, folder / ADAPTER, adapted_model(loop.run))

        known = ("samples", "tokens", "sources", "loss", "validation_loss", "lr", "skipped")
        written = loop.checkpoint = write_checkpoint(
            loop.run.folder, state.step, kind, fill, loop.run.fence.check, name=config.name, seed=config.seed,
            **{name: getattr(state, name) for name in known},
            phases={name: dataclasses.asdict(phase) for name, phase in state.phases.items()},
            plan=plan, tokenizer=wanted,
        )  # fmt: skip
        if ranks.is_first():
            apply_retention(loop.run.folder, self.config, state.step)
        self.last_step, self.last_time = state.step, time.monotonic()
        if warning := lead_warning(written, config.cluster):
            say(warning)
        loop.tell("saved", written)


def _tokenizer(run: Run, folder: str) -> tuple[Path | None, str]:
    """Where the tokenizer is that the run began with, None where it is gone, since others may write to ``folder``
    meanwhile; its digest."""
    known = run.manifest.get("inputs", {}).get("tokenizer", {}).get("digests", {}).get(FILE)
    wanted = known or digest(Path(folder) / FILE)
    return tokenizer_of_run(run.folder, wanted), wanted


def adapted_model(run: Run) -> str:
    """Folder of the model that a low-rank adapter belongs to, as it was when the run began; of a checkpoint its hf/
    half.

    A run that branches goes on with the pairs of another, beside the model that the other began with.
    """
    manifest = run.manifest
    while "start" not in manifest:
        folder = Path(manifest["branch"]["checkpoint"]).parents[1]
        if not (folder / manifests.NAME).is_file():
            raise UserError(
                f"{folder}, from which this run branches, is gone, and with it the name of the model that the adapter"
                " is for"
            )
        manifest = manifests.read(folder)
    start = Path(manifest["start"])
    return str(start / HF if (start / HF).is_dir() else start)
