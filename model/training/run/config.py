"""The frozen configuration of a run: what determines its training, and what may differ when it is continued."""

import dataclasses
from pathlib import Path
from typing import Any

from common.environment import resolve_threads
from common.layout import CONFIG
from common.numbers import same
from common.read_yaml import read_yaml
from conf.schema import Config, PhaseConfig
from conf.schema.kinds import section, typed

SECTIONS = ("model", "objective", "optim", "parallel", "train")
# What may differ when a run is continued: paths (the digests of what they hold may not), and what watches the training
# without changing it.
FREE = (
    "data.", "train.checkpoint.", "train.log_every_steps", "train.eval_every_steps", "train.eval_packs",
    "train.nan_patience", "train.allow_other_tokenizer",
)  # fmt: skip
PHASES = ("phases.", "budget")
"""Where phases are described: those that have not begun may change."""
# What may differ too: the samples stay the same, and losses agree to rounding (to dropout, with another micro-batch),
# not bit for bit.
LAYOUT = (
    "parallel.tensor", "parallel.pipeline", "parallel.context", "parallel.sequence", "parallel.distributed_optimizer",
    "parallel.recompute", "parallel.threads", "parallel.attention", "train.micro_batch",
)  # fmt: skip
# What may differ as long as no step has been made whose learning rate depended on it: a run may be extended before its
# decay begins.
EXTENDS = (
    "train.steps",
    "train.tokens",
    "optim.schedule.decay_steps",
    "optim.schedule.decay_share",
    "optim.schedule.decay_shape",
    "optim.schedule.min_lr_ratio",
)


def keep_settled(config: Config, wanted: dict[str, Any], before: dict[str, Any]) -> None:
    """Let ``wanted`` have what the run has settled ``before`` wherever ``config`` leaves it open."""
    _keep_numbers(wanted["model"], before["model"])
    if not config.parallel.threads:
        wanted["parallel"]["threads"] = before["parallel"]["threads"]
    if config.parallel.precision == "auto":
        wanted["parallel"]["precision"] = before["parallel"]["precision"]
    schedule = config.optim.schedule
    if schedule.warmup_share is None and not (schedule.warmup_steps or schedule.warmup_tokens):
        wanted["optim"]["schedule"]["warmup_share"] = before["optim"]["schedule"]["warmup_share"]
    if schedule.decay_share is None and not schedule.decay_steps:
        wanted["optim"]["schedule"]["decay_share"] = before["optim"]["schedule"]["decay_share"]


def _keep_numbers(wanted: dict[str, Any], before: dict[str, Any]) -> None:
    """Let ``wanted`` have the numbers of ``before`` that are the same within fp32, so that a net read from a file goes
    on to the bit."""
    for key, value in wanted.items():
        if isinstance(value, dict) and isinstance(before.get(key), dict):
            _keep_numbers(value, before[key])
        elif same(value, before.get(key)):
            wanted[key] = before[key]


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """`difference` of two frozen configurations in what determines the training."""
    return {key: pair for key, pair in difference(before, after).items() if not _is_free(key)}


def _is_free(key: str) -> bool:
    return key.startswith(FREE) or (key.startswith("phases.") and key.endswith(".data"))


def complete(frozen: dict[str, Any]) -> dict[str, Any]:
    """A frozen configuration with the defaults of keys that the schema has got since it was written."""
    known = {name: dataclasses.asdict(section(Config, name, frozen[name])) for name in SECTIONS}
    phases = {name: dataclasses.asdict(PhaseConfig(**phase)) for name, phase in frozen.get("phases", {}).items()}
    return {**frozen, **known, "phases": phases, "budget": frozen.get("budget", 1.0)}


def read_config(folder: str | Path) -> dict[str, Any]:
    """The frozen configuration of the run in ``folder``. Raises UserError when it cannot be read."""
    return read_yaml(Path(folder) / CONFIG)


def load_config(folder: str | Path) -> Config:
    """The configuration of the run in ``folder`` as far as it determines the training; the rest has its defaults."""
    return typed(Config, complete(read_config(folder)))


def freeze(config: Config) -> dict[str, Any]:
    """The part of ``config`` that determines a training, as plain values, with the number of threads, the schedule's
    shares and the share that is held out resolved; a `parallel.precision` of auto is left to the device
    (`prepare_run`)."""
    sections = {name: dataclasses.asdict(getattr(config, name)) for name in SECTIONS}
    sections["parallel"]["threads"] = resolve_threads(config.parallel.threads)
    sections["optim"]["schedule"] = dataclasses.asdict(config.optim.schedule.settled())
    sections["train"]["validation_fraction"] = config.train.held_out(bool(config.phases))
    data = {
        "tokenizer": config.data.tokenizer,
        "tokens": config.data.tokens,
        "validation": dict(config.data.validation),
    }
    phases = {name: dataclasses.asdict(phase) for name, phase in config.phases.items()}
    for name, phase in phases.items():
        phase["data"] = phase["data"] or str(Path(config.mixture.output) / name)
    return {
        "name": config.name,
        "seed": config.seed,
        "data": data,
        "phases": phases,
        "budget": config.budget,
        **sections,
    }


def difference(before: dict[str, Any], after: dict[str, Any], prefix: str = "") -> dict[str, tuple[Any, Any]]:
    """Dotted keys whose values differ: (old, new); a key that one side lacks has None there."""
    found = {}
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found.update(difference(old, new, f"{prefix}{key}."))
        elif old != new:
            found[prefix + key] = (old, new)
    return found


def show(changed: dict[str, tuple[Any, Any]], limit: int = 6) -> str:
    """``key: old -> new; ...`` for a message."""
    shown = "; ".join(f"{key}: {old} -> {new}" for key, (old, new) in list(changed.items())[:limit])
    return shown + (f"; and {len(changed) - limit} more" if len(changed) > limit else "")
