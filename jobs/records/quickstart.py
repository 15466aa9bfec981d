"""jobs.quickstart: text and a retrieval set out of what is installed."""

from pathlib import Path

from jobs.records.following import to_tokens
from jobs.records.job import Job

JOB = Job(
    "quickstart",
    "gather text and a retrieval set",
    ("quickstart", "data", "cluster"),
    home=lambda config: config.quickstart.output,
    more=lambda config: [config.data.retrieval],
    text_key="quickstart.folder",
    following=lambda ended: to_tokens(ended.config, Path(ended.config.quickstart.output) / "train.jsonl"),
)
