"""Loss on held-out documents."""

import math

from model.megatron import ranks
from model.megatron.step import eval_step
from model.training.callbacks.callback import Callback, Record
from model.training.phase import MAIN
from model.training.plan import Plan


class Validation(Callback):
    """Evaluates every so many steps, at every probe checkpoint, and where the run ends; adds `validation_loss`,
    `validation_accuracy`, and, where the held-out text has names, `validation_losses`: name -> loss. The first of them is
    `validation_loss`."""

    def __init__(self, packs: int, every_steps: int):
        """``packs``: held-out packs of one evaluation; ``every_steps``: 0 for probe checkpoints only."""
        self.packs, self.every_steps = packs, every_steps

    def step(self, loop, record: Record) -> None:
        """Evaluate where it is due."""
        step = record["step"]
        texts = {name: plan for name, plan in loop.data.validation.items() if min(self.packs, len(plan.validation))}
        if not texts or not (
            loop.save_points.probe_due(step) or (self.every_steps and step and step % self.every_steps == 0)
        ):
            return
        results = {
            name: eval_step(loop.model, loop.objective.loss, self._batches(loop, plan)) for name, plan in texts.items()
        }
        result, state = next(iter(results.values())), loop.state
        state.validation_loss = result.loss if math.isfinite(result.loss) else None
        record.update(
            validation_loss=state.validation_loss, validation_accuracy=result.sums["correct"] / max(1, result.tokens)
        )
        if list(results) != [MAIN]:
            record["validation_losses"] = {name: one.loss for name, one in results.items() if math.isfinite(one.loss)}

    def _batches(self, loop, plan: Plan) -> list:
        """This rank's share of the first held-out packs, as evaluation shows them; all of them if too few to share."""
        size, count = loop.config.train.micro_batch, min(self.packs, len(plan.validation))
        starts = range(0, count, size)
        rank, size_of_group = ranks.data_rank()
        if len(starts) >= size_of_group:
            starts = starts[rank::size_of_group]
        samples = [[plan.validation_sample(i) for i in range(start, min(start + size, count))] for start in starts]
        return [loop.objective.batch(chunk, train=False).to(loop.world.device) for chunk in samples]
