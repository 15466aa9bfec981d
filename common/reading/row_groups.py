"""Row groups of a .parquet: where they begin."""

import itertools
from functools import lru_cache
from pathlib import Path
from typing import Any


def starts(metadata: Any) -> list[int]:
    """First byte of each row group by the footer; empty where they do not follow one another (some writers do as they
    like)."""
    first_bytes = [_first_byte(metadata.row_group(number)) for number in range(metadata.num_row_groups)]
    return first_bytes if all(before < other for before, other in itertools.pairwise(first_bytes)) else []


def _first_byte(group: Any) -> int:
    columns = (group.column(number) for number in range(group.num_columns))
    offsets = (
        offset for column in columns for offset in (column.dictionary_page_offset, column.data_page_offset) if offset
    )
    return min(offsets, default=0)


def chosen(metadata: Any, start: int, end: int | None) -> list[int]:
    """Numbers of the row groups that begin in ``start <= byte < end``; all of them where ``end`` is None."""
    if end is None:
        return list(range(metadata.num_row_groups))
    return [number for number, first in enumerate(starts(metadata)) if start <= first < end]


def row_group_starts(path: Path) -> list[int]:
    """`starts` of a file; empty where its footer cannot be read, which is for the reader to say."""
    import pyarrow
    import pyarrow.parquet

    try:
        return starts(pyarrow.parquet.read_metadata(path))
    except (pyarrow.ArrowException, OSError):
        return []


@lru_cache(maxsize=64)
def rows_before(path: Path, start: int) -> int:
    """Rows in the row groups that begin before byte ``start``."""
    import pyarrow.parquet

    metadata = pyarrow.parquet.read_metadata(path)
    return sum(metadata.row_group(number).num_rows for number in chosen(metadata, 0, start))
