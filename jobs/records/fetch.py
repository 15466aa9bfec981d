"""jobs.fetch: a mirror of the hub, and wheels."""

from jobs.records.following import Next
from jobs.records.job import Job

JOB = Job(
    "fetch",
    "mirror models, data and packages",
    ("fetch", "data"),
    references=True,
    multirun=False,
    following=lambda ended: Next("doctor"),
)
