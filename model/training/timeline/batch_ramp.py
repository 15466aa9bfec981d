"""How many packs each step takes, and so how many steps a run has."""

import bisect
import itertools
from dataclasses import dataclass, field

from common.errors import UserError
from conf.schema import TrainConfig


@dataclass
class BatchRamp:
    """Global batch as a function of the tokens seen: linear from `batch_ramp_start` to `global_batch` over
    `batch_ramp_tokens`.

    The batch is rounded down to a multiple of micro_batch x data_parallel, so that every rank makes whole forward
    passes. Tokens here are capacity: packs x seq_length. They are known before the first step, so the number of steps
    is as well."""

    train: TrainConfig
    data_parallel: int = 1
    _ends: list[int] = field(default_factory=list, init=False, repr=False)
    """Packs seen after each step of the ramp."""

    def __post_init__(self) -> None:
        train, unit = self.train, self.unit
        for key in ("global_batch", "batch_ramp_start"):
            value = getattr(train, key)
            if value % unit or (key == "global_batch" and not value):
                raise UserError(
                    f"train.{key}={value} is not a multiple of train.micro_batch x data-parallel size ="
                    f" {train.micro_batch} x {self.data_parallel}; make it {max(unit, round(value / unit) * unit)}"
                )
        if train.batch_ramp_start and not (train.batch_ramp_tokens and train.batch_ramp_start <= train.global_batch):
            raise UserError(
                f"train.batch_ramp_start={train.batch_ramp_start} and train.batch_ramp_tokens={train.batch_ramp_tokens}"
                f" do not make a ramp to train.global_batch={train.global_batch}; set both, the start below the batch,"
                " or batch_ramp_start=0 for none"
            )
        seen = 0
        while train.batch_ramp_start and seen * train.seq_length < train.batch_ramp_tokens:
            seen += self.batch(seen)
            self._ends.append(seen)

    @property
    def unit(self) -> int:
        """Packs of one forward pass of all ranks."""
        return max(1, self.train.micro_batch * self.data_parallel)

    def batch(self, samples: int) -> int:
        """Packs of the step that begins after ``samples`` packs."""
        train = self.train
        tokens = samples * train.seq_length
        if not train.batch_ramp_start or tokens >= train.batch_ramp_tokens:
            return train.global_batch
        grown = (train.global_batch - train.batch_ramp_start) * tokens / train.batch_ramp_tokens
        return (train.batch_ramp_start + int(grown)) // self.unit * self.unit

    def samples(self, step: int) -> int:
        """Packs seen after ``step`` steps."""
        if step <= len(self._ends):
            return self._ends[step - 1] if step else 0
        return (self._ends[-1] if self._ends else 0) + (step - len(self._ends)) * self.train.global_batch

    def tokens(self, step: int) -> int:
        """Capacity in tokens seen after ``step`` steps."""
        return self.samples(step) * self.train.seq_length

    def steps(self, tokens: int) -> int:
        """Steps until at least ``tokens`` tokens of capacity are seen."""
        packs = -(-tokens // self.train.seq_length)
        last = self._ends[-1] if self._ends else 0
        if packs <= last:
            return bisect.bisect_left(self._ends, packs) + 1 if packs else 0
        return len(self._ends) + -(-(packs - last) // self.train.global_batch)

    def sizes(self) -> list[tuple[int, int]]:
        """(first step, packs) each time the batch changes."""
        sizes = [(step + 1, self.batch(self.samples(step))) for step in range(len(self._ends) + 1)]
        return [next(group) for _, group in itertools.groupby(sizes, key=lambda size: size[1])]


def total_steps(train: TrainConfig, ramp: BatchRamp) -> int:
    """Steps of the whole run, from `train.steps` or `train.tokens`. Raises UserError unless exactly one is set."""
    if not train.steps and not train.tokens:
        raise UserError(
            "train.steps=0 and train.tokens=0: set one of them, or name phases with their tokens"
            " (phases.main.tokens=...)"
        )
    if train.steps and train.tokens:
        raise UserError(
            f"train.steps={train.steps} and train.tokens={train.tokens}: set one of them, and the other to 0"
        )
    return train.steps or ramp.steps(train.tokens)
