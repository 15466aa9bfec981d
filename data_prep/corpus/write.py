"""Stage 6, shard by shard: the documents that stay, without repeated paragraphs and personal data."""

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from common.files import digest, fsync_folder, make_folder
from data_prep.corpus.chain import TokenCounter, utf8_sizes
from data_prep.corpus.compare import EXACT, NEAR, Clusters, Paragraphs, Semantic
from data_prep.corpus.curate import BATCH_CHARACTERS, DROPPED, KEPT
from data_prep.corpus.record import Record, from_line, to_line
from data_prep.corpus.stage import Report, Stage, Task, Work
from data_prep.corpus.tally import Sizes, Step, Tally
from data_prep.corpus.zst import Writer, read
from data_prep.duplicates import paragraphs
from data_prep.text.batch import Batch

DOCUMENTS = "documents"
Drop = Callable[[int, Record, str, int | None], None]
"""Told of each document that is dropped: its row, itself, the reason, the document that it repeats."""


class Write(Stage):
    """Writes documents/<source>/<number>.jsonl.zst."""

    name = "write"

    def __init__(self, work: Work, before: Stage, clusters: Clusters, semantic: Semantic | None, repeated: Paragraphs | None):
        super().__init__(work, before)
        self.curate, self.clusters, self.semantic, self.paragraphs = clusters.curate, clusters, semantic, repeated
        self.counter: TokenCounter | None = None

    def settings(self) -> dict[str, Any]:
        """What is done to documents that stay."""
        profiles = {code: dataclasses.asdict(profile.pii) for code, profile in self.work.plan.languages.items()}
        return {"pii": profiles if self.work.config.pii else None, "min_words_left": self.work.config.paragraphs.min_words_left}

    def tasks(self) -> list[Task]:
        """A task a shard."""
        return self.curate.tasks()

    def target(self, task: Task) -> Path:
        """Where the documents of a shard go."""
        unit = self.curate.units[task.name]
        return self.work.output / DOCUMENTS / unit.source / f"{unit.number:05d}.jsonl.zst"

    def find(self, task: Task) -> dict[str, Any] | None:
        """As for every stage; the documents must be there too."""
        known, target = super().find(task), self.target(task)
        return known if known and target.exists() and target.stat().st_size == known["documents_size"] else None

    def steps(self) -> list[str]:
        """Names of its steps, in order."""
        config = self.work.config
        found = [("duplicates/exact", config.duplicates.exact), ("duplicates/near", config.duplicates.near)]
        found += [("duplicates/semantic", config.semantic.enabled), ("paragraphs", config.paragraphs.enabled), ("pii", config.pii)]
        return [name for name, wanted in found if wanted]

    def make(self, task: Task, folder: Path, report: Report) -> dict[str, Any]:
        """Write the documents of one shard."""
        number = list(self.curate.units).index(task.name)
        first, last = map(int, self.curate.firsts()[number : number + 2])
        source, home = self.curate.units[task.name].source, self.curate.folder / task.name
        finish = Finish(self, source, Verdicts(self, first, last), Tally(self.work.config.samples))
        with Writer(folder / DOCUMENTS) as kept, Writer(folder / DROPPED) as dropped:

            def drop(row: int, record: Record, reason: str, other: int | None) -> None:
                note = {"id": record.id, "file": record.file, "line": record.line, "reason": reason, "document": first + row}
                dropped.write(orjson.dumps(note if other is None else note | {"repeats": other}, option=orjson.OPT_APPEND_NEWLINE))

            for rows in _batches(read(home / KEPT)):
                for record in finish.pass_through(rows, drop):
                    kept.write(to_line(record))
                report.advance(task.size * len(rows) / max(1, last - first))
        sha256, size = digest(folder / DOCUMENTS), (folder / DOCUMENTS).stat().st_size
        _publish(folder / DOCUMENTS, self.target(task))
        return {
            "source": source, "unit": task.name, "read": last - first, "kept": finish.kept, "documents_sha256": sha256,
            "documents_size": size, "found": {"pii": dict(sorted(finish.found.items()))}, **finish.tally.fields(),
        }  # fmt: skip


def _publish(made: Path, target: Path) -> None:
    make_folder(target.parent)
    with made.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(made, target)
    fsync_folder(target.parent)


