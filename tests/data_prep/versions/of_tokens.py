"""Tokenizers, tokens and mixtures, through the jobs that make them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conf.schema import Config
from conf.schema.data import TokenizerConfig
from conf.schema.phase import PhaseConfig
from data_prep.mixture import draw
from data_prep.tokenizer import patterns
from data_prep.tokenizer.train import save, train
from data_prep.tokens import state
from jobs import mix, prepare
from tests.data_prep.versions.sample import LANGUAGES, digest_values, rows, texts
from tests.data_prep.versions.table import Entry

VOCABULARY = 700


def entries(folder: Path) -> dict[str, Entry]:
    """An entry each for tokenizers, tokens and mixtures."""
    trained = digest_values(_tokenizers(folder))
    tokens = digest_values(_tokens(folder))
    mixed = digest_values(_mixture(folder))
    first, second = "tokenizer", "tokens"
    return {
        first: {"version": patterns.VERSION, "digest": trained, "file": "data_prep/tokenizer/patterns.py",
        "rests_on": []},
        second: {"version": state.VERSION, "digest": tokens, "file": "data_prep/tokens/state.py", "rests_on": [first,
        "reader"]},
        "mixture": {
            "version": draw.VERSION, "digest": mixed, "file": "data_prep/mixture/draw.py", "rests_on": [first, second,
            "reader"],
        },
    }  # fmt: skip


def _tokenizers(folder: Path) -> Iterator[Any]:
    """What the patterns cut the sample into, and a small tokenizer of each."""
    for pattern in patterns.PATTERNS:
        for lowercase in (False, True):
            config = TokenizerConfig(vocab_size=VOCABULARY, pattern=pattern, lowercase=lowercase)
            untrained, home = patterns.untrained(config), folder / f"{pattern}_{lowercase}"
            for text in texts():
                normalised = untrained.normalizer.normalize_str(text) if untrained.normalizer else text
                yield [piece for piece, _ in untrained.pre_tokenizer.pre_tokenize_str(normalised)]
            home.mkdir()
            save(train(texts(), config), config, home)
            yield [(home / name).read_bytes() for name in ("tokenizer.json", "tokenizer_config.json")]


def _tokens(folder: Path) -> Iterator[Any]:
    """Tokens of each language."""
    for language in LANGUAGES:
        file = folder / f"{language}.jsonl"
        lines = [{**row, "topic": ("law", "sea")[place % 2]} for place, row in enumerate(rows(language))]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        config = Config()
        config.data.inputs, config.data.tokenizer = [str(file)], str(folder / "gpt4_False")
        config.data.tokens, config.cluster.workers = str(folder / f"tokens_{language}"), 1
        prepare.run(config)
        yield [(folder / f"tokens_{language}" / name).read_bytes() for name in ("tokens.bin", "tokens.idx")]


def _mixture(folder: Path) -> Iterator[Any]:
    """Two phases, without and with a cap on a topic."""
    for caps in ({}, {"law": 0.3}):
        config = Config()
        config.data.tokenizer, config.mixture.output = str(folder / "gpt4_False"), str(folder / f"mixture_{len(caps)}")
        config.mixture.sources = {language: str(folder / f"tokens_{language}") for language in LANGUAGES}
        config.mixture.topic_caps, config.mixture.max_repeats = caps, 8.0
        config.phases = {
            "a": PhaseConfig(tokens=20_000),
            "b": PhaseConfig(tokens=9_000, weights={"tr": 2.0, "pl": 1.0}),
        }
        mix.run(config)
        for phase in config.phases:
            yield [
                (folder / f"mixture_{len(caps)}" / phase / name).read_bytes() for name in ("tokens.bin", "tokens.idx")
            ]
