"""Memory that the pages of a .parquet may ask for, by their own headers: the footer says nothing of single pages,
and may lie.

A page is unpacked whole, and a page of a few bytes may unpack to gigabytes. Worse, a value of a dictionary (or, with
DELTA_BYTE_ARRAY, the beginning of the value before) is stored once and stands in every row that has it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from common.reading.thrift import Cut, Malformed, Reader

HEADER, LARGEST_HEADER = 1 << 12, 1 << 24
DICTIONARY, DATA, DATA_2 = 2, 0, 3
DELTA_BYTE_ARRAY = 7
FIXED = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8}
"""Bytes of a value in memory."""


@dataclass
class Load:
    """Load of one column of a row group: what its pages unpack to."""

    width: int
    """Bytes that one value may have at most."""
    total: int
    """Bytes that all values together may have at most."""
    largest: int
    """Bytes of the largest page."""


def load_of(file: BinaryIO, chunk: Any, length: int) -> Load:
    """Load of a column chunk (`pyarrow.parquet.ColumnChunkMetaData`); ``length``: that of a FIXED_LEN_BYTE_ARRAY.
    Raises Malformed."""
    largest = total = values = 0
    repeats = False
    for header in _headers(file, chunk):
        largest, total = max(largest, header[2]), total + header[2]
        data = header.get(5) or header.get(8) or {}
        values += data.get(1, 0)
        encoding = data.get(2 if 5 in header else 4)
        repeats = repeats or header[1] == DICTIONARY or encoding == DELTA_BYTE_ARRAY
    if chunk.physical_type == "BYTE_ARRAY":
        return Load(largest, values * largest if repeats else total, largest)
    width = FIXED.get(chunk.physical_type, length)
    return Load(width, values * width, largest)


def _headers(file: BinaryIO, chunk: Any) -> Iterator[dict[int, Any]]:
    """Header of each page, as in `PageHeader` of parquet.thrift, by the numbers of its fields."""
    at = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < (chunk.dictionary_page_offset or 0) < at:
        at = chunk.dictionary_page_offset
    end, left = at + chunk.total_compressed_size, chunk.num_values
    while at < end and left > 0:
        header, size = _header(file, at)
        if header.get(2, -1) < 0 or header.get(3, -1) < 0:
            raise Malformed("a page has no size")
        yield header
        left -= (header.get(5) or header.get(8) or {}).get(1, 0)
        at += size + header[3]


def _header(file: BinaryIO, at: int) -> tuple[dict[int, Any], int]:
    """A page header, and its length."""
    size = HEADER
    while True:
        file.seek(at)
        raw = file.read(size)
        reader = Reader(raw)
        try:
            return reader.fields(), reader.at
        except Cut:
            if len(raw) < size or size >= LARGEST_HEADER:
                raise
            size *= 16


def rows_at_once(loads: Iterable[Load], budget: int) -> int:
    """Rows, each with a value of every load, that take at most ``budget`` bytes whatever they hold; 0 where not even
    one does."""
    spread = sum(load.width for load in loads if load.total > budget)
    return budget // spread if spread else budget
