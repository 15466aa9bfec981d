"""The registry of measures, in the order in which they are made and told. A measure is added by a line in
`MEASURES`."""

from collections.abc import Iterable

from common.errors import UserError, suggestion
from common.files import read_json
from common.layout import HF
from conf.families import DecoderFamily, family_in
from conf.schema import Config, EncoderConfig
from model.evaluation.interface.measure import Measure
from model.evaluation.measures.perplexity.measure import PerplexityMeasure
from model.evaluation.measures.retrieval.measure import Retrieval
from model.evaluation.measures.tasks.measure import TaskMeasure
from model.training.checkpoints.checkpoints import Checkpoint

MEASURES: dict[str, type[Measure]] = {measure.name: measure for measure in (PerplexityMeasure, TaskMeasure, Retrieval)}
"""Name of each measure -> its class."""


def register(measure: type[Measure]) -> type[Measure]:
    """Add a measure, as a decorator of its class. Raises ValueError for a name that is taken."""
    if measure.name in MEASURES:
        raise ValueError(f"there is a measure {measure.name} already")
    MEASURES[measure.name] = measure
    return measure


def asked(config: Config) -> list[type[Measure]]:
    """Measures that a configuration, and what lies where it points, ask for."""
    return [measure for measure in MEASURES.values() if measure.asked(config)]


def needs(config: Config) -> dict[str, str]:
    """Key -> path of what those that are asked for read; of all where none is."""
    measures: Iterable[type[Measure]] = asked(config) or MEASURES.values()
    return {key: path for measure in measures for key, path in measure.needs(config).items()}


def wanted_of(config: Config, decoder: bool) -> list[type[Measure]]:
    """Measures that are made of a net that is a decoder, or an encoder.

    Raises UserError where there are none, and for what the other kind of net has alone.
    """
    measures = [measure for measure in MEASURES.values() if measure.wanted(config, decoder)]
    if not measures:
        lacking = ", ".join(measure.lacking(config) for measure in MEASURES.values())
        raise UserError(f"there is nothing to measure: {lacking}; set one of them")
    return measures


def wanted(config: Config, checkpoint: Checkpoint) -> list[type[Measure]]:
    """`wanted_of` the net in the hf/ half of a checkpoint."""
    return wanted_of(config, is_decoder(checkpoint))


def wanted_ahead(config: Config) -> list[type[Measure]]:
    """`wanted_of` the net that ``config`` trains, before there is a checkpoint."""
    return wanted_of(config, not isinstance(config.model, EncoderConfig))


def is_decoder(checkpoint: Checkpoint) -> bool:
    """Whether the net in the hf/ half of a checkpoint is a decoder."""
    return isinstance(family_in(read_json(checkpoint.folder / HF / "config.json")), DecoderFamily)


def check_metric(config: Config) -> type[Measure]:
    """The measure whose metric `sweep.metric` is. Raises UserError, with a suggestion, for one that nothing of this
    configuration measures."""
    metric = config.sweep.metric
    for measure in MEASURES.values():
        if measure.owns(metric):
            measure.check_metric(config, metric)
            return measure
    names = [name for measure in MEASURES.values() for name in measure.metric_names(config)]
    raise UserError(f"sweep.metric={metric} is unknown; it takes {', '.join(names)}{suggestion(metric, names)}")


def depends(config: Config) -> dict[str, object]:
    """What a choice by `sweep.metric` depends on beside the sections of the configuration."""
    return {key: value for measure in asked(config) for key, value in measure.depends(config).items()}
