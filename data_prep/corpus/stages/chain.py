"""The processing chain of one source: documents are cleaned, measured, judged, decontaminated."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_prep.cleaning.steps import build_cleaner
from data_prep.corpus.counts.sizes import Sizer, Sizes
from data_prep.corpus.counts.tally import Tally
from data_prep.corpus.stages.stage import CorpusWork
from data_prep.decontamination.index import Index
from data_prep.decontamination.passages import cut
from data_prep.filters.registry import build_rules
from data_prep.records.record import Record
from data_prep.text.batch import Batch

Dropped = Callable[[Record, str, float | None], None]
"""Told of each document that is dropped: the document, the reason, the value that decided."""


@dataclass
class Survivors:
    """Documents that passed every rule."""

    records: list[Record]
    batch: Batch
    """They and others."""
    alive: np.ndarray
    """[batch] bool: which of the batch they are."""
    sizes: np.ndarray
    """[records, 4] as in `Sizes`."""


class StepTimer:
    """Timer of the steps of a chain: CPU seconds from lap to lap."""

    def __init__(self, took: Counter[str]):
        self.took, self.last = took, time.process_time()

    def lap(self, name: str) -> None:
        """Count what went by since the last lap as ``name``'s."""
        now = time.process_time()
        self.took[name] += now - self.last
        self.last = now


class Chain:
    """Cleaning steps, rules and decontamination of one source, in this order."""

    def __init__(self, work: CorpusWork, source: str, say: Callable[[str], Any]):
        self.profile = work.plan.profile(source)
        self.cleaner = build_cleaner(work.plan.cleaning(source), self.profile)
        self.rules = build_rules(work.plan.rules(source), self.profile, work.root)
        contamination, limit = work.config.contamination, work.config.max_document_bytes or None
        self.index = Index.build(contamination, [self.profile.casing], limit) if contamination.inputs else None
        self.passages = contamination.action == "passage"
        self.leaked: set[int] = set()
        """Numbers of the evaluation texts that were found."""
        self.took: Counter[str] = Counter()
        """CPU seconds of each step."""
        self.sizer = Sizer(self.profile.casing, work.config.tokenizer, say)

    def declare(self, tally: Tally) -> None:
        """Put all steps into a tally, in order."""
        names = ["read", "cleaning", *(rule.name for rule in self.rules), *(["contamination"] if self.index else [])]
        for name in names:
            tally.step(name)

    def pass_through(self, records: list[Record], tally: Tally, dropped: Dropped) -> Survivors:
        """Take ``records`` through all steps; their texts and notes change in place."""
        timer = StepTimer(self.took)
        records = self._clean(records, tally, dropped)
        timer.lap("cleaning")
        batch = Batch([record.text for record in records], self.profile.casing)
        sizes = self.sizer.measure(batch)
        timer.lap("measuring")
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
            timer.lap(rule.name)
        survivors = Survivors(
            [record for record, stays in zip(records, alive, strict=True) if stays], batch, alive, sizes.values[alive]
        )
        if self.index:
            survivors = self._decontaminate(records, batch, alive, sizes, tally, dropped)
        timer.lap("contamination")
        return survivors

    def _clean(self, records: list[Record], tally: Tally, dropped: Dropped) -> list[Record]:
        step, kept = tally.step("cleaning"), []
        for record in records:
            size = len(record.text.encode("utf-8", "replace"))
            step.flow(
                "in", {"documents": 1, "characters": len(record.text), "bytes": size, "words": None, "tokens": None}
            )
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

    def _decontaminate(
        self, records: list[Record], batch: Batch, alive: np.ndarray, sizes: Sizes, tally: Tally, dropped: Dropped
    ) -> Survivors:
        """Drop the documents with evaluation text, or cut it out of them (`corpus.contamination.action`)."""
        step, hits, limit = (
            tally.step("contamination"),
            self.index.find(batch),
            "runs of words shared with evaluation text",
        )
        step.flow("in", sizes.sums(alive))
        self.leaked.update(hits.pairs[alive[hits.pairs[:, 0]], 1].tolist())
        alive, texts = alive.copy(), {}
        for owner in np.unique(hits.owners[alive[hits.owners]]).tolist():
            record, own = records[owner], hits.owners == owner
            text = ""
            if self.passages:
                places = zip(hits.starts[own] - batch.starts[owner], hits.ends[own] - batch.starts[owner], strict=True)
                text = cut(record.text, places, self.profile)
            reason = "contamination/passage" if text else "contamination/document"
            tally.sample(reason, record, float(own.sum()), limit)
            if text:
                step.change(["contamination"])
                record.text = texts[owner] = text
            else:
                step.dropped[reason] += 1
                dropped(record, reason, float(own.sum()))
                alive[owner] = False
        sizes = self.sizer.again(sizes, texts)
        step.flow("out", sizes.sums(alive))
        kept = [record for record, stays in zip(records, alive, strict=True) if stays]
        if texts:  # the arrays of the batch are of texts that are no more
            return Survivors(
                kept,
                Batch([record.text for record in kept], self.profile.casing),
                np.ones(len(kept), bool),
                sizes.values[alive],
            )
        return Survivors(kept, batch, alive, sizes.values[alive])
