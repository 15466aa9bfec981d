"""Measures over the checkpoints of runs, what stands beside them, and the best checkpoint of each run."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from glob import glob
from pathlib import Path

from common.claim import Claim
from common.errors import UserError
from common.layout import HF, RESULT_FILES, TOKENIZER, checkpoints_folder
from common.progress import say
from conf.schema import Config, SweepConfig
from model.evaluation.baseline import bm25_digest, measure_bm25, read_bm25
from model.evaluation.bootstrap import Interval, paired_bootstrap
from model.evaluation.choice import choose, parse_choice, scores
from model.evaluation.measures import Measure, Record, Wanted, wanted
from model.evaluation.pending import Claims, measure_pending, probe_checkpoints
from model.evaluation.perplexity import Perplexity, PerplexityMeasure, SharedTexts
from model.evaluation.prepared import readouts, settings_digest
from model.evaluation.readout import check_readouts
from model.evaluation.results import Result, read_failures, read_result, results_folder
from model.evaluation.retrieval import Retrieval, SharedRetrieval, budgets
from model.evaluation.scalars import write_row, write_scalars
from model.evaluation.task_results import TaskMeasure, TaskScores
from model.evaluation.tasks import Tasks
from model.training.checkpoints.checkpoints import Checkpoint, set_link
from model.training.run.origins import name_of_start

NDCG = "ndcg@10"


@dataclass
class SweepResult:
    """A run, measured."""

    run: Path
    metric: str
    """What chose the best checkpoint: split/metric, perplexity/text or task/name/metric."""
    results: list[Result]
    """By step; of the checkpoints alone, without metrics, where retrieval is not measured."""
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
    """Step -> why the probe of a checkpoint was given up."""
    wanted: Wanted = Wanted(retrieval=True, perplexity=False, tasks=False, decoder=False)
    """What was measured."""
    perplexity: list[Perplexity] = field(default_factory=list)
    """By step."""
    tasks: list[TaskScores] = field(default_factory=list)
    """By step."""

    @property
    def name(self) -> str:
        """The last two parts of the run's path."""
        return "/".join(self.run.resolve().parts[-2:])

    @cached_property
    def start(self) -> str:
        """What the net at step 0 is called."""
        return name_of_start(self.run)


def common_start(found: Sequence[SweepResult]) -> str:
    """The same of several runs."""
    return found[0].start if len({one.start for one in found}) == 1 else "step 0"


class Shared:
    """What the checkpoints with one tokenizer share, of whatever runs; each part is made when the first of them asks."""

    def __init__(self, config: Config, tokenizer_file: Path):
        self.config = config
        self.retrieval, self.texts = SharedRetrieval(config, tokenizer_file), SharedTexts(config, tokenizer_file)

    @cached_property
    def tasks(self) -> Tasks:
        """The tasks of lm-eval."""
        return Tasks(self.config.evaluation)


@dataclass
class Measured:
    """The measures of one run, made for all of its checkpoints that this process is for."""

    config: Config
    run: Path
    checkpoints: list[Checkpoint]
    wanted: Wanted
    shared: Shared

    @cached_property
    def perplexity(self) -> PerplexityMeasure:
        """Where it is wanted."""
        return PerplexityMeasure(self.config, self.run, self.shared.texts)

    @cached_property
    def tasks(self) -> TaskMeasure:
        """Where they are wanted."""
        return TaskMeasure(self.config, self.run, self.shared.tasks)

    @property
    def measures(self) -> list[Measure]:
        """Those that are wanted, in the order in which they are made: that whose result says that a checkpoint is done comes
        last."""
        first: list[Measure] = [self.perplexity] if self.wanted.perplexity else []
        second: list[Measure] = [self.tasks] if self.wanted.tasks else []
        last = Retrieval(self.config, self.run, self.shared.retrieval) if self.wanted.retrieval else Record(self.run)
        return [*first, *second, last]


def find_runs(config: SweepConfig) -> list[Path]:
    """The run folders that are named by ``runs``, globs expanded, else the one in ``run``. Raises UserError for a glob
    without a run."""
    if not config.runs:
        return [Path(config.run)]
    found: dict[Path, Path] = {}
    for name in config.runs:
        matches = (
            [Path(name)]
            if Path(name).is_dir()
            else [run for run in map(Path, sorted(glob(name))) if checkpoints_folder(run).is_dir()]
        )
        if not matches:
            raise UserError(
                f"sweep.runs: no run with checkpoints matches {name}; give folders of runs such as runs/mine/seed_0, or a"
                " glob"
            )
        found |= {run.resolve(): run for run in matches}
    return list(found.values())


def sweep_runs(config: Config, claims: Claims = Claim) -> list[SweepResult]:
    """`sweep` of each run of `find_runs`, all of which must have probe checkpoints before the first probe begins."""
    runs = find_runs(config.sweep)
    for run in runs:
        probe_checkpoints(run)
    shared: dict[str, Shared] = {}
    return [sweep(replace(config, sweep=replace(config.sweep, run=str(run))), shared, claims) for run in runs]


def probe_runs(config: Config, claims: Claims = Claim) -> None:
    """Measure the checkpoints of ``sweep.array_task``, or that of ``sweep.step``, in each run of `find_runs`, and do nothing
    else."""
    shared: dict[str, Shared] = {}
    for run in find_runs(config.sweep):
        _measure(replace(config, sweep=replace(config.sweep, run=str(run))), shared, claims)


