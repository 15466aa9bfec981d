"""jobs.embedder: a static embedding for semantic duplicates."""

from jobs.records.following import to_corpus
from jobs.records.inputs import text, tokenizer
from jobs.records.job import Job

JOB = Job(
    "embedder",
    "learn a static embedding",
    ("data", "corpus", "prepare", "cluster"),
    home=lambda config: config.corpus.semantic.model,
    needs=lambda config: text(config) | tokenizer(config),
    following=lambda ended: to_corpus(ended.config, {"corpus.semantic.enabled": True}, ended.config.data.inputs),
)
