"""The cleaning of a source: its steps by their names, in order."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from common.errors import UserError, suggestion
from conf.schema.language import LanguageConfig
from data_prep.cleaning.characters import nfc, repair, whitespace
from data_prep.cleaning.lines import Boilerplate, C4Lines, RepeatedLines
from data_prep.cleaning.pages import Pages

Step = Callable[[str], str]


class StepKind(NamedTuple):
    """A kind of cleaning step: how it is made for a language, and what invalidates the texts it left."""

    version: int
    """Raised by hand whenever the same text may come out otherwise: what older versions cleaned is cleaned anew.
    ``tests/data_prep/versions`` holds it to that."""
    make: Callable[[LanguageConfig], Step]
    packages: tuple[str, ...] = ()
    """Libraries that decide, too."""


STEPS: dict[str, StepKind] = {
    "repair": StepKind(1, lambda profile: repair, ("ftfy",)),
    "nfc": StepKind(1, lambda profile: nfc),
    "pages": StepKind(1, Pages),
    "whitespace": StepKind(1, lambda profile: whitespace),
    "boilerplate": StepKind(1, Boilerplate),
    "repeated_lines": StepKind(1, RepeatedLines),
    "c4_lines": StepKind(1, C4Lines),
}
"""The steps by their names (`corpus.cleaning`)."""


class Cleaner:
    """Takes texts through steps."""

    def __init__(self, steps: dict[str, Step]):
        self.steps = steps
        self.removed: Counter[str] = Counter()
        """Characters that each step has taken away so far (fewer than none where a step adds some)."""

    def clean(self, text: str) -> tuple[str, list[str]]:
        """The text after all steps, and the names of those that changed it; the very same object if none did."""
        changed = []
        for name, step in self.steps.items():
            cleaned = step(text)
            if cleaned is not text and cleaned != text:
                changed.append(name)
                self.removed[name] += len(text) - len(cleaned)
                text = cleaned
        return text, changed


def step_kind(name: str) -> StepKind:
    """Look up a step. Raises UserError for an unknown name."""
    if name not in STEPS:
        hint = suggestion(name, STEPS)
        raise UserError(
            f"there is no cleaning step '{name}' (key corpus.cleaning){hint}; there are: {', '.join(STEPS)}"
        )
    return STEPS[name]


def build_cleaner(names: Iterable[str], profile: LanguageConfig) -> Cleaner:
    """The steps ``names`` (`corpus.cleaning`), in order, for the language of ``profile``.

    Raises UserError for an unknown name, and for `pages` after a step that turns the form feeds between pages into
    newlines."""
    names = list(names)
    kinds = {name: step_kind(name) for name in names}
    before = names[: names.index("pages")] if "pages" in names else []
    if {"whitespace", "c4_lines"} & set(before):
        raise UserError(
            "the cleaning step pages must come before whitespace and c4_lines (key corpus.cleaning), which remove form"
            " feeds"
        )
    return Cleaner({name: kind.make(profile) for name, kind in kinds.items()})
