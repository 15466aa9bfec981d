"""Files that are either whole or absent: write aside, fsync, rename."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common.errors import UserError

ASIDE = ".aside-"


def digest(path: str | Path, algorithm: str = "sha256") -> str:
    """Hex digest of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


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
        raise UserError(f"cannot create the folder {folder} ({error.strerror}); choose one you may write to") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"the folder {folder} is not writable; choose another or change its permissions")
    return folder


def _aside(path: Path) -> Path:
    return path.with_name(f"{ASIDE}{path.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}")


@contextmanager
def atomic_file(path: str | Path, mode: str = "wb", **kwargs: Any) -> Iterator[Any]:
    """Open a file that appears under ``path`` only once the block has ended without an error."""
    path = Path(path)
    make_folder(path.parent)
    aside = _aside(path)
    try:
        with aside.open(mode, **kwargs) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
        fsync_folder(path.parent)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """A folder to fill that appears under ``path`` (replacing a former one) only once the block has ended without an error."""
    path = Path(path)
    make_folder(path.parent)
    aside = _aside(path)
    aside.mkdir()
    try:
        yield aside
        for folder, _, names in os.walk(aside):
            for name in names:
                with Path(folder, name).open("rb") as file:
                    os.fsync(file.fileno())
            fsync_folder(folder)
        if path.exists():
            former = _aside(path)
            os.replace(path, former)
            os.replace(aside, path)
            shutil.rmtree(former)
        else:
            os.replace(aside, path)
        fsync_folder(path.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def sweep_asides(folder: str | Path) -> None:
    """Remove what killed processes left half-written in ``folder``. Call it only where one process writes."""
    for path in Path(folder).glob(f"{ASIDE}*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically, indented, keys in the order given."""
    with atomic_file(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, ensure_ascii=False)
        file.write("\n")


def read_json(path: str | Path) -> Any:
    """Read JSON. Raises UserError naming the file when it is absent or broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist") from error
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); remove it and run the job that wrote it again") from error


def replace_link(link: str | Path, target: str) -> None:
    """Point the symbolic link ``link`` at ``target`` (relative), atomically."""
    link = Path(link)
    aside = _aside(link)
    os.symlink(target, aside)
    os.replace(aside, link)
    fsync_folder(link.parent)
