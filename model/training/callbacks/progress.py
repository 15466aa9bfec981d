"""The bar, or a line now and then, for the person who watches."""

from common.progress import Bar
from model.training.callbacks.callback import Callback
from model.training.callbacks.step_record import SPEED, TRAIN, StepRecord


class Progress(Callback):
    """Steps done, time left, and the last loss, learning rate and speed."""

    def start(self, loop) -> None:
        """Show the bar at the step where the run goes on."""
        self.speed, self.loss = "", ""
        self.bar = Bar("train", loop.total, "steps").__enter__()
        self.bar.advance(loop.state.step)

    def step(self, loop, record: StepRecord) -> None:
        """Move it."""
        if not record.step:
            return
        metrics = record.metrics
        if speed := metrics.get(f"{SPEED}/tokens_per_second"):
            self.speed = f" {speed:,.0f} tokens/s"
        if (loss := metrics[f"{TRAIN}/loss"]) is not None:
            self.loss = f"loss {loss:.3f}"
        self.bar.advance(1, f"{self.loss} lr {metrics[f'{TRAIN}/lr']:.1e}{self.speed}")

    def close(self) -> None:
        """Take it away."""
        if hasattr(self, "bar"):
            self.bar.__exit__()
