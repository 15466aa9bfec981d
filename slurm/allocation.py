"""Inside `salloc`, or a batch script that a person wrote: the points run on what was allocated, with the same driver
and guarantees."""

import dataclasses
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.environment import array_task_id
from common.errors import UserError
from common.files import read_json
from conf.schema import ClusterConfig, Config
from slurm.snapshot import VARIABLE, take_snapshot
from slurm.submission import FINISHED, FOLDER, Array, Point, Submission, freeze


def inside() -> bool:
    """Whether this process is in an allocation, and is no part of an array task."""
    return "SLURM_JOB_ID" in os.environ and VARIABLE not in os.environ


def task() -> tuple[int, int]:
    """Number of this array task of the array that a person submitted, counted from 0, and their number; (0, 1) where
    there is no array."""
    env = os.environ
    return int(env.get("SLURM_ARRAY_TASK_ID", 0)) - int(env.get("SLURM_ARRAY_TASK_MIN", 0)), int(
        env.get("SLURM_ARRAY_TASK_COUNT", 1)
    )


def allocated(cluster: ClusterConfig) -> ClusterConfig:
    """``cluster`` with the nodes, tasks, GPUs and cores of this allocation; only a batch script can be requeued."""
    env = os.environ
    number = lambda name, default: int((env.get(name) or str(default)).partition("(")[0])  # noqa: E731  ("4(x2)": four on each of two nodes)
    batch = "SLURM_ARRAY_JOB_ID" in env
    return dataclasses.replace(
        cluster, nodes=number("SLURM_JOB_NUM_NODES", 1), gpus_per_node=number("SLURM_GPUS_ON_NODE", 0),
        tasks_per_node=number("SLURM_NTASKS_PER_NODE", 0), cpus_per_task=number("SLURM_CPUS_PER_TASK", 1),
        requeue=cluster.requeue if batch else "never",
    )  # fmt: skip


def run_here(job: str, points: Sequence[Point]) -> list[Any]:
    """Run the points on this allocation, one after another; what they returned.

    In a batch script the one point becomes this process (it does not return), and a requeued attempt finds what the
    first one froze. Raises UserError where a point fails."""
    batch = "SLURM_ARRAY_JOB_ID" in os.environ
    submission = (batch and frozen(job, points[0].config.runs_dir)) or _freeze(job, points, batch)
    if batch:
        become(submission)
    command, environment = _driver(submission)
    for index in range(len(points)):
        code = subprocess.run([*command, str(index)], env=environment, check=False).returncode
        if submission.array_task(index)["state"] != FINISHED:
            raise UserError(
                f"{submission.points[index]['home']}: ended with status {code}; the logs are in {submission.folder}"
            )
    return [read_json(submission.result_file(index))["value"] for index in range(len(points))]


def become(submission: Submission) -> None:
    """Turn this process, the batch script of an array task, into its driver."""
    command, environment = _driver(submission)
    sys.stdout.flush()
    os.execve(command[0], [*command, str(-int(os.environ["SLURM_ARRAY_TASK_ID"]))], environment)


def take_up(job: str, arguments: Sequence[str]) -> None:
    """In a requeued batch script, go on with what its first attempt froze, before the configuration, which may have
    been edited since, is read. Finds it where ``runs_dir`` is the default or among the arguments; elsewhere `run_here`
    does, after composing."""
    if inside() and "SLURM_ARRAY_JOB_ID" in os.environ:
        given = [argument.partition("=")[2] for argument in arguments if argument.startswith("runs_dir=")]
        if submission := frozen(job, given[-1] if given else Config.runs_dir):
            become(submission)


def _driver(submission: Submission) -> tuple[list[str], dict[str, str]]:
    """Its command, the array task's number left out, and its environment."""
    snapshot = str(submission.snapshot)
    environment = os.environ | {"PYTHONPATH": snapshot, VARIABLE: snapshot, "PYTHONSAFEPATH": "1"}
    return [submission.manifest["python"], "-u", "-m", "slurm.driver", str(submission.folder)], environment


def frozen(job: str, runs_dir: str) -> Submission | None:
    """What the first attempt of this batch job froze; of others' submissions none, whatever their names."""
    if not int(os.environ.get("SLURM_RESTART_COUNT", 0)):
        return None
    found = sorted((Path(runs_dir).absolute() / FOLDER).glob(f"*-{job}-job_{array_task_id()}"))
    own = [submission for folder in found if not (submission := Submission.read(folder)).foreign()]
    return own[-1] if own else None


def _freeze(job: str, points: Sequence[Point], batch: bool) -> Submission:
    snapshot = take_snapshot(points[0].config.runs_dir)
    submission = freeze(job, points, snapshot, sys.executable, mark=f"job_{array_task_id()}" if batch else "")
    if batch:
        array_task = int(os.environ["SLURM_ARRAY_TASK_ID"])
        submission.queued([Array(os.environ["SLURM_ARRAY_JOB_ID"], -array_task, array_task + 1)])
    return submission
