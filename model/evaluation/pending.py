"""The checkpoints of a run that wait to be measured, and their turn."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from common.claim import Claim, told
from common.errors import UserError
from common.files import has_digest, nothing_left
from common.layout import CONFIG, HF
from common.layout import TOKENIZER as TOKENIZER_NAME
from common.progress import Bar, say
from common.remove import remove_file
from common.same_tokenizer import difference
from conf.schema import Config, ParallelConfig
from model.evaluation.interface.measure import Measure
from model.evaluation.interface.store import claim_file, failure_file, read_failures, recorded, write_record
from model.training.checkpoints.checkpoints import PROBE, Checkpoint, list_checkpoints, verify
from model.training.run.config import read_config

Claims = Callable[[Path], Claim]
TOKENIZER = f"{HF}/{TOKENIZER_NAME}"
PATIENCE = 3.0
"""Seconds between two looks at a claim that is waited for."""


def probe_checkpoints(run: Path) -> list[Checkpoint]:
    """The probe checkpoints of a run, by step, all with the same tokenizer. Raises UserError where there are none."""
    if not run.is_dir():
        raise UserError(
            f"the run folder {run} does not exist; train it with jobs.train, or set sweep.run to the folder of a run"
        )
    checkpoints = [checkpoint for checkpoint in list_checkpoints(run) if checkpoint.kind == PROBE]
    if not checkpoints and not (run / CONFIG).is_file():
        raise UserError(
            f"{run} is no run folder (no {CONFIG}); set sweep.run to a folder of jobs.train, such as runs/<name>/seed_0"
        )
    if not checkpoints:
        raise UserError(
            f"{run} has no probe checkpoints; train with train.checkpoint.probe_at_start, probe_every_steps or"
            " probe_at_tokens"
        )
    last = checkpoints[-1]
    for checkpoint in checkpoints:
        if fault := _other_tokenizer(checkpoint, last):
            raise UserError(
                f"the checkpoint of step {checkpoint.step} in {run} has another tokenizer than that of step"
                f" {last.step}: {fault}; remove one of them"
            )
    return checkpoints


def _other_tokenizer(checkpoint: Checkpoint, last: Checkpoint) -> str | None:
    """In what the tokenizers of two checkpoints differ, None where they do not; by the digests of the checkpoints as
    long as those are equal."""
    listed = [each.manifest["files"].get(TOKENIZER) for each in (checkpoint, last)]
    if None not in listed and listed[0] == listed[1]:
        return None
    for each, value in zip((checkpoint, last), listed, strict=True):
        if value is None or not (each.folder / TOKENIZER).is_file() or not has_digest(each.folder / TOKENIZER, value):
            return f"{TOKENIZER} of step {each.step} is not there, or not what was written"
    return difference(checkpoint.folder / HF, last.folder / HF)


def measure_pending(
    config: Config, run: Path, checkpoints: list[Checkpoint], measures: Sequence[Measure], claims: Claims = Claim
) -> None:
    """Measure the checkpoints that lack a standing result of any of ``measures``, those in their order, then write
    their records.

    A checkpoint that another process measures is left to it by an array task, and waited for by a sweep of all
    checkpoints. Where it is gone, its claim is taken over."""
    mine, patient = chosen(config, run, checkpoints), whole(config)
    waiting = [checkpoint for checkpoint in mine if _stale(checkpoint, measures) or not recorded(run, checkpoint)]
    if patient:
        _drop_stale(run, checkpoints, claims)
    if not waiting:
        say(f"all {len(mine)} probe checkpoints of {run} have a result")
        return
    from model.megatron.ranks import alone
    from model.megatron.startup import computes_bf16, start

    alone("jobs.sweep")
    start(layout(config.parallel, run, computes_bf16()), config.probe.seed)
    with nothing_left(claim_file(run, 0).parent), Bar("probe", len(waiting), "checkpoints") as bar:
        for checkpoint in waiting:
            claim = claims(claim_file(run, checkpoint.step))
            if not _taken(claim, checkpoint, patient):
                continue
            try:
                done = _measure(run, checkpoint, measures, claim)
            finally:
                claim.release()
            bar.advance(1, done)
            if not patient:
                say(done)


def layout(parallel: ParallelConfig, run: Path, bf16: bool) -> ParallelConfig:
    """How the checkpoints of ``run`` are measured: one process; in fp32 but where the device computes in ``bf16``:
    there in the precision that ``parallel`` names, else in that of the training."""
    one = ParallelConfig(threads=parallel.threads, precision=parallel.precision if bf16 else "fp32")
    if one.precision == "auto" and (run / CONFIG).is_file():
        one = dataclasses.replace(one, precision=read_config(run)["parallel"]["precision"])
    return one.on(bf16)


def chosen(config: Config, run: Path, checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    """Of ``checkpoints`` those that this sweep is for. Raises UserError where ``sweep.step`` is none of them."""
    if config.sweep.step is not None:
        named = [checkpoint for checkpoint in checkpoints if checkpoint.step == config.sweep.step]
        if not named:
            raise UserError(f"sweep.step={config.sweep.step}: {run} has no probe checkpoint of that step")
        return named
    if config.sweep.array_task is not None:
        return checkpoints[config.sweep.array_task :: config.sweep.array_size]
    failed = {} if config.sweep.retry_failed else read_failures(run)
    return [checkpoint for checkpoint in checkpoints if checkpoint.step not in failed]


def whole(config: Config) -> bool:
    """Whether a sweep is for all checkpoints, and chooses and reports; array tasks only probe."""
    return config.sweep.array_task is None and config.sweep.step is None


def _taken(claim: Claim, checkpoint: Checkpoint, patient: bool) -> bool:
    """Claim a checkpoint; False where another process probes it and ``patient`` is not set, with which its end is
    waited for."""
    told_before = False
    while holder := claim.take():
        if not told_before:
            what = "waiting for it" if patient else "left to it"
            say(f"step {checkpoint.step} is being probed by {told(holder)}; {what} ({claim.file})")
        if not patient:
            return False
        told_before = True
        time.sleep(PATIENCE)
    return True


def _measure(run: Path, checkpoint: Checkpoint, measures: Sequence[Measure], claim: Claim) -> str:
    """Make of a claimed checkpoint what is (still) missing, last its record; what came of it, in words."""
    stale = _stale(checkpoint, measures)
    if not stale and recorded(run, checkpoint):
        return f"step {checkpoint.step}: has a result by now"
    if problem := verify(checkpoint):
        raise UserError(
            f"the checkpoint {checkpoint.folder} is damaged ({problem}); remove it and run jobs.sweep again"
        )
    done = []
    for measure in stale:
        words = measure.make(checkpoint, claim.held)
        if words is None or not claim.held():
            holder = told(claim.holder() or claim.me)
            return f"step {checkpoint.step}: {holder} has taken it over; this result is thrown away"
        done.append(words)
    if not recorded(run, checkpoint):
        write_record(run, checkpoint)
    remove_file(failure_file(run, checkpoint.step))
    return f"step {checkpoint.step}: {'; '.join(word for word in done if word)}"


def _stale(checkpoint: Checkpoint, measures: Sequence[Measure]) -> list[Measure]:
    """The measures of which a checkpoint lacks a standing result."""
    return [measure for measure in measures if measure.stale(checkpoint)]


def _drop_stale(run: Path, checkpoints: list[Checkpoint], claims: Claims) -> None:
    """Remove the claims of processes that died between their result and the end; they would keep retention from those
    checkpoints for ever."""
    for checkpoint in checkpoints:
        claim = claims(claim_file(run, checkpoint.step))
        if claim.stale() and claim.take() is None:
            claim.release()
