"""Disk and inodes that a submission will take, so that a full disk is met before it is queued and not after three
days."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from conf.schema import Config
from data_prep.corpus.plan import Plan
from model.open_model import close_model
from model.training.course import build_course
from model.training.flops import parameter_count
from slurm.script import ranks_per_node

GB = 1e9
STATE_BYTES = {"fp32": 12, "bf16": 14}
"""Bytes a parameter takes in the Megatron half of a checkpoint: fp32 weights and two moments; bf16 weights beside."""
HF_BYTES = {"fp32": 4, "bf16": 2}
FILES_OF_SAVE = 12
"""Manifests, config, tokenizer, and what dist_checkpointing adds; each rank writes two files more."""
TOKENS_PER_BYTE = 0.3
"""Tokens of two or four bytes for a byte of text; shards and merged files lie beside each other until the merge is
done."""
CORPUS_SHARE = 3
"""Bytes of documents and keys for a byte of input, which may be packed better."""


@dataclass
class Need:
    """Disk that is needed, by the folder that holds it."""

    bytes: float
    files: int
    folder: Path
    why: str

    def describe(self) -> str:
        """For people."""
        free, inodes = room(self.folder)
        left = f"{free / GB:,.1f} GB and {inodes:,} files free" if inodes else f"{free / GB:,.1f} GB free"
        return f"disk: up to {self.bytes / GB:,.2f} GB in {self.files:,} files under {self.folder} ({self.why}); {left}"


def forecast(job: str, configs: Sequence[Config]) -> Need:
    """What the points take together."""
    first = configs[0]
    if job == "train":
        needs = [_training(config) for config in configs]
        size, files = sum(need[0] for need in needs), sum(need[1] for need in needs)
        return Need(size, files, Path(first.runs_dir), f"{sum(need[2] for need in needs)} checkpoints")
    if job == "prepare":
        text = sum(path.stat().st_size for config in configs for path in _inputs(config))
        return Need(
            text * TOKENS_PER_BYTE * 4 * 2, 10 * len(configs), Path(first.data.tokens), "tokens, as shards and merged"
        )
    if job == "corpus":
        text = sum(unit.shard.bytes for config in configs for unit in Plan(config.corpus).units)
        return Need(
            text * CORPUS_SHARE,
            100 * len(configs),
            Path(first.corpus.output),
            "documents, once as judged and once as kept",
        )
    return Need(1e7 * len(configs), 20 * len(configs), Path(first.runs_dir), "results and logs")


def check_room(job: str, configs: Sequence[Config]) -> None:
    """Raise UserError where the forecast does not fit."""
    need = forecast(job, configs)
    free, inodes = room(need.folder)
    if need.bytes > free or (inodes and need.files > inodes):
        raise UserError(
            f"{need.describe()}: this does not fit; make room, lower train.checkpoint.keep_last or keep_probes, or set"
            " runs_dir to a larger disk"
        )


def room(folder: Path) -> tuple[int, int]:
    """Bytes and inodes that are free for us where ``folder`` is or will be; 0 inodes where the file system does not
    count them."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    found = os.statvfs(there)
    return found.f_bavail * found.f_frsize, found.f_favail if found.f_files else 0


def save_bytes(config: Config) -> tuple[float, float]:
    """Size of the Megatron half and of the hf/ half of one checkpoint."""
    parameters, precision = (
        parameter_count(config.model),
        config.parallel.on(bf16=config.cluster.gpus_per_node > 0).precision,
    )
    return parameters * STATE_BYTES[precision], parameters * HF_BYTES[precision]


def _training(config: Config) -> tuple[float, int, int]:
    """Bytes, files and number of the checkpoints that lie side by side at most."""
    config = close_model(config, ahead=True)
    ranks = config.cluster.nodes * ranks_per_node(config.cluster)
    course = build_course(config, None, config.parallel.data_ranks(ranks))
    checkpoint, points = config.train.checkpoint, course.save_points(config)
    probes = len(points.probe_steps())
    resumes = (
        checkpoint.keep_last
        + 1
        + (math.ceil(course.total / checkpoint.keep_every_steps) if checkpoint.keep_every_steps else 0)
    )
    state, hf = save_bytes(config)
    checkpoints = probes + resumes
    return state * checkpoints + hf * probes, checkpoints * (FILES_OF_SAVE + 2 * ranks), checkpoints


def _inputs(config: Config) -> list[Path]:
    from data_prep.sources.inputs import list_inputs

    return list_inputs(config.data.inputs)
