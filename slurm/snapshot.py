"""A copy of the code for the jobs that are submitted, so that what is edited while they wait does not reach them."""

import hashlib
import os
import stat
import sys
import uuid
from pathlib import Path

from common.errors import UserError
from common.files import atomic_folder
from common.remove import remove_aside, set_aside
from slurm.ownership import foreign, shut, tree

PACKAGES = ("common", "conf", "data_prep", "jobs", "model", "slurm")
SUFFIXES = (".py", ".yaml", ".sbatch")
LARGEST = 1_000_000
CACHE = "__pycache__"
VARIABLE = "TERZI_SNAPSHOT"
"""Environment variable that names the snapshot to the processes of a submitted job."""
ROOT = Path(__file__).resolve().parent.parent


def snapshot_of(runs_dir: str | Path) -> Path:
    """Where `take_snapshot` would have its copy, which need not be there."""
    return (
        Path(runs_dir).absolute()
        / "snapshots"
        / _digest({path.relative_to(ROOT): path.read_bytes() for path in _sources()})
    )


def drop_snapshot(snapshot: Path) -> None:
    """Remove a snapshot that this process has just taken, and that nothing queued runs."""
    if not altered(snapshot):
        remove_aside(set_aside(snapshot))


def take_snapshot(runs_dir: str | Path) -> Path:
    """Copy our packages, and nothing else, to ``<runs_dir>/snapshots/<digest of their bytes>``; that folder, made once
    by each user, is returned.

    Taken are Python and YAML files, so neither data nor tokens, keys or notebooks. A process that runs from a snapshot
    hands that one on. Raises UserError for a file that is too large for code."""
    own = os.environ.get(VARIABLE)
    if own and Path(own).resolve() == ROOT:
        return Path(own)
    files = {path.relative_to(ROOT): path.read_bytes() for path in _sources()}
    digest = _digest(files)
    folder = Path(runs_dir).absolute() / "snapshots" / digest
    for former in (folder, *sorted(folder.parent.glob(f"{digest}-*"))):
        if former.is_dir() and not altered(former):
            return former
    if os.path.lexists(folder):  # another user's, or somebody has changed it
        folder = folder.with_name(f"{digest}-{uuid.uuid4().hex[:8]}")
    with atomic_folder(folder) as aside:
        for name, content in files.items():
            (aside / name.parent / CACHE).mkdir(parents=True, exist_ok=True)  # else Python makes it, by the umask
            (aside / name).write_bytes(content)
            (aside / name).chmod(stat.S_IMODE((aside / name).stat().st_mode) & 0o444)
        shut(aside)
    return folder


def altered(snapshot: Path) -> str:
    """Why a snapshot is not what this user took: another's files, or others' right to write to them, or other bytes
    than its name says; empty where it is."""
    try:
        if why := foreign(tree(snapshot)):
            return why
        files = {
            path.relative_to(snapshot): path for path in tree(snapshot) if path.is_file() and path.parent.name != CACHE
        }
        same = _digest({name: path.read_bytes() for name, path in files.items()}) == snapshot.name.partition("-")[0]
    except OSError as error:
        return f"{snapshot} cannot be read ({error.strerror})"
    return "" if same else f"{snapshot} is not the code that was submitted"


def _digest(files: dict[Path, bytes]) -> str:
    """Name of a snapshot of ``files``."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return whole.hexdigest()[:16]


def _sources() -> list[Path]:
    found = []
    for package in PACKAGES:
        for folder, folders, names in os.walk(ROOT / package):
            folders[:] = [name for name in folders if not name.startswith((".", CACHE))]
            found += [Path(folder, name) for name in names if name.endswith(SUFFIXES)]
    for path in found:
        if path.stat().st_size > LARGEST:
            raise UserError(
                f"{path} is too large to be code ({path.stat().st_size / 1e6:.0f} MB); move it out of the package"
            )
    return sorted(found)


def strangers(snapshot: Path) -> list[str]:
    """Modules of ours that this process imported from elsewhere than ``snapshot``: an editable install, or a working
    folder, has won."""
    inside = str(snapshot.resolve()) + os.sep
    ours = (module for name, module in sorted(sys.modules.items()) if name.partition(".")[0] in PACKAGES)
    return [
        file
        for module in ours
        if (file := getattr(module, "__file__", None)) and not str(Path(file).resolve()).startswith(inside)
    ]


def refuse_strangers() -> None:
    """In a process of a submitted job, raise UserError naming the first of `strangers`; elsewhere nothing."""
    snapshot = os.environ.get(VARIABLE)
    found = strangers(Path(snapshot)) if snapshot else []
    if found:
        raise UserError(
            f"{found[0]} was imported instead of the submitted code in {snapshot}; remove PYTHONPATH from cluster.setup"
        )
