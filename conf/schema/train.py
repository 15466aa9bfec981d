"""Section `train`: length, batch, checkpoints and evaluation of the loop."""

from dataclasses import dataclass, field
from typing import Annotated

from conf.schema.ranges import Count, Magnitude, PartShare, Positive, Range, Share

HELD_OUT = 0.01
"""Share of the documents that is held out where nothing is said."""


@dataclass
class CheckpointConfig:
    """When checkpoints are made and which are kept."""

    probe_every_steps: Count = 0
    """A probe checkpoint (with the hf/ half) every so many steps; 0 for none by period."""
    probe_at_tokens: list[Count] = field(default_factory=list)
    """Probe checkpoints at the first step at or after each of these token counts."""
    probe_share: Share = 0.1
    """A probe checkpoint after each such share of the steps, where neither of the two above is given; 0 for none by
    share. The last step has one in any case."""
    probe_at_start: bool = True
    """A probe checkpoint of step 0, the untrained model."""
    resume_every_steps: Count = 0
    """A resume checkpoint every so many steps; 0 for none by period."""
    resume_every_minutes: Magnitude = 30.0
    """A resume checkpoint every so many minutes; 0 for none by time."""
    keep_last: Count = 2
    """Resume checkpoints kept."""
    keep_every_steps: Count = 0
    """Keep every checkpoint whose step is a multiple of this; 0 for none."""
    keep_probes: Count = 0
    """Probe checkpoints kept once they are probed, the best and the last ones; 0 keeps all."""


@dataclass
class TrainConfig:
    """One run of the training loop."""

    seq_length: Annotated[int, Range(2)] = 1024
    """Capacity of a pack in tokens; longer documents are cut into pieces of at most this."""
    global_batch: Positive = 4608
    """Packs per optimizer step, over all ranks."""
    micro_batch: Positive = 16
    """Packs per forward pass of one rank; gradients are accumulated over the rest."""
    batch_ramp_start: Count = 0
    """Global batch at the start of a linear ramp; 0 for no ramp."""
    batch_ramp_tokens: Count = 0
    """Tokens over which the batch grows from batch_ramp_start to global_batch."""
    steps: Count = 0
    """Optimizer steps of the run; set this or tokens, not both."""
    tokens: Count = 0
    """Length of the run in tokens (packs of seq_length); set this or steps, not both."""
    validation_fraction: PartShare | None = None
    """Share of the documents, chosen by a hash of their index, that is never trained on; null: 0.01, and with `phases`
    0, since a document may be in several of them."""
    eval_every_steps: Count = 0
    """Evaluate on held-out documents every so many steps; 0 only at probe checkpoints."""
    eval_packs: Count = 64
    """Packs of held-out text in one evaluation."""
    log_every_steps: Positive = 1
    """Write metrics every so many steps."""
    init_from: str | None = None
    """Weights to start from: a Hugging Face folder (or hf://org/name[@revision]) or a checkpoint of another run. Its
    shape must be that of section `model`, which by default (model=auto) is read there. Optimizer, data and steps begin
    anew."""
    allow_other_tokenizer: bool = False
    """Start from a net (`init_from`, `branch_from`) that was trained with another tokenizer than `data.tokenizer`, on
    purpose: where it is to learn another vocabulary. Without it that is refused, since such a net reads other words
    than it has learnt."""
    branch_from: str | None = None
    """A checkpoint folder of another run to start from; its data position and moments are taken over."""
    decay_only: bool = False
    """With branch_from: only decay, over `optim.schedule.decay_steps`, from the learning rate of that checkpoint."""
    nan_patience: Positive = 3
    """Steps in a row with a loss or gradient that is not finite (each is skipped) before the run stops."""
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    """Checkpoints."""

    def held_out(self, phases: bool) -> float:
        """`validation_fraction`, settled for a run that has ``phases`` or has none."""
        default = 0.0 if phases else HELD_OUT
        return default if self.validation_fraction is None else self.validation_fraction
