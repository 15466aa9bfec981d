"""Measure every probe checkpoint of a run: retrieval after the same short contrastive step from each, then exact
search; of decoders also perplexity on texts (evaluation.domain, evaluation.general) and tasks of lm-eval
(evaluation.tasks).

Checkpoints that have a result are left alone, so the same command goes on where it was. Writes
eval/<measure>/step_*.json, scalars at the training steps (tb/probe), the link checkpoints/best, eval/statistics.json
and report.html. Several runs get a report in common.

  python -m jobs.sweep sweep.run=runs/quickstart/seed_0 data.retrieval=data/quickstart/retrieval
  python -m jobs.sweep experiment=quickstart sweep.metric=dev/recall@10
  python -m jobs.sweep experiment=quickstart probe=full sweep.force=true
  python -m jobs.sweep experiment=quickstart 'sweep.runs=[runs/quickstart/seed_*]' sweep.report=reports/seeds
  python -m jobs.sweep experiment=quickstart sweep.budgets=[30,75,150]     how few probe steps keep the ranking
  python -m jobs.sweep sweep.run=runs/cpt/seed_0 evaluation.domain.law=validation/law.jsonl.zst \
      evaluation.general.prose=validation/prose
  python -m jobs.sweep sweep.run=runs/cpt/seed_0 'evaluation.tasks=[belebele_tur_Latn]' \
      sweep.metric=task/belebele_tur_Latn/acc
"""

from pathlib import Path

from common.progress import say
from common.screen import screen
from conf.schema import Config
from jobs.cli import main


def run(config: Config) -> None:
    """Measure, choose the best checkpoint of each run, print the tables, write the reports."""
    from jobs.probes.records import claims, note_failures, withdraw_done
    from model.evaluation.pending import whole
    from model.evaluation.report.comparison import comparison_folder, write_comparison
    from model.evaluation.report.run import full_verdict, write_report
    from model.evaluation.report.statements import statements
    from model.evaluation.sweep import find_runs, probe_runs, sweep_runs

    runs = find_runs(config.sweep)
    if config.dry_run:
        _foresee(config, runs)
        return
    if not whole(config):
        probe_runs(config, claims())
        return
    for folder in runs:
        note_failures(folder)
    measured = sweep_runs(config, claims())
    for folder in runs:
        withdraw_done(folder)
    console = screen(120)
    for sweep in measured:
        report = write_report(sweep)
        for measure in sweep.measures.values():
            for table in measure.tables(sweep):
                console.print(table)
        console.print(full_verdict(sweep), soft_wrap=True)
        say(f"curves and table: {report}")
    if config.sweep.runs:
        for name, value, sentence in statements(measured):
            console.print(f"{name}: {value}. {sentence}", soft_wrap=True)
        folder = Path(config.sweep.report) if config.sweep.report else comparison_folder(runs)
        say(f"all {len(measured)} runs: {write_comparison(folder, measured)}")


def _foresee(config: Config, runs: list[Path]) -> None:
    """Say what would be measured, and check what can be checked."""
    from model.evaluation.pending import probe_checkpoints
    from model.evaluation.registry import check_metric, wanted

    check_metric(config)
    asked = {folder: wanted(config, probe_checkpoints(folder)[-1]) for folder in runs}
    measures = {measure.name: measure for classes in asked.values() for measure in classes}
    for measure in measures.values():
        measure.read(config)
    for folder, classes in asked.items():
        inputs = ", ".join(measure.told(config) for measure in reversed(classes))
        say(f"would probe {len(probe_checkpoints(folder))} checkpoints of {folder} on {inputs}")
    for measure in measures.values():
        if cost := measure.cost(config):
            say(cost)


if __name__ == "__main__":
    main("sweep", run)
