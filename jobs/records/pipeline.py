"""jobs.pipeline: other jobs, one after the other."""

from jobs.records.job import Job

JOB = Job(
    "pipeline",
    "run jobs one after the other",
    (
        "pipeline", "quickstart", "data", "tokenizer", "prepare", "model", "objective", "optim", "train", "probe",
        "sweep", "export",
        "cluster",
    ),
    is_chain=True,
    following=lambda ended: ["-m", "tensorboard.main", "--logdir", ended.config.runs_dir],
)  # fmt: skip
