"""``python -m slurm.rank SUBMISSION ELEMENT``: one rank of an array task, under srun."""

from common.stop import EXIT_CONTINUE, leave_when_asked

leave_when_asked()  # before anything slow: SLURM may ask while modules are still being read

import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from importlib import import_module  # noqa: E402
from typing import Any  # noqa: E402

from common.disk import DiskError, explained  # noqa: E402
from common.environment import read_ranks  # noqa: E402
from common.errors import AlreadyReported, UserError  # noqa: E402
from common.fence import EXIT_SUPERSEDED, Superseded  # noqa: E402
from common.files import make_folder, write_json  # noqa: E402
from slurm.snapshot import refuse_strangers  # noqa: E402
from slurm.submission import Submission  # noqa: E402

FAILED, USER_ERROR = 1, 2
PATIENCE = 20.0


def main(folder: str, array_task: int) -> int:
    """Run the job; the exit status of this rank. 0 stands for finished and for stopped with everything saved: rank 0
    writes which."""
    submission, first = Submission.read(folder), read_ranks().rank == 0
    if submission.cluster.scratch:
        _make_scratch(os.environ["TMPDIR"])
    job = import_module(f"jobs.{submission.manifest['job']}")
    refuse_strangers()
    try:
        value = job.run(submission.config(array_task))
        refuse_strangers()  # what was imported late, too
    except Superseded as error:
        print(error, file=sys.stderr)
        return EXIT_SUPERSEDED
    except AlreadyReported:
        time.sleep(PATIENCE)  # srun ends every rank as soon as one fails; rank 0 is to speak first
        return USER_ERROR
    except SystemExit as end:
        if end.code != EXIT_CONTINUE:
            raise
        return _tell(submission, array_task, first, "continue")
    if first:
        submission.refuse_removed()
        write_json(submission.result_file(array_task), {"value": _plain(value)})
    return _tell(submission, array_task, first, "finished")


def _tell(submission: Submission, array_task: int, first: bool, status: str) -> int:
    if first:
        submission.refuse_removed()
        attempt = int(os.environ["TERZI_ATTEMPT"])
        write_json(submission.folder / "array_tasks" / f"{array_task:04d}_attempt_{attempt}.json", {"status": status})
    return 0


def _make_scratch(folder: str) -> None:
    """Raises UserError for the folder of another user, who may have made it first where its name can be foreseen."""
    make_folder(folder)
    if not {os.lstat(folder).st_uid, os.stat(folder).st_uid} <= {0, os.getuid()}:
        raise UserError(f"cluster.scratch: {folder} belongs to another user; name a folder that nobody else can make")


def _plain(value: Any) -> Any:
    """What a job returned, as JSON can hold it."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _status(error: UserError) -> int:
    """Say what is wrong; the exit status, by which the driver knows whether another attempt may go well: on a full disk
    none does before somebody has made room, where a file system failed one on another node may."""
    print(f"error: {error}", file=sys.stderr, flush=True)
    return FAILED if isinstance(error, DiskError) and error.passing else USER_ERROR


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], int(sys.argv[2])))
    except UserError as error:
        sys.exit(_status(error))
    except Exception as error:
        if known := explained(error):
            sys.exit(_status(known))
        raise
