"""Retrieval as a measure of checkpoints: the probe of one checkpoint, with each number of contrastive steps that is asked for."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from common.errors import UserError
from common.layout import CONFIG, HF
from common.numbers import same
from common.progress import say
from common.read_yaml import read_yaml
from conf.schema import Config, ProbeConfig
from model.evaluation.measures import Held
from model.evaluation.prepared import Prepared, prepare, settings_digest
from model.evaluation.probe import ProbeResult, probe_budgets
from model.evaluation.results import digests_of, result_file, why_redo, write_result
from model.evaluation.retrieval_set import RetrievalSet, digest_retrieval, load_retrieval
from model.training.checkpoints.checkpoints import Checkpoint

Budgets = dict[int | None, ProbeConfig]
"""Settings of each probe that a checkpoint gets: None is the full one, a number another count of contrastive steps."""
Check = Callable[[object], str | None]


class SharedRetrieval:
    """What the probes of checkpoints with one tokenizer share, made when the first of them asks."""

    def __init__(self, config: Config, tokenizer_file: Path):
        self.config, self.tokenizer_file = config, tokenizer_file

    @cached_property
    def sets(self) -> dict[str, RetrievalSet]:
        """The retrieval set."""
        return load_retrieval(
            self.config.data.retrieval, self.config.probe.seed, self.config.data.max_document_bytes or None
        )

    @cached_property
    def digest(self) -> str:
        """Digest of the retrieval set."""
        return digest_retrieval(self.config.data.retrieval)

    @cached_property
    def prepared(self) -> Prepared:
        """Its texts, tokenised."""
        sets = self.sets  # first: a set that cannot be read is one sentence, alone
        say(f"tokenise the retrieval set {self.config.data.retrieval}")
        return prepare(sets, self.tokenizer_file, self.config.probe)


def budgets(config: Config) -> Budgets:
    """The full probe, then that of each of ``sweep.budgets``, of the main readout alone. Raises UserError for a number
    below 0."""
    if negative := [steps for steps in config.sweep.budgets if steps < 0]:
        raise UserError(f"sweep.budgets={negative[0]} is negative; give numbers of contrastive steps")
    others = sorted(set(config.sweep.budgets) - {config.probe.steps})
    return {None: config.probe} | {steps: replace(config.probe, steps=steps, beside=[]) for steps in others}


class Retrieval:
    """The measure, of the checkpoints of one run."""

    def __init__(self, config: Config, run: Path, shared: SharedRetrieval):
        self.config, self.run, self.shared = config, run, shared

    @cached_property
    def check(self) -> Check:
        """Says in what the net of a checkpoint differs from the run's frozen configuration."""
        return _shape_check(self.run)

    def left(self, checkpoint: Checkpoint) -> str | None:
        """See `Measure`."""
        return next((reason for _, reason in self._left(checkpoint).values()), None)

    def make(self, checkpoint: Checkpoint, held: Held) -> str | None:
        """Make the probes of ``checkpoint`` that are missing; see `Measure`."""
        left, prepared = self._left(checkpoint), self.shared.prepared
        for budget, (_, reason) in left.items():
            if result_file(self.run, checkpoint.step, budget).exists():
                say(
                    f"probe step {checkpoint.step} again{'' if budget is None else f' with {budget} probe steps'}: {reason}"
                )
        probes = [probe for probe, _ in left.values()]
        found = probe_budgets(checkpoint.folder / HF, prepared, probes, self.check)
        if not held():
            return None
        for budget, probe, result in reversed(
            list(zip(left, probes, found, strict=True))
        ):  # the full one, which others wait for, is last
            digests = digests_of(checkpoint, settings_digest(probe), self.shared.digest)
            write_result(result_file(self.run, checkpoint.step, budget), checkpoint, result, prepared, probe, digests)
        return _told(found[0], probes[0])

    def _left(self, checkpoint: Checkpoint) -> dict[int | None, tuple[ProbeConfig, str]]:
        """The probes of ``checkpoint`` that have no standing result, and why."""
        found = {}
        for budget, probe in budgets(self.config).items():
            file = result_file(self.run, checkpoint.step, budget)
            stale = why_redo(file, digests_of(checkpoint, settings_digest(probe), self.shared.digest))
            if reason := "sweep.force is set" if self.config.sweep.force else stale:
                found[budget] = probe, reason
        return found


def _told(found: ProbeResult, probe: ProbeConfig) -> str:
    value, seconds = found.metrics()[probe.readout]["test"]["ndcg@10"], sum(found.seconds.values())
    return f"test ndcg@10 {value:.3f} after {probe.steps} probe steps in {seconds:.0f} s"


def _shape_check(run: Path) -> Check:
    """A function that says in what a net differs from the run's frozen configuration, None in nothing."""
    file = run / CONFIG
    frozen = read_yaml(file)["model"] if file.is_file() else {}

    def check(encoder: object) -> str | None:
        for key in ("vocab_size", "num_layers", "hidden_size", "num_heads", "ffn_size"):
            wanted, found = frozen.get(key), getattr(encoder, key)
            if wanted is not None and not same(wanted, found):
                return f"its {key} is {found}, that of {file} {wanted}"
        return None

    return check
