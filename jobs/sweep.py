"""Measure every probe checkpoint of a run: retrieval after the same short contrastive step from each, then exact search; of
decoders also perplexity on texts (evaluation.domain, evaluation.general) and tasks of lm-eval (evaluation.tasks).

Checkpoints that have a result are left alone, so the same command goes on where it was. Writes eval/step_*.json, scalars at
the training steps (tb/probe), the link checkpoints/best, eval/statistics.json and report.html. Several runs get a
report in common.

  python -m jobs.sweep sweep.run=runs/quickstart/seed_0 data.retrieval=data/quickstart/retrieval
  python -m jobs.sweep experiment=quickstart sweep.metric=dev/recall@10
  python -m jobs.sweep experiment=quickstart probe=full sweep.force=true
  python -m jobs.sweep experiment=quickstart 'sweep.runs=[runs/quickstart/seed_*]' sweep.report=reports/seeds
  python -m jobs.sweep experiment=quickstart sweep.budgets=[30,75,150]     how few probe steps keep the ranking of the checkpoints
  python -m jobs.sweep sweep.run=runs/cpt/seed_0 evaluation.domain.law=validation/law.jsonl.zst evaluation.general.prose=validation/prose
  python -m jobs.sweep sweep.run=runs/cpt/seed_0 'evaluation.tasks=[belebele_tur_Latn]' sweep.metric=task/belebele_tur_Latn/acc
"""

from pathlib import Path
from typing import TYPE_CHECKING

from common.progress import say
from common.screen import screen
from conf.schema import Config
from jobs.cli import main

if TYPE_CHECKING:
    from model.evaluation.measures import Wanted


def run(config: Config) -> None:
    """Probe, choose the best checkpoint of each run, print the tables, write the reports."""
    from jobs.probes.records import claims, note_failures, withdraw_done
    from model.evaluation.choice import parse_choice
    from model.evaluation.comparison import comparison_folder, write_comparison
    from model.evaluation.measures import wanted
    from model.evaluation.pending import probe_checkpoints, whole
    from model.evaluation.report import full_verdict, write_report
    from model.evaluation.retrieval import budgets
    from model.evaluation.retrieval_set import load_retrieval
    from model.evaluation.statements import statements
    from model.evaluation.summary import summarise
    from model.evaluation.sweep import find_runs, probe_runs, sweep_runs
    from model.evaluation.table import render
    from model.evaluation.table_texts import tables

    runs = find_runs(config.sweep)
    if config.dry_run:
        parse_choice(config)
        asked = {folder: wanted(config, probe_checkpoints(folder)[-1]) for folder in runs}
        if any(one.retrieval for one in asked.values()):
            load_retrieval(config.data.retrieval, config.probe.seed, config.data.max_document_bytes or None)
        for folder, one in asked.items():
            say(f"would probe {len(probe_checkpoints(folder))} checkpoints of {folder} on {_told(config, one)}")
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
        withdraw_done(folder)
    summary = summarise(found, config.sweep.bootstrap, config.probe.seed)
    console = screen(120)
    for position, one in enumerate(found):
        report = write_report(one, summary.alone(position))
        for table in [*tables(one, summary.runs[position]), *([render(one)] if one.wanted.retrieval else [])]:
            console.print(table)
        console.print(full_verdict(one, summary.runs[position]), soft_wrap=True)
        say(f"curves and table: {report}")
    if config.sweep.runs:
        for name, value, sentence in statements(found, summary):
            console.print(f"{name}: {value}. {sentence}", soft_wrap=True)
        folder = Path(config.sweep.report) if config.sweep.report else comparison_folder(runs)
        say(f"all {len(found)} runs: {write_comparison(folder, found, summary)}")


def _told(config: Config, wanted: "Wanted") -> str:
    """What would be measured, in words."""
    texts = ", ".join([*config.evaluation.domain, *config.evaluation.general])
    parts = {config.data.retrieval: wanted.retrieval, f"the texts {texts}": wanted.perplexity}
    parts[f"the tasks {', '.join(config.evaluation.tasks)}"] = wanted.tasks
    return ", ".join(name for name, there in parts.items() if there)


def _cost(config: Config) -> str:
    if config.probe.depth == "head":
        return "heads alone, from the same encoding"
    return "each fine-tunes the encoder anew and costs a whole probe of that many steps"


if __name__ == "__main__":
    main("sweep", run)
