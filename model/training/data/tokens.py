"""The tokens folder that `jobs.prepare` wrote, checked before a step is made."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common import manifest as manifests
from common.errors import UserError
from common.files import digest, read_json
from common.layout import DOCUMENTS, TOKENIZER, TOKENS, TOKENS_INDEX
from common.progress import say
from common.tokenizer import end_of_text

MEND = "run jobs.prepare again"
BLOCK = 1 << 22
LARGE = 5_000_000_000  # bytes that take more than a few seconds to read


@dataclass(frozen=True)
class Tokens:
    """A Megatron-Core IndexedDataset with its manifest."""

    folder: Path
    """Folder with tokens.bin, tokens.idx, manifest.json."""
    manifest: dict
    """What `jobs.prepare` wrote beside them."""
    ids: np.ndarray
    """All tokens in a row, memory-mapped (uint16 or int32)."""
    starts: np.ndarray
    """First token of each document [documents]."""
    lengths: np.ndarray
    """Tokens of each document [documents]."""
    sources: tuple[str, ...] = ("",)
    """Names of the sources that the documents are from: those of the mixture, else the folder."""
    owners: np.ndarray | None = None
    """Number of the source of each document [documents]; None where there is one source."""

    @property
    def digests(self) -> dict[str, str]:
        """sha256 of tokens.bin and tokens.idx."""
        return {name: self.manifest["files"][name] for name in (TOKENS, TOKENS_INDEX)}

    def sources_at(self, starts: np.ndarray) -> np.ndarray:
        """Number of the source of the documents that hold the tokens at ``starts`` [n] -> [n]."""
        if self.owners is None:
            return np.zeros(len(starts), dtype=np.int64)
        return np.asarray(self.owners[np.searchsorted(self.starts, starts, side="right") - 1], dtype=np.int64)

    def counts(self, vocab_size: int) -> np.ndarray:
        """How often each token occurs [vocab_size] (int64)."""
        counts = np.zeros(vocab_size, dtype=np.int64)
        for begin in range(0, len(self.ids), BLOCK):
            counts += np.bincount(self.ids[begin : begin + BLOCK], minlength=vocab_size)
        return counts


def stamp(folder: str | Path) -> dict[str, list[int]]:
    """Size and time of change of the two large files: while they stay, so do the bytes that were once checked."""
    return {name: [(stat := (Path(folder) / name).stat()).st_size, stat.st_mtime_ns] for name in (TOKENS, TOKENS_INDEX)}


def open_tokens(folder: str | Path, tokenizer: str | Path, vocab_size: int, checked: dict | None = None) -> Tokens:
    """Open a tokens folder and check it against its manifest, the tokenizer and the net's vocabulary.

    ``checked`` is the `stamp` of an earlier full check; where it still holds, the digests are not computed again.
    Raises UserError when the folder is missing, its bytes are not those of its manifest, another tokenizer wrote it, or
    the net has too few rows for its vocabulary."""
    folder = Path(folder)
    if not (folder / manifests.NAME).is_file():
        raise UserError(
            f"data.tokens: {folder} holds no prepared tokens (no {manifests.NAME}); run jobs.prepare, or set"
            " data.tokens"
        )
    manifest = manifests.read(folder)
    missing = [key for key in ("tokenizer", "vocab_size", "files") if key not in manifest]
    if manifest.get("kind") != "tokens" or missing:
        raise UserError(f"{folder / manifests.NAME} is not the manifest of prepared tokens; {MEND}")
    for name in (TOKENS, TOKENS_INDEX):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing; {MEND}")
    check_tokenizer(folder, manifest, Path(tokenizer))
    if manifest["vocab_size"] > vocab_size:
        raise UserError(
            f"model.vocab_size={vocab_size} is smaller than the vocabulary of {tokenizer} ({manifest['vocab_size']}); "
            f"set model.vocab_size={-(-manifest['vocab_size'] // 64) * 64}"
        )
    if checked != stamp(folder):
        for name in (TOKENS_INDEX, TOKENS):
            if (size := (folder / name).stat().st_size) > LARGE:
                say(f"checking {size / 1e9:.0f} GB of {folder / name}, once")
            if digest(folder / name) != manifest["files"].get(name):
                raise UserError(f"{folder / name} is broken: its bytes are not those its manifest lists; {MEND}")
    return Tokens(folder, manifest, *_read(folder), *_sources(folder, manifest))


def _sources(folder: Path, manifest: dict) -> tuple[tuple[str, ...], np.ndarray | None]:
    """Names of the sources of a mixture (`jobs.mix`) and the number of that of each document, from its list of
    documents."""
    mixture = manifest.get("mixture")
    if not mixture:
        return (str(folder),), None
    file = folder / DOCUMENTS
    if not file.is_file() or digest(file) != mixture["documents"]:
        raise UserError(f"{file} is missing or not what jobs.mix wrote; remove {folder} and run jobs.mix again")
    return tuple(source["name"] for source in mixture["sources"]), np.load(file, mmap_mode="r")[:, 0]


def check_tokenizer(folder: Path, manifest: dict, tokenizer: Path) -> None:
    """Raise UserError where the tokens in ``folder``, with ``manifest``, were not made with the tokenizer in the folder
    ``tokenizer``."""
    file = tokenizer / TOKENIZER
    if not file.is_file():
        raise UserError(f"there is no {file}; run jobs.tokenizer first, or set data.tokenizer to a folder that has one")
    read_json(file)
    if digest(file) != manifest["tokenizer"]:
        raise UserError(
            f"{folder} was tokenised with another tokenizer than {file}; run jobs.prepare again, or set data.tokenizer"
            " to that one"
        )
    if (ended := manifest.get("end_of_text")) and ended != (named := end_of_text(tokenizer)):
        raise UserError(
            f"documents of {folder} end with {ended!r}, and the eos_token of {tokenizer} is {named!r}; prepare the text"
            " with that tokenizer, or set data.tokenizer to the one that it was prepared with"
        )


def _read(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens, and start and length of each document. A document may have several sequences; they lie in a row."""
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    if not (folder / TOKENS).stat().st_size:
        raise UserError(f"{folder} holds no tokens; give jobs.prepare documents with text")
    dataset = IndexedDataset(str(folder / "tokens"))
    ends = np.concatenate([[0], np.cumsum(dataset.sequence_lengths, dtype=np.int64)])[dataset.document_indices]
    dtype = np.dtype(dataset.index.dtype)
    return np.memmap(folder / TOKENS, dtype=dtype, mode="r"), ends[:-1], np.diff(ends)
