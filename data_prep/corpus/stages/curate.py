"""Stage 1, shard by shard: read, clean, judge, and take the marks by which documents are compared later."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from common.arrays import save_array
from common.files import make_folder, write_json
from common.progress import ProgressReport
from common.reading.bad import BadDocuments
from conf.schema.duplicates import ParagraphsConfig
from data_prep.corpus.counts.sizes import joined
from data_prep.corpus.counts.tally import Tally
from data_prep.corpus.stages.chain import Chain, StepTimer, Survivors
from data_prep.corpus.stages.identity import curate_settings, curate_versions
from data_prep.corpus.stages.plan import Unit
from data_prep.corpus.stages.stage import MB, CorpusWork, Stage, Task
from data_prep.dedup import buckets, paragraphs
from data_prep.dedup.embedding import Embedder
from data_prep.dedup.signature import Signer
from data_prep.records.record import Record, to_line
from data_prep.records.zst import QUICK, Writer
from data_prep.sources.form import Form
from data_prep.sources.inputs import stamp
from data_prep.sources.readers import read_documents

KEPT, DROPPED, EMBEDDINGS, PARAGRAPHS, PLACES = (
    "kept.jsonl.zst",
    "dropped.jsonl.zst",
    "embeddings.npy",
    "paragraphs",
    "places.npy",
)
COUNTS, SIZES = "counts.json", "sizes.npy"
"""What a shard's documents met with, for the funnel; apart from the manifest, which every array task of later stages
reads."""
WITHOUT_TEXT = "pages_without_text"
"""What the readers of PDF and of OCR's pages call the pages that gave nothing; records say so too."""
STREAMED_MB = 100.0
"""What a shard of a streamed data set, whose size nobody knows, counts for in the progress bar."""
BATCH_CHARACTERS = 250_000
"""The arrays of a batch then stay in the cache of a core."""


class Curate(Stage):
    """Reads the sources."""

    name, version = "curate", 1
    small = 2.0

    def __init__(self, work: CorpusWork):
        super().__init__(work)
        self.units = {unit.key: unit for unit in work.plan.units}
        self.chains: dict[str, Chain] = {}
        self.source_settings: dict[str, str] = {}

    def signer(self, source: str) -> Signer | None:
        """Make the signer of a source's documents, if they are compared."""
        config = self.work.config.duplicates
        return Signer(config, self.work.plan.profile(source)) if config.exact or config.near else None

    @cached_property
    def embedder(self) -> Embedder | None:
        """Embedder of documents, if that is asked for; loaded once for all shards."""
        config = self.work.config.semantic
        return Embedder(config.model) if config.enabled else None

    def tasks(self) -> list[Task]:
        """A task a unit of the plan."""
        return [Task(key, unit.shard.bytes * MB or STREAMED_MB) for key, unit in self.units.items()]

    def versions(self, task: Task) -> dict[str, int]:
        """Return the versions of the rules, cleaning steps and keys of this source, too."""
        return super().versions(task) | curate_versions(self.work, self.units[task.name].source)

    def inputs(self, task: Task) -> Any:
        """The files as they are now, and what decides about the documents of this source."""
        unit = self.units[task.name]
        if unit.source not in self.source_settings:
            self.source_settings[unit.source] = curate_settings(self.work, unit.source)
        spans = [[str(span.path), span.start, span.end, stamp(span.path)] for span in unit.shard.spans]
        return [spans, self.source_settings[unit.source]]

    def firsts(self) -> np.ndarray:
        """[units + 1] int64: number of the first kept document of each unit, all units counted through; the last is
        their total."""
        return np.cumsum([0, *(unit_manifest["kept"] for unit_manifest in self.manifests)])

    def make(self, task: Task, folder: Path, report: ProgressReport) -> dict[str, Any]:
        """Curate one shard."""
        unit, config = self.units[task.name], self.work.config
        if unit.source not in self.chains:
            self.chains[unit.source] = Chain(self.work, unit.source, report.say)
        chain, tally = self.chains[unit.source], Tally(config.samples)
        chain.declare(tally)
        bad = BadDocuments(config.on_bad_document, config.max_bad_documents, section="corpus")
        marks = Marks(self.signer(unit.source), self.embedder, config.paragraphs)
        with Writer(folder / KEPT, QUICK) as kept, Writer(folder / DROPPED) as dropped:

            def drop(record: Record, reason: str, value: float | None) -> None:
                line = {"id": record.id, "file": record.file, "line": record.line, "reason": reason, "value": value}
                dropped.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

            read = 0
            for records in _batches(self._records(unit, bad, report)):
                read += len(records)
                survivors = chain.pass_through(records, tally, drop)
                timer = StepTimer(chain.took)
                marks.take(survivors)
                timer.lap("marks")
                for record in survivors.records:
                    kept.write(to_line(record))
                timer.lap("writing")
        marks.save(folder)
        removed = dict(chain.cleaner.removed)
        chain.cleaner.removed.clear()
        leaked, steps = sorted(chain.leaked), dict(chain.took)
        chain.leaked.clear()
        chain.took.clear()
        _count_reading(tally, read, bad)
        counts = {
            "source": unit.source, "language": self.work.plan.sources[unit.source].language, "unit": unit.key,
            "inputs": [[str(span.path), span.start, span.end] for span in unit.shard.spans],
            "read": read + bad.counts.total(), "kept": marks.documents, "bad": dict(bad.counts),
            "bad_examples": bad.examples,
            "leaked": leaked, "removed_by": removed, **tally.fields(),
        }  # fmt: skip
        write_json(folder / COUNTS, counts)
        return {"kept": marks.documents, "cpu_seconds_of": steps}

    def _records(self, unit: Unit, bad: BadDocuments, report: ProgressReport) -> Iterator[Record]:
        """The documents of a shard as records."""
        source = self.work.plan.sources[unit.source]
        form = Form.of_source(unit.source, source, self.work.config)
        wanted = (source.url_field, "licence", "license", *source.keep_fields, WITHOUT_TEXT)
        for span in unit.shard.spans:
            for document in read_documents(span, form, bad, wanted, seen=lambda size: report.advance(size * MB)):
                fields = document.fields
                url, licence = (
                    fields.get(source.url_field),
                    fields.get("licence") or fields.get("license") or source.licence,
                )
                notes = {key: fields[key] for key in (*source.keep_fields, WITHOUT_TEXT) if key in fields}
                yield Record(
                    document.id, document.text, unit.source, str(licence), url if isinstance(url, str) else "",
                    source.language, str(document.file), document.line, notes,
                )  # fmt: skip


