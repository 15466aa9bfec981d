"""The last steps of the documents of one shard: duplicates out, repeated paragraphs out, personal data replaced."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from conf.schema.corpus import CorpusConfig
from conf.schema.language import LanguageConfig
from data_prep.corpus.counts.sizes import Sizer, Sizes
from data_prep.corpus.counts.tally import Step, Tally
from data_prep.corpus.stages.verdicts import Verdicts
from data_prep.dedup import paragraphs
from data_prep.pii.anonymise import Anonymiser
from data_prep.records.record import Record

Drop = Callable[[int, Record, str, int | None], None]
"""Told of each document that is dropped: its row, itself, the reason, the document that it repeats."""


class Tools:
    """Tools of one language that take time to make: tokenizer, anonymiser."""

    def __init__(self, config: CorpusConfig, profile: LanguageConfig, say: Callable[[str], Any]):
        self.sizer = Sizer(profile.casing, config.tokenizer, say)
        self.anonymiser = Anonymiser(profile) if config.pii else None


class LastSteps:
    """Takes batches of documents through ``steps``. ``sizes`` [documents, 4] are those of all documents of the
    shard."""

    def __init__(self, tools: Tools, config: CorpusConfig, steps: Sequence[str], verdicts: Verdicts, sizes: np.ndarray):
        self.verdicts, self.tally, self.sizes = verdicts, Tally(config.samples), sizes
        self.steps, self.sizer, self.anonymiser = steps, tools.sizer, tools.anonymiser
        self.min_words_left = config.paragraphs.min_words_left
        self.found: Counter[str] = Counter()
        self.kept = 0
        for step in steps:
            self.tally.step(step)

    def pass_through(self, rows: list[tuple[int, Record]], drop: Drop) -> list[Record]:
        """The documents of a batch that stay, as they stay."""
        numbers, records = np.array([row for row, _ in rows]), [record for _, record in rows]
        sizes, alive = Sizes(self.sizes[numbers]), np.ones(len(rows), bool)
        for name in self.steps:
            step = self.tally.step(name)
            step.flow("in", sizes.sums(alive))
            if name == "pii":
                sizes = self._anonymise(records, alive, step, sizes)
            elif name == "paragraphs":
                sizes = self._cut(numbers, records, alive, step, sizes, drop)
            else:
                out = alive & self.verdicts.out(name, numbers)
                for index in np.flatnonzero(out):
                    drop(int(numbers[index]), records[index], name, int(self.verdicts.repeats[name][numbers[index]]))
                    self.tally.sample(name, records[index])
                step.dropped[name] += int(out.sum())
                alive &= ~out
            step.flow("out", sizes.sums(alive))
        self.kept += int(alive.sum())
        return [record for record, stays in zip(records, alive, strict=True) if stays]

    def _cut(
        self, numbers: np.ndarray, records: list[Record], alive: np.ndarray, step: Step, sizes: Sizes, drop: Drop
    ) -> Sizes:
        """Remove repeated paragraphs; a document with too little left is dropped as it was."""
        gone = {
            int(index): self.verdicts.gone[row]
            for index in np.flatnonzero(alive)
            if (row := int(numbers[index])) in self.verdicts.gone
        }
        texts = {index: paragraphs.remove(records[index].text, own) for index, own in gone.items()}
        again = self.sizer.again(sizes, texts)
        for index in [index for index in texts if again.words[index] < self.min_words_left]:
            drop(int(numbers[index]), records[index], "paragraphs", None)
            self.tally.sample("paragraphs", records[index])
            step.dropped["paragraphs"] += 1
            alive[index] = False
            del texts[index]
        for index, text in texts.items():
            records[index].text = text
            step.change(["paragraphs"])
        return again

    def _anonymise(self, records: list[Record], alive: np.ndarray, step: Step, sizes: Sizes) -> Sizes:
        texts: dict[int, str] = {}
        for index in np.flatnonzero(alive):
            text, kinds = self.anonymiser.replace(records[index].text)
            if kinds:
                records[index].text = texts[int(index)] = text
                self.found.update(kinds)
                step.change(["pii"])
        return self.sizer.again(sizes, texts)
