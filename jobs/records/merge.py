"""jobs.merge: an average of checkpoints."""

from jobs.records.following import Next
from jobs.records.inputs import paths
from jobs.records.job import Job

JOB = Job(
    "merge",
    "average checkpoints",
    ("merge", "sweep", "probe", "evaluation", "data", "cluster"),
    home=lambda config: config.merge.output,
    needs=lambda config: paths("merge.checkpoints", config.merge.checkpoints) or {"merge.run": config.merge.run},
    gpu=True,
    following=lambda ended: Next("status", {"status.artefact": ended.config.merge.output}),
)
