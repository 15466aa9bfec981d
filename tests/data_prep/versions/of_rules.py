"""Verdicts of the filter rules, language by language."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from conf.schema.root import Config
from data_prep.filters.registry import RULES, rule_class
from data_prep.filters.rule import Rule
from data_prep.records.record import Record
from data_prep.text.language import load_language
from tests.data_prep.versions.of_models import quality_model, topic_model
from tests.data_prep.versions.sample import LANGUAGES, batch, digest_values, rows
from tests.data_prep.versions.table import Entry

ONE_LANGUAGE = {"quality": "en", "topics": "en", "glued_words": "en", "morphology": "tr"}
"""Rule -> the language of its model, or the one whose dictionary is read."""
DIGITS = {"identification": 2, "quality": 2}
"""Significant digits of what 32-bit arithmetic of a library decides."""
ROOT = Path(__file__).resolve().parents[3]


def entries(folder: Path) -> dict[str, Entry]:
    """An entry a rule."""
    config = Config()
    (folder / "urls.txt").write_text("shop.example.tr\nwww.example.pl/pan-tadeusz\nexample.en\n", encoding="utf-8")
    config.corpus.url_lists = [str(folder / "urls.txt")]
    config.quality.model, config.topics.model = (
        str(quality_model(folder / "quality")),
        str(topic_model(folder / "topics")),
    )
    return {f"rule {name}": entry(rule_class(name), config) for name in RULES}


def entry(rule: type[Rule], config: Config) -> Entry:
    """Version and digest of one rule."""
    digest = digest_values(verdicts(rule, config), DIGITS.get(rule.name, 6))
    file = str(Path(inspect.getfile(rule)).relative_to(ROOT))
    return {"version": rule.version, "digest": digest, "file": file, "rests_on": []}


def verdicts(rule: type[Rule], config: Config) -> Iterator[Any]:
    """Tests with their values, limits and rejections, and the notes left, of the sample in each language."""
    for language in [ONE_LANGUAGE[rule.name]] if rule.name in ONE_LANGUAGE else LANGUAGES:
        documents, sample = batch(language), rows(language)
        records = [Record(row["id"], row["text"], "sample", "", row["url"], language, "", 0) for row in sample]
        for test in rule(load_language(language), config).judge(documents, np.ones(len(documents), bool), records):
            yield [language, test.name, test.limit, test.low, test.high, test.values, test.rejected]
        yield [record.notes for record in records]
