"""Plan of a mixture, from the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass

from common.progress import Bar
from conf.schema.mixture import MixtureConfig
from conf.schema.phase import PhaseConfig
from data_prep.mixture.budget import ask, check_phases, check_supply
from data_prep.mixture.draw import StratumShare, draw
from data_prep.mixture.sources import Source, Stratum, open_sources
from data_prep.mixture.topics import read_topics, strata_by_topic


@dataclass(frozen=True)
class Mixture:
    """A planned mixture: which documents every phase takes."""

    sources: list[Source]
    strata: list[Stratum]
    shares: dict[str, list[StratumShare]]


def plan_mixture(config: MixtureConfig, phases: Mapping[str, PhaseConfig], seed: int, tokenizer: str) -> Mixture:
    """Open the sources, ask, check, draw. ``tokenizer`` is the digest of the tokenizer.json that all must have been
    made with.

    Raises UserError as `open_sources`, `check_phases`, `strata_by_topic` and `check_supply` say."""
    check_phases(config, phases)
    sources = open_sources(config.sources, tokenizer)
    if config.topic_caps:
        with Bar("topics", sum(len(source.origins.spans) for source in sources if source.origins), "files") as bar:
            topics = [read_topics(source, config.topic_field, bar.advance) for source in sources]
        strata = strata_by_topic(config, phases, sources, topics, seed)
    else:
        strata = [Stratum(source, seed) for source in sources]
    sizes = {source.name: sum(stratum.tokens for stratum in strata if stratum.source is source) for source in sources}
    asked = ask(phases, sizes)
    check_supply(asked, sizes, config.max_repeats)
    return Mixture(sources, strata, draw(asked, strata))
