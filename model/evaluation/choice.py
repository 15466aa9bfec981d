"""What decides the best checkpoint of a run: retrieval, the perplexity of a text or a metric of a task, and in which
direction."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import UserError, suggestion
from common.progress import say
from conf.schema import Config
from model.evaluation.measure import Wanted, sets
from model.evaluation.measures.perplexity.measure import Perplexity
from model.evaluation.measures.retrieval.metrics import parse_metric
from model.evaluation.measures.tasks.measure import TaskScores
from model.evaluation.results import Result


@dataclass(frozen=True)
class Choice:
    """``sweep.metric``, understood."""

    name: str
    kind: str
    """retrieval, perplexity or task."""
    part: str
    """Split, text or task."""
    metric: str
    """ndcg@10, token or acc, say."""


@dataclass(frozen=True)
class Scores:
    """The chosen metric at the checkpoints where it was measured."""

    values: dict[int, float]
    """By step, ascending."""
    lower: bool
    """Whether less is better."""

    def best(self, steps: Sequence[int]) -> int | None:
        """The step of ``steps`` with the best value, of equal ones the earliest; None where none has one."""
        there = [step for step in self.values if step in set(steps)]
        return (min if self.lower else max)(there, key=self.values.__getitem__) if there else None


def parse_choice(config: Config) -> Choice:
    """Section `sweep`'s metric. Raises UserError, with a suggestion, for one that nothing of this configuration
    measures."""
    name = config.sweep.metric
    kind, _, rest = name.partition("/")
    if kind == "perplexity":
        texts = list(sets(config.evaluation))
        if rest not in texts:
            there = (
                f"it takes perplexity/ and one of {', '.join(texts)}"
                if texts
                else "evaluation.domain and evaluation.general are empty"
            )
            raise UserError(f"sweep.metric={name} is unknown; {there}{suggestion(rest, texts)}")
        return Choice(name, kind, rest, "token")
    if kind == "task":
        task, _, metric = rest.rpartition("/")
        if not (task and metric and config.evaluation.tasks):
            there = "write task/<task>/<metric>" if config.evaluation.tasks else "evaluation.tasks is empty"
            raise UserError(f"sweep.metric={name} cannot be measured; {there}")
        return Choice(name, kind, task, metric)
    try:
        return Choice(name, "retrieval", *parse_metric(name))
    except UserError as error:
        others = (
            ", or perplexity/<text>, or task/<task>/<metric>"
            if sets(config.evaluation) or config.evaluation.tasks
            else ""
        )
        raise UserError(f"{error}{others}") from None


def choose(config: Config, wanted: Wanted, tasks: Sequence[TaskScores]) -> Choice:
    """`parse_choice`. Where that is a retrieval metric and retrieval is not measured: the perplexity of the first text,
    those of the domain first, or the first metric of the first task; that is said."""
    choice = parse_choice(config)
    if choice.kind != "retrieval" or wanted.retrieval:
        return choice
    if wanted.perplexity:
        first = next(iter(sets(config.evaluation)))
        found = Choice(f"perplexity/{first}", "perplexity", first, "token")
    else:
        task, scores = next(iter(tasks[0].scores.items()))
        metric = next(iter(scores))
        found = Choice(f"task/{task}/{metric}", "task", task, metric)
    say(f"retrieval is not measured, so the best checkpoint is chosen by sweep.metric={found.name}")
    return found


def scores(
    choice: Choice, results: Sequence[Result], perplexity: Sequence[Perplexity], tasks: Sequence[TaskScores]
) -> Scores:
    """What ``choice`` reads of each checkpoint. Raises UserError for a task or metric that no result has."""
    if choice.kind == "retrieval":
        return Scores({result.step: result.mean(choice.part, choice.metric) for result in results}, lower=False)
    if choice.kind == "perplexity":
        return Scores({one.step: one.value(choice.part, choice.metric) for one in perplexity}, lower=True)
    found = {one.step: one.scores.get(choice.part, {}).get(choice.metric) for one in tasks}
    if None in found.values():
        known = sorted(
            {f"task/{task}/{metric}" for one in tasks for task, metrics in one.scores.items() for metric in metrics}
        )
        raise UserError(
            f"sweep.metric={choice.name} was not measured; it takes {', '.join(known)}{suggestion(choice.name, known)}"
        )
    return Scores(
        {step: score.value for step, score in found.items()}, lower=any(score.lower for score in found.values())
    )
