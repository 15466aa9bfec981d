"""jobs.doctor: what a machine has."""

from conf.schema import Config
from jobs.records.following import Ended, Next
from jobs.records.job import Job


def _following(ended: Ended) -> Next:
    named = ended.config.name != Config().name
    return Next("pipeline", {"dry_run": True} | ({} if named else {"experiment": "quickstart"}))


JOB = Job(
    "doctor",
    "say what this machine has",
    ("model", "optim", "parallel", "cluster"),
    references=True,
    multirun=False,
    following=_following,
)
