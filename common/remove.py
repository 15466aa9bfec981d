"""Removal of files and folders: the one place that unlinks files and removes folders.

- A link is never followed: it is unlinked itself, or passed over. What it points at may be anybody's.
- A folder is removed where it carries a name of ours (`ASIDE`), a mark (`mark`), or a manifest of the kind that its
  writer writes, which
  lists every file in it; and where it is this user's.
- Anything else that lies where we write is refused, or kept there under another name.
"""

import json
import os
import re
import shutil
import uuid
from collections.abc import Collection
from pathlib import Path

from common.disk import naming
from common.errors import UserError
from common.layout import MANIFEST

ASIDE = ".aside-"
"""Begins the name of whatever is written but not whole yet, or on its way out."""
MARK = ".work"


def aside_of(path: str | Path) -> Path:
    """A name beside ``path`` that nothing has, and that is ours to remove."""
    path = Path(path)
    return path.with_name(f"{ASIDE}{path.name}-{os.getpid()}-{uuid.uuid4().hex[:8]}")


def strange(folder: str | Path, kind: str, names: Collection[str] = ()) -> str | None:
    """Return why ``folder`` is not one that we wrote with a manifest of ``kind``; None where it is, where it is empty,
    and where there is none.

    ``names``: all that its writer ever writes into it; then it is ours without its manifest too, if it holds nothing
    else."""
    folder = Path(folder)
    if folder.is_symlink():
        return "it is a link"
    if not folder.exists():
        return None
    if not folder.is_dir():
        return "it is no folder"
    files = _files(folder)
    if not files:
        return None
    if folder.stat().st_uid != os.geteuid():
        return "it belongs to another user"
    if names and set(files) <= {MANIFEST, *names}:
        return None
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        listed = {MANIFEST}.union(*(manifest.get(part, ()) for part in ("files", "sizes", "output_stamps")))
    except FileNotFoundError:
        return f"it holds files, and no {MANIFEST} that says whose"
    except (OSError, ValueError, TypeError, AttributeError):
        return f"its {MANIFEST} is damaged"
    if manifest.get("kind") != kind:
        return f"its {MANIFEST} is not that of a {kind}"
    others = sorted(set(files) - listed)
    return f"it holds {others[0]}, which its {MANIFEST} does not list" if others else None


def _files(folder: Path) -> list[str]:
    """Files and links below ``folder`` by their path there; links are not followed."""
    paths = (Path(home, name) for home, folders, names in os.walk(folder) for name in (*folders, *names))
    return [str(path.relative_to(folder)) for path in paths if path.is_symlink() or not path.is_dir()]


def refuse_strange(folder: str | Path, kind: str) -> None:
    """Raise UserError where `strange` finds that ``folder`` is not ours to replace or remove."""
    if reason := strange(folder, kind):
        raise UserError(f"{folder} is not replaced: {reason}; choose another folder, or move what is there")


def move_away(path: str | Path) -> Path:
    """Rename whatever is at ``path`` (a link itself) to a free name beside it, which is returned."""
    path = Path(path)
    kept = path.with_name(f"{path.name}.kept-{uuid.uuid4().hex[:8]}")
    os.rename(path, kept)
    return kept


def set_aside(path: str | Path) -> Path:
    """Rename ``path`` (a link itself) to an aside-name, which is returned. The caller knows that it is ours."""
    aside = aside_of(path)
    os.rename(path, aside)
    return aside


def remove_aside(path: str | Path, ignore_errors: bool = False) -> None:
    """Remove what carries an aside-name: a file, a folder, a link itself; nothing where there is none."""
    path = Path(path)
    assert path.name.startswith(ASIDE), f"{path} is not named as ours"
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=ignore_errors)  # unlinks the links below, and follows none
    else:
        path.unlink(missing_ok=True)


def sweep_asides(folder: str | Path, name: str = "") -> None:
    """Remove what killed processes of this user left half-written in ``folder``, with ``name`` of that one artefact
    only (`aside_of`). Call it only where one process writes."""
    ours = re.compile(rf"{re.escape(ASIDE + name)}-\d+-[0-9a-f]{{8}}" if name else rf"{re.escape(ASIDE)}.*")
    for path in Path(folder).glob(f"{ASIDE}*"):
        if ours.fullmatch(path.name) and path.lstat().st_uid == os.geteuid():
            remove_aside(path)


def remove_folder(folder: str | Path, kind: str) -> None:
    """Remove a folder that we wrote, by one rename first, so that a half-removed one is never taken for whole.

    Raises UserError, and removes nothing, where it is not ours (`strange`)."""
    refuse_strange(folder, kind)
    remove_aside(set_aside(folder))


def mark(folder: str | Path, kind: str) -> None:
    """Make a work folder of ours, where everything may be removed; raises UserError where it holds files and no mark of
    ``kind``."""
    folder = Path(folder)
    if folder.is_symlink() or (folder.exists() and _holds_files(folder) and not marked(folder, kind)):
        raise UserError(
            f"{folder} is wanted for work files, and was not made for them; move it, or choose another output"
        )
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        aside = aside_of(folder / MARK)
        try:
            aside.write_text(f"{kind}\n", encoding="utf-8")
            os.rename(
                aside, folder / MARK
            )  # on a full disk there is no mark, rather than an empty one, which would be nobody's
        finally:
            remove_aside(aside)


def _holds_files(folder: Path) -> bool:
    """Check whether there is anything in ``folder`` but marks that were never put in place."""
    return any(not path.name.startswith(f"{ASIDE}{MARK}-") for path in folder.iterdir())


def marked(folder: str | Path, kind: str) -> bool:
    """Check whether `mark` made the folder (no link to one)."""
    mark = Path(folder, MARK)
    return not Path(folder).is_symlink() and mark.is_file() and mark.read_text(encoding="utf-8").strip() == kind


def remove_marked(folder: str | Path, kind: str) -> None:
    """Remove a work folder that `mark` made, whatever is in it; one without the mark is left alone."""
    if marked(folder, kind):
        remove_aside(set_aside(folder))


def remove_empty(folder: str | Path, above: str | Path) -> None:
    """Remove ``folder`` and the folders it lies in, as far as they are empty, below ``above``."""
    for path in (Path(folder), *Path(folder).parents):
        if path == Path(above):
            return
        try:
            path.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return


def remove_file(path: str | Path) -> None:
    """Unlink a file whose name is ours, or a link itself; nothing where there is none."""
    Path(path).unlink(missing_ok=True)


def remove_files(folder: str | Path, pattern: str) -> None:
    """Unlink the files of ``folder`` that ``pattern`` matches; where the folder is a link, only that. Nothing where the
    folder above is a link, since what is in it may be another run's."""
    folder = Path(folder)
    if folder.parent.is_symlink():
        return
    if folder.is_symlink():
        folder.unlink()
    for path in folder.glob(pattern):
        if path.is_symlink() or path.is_file():
            path.unlink(missing_ok=True)
