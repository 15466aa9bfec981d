"""What masking must know of a tokenizer: special tokens, and where words begin."""

import json
import unicodedata
from functools import cached_property
from pathlib import Path

import numpy as np

from common.errors import UserError
from common.files import read_json
from common.layout import TOKENIZER

OTHER, LETTERS, DIGITS, SPACE = 0, 1, 2, 3


class Vocabulary:
    """A tokenizer's vocabulary as arrays over token ids."""

    def __init__(self, tokenizer_folder: str | Path):
        """Read tokenizer.json, and from tokenizer_config.json the name of the mask token. Raises UserError where there
        is no mask token."""
        folder = Path(tokenizer_folder)
        self.file = folder / TOKENIZER
        tokenizer = read_json(self.file)
        self.byte_level = '"ByteLevel"' in json.dumps(tokenizer.get("decoder"))
        added = {token["content"]: token["id"] for token in tokenizer.get("added_tokens", [])}
        learned = tokenizer["model"]["vocab"]
        learned = learned if isinstance(learned, dict) else {piece: index for index, (piece, _) in enumerate(learned)}
        self.ids: dict[str, int] = learned | added
        self.size = max(self.ids.values()) + 1
        special = [token["id"] for token in tokenizer.get("added_tokens", []) if token["special"]]
        self.special = np.zeros(self.size, dtype=bool)
        """True for special tokens, `[V]`."""
        self.special[special] = True
        self.ordinary = np.array(sorted(set(self.ids.values()) - set(special)), dtype=np.int64)
        """Ids of all other tokens."""
        self.mask = self._mask(folder / "tokenizer_config.json")
        """Id of the mask token."""

    def _mask(self, settings: Path) -> int:
        name = read_json(settings).get("mask_token") or "[MASK]" if settings.is_file() else "[MASK]"
        name = name["content"] if isinstance(name, dict) else name
        if name not in self.ids:
            raise UserError(f"{self.file} has no mask token {name}; train a tokenizer with tokenizer.mlm_tokens=true")
        return self.ids[name]

    @cached_property
    def kinds(self) -> tuple[np.ndarray, np.ndarray]:
        """Kind of the first and of the last character of each token, `[V]`: letter, digit, space or other (special
        tokens are other).

        A character cut in two by byte-level BPE counts as a letter. Raises UserError for a tokenizer that is not
        byte-level."""
        if not self.byte_level:
            raise UserError(
                f"{self.file} is not a byte-level tokenizer, whose words could be told apart; set"
                " objective.whole_word=false"
            )
        alphabet = {character: byte for byte, character in enumerate(_byte_alphabet())}
        first, last = np.zeros((2, self.size), dtype=np.int8)
        for token, index in self.ids.items():
            if not self.special[index] and token:
                text = bytes(alphabet[character] for character in token if character in alphabet).decode(
                    errors="replace"
                )
                first[index], last[index] = _kind(text[:1]), _kind(text[-1:])
        return first, last

    def word_starts(self, tokens: np.ndarray) -> np.ndarray:
        """True where a word begins, `[T]`: a token goes on with a word if it continues letters with letters or digits
        with digits.

        A space belongs to the word after it, also where it is a token by itself.
        """
        first, last = self.kinds
        before, here = last[tokens[:-1]], first[tokens[1:]]
        goes_on = ((before == here) & ((here == LETTERS) | (here == DIGITS))) | ((before == SPACE) & (here != SPACE))
        return np.concatenate(([True], ~goes_on))[: len(tokens)]


def _kind(character: str) -> int:
    """Letter (combining marks and parts of characters included), digit, space or other."""
    if character == " ":
        return SPACE
    category = unicodedata.category(character)[0] if character else "Z"
    if category in "LM" or character == "\N{REPLACEMENT CHARACTER}":
        return LETTERS
    return DIGITS if category == "N" else OTHER


def _byte_alphabet() -> list[str]:
    """Character that stands for each byte in a byte-level vocabulary: itself where it prints, else the next from U+0100
    on (GPT-2)."""
    printing = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    stand_ins = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printing else chr(next(stand_ins)) for byte in range(256)]
