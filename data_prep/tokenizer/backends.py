"""Three libraries that give the same ids: gigatoken (fastest), tiktoken built from our BPE, `tokenizers` (the
reference).

Special tokens that stand in the text are encoded as the text they are by all three; see `common.tokenizer`."""

from pathlib import Path
from typing import Any

import numpy as np
import orjson
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from common.errors import UserError
from common.tokenizer import FILE, load_tokenizer
from data_prep.tokenizer.added import unlike_gigatoken


class Refused(Exception):
    """A backend that cannot serve a tokenizer; the message says why."""


def load_reference(folder: str | Path) -> Tokenizer:
    """The tokenizer of ``folder``, without truncation or padding, special tokens in text taken as text."""
    path = Path(folder) / FILE
    if not path.is_file():
        raise UserError(
            f"there is no {FILE} in data.tokenizer={folder}; run jobs.tokenizer or name a folder that has one"
        )
    return load_tokenizer(path, "put back the file or learn it again with jobs.tokenizer")


def vocabulary_size(tokenizer: Tokenizer) -> int:
    """Return the vocabulary's size: one more than the largest id (gaps count: the embedding table needs the row)."""
    return max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1


class Reference:
    """Hugging Face `tokenizers`: slow, and right by definition."""

    name = "tokenizers"

    def __init__(self, reference: Tokenizer):
        self.reference = reference

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        """Ids of each text, without special tokens."""
        return [np.array(e.ids, np.uint32) for e in self.reference.encode_batch_fast(texts, add_special_tokens=False)]


class Gigatoken:
    """gigatoken; it knows NFC and the published patterns, and refuses to load others."""

    name = "gigatoken"

    def __init__(self, reference: Tokenizer):
        import awkward  # noqa: F401  (gigatoken imports it within `encode_batch`, and passes over whatever befalls that, Ctrl-C too)
        from gigatoken import Tokenizer as Fast

        settings = orjson.loads(reference.to_str())
        added = settings["added_tokens"]
        settings["added_tokens"] = [token for token in added if not token["special"]]
        self.normalizer = None
        try:
            self.fast = Fast.from_json(orjson.dumps(settings).decode())
        except Exception as error:
            if settings["normalizer"] is None:
                raise Refused(str(error).splitlines()[0]) from error
            self.normalizer = reference.normalizer
            try:
                self.fast = Fast.from_json(orjson.dumps(settings | {"normalizer": None}).decode())
            except Exception:  # the first error names what it does not know
                raise Refused(str(error).splitlines()[0]) from error
        if reason := unlike_gigatoken(added, settings["normalizer"], native=self.normalizer is None):
            raise Refused(reason)

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        """Ids of each text, without special tokens."""
        if self.normalizer:
            texts = [self.normalizer.normalize_str(text) for text in texts]
        layout = self.fast.encode_batch(texts).layout
        ids, offsets = np.asarray(layout.content.data), np.asarray(layout.offsets.data)
        return [ids[a:b] for a, b in zip(offsets, offsets[1:], strict=False)]


class Tiktoken:
    """tiktoken with ranks made from the merges, and our own normalizer before it."""

    name = "tiktoken"

    def __init__(self, reference: Tokenizer):
        import tiktoken

        settings = orjson.loads(reference.to_str())
        pattern, ranks, ids = _split_pattern(settings), *_ranks(settings)
        self.normalizer = reference.normalizer
        self.ids = np.array(ids, np.uint32)
        try:
            self.fast = tiktoken.Encoding("ours", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        except ValueError as error:
            raise Refused(f"its regular expressions do not know the pattern ({error})") from error

    def encode(self, texts: list[str]) -> list[np.ndarray]:
        """Ids of each text, without special tokens."""
        if self.normalizer:
            texts = [self.normalizer.normalize_str(text) for text in texts]
        return [self.ids[np.array(self.fast.encode_ordinary(text), np.int64)] for text in texts]


def _split_pattern(settings: dict[str, Any]) -> str:
    """The one regular expression that cuts the text. Raises Refused for any other pre-tokenizer."""
    steps = (settings["pre_tokenizer"] or {}).get("pretokenizers", [])
    if len(steps) == 2 and steps[0]["type"] == "Split" and steps[1]["type"] == "ByteLevel":
        split, level = steps
        plain = not level["add_prefix_space"] and not level["use_regex"]
        if plain and split["behavior"] == "Isolated" and not split["invert"] and "Regex" in split["pattern"]:
            return split["pattern"]["Regex"]
    raise Refused("its pre-tokenizer is not one pattern followed by bytes")


def _ranks(settings: dict[str, Any]) -> tuple[dict[bytes, int], list[int]]:
    """Byte strings by rank (bytes, then merges in their order) and the id of each rank."""
    model = settings["model"]
    unlike = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges")
    if model["type"] != "BPE" or any(model.get(key) for key in unlike):
        raise Refused("it is not a plain byte-level BPE")
    if not all(token["special"] for token in settings["added_tokens"]):
        raise Refused("it has added tokens that are matched in text")
    byte_of = _bytes_by_character()
    names = sorted(byte_of, key=byte_of.get) + ["".join(pair) for pair in model["merges"]]
    names = [name for name in dict.fromkeys(names) if name in model["vocab"]]
    if not all(character in model["vocab"] for character in byte_of):
        raise Refused("its vocabulary lacks some of the 256 bytes")
    ranks = {bytes(byte_of[character] for character in name): rank for rank, name in enumerate(names)}
    return ranks, [model["vocab"][name] for name in names]


def _bytes_by_character() -> dict[str, int]:
    """The printable stand-ins of byte-level BPE: those bytes that are printable Latin-1 stand for themselves, the rest
    follow in order from U+0100 (GPT-2, `bytes_to_unicode`)."""
    themselves = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in themselves]
    table = {chr(byte): byte for byte in themselves} | {chr(256 + rank): byte for rank, byte in enumerate(others)}
    assert set(table) == set(ByteLevel.alphabet())
    return table
