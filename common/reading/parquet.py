"""Documents out of .parquet files, by row groups."""

import io
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from common.errors import UserError, suggestion
from common.reading.document import Document
from common.reading.page_sizes import Load, load_of, rows_at_once
from common.reading.reading import Reading
from common.reading.row_groups import chosen
from common.reading.thrift import Malformed

BATCH_ROWS = 256
BATCH_BYTES = 1 << 25
BATCH_DOCUMENTS = 4
"""A batch may take so many times the limit of a document, whatever its pages hold."""


def read_parquet(reading: Reading) -> Iterator[Document]:
    """A document a row."""
    form = reading.form
    for row, record in rows(reading, (form.text_field,)):
        yield from reading.record(record, row, "row")


def rows(reading: Reading, texts: Sequence[str] = ()) -> Iterator[tuple[int, dict[str, Any]]]:
    """The row's number within the span, and its record; what cannot be read is counted, and so is a row with a value
    above the limit in one of the columns ``texts`` (all, where none is named). Raises UserError for a file without one
    of those columns."""
    import pyarrow
    import pyarrow.parquet

    path, row = reading.span.path, 0
    raw = reading.unpacked() if reading.compression else None
    if reading.compression and raw is None:
        return
    try:
        with (
            pyarrow.parquet.ParquetFile(path if raw is None else pyarrow.BufferReader(raw)) as file,
            path.open("rb") if raw is None else io.BytesIO(raw) as pages,
        ):
            columns = _columns(file.schema_arrow, reading, texts)
            for batch, count in _batches(file, pages, columns, reading):
                if batch is None:
                    row += count
                    continue
                for index in range(batch.num_rows):
                    row += 1
                    record = _record(batch, index, row, reading, texts)
                    if record is not None:
                        yield row, record
    except (pyarrow.ArrowException, OSError, Malformed) as error:
        fault = f"is not readable as parquet ({str(error).splitlines()[0]})"
        place = f"{path} (after row {reading.span.lines_before + row if row else 0})"
        reading.bad.add("broken_file", place, fault)


def _columns(schema: Any, reading: Reading, texts: Sequence[str]) -> list[str]:
    """Names of the columns that are read."""
    form, names = reading.form, schema.names
    for missing in set(texts) - set(names):
        hint = suggestion(missing, names) or f"; it has: {', '.join(names)}"
        raise UserError(f"{reading.span.path} has no column '{missing}'{form.text_key}{hint}")
    return reading.wanted(names, texts)


def _batches(file: Any, pages: BinaryIO, columns: list[str], reading: Reading) -> Iterator[tuple[Any, int]]:
    """Record batches of the row groups of the span, and their rows; None in place of a batch for a row group that is
    too large, which is counted. A batch has so few rows that it stays small whatever they hold."""
    form, span, metadata = reading.form, reading.span, file.metadata
    groups = chosen(metadata, span.start, span.end)
    unpacked = sum(metadata.row_group(number).total_byte_size for number in groups)
    all_rows = sum(metadata.row_group(number).num_rows for number in groups)
    most = max(1, min(BATCH_ROWS, BATCH_BYTES * all_rows // max(unpacked, 1)))
    on_disk = (span.path.stat().st_size if span.end is None else span.end) - span.start
    for number in groups:
        size = most
        if form.max_bytes:
            loads = _loads(metadata, number, pages, columns)
            if any(load.largest > form.whole_bytes for load in loads):
                reading.add_too_large(f"{span.path} row group {number + 1}")
                yield None, metadata.row_group(number).num_rows
                continue
            size = max(1, min(most, rows_at_once(loads, BATCH_DOCUMENTS * form.max_bytes)))
        for batch in file.iter_batches(batch_size=size, row_groups=[number], columns=columns):
            yield batch, batch.num_rows
            if not reading.compression:
                reading.seen(round(on_disk / max(all_rows, 1) * batch.num_rows))


def _loads(metadata: Any, number: int, pages: BinaryIO, columns: list[str]) -> list[Load]:
    """Loads of the columns of a row group that are read."""
    group, leaves = metadata.row_group(number), metadata.schema
    paths = [group.column(place).path_in_schema for place in range(group.num_columns)]
    read = [
        place
        for place, path in enumerate(paths)
        if any(path == name or path.startswith(f"{name}.") for name in columns)
    ]
    return [load_of(pages, group.column(place), leaves.column(place).length) for place in read]


def _record(batch: Any, index: int, row: int, reading: Reading, texts: Sequence[str]) -> dict[str, Any] | None:
    import pyarrow

    most = reading.form.max_bytes
    values = dict(zip(batch.schema.names, (column[index] for column in batch.columns), strict=True))
    for name in texts or values:
        value = values[name]
        value = value.value if isinstance(value, pyarrow.DictionaryScalar) else value
        if most and hasattr(value, "as_buffer") and value.is_valid and value.as_buffer().size > most:
            reading.add_too_long(row, "row")
            return None
    fields: dict[str, Any] = {}
    for name, value in values.items():
        try:
            fields[name] = value.as_py()
        except UnicodeDecodeError:
            reading.bad.add("not_utf8", reading.place(row, "row"), "is not UTF-8")
            return None
        except (
            ValueError,
            OverflowError,
            LookupError,
            ImportError,
            NotImplementedError,
            pyarrow.ArrowException,
        ) as error:
            # dates beyond year 9999, time zones that nobody knows, nanoseconds: what Python has no value for
            why = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
            reading.bad.add(
                "unreadable_field", reading.place(row, "row"), f"has what cannot be read in the column '{name}' ({why})"
            )
            return None
    return fields
