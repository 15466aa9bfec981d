"""Identity of verdicts: what they depend on, so that a shard is judged again when any of it changes."""

import dataclasses
from typing import Any

from rensa import RMinHash

from common.files import digest, digest_of
from common.manifest import installed
from data_prep.cleaning.steps import step_kind
from data_prep.corpus.stages.stage import CorpusWork
from data_prep.decontamination import index
from data_prep.dedup import embedding, paragraphs, signature
from data_prep.filters.registry import rule_class
from data_prep.model_digest import model_digest
from data_prep.sources import version as reader
from data_prep.sources.inputs import list_inputs

NOT_READ = ("inputs", "rules", "cleaning")
"""Keys of a source that decide nothing by themselves; what they name is counted otherwise."""


def curate_versions(work: CorpusWork, source: str) -> dict[str, int]:
    """Versions of all that decides about the documents of a source, by names that messages can use."""
    config, comparing = work.config, work.config.duplicates
    versions = {"reader": reader.VERSION}
    versions |= {f"cleaning step {name}": step_kind(name).version for name in work.plan.cleaning(source)}
    versions |= {f"rule {name}": rule_class(name).version for name in work.plan.rules(source)}
    optional = {
        "decontamination": (config.contamination.inputs, index.VERSION),
        "duplicate keys": (comparing.exact or comparing.near, signature.VERSION),
        "paragraph keys": (config.paragraphs.enabled, paragraphs.VERSION),
        "embedding": (config.semantic.enabled, embedding.VERSION),
    }
    return versions | {name: version for name, (used, version) in optional.items() if used}


def curate_settings(work: CorpusWork, source: str) -> str:
    """Digest of everything beside the text and the versions that decides about the documents of a source."""
    config, rules, profile = work.config, work.plan.rules(source), work.plan.profile(source)
    own = dataclasses.asdict(work.plan.sources[source])
    parts: list[Any] = [
        {key: own[key] for key in own if key not in NOT_READ},
        work.plan.cleaning(source), rules, dataclasses.asdict(profile),
        dataclasses.asdict(config.duplicates), RMinHash.ALGORITHM_VERSION,
        dataclasses.asdict(config.contamination), dataclasses.asdict(config.paragraphs),
        [config.max_document_bytes, config.samples, config.on_bad_document],
        config.tokenizer and model_digest(config.tokenizer, "corpus.tokenizer", "tokenizer"),
        [digest(path) for path in _evaluation_files(work)],
        [[package, installed(package)] for name in work.plan.cleaning(source) for package in step_kind(name).packages],
        [rule_class(name).inputs(profile, work.root) for name in rules],
    ]  # fmt: skip
    if config.semantic.enabled:
        parts.append(model_digest(config.semantic.model, "corpus.semantic.model", "embedder"))
    return digest_of(parts)


def _evaluation_files(work: CorpusWork) -> list[Any]:
    """Files with evaluation text."""
    inputs = work.config.contamination.inputs
    return list_inputs(inputs, "corpus.contamination.inputs") if inputs else []
