"""jobs.mix: what a model reads, phase by phase, out of prepared sources."""

import dataclasses
from pathlib import Path

from common import manifest as manifests
from conf.schema import Config
from conf.schema.phase import scaled
from jobs.records.following import Ended, Next, to_training
from jobs.records.inputs import tokenizer, tokens
from jobs.records.job import Job


def _check(config: Config) -> None:
    from data_prep.mixture.budget import check_phases

    check_phases(config.mixture, scaled(config.phases, config.budget))


def _following(ended: Ended) -> Next:
    """The training on one phase, or on all of them."""
    config = ended.config
    if "experiment" in ended.keys or len(config.phases) > 1 or config.data.validation:  # an experiment has the phases
        return Next("train")
    output = Path(config.mixture.output) / next(iter(config.phases))
    alone = dataclasses.replace(config, phases={}, data=dataclasses.replace(config.data, tokens=str(output)))
    return Next("train", {"data.tokens": str(output), **to_training(alone).settings}, ("phases", "mixture", "budget"))


JOB = Job(
    "mix",
    "mix sources into phases",
    ("data", "mixture", "phases", "cluster"),
    home=lambda config: config.mixture.output,
    needs=lambda config: (
        {f"mixture.sources.{name}": tokens(folder) for name, folder in config.mixture.sources.items()}
        | tokenizer(config)
    ),
    is_done=lambda config: (
        bool(config.phases)
        and all((Path(config.mixture.output) / name / manifests.NAME).is_file() for name in config.phases)
    ),
    check=_check,
    following=_following,
)
