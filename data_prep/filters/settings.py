"""Typed settings of the rules: sections of a language profile, held to the dataclasses that the rules bring along."""

import dataclasses
from typing import Any

from common.errors import UserError, suggestion
from conf.schema.check import check
from conf.schema.language import LanguageConfig
from conf.schema.ranges import no_number


def read_settings(schema: type, rule: str, profile: LanguageConfig) -> Any:
    """Read the section ``rules.<rule>`` of a profile into the dataclass ``schema``.

    Raises UserError for an unknown key, a value of another type, and a number out of its range."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    prefix = f"corpus.languages.{profile.code}.rules.{rule}."
    try:
        section = OmegaConf.merge(OmegaConf.structured(schema), profile.rules.get(rule) or {})
        settings = OmegaConf.to_object(section)
    except OmegaConfBaseException as error:
        raise (no_number(schema, error, prefix) or UserError(_reason(schema, prefix, error))) from error
    check(settings, prefix)
    return settings


def _reason(schema: type, prefix: str, error: Exception) -> str:
    """Say which key of a section is wrong, and what to do."""
    key, names = getattr(error, "full_key", None) or "", [field.name for field in dataclasses.fields(schema)]
    if key.partition(".")[0].partition("[")[0] not in names:
        near = suggestion(key, names) or f"; it has: {', '.join(names) or 'none'}"
        return f"{prefix}{key} is no key of the rule{near}"
    return f"{prefix}{key} has a value of another type than its default; write it as in conf/data/language"
