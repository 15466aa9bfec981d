"""Retrieval as a measure of checkpoints: the probe of each, with each number of contrastive steps that is asked for."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from common.layout import HF
from common.progress import say
from conf.schema import ProbeConfig
from model.evaluation.interface.measure import Held
from model.evaluation.interface.store import (
    NOUNS,
    result_file,
    standing_results,
    weights_digest,
    why_stale,
    write_result,
)
from model.evaluation.measures.retrieval.reporting import RetrievalReporting
from model.evaluation.measures.retrieval.result import NDCG, ProbeScores, best_untrained
from model.evaluation.measures.retrieval.settings import (
    budgets,
    settings_digest,
)
from model.evaluation.measures.retrieval.shared import bm25_of, shape_check
from model.evaluation.statistics.bootstrap import Interval, paired_bootstrap
from model.training.checkpoints.checkpoints import Checkpoint


def folder_of(budget: int | None) -> str:
    """Where results lie below eval/; those of a probe with another number of contrastive steps in a folder of
    theirs."""
    return Retrieval.name if budget is None else f"{Retrieval.name}/probe_steps_{budget}"


class Retrieval(RetrievalReporting):
    """The probe: the same short contrastive step, then exact search."""

    result = ProbeScores
    nouns = NOUNS | {"settings": "other probe settings", "inputs": "another retrieval set"}

    def stale(self, checkpoint: Checkpoint) -> str | None:
        """See `Measure`."""
        return next((reason for _, reason in self._pending(checkpoint).values()), None)

    def measure(self, hf_folder: Path) -> Mapping[str, Any]:
        """The full probe."""
        return self._probe(hf_folder, [self.config.probe])[0]

    def make(self, checkpoint: Checkpoint, held: Held) -> str | None:
        """Make the probes of a checkpoint that are missing; see `Measure`."""
        pending = self._pending(checkpoint)
        for budget, (_, reason) in pending.items():
            if result_file(self.run, folder_of(budget), checkpoint.step).exists():
                steps = "" if budget is None else f" with {budget} probe steps"
                say(f"probe step {checkpoint.step} again{steps}: {reason}")
        probes = [probe for probe, _ in pending.values()]
        values = self._probe(checkpoint.folder / HF, probes)
        if not held():
            return None
        for budget, probe, written in reversed(list(zip(pending, probes, values, strict=True))):  # the full one is last
            file = result_file(self.run, folder_of(budget), checkpoint.step)
            write_result(file, self.name, checkpoint, written, self._digests(checkpoint, probe))
        mean = values[0]["metrics"][probes[0].readout]["test"][NDCG]
        seconds = sum(values[0]["seconds"].values())
        return f"test ndcg@10 {mean:.3f} after {probes[0].steps} probe steps in {seconds:.0f} s"

    def finish(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Read the results, and make BM25 and the differences to step 0."""
        settings = {budget: settings_digest(probe) for budget, probe in budgets(self.config).items()}
        by_budget = {budget: self._standing(budget, digest) for budget, digest in settings.items()}
        self.results = by_budget.pop(None)
        self.budgets = by_budget
        self.bm25 = {}
        if not self.results:
            return
        if self.config.sweep.bm25:
            self.bm25 = bm25_of(self.config, self.run, checkpoints[-1], self.shared)
        self.differences = self._differences()

    @cached_property
    def untrained(self) -> tuple[ProbeScores, str] | None:
        """See `Findings`."""
        return best_untrained(self.results)

    def _probe(self, hf_folder: Path, probes: Sequence[ProbeConfig]) -> list[dict[str, Any]]:
        """What is written of each probe."""
        from model.evaluation.measures.retrieval.probe import probe_budgets

        prepared, check = self.shared.prepared, shape_check(self.run)
        results = probe_budgets(hf_folder, prepared, probes, check)
        return [self.shared.document(result, probe) for result, probe in zip(results, probes, strict=True)]

    def _digests(self, checkpoint: Checkpoint, probe: ProbeConfig) -> dict[str, str]:
        inputs, weights = self.shared.digest, weights_digest(checkpoint)
        return {"settings": settings_digest(probe), "inputs": inputs, "weights": weights}

    def _pending(self, checkpoint: Checkpoint) -> dict[int | None, tuple[ProbeConfig, str]]:
        """The probes of a checkpoint that have no standing result, and why."""
        pending = {}
        for budget, probe in budgets(self.config).items():
            file = result_file(self.run, folder_of(budget), checkpoint.step)
            stale = why_stale(file, self._digests(checkpoint, probe), self.nouns)
            if reason := "sweep.force is set" if self.config.sweep.force else stale:
                pending[budget] = probe, reason
        return pending

    def _standing(self, budget: int | None, settings: str) -> list[ProbeScores]:
        folder = folder_of(budget)
        results = standing_results(self.run, folder, {}, ProbeScores)
        kept = standing_results(self.run, folder, {"settings": settings, "inputs": self.shared.digest}, ProbeScores)
        if len(kept) < len(results):
            say(
                f"left out: {len(results) - len(kept)} results of checkpoints that are gone, made with other settings"
                " or another retrieval set"
            )
        return kept

    def _differences(self) -> dict[int, Interval]:
        resamples, seed = self.config.sweep.bootstrap, self.config.probe.seed
        if self.untrained is None or not resamples:
            return {}
        baseline = self.untrained[0].per_query("test", self.untrained[1])
        return {
            result.step: paired_bootstrap(result.per_query("test"), baseline, resamples, seed)
            for result in self.results
        }
