"""Loss on held-out documents."""

from model.megatron import ranks
from model.megatron.step import eval_step
from model.training.callbacks.callback import Callback
from model.training.callbacks.step_record import VALIDATION, StepRecord
from model.training.data.source import DataOrder
from model.training.timeline.phase import MAIN


class Validation(Callback):
    """Evaluates every so many steps, at every probe checkpoint, and where the run ends. Records validation/loss and
    what the objective records beside it, of the first text; and, where the held-out text has names,
    validation/losses/<name> of each."""

    def __init__(self, packs: int, every_steps: int):
        """``packs``: held-out packs of one evaluation; ``every_steps``: 0 for probe checkpoints only."""
        self.packs, self.every_steps = packs, every_steps

    def step(self, loop, record: StepRecord) -> None:
        """Evaluate where it is due."""
        step = record.step
        texts = {name: order for name, order in loop.data.validation.items() if min(self.packs, order.validation_items)}
        periodic = self.every_steps and step and step % self.every_steps == 0
        if not texts or not (loop.checkpoint_steps.probe_due(step) or periodic):
            return
        results = {
            name: eval_step(loop.model, loop.objective.loss, self._batches(loop, order))
            for name, order in texts.items()
        }
        first = next(iter(results.values()))
        for name, value in {"loss": first.loss, **first.metrics}.items():
            record(f"{VALIDATION}/{name}", value)
        loop.state.validation_loss = record.metrics[f"{VALIDATION}/loss"]
        if list(results) != [MAIN]:
            for name, result in results.items():
                record(f"{VALIDATION}/losses/{name}", result.loss)

    def _batches(self, loop, order: DataOrder) -> list:
        """This rank's share of the first held-out packs, as evaluation shows them; all of them if too few to share."""
        size, count = loop.config.train.micro_batch, min(self.packs, order.validation_items)
        starts = range(0, count, size)
        rank, size_of_group = ranks.data_rank()
        if len(starts) >= size_of_group:
            starts = starts[rank::size_of_group]
        samples = [[order.validation_sample(i) for i in range(start, min(start + size, count))] for start in starts]
        return [loop.objective.batch(chunk, train=False).to(loop.world.device) for chunk in samples]
