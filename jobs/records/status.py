"""jobs.status: what runs, and what became of it."""

from jobs.records.following import WATCH, Ended, Next
from jobs.records.job import Job

ONCE = ("status.artefact", "status.document", "status.goodput", "status.cancel", "status.retry", "status.run")


def _following(ended: Ended) -> Next | None:
    if any(config.status.watch for config in ended.configs):
        return None  # whoever ends a view that goes on wants its last state on the screen
    asked = any(getattr(ended.config.status, key.partition(".")[2]) for key in ONCE)
    return Next("status", {}, ONCE) if asked else WATCH


JOB = Job(
    "status",
    "show runs and submissions",
    ("status", "data"),
    references=True,
    multirun=False,
    flags={"--watch": "status.watch=5"},
    following=_following,
    takes_over=("status",),
    previews=False,
)
