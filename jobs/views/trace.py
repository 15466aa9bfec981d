"""Trace of a document: file and line, shard, place in tokens.bin, tokens, and the steps at which a run trains on it."""

import bisect
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from common import manifest as manifests
from common.errors import UserError
from common.files import digest
from common.progress import track
from conf.schema import Config, DataConfig
from data_prep.sources.bad import BadDocuments
from data_prep.sources.inputs import kind_of, span_digest, stamp
from data_prep.sources.readers import Document, Span, read_documents
from data_prep.tokens.indexed import BIN, IDX, Index, read_index
from jobs.views.consumed import Uses, read_uses
from model.training.run import read_config

SHOWN = 400
"""Characters of the text, and of the decoded tokens, that are shown."""
USES = 10
"""Samples that are listed."""
_LINE = re.compile(r"(.+):(\d+)")


@dataclass(frozen=True)
class Place:
    """Where a document is."""

    position: int
    """Its number in tokens.bin, from 0."""
    shard: str = ""
    """Key of its shard; empty where tokens were adopted."""
    within: int = 0
    """Its number in the shard, from 0."""
    document: Document | None = None
    """What its source holds; None where that is gone or not known."""
    warning: str = ""


def find(folder: Path, wanted: str, data: DataConfig) -> Place:
    """The document ``wanted`` of a tokens folder: a number, or an id. Raises UserError where there is no such document."""
    manifest = manifests.read(folder)
    if manifest.get("kind") != "tokens":
        raise UserError(f"{folder / manifests.NAME} is not the manifest of prepared tokens; set data.tokens")
    if wanted.isdigit():
        return _by_position(folder, manifest, int(wanted), data)
    wanted = wanted.removeprefix("id:")
    line = _LINE.fullmatch(wanted)
    shards = [(key, first, _source(folder, key)) for key, first in _firsts(manifest)]
    chosen = [shard for shard in shards if line and any(span["path"] == line[1] for span in shard[2])] or shards
    for key, first, spans in track(chosen, f"look for {wanted}", len(chosen), "shards"):
        for within, document in enumerate(_documents(spans, manifest, data)):
            if document.id == wanted or (line and str(document.file) == line[1] and document.line == int(line[2])):
                return Place(first + within, key, within, document, _changed(spans))
    raise UserError(f"status.document={wanted}: no document of {folder} has that id; give its number in {BIN} or `file:line`")


def _by_position(folder: Path, manifest: dict[str, Any], position: int, data: DataConfig) -> Place:
    if position >= manifest["documents"]:
        raise UserError(f"status.document={position}: {folder} has documents 0 to {manifest['documents'] - 1}")
    firsts = _firsts(manifest)
    if not firsts:
        return Place(position, warning=f"these tokens were adopted from {manifest['settings'].get('adopt')}; their text is not known")
    key, first = firsts[bisect.bisect_right(firsts, position, key=lambda pair: pair[1]) - 1]
    spans = _source(folder, key)
    try:
        document = next(itertools.islice(_documents(spans, manifest, data), position - first, None), None)
    except UserError as error:
        return Place(position, key, position - first, warning=str(error))
    return Place(position, key, position - first, document, _changed(spans))


def _firsts(manifest: dict[str, Any]) -> list[tuple[str, int]]:
    """Key of each shard that has documents, and the number of its first one."""
    counts = [shard["documents"] for shard in manifest["shards"]]
    return [
        (shard["key"], first)
        for shard, first in zip(manifest["shards"], itertools.accumulate(counts, initial=0), strict=False)
        if shard["documents"]
    ]


def _source(folder: Path, key: str) -> list[dict[str, Any]]:
    """path, start, end, stamp, sha256 of what a shard was read from."""
    return manifests.read(folder / "shards" / key)["inputs"]


def _documents(spans: list[dict[str, Any]], manifest: dict[str, Any], data: DataConfig) -> Iterator[Document]:
    """The documents of a shard as `jobs.prepare` met them: bad and empty ones are passed over."""
    fields = DataConfig(text_field=manifest["settings"]["text_field"], id_field=data.id_field)
    for span in spans:
        bad = BadDocuments("skip", limit=1 << 60)
        for document in read_documents(Span(Path(span["path"]), span["start"], span["end"]), fields, bad, all_fields=False):
            if document.text and not document.text.isspace():
                yield document


