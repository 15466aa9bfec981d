"""Documents of a tokens folder by number, id or line: where they are in it, and what their source holds."""

import bisect
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import manifest as manifests
from common.errors import UserError
from common.progress import track
from common.reading.bad import BadDocuments
from conf.schema import DataConfig
from data_prep.sources.inputs import kind_of, span_digest, stamp
from data_prep.sources.readers import Document, Span, read_documents
from data_prep.tokens.indexed import BIN
from jobs.views.document_status import is_wanted

_LINE = re.compile(r"(.+):(\d+)")


class NotThere(UserError):
    """No document has the id or line that was asked for."""


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
    """The document ``wanted`` of a tokens folder: a number, or an id. Raises UserError where there is no such
    document."""
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
            here = line and str(document.file) == line[1] and document.line == int(line[2])
            if document.id == wanted or here or is_wanted(document.fields, wanted):
                return Place(first + within, key, within, document, _changed(spans))
    raise NotThere(
        f"status.document={wanted}: no document of {folder} has that id; give its number in {BIN} or `file:line`"
    )


def _by_position(folder: Path, manifest: dict[str, Any], position: int, data: DataConfig) -> Place:
    if position >= manifest["documents"]:
        raise UserError(f"status.document={position}: {folder} has documents 0 to {manifest['documents'] - 1}")
    firsts = _firsts(manifest)
    if not firsts:
        return Place(
            position,
            warning=f"these tokens were adopted from {manifest['settings'].get('adopt')}; their text is not known",
        )
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
    """path, start, end, stamp, sha256 of what a shard was read from, and the limit of a document."""
    shard = manifests.read(folder / "shards" / key)
    return [span | {"limit": shard.get("max_document_bytes", 0)} for span in shard["inputs"]]


def _documents(spans: list[dict[str, Any]], manifest: dict[str, Any], data: DataConfig) -> Iterator[Document]:
    """The documents of a shard as `jobs.prepare` met them: bad and empty ones are passed over."""
    text_field = manifest["settings"]["text_field"]
    for span in spans:
        fields = DataConfig(text_field=text_field, id_field=data.id_field, max_document_bytes=span["limit"])
        bad = BadDocuments("skip", limit=1 << 60)
        for document in read_documents(Span(Path(span["path"]), span["start"], span["end"]), fields, bad, fields=()):
            if document.text and not document.text.isspace():
                yield document


def _changed(spans: list[dict[str, Any]]) -> str:
    for span in spans:
        if (
            stamp(span["path"]) != span["stamp"]
            and span_digest(span["path"], span["start"], span["end"]) != span["sha256"]
        ):
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
