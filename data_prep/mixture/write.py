"""Writing of a mixture: each phase as a tokens folder: tokens.bin, tokens.idx, documents.npy and the manifest, whole or
absent."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common import manifest as manifests
from common.errors import UserError
from common.files import atomic_folder, digest
from common.layout import DOCUMENTS
from data_prep.mixture.draw import VERSION, StratumShare, stream
from data_prep.mixture.sources import Source
from data_prep.sources.inputs import stamp
from data_prep.tokens.indexed import BIN, IDX, Digest, token_dtype, write_index
from data_prep.tokens.origins import read_rows, write_rows

"""[documents, 3] uint32, in the order of the stream: number of the source, of the document in it, and how often it was
read before."""
BLOCK = 1 << 17
OCTAVES = 32
"""Document lengths are counted by the power of two below them."""
MB = 1e-6


def settings_of(phase: str, seed: int, sources: Sequence[Source], shares: Sequence[StratumShare]) -> dict[str, Any]:
    """All that the bytes of a phase depend on."""
    return {
        "phase": phase,
        manifests.MADE_BY: {"mixture": VERSION},
        "seed": seed,
        "sources": {source.name: [source.manifest["files"][name] for name in (BIN, IDX)] for source in sources},
        "shares": [[share.stratum.source.name, share.stratum.topic, share.first, share.documents] for share in shares],
        "chosen": [
            hashlib.sha256(share.stratum.chosen).hexdigest() for share in shares if share.stratum.chosen is not None
        ],
    }


def find_phase(folder: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest of a phase that is there and whole; None where it is to be written.

    Raises UserError where ``folder`` holds something else, or another mixture: a run may be reading it."""
    if not folder.exists():
        return None
    mend = f"choose another mixture.output or remove {folder}"
    if not (folder / manifests.NAME).is_file():
        raise UserError(f"{folder} holds files that jobs.mix did not write; {mend}")
    phase_manifest = manifests.read(folder)
    former = phase_manifest.get("settings", {})
    if change := manifests.version_change(former.get(manifests.MADE_BY), settings[manifests.MADE_BY]):
        raise UserError(f"{folder} was written by {change}; {mend}")
    if former != settings:
        differs = [key for key in settings if former.get(key) != settings[key]]
        raise UserError(f"{folder} holds another mixture (other {', '.join(differs)}); {mend}")
    for name, right in (phase_manifest["files"] | {DOCUMENTS: phase_manifest["mixture"]["documents"]}).items():
        path = folder / name
        if not path.is_file() or (stamp(path) != phase_manifest["output_stamps"][name] and digest(path) != right):
            return None
    return phase_manifest


def write_phase(
    folder: Path,
    settings: dict[str, Any],
    sources: Sequence[Source],
    shares: Sequence[StratumShare],
    done: Callable[[float], Any],
) -> dict[str, Any]:
    """Write a phase; returns its manifest. ``done`` is told the MB written. Memory: a slice of the stream and what the
    shares wait with."""
    first = sources[0].manifest
    dtype = token_dtype(first["vocab_size"])
    documents, tokens = sum(share.documents for share in shares), sum(share.tokens for share in shares)
    counted = np.zeros((len(sources), OCTAVES), np.int64)
    read: Counter[tuple[int, int]] = Counter()
    with atomic_folder(folder, "tokens") as aside:
        with (aside / BIN).open("wb") as bin_file, (aside / DOCUMENTS).open("wb") as list_file:
            written, listed = Digest(bin_file), Digest(list_file)

            def parts() -> Iterator[np.ndarray]:
                numbers = np.array([sources.index(share.stratum.source) for share in shares])
                for part in stream(shares):
                    owners = numbers[part["stratum"]]
                    written.write(_gather(sources, owners, part, dtype))
                    np.add.at(counted, (owners, np.log2(part["length"]).astype(int)), 1)
                    for owner, repeat, count in _pairs(owners, part["repeat"]):
                        read[owner, repeat] += count
                    done(int(part["length"].sum()) * dtype.itemsize * MB)
                    yield np.stack([owners, part["document"], part["repeat"]], axis=1)

            write_rows(listed, (documents, 3), parts())
        with (aside / IDX).open("wb") as file:
            index = Digest(file)
            write_index(index, dtype, lambda: _lengths(aside / DOCUMENTS, sources))
        made = manifests.describe(
            "tokens",
            tokenizer=first["tokenizer"],
            end_of_text=next((prepared.end_of_text for prepared in sources if prepared.end_of_text), None),
            vocab_size=first["vocab_size"],
            dtype=dtype.name,
            documents=documents,
            tokens=tokens,
            bad_documents={},
            settings=settings,
            files={BIN: written.hex(), IDX: index.hex()},
            output_stamps={name: stamp(aside / name) for name in (BIN, IDX, DOCUMENTS)},
            inputs={},
            stamps={},
            shards=[],
            mixture={
                "documents": listed.hex(),
                "sources": [
                    {"name": prepared.name, "folder": str(prepared.folder), "files": prepared.manifest["files"]}
                    for prepared in sources
                ],
                "lengths": {source.name: row.tolist() for source, row in zip(sources, counted, strict=True)},
                "readings": _readings(read, sources),
            },
        )
        manifests.write(aside, made)
    return made


def _pairs(owners: np.ndarray, repeats: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Every pair of a source and a repeat with its count."""
    kinds = int(repeats.max()) + 1
    counts = np.bincount(owners * kinds + repeats)
    yield from ((int(pair) // kinds, int(pair) % kinds, int(counts[pair])) for pair in np.flatnonzero(counts))


def _readings(read: Mapping[tuple[int, int], int], sources: Sequence[Source]) -> dict[str, list[int]]:
    """Source -> how many of its documents the phase reads for the first, second, ... time."""
    last = [max((repeat for owner, repeat in read if owner == number), default=-1) for number in range(len(sources))]
    return {
        source.name: [read.get((number, reading), 0) for reading in range(last[number] + 1)]
        for number, source in enumerate(sources)
    }


def _gather(sources: Sequence[Source], owners: np.ndarray, part: np.ndarray, dtype: np.dtype) -> bytes:
    """Token ids of a part of the stream."""
    begins = np.zeros(len(part), np.int64)
    for number, source in enumerate(sources):
        here = owners == number
        begins[here] = source.index.offsets[part["document"][here]] // source.index.dtype.itemsize
    ids = [source.ids for source in sources]
    ends = begins + part["length"]
    pieces = [
        ids[owner][begin:end] for owner, begin, end in zip(owners.tolist(), begins.tolist(), ends.tolist(), strict=True)
    ]
    return np.concatenate(pieces, dtype=dtype, casting="unsafe").tobytes()  # ids are below the vocabulary's size


def _lengths(path: Path, sources: Sequence[Source]) -> Iterator[np.ndarray]:
    rows = read_rows(path, 3)
    for first in range(0, len(rows), BLOCK):
        part = rows[first : first + BLOCK]
        lengths = np.zeros(len(part), np.int32)
        for number, source in enumerate(sources):
            here = part[:, 0] == number
            lengths[here] = source.index.lengths[part[here, 1]]
        yield lengths
