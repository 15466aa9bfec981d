"""What a person should know of a run before its first step, and may not have meant."""

from collections.abc import Iterator

from conf.schema import Config
from model.training.data.inputs import Data
from model.training.data.order import Plan
from model.training.timeline.phase import MAIN, Phase
from model.training.timeline.timeline import Course

READINGS = 4
"""Up to about so many readings, text that is read again is worth nearly as much as new text (arXiv 2305.16264)."""


def remarks(config: Config, data: Data, course: Course) -> Iterator[str]:
    """A line for each of them."""
    yield from _unused_rows(config, data)
    if not data.validation:
        yield "no loss on held-out text is measured: data.validation names none (data.validation.law=data/law_dev/tokens)"
    for phase in course.phases:
        plan = data.plans[phase.name]
        if (read := epochs(course, phase, plan)) > READINGS:
            keys = "train.steps or train.tokens" if phase.name == MAIN else f"phases.{phase.name}.tokens or budget"
            where = "" if phase.name == MAIN else f"phase {phase.name}: "
            yield (
                f"warning: {where}{plan.tokens.folder} is read {read:,.1f} times, and text that is read more than"
                f" {READINGS} times teaches little more; lower {keys}, or prepare more text"
            )


def _unused_rows(config: Config, data: Data) -> Iterator[str]:
    tokens, rows = vocabulary(data), config.model.vocab_size
    if rows > tokens:
        yield (
            f"vocabulary: {tokens:,} tokens of {config.data.tokenizer} in {rows:,} rows of the net;"
            f" {1 - tokens / rows:.1%} are unused"
        )


def vocabulary(data: Data) -> int:
    """Tokens of the tokenizer."""
    return next(iter(data.plans.values())).tokens.manifest["vocab_size"]


def epochs(course: Course, phase: Phase, plan: Plan) -> float:
    """How often ``phase`` reads its text."""
    return (phase.samples(phase.last) - phase.samples(max(phase.first, course.start))) / len(plan.train)
