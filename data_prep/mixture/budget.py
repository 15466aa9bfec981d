"""Budget of a mixture: how many tokens each phase asks of each source, and whether they are there."""

import math
from collections.abc import Mapping

from common.errors import UserError, suggestion
from conf.schema.mixture import MixtureConfig
from conf.schema.phase import PhaseConfig

Asked = dict[str, dict[str, int]]
"""Phase -> source -> tokens."""


def check_phases(config: MixtureConfig, phases: Mapping[str, PhaseConfig]) -> None:
    """Raise UserError for what makes no sense whatever the sources hold."""
    if not phases:
        raise UserError("phases is empty; give a phase and its budget, such as phases.main.tokens=1000000000")
    if not config.sources:
        raise UserError(
            "mixture.sources is empty; name tokens folders of jobs.prepare, such as mixture.sources.web=data/web/tokens"
        )
    for name, phase in phases.items():
        if not name.replace("-", "_").isidentifier():
            raise UserError(f"phases.{name}: the name becomes a folder; use letters, digits, - and _")
        _check_phase(f"phases.{name}", phase, list(config.sources))


def _check_phase(key: str, phase: PhaseConfig, sources: list[str]) -> None:
    if phase.weights and not phase.tokens:
        raise UserError(
            f"{key} has weights and no budget; set {key}.tokens, or leave the weights out to take everything once"
        )
    for name in phase.weights:
        if name not in sources:
            raise UserError(
                f"{key}.weights names the source '{name}', which mixture.sources has not{suggestion(name, sources)}; "
                f"it has: {', '.join(sources)}"
            )
    if phase.weights and not any(phase.weights.values()):
        raise UserError(f"{key}.weights are all 0; give at least one source a share")


def ask(phases: Mapping[str, PhaseConfig], sizes: Mapping[str, int]) -> Asked:
    """Tokens that each phase asks of each source; ``sizes`` are the tokens that the sources hold."""
    asked: Asked = {}
    for name, phase in phases.items():
        weights = phase.weights or sizes
        whole = sum(weights.values())
        asked[name] = {
            source: sizes[source] if not phase.tokens else round(phase.tokens * weights[source] / whole)
            for source in sizes
            if weights.get(source)
        }
    return asked


def check_supply(asked: Asked, sizes: Mapping[str, int], max_repeats: float) -> None:
    """Raise UserError where a source would have to be read more often than allowed: what it holds, what is asked, what
    would fit."""
    for source, size in sizes.items():
        wanted = {phase: tokens[source] for phase, tokens in asked.items() if tokens.get(source)}
        whole, limit = sum(wanted.values()), math.floor(size * max_repeats)
        if whole > limit:
            fits = ", ".join(
                f"{phase} {math.floor(tokens * limit / whole):,} of {tokens:,}" for phase, tokens in wanted.items()
            )
            cap = f"mixture.max_repeats={max_repeats:g}"
            raise UserError(
                f"mixture.sources.{source} holds {size:,} tokens, {limit:,} with {cap}, and the phases ask for"
                f" {whole:,}; what would fit is {limit / whole:.3f} of that ({fits}): lower phases.*.tokens or its"
                f" weight, or set mixture.max_repeats={math.ceil(100 * whole / max(1, size)) / 100:g}"
            )
