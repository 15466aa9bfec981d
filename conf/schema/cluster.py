"""Group `cluster`: where array tasks run, what they ask for, and what happens when they are cut off."""

from dataclasses import dataclass, field
from typing import Annotated

from conf.schema.choice import choice
from conf.schema.ranges import Few, Range


@dataclass
class ContainerConfig:
    """A container around every rank, for sites where nodes cannot install."""

    kind: str = choice("none", "apptainer", "pyxis")
    """none; apptainer (`apptainer exec --nv IMAGE ...`); pyxis (`srun --container-image=IMAGE`)."""
    image: str | None = None
    """The .sif or .sqsh file, or what Pyxis can pull."""
    mounts: list[str] = field(default_factory=list)
    """`host:container` pairs that are visible inside; the working folder and the code snapshot always are."""
    python: str = "python3"
    """Interpreter inside the container."""


@dataclass
class ClusterConfig:
    """Where array tasks run. Only the first two keys matter for kind=local."""

    kind: str = choice("local", "slurm")
    """local: in this process and its children. slurm: as array jobs; inside `salloc` or a batch script, on that
    allocation."""
    workers: Few = 0
    """local: array tasks run at the same time; 0 takes the cores this process may use."""

    partition: str | None = None
    """SLURM partition; null takes the site's default."""
    account: str | None = None
    """Account that is charged; null takes yours."""
    qos: str | None = None
    """Quality of service."""
    cpu_partition: str | None = None
    """Partition of the jobs that use no GPU (tokenizer, prepare, export); null for `partition`."""
    cpu_qos: str | None = None
    """Quality of service of those jobs; null for `qos`."""
    time: str = "01:00:00"
    """Time limit of one attempt of one array task, as SLURM writes it: minutes, hh:mm:ss or d-hh:mm:ss."""
    nodes: Annotated[int, Range(1, 1_000_000)] = 1
    """Nodes of one array task."""
    tasks_per_node: Few = 0
    """Ranks on each node; 0 takes one a GPU, or one where there are no GPUs. Jobs other than train always have one
    rank."""
    gpus_per_node: Few = 0
    """GPUs of each node."""
    cpus_per_task: Annotated[int, Range(1, 10_000)] = 1
    """CPU cores of each rank."""
    mem: str | None = None
    """Memory of each node, as SLURM writes it (64G); null takes the site's default, 0 all of it."""
    constraint: str | None = None
    """Features that nodes must have."""
    exclude: str | None = None
    """Nodes not to run on."""
    sbatch: dict[str, str] = field(default_factory=dict)
    """Further options of sbatch by their long names: cluster.sbatch.reservation=winter; those without a value are
    `true`."""
    srun: list[str] = field(default_factory=list)
    """Further arguments of the srun that starts the ranks, such as --cpu-bind=cores."""
    setup: list[str] = field(default_factory=list)
    """Shell lines before the ranks start, such as `module load cuda/12.8`."""
    environment: dict[str, str] = field(default_factory=dict)
    """Variables that every rank gets. Frozen with the job, so no secrets: those are taken from the shell that
    submits."""
    scratch: str | None = None
    """Fast folder on the node for temporary files (TMPDIR of the ranks); variables such as $SLURM_JOB_ID are filled in
    there."""
    container: ContainerConfig = field(default_factory=ContainerConfig)
    """A container around every rank."""

    array_parallelism: Annotated[int, Range(0, 1_000_000)] = 0
    """Array tasks of an array that run at the same time; 0 for as many as the cluster gives."""
    requeue: str = choice("requeue", "chain", "never")
    """What goes on with an array task that was cut off: requeue (`scontrol requeue`); chain (for sites that forbid it:
    the array is submitted `chain` times, each waiting for the one before); never."""
    chain: Annotated[int, Range(1, 1_000)] = 4
    """requeue=chain: how often the array is submitted."""
    signal_lead: Annotated[int, Range(0, 65_535)] = 120
    """Seconds before the time limit at which ranks are told to save; longer than a checkpoint and a step take. Where
    twice the longest checkpoint of a run is more, its driver tells them that much before."""
    restarts: Few = 3
    """Attempts in a row that may end without progress (no new checkpoint, shard or result) before an array task is
    given up."""
    preflight: bool = False
    """Before the ranks start: matrix products and all-reduces on every node; a slow or silent node is named, excluded,
    and the array task requeued."""
    preflight_seconds: Annotated[int, Range(1, 86_400)] = 120
    """Time limit of the preflight."""
    offline: bool = True
    """Switch the Hugging Face hub off in jobs, since compute nodes see no internet; `jobs.fetch` mirrors what they
    need."""
    wait: bool = False
    """Return only when every array task has ended, with the results; by default the prompt returns as soon as they are
    queued."""
