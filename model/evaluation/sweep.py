"""Probes over the saves of runs, what stands beside them, and the best save of each run."""

from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path

from common.claim import Claim
from common.errors import UserError
from common.progress import say
from conf.schema import Config, SweepConfig
from model.evaluation.baseline import bm25_digest, measure_bm25, read_bm25
from model.evaluation.bootstrap import Interval, paired_bootstrap
from model.evaluation.metrics import parse_metric
from model.evaluation.pending import Claims, Shared, budgets, probe_pending, probe_saves
from model.evaluation.prepared import readouts, settings_digest
from model.evaluation.readout import check_readouts
from model.evaluation.results import Result, read_failures, read_result, results_folder
from model.evaluation.retrieval_set import digest_retrieval
from model.evaluation.scalars import write_row, write_scalars
from model.training.saves import Save, checkpoints, set_link

NDCG = "ndcg@10"


@dataclass
class SweepResult:
    """A run, probed."""

    run: Path
    metric: str
    """What chose the best save, as split/metric."""
    results: list[Result]
    """By step."""
    best: Result
    untrained: tuple[Result, str] | None
    """The probe of step 0 and its best readout on the test queries; None where step 0 was not saved."""
    differences: dict[int, Interval]
    """Step -> test nDCG@10 of the main readout minus that of ``untrained``."""
    bm25: dict[str, dict[str, float]]
    """Variant -> metric -> mean on the test queries; empty where it was not asked for."""
    budgets: dict[int, list[Result]]
    """Contrastive steps -> results by step of a probe with that many, for ``sweep.budgets``."""
    failed: dict[int, str]
    """Step -> why the probe of a save was given up."""

    @property
    def name(self) -> str:
        """The last two parts of the run's path."""
        return "/".join(self.run.resolve().parts[-2:])


def find_runs(config: SweepConfig) -> list[Path]:
    """The run folders that are named by ``runs``, globs expanded, else the one in ``run``. Raises UserError for a glob without a run."""
    if not config.runs:
        return [Path(config.run)]
    found: dict[Path, Path] = {}
    for name in config.runs:
        matches = [Path(name)] if Path(name).is_dir() else [run for run in map(Path, sorted(glob(name))) if checkpoints(run).is_dir()]
        if not matches:
            raise UserError(f"sweep.runs: no run with saves matches {name}; give folders of runs such as runs/mine/seed_0, or a glob")
        found |= {run.resolve(): run for run in matches}
    return list(found.values())


def sweep_runs(config: Config, claims: Claims = Claim) -> list[SweepResult]:
    """`sweep` of each run of `find_runs`, all of which must have probe saves before the first probe begins."""
    runs = find_runs(config.sweep)
    for run in runs:
        probe_saves(run)
    shared: dict[str, Shared] = {}
    return [sweep(replace(config, sweep=replace(config.sweep, run=str(run))), shared, claims) for run in runs]


def probe_runs(config: Config, claims: Claims = Claim) -> None:
    """Probe the saves of ``sweep.element``, or that of ``sweep.step``, in each run of `find_runs`, and do nothing else."""
    shared: dict[str, Shared] = {}
    for run in find_runs(config.sweep):
        _probe(replace(config, sweep=replace(config.sweep, run=str(run))), shared, claims)


def _probe(config: Config, shared: dict[str, Shared], claims: Claims) -> tuple[list[Save], str, Shared]:
    """Probe what is pending in one run: its saves, the digest of the retrieval set, and what probes share."""
    run = Path(config.sweep.run)
    saves = probe_saves(run)
    texts = shared.setdefault(_tokenizer(saves[-1]), Shared(config, saves[-1].folder / "hf" / "tokenizer.json"))
    retrieval = digest_retrieval(config.data.retrieval)
    probe_pending(config, run, saves, retrieval, texts, claims)
    return saves, retrieval, texts


def sweep(config: Config, shared: dict[str, Shared] | None = None, claims: Claims = Claim) -> SweepResult:
    """Probe every probe save of ``config.sweep.run`` whose result is missing or was made otherwise, in this process.

    ``shared`` keeps what runs with one tokenizer share, by the tokenizer's digest; ``claims`` makes the claim in a file. Writes
    eval/step_*.json after each probe, so that an interrupted sweep goes on where it was; then the scalars of tb/probe, the run's row of
    the HParams tab, and the link ``checkpoints/best``. Raises UserError where the run, its probe saves, the retrieval set, the metric or
    a readout does not exist, and for a save that is damaged or of another shape.
    """
    run = Path(config.sweep.run)
    split, metric = parse_metric(config.sweep.metric)
    check_readouts(readouts(config.probe))
    saves, retrieval, texts = _probe(config, {} if shared is None else shared, claims)
    by_budget = {budget: standing_results(run, settings_digest(probe), retrieval, budget) for budget, probe in budgets(config).items()}
    results, failed = by_budget.pop(None), read_failures(run)
    if not results:
        step, cause = next(iter(failed.items()))
        raise UserError(f"no probe of {run} has a result; that of step {step} failed: {cause}")
    bm25 = _bm25(config, saves[-1], retrieval, texts) if config.sweep.bm25 else {}
    write_scalars(run, results)
    present = {save.step for save in saves}
    # of equal ones the earliest: max takes the first, and results are by step
    best = max((result for result in results if result.step in present), key=lambda result: result.mean(split, metric))
    set_link(run, "best", best.step)
    write_row(run, config.sweep.metric, best.mean(split, metric), results)
    untrained = best_untrained(results)
    differences = _differences(config, results, untrained)
    return SweepResult(run, config.sweep.metric, results, best, untrained, differences, bm25, by_budget, failed)


def standing_results(run: Path, settings: str, retrieval: str, budget: int | None = None) -> list[Result]:
    """Results made with these digests, by step, those of saves that retention has removed among them."""
    found = [read_result(file) for file in sorted(results_folder(run, budget).glob("step_*[0-9].json"))]
    kept = [result for result in found if (result.digests["settings"], result.digests["retrieval"]) == (settings, retrieval)]
    if len(kept) < len(found):
        say(f"left out: {len(found) - len(kept)} results of saves that are gone, made with other settings or another retrieval set")
    return sorted(kept, key=lambda result: result.step)


def best_untrained(results: list[Result]) -> tuple[Result, str] | None:
    """The probe of step 0 with the readout that does best on the test queries: the baseline that is hardest to beat."""
    if results[0].step != 0:
        return None
    return results[0], max(results[0].metrics, key=lambda readout: results[0].mean("test", NDCG, readout))


def _differences(config: Config, results: list[Result], untrained: tuple[Result, str] | None) -> dict[int, Interval]:
    if untrained is None or not config.sweep.bootstrap:
        return {}
    baseline = untrained[0].per_query("test", untrained[1])
    return {
        result.step: paired_bootstrap(result.per_query("test"), baseline, config.sweep.bootstrap, config.probe.seed) for result in results
    }


def _bm25(config: Config, save: Save, retrieval: str, shared: Shared) -> dict[str, dict[str, float]]:
    run, prefix = Path(config.sweep.run), config.sweep.bm25_prefix
    digest = bm25_digest(retrieval, _tokenizer(save), prefix, config.probe)
    found = None if config.sweep.force else read_bm25(run, digest)
    return found or measure_bm25(run, shared.sets["test"], shared.prepared, prefix, config.probe, digest)


def _tokenizer(save: Save) -> str:
    return save.manifest["files"]["hf/tokenizer.json"]
