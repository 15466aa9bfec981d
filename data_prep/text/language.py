"""The profile of a language, from conf/data/language."""

import dataclasses
import json
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import conf
from common.errors import UserError, suggestion
from conf.schema.check import check
from conf.schema.language import LanguageConfig
from conf.schema.ranges import no_number

FOLDER = Path(conf.__file__).parent / "data" / "language"
TEMPLATE = "template"
"""What a new profile is copied from; no language."""


def load_language(code: str, changes: Mapping[str, Any] | None = None) -> LanguageConfig:
    """The profile ``code`` with ``changes`` (`corpus.languages`); changes that hold a whole profile, as a frozen
    configuration has it, stand for themselves. Raises UserError for an unknown language, key or value."""
    if changes is not None and not isinstance(changes, Mapping):
        raise UserError(
            f"corpus.languages.{code} takes keys of the profile, and not {changes!r}; write"
            f" corpus.languages.{code}.<key>=..."
        )
    return deepcopy(_load(code, json.dumps(dict(changes or {}))))


@cache
def _load(code: str, changes: str) -> LanguageConfig:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    changed = json.loads(changes)
    codes = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != TEMPLATE)
    if code not in codes:
        raise UserError(
            f"there is no profile conf/data/language/{code}.yaml{suggestion(code, codes)}; there are:"
            f" {', '.join(codes)}; for another language write that file, docs/another_language.md tells how: cp"
            f" conf/data/language/{TEMPLATE}.yaml conf/data/language/{code}.yaml"
        )
    try:
        base = {} if "code" in changed else OmegaConf.load(FOLDER / f"{code}.yaml")
        merged = OmegaConf.merge(OmegaConf.structured(LanguageConfig), base, changed)
        profile = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        if mistaken := no_number(LanguageConfig, error, f"corpus.languages.{code}."):
            raise mistaken from error
        raise UserError(_reason(code, error)) from error
    check(profile, f"corpus.languages.{code}.")
    return profile


def _reason(code: str, error: Exception) -> str:
    """Say which key of a profile is wrong, and why."""
    where = f"the profile of language {code} (conf/data/language/{code}.yaml, corpus.languages.{code})"
    key, text = getattr(error, "full_key", None) or "", str(error).splitlines()[0]
    if "not in '" in text:
        owner = error.object_type if dataclasses.is_dataclass(getattr(error, "object_type", None)) else LanguageConfig
        near = suggestion(key.rpartition(".")[2], [field.name for field in dataclasses.fields(owner)])
        all_keys = "; conf/data/language/en.yaml has all of them, those of filter rules below rules"
        return f"{where} has an unknown key '{key}'{near or all_keys}"
    return (
        f"{where}: {key or 'a key'} has a value of another kind than in conf/data/language/en.yaml; write it as it is"
        " there"
    )
