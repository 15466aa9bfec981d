"""The batch script of an array, as submitit writes it, around our driver."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from submitit.slurm.slurm import _make_sbatch_string

from common.errors import UserError
from conf.schema import ClusterConfig
from slurm.snapshot import VARIABLE
from slurm.submission import Submission

SIGNAL = "USR1"
UNLIMITED = 1_000_000
LONGEST = 200
"""Bytes of what people call a job; SLURM's accounting keeps 255 of its name."""


def ranks_per_node(cluster: ClusterConfig) -> int:
    """Ranks on each node: as asked, else one a GPU, else one."""
    return cluster.tasks_per_node or cluster.gpus_per_node or 1


def batch_script(submission: Submission, first: int, count: int, dependency: str = "", array: str = "") -> str:
    """Script of an array over the array tasks from ``first`` on; ``dependency`` and ``array`` as sbatch takes them
    (array: 0 to count - 1).

    The signal at the time limit reaches the ranks and not the script (no `B:`); SLURM sends the same one at a
    preemption."""
    cluster, folder = submission.cluster, submission.folder
    limit = cluster.array_parallelism or UNLIMITED
    options = {
        "chdir": submission.manifest["workdir"],
        "output": as_pattern(folder / "logs") + "/%A_%a.batch.log",
        "signal": f"{SIGNAL}@{cluster.signal_lead}",
        "array": (array or f"0-{count - 1}") + (f"%{limit}" if limit < count else ""),
        "no-requeue" if cluster.requeue == "never" else "requeue": True,
    }
    if dependency:
        options |= {"dependency": dependency, "kill-on-invalid-dep": "yes"}
    python = [submission.manifest["python"], "-u", "-m", "slurm.driver", str(folder), str(first)]
    return _make_sbatch_string(
        command=shlex.join(["exec", *python]),
        folder=folder / "logs",
        job_name=_job_name(submission),
        time=cluster.time,
        nodes=cluster.nodes,
        ntasks_per_node=ranks_per_node(cluster),
        cpus_per_task=cluster.cpus_per_task,
        gpus_per_node=cluster.gpus_per_node or None,
        mem=cluster.mem,
        partition=cluster.partition,
        account=cluster.account,
        qos=cluster.qos,
        constraint=cluster.constraint,
        exclude=cluster.exclude,
        wckey=None,
        stderr_to_stdout=True,
        use_srun=False,
        setup=[*cluster.setup, *environment(submission.snapshot)],
        additional_parameters=options
        | {
            name: True if value.lower() == "true" else value
            for name, value in cluster.sbatch.items()
            if name != "job-name"
        },
    )


def _job_name(submission: Submission) -> str:
    """What people call the job, and the token by which it is found."""
    said = submission.cluster.sbatch.get("job-name", f"{submission.manifest['job']}:{submission.manifest['name']}")
    return said.encode()[:LONGEST].decode(errors="ignore") + submission.token


def as_pattern(folder: Path) -> str:
    """A folder as --output of sbatch and srun takes it, which read % as the sign of a pattern."""
    return str(folder).replace("%", "%%")


def refuse_path(key: str, folder: str, more: str = "") -> None:
    """Raise UserError where logs below ``folder`` could not be named to SLURM: a backslash turns the patterns of
    --output off. ``more``: further characters that it cannot have."""
    path = str(Path(folder).absolute())
    if bad := next((sign for sign in path if sign in "\\" + more or not sign.isprintable()), ""):
        raise UserError(
            f"{key}: {path!r} contains {bad!r}, with which SLURM or Python could not find it on a node; choose another"
            " name"
        )


def environment(snapshot: Path) -> list[str]:
    """Shell lines after which Python finds our code in the snapshot alone: neither the working folder nor an editable
    install wins."""
    folder = shlex.quote(str(snapshot))
    return [f"export PYTHONPATH={folder} {VARIABLE}={folder} PYTHONSAFEPATH=1"]


def rank_command(submission: Submission, module: str, arguments: Sequence[str], log: Path) -> list[str]:
    """The srun that starts ``python -m module arguments`` as the ranks of an array task, one task a rank, each with the
    output file ``log`` (with srun's %t in it).

    A rank that ends badly takes the others down at once (`--kill-on-bad-exit`), which would otherwise wait for it for
    minutes."""
    cluster, container = submission.cluster, submission.cluster.container
    each = ranks_per_node(cluster)
    srun = [
        "srun", "--kill-on-bad-exit=1", "--unbuffered", "--input=none", f"--nodes={cluster.nodes}",
        f"--ntasks={cluster.nodes * each}",
        f"--ntasks-per-node={each}", f"--cpus-per-task={cluster.cpus_per_task}",
        f"--output={as_pattern(log.parent)}/{log.name}", "--open-mode=append",
    ]  # fmt: skip
    python = submission.manifest["python"] if container.kind == "none" else container.python
    inner = [python, "-u", "-m", module, *arguments]
    if container.kind == "none":
        return [*srun, *cluster.srun, *inner]
    binds = [
        f"{folder}:{folder}" for folder in (submission.manifest["workdir"], submission.snapshot, submission.folder)
    ]
    mounts = ",".join([*dict.fromkeys(binds), *container.mounts])
    if container.kind == "pyxis":
        where = [
            f"--container-image={container.image}",
            f"--container-mounts={mounts}",
            f"--container-workdir={submission.manifest['workdir']}",
        ]
        return [*srun, *where, *cluster.srun, *inner]
    nv = ["--nv"] if cluster.gpus_per_node else []
    return [
        *srun,
        *cluster.srun,
        "apptainer",
        "exec",
        *nv,
        "--bind",
        mounts,
        "--pwd",
        submission.manifest["workdir"],
        container.image,
        *inner,
    ]
