"""Measure retrieval at every probe save of a run: the same short contrastive step from each, then exact search.

Saves that have a result are left alone, so the same command goes on where it was. Writes eval/step_*.json, scalars at the
training steps (tb/probe), the link checkpoints/best, eval/statistics.json and report.html. Several runs get a report in common.

  python -m jobs.sweep sweep.run=runs/quickstart/seed_0 data.retrieval=data/quickstart/retrieval
  python -m jobs.sweep experiment=quickstart sweep.metric=dev/recall@10
  python -m jobs.sweep experiment=quickstart probe=full sweep.force=true
  python -m jobs.sweep experiment=quickstart 'sweep.runs=[runs/quickstart/seed_*]' sweep.report=reports/seeds
  python -m jobs.sweep experiment=quickstart sweep.budgets=[30,75,150]     how few probe steps keep the ranking of the saves
"""

from pathlib import Path

from rich.console import Console

from common.progress import say
from conf.schema import Config
from jobs.cli import main
from model.evaluation.metrics import parse_metric


def run(config: Config) -> None:
    """Probe, choose the best save of each run, print the tables, write the reports."""
    from jobs.launch.probing import claims, note_failures, settle
    from model.evaluation.comparison import comparison_folder, write_comparison
    from model.evaluation.pending import probe_saves, whole
    from model.evaluation.report import write_report
    from model.evaluation.retrieval import budgets
    from model.evaluation.statements import statements
    from model.evaluation.summary import summarise
    from model.evaluation.sweep import find_runs, probe_runs, sweep_runs
    from model.evaluation.table import render, verdict

    runs = find_runs(config.sweep)
    if config.dry_run:
        parse_metric(config.sweep.metric)
        for folder in runs:
            say(f"would probe {len(probe_saves(folder))} saves of {folder} on {config.data.retrieval}")
        if config.sweep.budgets:
            say(f"would probe each with {len(budgets(config)) - 1} other numbers of steps: {_cost(config)}")
        return
    if not whole(config):
        probe_runs(config, claims())
        return
    for folder in runs:
        note_failures(folder)
    found = sweep_runs(config, claims())
    for folder in runs:
        settle(folder)
    summary = summarise(found, config.sweep.bootstrap, config.probe.seed)
    console = Console(width=None if Console().is_terminal else 120)
    for position, one in enumerate(found):
        report = write_report(one, summary.alone(position))
        console.print(render(one))
        console.print(verdict(one), highlight=False, soft_wrap=True)
        say(f"curves and table: {report}")
    if config.sweep.runs:
        for name, value, sentence in statements(found, summary):
            console.print(f"{name}: {value}. {sentence}", highlight=False, soft_wrap=True, markup=False)
        folder = Path(config.sweep.report) if config.sweep.report else comparison_folder(runs)
        say(f"all {len(found)} runs: {write_comparison(folder, found, summary)}")


def _cost(config: Config) -> str:
    if config.probe.depth == "head":
        return "heads alone, from the same encoding"
    return "each fine-tunes the encoder anew and costs a whole probe of that many steps"


if __name__ == "__main__":
    main("sweep", run, ("sweep", "probe", "data", "cluster"))
