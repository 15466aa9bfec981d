"""The bar, or a line now and then, for the person who watches."""

from common.progress import Bar
from model.training.callbacks.callback import Callback, Record


class Progress(Callback):
    """Steps done, time left, and the last loss, learning rate and speed."""

    def start(self, loop) -> None:
        """Show the bar at the step where the run goes on."""
        self.speed, self.loss = "", ""
        self.bar = Bar("train", loop.total, "steps").__enter__()
        self.bar.advance(loop.state.step)

    def step(self, loop, record: Record) -> None:
        """Move it."""
        if not record["step"]:
            return
        if record.get("tokens_per_second"):
            self.speed = f" {record['tokens_per_second']:,.0f} tokens/s"
        if record["loss"] is not None:
            self.loss = f"loss {record['loss']:.3f}"
        self.bar.advance(1, f"{self.loss} lr {record['lr']:.1e}{self.speed}")

    def close(self) -> None:
        """Take it away."""
        if hasattr(self, "bar"):
            self.bar.__exit__()
