"""At which steps probe checkpoints are due: known before the first step."""

from dataclasses import dataclass
from functools import cached_property

from conf.schema import CheckpointConfig
from model.training.timeline.schedule import TokenClock


@dataclass(frozen=True)
class CheckpointSteps:
    """Probe checkpoints of a run of ``total`` steps. Its last step is always one."""

    config: CheckpointConfig
    clock: TokenClock
    total: int
    ends: tuple[int, ...] = ()
    """Last steps of phases; each has a probe checkpoint."""
    start: int = 0
    """Steps made before the run: those of the checkpoint that it branches from."""

    def probe_due(self, step: int) -> bool:
        """Whether a probe checkpoint is due after ``step``: at the start, by steps, by tokens (capacity), by shares of
        the run, at the end."""
        if step == 0:
            return self.config.probe_at_start
        if step in (self.total, *self.ends, *self._by_share) or (
            self.config.probe_every_steps and step % self.config.probe_every_steps == 0
        ):
            return True
        before, after = self.clock.tokens(step - 1), self.clock.tokens(step)
        return any(before < tokens <= after for tokens in self.config.probe_at_tokens)

    @cached_property
    def _by_share(self) -> frozenset[int]:
        """Where neither a period nor tokens are given: steps after each share of the run."""
        share, own = self.config.probe_share, self.total - self.start
        if not share or self.config.probe_every_steps or self.config.probe_at_tokens:
            return frozenset()
        if share * own <= 1:
            return frozenset(range(self.start + 1, self.total + 1))
        return frozenset(self.start + round(share * number * own) for number in range(1, int(1 / share) + 1))

    def resume_due(self, step: int, minutes: float) -> bool:
        """Whether a resume checkpoint is due after ``step``, ``minutes`` after the last checkpoint of any kind."""
        by_step = self.config.resume_every_steps and step % self.config.resume_every_steps == 0
        return bool(step and (by_step or 0 < self.config.resume_every_minutes <= minutes))

    def probe_steps(self, start: int = 0) -> list[int]:
        """All steps from ``start`` on after which a probe checkpoint is due."""
        by_tokens = {self.clock.steps(tokens) for tokens in self.config.probe_at_tokens}
        by_steps = range(0, self.total + 1, self.config.probe_every_steps) if self.config.probe_every_steps else ()
        return [
            step
            for step in sorted({0, self.total, *self.ends, *by_tokens, *by_steps, *self._by_share})
            if start <= step <= self.total and self.probe_due(step)
        ]
