"""What a running job wants to have queued: written down first, and submitted as soon as SLURM takes it, by whoever comes by.

<folder>/NAME.json            an order: job, point, and whether it waits for everything else that was submitted from here
<folder>/submitted/NAME.json  the order, its submission and element, and its job ids

A process that dies between the two submits twice; what is submitted must bear that.
"""

import dataclasses
import uuid
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from common.errors import UserError
from common.files import digest_of, read_json, write_json
from common.remove import remove_file
from conf.schema import Config
from conf.schema.kinds import typed
from slurm.commands import SlurmError, Unreachable
from slurm.commands import run as ask
from slurm.queue import living
from slurm.site import SETTINGS
from slurm.submission import FAILED, FINISHED, Point, Submission, submissions
from slurm.submit import origin_of, prepare, queue

FOLDER = "outbox"
Order = dict[str, Any]


def put(run: str | Path, name: str, job: str, point: Point, last: bool = False) -> None:
    """Order ``jobs.<job>`` for ``point``, with the code and the working folder of this process; ``last``: to start when everything that was
    submitted from this outbox has ended."""
    config = dataclasses.replace(point.config, runs_dir=str(Path(point.config.runs_dir).absolute()))
    order = {
        "id": uuid.uuid4().hex, "job": job, "last": last, "origin": origin_of(config.runs_dir), "home": str(Path(point.home).absolute()),
        "label": point.label, "config": OmegaConf.to_container(OmegaConf.structured(config)),
    }  # fmt: skip
    write_json(_file(run, name), order)


def ordered(run: str | Path, name: str) -> bool:
    """Whether an order of this name waits."""
    return _file(run, name).is_file()


def withdraw(run: str | Path, name: str) -> None:
    """Remove an order that waits."""
    remove_file(_file(run, name))


def drain(run: str | Path) -> list[str]:
    """Submit what waits in the outbox of ``run``, each job's orders together; a line for each. Raises SlurmError; the rest stays."""
    orders = {file.stem: read_json(file) for file in sorted((Path(run) / FOLDER).glob("*.json"))}
    for name, order in list(orders.items()):
        if (record(run, name) or {}).get("id") == order["id"]:  # who submitted it died before it could remove it
            del orders[name]
            withdraw(run, name)
    if not orders:
        return []
    ask(SETTINGS)  # nothing is written where nobody answers
    together: dict[str, dict[str, Order]] = {}
    for name, order in orders.items():
        if not order["last"]:
            together.setdefault(digest_of([order["job"], order["origin"]]), {})[name] = order
    told = [line for group in together.values() for line in _submit(run, group)]
    for name, order in orders.items():
        if order["last"]:
            alive = living([job for other in records(run).values() for job in other["jobs"]])
            arrays = sorted({job.partition("_")[0] for job in alive}, key=int)
            told += _submit(run, {name: order}, f"afterany:{':'.join(arrays)}" if arrays else "")
    return told


def drain_all(runs_dir: str | Path) -> list[str]:
    """`drain` for every run that was submitted from ``runs_dir``; what SLURM does not take stays, and its reason is among the lines."""
    homes = {str(Path(point["home"]).absolute()) for one in submissions(runs_dir) if one.manifest["job"] == "train" for point in one.points}
    told = []
    for home in sorted(homes):
        try:
            told += [f"{home}: {line}" for line in drain(home)]
        except SlurmError as error:
            told.append(f"{home}: {error}; its probes wait in {Path(home) / FOLDER}")
    return told


def _submit(run: str | Path, orders: dict[str, Order], dependency: str = "") -> list[str]:
    """Queue orders of one job and origin."""
    first = next(iter(orders.values()))
    points = [Point(typed(Config, order["config"]), order["home"], order["label"]) for order in orders.values()]
    names, told = {order["home"]: name for name, order in orders.items()}, []
    for submission in prepare(first["job"], points, origin=first["origin"]).submissions:
        try:
            queue(submission, dependency)
        except Unreachable:
            raise  # it may have been queued all the same
        except SlurmError:
            submission.remove()
            raise
        for row in submission.points:
            name, jobs = names[row["home"]], submission.jobs_of(row["index"])
            known = {"submission": str(submission.folder), "element": row["index"], "jobs": jobs}
            write_json(_record_file(run, name), orders[name] | known)
            withdraw(run, name)
            told.append(f"{name}: job {jobs[0]}")
    return told


def record(run: str | Path, name: str) -> dict[str, Any] | None:
    """The last submission of an order of this name: the order, with submission, element and jobs."""
    file = _record_file(run, name)
    return read_json(file) if file.is_file() else None


def records(run: str | Path) -> dict[str, dict[str, Any]]:
    """What was submitted, by name."""
    return {file.stem: read_json(file) for file in sorted((Path(run) / FOLDER / "submitted").glob("*.json"))}


def state(known: dict[str, Any]) -> tuple[str, str]:
    """State and cause of what a record names, as its driver left them; both empty where it has not started, or is gone."""
    try:
        element = Submission.read(known["submission"]).element(known["element"])
    except UserError:
        return "", ""
    return element["state"], (element["attempts"][-1]["cause"] or "" if element["attempts"] else "")


def vanished(run: str | Path) -> list[str]:
    """Names of what was submitted, has not ended by itself, and that SLURM does not know any more. Raises SlurmError."""
    open_ = {name: known for name, known in records(run).items() if state(known)[0] not in (FINISHED, FAILED)}
    alive = living([job for known in open_.values() for job in known["jobs"]])
    return [name for name, known in open_.items() if not any(job in alive for job in known["jobs"])]


def _file(run: str | Path, name: str) -> Path:
    return Path(run) / FOLDER / f"{name}.json"


def _record_file(run: str | Path, name: str) -> Path:
    return Path(run) / FOLDER / "submitted" / f"{name}.json"
