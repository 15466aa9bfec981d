"""SLURM's own commands, each checked and each with a time limit."""

import os
import shutil
import subprocess
from collections.abc import Sequence

from common.errors import UserError

INSTALL = "SLURM's commands are not in the PATH; log in to a node of the cluster, or use cluster=local"


class SlurmError(UserError):
    """A command of SLURM failed; the message holds its own first line."""


class Unreachable(SlurmError):
    """The controller did not answer; trying again later may help."""


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


def run(arguments: Sequence[str], timeout: float = 30, env: dict[str, str] | None = None) -> str:
    """Standard output of a command of SLURM. Raises SlurmError with its first line of complaint, Unreachable where nobody answered."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=timeout, env=env, stdin=subprocess.DEVNULL, check=False)
    except FileNotFoundError as error:
        raise SlurmError(f"{arguments[0]} is not here; {INSTALL}") from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"{arguments[0]} gave no answer in {timeout:g} s; the controller may be away, try again later") from error
    if done.returncode == 0:
        return done.stdout
    complaint = _complaint(done.stderr or done.stdout, arguments[0])
    away = any(text in complaint.lower() for text in _AWAY)
    raise (Unreachable if away else SlurmError)(f"{arguments[0]}: {complaint}")


def _complaint(text: str, command: str) -> str:
    """The line that says what was wrong: the last one of the command itself, without its prefix."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    own = [line.removeprefix(f"{command}:").strip().removeprefix("error:").strip() for line in lines if line.startswith(f"{command}:")]
    return "; ".join(dict.fromkeys(own)) or (lines[-1] if lines else "failed without a word")


_OF_JOB = ("OMP_NUM_THREADS", "TMPDIR", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "TERZI_ATTEMPT")
"""What a job sets besides, for its own cores, folder and GPUs."""


def outside() -> dict[str, str]:
    """The environment without what was set for the job that this process is in: a job submitted from it would inherit its shape."""
    dropped = _OF_JOB if "SLURM_JOB_ID" in os.environ else ()
    return {
        name: value
        for name, value in os.environ.items()
        if name == "SLURM_CONF" or not name.startswith(("SLURM_", "SBATCH_", "SRUN_", "PMI_", "PMIX_")) and name not in dropped
    }


def sbatch(script: str, *options: str, timeout: float = 60) -> str:
    """Submit the file ``script``; the job's id. Raises SlurmError."""
    answer = run(["sbatch", "--parsable", *options, script], timeout, outside())
    return answer.strip().splitlines()[-1].partition(";")[0]


def element_id(env: dict[str, str] | None = None) -> str:
    """``ARRAY_TASK`` of the array element that this process is in, else the job's id; empty outside a job."""
    env = dict(os.environ) if env is None else env
    if "SLURM_ARRAY_JOB_ID" in env:
        return f"{env['SLURM_ARRAY_JOB_ID']}_{env['SLURM_ARRAY_TASK_ID']}"
    return env.get("SLURM_JOB_ID", "")


def details(job_id: str) -> dict[str, str]:
    """Fields of `scontrol show job`; empty where the controller has forgotten the job. Raises SlurmError."""
    try:
        answer = run(["scontrol", "--oneliner", "show", "job", job_id])
    except Unreachable:
        raise
    except SlurmError:
        return {}
    return dict(word.split("=", 1) for word in answer.split() if "=" in word)
