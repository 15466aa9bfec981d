"""``little_room.py PLAN``: jobs one after another, each again and again with a little more room, the last time with all
of it.

PLAN is JSON: umask; jobs (pairs of a name and overrides); room (bytes, of each file, or what is left on the file system
disk). Each attempt is a fork that ends as ``python -m jobs.<name>`` does. Prints a line of JSON for each."""

import importlib
import json
import os
import resource
import runpy
import shutil
import sys
import traceback
from pathlib import Path

import model2vec  # noqa: F401  (imported once, here, and not in every fork)
import torch.utils.tensorboard  # noqa: F401
import transformers  # noqa: F401

import model.training.assemble  # noqa: F401
import model.training.prepare_run  # noqa: F401

PLAN = json.loads(Path(sys.argv[1]).read_text())


def attempt(job: str, overrides: list[str], room: int | None) -> bool:
    """Run a job in a fork with so much ``room``; print how it ended and what it said. Whether it came to its end."""
    if "disk" in PLAN:
        leave(room)
    reading, writing = os.pipe()  # may grow where a file may not
    pid = os.fork()
    if not pid:
        for number in (1, 2):
            os.dup2(writing, number)
        os.close(writing)
        os.close(reading)
        os._exit(_ends(job, overrides, None if "disk" in PLAN else room))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(json.dumps({"job": job, "room": room, "status": status, "said": said}), flush=True)
    return status == 0


def _ends(job: str, overrides: list[str], size: int | None) -> int:
    if size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    sys.argv = [f"jobs.{job}", *overrides]
    status = 1
    try:
        runpy.run_module(f"jobs.{job}", run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def leave(free: int | None) -> None:
    """Fill the disk but for ``free`` bytes; None: empty it again."""
    ballast = Path(PLAN["disk"], "ballast")
    ballast.unlink(missing_ok=True)
    if free is not None:
        with ballast.open("wb") as file:
            file.write(bytes(max(0, shutil.disk_usage(ballast.parent).free - free)))


if __name__ == "__main__":
    os.umask(PLAN["umask"])
    for job, overrides in PLAN["jobs"]:
        importlib.import_module(f"jobs.{job}")
        for room in (*PLAN.get("room", ()), None):
            if attempt(job, overrides, room):
                break
