"""Probes over the saves of a run, what stands beside them, and the best save."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

from common.errors import UserError
from common.progress import Bar, say
from conf.schema import Config, ParallelConfig
from model.evaluation.baseline import bm25_digest, measure_bm25, read_bm25
from model.evaluation.bootstrap import Difference, paired_bootstrap
from model.evaluation.metrics import parse_metric
from model.evaluation.prepared import Prepared, prepare, readouts, settings_digest
from model.evaluation.probe import probe_save
from model.evaluation.readout import check_readouts
from model.evaluation.results import Result, digests_of, read_result, result_file, why_redo, write_result
from model.evaluation.retrieval_set import RetrievalSet, digest_retrieval, load_retrieval
from model.evaluation.scalars import write_row, write_scalars
from model.training.saves import PROBE, Save, list_saves, set_link, verify

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
    differences: dict[int, Difference]
    """Step -> test nDCG@10 of the main readout minus that of ``untrained``, with its interval."""
    bm25: dict[str, dict[str, float]]
    """Variant -> metric -> mean on the test queries; empty where it was not asked for."""


class Shared:
    """What the probes share, made when the first of them asks."""

    def __init__(self, config: Config, save: Save):
        self.config, self.save = config, save

    @cached_property
    def sets(self) -> dict[str, RetrievalSet]:
        """The retrieval set."""
        return load_retrieval(self.config.data.retrieval, self.config.probe.seed)

    @cached_property
    def prepared(self) -> Prepared:
        """Its texts, tokenised."""
        say(f"tokenise the retrieval set {self.config.data.retrieval}")
        return prepare(self.sets, self.save.folder / "hf" / "tokenizer.json", self.config.probe)


def sweep(config: Config) -> SweepResult:
    """Probe every probe save of ``config.sweep.run`` whose result is missing or was made otherwise, in this process.

    Writes eval/step_*.json after each probe, so that an interrupted sweep goes on where it was; then the scalars of tb/probe, the
    run's row of the HParams tab, and the link ``checkpoints/best``. Raises UserError where the run, its probe saves, the retrieval
    set, the metric or a readout does not exist, and for a save that is damaged or of another shape.
    """
    run = Path(config.sweep.run)
    split, metric = parse_metric(config.sweep.metric)
    check_readouts(readouts(config.probe))
    saves = probe_saves(run)
    shared = Shared(config, saves[-1])
    settings = settings_digest(config.probe)
    retrieval = digest_retrieval(config.data.retrieval)
    digests = {save.step: digests_of(save, settings, retrieval) for save in saves}
    _probe_pending(config, saves, digests, shared)
    results = standing_results(run, settings, retrieval)
    bm25 = _bm25(config, saves[-1], retrieval, shared) if config.sweep.bm25 else {}
    write_scalars(run, results)
    present = {save.step for save in saves}
    # of equal ones the earliest: max takes the first, and results are by step
    best = max((result for result in results if result.step in present), key=lambda result: result.mean(split, metric))
    set_link(run, "best", best.step)
    write_row(run, config.sweep.metric, best.mean(split, metric), results)
    untrained = best_untrained(results)
    return SweepResult(run, config.sweep.metric, results, best, untrained, _differences(config, results, untrained), bm25)


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


def _probe_pending(config: Config, saves: list[Save], digests: dict[int, dict[str, str]], shared: Shared) -> None:
    """Probe the saves without a standing result and write theirs."""
    run, pending = Path(config.sweep.run), []
    for save in saves:
        reason = "sweep.force is set" if config.sweep.force else why_redo(run, save, digests[save.step])
        if reason:
            pending.append(save)
        if reason and result_file(run, save.step).exists():
            say(f"probe step {save.step} again: {reason}")
    if not pending:
        say(f"all {len(saves)} probe saves of {run} have a result")
        return
    from model.megatron.startup import start

    start(ParallelConfig(threads=config.parallel.threads), config.probe.seed)
    prepared, check = shared.prepared, _shape_check(run)
    with Bar("probe", len(pending), "saves") as bar:
        for save in pending:
            problem = verify(save)
            if problem:
                raise UserError(f"the save {save.folder} is damaged ({problem}); remove it and run jobs.sweep again")
            found = probe_save(save.folder / "hf", prepared, config.probe, check)
            write_result(run, save, found, prepared, config.probe, digests[save.step])
            value, seconds = found.metrics()[config.probe.readout]["test"][NDCG], sum(found.seconds.values())
            bar.advance(1, f"step {save.step}: test {NDCG} {value:.3f} in {seconds:.0f} s")


def _shape_check(run: Path) -> Callable[[object], str | None]:
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


def standing_results(run: Path, settings: str, retrieval: str) -> list[Result]:
    """Results made with these digests, by step, those of saves that retention has removed among them."""
    found = [read_result(file) for file in sorted((run / "eval").glob("step_*.json"))]
    kept = [result for result in found if (result.digests["settings"], result.digests["retrieval"]) == (settings, retrieval)]
    if len(kept) < len(found):
        say(f"left out: {len(found) - len(kept)} results of saves that are gone, made with other settings or another retrieval set")
    return sorted(kept, key=lambda result: result.step)


def best_untrained(results: list[Result]) -> tuple[Result, str] | None:
    """The probe of step 0 with the readout that does best on the test queries: the baseline that is hardest to beat."""
    if results[0].step != 0:
        return None
    return results[0], max(results[0].metrics, key=lambda readout: results[0].mean("test", NDCG, readout))


def _differences(config: Config, results: list[Result], untrained: tuple[Result, str] | None) -> dict[int, Difference]:
    if untrained is None or not config.sweep.bootstrap:
        return {}
    baseline = untrained[0].per_query("test", untrained[1])
    return {
        result.step: paired_bootstrap(result.per_query("test"), baseline, config.sweep.bootstrap, config.probe.seed) for result in results
    }


def _bm25(config: Config, save: Save, retrieval: str, shared: Shared) -> dict[str, dict[str, float]]:
    run, prefix = Path(config.sweep.run), config.sweep.bm25_prefix
    digest = bm25_digest(retrieval, save.manifest["files"]["hf/tokenizer.json"], prefix, config.probe)
    found = None if config.sweep.force else read_bm25(run, digest)
    return found or measure_bm25(run, shared.sets["test"], shared.prepared, prefix, config.probe, digest)
