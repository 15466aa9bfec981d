"""What a person should know of a run before its first step, and may not have meant."""

from collections.abc import Iterator

from model.training.context import Training
from model.training.timeline.phase import MAIN, Phase

READINGS = 4
"""Up to about so many readings, text that is read again is worth nearly as much as new text (arXiv 2305.16264)."""


def remarks(training: Training) -> Iterator[str]:
    """A line for each of them."""
    yield from _unused_rows(training)
    if not training.data.validation:
        yield (
            "no loss on held-out text is measured: data.validation names none (data.validation.law=data/law_dev/tokens)"
        )
    for phase in training.timeline.phases:
        if (read := epochs(training, phase)) > READINGS:
            keys = "train.steps or train.tokens" if phase.name == MAIN else f"phases.{phase.name}.tokens or budget"
            where = "" if phase.name == MAIN else f"phase {phase.name}: "
            yield (
                f"warning: {where}{training.data.orders[phase.name].folder} is read {read:,.1f} times, and text that is"
                " read"
                f" more than {READINGS} times teaches little more; lower {keys}, or prepare more text"
            )


def _unused_rows(training: Training) -> Iterator[str]:
    config = training.config
    tokens, rows = next(iter(training.data.orders.values())).vocab_size, config.model.vocab_size
    if tokens and rows > tokens:
        yield (
            f"vocabulary: {tokens:,} tokens of {config.data.tokenizer} in {rows:,} rows of the net;"
            f" {1 - tokens / rows:.1%} are"
            " unused"
        )


def epochs(training: Training, phase: Phase) -> float:
    """How often ``phase`` reads its text."""
    begins = max(phase.first, training.timeline.start)
    return (phase.samples(phase.last) - phase.samples(begins)) / len(training.data.orders[phase.name])
