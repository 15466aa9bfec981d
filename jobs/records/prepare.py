"""jobs.prepare: tokens out of text, shard by shard."""

from collections.abc import Sequence
from pathlib import Path

from conf.schema import Config
from jobs.records.following import to_training
from jobs.records.inputs import array_tasks, text, tokenizer
from jobs.records.job import Coming, DiskNeed, Job, WorkStage

TOKENS_PER_BYTE = 0.3
"""Tokens of two or four bytes for a byte of text; shards and merged files lie beside each other until the merge is
done."""


def _needs(config: Config) -> dict[str, str]:
    adopted = config.prepare.adopt
    return ({"prepare.adopt": f"{adopted}.bin"} if adopted else text(config)) | tokenizer(config)


def _stages(config: Config) -> list[WorkStage]:
    return (
        [] if config.prepare.adopt or config.prepare.array_size < 2 else [WorkStage("", array_tasks(config, "prepare"))]
    )


def _check_files(config: Config, coming: Coming) -> None:
    from data_prep.sources.inputs import list_inputs
    from data_prep.tokens.settings import check_folder

    if not any(coming(path) for path in (config.data.tokenizer, *config.data.inputs)):
        check_folder(config, [] if config.prepare.adopt else list_inputs(config.data.inputs))


def _disk(configs: Sequence[Config]) -> DiskNeed:
    from data_prep.sources.inputs import list_inputs, stamp

    texts = [config for config in configs if not config.prepare.adopt]
    size = sum(stamp(path)[0] for config in texts for path in list_inputs(config.data.inputs))
    return DiskNeed(
        size * TOKENS_PER_BYTE * 4 * 2, 10 * len(configs), Path(configs[0].data.tokens), "tokens, as shards and merged"
    )


JOB = Job(
    "prepare",
    "tokenise into shards",
    ("data", "prepare", "cluster"),
    home=lambda config: config.data.tokens,
    needs=_needs,
    check_files=_check_files,
    stages=_stages,
    last_stage="merge",
    part_keys=("prepare.array_task",),
    disk=_disk,
    following=lambda ended: to_training(ended.config),
    takes_over=("data", "prepare", "cluster"),
)
