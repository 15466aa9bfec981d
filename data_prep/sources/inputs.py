"""Which files are read, in which order, and whether they are still the same."""

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from common.errors import UserError

FORMATS = {".txt": "text", ".md": "text", ".jsonl": "jsonl", ".parquet": "parquet"}
COMPRESSIONS = {".gz": "gz", ".zst": "zst"}
KNOWN = ".txt, .md, .jsonl or .parquet (plain, .gz, .zst)"
BLOCK = 1 << 20


def kind_of(path: str | Path) -> tuple[str, str] | None:
    """Format (text, jsonl, parquet) and compression ("", gz, zst) by the suffixes; None for a file that is not read."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes[-2:]]
    compression = COMPRESSIONS.get(suffixes[-1], "") if suffixes else ""
    if compression:
        suffixes.pop()
    name = FORMATS.get(suffixes[-1]) if suffixes else None
    return (name, compression) if name else None


def list_inputs(patterns: Iterable[str]) -> list[Path]:
    """Every input file, once, sorted by path. Folders are searched to the bottom; hidden files and other suffixes are passed over.

    Raises UserError for an empty list, a missing path, a pattern or folder without an input file, an unknown suffix of a file named
    outright, a dead link, a file or folder that may not be read."""
    patterns = list(patterns)
    if not patterns:
        raise UserError(f"data.inputs is empty; name files, folders or globs of {KNOWN}")
    found: dict[str, Path] = {}
    for pattern in patterns:
        for path in _expand(pattern):
            if not os.access(path, os.R_OK):
                raise UserError(f"{path} {'may not be read; change its permissions' if path.exists() else 'is a dead link; remove it'}")
            found.setdefault(os.path.abspath(path), path)
    return sorted(found.values(), key=str)


def _expand(pattern: str) -> list[Path]:
    """Input files that one entry of `data.inputs` stands for."""
    path = Path(os.path.normpath(os.path.expanduser(pattern)))
    if path.is_dir():
        files = list(_walk(path))
    elif path.exists():
        if not kind_of(path):
            raise UserError(f"data.inputs: {path} has an unknown suffix; known are {KNOWN}")
        return [path]
    elif glob.has_magic(pattern):
        matches = [Path(os.path.normpath(match)) for match in glob.glob(os.path.expanduser(pattern), recursive=True)]
        files = [match for match in matches if not match.is_dir() and kind_of(match)]
        files += [file for match in matches if match.is_dir() for file in _walk(match)]
    else:
        raise UserError(f"data.inputs: {pattern} does not exist; name files, folders or globs of {KNOWN}")
    if not files:
        raise UserError(f"data.inputs: {pattern} holds no input file; known are {KNOWN}")
    return files


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise UserError(f"data.inputs: the folder {error.filename} may not be read; change its permissions") from error

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith(".") and kind_of(name))


def stamp(path: str | Path) -> list[int]:
    """Size in bytes and time of the last change in ns: while both stand, a file counts as unchanged."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); put it back or take it out of data.inputs") from error
    return [status.st_size, status.st_mtime_ns]


def span_digest(path: str | Path, start: int = 0, end: int | None = None) -> str:
    """SHA-256 of the bytes ``start`` to ``end`` (to the end of the file when None)."""
    seen = hashlib.sha256()
    with Path(path).open("rb") as file:
        file.seek(start)
        left = (os.fstat(file.fileno()).st_size if end is None else end) - start
        while left > 0 and (block := file.read(min(BLOCK, left))):
            seen.update(block)
            left -= len(block)
    return seen.hexdigest()
