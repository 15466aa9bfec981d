"""What a person should know of a run before its first step, and may not have meant."""

from collections.abc import Iterator

from model.training.course import Course
from model.training.data import Data
from model.training.phase import MAIN, Phase
from model.training.plan import Plan

READINGS = 4
"""Up to about so many readings, text that is read again is worth nearly as much as new text (arXiv 2305.16264)."""


def remarks(data: Data, course: Course) -> Iterator[str]:
    """A line for each of them."""
    for phase in course.phases:
        plan = data.plans[phase.name]
        if (read := epochs(course, phase, plan)) > READINGS:
            keys = "train.steps or train.tokens" if phase.name == MAIN else f"phases.{phase.name}.tokens or budget"
            where = "" if phase.name == MAIN else f"phase {phase.name}: "
            yield (
                f"warning: {where}{plan.tokens.folder} is read {read:,.1f} times, and text that is read more than {READINGS} times "
                f"teaches little more; lower {keys}, or prepare more text"
            )


def epochs(course: Course, phase: Phase, plan: Plan) -> float:
    """How often ``phase`` reads its text."""
    return (phase.samples(phase.last) - phase.samples(max(phase.first, course.start))) / len(plan.train)
