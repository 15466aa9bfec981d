"""Input files: which are read, in which order, and whether they are still the same."""

import glob
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from common.errors import UserError
from common.folders import files_below
from common.reading import formats
from common.reading.unread import Unread
from data_prep.sources.hub import hub_shards, hub_stamp, is_hub

KNOWN = ".txt, .md, .html, .jsonl, .parquet, .pdf or .pages.json (plain, .gz, .zst), or hub:name[,config[,split]]"
BLOCK = 1 << 20


def kind_of(path: str | Path) -> tuple[str, str] | None:
    """Return the kind of a file, as `formats.kind_of`; a data set has the format hub."""
    return ("hub", "") if is_hub(path) else formats.kind_of(path)


def list_inputs(patterns: Iterable[str], key: str = "data.inputs") -> list[Path]:
    """Every input file, once, sorted by path. Folders are searched to the bottom, links followed; hidden files and
    other suffixes are passed over. A file that several names lead to goes by its own where that is among them. Of a
    data set (``hub:...``) each shard is an input.

    ``key`` is the key of the configuration that names them, for messages. Raises UserError for an empty list, a missing
    path, a pattern or folder without an input file, an unknown suffix of a file named outright, a dead link, links in a
    circle, a file or folder that may not be read, files that are all empty."""
    return search(patterns, key)[0]


def told_inputs(patterns: Iterable[str], key: str = "data.inputs") -> list[Path]:
    """List inputs as `list_inputs` does, and say which files of other kinds were passed over."""
    paths, others = search(patterns, key)
    Unread.of(others).tell(key)
    return paths


def search(patterns: Iterable[str], key: str) -> tuple[list[Path], list[Path]]:
    """Search what `list_inputs` finds, and the files of other kinds that it passes over, hidden ones aside."""
    patterns, others = list(patterns), []
    if not patterns:
        raise UserError(f"{key} is empty; name files, folders or globs of {KNOWN}")
    by_resolved: dict[str, Path] = {}
    for pattern in patterns:
        for path in hub_shards(pattern) if is_hub(pattern) else _expand(pattern, key, others):
            if not is_hub(path) and not os.access(path, os.R_OK):
                raise UserError(
                    f"{path}"
                    f" {'may not be read; change its permissions' if path.exists() else 'is a dead link; remove it'}"
                )
            _take(path, by_resolved)
    if not any(is_hub(path) or path.stat().st_size for path in by_resolved.values()):
        raise UserError(
            f"{key}: {', '.join(patterns)} holds empty files alone; was something cut off before it wrote them?"
        )
    return sorted(by_resolved.values(), key=str), others


def _take(path: Path, by_resolved: dict[str, Path]) -> None:
    """Put an input among those ``by_resolved``, by real path."""
    if is_hub(path):
        by_resolved.setdefault(str(path), path)
        return
    real, absolute = os.path.realpath(path), os.path.abspath(path)
    other = os.path.abspath(by_resolved.setdefault(real, path))
    if other not in (real, absolute) and (absolute == real or absolute < other):
        by_resolved[real] = path


def _expand(pattern: str, key: str, others: list[Path]) -> list[Path]:
    """Input files that one entry stands for; files of other kinds are added to ``others``."""
    path = Path(os.path.normpath(os.path.expanduser(pattern)))
    if path.is_dir():
        there = files_below(path, key)
    elif path.exists():
        if not kind_of(path):
            raise UserError(f"{key}: {path} has an unknown suffix; known are {KNOWN}")
        return [path]
    elif glob.has_magic(pattern):
        _refuse_circles(pattern, key)
        matches = [Path(os.path.normpath(match)) for match in glob.glob(os.path.expanduser(pattern), recursive=True)]
        there = [match for match in matches if not match.is_dir()]
        there += [file for match in matches if match.is_dir() for file in files_below(match, key)]
    else:
        raise UserError(f"{key}: {pattern} does not exist; name files, folders or globs of {KNOWN}")
    unread = [path for path in there if not kind_of(path)]
    if len(unread) == len(there):
        raise UserError(
            f"{key}: {pattern} holds no input file{f' ({Unread.of(unread)})' if unread else ''}; known are {KNOWN}"
        )
    others += unread
    return [path for path in there if kind_of(path)]


def _refuse_circles(pattern: str, key: str) -> None:
    """`glob` follows links that lead round in a circle as long as the system allows, and two of them for ever."""
    before, stars, _ = os.path.expanduser(pattern).partition("**")
    for folder in glob.glob(os.path.dirname(before) or ".") if stars else ():
        files_below(folder, key, strict=False)


def stamp(path: str | Path) -> list[int]:
    """Size in bytes and time of the last change in ns: while both stand, a file counts as unchanged."""
    if is_hub(path):
        return hub_stamp(path)
    try:
        status = os.stat(path)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); put it back or take it out of the inputs"
        ) from error
    return [status.st_size, status.st_mtime_ns]


def span_digest(path: str | Path, start: int = 0, end: int | None = None) -> str:
    """SHA-256 of the bytes ``start`` to ``end`` (to the end of the file when None); of a data set that of its stamp."""
    seen = hashlib.sha256()
    if is_hub(path):
        seen.update(str(hub_stamp(path)).encode())
        return seen.hexdigest()
    with Path(path).open("rb") as file:
        file.seek(start)
        left = (os.fstat(file.fileno()).st_size if end is None else end) - start
        while left > 0 and (block := file.read(min(BLOCK, left))):
            seen.update(block)
            left -= len(block)
    return seen.hexdigest()
