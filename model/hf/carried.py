"""Files of another's model folder that are copied along: what the folder itself holds, without keys and modules that
name code."""

import shutil
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import read_json, write_json

CONFIGS = ("config.json", "tokenizer_config.json")
MODULES = "modules.json"
LIBRARY = "sentence_transformers."
CODE = (
    "auto_map", "custom_pipelines", "attn_implementation", "_attn_implementation", "_attn_implementation_internal",
    "experts_implementation", "_experts_implementation", "_experts_implementation_internal",
)  # fmt: skip
"""Keys by which transformers may take Python code from the folder, or a kernel from anybody's repository. Our nets need
none."""


def check_inside(file: Path, home: Path) -> Path:
    """Where ``file`` of the model folder ``home`` is. Raises UserError for a link that leads out of the folder: whose
    file that is, nobody knows, and copies of it would be handed on. The hub's cache, where every file is a link to one
    beside, counts as a folder."""
    real, folder = file.resolve(), home.resolve()
    blobs = [folder.parents[1] / "blobs"] if folder.parent.name == "snapshots" else []
    if not any(real.is_relative_to(place) for place in (folder, *blobs)):
        raise UserError(
            f"{file} is a link that leads out of its folder, to {real}; put the file itself there, or leave it out"
        )
    return real


def carry(file: Path, target: Path, home: Path) -> None:
    """Copy ``file`` of the model folder ``home``; errors are those of `check_inside`."""
    shutil.copyfile(check_inside(file, home), target)


def without_code(settings: dict[str, Any]) -> dict[str, Any]:
    """The content of a config.json or tokenizer_config.json without what names code."""
    return {key: value for key, value in settings.items() if key not in CODE}


def remove_code(folder: Path) -> None:
    """Take what names code out of the configurations in ``folder``, a copy. Raises UserError for a module that is not
    one of sentence-transformers'."""
    for name in CONFIGS:
        if (folder / name).is_file() and (plain := without_code(settings := read_json(folder / name))) != settings:
            write_json(folder / name, plain)
    for module in read_json(folder / MODULES) if (folder / MODULES).is_file() else ():
        if not str(module.get("type")).startswith(LIBRARY):
            raise UserError(
                f"{MODULES} asks for {module.get('type')}, which is no module of sentence-transformers; name another"
                " model"
            )
