"""What keeps the probes that a training is to start from being made."""

from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import UserError
from conf.schema import Config
from jobs.records.job import Coming


def check_probes(config: Config) -> None:
    """Raise UserError where the configuration shows that the probes (`sweep.trigger`) could only fail."""
    if config.sweep.trigger == "manual":
        return
    from model.evaluation.registry import check_metric, wanted_ahead
    from model.training.run.open_model import close_model

    check_metric(config)
    net = close_model(config, ahead=True).model
    for measure in wanted_ahead(config):
        measure.check_net(config, net)
        with _or_later():
            measure.check(config)


def check_probe_files(config: Config, coming: Coming) -> None:
    """Raise UserError where what is to be measured on is not there, or does not do."""
    if config.sweep.trigger == "manual":
        return
    from model.evaluation.registry import wanted_ahead

    for measure in wanted_ahead(config):
        with _or_later():
            measure.check_files(config, coming)


@contextmanager
def _or_later() -> Iterator[None]:
    """Have a UserError name the other way out."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{error}, or measure later with sweep.trigger=manual") from error
