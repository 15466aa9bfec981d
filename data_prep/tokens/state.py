"""State of a `data.tokens` folder: begun with which settings, finished or not."""

import os
from pathlib import Path
from typing import Any

from common import manifest
from common.errors import UserError
from common.files import digest, read_json, write_json
from common.progress import say
from common.remove import ASIDE
from conf.schema.data import PrepareConfig
from data_prep.sources.inputs import stamp
from data_prep.tokens.indexed import BIN, IDX
from data_prep.tokens.merge import drop_shards
from data_prep.tokens.origins import ORIGINS

VERSION = 1
"""Raised by hand whenever the same text may become other tokens: tokens that are there are refused;
``tests/data_prep/versions`` holds it to that."""
SETTINGS = "settings.json"
END = "end_of_text"
"""Key of the token that ends documents, where the template of the tokenizer ends with nothing."""


def begin(folder: Path, settings: dict[str, Any]) -> None:
    """Write down what the tokens depend on, before the first of them."""
    if not (folder / SETTINGS).exists():
        write_json(folder / SETTINGS, settings)


def refuse_others(folder: Path, settings: dict[str, Any]) -> None:
    """Raise UserError when ``folder`` was begun with other settings, or holds tokens that are not ours.

    Tokens cost hours and a run may be reading them, so they are never replaced by others unasked."""
    if not (folder / SETTINGS).exists():
        if any(_is_foreign(folder / name, settings.get("adopt")) for name in (BIN, IDX)):
            raise UserError(
                f"{folder} holds tokens that jobs.prepare did not write; adopt them with prepare.adopt or choose"
                " another data.tokens"
            )
        if "adopt" not in settings and folder.is_dir() and _strangers(folder):
            raise UserError(
                f"{folder} holds files that jobs.prepare did not write; choose another data.tokens, or move them"
            )
        return
    begun = read_json(folder / SETTINGS)
    for key in dict.fromkeys(key for key in [*begun, *settings] if key != manifest.MADE_BY):
        before, now = begun.get(key), settings.get(key)
        if before != now and not (key == END and key not in begun):  # begun before it was written down
            what = "another tokenizer" if key == "tokenizer" else f"{key}={before}, now {key}={now}"
            raise UserError(f"{folder} was begun with {what}; choose another data.tokens or remove that folder")
    if change := manifest.version_change(begun.get(manifest.MADE_BY), settings.get(manifest.MADE_BY, {})):
        raise UserError(f"{folder} was begun by {change}; choose another data.tokens or remove that folder")


def _is_foreign(path: Path, adopted: str | None) -> bool:
    """Check whether there is a file that is not adopted where it lies."""
    source = Path(f"{(adopted or '').removesuffix('.bin').removesuffix('.idx')}{path.suffix}")
    return os.path.lexists(path) and not (adopted and source.exists() and path.exists() and path.samefile(source))


def _strangers(folder: Path) -> list[Path]:
    """List what a run that was cut off before `begin` cannot have left; shards are looked at one by one."""
    return [path for path in folder.iterdir() if path.name != "shards" and not path.name.startswith(ASIDE)]


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a finished folder; None where there is none or it is damaged."""
    try:
        return manifest.read(folder)
    except UserError:
        return None


def finished(
    folder: Path, former: dict[str, Any] | None, paths: list[Path], prepare: PrepareConfig, limit: int
) -> tuple[bool, bool]:
    """Check whether nothing is left to do, and whether the merged files are whole. Reads no token unless a file has a
    new time. ``limit`` is `data.max_document_bytes`, which matters where a document was too long.

    What a kill after the last step left lying about is removed."""
    whole = former is not None and _outputs_whole(folder, former)
    done = whole and not (former["bad_documents"] and prepare.on_bad_document == "error")
    done = done and not (former["bad_documents"].get("too_long") and former.get("max_document_bytes") != limit)
    done = done and former["stamps"] == {str(path): stamp(path) for path in paths}
    if done:
        drop_shards(folder, [shard["key"] for shard in former["shards"]])
    return done, whole


def _outputs_whole(folder: Path, former: dict[str, Any]) -> bool:
    """Check whether the merged files are those of the manifest: by size and time, else by digest (the manifest then
    learns the time)."""
    origins = {ORIGINS: former["origins"]["sha256"]} if "origins" in former else {}
    for name, right in (former["files"] | origins).items():
        if not (folder / name).exists():
            say(f"{folder / name} is gone; making it again")
            return False
        now = stamp(folder / name)
        if now != former["output_stamps"][name]:
            if digest(folder / name) != right:
                say(f"{folder / name} is damaged; making it again")
                return False
            former["output_stamps"][name] = now
            manifest.write(folder, former)
    return True


def output_stamps(folder: Path) -> dict[str, list[int]]:
    """Size and time of the merged files; adopted tokens have no origins."""
    return {name: stamp(folder / name) for name in (BIN, IDX, ORIGINS) if (folder / name).exists()}
