"""Reuse of shards: whether one is there and whole, by size and time first, by digest where those have changed."""

from pathlib import Path
from typing import Any

from common import manifest
from common.errors import UserError
from common.files import digest
from data_prep.sources.inputs import span_digest, stamp
from data_prep.sources.shards import Shard
from data_prep.tokens.merge import Merged
from data_prep.tokens.origins import ORIGINS


def find(
    shard: Shard, settings: dict[str, Any], limit: int, on_bad_document: str, merged: Merged
) -> tuple[dict[str, Any] | None, str]:
    """The shard's manifest when its tokens can be kept; else None, and why not where somebody would wonder.

    ``limit`` is `data.max_document_bytes`, which matters where a document was too long.
    A manifest whose input has a new time but the same bytes is written again with that time."""
    home = merged.folder / "shards" / shard.key
    if not (home / manifest.NAME).exists():
        return None, ""
    try:
        shard_manifest = manifest.read(home)
    except UserError:
        return None, "its manifest is damaged"
    if shard_manifest["settings"] != settings:
        return None, "it was made with other settings"
    if shard_manifest["bad_documents"] and on_bad_document == "error":
        return None, "bad documents were passed over"
    if shard_manifest["bad_documents"].get("too_long") and shard_manifest.get("max_document_bytes") != limit:
        return None, "documents were passed over that had more bytes than another data.max_document_bytes allowed"
    if ORIGINS not in shard_manifest["files"]:
        return None, "it does not say where its documents came from"
    changed, moved = _compare(shard, shard_manifest)
    if changed:
        return None, f"{changed} has changed"
    damaged = _damage(home, shard_manifest, merged)
    if damaged:
        return None, damaged
    if moved:
        manifest.write(home, shard_manifest)
    return shard_manifest, ""


def _compare(shard: Shard, shard_manifest: dict[str, Any]) -> tuple[str, bool]:
    """The first input whose bytes differ, and whether some time was brought up to date in ``shard_manifest``."""
    moved = False
    for span, seen in zip(shard.spans, shard_manifest["inputs"], strict=True):
        now = stamp(span.path)
        if now != seen["stamp"]:
            if span_digest(span.path, span.start, span.end) != seen["sha256"]:
                return str(span.path), moved
            seen["stamp"], moved = now, True
    return "", moved


def _damage(home: Path, shard_manifest: dict[str, Any], merged: Merged) -> str:
    """Return what is wrong with the tokens, in the shard's own folder or, once merged, in their place there; "" when
    they are whole."""
    if all((home / name).exists() for name in shard_manifest["files"]):
        broken = [name for name, right in shard_manifest["files"].items() if digest(home / name) != right]
        return f"its {broken[0]} is damaged" if broken else ""
    if home.name not in merged.places:
        return "its tokens are gone"
    return "" if merged.holds(home.name, shard_manifest["files"]) else "its tokens in the merged files are damaged"
