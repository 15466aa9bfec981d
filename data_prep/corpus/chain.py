"""What happens to the documents of one source: cleaned, measured, judged."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_prep.corpus.record import Record
from data_prep.corpus.stage import Work
from data_prep.corpus.tally import Sizes, Tally
from data_prep.filters.contamination import Index
from data_prep.filters.passages import cut
from data_prep.text.batch import Batch

Dropped = Callable[[Record, str, float | None], None]
"""Told of each document that is dropped: the document, the reason, the value that decided."""


@dataclass
class Survivors:
    """Documents of a batch that passed every rule."""

    records: list[Record]
    batch: Batch


class Clock:
    """CPU seconds from lap to lap."""

    def __init__(self, took: Counter[str]):
        self.took, self.last = took, time.process_time()

    def lap(self, name: str) -> None:
        """What went by since the last lap is ``name``'s."""
        now = time.process_time()
        self.took[name] += now - self.last
        self.last = now


class Chain:
    """Cleaning steps, rules and decontamination of one source, in this order."""

    def __init__(self, work: Work, source: str, say: Callable[[str], Any]):
        from data_prep.cleaning.steps import build as build_cleaner
        from data_prep.filters.chain import build as build_rules

        self.profile = work.plan.profile(source)
        self.cleaner = build_cleaner(work.plan.cleaning(source), self.profile)
        self.rules = build_rules(work.plan.rules(source), self.profile, work.root)
        contamination = work.config.contamination
        self.index = Index.build(contamination, [self.profile.casing]) if contamination.inputs else None
        self.passages = contamination.action == "passage"
        self.leaked: set[int] = set()
        """Numbers of the evaluation texts that were found."""
        self.took: Counter[str] = Counter()
        """CPU seconds of each step."""
        self.tokens = TokenCounter(work.config.tokenizer, say) if work.config.tokenizer else None

    def declare(self, tally: Tally) -> None:
        """Put all steps into a tally, in order."""
        names = ["read", "cleaning", *(rule.name for rule in self.rules), *(["contamination"] if self.index else [])]
        for name in names:
            tally.step(name)

    def pass_through(self, records: list[Record], tally: Tally, dropped: Dropped) -> Survivors:
        """Take ``records`` through all steps; their texts and notes change in place."""
        clock = Clock(self.took)
        records = self._clean(records, tally, dropped)
        clock.lap("cleaning")
        batch = Batch([record.text for record in records], self.profile.casing)
        sizes = self._sizes(batch)
        clock.lap("measuring")
        alive = np.ones(len(records), bool)
        for rule in self.rules:
            step = tally.step(rule.name)
            step.flow("in", sizes.sums(alive))
            for test in rule.judge(batch, alive, records):
                tally.measure(test, alive)
                out = alive & test.rejected
                for index in np.flatnonzero(out):
                    value = float(test.values[index])
                    dropped(records[index], test.name, value)
                    tally.sample(test.name, records[index], value, test.limit)
                step.dropped[test.name] += int(out.sum())
                alive &= ~out
            step.flow("out", sizes.sums(alive))
            clock.lap(rule.name)
        if not alive.all():
            records = [record for record, stays in zip(records, alive, strict=True) if stays]
            batch = Batch([record.text for record in records], self.profile.casing)
        survivors = self._decontaminate(records, batch, tally, dropped) if self.index else Survivors(records, batch)
        clock.lap("contamination")
        return survivors

    def _clean(self, records: list[Record], tally: Tally, dropped: Dropped) -> list[Record]:
        step, kept = tally.step("cleaning"), []
        for record in records:
            size = len(record.text.encode("utf-8", "replace"))
            step.flow("in", {"documents": 1, "characters": len(record.text), "bytes": size, "words": None, "tokens": None})
            text, changed = self.cleaner.clean(record.text)
            step.change(changed)
            if not text or text.isspace():
                step.dropped["cleaning/empty"] += 1
                dropped(record, "cleaning/empty", None)
                tally.sample("cleaning/empty", record)
                continue
            if text is not record.text:
                record.text, size = text, len(text.encode("utf-8", "replace"))
            step.flow("out", {"documents": 1, "characters": len(text), "bytes": size, "words": None, "tokens": None})
            kept.append(record)
        return kept

    def _decontaminate(self, records: list[Record], batch: Batch, tally: Tally, dropped: Dropped) -> Survivors:
        """Drop the documents with evaluation text, or cut it out of them (`corpus.contamination.action`)."""
        step, everything = tally.step("contamination"), np.ones(len(records), bool)
        step.flow("in", self._sizes(batch).sums(everything))
        hits = self.index.find(batch)
        self.leaked.update(hits.pairs[:, 1].tolist())
        kept = dict(enumerate(records))
        for owner in np.unique(hits.owners).tolist():
            record, own = records[owner], hits.owners == owner
            text = ""
            if self.passages:
                places = zip(hits.starts[own] - batch.starts[owner], hits.ends[own] - batch.starts[owner], strict=True)
                text = cut(record.text, places, self.profile)
            if text:
                tally.sample("contamination/passage", record, float(own.sum()), "runs of words shared with evaluation text")
                step.change(["contamination"])
                record.text = text
            else:
                tally.sample("contamination/document", record, float(own.sum()), "runs of words shared with evaluation text")
                step.dropped["contamination/document"] += 1
                dropped(record, "contamination/document", float(own.sum()))
                del kept[owner]
        if len(hits.owners):
            records = list(kept.values())
            batch = Batch([record.text for record in records], self.profile.casing)
        step.flow("out", self._sizes(batch).sums(np.ones(len(records), bool)))
        return Survivors(records, batch)

    def _sizes(self, batch: Batch) -> Sizes:
        tokens = self.tokens.count(batch.texts) if self.tokens else None
        return Sizes(batch.sizes, utf8_sizes(batch), batch.words.counts, tokens)


def utf8_sizes(batch: Batch) -> np.ndarray:
    """[n] bytes of each text in UTF-8."""
    codes = batch.codes
    return batch.sizes + batch.count(codes > 0x7F) + batch.count(codes > 0x7FF) + batch.count(codes > 0xFFFF)


class TokenCounter:
    """Counts tokens with the fastest library that serves the tokenizer."""

    def __init__(self, folder: str, say: Callable[[str], Any]):
        from data_prep.tokenizer.bulk import BulkEncoder

        self.backend = next(BulkEncoder(folder, 1, say).backends())

    def count(self, texts: Sequence[str]) -> np.ndarray:
        """[n] tokens of each text, special tokens left out."""
        return np.array([len(ids) for ids in self.backend.encode(list(texts))], np.int64)
