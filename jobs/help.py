"""``python -m jobs.<job> --help``: what the job does, examples, the groups to choose from, every key it reads."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from conf.schema import Config
from conf.schema.documentation import documented

COMMON = ("name", "seed", "runs_dir", "run", "run_dir", "dry_run")
FOOTER = """[bold]Everywhere[/bold]
  dry_run=true          show what would be done, and check it, without doing it
  --cfg job             print the whole composed configuration
  -m key=a,b other=1,2  run every combination (Hydra multirun)
  Values with spaces or brackets want quotes: "data.inputs=['my folder']"."""


def show(job: str, description: str, sections: tuple[str, ...], conf: Path) -> None:
    """Print the help of one job: ``description`` is its module's docstring, ``sections`` the parts of the schema it reads."""
    console = Console(highlight=False)
    console.print(f"[bold]python -m jobs.{job}[/bold] \\[group=choice ...] \\[key=value ...]\n")
    console.print(Text(description.strip()))
    console.print("\n[bold]Groups[/bold] (files under conf/)")
    for group in sorted({*sections, "experiment", "cluster"}):
        names = sorted(
            str(p.relative_to(conf / group).with_suffix("")) for p in (conf / group).rglob("*.yaml") if p.parent.name != "language"
        )
        if names:
            console.print(Text(f"  {group}={' | '.join(names)}"))
    rows = [key for key in documented(Config) if key.name in COMMON or key.name.split(".")[0] in sections]
    table = Table(
        box=None, pad_edge=False, title="Keys, with the schema's defaults (experiments and groups set others)", title_justify="left"
    )
    for column in ("key", "default", "meaning"):
        table.add_column(column, overflow="fold")
    for key in rows:
        table.add_row(*(Text(part) for part in key))
    console.print("\n", table, "\n", sep="")
    console.print(FOOTER)
