"""What decides the best checkpoint of a run: one metric of one measure, and in which direction."""

from collections.abc import Sequence

from common.errors import UserError, suggestion
from common.progress import say
from conf.schema import Config
from model.evaluation.interface.measure import Measure
from model.evaluation.interface.result import Scores
from model.evaluation.registry import check_metric


def choose(config: Config, measures: Sequence[Measure]) -> tuple[Measure, str]:
    """The measure and the metric that choose. Where the measure of `sweep.metric` is not made of this net: the first
    metric of the first measure that is; that is said."""
    owner, metric = check_metric(config), config.sweep.metric
    for measure in measures:
        if isinstance(measure, owner):
            return measure, metric
    first = next(measure for measure in measures if measure.results)
    metric = next(iter(first.scores(first.results[0])))
    say(f"{owner.name} is not measured, so the best checkpoint is chosen by sweep.metric={metric}")
    return first, metric


def scores(measure: Measure, metric: str) -> Scores:
    """The metric at each checkpoint. Raises UserError for one that no result has."""
    by_step = {result.step: measure.scores(result) for result in measure.results}
    if any(metric not in own for own in by_step.values()):
        names = sorted({name for own in by_step.values() for name in own})
        raise UserError(
            f"sweep.metric={metric} was not measured; it takes {', '.join(names)}{suggestion(metric, names)}"
        )
    chosen = {step: own[metric] for step, own in by_step.items()}
    return Scores({step: score.value for step, score in chosen.items()}, any(score.lower for score in chosen.values()))
