"""Real text for the benchmarks, from the folder that TERZI_DATA names, and a tokenizer learned from it."""

import os
from pathlib import Path

import orjson
import zstandard

from common.errors import UserError
from conf.schema import TokenizerConfig
from data_prep.tokenizer.train import save, train


def data() -> Path:
    """The folder with tr_legal/, retrieval/, ... Raises UserError where TERZI_DATA does not name one."""
    folder = Path(os.environ.get("TERZI_DATA", ""))
    if not (folder / "tr_legal").is_dir():
        raise UserError("this benchmark reads real text: set TERZI_DATA to the folder with tr_legal/ and retrieval/")
    return folder


def turkish_legal(file: Path, every: int = 1) -> Path:
    """Write every ``every``-th document of the Turkish legal text to ``file``, a plain .jsonl; returns ``file``."""
    with (
        (data() / "tr_legal" / "train.jsonl.zst").open("rb") as packed,
        zstandard.ZstdDecompressor().stream_reader(packed) as text,
    ):
        file.write_bytes(b"".join(text.read().splitlines(keepends=True)[::every]))
    return file


def learn_tokenizer(jsonl: Path, folder: Path, vocab_size: int = 32_000) -> Path:
    """Learn a tokenizer from the documents of ``jsonl`` and write it to ``folder``, which is made; returns
    ``folder``."""
    config = TokenizerConfig(vocab_size=vocab_size)
    folder.mkdir()
    save(train([orjson.loads(line)["text"] for line in jsonl.open("rb")], config), config, folder)
    return folder
