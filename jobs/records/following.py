"""What comes after a job: the next job with the keys to set for it, as records say it and `jobs.launch.following`
writes it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from common import manifest as manifests
from common.layout import TOKENIZER
from conf.schema import Config
from conf.schema.model import AUTO, AutoConfig

FEW_STEPS = 100
ENCODER, ENCODER_ROWS = "encoder/modernbert_base", 50_368
"""The net to train where the default one, which is tiny, is too short, and the rows of its vocabulary."""


class Next(NamedTuple):
    """A job and what is to be set for it beside the arguments that were given."""

    job: str
    settings: dict[str, Any] = {}
    unset: tuple[str, ...] = ()
    """Beginnings of keys that are not taken over."""


class Ended(NamedTuple):
    """A job that has done its work."""

    configs: Sequence[Config]
    """Several: a multirun."""
    keys: frozenset[str]
    """Keys that its command line gave."""

    @property
    def config(self) -> Config:
        """The first, or only one."""
        return self.configs[0]


WATCH = Next("status", {"status.watch": 5})


def to_tokens(config: Config, *inputs: str | Path) -> Next:
    """What makes tokens of text: the tokenizer first, where there is none yet. ``inputs``: the text, where a job has
    written it."""
    job = "prepare" if (Path(config.data.tokenizer) / TOKENIZER).is_file() else "tokenizer"
    written = [str(place) for place in inputs]
    named = not written or all(any(path.startswith(place) for place in written) for path in config.data.inputs or [""])
    return Next(job, {} if named else {"data.inputs": written})


def to_corpus(config: Config, settings: dict[str, Any], inputs: Sequence[str], language: str | None = None) -> Next:
    """The corpus with ``settings``; of ``inputs`` where it has no sources."""
    if not (config.corpus.sources or config.corpus.inputs):
        settings |= {"corpus.inputs": list(inputs)} | ({"corpus.language": language} if language else {})
    return Next("corpus", settings)


def to_corpus_with_rule(config: Config, rule: str, inputs: Sequence[str]) -> Next:
    """The corpus with one more rule, which a classifier that was learnt serves."""
    rules = [*config.corpus.rules, *([rule] if rule not in config.corpus.rules else [])]
    return to_corpus(config, {"corpus.rules": rules}, inputs, getattr(config, rule).language)


def to_training(config: Config) -> Next:
    """The training on what `jobs.prepare` has written, of one reading, or some steps where one would be few."""
    from model.shapes import ROW_MULTIPLE

    settings: dict[str, Any] = {}
    tokens = manifests.read(config.data.tokens)
    length, batch, net = config.train.seq_length, config.train.global_batch, config.model
    if not isinstance(net, AutoConfig):
        rows = net.vocab_size
        if net.max_positions < length:
            settings["model"], rows = ENCODER, ENCODER_ROWS
        if rows != AUTO and rows < tokens["vocab_size"]:
            settings["model.vocab_size"] = -(-tokens["vocab_size"] // ROW_MULTIPLE) * ROW_MULTIPLE
    if not (config.train.steps or config.train.tokens or config.phases):
        if tokens["tokens"] < FEW_STEPS * length * batch:
            settings["train.global_batch"] = batch = config.train.micro_batch
        settings["train.steps"] = max(FEW_STEPS, tokens["tokens"] // (length * batch))
    return Next("train", settings)
