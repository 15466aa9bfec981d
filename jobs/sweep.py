"""Measure retrieval at every probe save of a run: the same short contrastive step from each, then exact search.

Saves that have a result are left alone, so the same command goes on where it was. Writes eval/step_*.json, scalars at the
training steps (tb/probe), the link checkpoints/best and report.html.

  python -m jobs.sweep sweep.run=runs/quickstart/seed_0 data.retrieval=data/quickstart/retrieval
  python -m jobs.sweep experiment=quickstart sweep.metric=dev/recall@10
  python -m jobs.sweep experiment=quickstart probe=full sweep.force=true
"""

from pathlib import Path

from rich.console import Console

from common.progress import say
from conf.schema import Config
from jobs.cli import main
from model.evaluation.metrics import parse_metric


def run(config: Config) -> None:
    """Probe, choose the best save, print the table, write the report."""
    from model.evaluation.sweep import probe_saves, sweep

    if config.dry_run:
        parse_metric(config.sweep.metric)
        say(f"would probe {len(probe_saves(Path(config.sweep.run)))} saves of {config.sweep.run} on {config.data.retrieval}")
        return
    found = sweep(config)
    from model.evaluation.report import write_report
    from model.evaluation.table import render, verdict

    report = write_report(found)
    console = Console(width=None if Console().is_terminal else 120)
    console.print(render(found))
    console.print(verdict(found), highlight=False, soft_wrap=True)
    say(f"curves and table: {report}")


if __name__ == "__main__":
    main("sweep", run, ("sweep", "probe", "data"))
