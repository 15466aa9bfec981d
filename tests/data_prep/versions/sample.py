"""The fixed sample: public-domain text in three languages (declarations, speeches, poems, novels), whole and damaged in
many ways."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.text.batch import Batch
from data_prep.text.language import load_language

FILE = Path(__file__).with_name("sample.jsonl")
LANGUAGES = ("tr", "pl", "en")


@cache
def rows(language: str = "") -> tuple[dict[str, str], ...]:
    """Records (id, language, url, text) of a language, or of all."""
    lines = FILE.read_text(encoding="utf-8").split("\n")
    return tuple(row for row in map(json.loads, filter(None, lines)) if language in ("", row["language"]))


def texts(language: str = "") -> list[str]:
    """Texts of a language, or of all."""
    return [row["text"] for row in rows(language)]


def batch(language: str) -> Batch:
    """Texts of a language as a batch."""
    return Batch(texts(language), load_language(language).casing)


def digest_values(parts: Iterable[Any], digits: int = 6) -> str:
    """Digest of plain values and arrays; floats count to so many significant digits, so that another CPU gives the
    same."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(json.dumps(_plain(part, digits), ensure_ascii=True).encode())
    return f"sha256:{hasher.hexdigest()}"


def _plain(value: Any, digits: int) -> Any:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, float | np.floating):
        return f"{value:.{digits}g}"
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, dict):
        return {str(key): _plain(part, digits) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part, digits) for part in value]
    return value
