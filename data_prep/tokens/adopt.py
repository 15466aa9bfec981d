"""Take over a .bin/.idx pair that somebody else wrote with the same tokenizer."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from common.disk import naming
from common.errors import UserError
from common.files import put_in_place
from common.remove import aside_of, remove_aside
from data_prep.tokens.indexed import BIN, IDX, Digest, Index, read_index

BLOCK = 1 << 20
MB = 1e-6


def pair(prefix: str) -> tuple[Path, Path]:
    """The .bin and .idx of a prefix (with or without one of the suffixes). Raises UserError where one is missing."""
    stem = prefix.removesuffix(".bin").removesuffix(".idx")
    paths = Path(f"{stem}.bin"), Path(f"{stem}.idx")
    for path in paths:
        if not path.is_file():
            raise UserError(f"prepare.adopt: there is no {path}; name the prefix of a .bin/.idx pair")
    return paths


def check_index(path: Path, index: Index, bin_size: int) -> None:
    """Raise UserError unless ``index`` is of one non-empty sequence a document, laid end to end over ``bin_size``
    bytes."""
    sequences, bounds = len(index.lengths), index.documents
    if len(bounds) < 2:
        raise UserError(f"{path} holds no document; name the prefix of a pair that does")
    sizes = np.diff(bounds)  # sequences of each document
    if (
        bounds[0] != 0
        or bounds[-1] != sequences
        or int(sizes.min()) < 0
        or (sequences and int(index.lengths.min()) < 0)
    ):
        raise UserError(
            f"{path} is damaged: its documents do not follow one another over its {sequences} sequences; write the pair"
            " again"
        )
    empty = np.flatnonzero(np.diff(np.concatenate([[0], np.cumsum(index.lengths, dtype=np.int64)])[bounds]) == 0)
    split = np.flatnonzero(sizes > 1)
    for wrong, what, mend in (
        (empty, "an empty document", "leave empty texts out"),
        (split, "several sequences a document", "split none"),
    ):
        if len(wrong):
            where = f"{len(wrong):,} of {len(sizes):,} documents, the first of them number {wrong[0] + 1:,}"
            raise UserError(f"{path} holds {what} ({where}); {mend} and write the pair again")
    ends = np.cumsum(index.lengths, dtype=np.int64) * index.dtype.itemsize
    if index.offsets[0] != 0 or not np.array_equal(index.offsets[1:], ends[:-1]) or ends[-1] != bin_size:
        raise UserError(
            f"{path} does not fit its .bin of {bin_size} bytes (it describes {ends[-1]}); write the pair again"
        )


def check_tokens(path: Path, dtype: np.dtype, vocab_size: int, done: Callable[[float], Any]) -> str:
    """Digest of a .bin. Raises UserError for an id outside the vocabulary."""
    seen = Digest()
    with path.open("rb") as file:
        while data := file.read(BLOCK * dtype.itemsize):
            ids = np.frombuffer(data, dtype)
            low, high = int(ids.min()), int(ids.max())
            if low < 0 or high >= vocab_size:
                raise UserError(
                    f"{path} holds token {low if low < 0 else high}, and data.tokenizer has ids 0 to {vocab_size - 1}; "
                    "name the tokenizer it was written with"
                )
            seen.write(data)
            done(len(data) * MB)
    return seen.hex()


def adopt(prefix: str, folder: Path, vocab_size: int, done: Callable[[float], Any]) -> dict[str, Any]:
    """Check the pair ``prefix`` and put it into ``folder`` as tokens.bin and tokens.idx; returns counts, dtype and
    digests.

    Where the file system allows, the files are hard links: nothing is copied, and the old names may be removed (but not
    written to). Documents, tokens and bounds are checked; that the ids mean the same words cannot be."""
    source_bin, source_idx = pair(prefix)
    index = read_index(source_idx)
    check_index(source_idx, index, source_bin.stat().st_size)
    tokens = check_tokens(source_bin, index.dtype, vocab_size, done)
    for source, name in ((source_bin, BIN), (source_idx, IDX)):
        _link(source, folder / name)
    lengths = Digest()
    lengths.write(source_idx.read_bytes())
    return {
        "documents": len(index.lengths),
        "tokens": index.tokens,
        "dtype": index.dtype.name,
        "files": {BIN: tokens, IDX: lengths.hex()},
    }


def _link(source: Path, target: Path) -> None:
    aside = aside_of(target)
    try:
        os.link(source.resolve(), aside)
    except OSError:  # another file system
        _copy(source, aside, target)
    put_in_place(aside, target)
    remove_aside(aside)  # renaming over another name of the same file does nothing


def _copy(source: Path, aside: Path, target: Path) -> None:
    """Copy a file to ``aside``, which is gone again where that fails."""
    try:
        with naming(target, aside):
            shutil.copyfile(source, aside)
            with aside.open("rb") as file:
                os.fsync(file.fileno())
    except OSError:
        remove_aside(aside)
        raise