def _changed(spans: list[dict[str, Any]]) -> str:
    for span in spans:
        if stamp(span["path"]) != span["stamp"] and span_digest(span["path"], span["start"], span["end"]) != span["sha256"]:
            return f"{span['path']} has changed since it was tokenised: the text may be that of another document"
    return ""


def byte_span(document: Document) -> tuple[int, int] | None:
    """First byte and end of a document in its file; None where the file is packed or no text."""
    name, compression = kind_of(document.file) or ("text", "")
    if compression or name not in ("text", "html", "jsonl", "page_lines"):
        return None
    if name in ("text", "html"):
        return 0, stamp(document.file)[0]
    with document.file.open("rb") as file:
        file.seek(document.span.start)
        for _ in range(document.row - 1):
            file.readline()
        begin = file.tell()
        return begin, begin + len(file.readline().rstrip(b"\n"))


def render_trace(config: Config) -> Table:
    """What is known of the document `status.document`, as a table of names and values."""
    status, data = config.status, config.data
    if status.run:
        frozen = read_config(status.run)["data"]
        data = DataConfig(tokens=frozen["tokens"], tokenizer=frozen["tokenizer"], id_field=data.id_field)
    folder = Path(data.tokens)
    place = find(folder, status.document, data)
    index = read_index(folder / IDX)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    rows = [("document", f"{place.position:,} of {folder}"), *_source_rows(place), *_token_rows(folder, place, index, data)]
    if status.run:
        rows += _use_rows(read_uses(Path(status.run), *_tokens_of(index, place.position), manifests.read(folder)))
    if place.warning:
        rows.append(("warning", place.warning))
    for name, value in rows:
        table.add_row(name, Text(value, "yellow" if name == "warning" else ""))
    return table


def _source_rows(place: Place) -> list[tuple[str, str]]:
    rows = [("shard", f"{place.shard}, its document {place.within:,}")] if place.shard else []
    if place.document is None:
        return rows
    document, span = place.document, byte_span(place.document)
    where = f"{document.file} line {document.line:,}" + (f", bytes {span[0]:,} to {span[1]:,}" if span else "")
    return [*rows, ("source", where), ("id", document.id), ("text", _begin(document.text))]


def _token_rows(folder: Path, place: Place, index: Index, data: DataConfig) -> list[tuple[str, str]]:
    first, end = _tokens_of(index, place.position)
    ids = np.memmap(folder / BIN, index.dtype, "r")[first:end]
    rows = [("tokens", f"{first:,} to {end:,} ({len(ids):,}) of {BIN}: {' '.join(map(str, ids[:12]))}{' ...' if len(ids) > 12 else ''}")]
    file = Path(data.tokenizer) / "tokenizer.json"
    if not file.is_file() or digest(file) != manifests.read(folder)["tokenizer"]:
        return [*rows, ("decoded", f"{file} is not the tokenizer that wrote them; set data.tokenizer")]
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    rows.append(("decoded", _begin(tokenizer.decode(ids[:SHOWN].tolist(), skip_special_tokens=False))))
    if place.document is None:
        return rows
    special = manifests.read(folder)["settings"].get("add_special_tokens", True)
    same = tokenizer.encode(place.document.text, add_special_tokens=special).ids == ids.tolist()
    return [*rows, ("check", "the text gives just these tokens" if same else "the text gives other tokens: it is not what was tokenised")]


def _tokens_of(index: Index, position: int) -> tuple[int, int]:
    """First token and end of a document in tokens.bin."""
    sequences = index.documents[position : position + 2]
    first = int(index.offsets[sequences[0]]) // index.dtype.itemsize
    return first, first + int(index.lengths[sequences[0] : sequences[1]].sum(dtype=np.int64))


def _use_rows(uses: Uses) -> list[tuple[str, str]]:
    if uses.heldout:
        return [("held out", f"of {uses.run}: never trained on, measured in held-out packs {', '.join(map(str, uses.heldout))}")]
    rows = [
        ("trained on" if use.done else "to come", f"step {use.step:,}, sample {use.sample:,} (epoch {use.epoch}, pack {use.pack:,})")
        for use in uses.samples
    ]
    more = [("", f"and {len(rows) - USES:,} times more, last in step {uses.samples[-1].step:,}")] if len(rows) > USES else []
    return [*rows[:USES], *more] or [("trained on", f"{uses.run} does not come to it")]


def _begin(text: str) -> str:
    line = " ".join(text[: 2 * SHOWN].split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]} ..."
