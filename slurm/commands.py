"""SLURM's own commands, each checked and each with a time limit."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from common.errors import UserError

INSTALL = "SLURM's commands are not in the PATH; log in to a node of the cluster, or use cluster=local"


class SlurmError(UserError):
    """A command of SLURM failed; the message holds its own first line."""


class Unreachable(SlurmError):
    """The controller did not answer; trying again later may help."""


class Unanswered(Unreachable):
    """sbatch did not say the id of a job that it may have queued."""


_JOB_LINE = re.compile(r"\d+(;\S+)?")
_NO_CLUSTER = (
    "configuration source",
    "fetch config",
    "fetch_config",
    "dns srv",
    "unable to process configuration file",
    "unable to open",
)
_AWAY = (
    "unable to contact slurm controller",
    "connection refused",
    "socket timed out",
    "unexpected message",
    "zero bytes were transmitted",
)


def available() -> bool:
    """Whether sbatch and srun are here."""
    return bool(shutil.which("sbatch") and shutil.which("srun"))


def run(arguments: Sequence[str], timeout: float = 30, variables: Mapping[str, str] = {}) -> str:  # noqa: B006 (it is only read)
    """Standard output of a command of SLURM, in the environment of `outside` with ``variables`` added.

    Raises SlurmError with its first line of complaint, Unreachable where nobody answered."""
    env = outside() | dict(variables)
    try:
        done = subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=env,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError as error:
        raise SlurmError(f"{arguments[0]} is not here; {INSTALL}") from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable(
            f"{arguments[0]} gave no answer in {timeout:g} s; the controller may be away, try again later"
        ) from error
    if done.returncode == 0:
        return done.stdout
    complaint = _complaint(done.stderr or done.stdout, arguments[0])
    if any(text in complaint.lower() for text in _NO_CLUSTER):
        last = complaint.rpartition("; ")[2].removeprefix("fatal: ")
        raise SlurmError(
            f"{arguments[0]} knows of no cluster ({last}); log in to a node of the cluster, set SLURM_CONF to its"
            " slurm.conf, or use cluster=local"
        )
    if any(text in complaint.lower() for text in _AWAY):
        raise Unreachable(f"{arguments[0]}: {complaint}; SLURM does not answer: try again later, or use cluster=local")
    raise SlurmError(f"{arguments[0]}: {complaint}")


def _complaint(text: str, command: str) -> str:
    """The line that says what was wrong: the last one of the command itself, without its prefix."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    own = [
        line.removeprefix(f"{command}:").strip().removeprefix("error:").strip()
        for line in lines
        if line.startswith(f"{command}:")
    ]
    return "; ".join(dict.fromkeys(own)) or (lines[-1] if lines else "failed without a word")


_OF_JOB = (
    "OMP_NUM_THREADS",
    "TMPDIR",
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "TERZI_ATTEMPT",
)
"""What a job sets besides, for its own cores, folder and GPUs."""
_OF_SLURM = re.compile(
    r"(SLURM|SLURMD|SQUEUE|SACCT|SACCTMGR|SINFO|SCONTROL|SCANCEL|SBATCH|SALLOC|SRUN|SPRIO|SSHARE|SREPORT|SSTAT|PMI|PMIX|PMI2)_.*"
)
_KEPT = re.compile(r"SLURM_(CONF|CONF_SERVER|JWT|SACK_.*)")
"""Of those: where the cluster is, and who asks."""


def outside() -> dict[str, str]:
    """The environment without SLURM's own variables: those of the job that this process is in, whose shape a job
    submitted from it would inherit, and those of a person's shell, which filter and format what the commands print
    (SQUEUE_STATES, SLURM_TIME_FORMAT, ...)."""
    dropped = _OF_JOB if "SLURM_JOB_ID" in os.environ else ()
    return {
        name: value
        for name, value in os.environ.items()
        if _KEPT.fullmatch(name) or not (_OF_SLURM.fullmatch(name) or name in dropped)
    }


def sbatch(script: str, *options: str, timeout: float = 60) -> str:
    """Submit the file ``script``; the job's id. Raises SlurmError; Unanswered where the job may be queued all the
    same."""
    try:
        answer = run(["sbatch", "--parsable", *options, script], timeout)
    except Unreachable as error:
        raise Unanswered(str(error)) from error
    ids = {line.strip().partition(";")[0] for line in answer.splitlines() if _JOB_LINE.fullmatch(line.strip())}
    if len(ids) != 1:  # a wrapper around sbatch may print lines of its own
        raise Unanswered(f"sbatch printed {'several numbers' if ids else 'no job id'}: {_complaint(answer, 'sbatch')}")
    return ids.pop()


def details(job_id: str) -> dict[str, str]:
    """Fields of `scontrol show job`; empty where the controller has forgotten the job. Raises SlurmError."""
    try:
        answer = run(["scontrol", "--oneliner", "show", "job", job_id])
    except Unreachable:
        raise
    except SlurmError:
        return {}
    return dict(word.split("=", 1) for word in answer.split() if "=" in word)
