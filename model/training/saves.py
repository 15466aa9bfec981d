"""Saves of a run, found again only when every byte is right. `write_save` makes them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import manifest as manifests
from common.errors import UserError
from common.files import digest, replace_link
from common.progress import say
from common.remove import remove_folder
from conf.schema import ClusterConfig

KIND, PROBE, RESUME = "save", "probe", "resume"
_NAME = re.compile(r"step_(\d{7,})")


@dataclass(frozen=True)
class Save:
    """One checkpoint of a run."""

    step: int
    folder: Path
    manifest: dict[str, Any]
    """What manifest.json holds: step, tokens, loss, files with digests, ..."""

    @property
    def kind(self) -> str:
        """``probe`` (with an hf/ half) or ``resume``."""
        return self.manifest["save"]


def checkpoints(run_dir: str | Path) -> Path:
    """Folder of the saves of a run."""
    return Path(run_dir) / "checkpoints"


def save_name(step: int) -> str:
    """Name of the folder of a save: step_0001000."""
    return f"step_{step:07d}"


def read_save(folder: str | Path) -> Save:
    """The save in ``folder`` (a link is followed). Raises UserError when there is none."""
    return _read(Path(folder).resolve())


def _read(folder: Path) -> Save:
    if not (folder / manifests.NAME).is_file():
        raise UserError(
            f"{folder} is not a save (no {manifests.NAME}); name a folder like <run>/checkpoints/step_0001000"
        )
    manifest = manifests.read(folder)
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise UserError(
            f"{folder / manifests.NAME} is not the manifest of a save; name a folder like"
            " <run>/checkpoints/step_0001000"
        )
    wrong = [
        key for key, kind in (("step", int), ("save", str), ("files", dict)) if not isinstance(manifest.get(key), kind)
    ]
    if wrong:
        raise UserError(f"{folder / manifests.NAME} is damaged (its {wrong[0]} is none of a save); name another save")
    return Save(manifest["step"], folder, manifest)


def list_saves(run_dir: str | Path) -> list[Save]:
    """Saves of a run that have a manifest, by step. Bytes are not checked; see `verify`."""
    return [save for _, save in _found(run_dir) if save]


def verify(save: Save) -> str | None:
    """What is wrong with a save, None when every file has the bytes that its manifest lists."""
    for name, value in save.manifest["files"].items():
        file = save.folder / name
        if not file.is_file():
            return f"{name} is missing"
        if digest(file) != value:
            return f"{name} is not what was written"
    return None


def lead_warning(save: Save, cluster: ClusterConfig) -> str | None:
    """A warning where SLURM's signal would come too late for a save that takes as long as this one did."""
    seconds = save.manifest.get("seconds", 0.0)
    if cluster.kind == "local" or seconds < cluster.signal_lead:
        return None
    return (
        f"warning: the save of step {save.step} took {seconds:.0f} s, and the signal comes cluster.signal_lead="
        f"{cluster.signal_lead} s before the time limit; set it to {2 * seconds + 60:.0f} or more"
    )


def latest_valid(run_dir: str | Path) -> Save | None:
    """The newest save whose every byte is right, None when there is none. A broken one is named in a warning and passed
    over."""
    for folder, save in reversed(list(_found(run_dir))):
        problem = verify(save) if save else f"{manifests.NAME} is missing, broken or of another step"
        if save and not problem:
            return save
        say(f"warning: the save {folder} is broken ({problem}); the one before it is used")
    return None


def remove_save(save: Save) -> None:
    """Delete a save. Raises UserError where its folder is a link, or holds what no save wrote."""
    remove_folder(save.folder, KIND)


def set_link(run_dir: str | Path, name: str, step: int) -> None:
    """Point the link ``best`` or ``last`` at the save of ``step``."""
    replace_link(checkpoints(run_dir) / name, save_name(step))


def linked(run_dir: str | Path, name: str) -> int | None:
    """Step of the save that the link ``best`` or ``last`` points at, None when there is no such link."""
    link = checkpoints(run_dir) / name
    match = _NAME.fullmatch(link.readlink().name) if link.is_symlink() else None
    return int(match[1]) if match else None


def _found(run_dir: str | Path) -> Iterator[tuple[Path, Save | None]]:
    """Folders that are named like saves, by step, links to others among them as they are; None for one without a
    manifest that can be read, or with that of another step."""
    named = [
        (int(match[1]), path)
        for path in checkpoints(run_dir).resolve().glob("step_*")
        if (match := _NAME.fullmatch(path.name))
    ]
    for step, folder in sorted(named):
        try:
            save = _read(folder)
        except UserError:
            save = None
        yield folder, save if save and save.step == step else None
