"""Documents whose lengths are those of real text: the first thousand of a shuffle of Turkish statutes and court
decisions.

python -m benchmarks.documents         count them again, from the text in TERZI_DATA (a minute)
"""

import json
import os
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.files import write_json

FILE = Path(__file__).parent / "tr_legal_lengths.json"
VOCABULARIES = (8192, 59_008)
DOCUMENTS = 1000
FIRST_ID = 5
"""Ids below are special tokens."""


def real_lengths(vocab_size: int) -> list[int]:
    """Tokens of each document under a byte-level BPE of `vocab_size` (of `VOCABULARIES`) that was learned on the same
    corpus."""
    return json.loads(FILE.read_text(encoding="utf-8"))["lengths"][str(vocab_size)]


def grouped(lengths: Sequence[int], batch: int, pool: int = 50) -> list[int]:
    """Four of `pool` batches that a length-grouped sampler makes of a shuffle, at even distances: hardly anything is
    padded."""
    ordered = sorted(lengths[: batch * pool])
    batches = [ordered[start : start + batch] for start in range(0, len(ordered), batch)]
    return [length for part in (1, 3, 5, 7) for length in batches[len(batches) * part // 8]]


def documents(lengths: Sequence[int], vocab_size: int, seed: int = 0) -> list[np.ndarray]:
    """Token ids of documents of `lengths`, as frequent as words are in text (Zipf)."""
    draw = np.random.default_rng(seed)
    frequencies = 1 / (np.arange(vocab_size - FIRST_ID) + 2.7)
    ids = draw.choice(vocab_size - FIRST_ID, size=sum(lengths), p=frequencies / frequencies.sum()) + FIRST_ID
    return np.split(ids, np.cumsum(lengths)[:-1])


def main() -> None:
    """Count and keep the lengths."""
    from conf.schema.data import DataConfig, TokenizerConfig
    from data_prep.sources.readers import read_documents
    from data_prep.tokenizer.train import train

    source = Path(os.environ["TERZI_DATA"]) / "tr_legal" / "train.jsonl.zst"
    texts = [document.text for document in read_documents(source, DataConfig())]
    random.Random(0).shuffle(texts)
    lengths = {}
    for size in VOCABULARIES:
        tokenizer = train(texts, TokenizerConfig(vocab_size=size, pattern="llama3"))
        lengths[str(size)] = [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(texts[:DOCUMENTS])]
    write_json(
        FILE,
        {
            "source": "Turkish statutes and decisions of the Court of Cassation, in the order of a shuffle",
            "lengths": lengths,
        },
    )


if __name__ == "__main__":
    main()
