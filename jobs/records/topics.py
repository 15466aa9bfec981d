"""jobs.topics: a classifier of topics."""

from conf.schema import Config
from jobs.records.following import to_corpus_with_rule
from jobs.records.inputs import paths
from jobs.records.job import Job


def _check(config: Config) -> None:
    from data_prep.topics.learn import check

    check(config.topics)


JOB = Job(
    "topics",
    "learn the topic classifier",
    ("topics", "data", "cluster"),
    home=lambda config: config.topics.model,
    needs=lambda config: paths("topics.labelled", config.topics.labelled),
    check=_check,
    following=lambda ended: to_corpus_with_rule(ended.config, "topics", ended.config.topics.labelled),
)
