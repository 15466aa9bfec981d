"""Speed: tokens (pairs, sequences) per second and the share of the machine's peak."""

import torch

from model.training.callbacks.callback import Callback
from model.training.callbacks.step_record import SPEED, StepRecord
from model.training.cost.flops import peak_flops, utilisation


class Throughput(Callback):
    """Records `tokens_per_second`, for an objective that counts something else that too (`pairs_per_second`), and
    `mfu`, over the steps since they were last told, without the time of checkpoints and evaluations."""

    def __init__(self, every_steps: int, precision: str):
        """``every_steps``: average over so many steps; ``precision``: of the peak that `mfu` is a share of."""
        self.every_steps, self.precision = max(1, every_steps), precision
        self._begin()

    def _begin(self) -> None:
        self.tokens = self.count = self.flops = self.seconds = 0.0

    def start(self, loop) -> None:
        """Look the machine's peak up; there is none for a CPU."""
        device = loop.world.device
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        self.peak, self.devices, self.unit = peak_flops(name, self.precision), loop.world.size, loop.objective.unit

    def step(self, loop, record: StepRecord) -> None:
        """Add up, and tell where it is due."""
        if not record.step:
            return
        self.tokens += record.tokens
        self.count += record.count
        self.flops += record.flops
        self.seconds += record.seconds
        if record.step % self.every_steps == 0 or record.step == loop.total:
            for unit, amount in {
                self.unit: self.count,
                "tokens": self.tokens,
            }.items():  # of tokens, those that are read
                record(f"{SPEED}/{unit}_per_second", round(amount / self.seconds, 1))
            record(f"{SPEED}/mfu", utilisation(self.flops, self.seconds, self.peak, self.devices))
            self._begin()
