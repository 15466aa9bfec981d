"""Check that a checkpoint's position matches this run's data order."""

from pathlib import Path

from common.errors import UserError
from model.training.checkpoints.state import TrainState
from model.training.data.inputs import Data
from model.training.timeline.phase import MAIN
from model.training.timeline.timeline import Timeline


def check_position(state: TrainState, digest: str, data: Data, timeline: Timeline, checkpoint: Path) -> None:
    """Raise UserError where ``checkpoint`` was trained on other samples than this run has, or on another number of
    them.

    ``digest`` is that of the data orders of the phases it had begun. Counts by source are those of whole steps, so they
    are right where their sum is what the order holds in as many samples."""
    begun = list(state.phases) or [timeline.phases[0].name]
    names = [phase.name for phase in timeline.phases]
    if begun != names[: len(begun)]:
        raise UserError(
            f"{checkpoint} has been through the phases {', '.join(begun)}, and this run has {', '.join(names)}; keep"
            " their"
            " order"
        )
    if digest != data.digest(begun):
        raise UserError(
            f"{checkpoint} was trained on another order of data than this run has; use the data.tokens (or phases),"
            " seed,"
            " train.seq_length and train.validation_fraction of its run"
        )
    for phase in timeline.phases[: len(state.phases)]:
        done = state.phases[phase.name]
        samples = done.samples if phase.name == MAIN else phase.samples(min(state.step, phase.last))
        if done.samples != samples:
            raise UserError(
                f"{checkpoint} has read {done.samples:,} samples of the phase {phase.name}, and this run would have"
                " read"
                f" {samples:,} by step {state.step:,}; keep the tokens and batches of the phases that have begun"
            )
        tokens = data.orders[phase.name].count_tokens(0, done.samples)
        if done.tokens != tokens:
            raise UserError(
                f"{checkpoint} counts {done.tokens:,} tokens in {done.samples:,} samples of the phase {phase.name}, and"
                " the"
                f" plan holds {tokens:,}; the two are not of one run"
            )