class Marks:
    """The arrays by which the kept documents of a shard are compared with others."""

    def __init__(self, signer: Signer | None, embedder: Embedder | None, paragraphs_config: ParagraphsConfig):
        self.signer, self.embedder = signer, embedder
        self.paragraphs = paragraphs_config if paragraphs_config.enabled else None
        self.documents = 0
        self.keys: list[np.ndarray] = []
        self.embeddings: list[np.ndarray] = []
        self.sizes: list[np.ndarray] = []
        self.places: list[tuple[np.ndarray, ...]] = []

    def take(self, survivors: Survivors) -> None:
        """Mark some more documents."""
        batch, alive = survivors.batch, survivors.alive
        if self.signer:
            self.keys.append(self.signer.keys(batch)[alive])
        if self.embedder:
            self.embeddings.append(self.embedder.embed([record.text for record in survivors.records]))
        if self.paragraphs:
            keys, documents, numbers = paragraphs.keys(batch, self.paragraphs.min_characters)
            own, ranks = alive[documents], np.cumsum(alive) - 1
            self.places.append((keys[own], ranks[documents[own]] + self.documents, numbers[own]))
        self.sizes.append(survivors.sizes)
        self.documents += len(survivors.records)

    def save(self, folder: Path) -> None:
        """Write the arrays."""
        save_array(folder / SIZES, joined(self.sizes))
        if self.signer:
            empty = np.empty((0, self.signer.columns), np.uint64)
            buckets.write_sorted(folder, np.concatenate([empty, *self.keys]))
        if self.embedder:
            empty = np.empty((0, self.embedder.dimensions), np.float16)
            save_array(folder / EMBEDDINGS, np.concatenate([empty, *self.embeddings]))
        if self.paragraphs:
            self._save_paragraphs(make_folder(folder / PARAGRAPHS))

    def _save_paragraphs(self, folder: Path) -> None:
        """Keys as `buckets` wants them, and of each paragraph its document in the shard and its number there."""
        none = (np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))
        keys, documents, numbers = (np.concatenate(column) for column in zip(none, *self.places, strict=True))
        assert keys.dtype == np.uint64  # numpy makes floats of uint64 beside int64, and keys would fall together
        buckets.write_sorted(folder, keys[:, None])
        save_array(folder / PLACES, np.stack([documents, numbers], axis=1).astype(np.uint32))


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Runs of records of about BATCH_CHARACTERS."""
    batch: list[Record] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record.text)
        if size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _count_reading(tally: Tally, read: int, bad: BadDocuments) -> None:
    """The step before all others: what it lets out is what cleaning takes in."""
    step, cleaning = tally.step("read"), tally.step("cleaning")
    for side in ("in", "out"):
        step.flow(side, {measure: cleaning.sums[f"{measure}_in"] for measure in ("characters", "bytes")})
        step.flow(side, {"documents": read, "words": None, "tokens": None})
    step.sums["documents_in"] += bad.counts.total()
    step.dropped.update({f"read/{kind}": count for kind, count in bad.counts.items()})
