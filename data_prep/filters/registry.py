"""The rules by their names, and the rules of a source in their order."""

import dataclasses
import importlib
from collections.abc import Iterable
from typing import Any

from common.errors import UserError, suggestion
from conf.schema.language import LanguageConfig
from conf.schema.root import Config
from data_prep.filters.rule import Rule

RULES: dict[str, str] = {
    "url": "data_prep.filters.url.Url",
    "identification": "data_prep.filters.identification.Identification",
    "fineweb": "data_prep.filters.fineweb.FineWeb",
    "gopher_quality": "data_prep.filters.gopher_quality.GopherQuality",
    "gopher_repetition": "data_prep.filters.gopher_repetition.GopherRepetition",
    "c4": "data_prep.filters.c4.C4",
    "glued_words": "data_prep.filters.glued_words.GluedWords",
    "morphology": "data_prep.filters.morphology.Morphology",
    "quality": "data_prep.filters.quality.Quality",
    "topics": "data_prep.filters.topics.TopicAnnotator",
}
"""Name of a rule -> its class; imported when it is asked for, since some bring libraries that are slow to load."""


def rule_class(name: str) -> type[Rule]:
    """Import the class of a rule. Raises UserError for an unknown name."""
    if name not in RULES:
        raise UserError(
            f"there is no rule '{name}' (key corpus.rules){suggestion(name, RULES)}; there are: {', '.join(RULES)}"
        )
    module, _, kind = RULES[name].rpartition(".")
    return getattr(importlib.import_module(module), kind)


def build_rules(names: Iterable[str], profile: LanguageConfig, config: Config) -> list[Rule]:
    """Build the rules ``names`` (`corpus.rules`), in order, for the language of ``profile``. Raises UserError for an
    unknown name."""
    return [rule_class(name)(profile, config) for name in names]


def complete_settings(profile: LanguageConfig) -> dict[str, dict[str, Any]]:
    """Sections of a profile's ``rules`` with every default written out. Raises UserError for a section of no rule, or a
    wrong value."""
    for name in profile.rules:
        if name not in RULES:
            key = f"corpus.languages.{profile.code}.rules.{name}"
            raise UserError(f"{key}: there is no rule '{name}'{suggestion(name, RULES)}; there are: {', '.join(RULES)}")
    return {name: dataclasses.asdict(rule_class(name).settings_in(profile)) for name in profile.rules}
