"""jobs.quality: a classifier of bad and good text."""

from conf.schema import Config
from jobs.records.following import to_corpus_with_rule
from jobs.records.inputs import paths
from jobs.records.job import Job


def _check(config: Config) -> None:
    from data_prep.quality.examples import check

    check(config.quality)


JOB = Job(
    "quality",
    "learn the quality classifier",
    ("quality", "data", "cluster"),
    home=lambda config: config.quality.model,
    needs=lambda config: paths("quality", config.quality.labelled or config.quality.good),
    check=_check,
    following=lambda ended: to_corpus_with_rule(
        ended.config, "quality", ended.config.quality.good or ended.config.quality.labelled
    ),
)
