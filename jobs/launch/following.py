"""The command that comes after a job, printed when it has ended: with the names and paths of the user, quoted for the
shell.

It repeats the arguments that were given, as far as the next job reads them, so that it composes the same configuration,
and the environment variables of paths that were set for the one command alone."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from common.environment import read_ranks
from common.errors import UserError
from common.progress import say
from conf.schema import Config
from jobs.arguments.flags import MULTIRUN
from jobs.records.following import WATCH, Ended, Next
from jobs.records.job import Job
from jobs.registry import JOBS

ALWAYS = ("experiment", "name", "seed", "runs_dir", "run", "run_dir")
ONCE = {"dry_run", *(key for job in JOBS.values() for key in (*job.once, *job.part_keys))}
"""Keys that are meant for one start alone."""
VARIABLE = re.compile(r"\$\{oc\.env:(\w+)")


def tell_following(job: str, given: Sequence[str], configs: Sequence[Config]) -> None:
    """Say the command after ``python -m jobs.<job> <given>``, which has done its work for ``configs`` (several: a
    multirun)."""
    with suppress(UserError, OSError, KeyError):  # something is gone already: the work is done all the same
        if configs and not read_ranks().rank and (line := following(job, given, configs)):
            say(f"next: {line}")


def following(job: str, given: Sequence[str], configs: Sequence[Config]) -> str:
    """The command, as a line for a shell; empty where there is nothing to say."""
    following = _next(JOBS[job], given, configs)
    if following is None:
        return ""
    if isinstance(following, list):
        return shlex.join([_python(), *following])
    multirun = any(argument in MULTIRUN for argument in given) and JOBS[following.job].multirun
    arguments = [argument for argument in given if multirun or not argument.startswith("-")]
    dropped = {*ONCE, *following.settings}
    arguments = [
        argument
        for argument in arguments
        if _key(argument) not in dropped and not (following.unset and _key(argument).startswith(following.unset))
    ]
    added = [f"{key}={_value(value)}" for key, value in following.settings.items()]
    if not multirun:
        arguments = _needed(following.job, arguments, added)
    command = shlex.join([_python(), "-m", f"jobs.{following.job}", *arguments, *added])
    return " ".join([*_variables(JOBS[following.job], arguments), command])


def _next(job: Job, given: Sequence[str], configs: Sequence[Config]) -> Next | list[str] | None:
    config, keys = configs[0], frozenset(map(_key, given))
    if config.plan and job.estimates:
        return Next("doctor")
    if (config.dry_run and job.previews) or keys & set(job.part_keys):
        return Next(job.name)
    return WATCH if _is_queued(job, config) else job.following(Ended(configs, keys))


def _is_queued(job: Job, config: Config) -> bool:
    from slurm import allocation

    return config.cluster.kind == "slurm" and not config.cluster.wait and job.is_queueable and not allocation.inside()


def _needed(job: str, arguments: list[str], added: list[str]) -> list[str]:
    """Those of ``arguments`` that ``job`` reads. The values of an experiment may be made of others: then if it reads
    the same without."""
    from jobs.launch.compose import compose, spelled_out

    sections = JOBS[job].takes_over
    if not sections:
        return arguments
    fewer = [argument for argument in arguments if _key(argument).split(".")[0] in (*ALWAYS, *sections)]
    if len(fewer) == len(arguments) or not any(_key(argument) == "experiment" for argument in arguments):
        return fewer

    def read(some: list[str]) -> Any:
        composed = compose(job, [spelled_out(argument) for argument in [*some, *added]])
        return [_plain(composed, key) for key in (*sections, *ALWAYS[1:])]

    try:
        return fewer if read(fewer) == read(arguments) else arguments
    except UserError:
        return arguments


def _variables(job: Job, arguments: Sequence[str]) -> list[str]:
    """Settings of the environment variables that ``job`` reads folders from: they may have been set for the one command
    alone, which nobody can tell."""
    from jobs.arguments.groups import groups
    from jobs.launch.compose import compose, spelled_out
    from jobs.launch.grid import first_point

    given = [spelled_out(argument) for argument in arguments if not argument.startswith("-")]
    if not any(_key(argument) in groups() for argument in given):
        return []
    try:
        composed = compose(job.name, first_point(given))
    except UserError:
        return []
    sections = [
        OmegaConf.to_yaml(node)
        for name in job.takes_over or job.sections
        if OmegaConf.is_config(node := composed[name])
    ]
    named = dict.fromkeys(VARIABLE.findall("\n".join(sections)))
    return [f"{name}={shlex.quote(os.environ[name])}" for name in named if name in os.environ]


def _plain(composed: Any, key: str) -> Any:
    value = composed[key]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _key(argument: str) -> str:
    return argument.lstrip("+~").partition("=")[0]


def _value(value: Any) -> str:
    """``value`` as Hydra reads it."""
    if isinstance(value, list):
        return f"[{','.join(map(_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return (
        text
        if re.fullmatch(r"[\w./+-]+", text, re.ASCII)
        else "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    )


def _python() -> str:
    """The interpreter, by the name that finds it."""
    found = shutil.which("python")
    return "python" if found and Path(found).parent == Path(sys.executable).parent else sys.executable
