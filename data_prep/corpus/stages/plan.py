"""The sources and their shards, in the order that decides which of two duplicates stays."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from common.errors import UserError
from common.reading.unread import Unread
from conf.schema.corpus import CorpusConfig, SourceConfig
from conf.schema.language import LanguageConfig
from data_prep.filters.registry import complete_settings
from data_prep.sources.form import Form
from data_prep.sources.inputs import search
from data_prep.sources.shards import Shard, plan_shards
from data_prep.text.language import load_language

PLAIN = "text"
"""Name of the source that `corpus.inputs` is."""
EVALUATION = "corpus.contamination.inputs"


@dataclass(frozen=True)
class Unit:
    """A shard of a source."""

    source: str
    number: int
    """Among the units of its source, from 0."""
    shard: Shard

    @property
    def key(self) -> str:
        """Name of its folders."""
        return f"{self.source}-{self.shard.key}"


class CorpusPlan:
    """The plan of a corpus: sources, their shards, rules and languages. Raises UserError for no source, or one without
    an input."""

    def __init__(self, config: CorpusConfig):
        self.config = config
        self.sources: Mapping[str, SourceConfig] = config.sources or _plain(config)
        if not self.sources:
            raise UserError(
                "corpus.sources is empty; name a recipe (experiment=mecellem/corpus), or your own text with"
                " corpus.inputs"
            )
        for name in self.sources:
            if not name.replace("_", "").isalnum():
                raise UserError(
                    f"corpus.sources: '{name}' becomes a folder; use letters, digits and _ for the name of a source"
                )

    @cached_property
    def units(self) -> list[Unit]:
        """All units, source by source."""
        return [unit for name in self.sources for unit in self._units_of(name)]

    @cached_property
    def unread(self) -> dict[str, Unread]:
        """Files of kinds that are not read, by the key whose folders they are in; of the evaluation texts too."""
        inputs = {self.key(name): source.inputs for name, source in self.sources.items()}
        inputs |= {EVALUATION: self.config.contamination.inputs}
        unread_of = {key: Unread.of(search(patterns, key)[1]) for key, patterns in inputs.items() if patterns}
        return {key: unread for key, unread in unread_of.items() if unread}

    def key(self, name: str) -> str:
        """Key of the configuration that names the inputs of a source."""
        return f"corpus.sources.{name}.inputs" if self.config.sources else "corpus.inputs"

    def _units_of(self, name: str) -> list[Unit]:
        source = self.sources[name]
        if not source.inputs:
            raise UserError(
                f"corpus.sources.{name}.inputs is empty; name files, folders or globs, or take the source out"
            )
        form = Form.of_source(name, source, self.config)
        paths, _ = search(source.inputs, self.key(name))
        shards = plan_shards(paths, self.config.shard_bytes, form.keeps_newlines)
        return [Unit(name, number, shard) for number, shard in enumerate(shards)]

    @cached_property
    def languages(self) -> dict[str, LanguageConfig]:
        """Profiles of the languages of the sources."""
        codes = dict.fromkeys(source.language for source in self.sources.values())
        if unknown := set(self.config.languages) - set(codes):
            raise UserError(
                f"corpus.languages.{min(unknown)}: no source has this language; the sources have {', '.join(codes)}"
            )
        profiles = {code: load_language(code, self.config.languages.get(code)) for code in codes}
        for profile in profiles.values():
            profile.rules = complete_settings(profile)
        return profiles

    def profile(self, source: str) -> LanguageConfig:
        """Profile of a source's language."""
        return self.languages[self.sources[source].language]

    def rules(self, source: str) -> list[str]:
        """Names of the rules for a source."""
        return _or(self.sources[source].rules, self.config.rules)

    def cleaning(self, source: str) -> list[str]:
        """Names of the cleaning steps for a source."""
        return _or(self.sources[source].cleaning, self.config.cleaning)


def _plain(config: CorpusConfig) -> dict[str, SourceConfig]:
    return {PLAIN: SourceConfig(inputs=config.inputs, language=config.language)} if config.inputs else {}


def _or(own: list[str] | None, common: list[str]) -> list[str]:
    return common if own is None else own
