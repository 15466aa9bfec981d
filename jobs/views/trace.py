"""Trace of a document: where it came from, through corpus, shard and mixture, its tokens, and the steps at which a run
trains on it.

Backwards, from an id or a `file:line`, it finds the document in the tokens, or says why the corpus dropped it."""

from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from common import manifest as manifests
from common.errors import UserError
from common.files import digest
from common.layout import TOKENIZER
from common.tokenizer import DocumentTokenizer
from conf.schema import Config, DataConfig
from data_prep.tokens.indexed import BIN, IDX, Index, read_index
from jobs.views.document_lookup import NotThere, Place, byte_span, find
from jobs.views.document_status import corpora_of, fate, source_rows
from jobs.views.mixture_lookup import Reading, in_stream, readings
from jobs.views.training_uses import Uses, read_uses
from model.training.run.config import read_config

SHOWN = 400
"""Characters of the text, and of the decoded tokens, that are shown."""
USES = 10
"""Samples that are listed."""


def render_trace(config: Config) -> Table:
    """What is known of the document `status.document`, as a table of names and values."""
    status, data = config.status, config.data
    if status.run:
        frozen = read_config(status.run)["data"]
        data = DataConfig(tokens=frozen["tokens"], tokenizer=frozen["tokenizer"], id_field=data.id_field)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in trace(config, data):
        table.add_row(name, Text(value, "yellow" if name == "warning" else ""))
    return table


def trace(config: Config, data: DataConfig) -> list[tuple[str, str]]:
    """Names and values of all that is known of `status.document` among the tokens ``data.tokens``."""
    folder, wanted = Path(data.tokens), config.status.document
    try:
        stream, place = _find(folder, wanted, data)
    except NotThere:
        for corpus in _corpora(folder, config):
            if rows := fate(corpus, wanted.removeprefix("id:")):
                return [("corpus", str(corpus)), *rows]
        raise
    own = stream.folder if stream else folder
    rows = [("stream", stream.title)] if stream else []
    rows += [
        ("document", f"{place.position:,} of {own}"),
        *_source_rows(place),
        *_token_rows(own, place, read_index(own / IDX), data),
    ]
    begin = stream.position if stream else place.position
    if stream:
        rows.append(
            (
                "in stream",
                "tokens {:,} to {:,} of {}".format(*_tokens_of(read_index(folder / IDX), begin), folder / BIN),
            )
        )
    else:
        rows += [("in stream", one) for one in in_stream(folder, place.position, config.mixture.output)]
    if config.status.run:
        run = Path(config.status.run)
        rows += _use_rows(read_uses(run, *_tokens_of(read_index(folder / IDX), begin), manifests.read(folder)))
    return [*rows, ("warning", place.warning)] if place.warning else rows


def _corpora(folder: Path, config: Config) -> list[Path]:
    """The corpora that the tokens were made of, and that of the configuration."""
    known = manifests.read(folder) if (folder / manifests.NAME).is_file() else {}
    sources = [one["folder"] for one in known.get("mixture", {}).get("sources", [])]
    inputs = [
        path
        for one in sources
        if (Path(one) / manifests.NAME).is_file()
        for path in manifests.read(one).get("inputs", {})
    ]
    return corpora_of([*known.get("inputs", {}), *inputs, config.corpus.output])


def _find(folder: Path, wanted: str, data: DataConfig) -> tuple[Reading | None, Place]:
    """Where the stream of a mixture has the document (its first reading), and where the tokens of its source have
    it."""
    if not (folder / manifests.NAME).is_file():
        raise NotThere(
            f"data.tokens: {folder} holds no prepared tokens (no {manifests.NAME}); run jobs.prepare, or set"
            " data.tokens"
        )
    known = manifests.read(folder)
    if "mixture" not in known:
        return None, find(folder, wanted, data)
    if wanted.isdigit():
        stream = readings(folder, known).at(int(wanted))
        return stream, find(stream.folder, str(stream.document), data)
    for number, source in enumerate(known["mixture"]["sources"]):
        try:
            place = find(Path(source["folder"]), wanted, data)
        except NotThere:
            continue
        if stream := readings(folder, known).first(number, place.position):
            return stream, place
        raise UserError(
            f"status.document={wanted}: document {place.position:,} of {source['folder']} is not read in {folder}"
        )
    raise NotThere(
        f"status.document={wanted}: no source of {folder} has a document of that id; give its number in the stream or"
        " `file:line`"
    )


def _source_rows(place: Place) -> list[tuple[str, str]]:
    rows = [("shard", f"{place.shard}, its document {place.within:,}")] if place.shard else []
    if place.document is None:
        return rows
    document, span = place.document, byte_span(place.document)
    where = f"{document.file} line {document.line:,}" + (f", bytes {span[0]:,} to {span[1]:,}" if span else "")
    rows += [("source", where), ("id", document.id)]
    fields = document.fields
    if isinstance(fields.get("file"), str) and isinstance(fields.get("line"), int):  # a document of a corpus
        rows += source_rows(fields["file"], fields["line"], document.id)[:1]
    return [*rows, ("text", _begin(document.text))]


def _token_rows(folder: Path, place: Place, index: Index, data: DataConfig) -> list[tuple[str, str]]:
    first, end = _tokens_of(index, place.position)
    ids = np.memmap(folder / BIN, index.dtype, "r")[first:end]
    rows = [
        (
            "tokens",
            (
                f"{first:,} to {end:,} ({len(ids):,}) of {BIN}:"
                f" {' '.join(map(str, ids[:12]))}{' ...' if len(ids) > 12 else ''}"
            ),
        )
    ]
    file = Path(data.tokenizer) / TOKENIZER
    if not file.is_file() or digest(file) != manifests.read(folder)["tokenizer"]:
        return [*rows, ("decoded", f"{file} is not the tokenizer that wrote them; set data.tokenizer")]
    tokenizer = DocumentTokenizer.read(file, "put the file back")
    rows.append(("decoded", _begin(tokenizer.tokenizer.decode(ids[:SHOWN].tolist(), skip_special_tokens=False))))
    if place.document is None:
        return rows
    special = manifests.read(folder)["settings"].get("add_special_tokens", True)
    same = np.array_equal(tokenizer.document(place.document.text, special), ids)
    return [
        *rows,
        (
            "check",
            "the text gives just these tokens" if same else "the text gives other tokens: it is not what was tokenised",
        ),
    ]


def _tokens_of(index: Index, position: int) -> tuple[int, int]:
    """First token and end of a document in tokens.bin."""
    sequences = index.documents[position : position + 2]
    first = int(index.offsets[sequences[0]]) // index.dtype.itemsize
    return first, first + int(index.lengths[sequences[0] : sequences[1]].sum(dtype=np.int64))


def _use_rows(uses: Uses) -> list[tuple[str, str]]:
    if uses.validation:
        return [
            (
                "held out",
                f"of {uses.run}: never trained on, measured in held-out packs {', '.join(map(str, uses.validation))}",
            )
        ]
    rows = [
        (
            "trained on" if use.done else "to come",
            f"step {use.step:,}, sample {use.sample:,} (epoch {use.epoch}, pack {use.pack:,})",
        )
        for use in uses.samples
    ]
    more = (
        [("", f"and {len(rows) - USES:,} times more, last in step {uses.samples[-1].step:,}")]
        if len(rows) > USES
        else []
    )
    return [*rows[:USES], *more] or [("trained on", f"{uses.run} does not come to it")]


def _begin(text: str) -> str:
    line = " ".join(text[: 2 * SHOWN].split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]} ..."
