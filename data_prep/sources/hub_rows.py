"""Documents out of one shard of a streamed data set."""

from collections.abc import Iterator

from common.reading.document import Document
from common.reading.reading import Reading
from data_prep.sources.hub import Place, open_split


def read_hub(reading: Reading) -> Iterator[Document]:
    """A document a row. Where the data set cannot be read on, the rest of the shard counts as one bad document."""
    import pyarrow
    from datasets.exceptions import DatasetsError

    path, form, row = reading.span.path, reading.form, 0
    place = Place.parse(str(path))
    dataset, _ = open_split(place.name, place.config, place.split)
    try:
        if reading.fields is not None and dataset.column_names:
            dataset = dataset.select_columns(reading.wanted(dataset.column_names, (form.text_field,)))
        for row, record in enumerate(dataset.shard(num_shards=place.shards, index=place.shard), 1):
            text = record.get(form.text_field)
            if isinstance(text, str) and form.max_bytes and len(text.encode("utf-8", "replace")) > form.max_bytes:
                reading.add_too_long(row, "row")
            else:
                yield from reading.record(record, row, "row")
    except (DatasetsError, OSError, ValueError, OverflowError, LookupError, pyarrow.ArrowException) as error:
        reading.bad.add(
            "broken_file", f"{path} (after row {row})", f"cannot be read on ({str(error).strip().splitlines()[0]})"
        )
