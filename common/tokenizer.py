"""Tokenizing of documents: one way, for what is trained on (`jobs.prepare`), what is measured, and what is
traced.

Special tokens that stand in the text ("[MASK]" in a manual) are encoded as the text they are: an id of a special token
comes from the template, or ends a document, and from nowhere else. (`AutoTokenizer`, made for prompts, does the
opposite.)"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.errors import UserError
from common.files import read_json
from common.layout import TOKENIZER

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

FILE, SETTINGS, SPECIAL_MAP = TOKENIZER, "tokenizer_config.json", "special_tokens_map.json"
END_OF_TEXT = "<|endoftext|>"


def load_tokenizer(file: str | Path, mend: str) -> "Tokenizer":
    """The tokenizer in the tokenizer.json ``file``, without truncation or padding, special tokens in text taken as
    text.

    Raises UserError, with what to do about it (``mend``), where there is none, or it cannot be read."""
    from tokenizers import Tokenizer

    if not Path(file).is_file():
        raise UserError(f"{file} does not exist; {mend}")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare Exception
        raise UserError(f"{file} is not a tokenizer ({error}); {mend}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer


@dataclass(frozen=True)
class DocumentTokenizer:
    """A tokenizer, and the special tokens around a document."""

    tokenizer: "Tokenizer"
    before: list[int]
    """Ids that the template puts before a text ([CLS], a [BOS])."""
    after: list[int]
    """Ids that the template puts after a text ([SEP])."""
    end: list[int]
    """What ends a document in training: ``after``; where the template ends with nothing, the end-of-text token, if
    there is one."""

    @classmethod
    def read(cls, file: str | Path, mend: str) -> "DocumentTokenizer":
        """Read a tokenizer.json and the tokenizer_config.json beside it, which may name the end-of-text token (else
        <|endoftext|>). Errors are those of `load_tokenizer`."""
        return cls.of(load_tokenizer(file, mend), Path(file).parent)

    @classmethod
    def of(cls, tokenizer: "Tokenizer", folder: Path) -> "DocumentTokenizer":
        """Make it from a tokenizer that `load_tokenizer` made of a file in ``folder``."""
        before, after = _template(tokenizer)
        end = tokenizer.token_to_id(end_of_text(folder))
        return cls(tokenizer, before, after, after or ([] if end is None else [end]))

    def encode(self, texts: Sequence[str]) -> list["Encoding"]:
        """Ids and offsets of each text, without what stands around it."""
        return self.tokenizer.encode_batch(list(texts), add_special_tokens=False)

    def document(self, text: str, add_special_tokens: bool = True) -> np.ndarray:
        """Ids [tokens] (int64) of a document as `jobs.prepare` writes it with or without
        ``prepare.add_special_tokens``."""
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        return np.array([*self.before, *ids, *self.end] if add_special_tokens else ids, dtype=np.int64)


def role(folder: Path, name: str) -> str | None:
    """Text of the special token that tokenizer_config.json in ``folder`` (where it does not, special_tokens_map.json)
    names for bos, eos, pad, mask, cls or sep; None where neither does. Raises UserError for a file that is not JSON."""
    files: list[Any] = [read_json(folder / file) for file in (SETTINGS, SPECIAL_MAP) if (folder / file).is_file()]
    token = next((settings[f"{name}_token"] for settings in files if settings.get(f"{name}_token")), None)
    return token["content"] if isinstance(token, dict) else token


def end_of_text(folder: Path) -> str:
    """Text of the token that ends a document where the template in ``folder`` ends with nothing. Errors are those of
    `role`."""
    return role(folder, "eos") or END_OF_TEXT


def _template(tokenizer: "Tokenizer") -> tuple[list[int], list[int]]:
    """Ids that the template puts before and after a text."""
    for sample in (
        "a",
        *islice(tokenizer.get_vocab(with_added_tokens=False), 100),
    ):  # a vocabulary of words may lack the first
        encoded = tokenizer.encode(sample, add_special_tokens=True)
        inner = [place for place, special in enumerate(encoded.special_tokens_mask) if not special]
        if inner:
            return encoded.ids[: inner[0]], encoded.ids[inner[-1] + 1 :]
    return [], []
