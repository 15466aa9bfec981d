"""The shard plan: inputs cut into units of work, the same for any number of elements."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from common.files import digest_of
from data_prep.sources.inputs import kind_of, stamp
from data_prep.sources.readers import Span

KEY_LENGTH = 16


@dataclass(frozen=True)
class Shard:
    """Spans of input that become one .bin/.idx pair."""

    spans: tuple[Span, ...]

    @cached_property
    def key(self) -> str:
        """Name of its folder, from the spans alone: a new input later in the order leaves it as it is."""
        return digest_of([[str(span.path), span.start, span.end] for span in self.spans])[:KEY_LENGTH]

    @cached_property
    def bytes(self) -> int:
        """Size on disk of what it reads."""
        return sum((stamp(span.path)[0] if span.end is None else span.end) - span.start for span in self.spans)

    @property
    def title(self) -> str:
        """What it reads, for people."""
        first, last = self.spans[0], self.spans[-1]
        if first.end is not None:
            return f"{first.path} bytes {first.start} to {first.end}"
        return str(first.path) if first is last else f"{first.path} .. {last.path.name} ({len(self.spans)} files)"


def plan(paths: list[Path], shard_bytes: int) -> list[Shard]:
    """Shards in the order of ``paths``: a run of whole files of together at most ``shard_bytes`` on disk (one file may have more), or,
    of a plain .jsonl with more, spans of lines that begin within each stretch of ``shard_bytes``."""
    shards: list[Shard] = []
    run: list[Span] = []
    size = 0
    for path in paths:
        bytes_of_file = stamp(path)[0]
        large = bytes_of_file > shard_bytes
        if run and (large or size + bytes_of_file > shard_bytes):
            shards.append(Shard(tuple(run)))
            run, size = [], 0
        if large and kind_of(path) == ("jsonl", ""):
            shards.extend(Shard((span,)) for span in _cut(path, bytes_of_file, shard_bytes))
        else:
            run.append(Span(path))
            size += bytes_of_file
    return [*shards, Shard(tuple(run))] if run else shards


def _cut(path: Path, size: int, shard_bytes: int) -> Iterator[Span]:
    """Spans of lines; the boundaries lie at multiples of ``shard_bytes``, so that appended text leaves all but the last as they are."""
    start = 0
    with path.open("rb") as file:
        for target in range(shard_bytes, size, shard_bytes):
            if target <= start:
                continue
            file.seek(target - 1)
            while (block := file.readline(1 << 20)) and not block.endswith(b"\n"):
                pass
            if file.tell() >= size:
                break
            yield Span(path, start, file.tell())
            start = file.tell()
    yield Span(path, start, size)


def groups(shards: list[Shard], elements: int) -> list[list[Shard]]:
    """The shards dealt out to at most ``elements`` elements, none of them empty."""
    return [group for first in range(elements) if (group := shards[first::elements])]
