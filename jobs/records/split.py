"""jobs.split: text to train on and text to measure with."""

from pathlib import Path

from jobs.records.following import to_tokens
from jobs.records.inputs import text
from jobs.records.job import Job

JOB = Job(
    "split",
    "hold documents out",
    ("data", "split", "prepare", "cluster"),
    home=lambda config: config.split.output,
    needs=text,
    following=lambda ended: to_tokens(ended.config, Path(ended.config.split.output) / "train.jsonl.zst"),
)
