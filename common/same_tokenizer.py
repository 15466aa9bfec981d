"""Comparison of tokenizers, whether two are one: what they are made of, then their ids, and never the bytes of their
files.

A tokenizer.json can be written in many ways (merges as strings or pairs, defaults left out, keys in any order, settings
of truncation and padding), so both are read by `tokenizers` and compared in the one form that it writes. What turns ids
back into text is left out."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import digest, read_json
from common.tokenizer import FILE, SETTINGS, SPECIAL_MAP, DocumentTokenizer

ROLES = ("bos", "eos", "pad", "mask", "cls", "sep", "unk")
LINES = 1000
ODD = (
    "", " ", "  \n\n \t\r\n x", "\u00a0\u2003\u2028\u0085\u200d\ufeff", "e\u0301 é ﬁ Å \u212a İ I\u0307 ı ß ǆ",
    "a\u0300\u0323\u0300",
    "👨‍👩‍👧‍👦 🏳️‍🌈 🇹🇷 \U0010ffff", "0123456789 1,234.56 ١٢٣ ½²³ 2024-01-31", "don't 'LL 'ſ l'avocat",
    "\x00\x1c\x7f\ue000\ud7ff",
    "한국어 ᄒ 日本語の文章 中文 ไทย", "हिन्दी العربية עברית Ελληνικά Русский",
    "def f(x):\n\treturn {'a': [x ** 2 - 1]}  # <b>&amp;</b>\r\n",
    "https://example.org/a_b?c=d&e=%20#f me@example.org",
    "Mahkeme kararının gerekçesi; davacı İSTANBUL'da, ĞÜŞÖÇ ğüşöç.",
    "a" * 200, "=" * 70,
)  # fmt: skip
"""Text in which normalizers and pre-tokenizers differ."""
Part = dict[str, Any]


def difference(first: str | Path, other: str | Path) -> str | None:
    """The first difference of the tokenizers in two folders, as a clause with the value of ``first`` first; None where
    they are the same.

    A special token's role (bos, eos, ...) counts where both folders name it. Raises UserError where one has no
    tokenizer.json."""
    first, other = Path(first), Path(other)
    for folder in (first, other):
        if not (folder / FILE).is_file():
            raise UserError(f"{folder / FILE} does not exist; name a folder with a tokenizer")
    if digest(first / FILE) != digest(other / FILE):
        try:
            both = [DocumentTokenizer.read(folder / FILE, "copy the folder again") for folder in (first, other)]
        except UserError:  # not to be read, and not the same: nothing can be proved of them
            return (
                None
                if read_json(first / FILE) == read_json(other / FILE)
                else f"their {FILE} differ, and one of them cannot be read"
            )
        if reason := _of_forms(*(json.loads(read.tokenizer.to_str()) for read in both)) or _of_ids(*both):
            return reason
    return _of_roles(first, other)


def _of_forms(first: Part, other: Part) -> str | None:
    """The first difference of two tokenizer.json as `tokenizers` writes them."""
    for key in ("type", *sorted((first["model"].keys() | other["model"].keys()) - {"type", "vocab", "merges"})):
        here, there = first["model"].get(key) or None, other["model"].get(key) or None
        if here != there:
            return f"model.{key} is {here} and {there}"
    return (
        _of_tokens("the vocabulary", _vocabulary(first), _vocabulary(other))
        or _of_merges(first["model"].get("merges") or [], other["model"].get("merges") or [])
        or _of_steps("normalizer", first, other)
        or _of_steps("pre_tokenizer", first, other)
        or _of_tokens("the added tokens", _added(first), _added(other))
    )


def _vocabulary(form: Part) -> dict[str, Any]:
    vocab = form["model"]["vocab"]
    return vocab if isinstance(vocab, dict) else {piece: (number, score) for number, (piece, score) in enumerate(vocab)}


def _added(form: Part) -> dict[str, Any]:
    """Token -> its id and properties."""
    return {
        token["content"]: {key: value for key, value in token.items() if key != "content"}
        for token in form["added_tokens"]
    }


def _of_tokens(what: str, first: dict[str, Any], other: dict[str, Any]) -> str | None:
    if first == other:
        return None
    if common := [token for token in first if token in other and first[token] != other[token]]:
        return f"{what}: {common[0]!r} is {first[common[0]]} and {other[common[0]]}"
    token = min(first.keys() ^ other.keys())
    return f"{what}: {token!r} is in the {'first' if token in first else 'second'} alone"


def _of_merges(first: list[Any], other: list[Any]) -> str | None:
    if first == other:
        return None
    number = next(
        (place for place, pair in enumerate(zip(first, other, strict=False)) if pair[0] != pair[1]),
        min(len(first), len(other)),
    )
    return f"merge {number} is {_at(first, number)} and {_at(other, number)}"


def _at(merges: list[Any], number: int) -> str:
    return repr(" ".join(merges[number])) if number < len(merges) else "none"


def _of_steps(key: str, first: Part, other: Part) -> str | None:
    here, there = ([*_steps(form[key])] for form in (first, other))
    if here == there:
        return None
    number = next(
        (place for place, pair in enumerate(zip(here, there, strict=False)) if pair[0] != pair[1]),
        min(len(here), len(there)),
    )
    return f"{key}: step {number} is {here[number : number + 1] or 'none'} and {there[number : number + 1] or 'none'}"


def _steps(part: Part | None) -> Iterator[Part]:
    """A normalizer or pre-tokenizer as the steps it takes."""
    if part is None:
        return
    if part["type"] != "Sequence":
        yield part
        return
    for step in part.get("normalizers", part.get("pretokenizers", [])):
        yield from _steps(step)


def _of_ids(first: DocumentTokenizer, other: DocumentTokenizer) -> str | None:
    """The special tokens around a text, and the ids of text of every kind."""
    for name in ("before", "after"):
        if getattr(first, name) != getattr(other, name):
            return (
                f"the tokens that the template puts {name} a text are {getattr(first, name)} and {getattr(other, name)}"
            )
    lines = _lines(first)
    for line, *codings in zip(lines, first.encode(lines), other.encode(lines), strict=True):
        if codings[0].ids != codings[1].ids:
            return f"{line!r} is {codings[0].ids} and {codings[1].ids}"
    return None


def _lines(tokenizer: DocumentTokenizer) -> list[str]:
    """`LINES` lines: odd ones, the spellings of added tokens, and pieces of the vocabulary in chance order."""
    draw, plain = random.Random(0), tokenizer.tokenizer
    spelled = [
        form for token in plain.get_added_tokens_decoder().values() for form in (token.content, f"x{token.content}X")
    ][: LINES // 4]
    lines = [*ODD, *spelled]
    size = plain.get_vocab_size()
    drawn = [[draw.randrange(size) for _ in range(20)] for _ in range(LINES - len(lines))]
    return lines + plain.decode_batch(drawn, skip_special_tokens=False)


def _of_roles(first: Path, other: Path) -> str | None:
    here, there = _named(first), _named(other)
    for role in ROLES:
        key = f"{role}_token"
        if here.get(key) and there.get(key) and here[key] != there[key]:
            return f"{key} is {here[key]!r} and {there[key]!r}"
    return None


def _named(folder: Path) -> dict[str, str]:
    """Texts of the special tokens that the settings of a folder name."""
    settings: Part = {}
    for name in (SPECIAL_MAP, SETTINGS):
        settings |= read_json(folder / name) if (folder / name).is_file() else {}
    return {
        key: value["content"] if isinstance(value, dict) else value
        for key, value in settings.items()
        if key.endswith("_token")
    }
