"""jobs.corpus: kept documents out of raw text, stage by stage."""

from collections.abc import Sequence
from pathlib import Path

from conf.schema import Config
from jobs.records.following import to_tokens
from jobs.records.inputs import array_tasks, paths
from jobs.records.job import DiskNeed, Job, WorkStage

SHARE_OF_INPUT = 3
"""Bytes of documents and keys for a byte of input, which may be packed better."""


def _needs(config: Config) -> dict[str, str]:
    corpus = config.corpus
    needed = paths("corpus.inputs", corpus.inputs)
    for name, source in corpus.sources.items():
        needed |= paths(f"corpus.sources.{name}.inputs", source.inputs)
    rules = {rule for source in corpus.sources.values() for rule in source.rules or corpus.rules} or set(corpus.rules)
    models = {
        "corpus.semantic.model": corpus.semantic.enabled and corpus.semantic.model,
        "corpus.tokenizer": corpus.tokenizer,
        "quality.model": "quality" in rules and config.quality.model,
        "topics.model": "topics" in rules and config.topics.model,
    }
    return needed | {key: path for key, path in models.items() if path}


def _stages(config: Config) -> list[WorkStage]:
    from data_prep.corpus.factory import SHARED, stage_names

    if config.corpus.array_task is not None or config.corpus.array_size < 2:
        return []
    names = [config.corpus.stage] if config.corpus.stage else stage_names(config)
    alone = {name: {} if name in SHARED else {"array_size": 1} for name in names}
    return [WorkStage(name, array_tasks(config, "corpus", stage=name, **alone[name])) for name in names]


def _disk(configs: Sequence[Config]) -> DiskNeed:
    from data_prep.corpus.stages.plan import CorpusPlan

    text = sum(unit.shard.bytes for config in configs for unit in CorpusPlan(config.corpus).units)
    folder = Path(configs[0].corpus.output)
    return DiskNeed(text * SHARE_OF_INPUT, 100 * len(configs), folder, "documents, once as judged and once as kept")


JOB = Job(
    "corpus",
    "clean, filter, deduplicate text",
    ("corpus", "quality", "topics", "cluster"),
    home=lambda config: config.corpus.output,
    needs=_needs,
    text_key="corpus.inputs",
    stages=_stages,
    part_keys=("corpus.array_task", "corpus.stage"),
    disk=_disk,
    following=lambda ended: to_tokens(ended.config, Path(ended.config.corpus.output) / "documents"),
    takes_over=("corpus", "quality", "topics", "data", "cluster"),
)
