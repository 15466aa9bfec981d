"""What cannot be meant, whatever lies on the disk."""

from common.errors import UserError
from conf.schema import Config
from jobs.records.job import Job
from slurm.script import refuse_path

SECRETS = ("TOKEN", "SECRET", "PASSWORD", "API_KEY", "ACCESS_KEY", "CREDENTIAL")


def check(job: Job, config: Config) -> None:
    """Raise UserError for what ``job`` cannot be meant to do."""
    job.check(config)


def check_queue(config: Config) -> None:
    """Raise UserError for what cannot be frozen into a submission, or written into a batch script."""
    for name in config.cluster.environment:
        if any(word in name.upper() for word in SECRETS):
            raise UserError(
                f"cluster.environment.{name} would be written into the frozen configuration; export it in the shell"
                " that submits instead"
            )
    refuse_path("runs_dir", config.runs_dir, ":")  # the code lies there, in PYTHONPATH
    refuse_path("run_dir", config.run_dir)
    container = config.cluster.container
    if container.kind != "none" and not container.image:
        raise UserError(f"cluster.container.kind={container.kind} needs cluster.container.image")
