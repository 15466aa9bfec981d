"""jobs.train: a run."""

import math
from collections.abc import Sequence
from pathlib import Path

from common import manifest as manifests
from common.layout import CHECKPOINTS, LAST
from conf.schema import Config
from jobs.records.following import Ended, Next
from jobs.records.inputs import measured, tokenizer, tokens
from jobs.records.job import DiskNeed, Job

STATE_BYTES = {"fp32": 12, "bf16": 14}
"""Bytes a parameter takes in the Megatron half of a checkpoint: fp32 weights and two moments; bf16 weights beside."""
HF_BYTES = {"fp32": 4, "bf16": 2}
FILES_OF_CHECKPOINT = 12
"""Manifests, config, tokenizer, and what dist_checkpointing adds; each rank writes two files more."""


def _needs(config: Config) -> dict[str, str]:
    read = {"data.tokens": tokens(config.data.tokens)} | tokenizer(config)
    if config.phases:
        read = tokenizer(config) | {
            f"phases.{name}.data" if phase.data else f"phases.{name}": tokens(
                phase.data or Path(config.mixture.output) / name
            )
            for name, phase in config.phases.items()
        }
    read |= {f"train.{key}": place for key in ("branch_from", "init_from") if (place := getattr(config.train, key))}
    read |= {f"data.validation.{name}": tokens(folder) for name, folder in config.data.validation.items()}
    return read | (measured(config) if config.sweep.trigger != "manual" else {})


def _is_done(config: Config) -> bool:
    """Whether the run has made its last step. One that is to be extended goes on."""
    from model.training.run.config import load_config

    run = Path(config.run_dir)
    if not (run / manifests.NAME).is_file() or manifests.read(run).get("status") != "finished":
        return False

    def length(config: Config) -> tuple:
        return (
            config.train.steps,
            config.train.tokens,
            config.budget,
            {name: phase.tokens for name, phase in config.phases.items()},
        )

    return length(load_config(run)) == length(config)


def _close(config: Config) -> Config:
    from model.training.run.open_model import close_model

    return close_model(config)


def _disk(configs: Sequence[Config]) -> DiskNeed:
    runs = [_disk_of_run(config) for config in configs]
    size, files, checkpoints = (sum(column) for column in zip(*runs, strict=True))
    return DiskNeed(size, files, Path(configs[0].runs_dir), f"{checkpoints} checkpoints")


def _disk_of_run(config: Config) -> tuple[float, int, int]:
    """Bytes, files and number of the checkpoints that lie side by side at most."""
    from model.training.run.open_model import close_model
    from model.training.timeline.timeline import build_timeline
    from slurm.script import ranks_per_node

    config = close_model(config, ahead=True)
    ranks = config.cluster.nodes * ranks_per_node(config.cluster)
    timeline = build_timeline(config, None, config.parallel.data_ranks(ranks))
    checkpoint = config.train.checkpoint
    probes = len(timeline.checkpoint_steps(config).probe_steps())
    resumes = (
        checkpoint.keep_last
        + 1
        + (math.ceil(timeline.total / checkpoint.keep_every_steps) if checkpoint.keep_every_steps else 0)
    )
    state, hf = checkpoint_bytes(config)
    checkpoints = probes + resumes
    return state * checkpoints + hf * probes, checkpoints * (FILES_OF_CHECKPOINT + 2 * ranks), checkpoints


def checkpoint_bytes(config: Config) -> tuple[float, float]:
    """Size of the Megatron half and of the hf/ half of one checkpoint."""
    from model.training.cost.flops import parameter_count

    parameters, precision = (
        parameter_count(config.model),
        config.parallel.on(bf16=config.cluster.gpus_per_node > 0).precision,
    )
    return parameters * STATE_BYTES[precision], parameters * HF_BYTES[precision]


def _following(ended: Ended) -> Next:
    """What is measured of the checkpoints, where there is something to measure on; else the export of the last one."""
    config = ended.config
    evaluation = config.evaluation
    if not (Path(config.data.retrieval).exists() or evaluation.domain or evaluation.general or evaluation.tasks):
        return Next("export", {"export.checkpoint": f"{config.run_dir}/{CHECKPOINTS}/{LAST}"})
    runs = [config.run_dir for config in ended.configs]
    return Next("sweep", {"sweep.runs": runs} if len(runs) > 1 else {})


READS = (
    "data",
    "model",
    "objective",
    "optim",
    "parallel",
    "train",
    "tracking",
    "phases",
    "budget",
    "mixture",
    "hardware",
    "cluster",
)
JOB = Job(
    "train",
    "train, with checkpoints",
    (*READS[:-3], "plan", *READS[-3:]),
    home=lambda config: config.run_dir,
    needs=_needs,
    is_done=_is_done,
    is_training=True,
    estimates=True,
    close=_close,
    distributed=True,
    gpu=True,
    disk=_disk,
    disk_ahead=True,
    following=_following,
    takes_over=READS,
    once=("plan",),
)
