"""Whose a file is. What is submitted runs with this user's rights, so it must be this user's own and nobody else's to
change."""

import os
import pwd
import stat
from collections.abc import Iterable
from pathlib import Path

OTHERS = stat.S_IWGRP | stat.S_IWOTH


def foreign(paths: Iterable[Path]) -> str:
    """Why the first of ``paths`` that is not this user's own alone is not; empty where all are. Links are not followed,
    and refused."""
    for path in paths:
        if why := _foreign(os.lstat(path)):
            return f"{path} {why}"
    return ""


def tree(folder: Path) -> Iterable[Path]:
    """A folder with everything below it."""
    yield folder
    for parent, folders, names in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *names))


def shut(folder: Path) -> None:
    """Take the right to write to ``folder`` and what lies below from everyone else, whatever the umask gave them."""
    for path in tree(folder):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~OTHERS)


def read_own(file: Path) -> str | None:
    """Text of a file of this user's own; None where it is another's, others may write to it, or it is a link. What is
    judged is the file that is read. Raises OSError where it is gone."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError:
        return None
    except OSError:
        if file.is_symlink():
            return None
        raise
    with os.fdopen(handle, encoding="utf-8") as stream:
        found = os.fstat(handle)
        return None if _foreign(found) or not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 else stream.read()


def owner(path: Path) -> str:
    """Name of the user whose ``path`` is, their number where they have no name here."""
    number = os.lstat(path).st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _foreign(found: os.stat_result) -> str:
    """Why something is not this user's own alone."""
    if stat.S_ISLNK(found.st_mode):
        return "is a link"
    if found.st_uid != os.geteuid():
        return "belongs to another user"
    return "can be changed by others (chmod go-w)" if found.st_mode & OTHERS else ""
