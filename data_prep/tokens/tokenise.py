"""Tokenising, by array tasks: their shards, each made whole or found whole."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common import manifest
from common.errors import UserError
from common.files import atomic_folder
from common.progress import ProgressReport
from conf.schema.data import DataConfig, PrepareConfig
from data_prep.sources.inputs import span_digest, stamp
from data_prep.sources.readers import BadDocuments, Document, read_documents
from data_prep.sources.shards import Shard
from data_prep.tokenizer.bulk import Backend, BulkEncoder, Differs
from data_prep.tokens.indexed import BIN, IDX, Digest, token_dtype, write_index
from data_prep.tokens.kept import find
from data_prep.tokens.merge import KIND, Merged
from data_prep.tokens.origins import ORIGINS, write_rows

MB = 1e-6


@dataclass(frozen=True)
class TokeniseWork:
    """The work of one `jobs.prepare`: what all its shards share."""

    folder: Path
    """`data.tokens`."""
    data: DataConfig
    prepare: PrepareConfig
    settings: dict[str, Any]
    """What the tokens depend on beside the text; another value means other tokens."""
    vocab_size: int
    prefix: list[int]
    suffix: list[int]
    merged: Merged
    """What an earlier merge left, which holds the tokens of shards that need not be made again."""


@dataclass(frozen=True)
class ShardGroup:
    """Group of shards that one array task tokenises."""

    work: TokeniseWork
    shards: list[Shard]


def run_shard_group(group: ShardGroup, report: ProgressReport) -> list[dict[str, Any]]:
    """Manifests of the array task's shards, in their order; a shard that is there and whole is left as it is."""
    work, encoder, bad = group.work, None, 0
    manifests = []
    for shard in group.shards:
        shard_manifest, why = find(
            shard, work.settings, work.data.max_document_bytes, work.prepare.on_bad_document, work.merged
        )
        if shard_manifest:
            report.advance(shard.bytes * MB)
        else:
            if why:
                report.say(f"{shard.title}: {why}; tokenising it again")
            encoder = encoder or BulkEncoder(work.data.tokenizer, work.prepare.check_every, report.say)
            shard_manifest = tokenise(shard, work, encoder, report, bad)
        bad += sum(shard_manifest["bad_documents"].values())
        manifests.append(shard_manifest)
    return manifests


def tokenise(
    shard: Shard, work: TokeniseWork, encoder: BulkEncoder, report: ProgressReport, bad_before: int
) -> dict[str, Any]:
    """Write a shard's folder: tokens.bin, tokens.idx, origins.npy and manifest.json appear together. Returns the
    manifest.

    The documents come one sequence each, in the order of the input; those without a visible character are counted and
    left out. Raises UserError for a bad document (as `prepare.on_bad_document` says) and for an input that changes
    while it is read."""
    inputs = [_fingerprint(shard, index) for index in range(len(shard.spans))]
    passed_over: list[str] = []
    for backend in encoder.backends():
        reading = _Reading(shard, work, report, bad_before)
        try:
            with atomic_folder(work.folder / "shards" / shard.key, KIND, keep=True, names=(BIN, IDX, ORIGINS)) as aside:
                written = _write(aside, encoder, backend, reading, work)
                if any(stamp(span["path"]) != span["stamp"] for span in inputs):
                    raise UserError(
                        f"{shard.title} changed while it was read; run the job again when nothing writes to it"
                    )
                made = manifest.describe(
                    KIND,
                    settings=work.settings,
                    inputs=inputs,
                    **written,
                    empty_documents=reading.empty,
                    bad_documents=dict(reading.bad.counts),
                    bad_examples=reading.bad.examples,
                    max_document_bytes=work.data.max_document_bytes,
                    backend=backend.name,
                    passed_over=passed_over,
                )
                manifest.write(aside, made)
            return made
        except Differs as error:
            report.say(f"warning: {error}; doing this shard again with the next, slower library")
            report.advance(-reading.done)
            passed_over.append(str(error))
    raise AssertionError("the reference never differs from itself")


def _fingerprint(shard: Shard, index: int) -> dict[str, Any]:
    span = shard.spans[index]
    size_and_time = stamp(span.path)
    return {
        "path": str(span.path),
        "start": span.start,
        "end": span.end,
        "stamp": size_and_time,
        "sha256": span_digest(span.path, span.start, span.end),
    }


class _Reading:
    """The documents of a shard, with their origins and counts of what was passed over."""

    def __init__(self, shard: Shard, work: TokeniseWork, report: ProgressReport, bad_before: int):
        self.shard, self.data, self.report = shard, work.data, report
        self.bad = BadDocuments(work.prepare.on_bad_document, work.prepare.max_bad_documents, bad_before)
        self.empty = 0
        self.origins = array("I")
        """Number of the span and row, of one document after another."""
        self.done = 0.0

    def __iter__(self) -> Iterator[Document]:
        for number, span in enumerate(self.shard.spans):
            for document in read_documents(span, self.data, self.bad, fields=(), seen=self._seen):
                if not document.text or document.text.isspace():
                    self.empty += 1
                else:
                    self.origins.extend((number, document.row))
                    yield document

    def _seen(self, size: int) -> None:
        self.done += size * MB
        self.report.advance(size * MB)


def _write(
    aside: Path, encoder: BulkEncoder, backend: Backend, reading: _Reading, work: TokeniseWork
) -> dict[str, Any]:
    """Write .bin, .idx and origins into ``aside``; returns counts and digests."""
    dtype = token_dtype(work.vocab_size)
    prefix, suffix = np.array(work.prefix, np.uint32), np.array(work.suffix, np.uint32)
    lengths: list[int] = []
    with (aside / BIN).open("wb") as file:
        tokens = Digest(file)
        for batch in encoder.encode(backend, reading):
            parts = [part for ids in batch for part in (prefix, ids, suffix)]
            tokens.write(
                np.concatenate(parts, dtype=dtype, casting="unsafe").data
            )  # ids are below the vocabulary's size
            lengths.extend(len(prefix) + len(ids) + len(suffix) for ids in batch)
    with (aside / IDX).open("wb") as file:
        index = Digest(file)
        write_index(index, dtype, lambda: [np.array(lengths, np.int32)])
    with (aside / ORIGINS).open("wb") as file:
        origins = Digest(file)
        write_rows(origins, (len(lengths), 2), [np.array(reading.origins, np.uint32)])
    files = {BIN: tokens.hex(), IDX: index.hex(), ORIGINS: origins.hex()}
    return {"documents": len(lengths), "tokens": sum(lengths), "files": files}
