"""What keeps the probes that a training is to start from being made."""

from pathlib import Path

from common.errors import UserError
from conf.schema import Config
from jobs.records.job import Coming
from jobs.records.sweep import check_lengths


def check_probes(config: Config) -> None:
    """Raise UserError where the configuration shows that the probes (`sweep.trigger`) could only fail."""
    if config.sweep.trigger == "manual":
        return
    from model.evaluation.choice import parse_choice
    from model.evaluation.measures import wanted_ahead
    from model.evaluation.tasks import Tasks

    parse_choice(config)
    wanted = wanted_ahead(config)
    if wanted.tasks:
        Tasks(config.evaluation).check()
    if wanted.retrieval:
        check_lengths(config)


def check_probe_files(config: Config, coming: Coming) -> None:
    """Raise UserError where what is to be measured on is not there, or does not do."""
    if config.sweep.trigger == "manual":
        return
    from model.evaluation.measures import sets, wanted_ahead
    from model.evaluation.retrieval_set import check_retrieval
    from model.evaluation.texts import text_files

    for name, (role, path) in sets(config.evaluation).items():
        if not coming(path):
            text_files(path, f"evaluation.{role}.{name}")
    if not wanted_ahead(config).retrieval or coming(config.data.retrieval):
        return
    if not Path(config.data.retrieval).exists():
        raise UserError(
            f"sweep.trigger={config.sweep.trigger} needs data.retrieval, and {config.data.retrieval} does not exist; make it first, or "
            "probe later with sweep.trigger=manual"
        )
    check_retrieval(config.data.retrieval)
