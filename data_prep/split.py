"""Documents on two sides, to train on and to measure with, by a hash of their text."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import xxhash

from common.reading.bad import BadDocuments
from conf.schema import DataConfig
from conf.schema.split import SplitConfig
from data_prep.records.zst import Writer
from data_prep.sources.readers import read_documents

TRAIN, VALIDATION = "train.jsonl.zst", "validation.jsonl.zst"


def is_validation(text: str, config: SplitConfig) -> bool:
    """Check whether a document is held out; white space at its ends does not count."""
    return xxhash.xxh3_64_intdigest(text.strip().encode(), config.seed) < config.validation_share * 2.0**64


def split(
    paths: list[Path],
    data: DataConfig,
    config: SplitConfig,
    bad: BadDocuments,
    folder: Path,
    seen: Callable[[int], Any],
) -> dict[str, dict[str, int]]:
    """Write both files into ``folder``; returns documents and characters of each. ``seen`` is told the bytes read."""
    counts = {TRAIN: Counter[str](), VALIDATION: Counter[str]()}
    with Writer(folder / TRAIN) as train, Writer(folder / VALIDATION) as validation:
        writers = {TRAIN: train, VALIDATION: validation}
        for path in paths:
            for document in read_documents(path, data, bad, (), seen):
                side = VALIDATION if is_validation(document.text, config) else TRAIN
                record = {"id": document.id, "text": document.text}
                writers[side].write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
                counts[side].update(documents=1, characters=len(document.text))
    return {side: dict(count) for side, count in counts.items()}
