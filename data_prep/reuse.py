"""Reuse of artefacts: whether a folder holds just what is asked for, or something else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common import manifest
from common.errors import UserError
from common.remove import refuse_strange
from data_prep.sources.inputs import list_inputs, span_digest, told_inputs


def digests_of(inputs: list[str], key: str = "") -> dict[str, str]:
    """Digest of every input file. With the ``key`` that names them, says which files of other kinds were passed
    over."""
    if not inputs:
        return {}
    return {str(path): span_digest(path) for path in (told_inputs(inputs, key) if key else list_inputs(inputs))}


def find_reusable(folder: str | Path, kind: str, made_from: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    """The manifest when ``folder`` was made by the same settings of the same files (``made_from``), None when it is
    free.

    Raises UserError naming what differs: corpora were made with what is there, so it is not replaced."""
    folder = Path(folder)
    if not folder.is_dir() or not any(folder.iterdir()):
        refuse_strange(folder, kind)
        return None
    mend = f"choose another {key} or remove {folder}"
    if not (folder / manifest.NAME).exists():
        raise UserError(f"{folder} holds files that jobs.{kind} did not write; {mend}")
    manifest_there = manifest.read(folder)
    if change := manifest.version_change(manifest_there.get(manifest.MADE_BY), made_from.get(manifest.MADE_BY, {})):
        raise UserError(f"{folder} was made by {change}; {mend}")
    for part, wanted in made_from.items():
        there = manifest_there.get(part, {})
        for name in dict.fromkeys([*wanted, *there]):
            if wanted.get(name) != there.get(name):
                what = (
                    f"{name}={there.get(name)}, now {wanted.get(name)}"
                    if part == "settings"
                    else f"other text in {name}"
                )
                raise UserError(f"{folder} was learnt with {what}; {mend}")
    return manifest_there
