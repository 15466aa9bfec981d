"""Errors of disks and file systems: which of them are a person's to mend, and what that person is told. All others are
bugs."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import UserError

_AGAIN = "then the same command goes on"
_FULL = {
    errno.ENOSPC: f"cannot be written, for the disk is full; make room (inodes count too), {_AGAIN}",
    errno.EDQUOT: f"cannot be written, for the disk quota is used up; make room, {_AGAIN}",
    errno.EFBIG: (
        f"cannot be written: files may not be that large here; raise `ulimit -f` or take another disk, {_AGAIN}"
    ),
}
_FAILING = dict.fromkeys(
    (errno.EIO, errno.ESTALE, errno.EREMOTEIO, errno.ENOTCONN, errno.ENXIO, errno.ENODEV),
    "cannot be read or written, for the file system failed; give the same command again, on another node or disk if"
    " this comes back",
)
_REFUSED = {
    errno.EROFS: "cannot be written, for the disk is mounted read-only; choose another place",
    errno.EACCES: "may not be read or written by this user; change its permissions, or choose another place",
    errno.EPERM: "may not be changed by this user; change its permissions, or choose another place",
    errno.ENOTDIR: "goes through something that is no folder; choose another path",
    errno.EISDIR: "is a folder where a file is wanted; move it, or choose another path",
    errno.ENAMETOOLONG: "has a name longer than the file system takes; choose a shorter one",
    errno.ELOOP: "is a link that leads round in a circle; mend it, or choose another path",
    errno.EMFILE: "cannot be opened, for too many files are open; raise the limit with `ulimit -n 65536`",
    errno.ENFILE: "cannot be opened, for too many files are open on this machine; try again later, or on another node",
}
_MENDS = _FULL | _FAILING | _REFUSED
_NAMELESS = {*_FULL, errno.EIO, errno.ESTALE, errno.EREMOTEIO, errno.EMFILE, errno.ENFILE}
"""Errors that are of the disk even where the system names no file, as for reading and writing; others may be of a
socket or a process."""
_LIBRARIES = ("builtins", "pyarrow", "safetensors", "safetensors_rust", "torch")
"""Whose exceptions may stand for an error of the disk without being an OSError."""
_NUMBER = re.compile(r"\((?:os )?error (\d+)\)|\[Errno (\d+)\]")
CUT_OFF = r"PytorchStreamWriter failed writing|inline_container\.cc\S+ \. unexpected pos|\d requested and \d+ written"
"""What torch.save and numpy say of a file that took fewer bytes than it was given; they do not say why."""
WIDTH = 300


class DiskError(UserError):
    """The disk's fault, or that of a path."""

    def __init__(self, message: str, passing: bool = False):
        """``passing``: another attempt, on another node perhaps, may go well without anybody's help."""
        super().__init__(message)
        self.passing = passing


def explained(error: BaseException) -> DiskError | None:
    """Explain in one sentence with the path and the mend for an error that comes from a full or failing disk, or from a
    path that cannot be used; None for any other, a missing file included, which is our fault."""
    for cause in _chain(error):
        number, name = _number(cause), _name(cause)
        if number is None or (number not in _NAMELESS and not (name and cause is error)):
            continue
        place = _clipped(name) if name else "standard output, or a file that the system does not name,"
        return DiskError(f"{place} {_MENDS[number]} ({os.strerror(number)})", number in _FAILING)
    return None


@contextmanager
def naming(path: str | Path, aside: str | Path = "") -> Iterator[None]:
    """Errors of the disk in this block, which the system and libraries raise without a file name, become an OSError
    with that of ``path``; so do those of ``aside``, where it is written meanwhile."""
    try:
        yield
    except Exception as error:
        number, name = _number(error), _name(error)
        if number is None:
            raise
        if not name and not (isinstance(error, OSError) and number not in _NAMELESS):
            raise OSError(number, os.strerror(number), str(path)) from error
        if name and aside:
            error.filename, error.filename2 = name.replace(str(aside), str(path), 1), None
        raise


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it came from."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _number(error: BaseException) -> int | None:
    """The errno behind an error, where it is one of `_MENDS`."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in _MENDS else None
    if isinstance(error, UserError) or type(error).__module__.partition(".")[0] not in _LIBRARIES:
        return None
    text = str(error)
    if match := _NUMBER.search(text):
        number = int(match[1] or match[2])
        return number if number in _MENDS else None
    return (error.__context__ and _number(error.__context__)) or errno.ENOSPC if re.search(CUT_OFF, text) else None


def _name(error: BaseException) -> str:
    """The file name that an error tells, of two (a copy, a rename) that which could not be written; empty where there
    is none."""
    name = (_number(error) in _FULL and getattr(error, "filename2", None)) or getattr(error, "filename", None)
    return os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else ""


def _clipped(text: str) -> str:
    """A text of at most `WIDTH` characters, its middle left out."""
    return text if len(text) <= WIDTH else f"{text[: WIDTH // 2]}...{text[-WIDTH // 2 :]}"


def free_space(folder: Path) -> tuple[int, int]:
    """Bytes and inodes that are free for us where ``folder`` is or will be; 0 inodes where the file system does not
    count them."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    status = os.statvfs(there)
    return status.f_bavail * status.f_frsize, status.f_favail if status.f_files else 0
