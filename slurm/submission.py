"""A submission on disk: points frozen before anything is queued, and what became of their array tasks.

<runs_dir>/submissions/<time>-<job>-<id>/    the time is UTC with microseconds, so that names sort by age
    submission.json     job, code snapshot, resources, points
    points/0000.yaml    the whole configuration of a point, resolved
    script.sbatch       the script as it was given to sbatch
    jobs.json           the arrays that were queued, and the one that sbatch was called for and has not answered about
    array_tasks/0000.json  attempts of an array task, as its driver saw them
    results/0000.json   what the job returned
    logs/               output of the batch scripts
"""

import dataclasses
import os
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from common.errors import UserError
from common.files import atomic_folder, read_json, write_json
from common.remove import remove_aside, set_aside
from conf.schema import ClusterConfig, Config
from conf.schema.kinds import typed
from slurm.ownership import foreign, shut, tree
from slurm.snapshot import altered

FOLDER = "submissions"
KEYS = {
    "job": str, "name": str, "created": str, "snapshot": str, "workdir": str, "python": str, "cluster": dict,
    "points": list, "after": list,
}  # fmt: skip
"""Keys of records, and the types of their values. Whoever may write to a shared runs_dir may have written them."""
POINT = {"index": int, "config": str, "home": str, "label": str, "logs": str}
ARRAY, ASKED = {"job_id": str, "first": int, "count": int}, {"first": int, "count": int, "time": float | int}
ELEMENT, ATTEMPT = {"state": str, "attempts": list}, {"number": int, "job_id": str}
RUNNING, REQUEUED, FINISHED, FAILED, SUPERSEDED = "running", "requeued", "finished", "failed", "superseded"


@dataclass(frozen=True)
class Point:
    """One configuration of one job, composed and checked."""

    config: Config
    home: str
    """Folder of its result."""
    label: str = ""
    """What distinguishes it from the other points, for people."""
    logs: str = ""
    """Folder for the logs of its ranks; empty for one within the submission."""


@dataclass(frozen=True)
class Array:
    """Array tasks ``first`` to ``first + count - 1`` of a submission as one SLURM array (task 0 is array task
    ``first``)."""

    job_id: str
    first: int
    count: int

    def job_of(self, array_task: int) -> str | None:
        """``ARRAY_TASK`` of an array task; None where it is not in this array."""
        task = array_task - self.first
        return f"{self.job_id}_{task}" if 0 <= task < self.count else None


@dataclass(frozen=True)
class Asked:
    """A call of sbatch that has not answered (yet)."""

    first: int
    count: int
    time: float
    """When it was called, in seconds since the epoch."""


@dataclass(frozen=True)
class Submission:
    """A submission folder."""

    folder: Path
    manifest: dict[str, Any]

    @classmethod
    def read(cls, folder: str | Path) -> "Submission":
        """The submission in ``folder``. Raises UserError where there is none, or it cannot be read."""
        file = Path(folder) / "submission.json"
        manifest = _read(file)
        if not _is_manifest(manifest):
            raise UserError(f"{file} is not the record of a submission; remove its folder")
        return cls(Path(folder), manifest)

    @property
    def cluster(self) -> ClusterConfig:
        """What its array tasks asked for."""
        return typed(ClusterConfig, self.manifest["cluster"])

    @property
    def snapshot(self) -> Path:
        """The code that its array tasks run."""
        return Path(self.manifest["snapshot"])

    @property
    def points(self) -> list[dict[str, Any]]:
        """index, config, home, label, logs of each point."""
        return self.manifest["points"]

    @property
    def arrays(self) -> list[Array]:
        """What was queued; empty where nothing was (yet). Raises UserError where the record of it is damaged."""
        return [Array(**{key: array[key] for key in ARRAY}) for array in self._jobs["arrays"]]

    @property
    def asked(self) -> Asked | None:
        """The call of sbatch of which nobody knows what became. Raises UserError likewise."""
        asked = self._jobs["asked"]
        return Asked(**{key: asked[key] for key in ASKED}) if asked else None

    @property
    def _jobs(self) -> dict[str, Any]:
        file = self.folder / "jobs.json"
        known = _read(file) if os.path.lexists(file) else {}
        found = {"arrays": [], "asked": None} | (known if isinstance(known, dict) else {"arrays": known})
        if not _are(found["arrays"], ARRAY) or not _are([found["asked"]] if found["asked"] else [], ASKED):
            raise UserError(f"{file} is not the record of what was queued; remove it")
        for array in found["arrays"]:
            if not re.fullmatch(r"[0-9]+", str(array["job_id"])):
                raise UserError(
                    f"{file}: {array['job_id']!r} is no job id; write the one that squeue shows for this submission"
                )
        return found

    def queued(self, arrays: Sequence[Array], asked: Asked | None = None) -> None:
        """Record what was queued, and what sbatch is called for now."""
        known = {
            "arrays": [dataclasses.asdict(array) for array in arrays],
            "asked": dataclasses.asdict(asked) if asked else None,
        }
        write_json(self.folder / "jobs.json", known)

    def remove(self) -> None:
        """Remove the folder of a submission that this process has just frozen, and of which nothing is queued."""
        remove_aside(set_aside(self.folder))

    @property
    def token(self) -> str:
        """End of the names of its jobs, by which they are found where sbatch did not say their ids."""
        return f":{self.folder.name.rpartition('-')[2]}"

    def foreign(self) -> str:
        """Why what an array task runs, its code included, is not this user's own alone; empty where it is."""
        try:
            files = [self.folder, self.folder / "submission.json", *tree(self.folder / "points")]
            return foreign(files) or altered(self.snapshot)
        except OSError as error:
            return f"{error.filename} cannot be read ({error.strerror})"

    def refuse_removed(self) -> None:
        """Raise UserError where its folder has been removed under a job of it."""
        if not (self.folder / "submission.json").is_file():
            raise UserError(
                f"{self.folder} was removed while its job ran: how the job ends is not recorded, and it is not queued"
                " again"
            )

    def jobs_of(self, array_task: int) -> list[str]:
        """SLURM ids of an array task, one for each array that covers it."""
        return [job for array in self.arrays if (job := array.job_of(array_task))]

    def config(self, array_task: int) -> Config:
        """The frozen configuration of an array task."""
        text = (self.folder / self.points[array_task]["config"]).read_text(encoding="utf-8")
        return typed(Config, OmegaConf.to_container(OmegaConf.create(text), resolve=False))

    def array_task_file(self, array_task: int) -> Path:
        """What its driver wrote of an array task."""
        return self.folder / "array_tasks" / f"{array_task:04d}.json"

    def array_task(self, array_task: int) -> dict[str, Any]:
        """State and attempts of an array task; state is empty before its first attempt."""
        file = self.array_task_file(array_task)
        found = _read(file) if os.path.lexists(file) else {"state": "", "attempts": []}
        if not _are([found], ELEMENT) or not _are(found["attempts"], ATTEMPT):
            raise UserError(f"{file} is not the record of an array task; remove it, and the array task starts afresh")
        return found

    def result_file(self, array_task: int) -> Path:
        """Where rank 0 writes what the job returned."""
        return self.folder / "results" / f"{array_task:04d}.json"

    def log_file(self, array_task: int, job: str, attempt: int, rank: str) -> Path:
        """Output of a rank; ``rank`` may be srun's %t."""
        return Path(self.points[array_task]["logs"]) / f"{job}_attempt_{attempt}_rank_{rank}.log"


