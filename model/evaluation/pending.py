"""The saves of a run that wait for a probe, and their probes."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import yaml

from common.claim import Claim, told
from common.errors import UserError
from common.progress import Bar, say
from conf.schema import Config, ParallelConfig, ProbeConfig
from model.evaluation.prepared import Prepared, prepare, settings_digest
from model.evaluation.probe import ProbeResult, probe_budgets
from model.evaluation.results import claim_file, digests_of, failure_file, read_failures, result_file, why_redo, write_result
from model.evaluation.retrieval_set import RetrievalSet, load_retrieval
from model.training.saves import PROBE, Save, list_saves, verify

Budgets = dict[int | None, ProbeConfig]
"""Settings of each probe that a save gets: None is the full one, a number another count of contrastive steps."""
Claims = Callable[[Path], Claim]
Check = Callable[[object], str | None]
PATIENCE = 3.0
"""Seconds between two looks at a claim that is waited for."""


class Shared:
    """What the probes of saves with one tokenizer share, made when the first of them asks."""

    def __init__(self, config: Config, tokenizer_file: Path):
        self.config, self.tokenizer_file = config, tokenizer_file

    @cached_property
    def sets(self) -> dict[str, RetrievalSet]:
        """The retrieval set."""
        return load_retrieval(self.config.data.retrieval, self.config.probe.seed)

    @cached_property
    def prepared(self) -> Prepared:
        """Its texts, tokenised."""
        say(f"tokenise the retrieval set {self.config.data.retrieval}")
        return prepare(self.sets, self.tokenizer_file, self.config.probe)


def budgets(config: Config) -> Budgets:
    """The full probe, then that of each of ``sweep.budgets``, of the main readout alone. Raises UserError for a number below 0."""
    if negative := [steps for steps in config.sweep.budgets if steps < 0]:
        raise UserError(f"sweep.budgets={negative[0]} is negative; give numbers of contrastive steps")
    others = sorted(set(config.sweep.budgets) - {config.probe.steps})
    return {None: config.probe} | {steps: replace(config.probe, steps=steps, beside=[]) for steps in others}


def probe_saves(run: Path) -> list[Save]:
    """The probe saves of a run, by step, all with the same tokenizer. Raises UserError where there are none."""
    if not run.is_dir():
        raise UserError(f"the run folder {run} does not exist; train it with jobs.train, or set sweep.run to the folder of a run")
    saves = [save for save in list_saves(run) if save.kind == PROBE]
    if not saves:
        raise UserError(f"{run} has no probe saves; train with train.save.probe_at_start, probe_every_steps or probe_at_tokens")
    tokenizers = {save.step: save.manifest["files"].get("hf/tokenizer.json") for save in saves}
    for step, found in tokenizers.items():
        if found is None or found != tokenizers[saves[-1].step]:
            raise UserError(
                f"the save of step {step} in {run} has another tokenizer than that of step {saves[-1].step}; remove one of them"
            )
    return saves


def probe_pending(config: Config, run: Path, saves: list[Save], retrieval: str, shared: Shared, claims: Claims = Claim) -> None:
    """Probe the saves without a standing result and write theirs; ``retrieval`` is the digest of the retrieval set.

    A save that another process probes is left to it by an element, and waited for by a sweep of all saves. Where it is gone, its claim
    is taken over."""
    mine, patient = chosen(config, run, saves), whole(config)
    waiting = [save for save in mine if _budgets_left(config, run, save, retrieval)]
    if patient:
        _drop_stale(run, saves, claims)
    if not waiting:
        say(f"all {len(mine)} probe saves of {run} have a result")
        return
    from model.megatron.ranks import alone
    from model.megatron.startup import start

    alone("jobs.sweep")
    start(ParallelConfig(threads=config.parallel.threads), config.probe.seed)
    check = _shape_check(run)
    with Bar("probe", len(waiting), "saves") as bar:
        for save in waiting:
            claim = claims(claim_file(run, save.step))
            if not _taken(claim, save, patient):
                continue
            try:
                done = _probe(config, run, save, retrieval, shared, check, claim)
            finally:
                claim.release()
            bar.advance(1, done)
            if not patient:
                say(done)


def chosen(config: Config, run: Path, saves: list[Save]) -> list[Save]:
    """Of ``saves`` those that this sweep is for. Raises UserError where ``sweep.step`` is none of them."""
    if config.sweep.step is not None:
        found = [save for save in saves if save.step == config.sweep.step]
        if not found:
            raise UserError(f"sweep.step={config.sweep.step}: {run} has no probe save of that step")
        return found
    if config.sweep.element is not None:
        return saves[config.sweep.element :: config.sweep.elements]
    failed = {} if config.sweep.retry_failed else read_failures(run)
    return [save for save in saves if save.step not in failed]


def whole(config: Config) -> bool:
    """Whether a sweep is for all saves, and chooses and reports; elements only probe."""
    return config.sweep.element is None and config.sweep.step is None


def _taken(claim: Claim, save: Save, patient: bool) -> bool:
    """Claim a save; False where another process probes it and ``patient`` is not set, with which its end is waited for."""
    told_before = False
    while holder := claim.take():
        if not told_before:
            say(f"step {save.step} is being probed by {told(holder)}; {'waiting for it' if patient else 'left to it'} ({claim.file})")
        if not patient:
            return False
        told_before = True
        time.sleep(PATIENCE)
    return True


def _probe(config: Config, run: Path, save: Save, retrieval: str, shared: Shared, check: Check, claim: Claim) -> str:
    """Make the probes of a claimed save that are (still) missing, and write their results; what came of it, in words."""
    left = _budgets_left(config, run, save, retrieval)
    if not left:
        return f"step {save.step}: has a result by now"
    for budget, (_, reason) in left.items():
        if result_file(run, save.step, budget).exists():
            say(f"probe step {save.step} again{'' if budget is None else f' with {budget} probe steps'}: {reason}")
    if problem := verify(save):
        raise UserError(f"the save {save.folder} is damaged ({problem}); remove it and run jobs.sweep again")
    prepared, probes = shared.prepared, [probe for probe, _ in left.values()]
    found = probe_budgets(save.folder / "hf", prepared, probes, check)
    if not claim.held():
        return f"step {save.step}: {told(claim.holder() or claim.me)} has taken it over; this result is thrown away"
    for budget, probe, result in zip(left, probes, found, strict=True):
        digests = digests_of(save, settings_digest(probe), retrieval)
        write_result(result_file(run, save.step, budget), save, result, prepared, probe, digests)
    failure_file(run, save.step).unlink(missing_ok=True)
    return f"step {save.step}: {_told(found[0], probes[0])}"


def _drop_stale(run: Path, saves: list[Save], claims: Claims) -> None:
    """Remove the claims of processes that died between their result and the end; they would keep retention from those saves for ever."""
    for save in saves:
        claim = claims(claim_file(run, save.step))
        if claim.stale() and claim.take() is None:
            claim.release()


def _told(found: ProbeResult, probe: ProbeConfig) -> str:
    value, seconds = found.metrics()[probe.readout]["test"]["ndcg@10"], sum(found.seconds.values())
    return f"test ndcg@10 {value:.3f} after {probe.steps} probe steps in {seconds:.0f} s"


def _budgets_left(config: Config, run: Path, save: Save, retrieval: str) -> dict[int | None, tuple[ProbeConfig, str]]:
    """The probes of ``save`` that have no standing result, and why."""
    left = {}
    for budget, probe in budgets(config).items():
        file = result_file(run, save.step, budget)
        reason = "sweep.force is set" if config.sweep.force else why_redo(file, digests_of(save, settings_digest(probe), retrieval))
        if reason:
            left[budget] = probe, reason
    return left


def _shape_check(run: Path) -> Check:
    """A function that says in what an encoder differs from the run's frozen configuration, None in nothing."""
    file = run / "config.yaml"
    frozen = yaml.safe_load(file.read_text(encoding="utf-8"))["model"] if file.is_file() else {}

    def check(encoder: object) -> str | None:
        for key in ("vocab_size", "num_layers", "hidden_size", "num_heads", "ffn_size"):
            wanted, found = frozen.get(key), getattr(encoder, key)
            if wanted is not None and wanted != found:
                return f"its {key} is {found}, that of {file} {wanted}"
        return None

    return check