class Verdicts:
    """What the comparisons found out about the documents of one shard."""

    def __init__(self, write: Write, first: int, last: int):
        self.own = np.arange(first, last)
        near, exact = (np.load(write.clusters.folder / "all" / name, mmap_mode="r")[first:last] for name in (NEAR, EXACT))
        self.repeats = {"duplicates/exact": np.array(exact), "duplicates/near": np.array(near), "duplicates/semantic": self.own.copy()}
        """Step -> [documents]: the document that each repeats, itself where none."""
        if write.semantic:
            found = write.semantic.repeats()
            found = found[slice(*np.searchsorted(found[:, 0], [first, last]))]
            self.repeats["duplicates/semantic"][found[:, 0] - first] = found[:, 1]
        self.gone: dict[int, list[int]] = {}
        """Row -> numbers of its repeated paragraphs."""
        for document, number in _of(write.paragraphs.places(), first, last) if write.paragraphs else ():
            self.gone.setdefault(int(document) - first, []).append(int(number))

    def out(self, step: str, rows: np.ndarray) -> np.ndarray:
        """[k] bool: which of ``rows`` [k] a step of comparison drops."""
        return self.repeats[step][rows] != self.own[rows]


def _of(pairs: np.ndarray, first: int, last: int) -> np.ndarray:
    return pairs[slice(*np.searchsorted(pairs[:, 0], [first, last]))]


class Finish:
    """The last steps of the documents of one shard."""

    def __init__(self, write: Write, source: str, verdicts: Verdicts, tally: Tally):
        config, profile = write.work.config, write.work.plan.profile(source)
        self.verdicts, self.tally, self.casing = verdicts, tally, profile.casing
        self.steps = write.steps()
        self.min_words_left = config.paragraphs.min_words_left
        self.anonymiser = None
        if config.pii:
            from data_prep.pii.anonymise import Anonymiser

            self.anonymiser = Anonymiser(profile)
        self.tokens = TokenCounter(config.tokenizer, print) if config.tokenizer else None
        self.found: Counter[str] = Counter()
        self.kept = 0
        for step in self.steps:
            tally.step(step)

    def pass_through(self, rows: list[tuple[int, Record]], drop: Drop) -> list[Record]:
        """The documents of a batch that stay, as they stay."""
        numbers, records = np.array([row for row, _ in rows]), [record for _, record in rows]
        sizes, alive = self._sizes(records), np.ones(len(rows), bool)
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

    def _sizes(self, records: list[Record]) -> Sizes:
        batch = Batch([record.text for record in records], self.casing)
        tokens = self.tokens.count(batch.texts) if self.tokens else None
        return Sizes(batch.sizes, utf8_sizes(batch), batch.words.counts, tokens)

    def _cut(self, numbers: np.ndarray, records: list[Record], alive: np.ndarray, step: Step, sizes: Sizes, drop: Drop) -> Sizes:
        """Remove repeated paragraphs; a document with too little left is dropped as it was."""
        changed = False
        for index in np.flatnonzero(alive):
            gone = self.verdicts.gone.get(int(numbers[index]))
            if not gone:
                continue
            text = paragraphs.remove(records[index].text, gone)
            if Batch([text]).words.counts[0] < self.min_words_left:
                drop(int(numbers[index]), records[index], "paragraphs", None)
                self.tally.sample("paragraphs", records[index])
                step.dropped["paragraphs"] += 1
                alive[index] = False
                continue
            records[index].text, changed = text, True
            step.changed["paragraphs"] += 1
        return self._sizes(records) if changed else sizes

    def _anonymise(self, records: list[Record], alive: np.ndarray, step: Step, sizes: Sizes) -> Sizes:
        changed = False
        for index in np.flatnonzero(alive):
            text, found = self.anonymiser.replace(records[index].text)
            if found:
                records[index].text, changed = text, True
                self.found.update(found)
                step.changed["pii"] += 1
        return self._sizes(records) if changed else sizes


def _batches(lines: Iterable[bytes]) -> Iterator[list[tuple[int, Record]]]:
    batch: list[tuple[int, Record]] = []
    size = 0
    for row, line in enumerate(lines):
        batch.append((row, from_line(line)))
        size += len(line)
        if size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
