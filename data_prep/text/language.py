"""The profile of a language, from conf/data/language."""

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


def load_language(code: str, changes: Mapping[str, Any] | None = None) -> LanguageConfig:
    """The profile ``code`` with ``changes`` (`corpus.languages`); changes that hold a whole profile, as a frozen configuration has it,
    stand for themselves. Raises UserError for an unknown language, key or value."""
    return deepcopy(_load(code, json.dumps(dict(changes or {}))))


@cache
def _load(code: str, changes: str) -> LanguageConfig:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    changed = json.loads(changes)
    known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    if code not in known:
        raise UserError(f"there is no profile conf/data/language/{code}.yaml{suggestion(code, known)}; there are: {', '.join(known)}")
    try:
        base = {} if "code" in changed else OmegaConf.load(FOLDER / f"{code}.yaml")
        merged = OmegaConf.merge(OmegaConf.structured(LanguageConfig), base, changed)
        profile = OmegaConf.to_object(merged)
    except OmegaConfBaseException as error:
        if mistaken := no_number(LanguageConfig, error, f"corpus.languages.{code}."):
            raise mistaken from error
        reason = str(error).splitlines()[0]
        raise UserError(f"the profile of language {code} (conf/data/language/{code}.yaml, corpus.languages.{code}): {reason}") from error
    check(profile, f"corpus.languages.{code}.")
    return profile
