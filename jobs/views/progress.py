"""How far a run is, read from its folder while it may be written to: nothing here needs torch, and nothing is read
whole that grows."""

import json
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from common import manifest as manifests
from common.errors import UserError
from common.files import read_json
from common.layout import CHECKPOINTS, CONFIG, METRICS, RESULTS, STEPS
from common.read_yaml import read_yaml
from common.tail import read_tail
from conf.schema import CheckpointConfig, ParallelConfig, TrainConfig
from model.training.run.config import load_config
from model.training.timeline.batch_ramp import BatchRamp, total_steps
from model.training.timeline.timeline import build_timeline

LINES = 50
"""Last lines of metrics.jsonl whose mean speed the estimate of the end is made with."""
SILENCE = 600
"""Seconds without a new metric after which a run on another machine counts as stopped."""
STATUS = {"interrupted": "stopped"}
STATUSES = ("running", "finished", "failed", "stopped", *STATUS)


@dataclass(frozen=True)
class Progress:
    """What a run folder says of its training; None for what it does not know (yet)."""

    folder: Path
    status: str
    """running, finished, failed or stopped, as far as the folder alone tells."""
    attempt: int
    step: int | None = None
    total: int | None = None
    tokens_per_second: float | None = None
    mfu: float | None = None
    loss: float | None = None
    best: float | None = None
    """Highest nDCG@10 of its probes, on dev queries."""
    seconds_left: float | None = None
    """At the speed of its last steps, without checkpoints and probes."""
    note: str = ""
    """Why it stands still, where the folder alone tells."""


def is_run(folder: Path) -> bool:
    """Whether ``folder`` is a run folder."""
    return (folder / CONFIG).is_file() and (folder / CHECKPOINTS).is_dir()


def read_progress(folder: Path) -> Progress:
    """How far the run in ``folder`` is. What cannot be read is said in `note`: one damaged run, of whomever, hides no
    other."""
    try:
        return _read(folder)
    except Exception as error:  # another's files hold whatever they do
        return Progress(
            folder, "failed", 0, note=f"cannot be read: {(str(error).splitlines() or [type(error).__name__])[0]}"
        )


def _read(folder: Path) -> Progress:
    manifest = manifests.read(folder) if (folder / manifests.NAME).is_file() else {}
    total = _total(folder, read_yaml(folder / CONFIG), manifest)
    lines = _last_metrics(folder / METRICS)
    last = lines[-1] if lines else {}
    step = max(int(last.get("step", 0)), int(manifest.get("step", 0))) if lines or "step" in manifest else None
    timed = [line["seconds"] for line in lines if line.get("seconds")]
    left = (total - step) * fmean(timed) if timed and step is not None else None
    status, note = _status(folder, manifest)
    return Progress(
        folder, status, len(manifest.get("attempts", [])), step, total, _latest(lines, "tokens_per_second"),
        _latest(lines, "mfu"),
        _latest(lines, "loss"), best_ndcg(folder), left, note,
    )  # fmt: skip


def best_ndcg(folder: Path) -> float | None:
    """Highest nDCG@10 on dev queries (on others where there are none) of the probes of a run; None before the first."""
    found = []
    for file in (folder / RESULTS).glob(f"*/{STEPS}.json"):
        try:
            result = read_json(file)
            splits = result["metrics"][result["readout"]]
            found.append(float((splits.get("dev") or next(iter(splits.values())))["ndcg@10"]))
        except (UserError, OSError, KeyError, TypeError, AttributeError, ValueError, StopIteration):
            continue  # being replaced, or of another kind
    return max(found, default=None)


def _total(folder: Path, config: dict[str, Any], manifest: dict[str, Any]) -> int:
    """Steps of the whole run."""
    train = TrainConfig(**{**config["train"], "checkpoint": CheckpointConfig(**config["train"]["checkpoint"])})
    if train.decay_only and "branch" in manifest:
        return manifest["branch"]["step"] + config["optim"]["schedule"]["decay_steps"]
    attempts = manifest.get("attempts", [])
    data_parallel = ParallelConfig(**config["parallel"]).data_ranks(attempts[-1].get("ranks", 1) if attempts else 1)
    if config.get("phases"):
        return build_timeline(load_config(folder), None, data_parallel).total
    return total_steps(train, BatchRamp(train, data_parallel))


def _last_metrics(file: Path) -> list[dict[str, Any]]:
    lines = []
    for line in read_tail(file, 1 << 14).splitlines()[-LINES:]:
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue  # half-written
    return [line for line in lines if isinstance(line, dict)]


def _latest(lines: list[dict[str, Any]], name: str) -> float | None:
    return next((float(line[name]) for line in reversed(lines) if line.get(name) is not None), None)


def _status(folder: Path, manifest: dict[str, Any]) -> tuple[str, str]:
    """State of a run that SLURM knows nothing of, and why it stands still."""
    status = manifest.get("status", "stopped")
    if status not in STATUSES:
        raise ValueError(f"its status is {status!r}")
    attempts = manifest.get("attempts", [])
    if status != "running" or not attempts:
        note = {"failed": "the reason was printed where it was started", "interrupted": "asked to stop"}.get(status, "")
        return STATUS.get(status, status), f"{note}; the same command continues" if note else ""
    last = attempts[-1]
    if last["host"] == socket.gethostname():
        if Path(f"/proc/{last['pid']}").exists():
            return "running", ""
        return "stopped", f"its process {last['pid']} ended without a word; the same command continues"
    try:
        silent = time.time() - os.stat(folder / METRICS).st_mtime
    except OSError:
        silent = time.time() - os.stat(folder / manifests.NAME).st_mtime
    if silent < SILENCE:
        return "running", ""
    return "stopped", f"no sign of life from {last['host']} for {silent / 60:.0f} minutes; the same command continues"
