"""Rank of this process, read from what torchrun, srun or submitit left in the environment."""

import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common.errors import AlreadyReported, UserError


@dataclass(frozen=True)
class Ranks:
    """Place of this process among all processes of the job."""

    rank: int = 0
    """0 to size - 1."""
    size: int = 1
    """Processes of the job."""
    local_rank: int = 0
    """Rank among the processes on this machine."""
    local_size: int = 1
    """Processes on this machine."""
    meeting_point: str = ""
    """Where the ranks meet, as an `init_method` of torch.distributed; empty when alone."""


_STARTERS = {
    "torchrun": ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    "submitit": ("SUBMITIT_LOCAL_GLOBALID", "SUBMITIT_LOCAL_NTASKS", "SUBMITIT_LOCAL_LOCALID", "SUBMITIT_LOCAL_NTASKS"),
    "srun": ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"),
}


def read_ranks(env: Mapping[str, str] = os.environ) -> Ranks:
    """Ranks as torchrun, submitit's local executor or srun (so submitit's SLURM executor too) tell them; alone when
    none did.

    A batch script or a shell inside `salloc` is alone: only `srun` sets the size of the step.
    Raises UserError when a variable is missing or not a number.
    """
    starter = next((starter for starter, names in _STARTERS.items() if names[0] in env and names[1] in env), None)
    if starter is None:
        return Ranks()
    names = _STARTERS[starter]
    rank, size, local_rank = (_number(env, name, starter) for name in names[:3])
    if size == 1:
        return Ranks()
    return Ranks(rank, size, local_rank, _local_size(env, names[3], size), _meeting_point(env, starter))


def _number(env: Mapping[str, str], name: str, starter: str) -> int:
    try:
        return int(env[name])
    except (KeyError, ValueError):
        raise UserError(
            f"{starter} started this process, but the variable {name} is not a number ({env.get(name)!r}); unset it"
        ) from None


def _local_size(env: Mapping[str, str], name: str, size: int) -> int:
    """Processes on this machine; SLURM writes "4(x2),3" for four on each of two nodes, three on the next."""
    counts = [
        int(count)
        for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", env.get(name, ""))
        for _ in range(int(times or 1))
    ]
    return counts[min(int(env.get("SLURM_NODEID", 0)), len(counts) - 1)] if counts else size


def _meeting_point(env: Mapping[str, str], starter: str) -> str:
    """torchrun's own store; else MASTER_ADDR and MASTER_PORT, or by default the first host and a port from the identity
    of the job."""
    if starter == "torchrun":
        return "env://"
    hosts = {
        "submitit": "localhost",
        "srun": first_host(env.get("SLURM_STEP_NODELIST") or env.get("SLURM_JOB_NODELIST", "")),
    }
    address = env.get("MASTER_ADDR") or hosts[starter]
    if not address:
        raise UserError("SLURM_STEP_NODELIST does not name the host of rank 0; set MASTER_ADDR")
    # SLURM_JOB_ID differs between the array tasks of an array, the restart count between the attempts of one (the node
    # of an earlier attempt may be cut off with its ranks alive); the range lies below the ephemeral ports of Linux
    # (32768).
    identity = "/".join(
        env.get(name, "") for name in ("SUBMITIT_LOCAL_JOB_ID", "SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT")
    )
    port = (
        _number(env, "MASTER_PORT", starter)
        if "MASTER_PORT" in env
        else 20_000 + zlib.crc32(identity.encode()) % 12_000
    )
    return f"tcp://{address}:{port}"


def array_task_id() -> str:
    """``ARRAY_TASK`` of the array task that this process is in, else the job's id; empty outside a job."""
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        return f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID", "")


def first_host(nodelist: str) -> str:
    """First host of a SLURM node list: `gs[07-09,12],as1` -> `gs07`."""
    match = re.match(r"([^,\[]+)(?:\[(\d+)[^\]]*\]([^,]*))?", nodelist)
    return "".join(part or "" for part in match.groups()) if match else ""


def cores() -> int:
    """CPU cores that this process may use: its affinity, cut by the CPU quota of its control group and by
    OMP_NUM_THREADS."""
    allowed = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        if quota != "max":
            allowed = min(allowed, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass  # no control groups of version 2, no quota
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(allowed, int(asked)) if asked.isdigit() and int(asked) > 0 else allowed


def resolve_threads(threads: int) -> int:
    """`parallel.threads` as a number: 0 means the cores this process may use, shared with the other ranks on this
    machine."""
    return threads or max(1, cores() // read_ranks().local_size)


def refuse_several_ranks(job: str) -> None:
    """Raise UserError where several ranks were started for a job that is for one process."""
    ranks = read_ranks()
    if ranks.size > 1:
        error = AlreadyReported if ranks.rank else UserError
        raise error(
            f"{job} is for one process, and {ranks.size} were started; start it without torchrun, or with srun"
            " --ntasks=1"
        )
