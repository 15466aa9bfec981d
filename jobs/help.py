"""``python -m jobs.<job> --help [PREFIX ...]``: what the job does, examples, groups to choose from, every key it reads;
or some keys alone.

A key is never broken over lines. In a pipe it has one line, with its default and its meaning, for grep and its like."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from common.errors import UserError, suggestion
from common.screen import Screen
from conf.schema import Config
from conf.schema.documentation import Key, documented

COMMON = ("name", "seed", "runs_dir", "run", "run_dir", "dry_run")
FLAGS = ("--help", "-h")
FOOTER = """  dry_run=true          show what would be done, and check it, without doing it
  --cfg job             print the whole composed configuration
  -m key=a,b other=1,2  run every combination (Hydra multirun)
  Values with spaces or brackets want quotes: "data.inputs=['my folder']"."""


def prefixes(arguments: Sequence[str]) -> list[str] | None:
    """Prefixes of the keys that a command line asks help on, from ``--help optim``, ``--help=optim`` or ``--help optim
    data.inputs``; empty for help on everything, None where no help is asked for."""
    asked = [place for place, argument in enumerate(arguments) if argument.partition("=")[0] in FLAGS]
    if not asked:
        return None
    joined = [argument.partition("=")[2] for argument in arguments if argument.startswith("--help=")]
    after = [one for one in arguments[asked[0] + 1 :] if not one.startswith("-") and "=" not in one]
    return [one.rstrip(".") for one in (*joined, *after) if one]


def show(job: str, description: str, sections: tuple[str, ...], conf: Path, wanted: Sequence[str] = ()) -> None:
    """Print the help of one job: ``description`` is its module's docstring, ``sections`` the parts of the schema it
    reads; of the keys that begin with ``wanted`` nothing but these. Raises UserError for a prefix of no key."""
    keys = [key for key in documented(Config) if key.name in COMMON or key.name.split(".")[0] in sections]
    screen = Screen(soft_wrap=True)
    if wanted:
        _print(screen, list(dict.fromkeys(key for prefix in wanted for key in _below(prefix, keys, job))))
        return
    screen.print(f"python -m jobs.{job} [group=choice ...] [key=value ...]", style="bold")
    screen.print(
        f"python -m jobs.{job} --help {sections[0]}    only the keys that begin with {sections[0]}; any other prefix,"
        " too\n"
    )
    screen.print(description.strip())
    screen.print("\nGroups (files under conf/)", style="bold")
    for group in sorted({*sections, "experiment", "cluster"}):
        names = sorted(
            str(p.relative_to(conf / group).with_suffix(""))
            for p in (conf / group).rglob("*.yaml")
            if p.parent.name != "language"
        )
        if names:
            screen.print(f"  {group}={' | '.join(names)}")
    screen.print("\nKeys, with the schema's defaults (experiments and groups set others)", style="bold")
    _print(screen, keys)
    screen.print("\nEverywhere", style="bold")
    screen.print(FOOTER)


def _print(screen: Screen, keys: Sequence[Key]) -> None:
    """A line a key; on a terminal its meaning below it, in lines as wide as that."""
    for name, default, meaning in keys:
        if not screen.is_terminal:
            screen.print(f"{name}={default}  {meaning}")
            continue
        screen.print(f"{name}={default}", style="bold")
        screen.print(textwrap.fill(meaning, screen.width, initial_indent="    ", subsequent_indent="    "))


def _below(prefix: str, keys: Sequence[Key], job: str) -> list[Key]:
    """The keys below the section or with the name ``prefix``, else those that begin so."""
    for whole in (True, False):
        if found := [key for key in keys if _begins(key.name.split("."), prefix.split("."), whole)]:
            return found
    parts = (key.name.split(".") for key in keys)
    known = dict.fromkeys(".".join(part[:length]) for part in parts for length in range(1, len(part) + 1))
    raise UserError(
        f"jobs.{job} reads no key that begins with '{prefix}'{suggestion(prefix, known)}; --help shows them all"
    )


def _begins(key: Sequence[str], prefix: Sequence[str], whole: bool) -> bool:
    """Whether the parts of a key begin with those of a prefix, the last one ``whole`` or not; ``<name>`` stands for
    any."""
    *first, last = prefix
    if len(prefix) > len(key) or not all(own in (one, "<name>") for own, one in zip(key, first, strict=False)):
        return False
    own = key[len(first)]
    return own in (last, "<name>") if whole else own.startswith(last)
