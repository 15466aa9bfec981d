"""The shard plan: inputs cut into units of work, the same for any number of array tasks."""

import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from common.files import digest_of
from common.reading.document import Span
from common.reading.row_groups import row_group_starts
from data_prep.sources.hub import is_hub
from data_prep.sources.inputs import kind_of, stamp

KEY_LENGTH = 16


def shard_key(spans: list[list[Any]]) -> str:
    """Name of a shard's folder; ``spans``: path, start and end of each."""
    return digest_of(spans)[:KEY_LENGTH]


@dataclass(frozen=True)
class Shard:
    """Spans of input that become one .bin/.idx pair."""

    spans: tuple[Span, ...]

    @cached_property
    def key(self) -> str:
        """Name of its folder, from the spans alone: a new input later in the order leaves it as it is."""
        return shard_key([[str(span.path), span.start, span.end] for span in self.spans])

    @cached_property
    def bytes(self) -> int:
        """Size on disk of what it reads."""
        return sum((stamp(span.path)[0] if span.end is None else span.end) - span.start for span in self.spans)

    @property
    def title(self) -> str:
        """Title of what it reads, for people."""
        first, last = self.spans[0], self.spans[-1]
        if first.end is not None:
            return f"{first.path} bytes {first.start} to {first.end}"
        return str(first.path) if first is last else f"{first.path} .. {last.path.name} ({len(self.spans)} files)"


def plan_shards(paths: list[Path], shard_bytes: int, keeps_newlines: bool = True) -> list[Shard]:
    """Shards in the order of ``paths``: a run of whole files of together at most ``shard_bytes`` on disk (one file may
    have more), or, of a plain .jsonl or .parquet with more, spans of what begins within each stretch of
    ``shard_bytes``: lines, row groups. A shard of a data set is one by itself. ``keeps_newlines``: lines can be found
    in the bytes (`Form.keeps_newlines`; not so in UTF-16)."""
    shards: list[Shard] = []
    run: list[Span] = []
    size = 0
    for path in paths:
        bytes_of_file = stamp(path)[0]
        alone = bytes_of_file > shard_bytes or is_hub(path)
        if run and (alone or size + bytes_of_file > shard_bytes):
            shards.append(Shard(tuple(run)))
            run, size = [], 0
        if alone:
            shards.extend(Shard((span,)) for span in _cut(path, bytes_of_file, shard_bytes, keeps_newlines))
        else:
            run.append(Span(path))
            size += bytes_of_file
    return [*shards, Shard(tuple(run))] if run else shards


def _cut(path: Path, size: int, shard_bytes: int, keeps_newlines: bool) -> Iterator[Span]:
    """Spans of a large file; the boundaries lie by multiples of ``shard_bytes``: appended text leaves all but the last
    as they are."""
    kind = kind_of(path)
    if kind == ("parquet", "") and len(firsts := row_group_starts(path)) > 1:
        return _spans(
            path, size, shard_bytes, lambda byte: next(iter(firsts[bisect.bisect_left(firsts, byte) :]), size)
        )
    if kind in (("jsonl", ""), ("page_lines", "")) and keeps_newlines:
        return _spans(path, size, shard_bytes, lambda byte: _line_from(path, byte))
    return iter([Span(path)])


def _spans(path: Path, size: int, shard_bytes: int, first_from: Callable[[int], int]) -> Iterator[Span]:
    """``first_from``: the first byte from another one on at which something begins."""
    start = 0
    for target in range(shard_bytes, size, shard_bytes):
        if target <= start:
            continue
        end = first_from(target)
        if end >= size:
            break
        yield Span(path, start, end)
        start = end
    yield Span(path, start, size)


def _line_from(path: Path, byte: int) -> int:
    with path.open("rb") as file:
        file.seek(byte - 1)
        while (block := file.readline(1 << 20)) and not block.endswith(b"\n"):
            pass
        return file.tell()


def groups(shards: list[Shard], array_size: int) -> list[list[Shard]]:
    """The shards dealt out to at most ``array_size`` array tasks, none of them empty."""
    return [group for first in range(array_size) if (group := shards[first::array_size])]