def _measure(config: Config, shared: dict[str, Shared], claims: Claims) -> Measured:
    """Measure what is pending in one run."""
    run = Path(config.sweep.run)
    checkpoints = probe_checkpoints(run)
    own = shared.setdefault(_tokenizer(checkpoints[-1]), Shared(config, checkpoints[-1].folder / HF / TOKENIZER))
    found = Measured(config, run, checkpoints, wanted(config, checkpoints[-1]), own)
    measure_pending(config, run, checkpoints, found.measures, claims)
    return found


def sweep(config: Config, shared: dict[str, Shared] | None = None, claims: Claims = Claim) -> SweepResult:
    """Measure every probe checkpoint of ``config.sweep.run`` whose result is missing or was made otherwise, in this process.

    ``shared`` keeps what runs with one tokenizer share, by the tokenizer's digest; ``claims`` makes the claim in a
    file. Writes eval/step_*.json (and eval/perplexity, eval/tasks) after each measure, so that an interrupted sweep
    goes on where it was; then the scalars of tb/probe, the run's row of the HParams tab, and the link
    ``checkpoints/best``. Raises UserError where the run, its probe checkpoints, the retrieval set, a text, a task, the metric
    or a readout does not exist, and for a checkpoint that is damaged or of another shape."""
    run = Path(config.sweep.run)
    parse_choice(config)
    check_readouts(readouts(config.probe))
    measured = _measure(config, {} if shared is None else shared, claims)
    failed, by_budget = read_failures(run), _results(measured)
    results = by_budget.pop(None)
    if not results:
        step, cause = next(iter(failed.items()))
        raise UserError(f"no probe of {run} has a result; that of step {step} failed: {cause}")
    perplexity = measured.perplexity.results() if measured.wanted.perplexity else []
    tasks = measured.tasks.results() if measured.wanted.tasks else []
    choice = choose(config, measured.wanted, tasks)
    values = scores(choice, results, perplexity, tasks)
    write_scalars(run, results, perplexity, tasks)
    step = values.best(
        [
            checkpoint.step
            for checkpoint in measured.checkpoints
            if checkpoint.step in {result.step for result in results}
        ]
    )
    if step is None:
        raise UserError(
            f"no checkpoint of {run} that is still there has a value of {choice.name}; run jobs.sweep with retry_failed=true"
        )
    best = next(result for result in results if result.step == step)
    set_link(run, "best", best.step)
    write_row(run, choice, values.values[step], best, results)
    probed = results if measured.wanted.retrieval else []
    untrained = best_untrained(probed)
    differences = _differences(config, probed, untrained)
    bm25 = _bm25(config, measured) if config.sweep.bm25 and measured.wanted.retrieval else {}
    return SweepResult(
        run, choice.name, results, best, untrained, differences, bm25, by_budget, failed, measured.wanted, perplexity, tasks
    )  # fmt: skip


def _results(measured: Measured) -> dict[int | None, list[Result]]:
    """Standing results by step, of each number of contrastive steps; what is known of the checkpoints where retrieval is not
    measured."""
    if not measured.wanted.retrieval:
        found = [read_result(file) for file in sorted(results_folder(measured.run).glob(RESULT_FILES))]
        return {None: [replace(result, metrics={}) for result in sorted(found, key=lambda result: result.step)]}
    digest = measured.shared.retrieval.digest
    settings = {budget: settings_digest(probe) for budget, probe in budgets(measured.config).items()}
    return {budget: standing_results(measured.run, settings[budget], digest, budget) for budget in settings}


def standing_results(run: Path, settings: str, retrieval: str, budget: int | None = None) -> list[Result]:
    """Results made with these digests, by step, those of checkpoints that retention has removed among them."""
    found = [read_result(file) for file in sorted(results_folder(run, budget).glob(RESULT_FILES))]
    found = [result for result in found if result.metrics]
    kept = [
        result for result in found if (result.digests["settings"], result.digests["retrieval"]) == (settings, retrieval)
    ]
    if len(kept) < len(found):
        say(
            f"left out: {len(found) - len(kept)} results of checkpoints that are gone, made with other settings or another"
            " retrieval set"
        )
    return sorted(kept, key=lambda result: result.step)


def best_untrained(results: list[Result]) -> tuple[Result, str] | None:
    """The probe of step 0 with the readout that does best on the test queries: the baseline that is hardest to beat."""
    if not results or results[0].step != 0:
        return None
    return results[0], max(results[0].metrics, key=lambda readout: results[0].mean("test", NDCG, readout))


def _differences(config: Config, results: list[Result], untrained: tuple[Result, str] | None) -> dict[int, Interval]:
    if untrained is None or not config.sweep.bootstrap:
        return {}
    baseline = untrained[0].per_query("test", untrained[1])
    return {
        result.step: paired_bootstrap(result.per_query("test"), baseline, config.sweep.bootstrap, config.probe.seed)
        for result in results
    }


def _bm25(config: Config, measured: Measured) -> dict[str, dict[str, float]]:
    run, prefix, shared = measured.run, config.sweep.bm25_prefix, measured.shared.retrieval
    digest = bm25_digest(shared.digest, _tokenizer(measured.checkpoints[-1]), prefix, config.probe)
    found = None if config.sweep.force else read_bm25(run, digest)
    return found or measure_bm25(run, shared.sets["test"], shared.prepared, prefix, config.probe, digest)


def _tokenizer(checkpoint: Checkpoint) -> str:
    return checkpoint.manifest["files"][f"{HF}/{TOKENIZER}"]
