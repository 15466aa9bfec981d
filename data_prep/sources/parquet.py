"""Documents out of .parquet files, by row groups."""

import io
from collections.abc import Iterator
from typing import Any

from common.errors import UserError, suggestion
from data_prep.sources.document import Document
from data_prep.sources.reading import Reading
from data_prep.sources.row_groups import chosen

BATCH_ROWS = 256
BATCH_BYTES = 1 << 25


def read_parquet(reading: Reading) -> Iterator[Document]:
    """A document a row."""
    import pyarrow
    import pyarrow.parquet

    path, row = reading.span.path, 0
    source = path
    if reading.compression:
        raw = reading.whole(None)
        if raw is None:
            return
        source = io.BytesIO(raw)
    try:
        with pyarrow.parquet.ParquetFile(source) as file:
            for batch in _batches(file, reading):
                for index in range(batch.num_rows):
                    row += 1
                    yield from _row(batch, index, row, reading)
    except (pyarrow.ArrowException, OSError) as error:
        fault = f"is not readable as parquet ({str(error).splitlines()[0]})"
        reading.bad.add("broken_file", f"{path} (after row {reading.span.lines_before + row if row else 0})", fault)


def _batches(file: Any, reading: Reading) -> Iterator[Any]:
    """Record batches of the row groups of the span; rows a batch so that it stays small where rows are large."""
    form, span, metadata = reading.form, reading.span, file.metadata
    names = file.schema_arrow.names
    if form.text_field not in names:
        hint = suggestion(form.text_field, names) or f"; it has: {', '.join(names)}"
        raise UserError(f"{span.path} has no column '{form.text_field}' (key {form.section}.text_field){hint}")
    columns = names if reading.all_fields else [name for name in (form.text_field, form.id_field) if name in names]
    groups = chosen(metadata, span.start, span.end)
    unpacked = sum(metadata.row_group(number).total_byte_size for number in groups)
    rows = sum(metadata.row_group(number).num_rows for number in groups)
    size = max(1, min(BATCH_ROWS, BATCH_BYTES * rows // max(unpacked, 1)))
    on_disk = (span.path.stat().st_size if span.end is None else span.end) - span.start
    for batch in file.iter_batches(batch_size=size, row_groups=groups, columns=columns):
        yield batch
        if not reading.compression:
            reading.seen(round(on_disk / max(rows, 1) * batch.num_rows))


def _row(batch: Any, index: int, row: int, reading: Reading) -> Iterator[Document]:
    form = reading.form
    try:
        record = {name: column[index].as_py() for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    except UnicodeDecodeError:
        reading.bad.add("not_utf8", reading.place(row, "row"), "is not UTF-8")
        return
    text = record.pop(form.text_field)
    if not isinstance(text, str):
        key = f"{form.section}.text_field"
        reading.bad.add("no_text", reading.place(row, "row"), f"has no string in the column '{form.text_field}' (key {key})")
    elif form.max_bytes and len(text) > form.max_bytes // 4 and len(text.encode("utf-8", "replace")) > form.max_bytes:
        reading.add_too_long(row, "row")
    else:
        yield from reading.document(text, row, record, "row")
