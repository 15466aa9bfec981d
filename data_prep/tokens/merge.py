"""Shards in order -> one tokens.bin, tokens.idx and origins.npy, streaming; and back again for shards that need not be
made anew."""

import itertools
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common import manifest
from common.errors import UserError
from common.files import atomic_file, atomic_folder, digest, fsync_folder
from common.remove import remove_file, remove_folder, strange
from data_prep.sources.shards import shard_key
from data_prep.tokens.indexed import BIN, HEADER, IDX, Digest, Writable, mapped, read_index, write_index
from data_prep.tokens.origins import ORIGINS, read_rows, write_rows

KIND = "shard"
BLOCK = 1 << 22
MB = 1e-6


@dataclass(frozen=True)
class Place:
    """Place of a shard in the merged files: tokens, documents and spans before it, tokens and documents of it."""

    token: int
    tokens: int
    document: int
    documents: int
    span: int


class Merged:
    """The merged files of a folder, as their manifest describes them; the files themselves may be damaged or gone."""

    def __init__(self, folder: Path, former: dict[str, Any] | None):
        self.folder = folder
        self.places: dict[str, Place] = {}
        self.dtype = np.dtype((former or {}).get("dtype", "uint16"))
        self.token = self.document = span = 0
        for shard in (former or {}).get("shards", []):
            self.places[shard["key"]] = Place(self.token, shard["tokens"], self.document, shard["documents"], span)
            span += shard.get("spans", 0)  # none in folders made before origins were kept
            self.token, self.document = self.token + shard["tokens"], self.document + shard["documents"]

    def holds(self, key: str, files: dict[str, str]) -> bool:
        """Check whether a shard's tokens, lengths and origins are there as its digests say."""
        digests = {name: Digest() for name in (BIN, IDX, ORIGINS)}
        try:
            self._cut(key, *digests.values())
        except (OSError, ValueError):  # gone, or too short to be mapped
            return False
        return {name: seen.hex() for name, seen in digests.items()} == files

    def restore(self, key: str) -> None:
        """Cut a shard's tokens out, back into its own folder, before the merged files are replaced."""
        home = self.folder / "shards" / key
        with atomic_folder(home, KIND, keep=True, names=(BIN, IDX, ORIGINS)) as aside:
            shutil.copy2(home / manifest.NAME, aside)
            with (
                (aside / BIN).open("wb") as tokens,
                (aside / IDX).open("wb") as lengths,
                (aside / ORIGINS).open("wb") as origins,
            ):
                self._cut(key, tokens, lengths, origins)

    def _cut(self, key: str, tokens: Writable, lengths: Writable, origins: Writable) -> None:
        """Write a shard's .bin, .idx and origins. Only the lengths are taken from tokens.idx, so damage elsewhere in it
        costs nothing."""
        place = self.places[key]
        size = self.dtype.itemsize
        _copy(self.folder / BIN, tokens, place.token * size, place.tokens * size)
        all_lengths = mapped(self.folder / IDX, np.int32, self.document, HEADER.size)
        part = all_lengths[place.document : place.document + place.documents]
        write_index(lengths, self.dtype, lambda: [part])
        rows = read_rows(self.folder / ORIGINS, 2)[place.document : place.document + place.documents]
        write_rows(origins, rows.shape, [rows - np.array([place.span, 0], np.uint32)])


def merge(
    folder: Path, keys: list[str], shards: list[dict[str, Any]], dtype: np.dtype, done: Callable[[float], Any]
) -> dict[str, str]:
    """Write tokens.bin, tokens.idx and origins.npy from the shard folders ``keys`` (manifests: ``shards``), in order;
    returns the digests.

    The old manifest goes first: while there is none, the folder is not prepared. The shards stay until the caller has
    written the new one. ``done`` is told the MB written. Raises UserError where a shard on disk is not what its
    manifest says."""
    remove_file(folder / manifest.NAME)
    fsync_folder(folder)
    homes = [folder / "shards" / key for key in keys]
    with atomic_file(folder / BIN) as file:
        whole = Digest(file)
        for home, shard in zip(homes, shards, strict=True):
            part = Digest(whole)
            _copy(home / BIN, part, done=done)
            if {BIN: part.hex(), IDX: digest(home / IDX), ORIGINS: digest(home / ORIGINS)} != shard["files"]:
                raise UserError(f"{home} changed on disk; run the job again and it is made anew")
    with atomic_file(folder / IDX) as file:
        index = Digest(file)
        write_index(index, dtype, lambda: (read_index(home / IDX).lengths for home in homes))
    before = list(itertools.accumulate((len(shard["inputs"]) for shard in shards), initial=0))
    with atomic_file(folder / ORIGINS) as file:
        origins = Digest(file)
        shifted = (
            read_rows(home / ORIGINS, 2) + np.array([span, 0], np.uint32)
            for home, span in zip(homes, before, strict=False)
        )
        write_rows(origins, (sum(shard["documents"] for shard in shards), 2), shifted)
    files = {BIN: whole.hex(), IDX: index.hex(), ORIGINS: origins.hex()}
    broken = [name for name, right in files.items() if digest(folder / name) != right]
    if broken:
        raise UserError(
            f"{folder / broken[0]} does not read back as it was written; check the disk and run the job again"
        )
    return files


def _copy(
    source: Path, target: Any, start: int = 0, size: int | None = None, done: Callable[[float], Any] = lambda _: None
) -> None:
    """Copy ``size`` bytes (all when None) from ``start`` on."""
    with source.open("rb") as file:
        file.seek(start)
        left = source.stat().st_size - start if size is None else size
        while left > 0 and (block := file.read(min(BLOCK, left))):
            target.write(block)
            left -= len(block)
            done(len(block) * MB)


def drop_shards(folder: Path, keys: Iterable[str]) -> None:
    """Remove the tokens of merged shards, whose manifests stay, and shards of ours that are no longer in the plan."""
    keep = set(keys)
    for home in _homes(folder):
        if home.name not in keep:
            remove_folder(home, KIND)
            continue
        for name in (BIN, IDX, ORIGINS):
            remove_file(home / name)


def _homes(folder: Path) -> Iterator[Path]:
    """Shard folders that `jobs.prepare` wrote, by their manifests; what else lies there, links too, is passed over."""
    for home in sorted((folder / "shards").glob(f"*/{manifest.NAME}")):
        home = home.parent
        if not strange(home, KIND):
            spans = [[span["path"], span["start"], span["end"]] for span in manifest.read(home)["inputs"]]
            if home.name == shard_key(spans):
                yield home
