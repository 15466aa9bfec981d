"""What a running job wants to have queued: written down first, and submitted as soon as SLURM takes it, by whoever
comes by.

<folder>/NAME.json           an order: job, point, and whether it waits for everything else that was submitted from here
<folder>/submitted/NAME.json  the order, its submission and array task; written before sbatch is called

Whoever comes by may be another user: each submits what they ordered themselves. Two that come by at once may both
submit; what is submitted must bear that."""

import dataclasses
import json
import os
import uuid
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from common.errors import UserError
from common.files import atomic_file, digest_of, read_json, write_json
from common.remove import remove_file
from conf.schema import Config
from conf.schema.kinds import typed
from slurm.commands import SlurmError, Unreachable
from slurm.commands import run as ask
from slurm.ownership import owner, read_own
from slurm.queue import living
from slurm.site import SETTINGS
from slurm.snapshot import altered
from slurm.submission import FAILED, FINISHED, Point, Submission, submissions
from slurm.submit import origin_of, prepare, queue
from slurm.unanswered import arrays_of, is_young

FOLDER = "outbox"
Order = dict[str, Any]


def put(run: str | Path, name: str, job: str, point: Point, last: bool = False) -> None:
    """Order ``jobs.<job>`` for ``point``, with the code and the working folder of this process; ``last``: to start when
    everything that was submitted from this outbox has ended."""
    config = dataclasses.replace(point.config, runs_dir=str(Path(point.config.runs_dir).absolute()))
    order = {
        "id": uuid.uuid4().hex, "job": job, "last": last, "origin": origin_of(config.runs_dir),
        "home": str(Path(point.home).absolute()),
        "label": point.label, "config": OmegaConf.to_container(OmegaConf.structured(config), resolve=True),
    }  # fmt: skip
    with atomic_file(_file(run, name), "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)  # what it says is run by this user
        json.dump(order, file, ensure_ascii=False)


def ordered(run: str | Path, name: str) -> bool:
    """Whether an order of this name waits, of this user."""
    return _read_order(_file(run, name)) is not None


def withdraw(run: str | Path, name: str) -> None:
    """Remove an order that waits."""
    remove_file(_file(run, name))


def drain(run: str | Path) -> list[str]:
    """Submit what waits in the outbox of ``run``, each job's orders together; a line for each. Raises SlurmError; the
    rest stays.

    Passed over are others' orders (`others`)."""
    waiting = {file.stem: order for file in _files(run) if (order := _read_order(file))}
    orders = {name: order for name, order in waiting.items() if not _is_submitted(run, name, order)}
    changed = {name: why for name, order in orders.items() if (why := altered(Path(order["origin"]["snapshot"])))}
    told = [f"{name} is not queued: {why}; remove {_file(run, name)}" for name, why in changed.items()]
    orders = {name: order for name, order in orders.items() if name not in changed}
    if not orders:
        return told
    ask(SETTINGS)  # nothing is written where nobody answers
    together: dict[str, dict[str, Order]] = {}
    for name, order in orders.items():
        if not order["last"]:
            together.setdefault(digest_of([order["job"], order["origin"]]), {})[name] = order
    told += [line for group in together.values() for line in _submit(run, group)]
    for name, order in orders.items():
        if order["last"]:
            alive = living([job for other in records(run).values() for job in jobs_of(other)])
            arrays = sorted({job.partition("_")[0] for job in alive}, key=int)
            told += _submit(run, {name: order}, f"afterany:{':'.join(arrays)}" if arrays else "")
    return told


def drain_all(runs_dir: str | Path) -> list[str]:
    """`drain` for every run that was submitted from ``runs_dir``; what SLURM does not take stays, and its reason is
    among the lines."""
    homes = {
        str(Path(point["home"]).absolute())
        for one in submissions(runs_dir)
        if one.manifest["job"] == "train"
        for point in one.points
    }
    told, left = [], []
    for home in sorted(homes):
        left += others(home)
        try:
            told += [f"{home}: {line}" for line in drain(home)]
        except UserError as error:
            told.append(f"{home}: {error}; its probes wait in {Path(home) / FOLDER}")
    if left:
        names = ", ".join(sorted({owner(file) for file in left}))
        told.append(
            f"{len(left)} {'orders' if len(left) > 1 else 'order'} of {names} left for them to submit, the first"
            f" {left[0]}"
        )
    return told


def others(run: str | Path) -> list[Path]:
    """Orders that wait and are not this user's own alone."""
    return [file for file in _files(run) if os.path.lexists(file) and _read_order(file) is None]


def _files(run: str | Path) -> list[Path]:
    return sorted((Path(run) / FOLDER).glob("*.json"))


def _read_order(file: Path) -> Order | None:
    """An order of this user's own; None for another's, or none."""
    try:
        text = read_own(file)
    except OSError:
        return None
    try:
        return None if text is None else json.loads(text)
    except ValueError as error:
        raise UserError(f"{file} is not valid JSON ({error}); remove it") from error


def _is_submitted(run: str | Path, name: str, order: Order) -> bool:
    """Whether who submitted an order died before it could remove it (it is removed now), or still waits for the answer
    of sbatch."""
    known = record(run, name) or {}
    if known.get("id") != order["id"]:
        return False
    try:
        submission = Submission.read(known["submission"])
        arrays = arrays_of(submission)
    except SlurmError:
        raise
    except UserError:
        return False
    if any(array.job_of(known["array_task"]) for array in arrays):
        if len(arrays) > len(submission.arrays):
            submission.queued(arrays)
        withdraw(run, name)
        return True
    return is_young(submission)


def _submit(run: str | Path, orders: dict[str, Order], dependency: str = "") -> list[str]:
    """Queue orders of one job and origin."""
    first = next(iter(orders.values()))
    points = [Point(typed(Config, order["config"]), order["home"], order["label"]) for order in orders.values()]
    names, told = {order["home"]: name for name, order in orders.items()}, []
    for submission in prepare(first["job"], points, origin=first["origin"]).submissions:
        for row in submission.points:
            name = names[row["home"]]
            write_json(
                _record_file(run, name),
                orders[name] | {"submission": str(submission.folder), "array_task": row["index"]},
            )
        try:
            queue(submission, dependency)
        except Unreachable:
            raise  # it may have been queued all the same
        except SlurmError:
            submission.remove()
            raise
        for row in submission.points:
            withdraw(run, names[row["home"]])
            told.append(f"queued {names[row['home']]} as job {submission.jobs_of(row['index'])[0]}")
    return told


def record(run: str | Path, name: str) -> dict[str, Any] | None:
    """The last submission of an order of this name: the order, with submission and array task."""
    file = _record_file(run, name)
    return read_json(file) if file.is_file() else None


def records(run: str | Path) -> dict[str, dict[str, Any]]:
    """What was submitted, by name."""
    return {file.stem: read_json(file) for file in sorted((Path(run) / FOLDER / "submitted").glob("*.json"))}


def state(known: dict[str, Any]) -> tuple[str, str]:
    """State and cause of what a record names, as its driver left them; both empty where it has not started, or is
    gone."""
    try:
        array_task = Submission.read(known["submission"]).array_task(known["array_task"])
    except UserError:
        return "", ""
    return array_task["state"], (array_task["attempts"][-1]["cause"] or "" if array_task["attempts"] else "")


def jobs_of(known: dict[str, Any]) -> list[str]:
    """Jobs of what a record names. Raises SlurmError where SLURM cannot be asked about one that sbatch did not answer
    about."""
    try:
        return [
            job
            for array in arrays_of(Submission.read(known["submission"]))
            if (job := array.job_of(known["array_task"]))
        ]
    except SlurmError:
        raise
    except UserError:
        return []


def vanished(run: str | Path) -> list[str]:
    """Names of what was submitted, has not ended by itself, and that SLURM does not know any more. Raises
    SlurmError."""
    open_ = {name: jobs_of(known) for name, known in records(run).items() if state(known)[0] not in (FINISHED, FAILED)}
    alive = living([job for jobs in open_.values() for job in jobs])
    return [name for name, jobs in open_.items() if not any(job in alive for job in jobs)]


def _file(run: str | Path, name: str) -> Path:
    return Path(run) / FOLDER / f"{name}.json"


def _record_file(run: str | Path, name: str) -> Path:
    return Path(run) / FOLDER / "submitted" / f"{name}.json"