def freeze(
    job: str, points: Sequence[Point], snapshot: str | Path, python: str, after: Sequence[str] = (),
    workdir: str | Path | None = None,
    mark: str = "",
) -> Submission:  # fmt: skip
    """Write a submission folder for points with one and the same resource request; ``workdir``: where they run, by
    default here; ``mark``: end of the folder's name, by default random."""
    first = points[0].config
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%S.%fZ}-{job}-{mark or uuid.uuid4().hex[:8]}"
    folder = Path(first.runs_dir).absolute() / FOLDER / name
    with atomic_folder(folder) as aside:
        for part in ("points", "array_tasks", "results", "logs"):
            (aside / part).mkdir()
        rows = []
        for index, point in enumerate(points):
            row = {"index": index, "config": f"points/{index:04d}.yaml", "home": point.home, "label": point.label}
            rows.append(row | {"logs": str(Path(point.logs).absolute()) if point.logs else str(folder / "logs")})
            (aside / row["config"]).write_text(
                OmegaConf.to_yaml(OmegaConf.structured(point.config), resolve=True), encoding="utf-8"
            )
        cluster = dataclasses.asdict(first.cluster)
        manifest = {
            "kind": "submission", "job": job, "name": first.name, "created": f"{now:%Y-%m-%dT%H:%M:%S.%fZ}",
            "snapshot": str(snapshot), "workdir": str(workdir or Path.cwd()), "python": python, "cluster": cluster,
            "points": rows, "after": list(after),
        }  # fmt: skip
        write_json(aside / "submission.json", manifest)
        shut(aside)
    return Submission(folder, manifest)


def _is_manifest(found: Any) -> bool:
    if not (
        _are([found], KEYS) and _are(found["points"], POINT) and all(isinstance(name, str) for name in found["after"])
    ):
        return False
    try:
        datetime.fromisoformat(found["created"])
    except ValueError:
        return False
    return [point["index"] for point in found["points"]] == list(range(len(found["points"])))


def _are(found: Any, kinds: dict[str, Any]) -> bool:
    """Whether something is a list of objects that have keys of these ``kinds`` of value."""
    return isinstance(found, list) and all(
        isinstance(one, dict) and all(isinstance(one.get(key), kind) for key, kind in kinds.items()) for one in found
    )


def _read(file: Path) -> Any:
    """JSON that may be another user's. Raises UserError where it cannot be read."""
    try:
        return read_json(file)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})") from error


def submissions(runs_dir: str | Path) -> Iterator[Submission]:
    """Every submission below ``runs_dir``, oldest first; one that cannot be read is passed over."""
    for folder in sorted((Path(runs_dir) / FOLDER).glob("[0-9]*")):
        try:
            yield Submission.read(folder)
        except UserError:
            continue
