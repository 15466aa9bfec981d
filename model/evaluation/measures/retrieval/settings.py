"""Settings of the probe: its readouts, its numbers of steps, what its results depend on."""

from dataclasses import asdict, replace

from common.errors import UserError, suggestion
from common.files import digest_of
from conf.schema import Config, ProbeConfig

READOUTS = ("last", "cls", "emb", "cat")
"""last: mean of the last layer; cls: its first position (encoders alone); emb: mean of the embedding layer; cat:
[emb ; last]. Means skip the special tokens around a text."""
Budgets = dict[int | None, ProbeConfig]
"""Settings of each probe that a checkpoint gets: None is the full one, a number another count of contrastive steps."""


def check_readouts(names: list[str]) -> None:
    """Raise UserError for a readout that does not exist."""
    for name in names:
        if name not in READOUTS:
            raise UserError(
                f"the readout {name} is unknown; probe.readout and probe.beside take"
                f" {', '.join(READOUTS)}{suggestion(name, READOUTS)}"
            )


def check_lengths(config: ProbeConfig, longest: int) -> None:
    """Raise UserError where the probe reads texts of more than ``longest`` tokens."""
    for key in ("query_tokens", "train_document_tokens", "document_tokens"):
        length = getattr(config, key)
        if length > longest:
            raise UserError(
                f"probe.{key}={length} exceeds model.max_positions={longest}, so every probe would fail; lower it"
            )


def readouts(config: ProbeConfig) -> list[str]:
    """The main readout, then those beside it, each once."""
    return list(dict.fromkeys([config.readout, *config.beside]))


def settings_digest(config: ProbeConfig) -> str:
    """Digest of the settings that the result depends on (the size of a forward pass is not one)."""
    return digest_of({key: value for key, value in asdict(config).items() if key != "tokens_per_batch"})


def budgets(config: Config) -> Budgets:
    """The full probe, then that of each of ``sweep.budgets``, of the main readout alone. Raises UserError for a number
    below 0."""
    if negative := [steps for steps in config.sweep.budgets if steps < 0]:
        raise UserError(f"sweep.budgets={negative[0]} is negative; give numbers of contrastive steps")
    others = sorted(set(config.sweep.budgets) - {config.probe.steps})
    return {None: config.probe} | {steps: replace(config.probe, steps=steps, beside=[]) for steps in others}
