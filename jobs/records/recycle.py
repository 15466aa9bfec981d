"""jobs.recycle: documents that an LLM has rewritten."""

from pathlib import Path

from jobs.records.following import to_tokens
from jobs.records.inputs import paths
from jobs.records.job import Job

JOB = Job(
    "recycle",
    "rewrite documents by an LLM",
    ("recycle", "quality"),
    home=lambda config: config.recycle.output,
    needs=lambda config: paths("recycle.inputs", config.recycle.inputs),
    text_key="recycle.inputs",
    following=lambda ended: to_tokens(ended.config, Path(ended.config.recycle.output) / "documents"),
)
