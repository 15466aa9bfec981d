"""The cleaning of a source: its steps by their names, in order."""

from collections import Counter
from collections.abc import Callable, Iterable

from common.errors import UserError, suggestion
from conf.schema.language import LanguageConfig
from data_prep.cleaning.characters import nfc, repair, whitespace
from data_prep.cleaning.lines import Boilerplate, C4Lines, RepeatedLines
from data_prep.cleaning.pages import Pages

Step = Callable[[str], str]
STEPS: dict[str, Callable[[LanguageConfig], Step]] = {
    "repair": lambda profile: repair,
    "nfc": lambda profile: nfc,
    "pages": Pages,
    "whitespace": lambda profile: whitespace,
    "boilerplate": Boilerplate,
    "repeated_lines": RepeatedLines,
    "c4_lines": C4Lines,
}
"""What makes each step."""


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


def build(names: Iterable[str], profile: LanguageConfig) -> Cleaner:
    """The steps ``names`` (`corpus.cleaning`), in order, for the language of ``profile``.

    Raises UserError for an unknown name, and for `pages` after a step that turns the form feeds between pages into
    newlines."""
    names = list(names)
    for name in names:
        if name not in STEPS:
            hint = suggestion(name, STEPS)
            raise UserError(
                f"there is no cleaning step '{name}' (key corpus.cleaning){hint}; there are: {', '.join(STEPS)}"
            )
    before = names[: names.index("pages")] if "pages" in names else []
    if {"whitespace", "c4_lines"} & set(before):
        raise UserError(
            "the cleaning step pages must come before whitespace and c4_lines (key corpus.cleaning), which remove form"
            " feeds"
        )
    return Cleaner({name: STEPS[name](profile) for name in names})
