"""At which steps probe saves are due: known before the first step."""

from dataclasses import dataclass

from conf.schema import SaveConfig
from model.training.batch_ramp import BatchRamp


@dataclass(frozen=True)
class SavePoints:
    """Probe saves of a run of ``total`` steps. Its last step is always one."""

    config: SaveConfig
    ramp: BatchRamp
    total: int

    def probe_due(self, step: int) -> bool:
        """Whether a probe save is due after ``step``: at the start, by steps, by tokens (capacity), at the end."""
        if step == 0:
            return self.config.probe_at_start
        if step == self.total or (self.config.probe_every_steps and step % self.config.probe_every_steps == 0):
            return True
        before, after = self.ramp.tokens(step - 1), self.ramp.tokens(step)
        return any(before < tokens <= after for tokens in self.config.probe_at_tokens)

    def resume_due(self, step: int, minutes: float) -> bool:
        """Whether a resume save is due after ``step``, ``minutes`` after the last save of any kind."""
        by_step = self.config.resume_every_steps and step % self.config.resume_every_steps == 0
        return bool(step and (by_step or 0 < self.config.resume_every_minutes <= minutes))

    def probe_steps(self, start: int = 0) -> list[int]:
        """All steps from ``start`` on after which a probe save is due."""
        by_tokens = {self.ramp.steps(tokens) for tokens in self.config.probe_at_tokens}
        by_steps = range(0, self.total + 1, self.config.probe_every_steps) if self.config.probe_every_steps else ()
        return [step for step in sorted({0, self.total, *by_tokens, *by_steps}) if start <= step <= self.total and self.probe_due(step)]
