"""Collection of text for the quickstart, with the groups it may be split by and the pairs in it: docstrings of
packages, or the files of a folder."""

import heapq
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.progress import Bar
from conf.schema.data import DataConfig
from data_prep.quickstart.docstrings import extract, list_sources
from data_prep.quickstart.group_split import share_of
from data_prep.quickstart.pairs import Pair, docstring_pair, one_line, text_pairs
from data_prep.sources.inputs import kind_of
from data_prep.sources.readers import BadDocuments, read_documents

PART_CHARACTERS = 20_000
TITLE = "title"
"""Key of a document's title."""
MIN_GROUPS = 20


@dataclass
class Text:
    """A training text, or a source of queries. ``pairs``: for each place where a pair was looked for, the pair or why
    it is none."""

    id: str
    group: str
    text: str
    pairs: list[Pair | str]

    @property
    def size(self) -> int:
        """Bytes in UTF-8."""
        return len(self.text.encode())


@dataclass
class Collected:
    """Collected text: what was read, and what is worth knowing about it."""

    texts: list[Text]
    grouped_by: str
    passed_over: Counter[str] = field(default_factory=Counter)
    """Files or documents that gave no text, by reason."""
    facts: dict[str, Any] = field(default_factory=dict)


def from_docstrings(roots: Sequence[Path], workers: int, max_bytes: float) -> Collected:
    """Docstrings of the packages below ``roots``, signature first, grouped by distribution or module of the standard
    library.

    White space is folded: indentation of examples and tables would cost a small model a twelfth of its tokens.
    """
    docstrings, skipped = extract(list_sources(roots), workers, max_bytes)
    names = numbered(docstring.name for docstring in docstrings)
    texts = [
        Text(name, docstring.package, one_line(f"{docstring.signature}\n{docstring.text}"), [docstring_pair(docstring)])
        for name, docstring in zip(names, docstrings, strict=True)
    ]
    return Collected(texts, "package", skipped)


def numbered(names: Iterable[str]) -> Iterator[str]:
    """``names`` made unique: the second `x` becomes `x~2` (a property and its setter have one name, two files may use
    one id)."""
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        yield f"{name}~{seen[name]}" if seen[name] > 1 else name


@dataclass
class _Part:
    document: str
    group: str
    number: int
    text: str
    title: str


def from_files(folder: Path, files: Sequence[Path], data: DataConfig, bad: BadDocuments, max_bytes: float) -> Collected:
    """Documents of ``files`` below ``folder`` in parts of about 20,000 characters, with their pairs.

    A document (a .txt or .md file, a line of a .jsonl, a row of a .parquet) is a group; with fewer than 20 documents
    each part is one. Of more than ``max_bytes`` of text the parts with the lowest hashes are kept, so that memory does
    not grow with the folder."""
    kept: list[tuple[float, int, int, _Part]] = []
    size = read = 0
    with Bar("read your text", round(sum(path.stat().st_size for path in files) / 1e6, 1), "MB") as bar:
        for part in _parts_of(folder, files, data, bad, bar):
            length = len(part.text.encode())
            read += 1
            size += length
            heapq.heappush(kept, (-share_of(f"{part.group}#{part.number}"), -read, length, part))
            while size > max_bytes and len(kept) > 1:
                size -= heapq.heappop(kept)[2]
    chosen = [part for _, _, _, part in sorted(kept, key=lambda entry: -entry[1])]
    passed_over = Counter(bad.counts)
    if read > len(chosen):
        passed_over["not needed"] = read - len(chosen)
    by_part = len({part.group for part in chosen}) < MIN_GROUPS
    names = numbered(f"{part.document}#{part.number}" for part in chosen)
    texts = [
        Text(name, f"{part.group}#{part.number}" if by_part else part.group, part.text, _pairs(part))
        for name, part in zip(names, chosen, strict=True)
    ]
    return Collected(
        texts, "part of a document" if by_part else "document", passed_over, {"bad_documents": bad.examples}
    )


def _pairs(part: _Part) -> list[Pair | str]:
    return text_pairs(part.text, part.title if part.number == 0 else "")


def _parts_of(folder: Path, files: Sequence[Path], data: DataConfig, bad: BadDocuments, bar: Bar) -> Iterator[_Part]:
    for path in files:
        place = str(path.relative_to(folder))
        for document in read_documents(path, data, bad, (TITLE,), lambda taken: bar.advance(taken / 1e6)):
            group = place if (kind_of(path) or "")[0] == "text" else f"{place}:{document.line}"
            name = document.fields.get(data.id_field, group)
            title = document.fields.get(TITLE)
            title = one_line(title) if isinstance(title, str) else ""
            for number, text in enumerate(cut(document.text)):
                yield _Part(one_line(str(name)), group, number, text, title)


def cut(text: str, size: int = PART_CHARACTERS) -> Iterator[str]:
    """``text`` in parts of about ``size`` characters, cut at blank lines; a longer paragraph between words. Blank parts
    are left out."""
    words = re.compile(rf".{{1,{size // 20}}}(?:\s|\Z)|.{{{size // 20}}}", re.DOTALL)
    part: list[str] = []
    length = 0
    for paragraph in re.split(r"(?<=\n)(?=[ \t]*\n)", text):
        for piece in [paragraph] if len(paragraph) <= size else words.findall(paragraph):
            if length + len(piece) > size:
                yield from filter(str.strip, ["".join(part)])
                part, length = [], 0
            part.append(piece)
            length += len(piece)
    yield from filter(str.strip, ["".join(part)])
