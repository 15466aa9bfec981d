"""Arguments with dashes: those that there are, and what is said of all others."""

import difflib
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from common.errors import UserError, suggestion
from conf.schema import Config
from conf.schema.check import keys
from jobs.arguments.groups import CONF, groups
from jobs.arguments.text import for_shell
from jobs.arguments.types import mend, type_at
from jobs.registry import JOBS

OF_ONE_JOB = {flag: (job.name, override) for job in JOBS.values() for flag, override in job.flags.items()}
"""Flags that one job alone has -> its name, and the override that the flag stands for."""
ALONE = ("-m", "--multirun", "--resolve", "--help", "-h", "--version", *OF_ONE_JOB)
WITH_VALUE = ("--cfg", "-c", "--package", "-p")
"""Flags that take the argument after them."""
SETUP = CONF.parent / "setup.py"
PACKAGES = ("torch", "megatron-core", "transformers")
HELP = ("--help", "-h")
MULTIRUN = ("-m", "--multirun")
UNUSED = {
    ("--config-name", "-cn"): "each job has its own command, python -m jobs.<job>; leave it out",
    ("--config-path", "-cp", "--config-dir",
    "-cd"): "put your YAML into conf/experiment and name it with experiment=...",
    ("--info", "-i", "--hydra-help"): "--cfg job prints the configuration, and --help every key",
    ("--run", "-r"): "a job runs without it; leave it out",
    ("--experimental-rerun",): "the same command once more goes on where a run was; leave it out",
    ("--shell-completion", "-sc"): "there is no completion; --help prints every key",
}  # fmt: skip
"""Flags of Hydra that mean nothing here, and what does."""


def read_flags(job: str, arguments: Sequence[str]) -> list[str]:
    """``arguments`` with --flag=value as two. Raises UserError for a flag that there is not, or without its value."""
    if any(one in HELP for one in arguments):
        return list(arguments)
    found: list[str] = []
    for position, one in enumerate(arguments):
        flag, sign, value = one.partition("=")
        following = next(iter(arguments[position + 1 :]), "")
        if sign and flag in WITH_VALUE:
            found += [flag, value]
        elif (one.startswith("-") and one not in ALONE and one not in WITH_VALUE) or OF_ONE_JOB.get(one, (job,))[
            0
        ] != job:
            raise UserError(_refusal(job, flag, value, following))
        else:
            found.append(one)
    _check_values(found)
    return found


def _check_values(arguments: Sequence[str]) -> None:
    for flag, value in zip(arguments, [*arguments[1:], ""], strict=False):
        if flag in ("--cfg", "-c") and value != "job":
            raise UserError(
                f"{flag} is followed by the word job: --cfg job prints the whole configuration without running anything"
            )
        if flag in ("--package", "-p") and type_at(value) is None:
            near = suggestion(value, keys(Config)) if value else ""
            raise UserError(f"{flag} is followed by a section of the configuration: --cfg job --package train{near}")
    if any(one in arguments for one in ("--resolve", "--package", "-p")) and not any(
        one in arguments for one in ("--cfg", "-c")
    ):
        raise UserError(
            "--resolve and --package say how the configuration is printed; add --cfg job, or leave them out"
        )
    if any(one in arguments for one in MULTIRUN) and any(one in arguments for one in ("--cfg", "-c")):
        raise UserError("--cfg job prints one configuration; leave -m and the several values out")


def _refusal(job: str, flag: str, value: str, following: str) -> str:
    for names, words in UNUSED.items():
        if flag in names:
            return f"{flag} is no flag of jobs.{job}: {words}"
    name = flag.lstrip("-").replace("-", "_")
    if not name:
        return f"'{flag}' is no argument; leave it out"
    if flag in OF_ONE_JOB:
        owner, override = OF_ONE_JOB[flag]
        if job != owner:
            return f"{flag} is for jobs.{owner}; leave it out"
        return f"{flag} takes no value; write {override.partition('=')[0]}={value}"
    if flag in (*ALONE, *WITH_VALUE):
        return f"{flag} takes no value; write {flag}"
    near = difflib.get_close_matches(
        flag, [one for one in (*ALONE, *WITH_VALUE) if one.startswith("--")], n=1, cutoff=0.75
    )
    if near:
        return f"there is no flag {flag}; did you mean {near[0]}?"
    known = list(keys(Config))
    key = (
        name if name in known or name == "experiment" else next((one for one in known if one.endswith(f".{name}")), "")
    )
    if not key:
        return f"there is no flag {flag}; keys are written without dashes, key=value, and --help prints every key"
    given = value or ("" if following.startswith("-") or "=" in following else following)
    typed = for_shell(f"{key}={given}") if key in groups() else mend(key, given)
    return f"{flag} is no flag; keys are written without dashes: {typed}"


def versions() -> str:
    """Versions of this project and of what it trains with, without importing them."""
    found = re.search(r'version="([^"]+)"', SETUP.read_text(encoding="utf-8")) if SETUP.is_file() else None
    own = found[1] if found else _version("terzi")  # what is installed may be older than the code that runs
    return ", ".join([f"terzi {own}", *(f"{package} {_version(package)}" for package in PACKAGES)])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
