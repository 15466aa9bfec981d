"""What the verdict on a document depends on, so that a shard is judged again when any of it changes."""

import dataclasses
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rensa import RMinHash

from common.errors import UserError
from common.files import digest, digest_of
from conf.schema.corpus import CorpusConfig
from data_prep.corpus.stages.stage import CorpusWork
from data_prep.sources.inputs import list_inputs


def curate_settings(work: CorpusWork, source: str) -> str:
    """Digest of everything beside the text that decides about the documents of a source."""
    config, rules = work.config, work.plan.rules(source)
    own = dataclasses.asdict(work.plan.sources[source])
    parts: list[Any] = [
        {key: own[key] for key in own if key not in ("inputs", "rules", "cleaning")},
        work.plan.cleaning(source), rules, dataclasses.asdict(work.plan.profile(source)),
        dataclasses.asdict(config.duplicates), RMinHash.ALGORITHM_VERSION,
        dataclasses.asdict(config.contamination), dataclasses.asdict(config.paragraphs),
        [config.max_document_bytes, config.samples, config.on_bad_document],
        config.tokenizer and model_digest(config.tokenizer, "corpus.tokenizer"),
        [digest(path) for path in _evaluation(config)],
    ]  # fmt: skip
    if "url" in rules:
        parts.append([digest(path) for path in config.url_lists])
    if "identification" in rules:
        parts.append(config.identifier)
    if {"morphology", "glued_words"} & set(rules):
        parts.append(["simplemma", version("simplemma")])  # its dictionaries decide
    if "quality" in rules:
        parts += [dataclasses.asdict(work.root.quality), model_digest(work.root.quality.model, "quality.model")]
    if "topics" in rules:
        parts += [dataclasses.asdict(work.root.topics), model_digest(work.root.topics.model, "topics.model")]
    if config.semantic.enabled:
        parts.append(model_digest(config.semantic.model, "corpus.semantic.model"))
    return digest_of(parts)


def _evaluation(config: CorpusConfig) -> list[Path]:
    """Files with evaluation text."""
    return (
        list_inputs(config.contamination.inputs, "corpus.contamination.inputs") if config.contamination.inputs else []
    )


@cache
def model_digest(folder: str, key: str) -> str:
    """Digest of the files of a model. Raises UserError where there is none."""
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file()) if Path(folder).is_dir() else []
    if not files:
        raise UserError(
            f"{key}: {folder} holds no model; make it first (python -m jobs.{MAKERS[key]}), or leave out what needs it"
        )
    return digest_of([[str(path.relative_to(folder)), digest(path)] for path in files])


MAKERS = {
    "corpus.tokenizer": "tokenizer", "quality.model": "quality", "topics.model": "topics", "corpus.semantic.model": "embedder",
}  # fmt: skip
"""Jobs that make the models."""
