"""Learn a byte-level BPE and write it as a folder that `AutoTokenizer` loads."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tokenizers import Tokenizer, pre_tokenizers, trainers

from common.errors import UserError
from common.files import write_json
from common.layout import TOKENIZER
from conf.schema.data import TokenizerConfig
from data_prep.tokenizer.patterns import add_template, hf_config, special_tokens, untrained

ALPHABET = 256
RAREST = 2  # a pair seen once teaches nothing


def check(config: TokenizerConfig) -> None:
    """Raise UserError for a vocabulary too small for the bytes and the special tokens."""
    least = ALPHABET + len(special_tokens(config))
    if config.vocab_size < least:
        raise UserError(
            f"tokenizer.vocab_size={config.vocab_size} is too small; {ALPHABET} bytes and the special tokens take"
            f" {least}"
        )


def train(texts: list[str], config: TokenizerConfig) -> Tokenizer:
    """Learn exactly ``config.vocab_size`` tokens: special tokens, then the 256 bytes, then merges by rank.

    The same texts in the same order give the same bytes of tokenizer.json, on any number of threads.
    Raises UserError where the text is too small for that many merges."""
    tokenizer = untrained(config)
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size,
        min_frequency=RAREST,
        special_tokens=special_tokens(config),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=sys.stderr.isatty(),
    )
    with _all_cores():
        tokenizer.train_from_iterator(texts, trainer, length=len(texts))
    learnt = tokenizer.get_vocab_size()
    if learnt != config.vocab_size:
        raise UserError(
            f"the text gives only {learnt} tokens of tokenizer.vocab_size={config.vocab_size}; give more text"
            f" (data.inputs, tokenizer.sample_bytes) or set tokenizer.vocab_size={learnt} or less"
        )
    add_template(tokenizer)
    tokenizer.encode_special_tokens = True  # in the report as in `common.tokenizer`; no part of tokenizer.json
    return tokenizer


@contextmanager
def _all_cores() -> Iterator[None]:
    """Let `tokenizers` use its threads, which jobs switch off for the sake of forked readers."""
    before = os.environ.get("TOKENIZERS_PARALLELISM", "false")
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    try:
        yield
    finally:
        os.environ["TOKENIZERS_PARALLELISM"] = before


def save(tokenizer: Tokenizer, config: TokenizerConfig, folder: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json into ``folder``."""
    tokenizer.save(str(folder / TOKENIZER))
    write_json(folder / "tokenizer_config.json", hf_config(config))
