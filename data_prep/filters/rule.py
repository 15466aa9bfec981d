"""The interface of a filter rule: a class with a name, a version, typed settings, and tests over a batch of
documents."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from conf.schema.language import LanguageConfig
from conf.schema.root import Config
from data_prep.filters.settings import read_settings
from data_prep.records.record import Record
from data_prep.text.batch import Batch


@dataclass(frozen=True)
class Test:
    """A measure of a rule with its verdict."""

    name: str
    """``rule/reason``, such as gopher_quality/too_few_words: the reason under which rejected documents are counted."""
    values: np.ndarray
    """[n] the measure; where a bound is enough for the verdict, the bound."""
    rejected: np.ndarray
    """[n] bool."""
    limit: str
    """The condition that rejects, for people: ``words < 50``."""
    low: float = 0.0
    """Lower end of its histogram."""
    high: float = 1.0
    """Upper end of its histogram."""


@dataclass
class NoSettings:
    """Settings of a rule that has none."""


class Rule(ABC):
    """Base of the rules. A rule is one file with one subclass, and one line in `data_prep.filters.registry`."""

    name: ClassVar[str]
    """What `corpus.rules` calls it."""
    version: ClassVar[int]
    """Raised by hand whenever the same text and settings may get another verdict: verdicts of older versions are made
    anew. ``tests/data_prep/versions`` holds it to that."""
    Settings: ClassVar[type] = NoSettings
    """Dataclass of its thresholds: the keys ``corpus.languages.<code>.rules.<name>`` with their types, ranges and
    defaults."""

    def __init__(self, profile: LanguageConfig, config: Config):
        """``profile`` is that of the language of the source. Raises UserError for settings that cannot be meant."""
        self.profile = profile
        self.settings = self.settings_in(profile)

    @classmethod
    def settings_in(cls, profile: LanguageConfig) -> Any:
        """Read the settings in a profile. Raises UserError for those that cannot be meant."""
        return read_settings(cls.Settings, cls.name, profile)

    @abstractmethod
    def judge(self, batch: Batch, alive: np.ndarray, records: Sequence[Record]) -> Iterator[Test]:
        """Yield the tests in order; the first that rejects a document is the reason. Of documents that are not
        ``alive`` [n] (rejected before) the values are not looked at, so an expensive rule need not compute them."""

    @classmethod
    def inputs(cls, profile: LanguageConfig, config: Config) -> list[Any]:
        """Digests of files and models and versions of libraries that decide beside text, profile and ``version``; as
        JSON."""
        return []
