"""What is missing on the disk, or does not do; what jobs before this one will have made by then is passed over."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from common.errors import UserError
from conf.schema import Config
from jobs.arguments.types import mend
from jobs.arguments.values import UNSET, fields
from jobs.records.job import Job


def check(job: Job, config: Config, coming: Sequence[str] = ()) -> None:
    """Raise UserError for files that ``job`` would refuse."""
    job.check_files(config, partial(is_coming, coming))


def check_inputs(job: Job, config: Config, coming: Sequence[str]) -> None:
    """Raise UserError for the first input of ``job`` that is neither there nor in one of the folders that are
    ``coming``."""
    for key, path in job.needs(config).items():
        if not (Path(path).exists() or is_coming(coming, path)):
            raise UserError(
                f"{key}: {path} does not exist, so jobs.{job.name} would fail; make it first, or name another with"
                f" {key}"
            )


def check_run(config: Config, coming: Sequence[str], ranks: int | None) -> None:
    """Raise UserError for what keeps a training from beginning or going on in its run folder."""
    from jobs.validate.training import validate_ahead

    validate_ahead(config, partial(is_coming, coming), ranks)


def check_container(config: Config) -> None:
    """Raise UserError where the image of a container is not there."""
    container = config.cluster.container
    if container.kind == "apptainer" and not Path(container.image).exists():
        raise UserError(f"cluster.container.image: {container.image} does not exist; build it with apptainer build")


def check_environment(steps: Sequence[tuple[Job, Config]]) -> None:
    """Raise UserError where one of the jobs reads a folder that an environment variable names which is not set."""
    for job, config in steps:
        if not any(UNSET.search(str(getattr(owner, field.name))) for owner, field, _ in fields(config)):
            continue
        for key, path in job.needs(config).items():
            if unset := UNSET.search(str(path)):
                key = key.partition("[")[0]
                raise UserError(
                    f"{key} lies in the folder that the environment variable {unset[1]} names, and it is not set; write"
                    f" export {unset[1]}=<folder> first, or name others: {mend(key, 'my/folder')}"
                )


def is_coming(folders: Sequence[str], path: str) -> bool:
    """Whether ``path`` lies in one of ``folders``."""
    return any(Path(path).absolute().is_relative_to(Path(folder).absolute()) for folder in folders)
