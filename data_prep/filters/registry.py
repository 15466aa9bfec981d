"""The rules of a source by their names."""

from collections.abc import Callable, Iterable

from common.errors import UserError, suggestion
from conf.schema.language import LanguageConfig
from conf.schema.root import Config
from data_prep.filters.c4 import C4
from data_prep.filters.fineweb import FineWeb
from data_prep.filters.gopher_quality import GopherQuality
from data_prep.filters.gopher_repetition import GopherRepetition
from data_prep.filters.rule import Rule
from data_prep.filters.url import Url


def build(names: Iterable[str], profile: LanguageConfig, config: Config) -> list[Rule]:
    """The rules ``names`` (`corpus.rules`), in order, for the language of ``profile``. Raises UserError for an unknown
    name."""
    rules = []
    for name in names:
        if name not in RULES:
            hint = suggestion(name, RULES)
            raise UserError(f"there is no rule '{name}' (key corpus.rules){hint}; there are: {', '.join(RULES)}")
        rules.append(RULES[name](profile, config))
    return rules


def _identification(profile: LanguageConfig, config: Config) -> Rule:
    from data_prep.filters.identification import Identification, load_identifier

    return Identification(profile, load_identifier(config.corpus.identifier))


def _morphology(profile: LanguageConfig, config: Config) -> Rule:
    from data_prep.filters.morphology import Morphology

    return Morphology(profile)


def _glued_words(profile: LanguageConfig, config: Config) -> Rule:
    from data_prep.filters.glued_words import GluedWords

    return GluedWords(profile)


def _quality(profile: LanguageConfig, config: Config) -> Rule:
    from data_prep.filters.quality import Quality

    return Quality(config.quality, profile)


def _topics(profile: LanguageConfig, config: Config) -> Rule:
    from data_prep.filters.topics import TopicAnnotator

    return TopicAnnotator(config.topics, profile)


RULES: dict[str, Callable[[LanguageConfig, Config], Rule]] = {
    "url": lambda profile, config: Url(config.corpus.url_lists),
    "identification": _identification,
    "fineweb": lambda profile, config: FineWeb(profile),
    "gopher_quality": lambda profile, config: GopherQuality(profile),
    "gopher_repetition": lambda profile, config: GopherRepetition(profile),
    "c4": lambda profile, config: C4(profile),
    "glued_words": _glued_words,
    "morphology": _morphology,
    "quality": _quality,
    "topics": _topics,
}
"""What makes each rule; those that load a model import what they need when they are asked for."""
