"""Files that are either whole or absent: write aside, fsync, rename."""

import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common.disk import DiskError, explained, naming
from common.errors import UserError
from common.progress import say
from common.remove import (
    aside_of,
    move_away,
    refuse_strange,
    remove_aside,
    remove_empty,
    remove_file,
    set_aside,
    strange,
)

LARGEST_JSON = 1 << 30
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def digest(path: str | Path, algorithm: str = "sha256") -> str:
    """Hex digest of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def named_digest(path: str | Path, algorithm: str = "sha256") -> str:
    """Digest of a file's bytes after the name of its algorithm: ``sha256:9f86...``."""
    return f"{algorithm}:{digest(path, algorithm)}"


def has_digest(path: str | Path, value: str) -> bool:
    """Check whether a file has the bytes of a `named_digest`, or of a bare hex digest, which is SHA-256."""
    algorithm, _, hexadecimal = value.rpartition(":")
    if algorithm not in ("", *hashlib.algorithms_guaranteed):
        raise UserError(
            f"{path} is listed with a digest by {algorithm}, which is unknown here; use the version that wrote it"
        )
    return digest(path, algorithm or "sha256") == hexadecimal


def digest_of(value: Any) -> str:
    """Hex digest of a JSON-able value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def fsync_folder(folder: str | Path) -> None:
    """Make renames inside ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: str | Path) -> Path:
    """Create ``folder`` with its parents. Raises UserError where that is not allowed."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if explanation := explained(error):
            raise DiskError(f"cannot create the folder {folder}: {explanation}", explanation.passing) from error
        raise UserError(f"cannot create the folder {folder} ({error.strerror}); choose one you may write to") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"the folder {folder} is not writable; choose another or change its permissions")
    return folder


@contextmanager
def nothing_left(folder: str | Path, *signs: str) -> Iterator[None]:
    """Leave nothing behind: where the block ends with an error, ``folder`` and its parents that were not there before
    go again, as far as they are empty.

    ``signs``: files below it that only say that work has begun. They go too, with the folders they are in, where the
    block made them and has left nothing else."""
    folder = Path(folder).absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    own = [folder / sign for sign in signs] if signs and not files_in(folder) else []
    try:
        yield
    except BaseException:
        if own and set(files_in(folder)) <= set(own):
            for sign in own:
                remove_file(sign)
            for place in sorted(folder.glob("**/"), reverse=True):
                remove_empty(place, folder)
        remove_empty(folder, there)
        raise


def files_in(folder: Path) -> list[Path]:
    """Everything below ``folder`` that is no folder."""
    return [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]


@contextmanager
def atomic_file(path: str | Path, mode: str = "wb", **kwargs: Any) -> Iterator[Any]:
    """Open a file that appears under ``path`` only once the block has ended without an error."""
    path = Path(path)
    make_folder(path.parent)
    aside = aside_of(path)
    try:
        with naming(path, aside):
            with aside.open(mode, **kwargs) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            put_in_place(aside, path)
    finally:
        remove_aside(aside)


@contextmanager
def atomic_folder(path: str | Path, kind: str = "", keep: bool = False, names: Collection[str] = ()) -> Iterator[Path]:
    """A folder to fill that appears under ``path`` only once the block has ended without an error.

    It replaces a former one that was written with a manifest of ``kind``, and nothing else (see `common.remove`):
    UserError is raised before the block is entered, or with ``keep`` what is there stays under another name, which is
    told. ``names``: as for `strange`."""
    path = Path(path)
    if not keep:
        refuse_strange(path, kind)
    make_folder(path.parent)
    aside = aside_of(path)
    try:
        with naming(path, aside):
            aside.mkdir()
            rights = stat.S_IMODE(aside.stat().st_mode)
            yield aside
            _settle(aside, rights)
            former = _make_way(path, kind, keep, names)
            put_in_place(aside, path)
        if former:
            remove_aside(former)
    finally:
        remove_aside(aside, ignore_errors=True)


def _settle(aside: Path, rights: int) -> None:
    """Make a folder durable. What libraries made by mkstemp and mkdtemp, for one user alone, gets the ``rights`` that
    the umask leaves."""
    for folder, folders, files in os.walk(aside):
        for name in (*folders, *files):
            mode = Path(folder, name).lstat().st_mode
            if rights & OTHERS and not mode & OTHERS and not stat.S_ISLNK(mode):
                Path(folder, name).chmod(stat.S_IMODE(mode) | rights & (0o777 if stat.S_ISDIR(mode) else 0o666))
        for name in files:
            with Path(folder, name).open("rb") as file:
                os.fsync(file.fileno())
        fsync_folder(folder)


def _make_way(path: Path, kind: str, keep: bool, names: Collection[str]) -> Path | None:
    """Take what is at ``path`` from there; returns where it is, for removal, if it is ours."""
    if not os.path.lexists(path):
        return None
    reason = strange(path, kind, names)
    if reason and not keep:
        refuse_strange(path, kind)
    if reason:
        say(f"warning: {path} is not replaced ({reason}); it is {move_away(path).name} now, beside the new one")
        return None
    return set_aside(path)


def put_in_place(made: str | Path, target: str | Path) -> None:
    """Rename a file, in place of a former one, or a folder, where there is none, to ``target``; durable when this
    returns."""
    os.replace(made, target)
    fsync_folder(Path(target).parent)


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically, indented, keys in the order given."""
    with atomic_file(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def read_json(path: str | Path) -> Any:
    """Read JSON. Raises UserError naming the file when it is absent or broken, or one that only another can have put
    there: no plain file (reading a pipe or a device need never end), or one far larger than any of ours."""
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_JSON:
            raise ValueError(
                "it is no plain file" if status.st_size <= LARGEST_JSON else f"it has more than {LARGEST_JSON} bytes"
            )
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({error}); remove it and run the job that wrote it again") from error


def replace_link(link: str | Path, target: str) -> None:
    """Point the symbolic link ``link`` at ``target`` (relative), atomically. Raises UserError where something else has
    its name."""
    link = Path(link)
    if link.exists() and not link.is_symlink():
        raise UserError(f"{link} is in the way of a link of that name; move it")
    aside = aside_of(link)
    os.symlink(target, aside)
    put_in_place(aside, link)
