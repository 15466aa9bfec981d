"""Checkpoints of a run, found again only when every byte is right. `write_checkpoint` makes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import manifest as manifests
from common.errors import UserError
from common.files import has_digest, replace_link
from common.layout import STEPS, checkpoint_name, checkpoints_folder, step_of
from common.progress import say
from common.remove import remove_folder
from conf.schema import ClusterConfig

KIND, PROBE, RESUME = "checkpoint", "probe", "resume"


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint of a run."""

    step: int
    folder: Path
    manifest: dict[str, Any]
    """What manifest.json holds: step, tokens, loss, files with digests, ..."""

    @property
    def kind(self) -> str:
        """``probe`` (with an hf/ half) or ``resume``."""
        return self.manifest["checkpoint"]


def read_checkpoint(folder: str | Path) -> Checkpoint:
    """The checkpoint in ``folder`` (a link is followed). Raises UserError when there is none."""
    return _read(Path(folder).resolve())


def _read(folder: Path) -> Checkpoint:
    if not (folder / manifests.NAME).is_file():
        raise UserError(
            f"{folder} is not a checkpoint (no {manifests.NAME}); name a folder like <run>/checkpoints/step_0001000"
        )
    manifest = manifests.read(folder)
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise UserError(
            f"{folder / manifests.NAME} is not the manifest of a checkpoint; name a folder like"
            " <run>/checkpoints/step_0001000"
        )
    wrong = [
        key
        for key, kind in (("step", int), ("checkpoint", str), ("files", dict))
        if not isinstance(manifest.get(key), kind)
    ]
    if wrong:
        raise UserError(
            f"{folder / manifests.NAME} is damaged (its {wrong[0]} is none of a checkpoint); name another checkpoint"
        )
    return Checkpoint(manifest["step"], folder, manifest)


def list_checkpoints(run_dir: str | Path) -> list[Checkpoint]:
    """Checkpoints of a run that have a manifest, by step. Bytes are not checked; see `verify`."""
    return [checkpoint for _, checkpoint in _found(run_dir) if checkpoint]


def verify(checkpoint: Checkpoint) -> str | None:
    """What is wrong with a checkpoint, None when every file has the bytes that its manifest lists."""
    for name, value in checkpoint.manifest["files"].items():
        file = checkpoint.folder / name
        if not file.is_file():
            return f"{name} is missing"
        if not has_digest(file, value):
            return f"{name} is not what was written"
    return None


def lead_warning(checkpoint: Checkpoint, cluster: ClusterConfig) -> str | None:
    """A warning where SLURM's signal would come too late for a checkpoint that takes as long as this one did."""
    seconds = checkpoint.manifest.get("seconds", 0.0)
    if cluster.kind == "local" or seconds < cluster.signal_lead:
        return None
    return (
        f"warning: the checkpoint of step {checkpoint.step} took {seconds:.0f} s, and the signal comes"
        " cluster.signal_lead="
        f"{cluster.signal_lead} s before the time limit; set it to {2 * seconds + 60:.0f} or more"
    )


def latest_valid(run_dir: str | Path) -> Checkpoint | None:
    """The newest checkpoint whose every byte is right, None when there is none. A broken one is named in a warning and
    passed over."""
    for folder, checkpoint in reversed(list(_found(run_dir))):
        problem = verify(checkpoint) if checkpoint else f"{manifests.NAME} is missing, broken or of another step"
        if checkpoint and not problem:
            return checkpoint
        say(f"warning: the checkpoint {folder} is broken ({problem}); the one before it is used")
    return None


def remove_checkpoint(checkpoint: Checkpoint) -> None:
    """Delete a checkpoint. Raises UserError where its folder is a link, or holds what no checkpoint wrote."""
    remove_folder(checkpoint.folder, KIND)


def set_link(run_dir: str | Path, name: str, step: int) -> None:
    """Point the link ``best`` or ``last`` at the checkpoint of ``step``."""
    replace_link(checkpoints_folder(run_dir) / name, checkpoint_name(step))


def linked(run_dir: str | Path, name: str) -> int | None:
    """Step of the checkpoint that the link ``best`` or ``last`` points at, None when there is no such link."""
    link = checkpoints_folder(run_dir) / name
    return step_of(link.readlink().name) if link.is_symlink() else None


def _found(run_dir: str | Path) -> Iterator[tuple[Path, Checkpoint | None]]:
    """Folders that are named like checkpoints, by step, links to others among them as they are; None for one without a
    manifest that can be read, or with that of another step."""
    named = [
        (step, path)
        for path in checkpoints_folder(run_dir).resolve().glob(STEPS)
        if (step := step_of(path.name)) is not None
    ]
    for step, folder in sorted(named):
        try:
            checkpoint = _read(folder)
        except UserError:
            checkpoint = None
        yield folder, checkpoint if checkpoint and checkpoint.step == step else None
