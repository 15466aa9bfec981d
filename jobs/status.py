"""Show every run and every submission: state, step, speed, loss, best nDCG@10, time left, log; for each failure one
line of cause.

Works with and without SLURM: what was queued is joined with what the run folders say. Cancels, queues failed array
tasks again, shows what an artefact was made of and where a document went.

  python -m jobs.status                                           what is under runs/
  python -m jobs.status --watch                                   live, until Ctrl-C
  python -m jobs.status 'status.runs=[/scratch/me/runs/*/*]'      other run folders
  python -m jobs.status status.cancel=1234_5                      a job id, a run folder or a submission
  python -m jobs.status status.retry=runs/mine/seed_1             what failed or never finished, with the code of then
  python -m jobs.status status.goodput=runs/mine/seed_1         useful step time / allocated time, restarts listed apart
  python -m jobs.status status.artefact=runs/mine/seed_0/export   back to tokenizer and text, with digests checked
  python -m jobs.status name=mine status.document=4711 status.run=runs/mine/seed_0
"""

import time
from contextlib import suppress

from rich.console import Console
from rich.live import Live

from common import interrupt
from common.progress import say
from conf.schema import Config
from jobs.cli import main
from jobs.views.rows import Overview, overview
from jobs.views.table import render, tell, wide
from slurm.commands import available
from slurm.outbox import drain_all


def run(config: Config) -> Overview | None:
    """Do or show what `status` asks for; of the table returns what it showed."""
    status, console = config.status, wide()
    if status.cancel or status.retry:
        from jobs.launch.control import cancel, retry

        cancel(config, status.cancel) if status.cancel else retry(config, status.retry)
        return None
    if status.goodput:
        from jobs.launch.control import show_goodput

        show_goodput(config, status.goodput)
        return None
    if status.artefact:
        from jobs.views.lineage import render_lineage

        tell(console, render_lineage(status.artefact))
        return None
    if status.document:
        from jobs.views.trace import render_trace

        tell(console, render_trace(config))
        return None
    if available() and not config.dry_run:
        for line in drain_all(config.runs_dir):
            say(line)
    return watch(config, console) if status.watch else show(config, console)


def show(config: Config, console: Console) -> Overview:
    """Print the table once."""
    shown = overview(config)
    tell(console, render(shown, console.width))
    return shown


def watch(config: Config, console: Console) -> None:
    """Show the table again and again until Ctrl-C: in place on a terminal, one after another elsewhere."""
    if not console.is_terminal:
        with suppress(KeyboardInterrupt):
            while True:
                print(time.strftime("%Y-%m-%d %H:%M:%S"))
                show(config, console)
                time.sleep(config.status.watch)
        interrupt.forget()
        return
    shown = overview(config)
    live = Live(render(shown, console.width), console=console, auto_refresh=False, screen=True)
    try:
        live.start(refresh=True)
        while True:
            time.sleep(config.status.watch)
            shown = overview(config)
            live.update(render(shown, console.width), refresh=True)
    except KeyboardInterrupt:
        interrupt.forget()
    finally:
        live.stop()  # Ctrl-C may come while it starts, which Live's own context does not survive
    tell(console, render(shown, console.width))  # what was last seen stays on the screen


if __name__ == "__main__":
    main("status", run)
