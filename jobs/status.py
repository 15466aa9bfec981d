"""Show every run and every submission: state, step, speed, loss, best nDCG@10, time left, log; for each failure one line of cause.

Works with and without SLURM: what was queued is joined with what the run folders say. Cancels, queues failed elements again, shows
what an artefact was made of and where a document went.

  python -m jobs.status                                           what is under runs/
  python -m jobs.status --watch                                   live, until Ctrl-C
  python -m jobs.status 'status.runs=[/scratch/me/runs/*/*]'      other run folders
  python -m jobs.status status.cancel=1234_5                      a job id, a run folder or a submission
  python -m jobs.status status.retry=runs/mine/seed_1             what failed or never finished, with the code of then
  python -m jobs.status status.artefact=runs/mine/seed_0/export   back to tokenizer and text, with digests checked
  python -m jobs.status name=mine status.document=4711 status.run=runs/mine/seed_0
"""

import sys
import time

from rich.console import Console
from rich.live import Live

from conf.schema import Config
from jobs.cli import main
from jobs.views.rows import Overview, overview
from jobs.views.table import render, width_of


def run(config: Config) -> Overview | None:
    """Show what `status` asks for; of the table returns what it showed."""
    status, console = config.status, Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=width_of(console))
    if status.cancel or status.retry:
        from jobs.control import cancel, retry

        return cancel(config, status.cancel) if status.cancel else retry(config, status.retry)
    if status.artefact:
        from jobs.views.lineage import render_lineage

        console.print(render_lineage(status.artefact))
        return None
    if status.document:
        from jobs.views.trace import render_trace

        console.print(render_trace(config))
        return None
    return watch(config, console) if status.watch else show(config, console)


def show(config: Config, console: Console) -> Overview:
    """Print the table once."""
    shown = overview(config)
    console.print(render(shown, console.width))
    return shown


def watch(config: Config, console: Console) -> Overview:
    """Show the table again and again until Ctrl-C: in place on a terminal, one after another elsewhere."""
    shown = overview(config)
    try:
        if not console.is_terminal:
            while True:
                print(time.strftime("%H:%M:%S"))
                show(config, console)
                sys.stdout.flush()
                time.sleep(config.status.watch)
        with Live(render(shown, console.width), console=console, auto_refresh=False, screen=True) as live:
            while True:
                shown = overview(config)
                live.update(render(shown, console.width), refresh=True)
                time.sleep(config.status.watch)
    except KeyboardInterrupt:
        console.print(render(shown, console.width))
    return shown


if __name__ == "__main__":
    main("status", run, ("status", "data"))
